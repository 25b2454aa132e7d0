//! What can be wrong with a picture file, told to the person who gave it.

use std::io;
use std::path::{Path, PathBuf};

use super::MAX_PIXELS;
use super::kind::foreign;

/// Why a picture file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named for what they hold
pub enum PictureError {
    /// The file is missing or not readable.
    #[error("{}: cannot be opened: {source}. Check the path and the permissions", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// The path names a folder.
    #[error("{}: is a folder, expected one picture file. Give a file that lies in it", path.display())]
    Folder { path: PathBuf },
    /// The path names a device, a pipe or a socket.
    #[error("{}: is not a regular file. Save the picture to a file first", path.display())]
    NotAFile { path: PathBuf },
    /// The file holds no bytes.
    #[error("{}: is empty (0 bytes), expected a picture. Copy or export it again", path.display())]
    Empty { path: PathBuf },
    /// The content is none of the formats.
    #[error(
        "{}: is not a picture that can be read: found {found}, expected JPEG, PNG, BMP, TIFF or WebP (the \
         content counts, not the name). Convert it to one of them",
        path.display()
    )]
    NotAPicture { path: PathBuf, found: String },
    /// More pixels than [`MAX_PIXELS`].
    #[error(
        "{}: is {width} x {height} pixels, expected at most {MAX_PIXELS} in all. Scale or cut it, or store it \
         as a tiled GeoTIFF and run it as a raster",
        path.display()
    )]
    TooLarge { path: PathBuf, width: u64, height: u64 },
    /// The compressed file is larger than any picture of [`MAX_PIXELS`] needs.
    #[error("{}: is a {format} file of more than {limit} bytes. Save it again with stronger compression", path.display())]
    TooManyBytes { path: PathBuf, format: &'static str, limit: u64 },
    /// Decoding needs more memory than its pixels explain.
    #[error(
        "{}: is a {format} file that needs more memory to decode than a picture of {MAX_PIXELS} pixels may. Save it \
         again without metadata, or as a tiled GeoTIFF and run it as a raster",
        path.display()
    )]
    TooMuchMemory { path: PathBuf, format: &'static str },
    /// The file ends before the picture does.
    #[error("{}: is cut off: the {format} data end before the picture does. Copy or export it again", path.display())]
    Truncated { path: PathBuf, format: &'static str },
    /// The decoder met something that breaks the format.
    #[error("{}: is damaged: {reason}, expected a sound {format} file. Copy or export it again", path.display())]
    Corrupt { path: PathBuf, format: &'static str, reason: String },
    /// The format is known, this flavour of it has no 8-bit colours or cannot be read.
    #[error(
        "{}: is a {format} of a kind that cannot be shown as 8-bit colours: {reason}. Convert it to 8-bit RGB, or \
         run it as a raster if its samples are measurements",
        path.display()
    )]
    Unsupported { path: PathBuf, format: &'static str, reason: String },
}

pub(super) fn at_open(path: &Path, source: io::Error) -> PictureError {
    PictureError::Open { path: path.into(), source }
}

pub(super) fn not_a_picture(path: &Path, start: &[u8]) -> PictureError {
    PictureError::NotAPicture { path: path.into(), found: foreign(start) }
}

pub(super) fn corrupt(path: &Path, format: &'static str, reason: impl ToString) -> PictureError {
    PictureError::Corrupt { path: path.into(), format, reason: reason.to_string() }
}

pub(super) fn unsupported(path: &Path, format: &'static str, reason: impl ToString) -> PictureError {
    PictureError::Unsupported { path: path.into(), format, reason: reason.to_string() }
}

pub(super) fn truncated(path: &Path, format: &'static str) -> PictureError {
    PictureError::Truncated { path: path.into(), format }
}
