//! A raster by its path, whatever lies there.

use std::path::{Path, PathBuf};

use super::stack::MAX_FILES;
use super::{Raster, RasterError, RasterSource, RasterStack};

/// Opens a file as a [`Raster`], or a folder of GeoTIFFs of one scene as a [`RasterStack`].
///
/// # Errors
/// As [`Raster::open`] and [`RasterStack::open_folder`].
pub fn open_raster(path: impl AsRef<Path>) -> Result<Box<dyn RasterSource + Send>, RasterError> {
    let path = path.as_ref();
    if path.is_dir() {
        return Ok(Box::new(RasterStack::open_folder(path)?));
    }
    Ok(Box::new(Raster::open(path)?))
}

impl RasterStack {
    /// Opens a folder's GeoTIFFs, in the order of their names.
    ///
    /// # Errors
    /// As [`RasterStack::open`]; or the folder holds no GeoTIFF, too many, or a scene in JPEG 2000, which is not
    /// read here.
    pub fn open_folder(folder: impl AsRef<Path>) -> Result<Self, RasterError> {
        Self::open(&files(folder.as_ref())?)
    }
}

/// The folder's GeoTIFFs.
fn files(folder: &Path) -> Result<Vec<PathBuf>, RasterError> {
    let open = |source| RasterError::Open { path: folder.to_owned(), source };
    let refused = |found: String| RasterError::Folder { path: folder.to_owned(), found };
    let mut files = Vec::new();
    let mut jpeg_2000 = has_extension(folder, &["safe"]);
    for entry in std::fs::read_dir(folder).map_err(open)? {
        let path = entry.map_err(open)?.path();
        jpeg_2000 |= has_extension(&path, &["jp2", "safe"]);
        if has_extension(&path, &["tif", "tiff"]) && path.is_file() {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(refused(format!("more than {MAX_FILES} GeoTIFFs; a scene is a folder of its own")));
        }
    }
    if files.is_empty() && jpeg_2000 {
        let found = "its pictures are JPEG 2000 (.jp2), which is not read here".to_owned();
        return Err(RasterError::Unsupported { path: folder.to_owned(), found });
    }
    if files.is_empty() {
        return Err(refused("no GeoTIFF (.tif, .tiff) in this folder".to_owned()));
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
