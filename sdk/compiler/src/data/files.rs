//! Finds input files under a folder, in an order that is the same everywhere.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use farsight_vision::picture::{EXTENSIONS, looks_like_picture};

use super::DataError;

/// Folders inside folders that are followed.
const DEEPEST: usize = 16;

/// Pictures, rasters and tensors under a folder, or the one file that was given.
pub(super) fn inputs(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    collect(path, |file| is_picture(file) || has_extension(file, "npy"))
}

/// Pictures and rasters under a folder.
pub(super) fn pictures(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    collect(path, is_picture)
}

/// Whether the name ends so, in any case.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// By name or, for a name that says nothing, by content. A text file named `.jpg` counts: whoever reads it
/// reports it, which is better than a sample that is missing in silence.
pub(super) fn is_picture(file: &Path) -> bool {
    EXTENSIONS.iter().any(|extension| has_extension(file, extension))
        || !["txt", "json", "csv", "npy", "yaml", "md"].iter().any(|e| has_extension(file, e))
            && looks_like_picture(file)
}

fn collect(path: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    if path.is_file() {
        files.push(path.to_owned());
    } else {
        walk(path, DEEPEST, &wanted, &mut HashSet::new(), &mut files)?;
        files.sort();
    }
    Ok(files)
}

fn walk(
    folder: &Path,
    depth: usize,
    wanted: &impl Fn(&Path) -> bool,
    seen: &mut HashSet<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> Result<(), DataError> {
    // A link may lead back: the same picture twice would search and judge with itself.
    if !seen.insert(folder.canonicalize().map_err(|source| DataError::io(folder, source))?) {
        return Ok(());
    }
    for path in entries(folder)? {
        if path.is_dir() {
            if depth > 0 {
                walk(&path, depth - 1, wanted, seen, files)?;
            }
        } else if wanted(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// What lies directly in a folder, sorted; hidden files and macOS's leftovers are passed over.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| DataError::io(folder, source))? {
        let entry = entry.map_err(|source| DataError::io(folder, source))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && name != "__MACOSX" {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Files with this extension that lie directly in a folder.
pub(super) fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, DataError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file() && has_extension(path, extension)).collect())
}

/// Reads a text file of at most `limit` bytes.
pub(super) fn text(path: &Path, limit: u64) -> Result<String, DataError> {
    let size = fs::metadata(path).map_err(|source| DataError::io(path, source))?.len();
    if size > limit {
        return Err(DataError::line(
            path,
            1,
            format!("{size} bytes"),
            format!("a label file of at most {limit} bytes"),
        ));
    }
    fs::read_to_string(path).map_err(|source| DataError::io(path, source))
}

/// The name without folder and extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_shows_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("barn")).unwrap();
        fs::write(folder.path().join("barn/a.jpg"), "").unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("barn/back")).unwrap();
        std::os::unix::fs::symlink("barn", folder.path().join("again")).unwrap();
        assert_eq!(pictures(folder.path()).unwrap(), [folder.path().join("again/a.jpg")]);
    }
}
