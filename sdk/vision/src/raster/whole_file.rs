//! A file that appears whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is written beside its place and renamed when it is whole. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl WholeFile {
    /// Begins a file to be called `path`. A file of that name is replaced when this one is finished, not before.
    ///
    /// # Errors
    /// In words: the folder does not exist or cannot be written to, or there is a folder or a device of that name.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        if path.is_dir() {
            return Err("there is a folder of that name".to_owned());
        }
        // A device would be replaced by a file.
        if path.exists() && !path.is_file() {
            return Err("what is there is no file".to_owned());
        }
        let temporary = temporary_beside(path).map_err(|e| e.to_string())?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(temporary) })
    }

    /// Its name to be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that the file is on the disk and gives it its name. Returns its size in bytes.
    ///
    /// # Errors
    /// In words: the disk is full or the file cannot be renamed; then nothing of that name appears or changes.
    pub(crate) fn finish(self) -> Result<u64, String> {
        let Self { path, file } = self;
        let temporary = file.into_inner().map_err(|e| e.to_string())?;
        temporary.as_file().sync_all().map_err(|e| e.to_string())?;
        let file = temporary.persist(&path).map_err(|e| e.error.to_string())?;
        // The new name itself reaches the disk with its folder; where folders cannot be synced, nothing is
        // lost but that.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        file.metadata().map(|data| data.len()).map_err(|e| e.to_string())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, place: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(place)
    }
}

/// A file without a name on the disk of `path`: gone when it is closed.
pub(super) fn scratch_beside(path: &Path) -> std::io::Result<File> {
    tempfile::tempfile_in(folder_of(path))
}

/// A new file in the target's folder, so that renaming it cannot cross a disk, with the permissions that any
/// new file gets.
fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".farsight-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
