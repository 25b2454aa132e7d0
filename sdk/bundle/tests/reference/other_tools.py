"""Reads a bundle with Python's zipfile, and writes one with it: `other_tools.py read|write FILE`.

Standard library only (Python 3.8 or later). zipfile knows nothing of farsight: what it reads back is what any
ZIP tool reads, and what it writes is a bundle that no code of farsight's had a hand in.
"""

import hashlib
import json
import sys
import zipfile


def read(path):
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None, "a checksum is wrong"
        infos = bundle.infolist()
        assert infos[0].filename == "manifest.json", infos[0]
        manifest = json.loads(bundle.read("manifest.json"))
        assert {i.filename for i in infos[1:]} == set(manifest["entries"]), infos
        for info in infos:
            assert info.date_time == (1980, 1, 1, 0, 0, 0), info
            assert info.create_system == 0 and info.external_attr == 0, info
            assert data_start(path, info) % 64 == 0, info
        for name, entry in manifest["entries"].items():
            data = bundle.read(name)
            assert len(data) == entry["bytes"], name
            assert hashlib.sha256(data).hexdigest() == entry["sha256"], name


def data_start(path, info):
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return info.header_offset + 30 + name + extra


SPEC = """name = "by-python"
about = "Written by another tool."
task = "tensors"
source = { reference = "none", licence = "CC0-1.0" }
input = { kind = "tensors" }
output = { decoder = "tensors" }
"""

TARGET = """name = "aarch64-linux"
about = "Written by another tool."
triple = "aarch64-unknown-linux-gnu"
onnxruntime = { oldest = "1.17", from = "PyPI" }
providers = [{ name = "CPU" }]
"""


def write(path):
    entries = {
        "spec.toml": SPEC.encode(),
        "target.toml": TARGET.encode(),
        "model.onnx": bytes(range(256)) * 100,
    }
    listed = {n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in entries.items()}
    manifest = {
        "format": 1,
        "name": "by-python",
        "version": "0.1.0",
        "tool": "python",
        "onnxruntime": "1.32.0",
        "precision": "keep",
        "models": [{"entry": "model.onnx", "source_sha256": "0" * 64, "inputs": [], "outputs": []}],
        "targets": [{"name": "aarch64-linux", "triple": "aarch64-unknown-linux-gnu"}],
        "entries": listed,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for name, data in [("manifest.json", json.dumps(manifest).encode()), *entries.items()]:
            info = zipfile.ZipInfo(name)
            start = bundle.fp.tell() + 30 + len(name) + 6
            padding = -start % 64
            info.extra = b"\x1e\xa1" + (2 + padding).to_bytes(2, "little") + b"\x40\0" + bytes(padding)
            bundle.writestr(info, data)


if __name__ == "__main__":
    {"read": read, "write": write}[sys.argv[1]](sys.argv[2])
