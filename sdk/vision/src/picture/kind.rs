//! What a file is, told by its first bytes.

use std::fs::File;
use std::io::{self, Read};

use image::ImageFormat;

/// The first bytes of a file that tell what it is; fewer where the file is shorter.
const START: u64 = 64;

/// A picture format, by the decoder that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Other(ImageFormat),
}

impl Kind {
    /// The format of a file that starts with these bytes.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(Self::Other(ImageFormat::Png)),
            // "BM" alone also begins many texts: the four reserved bytes are zero and the header's own size is
            // one that exists.
            [
                b'B',
                b'M',
                _,
                _,
                _,
                _,
                0,
                0,
                0,
                0,
                _,
                _,
                _,
                _,
                12 | 40 | 52 | 56 | 64 | 108 | 124,
                0,
                0,
                0,
                ..,
            ] => Some(Self::Other(ImageFormat::Bmp)),
            // Classic and big TIFF, little and big endian.
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
                Some(Self::Other(ImageFormat::Tiff))
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                Some(Self::Other(ImageFormat::WebP))
            }
            _ => None,
        }
    }
}

/// The first bytes of a file.
pub(super) fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(START).read_to_end(&mut start)?;
    Ok(start)
}

/// Words for a file that is no picture of ours, from its first bytes.
pub(super) fn foreign(start: &[u8]) -> String {
    let known = match start {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIF, AVIF or MP4 container",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "a JPEG 2000",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive (a bundle is one, too)",
        [0x1F, 0x8B, ..] => "gzip data",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "a NumPy array",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        _ if is_text(start) => "text",
        _ => return format!("unknown data that start with the bytes {:02x?}", &start[..start.len().min(8)]),
    };
    known.to_owned()
}

fn is_text(start: &[u8]) -> bool {
    let printable = |&b: &u8| b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r');
    // A character of several bytes may be cut where the bytes end.
    let cut = |e: std::str::Utf8Error| e.error_len().is_none();
    start.iter().all(printable) && std::str::from_utf8(start).map_or_else(cut, |_| true)
}
