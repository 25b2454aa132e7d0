//! A prepared thing on the disk: a folder with its files and a `key.json` that vouches for them.
//!
//! It is made in a temporary folder beside and renamed into place, so that whoever looks sees all of it or nothing,
//! also when two processes make the same one at once.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::checksum::{FileFacts, facts_of};
use super::key::Key;
use crate::raw;

const KEY_FILE: &str = "key.json";
/// Longer ones are not read.
const MAX_KEY_FILE: u64 = 256 << 10;
const TEMPORARY: &str = ".making-";
/// After so long a temporary folder belongs to a process that was stopped.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// A place for a prepared thing.
#[derive(Debug)]
pub(crate) struct Entry {
    folder: PathBuf,
    key: Key,
}

/// What was found there.
pub(crate) enum Found {
    Nothing,
    /// Every file is as it was written, for this device.
    Good(Files),
    /// Why it is of no use.
    Bad(String),
}

/// The files of an entry, open and checked.
pub(crate) type Files = BTreeMap<String, File>;

/// `key.json`
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    key: Key,
    files: BTreeMap<String, FileFacts>,
}

impl Entry {
    /// The place for `key` among things of a kind.
    pub(crate) fn new(cache: &Path, kind: &str, key: Key) -> Self {
        Self { folder: cache.join(kind).join(key.name()), key }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks at what is there; every byte of it is compared with its checksum.
    pub(crate) fn look(&self) -> Found {
        match fs::symlink_metadata(&self.folder) {
            Err(error) if is_absent(&error) => Found::Nothing,
            Err(error) => Found::Bad(format!("it cannot be looked at: {error}")),
            Ok(metadata) => match self.check(&metadata) {
                Ok(files) => Found::Good(files),
                Err(reason) => Found::Bad(reason),
            },
        }
    }

    fn check(&self, metadata: &Metadata) -> Result<Files, String> {
        if !metadata.is_dir() {
            return Err("it is no folder".to_owned());
        }
        check_owner("the folder", metadata)?;
        check_parents(&self.folder)?;
        let record = record(&self.folder)?;
        if let Some(difference) = self.key.difference(&record.key) {
            return Err(difference);
        }
        for name in names(&self.folder).map_err(|error| error.to_string())? {
            if name != KEY_FILE && !record.files.contains_key(&name) {
                return Err(format!("{name} does not belong to it"));
            }
        }
        let file = |(name, facts): (String, FileFacts)| {
            let mut file = open(&self.folder, &name)?;
            let found = read_facts(&name, &mut file)?;
            match found {
                _ if found.bytes != facts.bytes => {
                    Err(format!("{name} has {} bytes, expected {}", found.bytes, facts.bytes))
                }
                _ if found != facts => Err(format!("{name} is damaged: its checksum is wrong")),
                _ => Ok((name, file)),
            }
        };
        record.files.into_iter().map(file).collect()
    }

    /// Makes the files with `make`, which gets an empty folder, and puts them in the place of what was there.
    pub(crate) fn put(&self, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        let failed = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
        create_folder(parent).map_err(|error| failed(parent, &error))?;
        // Else it would never be used.
        check_parents(&self.folder)?;
        remove_forgotten(parent);
        let prefix = format!("{TEMPORARY}{}-", std::process::id());
        let temporary = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let temporary = temporary.map_err(|error| failed(parent, &error))?;
        let new = temporary.path().join("new");
        fs::create_dir(&new).map_err(|error| failed(&new, &error))?;
        let made = make(&new).and_then(|()| self.seal(&new));
        made.map_err(|reason| cannot_write(&new).unwrap_or(reason))?;
        self.replace(&new, &temporary.path().join("old")).map_err(|error| failed(&self.folder, &error))
    }

    /// What is in a folder now: names, sizes and checksums.
    pub(crate) fn seen(folder: &Path) -> Result<BTreeMap<String, FileFacts>, String> {
        let facts = |name: String| Ok((name.clone(), read_facts(&name, &mut open(folder, &name)?)?));
        names(folder).map_err(|error| error.to_string())?.into_iter().map(facts).collect()
    }

    /// Writes `key.json` for the files in `folder` and brings everything to the disk.
    fn seal(&self, folder: &Path) -> Result<(), String> {
        let files = Self::seen(folder)?;
        for name in files.keys() {
            let file = open(folder, name)?;
            readable_by_all(&file).and_then(|()| file.sync_all()).map_err(|e| format!("{name}: {e}"))?;
        }
        let record = Record { key: self.key.clone(), files };
        let write = || {
            fs::write(folder.join(KEY_FILE), serde_json::to_vec_pretty(&record)?)?;
            let file = File::open(folder.join(KEY_FILE))?;
            readable_by_all(&file)?;
            file.sync_all()?;
            readable_by_all(&File::open(folder)?)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error: io::Error| format!("{KEY_FILE} cannot be written: {error}"))
    }

    /// Moves what is in the place to `old`, and `new` into the place. If another process was quicker, its one stays.
    fn replace(&self, new: &Path, old: &Path) -> io::Result<()> {
        match fs::rename(&self.folder, old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::rename(new, &self.folder) {
            Err(_) if self.folder.is_dir() => {}
            done => done?,
        }
        self.folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }
}

/// What `key.json` of a folder says.
fn record(folder: &Path) -> Result<Record, String> {
    let mut text = Vec::new();
    let file = open(folder, KEY_FILE)?;
    let read = file.take(MAX_KEY_FILE).read_to_end(&mut text);
    read.map_err(|error| format!("{KEY_FILE} cannot be read: {error}"))?;
    let record: Record =
        serde_json::from_slice(&text).map_err(|error| format!("{KEY_FILE} is damaged: {error}"))?;
    match record.files.keys().find(|name| !is_plain(name)) {
        Some(name) => Err(format!("{KEY_FILE} names the file {name:?}")),
        None => Ok(record),
    }
}

/// Why nothing can be written to a folder, most likely since the disk is full: ONNX Runtime does not tell.
fn cannot_write(folder: &Path) -> Option<String> {
    let file = folder.join("probe");
    let write = || {
        fs::write(&file, [1; 64 << 10])?;
        File::open(&file)?.sync_all()
    };
    let error = write().err()?;
    let what = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        _ => "nothing more can be written",
    };
    let place = folder.parent().and_then(Path::parent).unwrap_or(folder).display();
    Some(format!("{what}: {place}: {error}; make room there, or choose another place with FARSIGHT_CACHE"))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A name that leads nowhere but into the folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != KEY_FILE && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

/// Names of what is in a folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    fs::read_dir(folder)?.map(name).collect()
}

/// Opens a regular file of ours or of the system's; whoever else could write it could make ONNX Runtime read anything.
fn open(folder: &Path, name: &str) -> Result<File, String> {
    let failed = |error: io::Error| format!("{name} cannot be opened: {error}");
    let path = folder.join(name);
    if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(format!("{name} is no regular file"));
    }
    let file = open_itself(&path).map_err(failed)?;
    // Of what is open now, whatever has become of the name.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{name} is no regular file"));
    }
    check_owner(name, &metadata)?;
    Ok(file)
}

/// Opens for reading: no link is followed, and nothing is waited for.
#[cfg(unix)]
fn open_itself(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open_itself(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn read_facts(name: &str, file: &mut File) -> Result<FileFacts, String> {
    facts_of(file).map_err(|error| format!("{name} cannot be read: {error}"))
}

#[cfg(unix)]
fn check_owner(what: &str, metadata: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let owner = metadata.uid();
    if owner != 0 && owner != raw::user() {
        return Err(format!("{what} belongs to another user (number {owner})"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("{what} may be written by other users"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &str, _: &Metadata) -> Result<(), String> {
    Ok(())
}

/// Whoever may rename one of the folders above could put another one in its place, as `sshd` knows. In one like `/tmp`
/// (sticky) only the owner may.
#[cfg(unix)]
fn check_parents(folder: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("the folders above it cannot be looked at: {error}");
    let parent = folder.parent().unwrap_or(Path::new("."));
    // By the names that were given, and by those that links lead to.
    let ways = [std::path::absolute(parent), parent.canonicalize()];
    for way in ways {
        for above in way.map_err(failed)?.ancestors() {
            check_parent(above, &above.metadata().map_err(failed)?)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn check_parent(above: &Path, metadata: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let (owner, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode());
    // Whoever owns `/` may do everything (in a name space of its own that is not always user 0).
    let is_system = owner == 0 || Path::new("/").metadata().is_ok_and(|root| root.uid() == owner);
    if !is_system && owner != raw::user() {
        return Err(format!("{} above it belongs to another user (number {owner})", above.display()));
    }
    // Many systems give each user a group of the same number, which may write what the user may.
    let by_group = mode & 0o020 != 0 && group != owner;
    let is_sticky = mode & 0o1000 != 0;
    if !is_sticky && (by_group || mode & 0o002 != 0) {
        return Err(format!(
            "{0} above it may be written by other users: chmod go-w {0}, or choose another place with FARSIGHT_CACHE",
            above.display()
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_parents(_: &Path) -> Result<(), String> {
    Ok(())
}

/// A folder with those above it, which nobody else may write, whatever the umask says.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.recursive(true).create(folder)
}

/// So that what one user prepares (root, while the device is set up) serves another. Nobody else may write.
#[cfg(unix)]
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if file.metadata()?.is_dir() { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn readable_by_all(_: &File) -> io::Result<()> {
    Ok(())
}

/// Removes temporary folders of processes that were stopped half-way.
fn remove_forgotten(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = changed.is_ok_and(is_old);
        if is_old && maker_is_gone(&entry.file_name().to_string_lossy()) {
            // If it does not work now, it may the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A clock that was set back makes it old, too: else it would stay for ever.
fn is_old(changed: SystemTime) -> bool {
    SystemTime::now().duration_since(changed).map_or(true, |age| age > FORGOTTEN)
}

/// Whether this is the name of a temporary folder whose process (its number is in the name) is not there any more. One
/// of another container may be there without being seen: its age must tell as well.
fn maker_is_gone(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(TEMPORARY) else { return false };
    let maker = rest.split_once('-').and_then(|(number, _)| number.parse::<u32>().ok());
    !maker.is_some_and(|number| Path::new("/proc").join(number.to_string()).exists())
}

/// Removes what was prepared of a kind for other models than `keep` (SHA-256 in hexadecimal digits), and what cannot be
/// read. Returns the folders with their sizes in bytes.
///
/// # Errors
/// A folder that cannot be removed.
pub(super) fn prune(cache: &Path, kind: &str, keep: &[String]) -> Result<Vec<(PathBuf, u64)>, String> {
    let parent = cache.join(kind);
    remove_forgotten(&parent);
    let mut removed = Vec::new();
    for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
        let folder = entry.path();
        let is_ours = Key::is_name(&entry.file_name().to_string_lossy());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let model = record(&folder).ok().and_then(|record| record.key.asked.get("model").cloned());
        if is_ours && is_folder && !model.is_some_and(|model| keep.contains(&model)) {
            let bytes = size(&folder);
            fs::remove_dir_all(&folder)
                .map_err(|error| format!("{} cannot be removed: {error}", folder.display()))?;
            removed.push((folder, bytes));
        }
    }
    removed.sort();
    Ok(removed)
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(cache: &Path, model: &str) -> Entry {
        let asked = [("model".to_owned(), model.to_owned())].into();
        Entry::new(cache, "sessions", Key { asked, device: BTreeMap::new() })
    }

    fn put(entry: &Entry) -> Result<(), String> {
        entry.put(|folder| fs::write(folder.join("file"), "12345").map_err(|error| error.to_string()))
    }

    #[test]
    fn a_folder_above_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let above = folder.path().join("above");
        let entry = entry(&above.join("cache"), "m");
        put(&entry).unwrap();
        for (mode, is_good) in [(0o755, true), (0o757, false), (0o1777, true), (0o700, true)] {
            fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(matches!(entry.look(), Found::Good(_)), is_good, "{mode:o}");
            assert_eq!(put(&entry).is_ok(), is_good, "{mode:o}");
        }
        fs::set_permissions(&above, fs::Permissions::from_mode(0o777)).unwrap();
        let Found::Bad(reason) = entry.look() else { panic!("it was taken") };
        assert!(reason.contains("above above it may be written by other users: chmod go-w"), "{reason}");
    }

    #[test]
    fn what_is_being_made_is_forgotten_with_its_process_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let in_use = format!("{TEMPORARY}{}-x", std::process::id());
        let gone = format!("{TEMPORARY}{}-x", ended.id());
        let without_number = format!("{TEMPORARY}abc");
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        for (time, left) in [
            // The clock went forward, back, or neither.
            (now - 2 * hour, vec![&in_use]),
            (now + 2 * hour, vec![&in_use]),
            (now - hour / 2, vec![&in_use, &gone, &without_number]),
        ] {
            for name in [&in_use, &gone, &without_number] {
                let path = folder.path().join(name);
                fs::create_dir_all(&path).unwrap();
                File::open(&path).unwrap().set_modified(time).unwrap();
            }
            remove_forgotten(folder.path());
            for name in [&in_use, &gone, &without_number] {
                assert_eq!(folder.path().join(name).exists(), left.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn only_what_was_made_for_other_models_is_pruned() {
        let cache = tempfile::tempdir().unwrap();
        let [kept, other, damaged] = ["kept", "other", "damaged"].map(|model| entry(cache.path(), model));
        for entry in [&kept, &other, &damaged] {
            put(entry).unwrap();
        }
        fs::write(damaged.folder().join(KEY_FILE), "{").unwrap();
        let stranger = cache.path().join("sessions/mine");
        fs::create_dir(&stranger).unwrap();
        let removed = prune(cache.path(), "sessions", &["kept".to_owned()]).unwrap();
        let mut expected = [other.folder(), damaged.folder()];
        expected.sort();
        assert_eq!(removed.iter().map(|(folder, _)| folder.as_path()).collect::<Vec<_>>(), expected);
        assert!(removed.iter().all(|(_, bytes)| *bytes > 5));
        assert!(matches!(kept.look(), Found::Good(_)) && stranger.exists());
        assert!(prune(cache.path(), "nothing", &[]).unwrap().is_empty());
    }
}
