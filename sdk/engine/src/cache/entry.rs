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
        let record = self.record()?;
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

    fn record(&self) -> Result<Record, String> {
        let mut text = Vec::new();
        let file = open(&self.folder, KEY_FILE)?;
        let read = file.take(MAX_KEY_FILE).read_to_end(&mut text);
        read.map_err(|error| format!("{KEY_FILE} cannot be read: {error}"))?;
        let record: Record =
            serde_json::from_slice(&text).map_err(|error| format!("{KEY_FILE} is damaged: {error}"))?;
        match record.files.keys().find(|name| !is_plain(name)) {
            Some(name) => Err(format!("{KEY_FILE} names the file {name:?}")),
            None => Ok(record),
        }
    }

    /// Makes the files with `make`, which gets an empty folder, and puts them in the place of what was there.
    pub(crate) fn put(&self, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        let failed = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        remove_forgotten(parent);
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent);
        let temporary = temporary.map_err(|error| failed(parent, &error))?;
        let new = temporary.path().join("new");
        fs::create_dir(&new).map_err(|error| failed(&new, &error))?;
        make(&new)?;
        self.seal(&new)?;
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
    let now = SystemTime::now();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let age = changed.ok().and_then(|changed| now.duration_since(changed).ok());
        if is_ours && age.is_some_and(|age| age > FORGOTTEN) {
            // If it does not work now, it may the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
