//! Picture files (JPEG, PNG, BMP, TIFF, WebP) as 8-bit RGB pixels.
//!
//! [`read`] gives the pixels that `cv2.imread(path, IMREAD_COLOR)` of OpenCV 5.0 gives, in RGB order: the EXIF
//! orientation is applied, alpha is dropped (not blended), 16 bits become 8 by their upper half, grey and
//! palette become three channels. Where OpenCV would return a picture with a grey rest (a JPEG that is cut
//! off), `read` refuses it. Two kinds differ: a TIFF with transparency (OpenCV multiplies its colours by the
//! alpha, here alpha is dropped as everywhere) and a TIFF with a palette (refused).

mod error;
mod jpeg;
mod kind;
mod orientation;
mod other;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

pub use error::PictureError;
use kind::Kind;

/// File name extensions of the formats that [`read`] understands, in lower case. The content decides, not the
/// name: this list is for help texts and for choosing a format to write.
pub const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "dib", "tif", "tiff", "webp"];

/// Most pixels that [`read`] decodes: 2^27, 384 MiB of RGB. Whatever is larger belongs into a tiled raster.
pub const MAX_PIXELS: u64 = 1 << 27;

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes: rows from the top, pixels from the left, red, green, blue.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// `[height, width]`.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}

/// Reads a picture file. Its format is told by its content; the name is not looked at.
///
/// Sizes are checked before pixels are allocated. A JPEG is held in memory while it is decoded, the other
/// formats are streamed.
///
/// # Errors
/// A [`PictureError`] for a file that cannot be opened, is not one of the formats, is larger than
/// [`MAX_PIXELS`], cut off, damaged, or of a flavour that has no 8-bit colours (floating point, many bands).
pub fn read(path: impl AsRef<Path>) -> Result<Picture, PictureError> {
    let path = path.as_ref();
    let mut file = open(path)?;
    let start = kind::start_of(&mut file).map_err(|source| error::at_open(path, source))?;
    let kind = Kind::of(&start).ok_or_else(|| error::not_a_picture(path, &start))?;
    file.rewind().map_err(|source| error::at_open(path, source))?;
    let (picture, orientation) = match kind {
        Kind::Jpeg => jpeg::decode(path, file)?,
        Kind::Other(format) => other::decode(path, BufReader::new(file), format, &start)?,
    };
    Ok(orientation::upright(picture, orientation))
}

/// Whether a file starts like one of the formats that [`read`] understands. Reads a few bytes; `false` for
/// whatever cannot be opened.
pub fn looks_like_picture(path: impl AsRef<Path>) -> bool {
    open(path.as_ref())
        .ok()
        .and_then(|mut file| kind::start_of(&mut file).ok())
        .is_some_and(|start| Kind::of(&start).is_some())
}

/// A regular file that holds something.
fn open(path: &Path) -> Result<File, PictureError> {
    let metadata = std::fs::metadata(path).map_err(|source| error::at_open(path, source))?;
    if metadata.is_dir() {
        return Err(PictureError::Folder { path: path.into() });
    }
    if !metadata.is_file() {
        return Err(PictureError::NotAFile { path: path.into() });
    }
    if metadata.len() == 0 {
        return Err(PictureError::Empty { path: path.into() });
    }
    File::open(path).map_err(|source| error::at_open(path, source))
}

/// The size as `usize`s, if a picture of it may be decoded.
fn checked_size(path: &Path, width: u64, height: u64) -> Result<(usize, usize), PictureError> {
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { path: path.into(), width, height });
    }
    // Below MAX_PIXELS both fit: an empty side is refused by the decoders.
    Ok((width as usize, height as usize))
}

/// Reads at most `limit` bytes of a file; `None` if it holds more.
fn read_at_most(file: File, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
