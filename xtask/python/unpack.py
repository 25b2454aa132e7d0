"""Takes the named files out of a wheel: unpack.py WHEEL FOLDER PREFIX PATTERN...

Names are matched against the patterns below PREFIX, which is left out of what is written.
A pattern that matches nothing is an error: the wheel is then not the one that was meant.
"""

import fnmatch
import pathlib
import sys
import zipfile

wheel, folder, prefix, *patterns = sys.argv[1:]
unmatched = set(patterns)
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if not entry.filename.startswith(prefix) or entry.is_dir():
            continue
        name = entry.filename[len(prefix) :]
        matching = {pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)}
        if not matching:
            continue
        unmatched -= matching
        entry.filename = name  # where `extract` writes; it refuses to leave the folder
        archive.extract(entry, folder)
if unmatched:
    sys.exit(f"{pathlib.Path(wheel).name} holds nothing named {prefix}{' or '.join(sorted(unmatched))}")
