//! What a file looks like from its first bytes, for messages about files that are no bundles.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::container::MANIFEST;
use crate::error::{BundleError, Fault};

/// Bytes of a file's head that are looked at.
pub(crate) const HEAD: usize = 512;

/// What a file looks like. A guess for people, never a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A ZIP file whose first entry is `manifest.json`.
    Bundle,
    /// Another ZIP file.
    Zip,
    /// An ONNX model.
    Onnx,
    /// A TFLite model.
    TfLite,
    /// A model in ONNX Runtime's own format.
    Ort,
    /// An HTML page: mostly a download that went wrong.
    Html,
    /// A Git LFS pointer instead of the file it stands for.
    LfsPointer,
    /// Text.
    Text,
    /// A picture (PNG, JPEG, TIFF, GIF, BMP or WebP).
    Picture,
    /// An archive or compressed file (gzip, zstd, xz, bzip2, 7z or tar).
    Archive,
    /// A program or a shared library.
    Program,
    /// An HDF5 file, as Keras writes them.
    Hdf5,
    /// Zero bytes only, as far as looked.
    Zeros,
    /// No bytes at all.
    Empty,
    /// Nothing known.
    Unknown,
}

impl FileKind {
    /// From a file's first bytes (512 are enough).
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD)];
        by_signature(head).or_else(|| by_content(head)).unwrap_or(Self::Unknown)
    }

    /// What to do when this was given as a bundle.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Onnx | Self::TfLite => "make a bundle of it first: farsight compile MODEL",
            Self::Ort | Self::Hdf5 => "export the model as ONNX and compile it: farsight compile MODEL",
            Self::Html => "look at it in an editor: the download probably failed",
            Self::LfsPointer => "fetch the file itself: git lfs pull",
            Self::Empty | Self::Zeros => "copy it again: an earlier copy was probably cut off",
            _ => "give the .farsight file that farsight compile wrote",
        }
    }
}

/// What the file at `path` looks like: reads 512 bytes of it.
///
/// # Errors
/// Not found, not a regular file, or not readable.
pub fn sniff(path: &Path) -> Result<FileKind, BundleError> {
    let look = || {
        let mut head = Vec::with_capacity(HEAD);
        open_regular(path)?.0.take(HEAD as u64).read_to_end(&mut head).map_err(|e| Fault::io("read", e))?;
        Ok(FileKind::of(&head))
    };
    look().map_err(|fault: Fault| fault.at(path))
}

/// Opens a regular file (opening a pipe would wait for its writer), with its size.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), Fault> {
    let metadata = std::fs::metadata(path).map_err(|e| Fault::io("look at", e))?;
    if !metadata.is_file() {
        return Err(Fault::NotAFile {
            found: if metadata.is_dir() { "a folder" } else { "a device or a pipe" },
        });
    }
    let file = File::open(path).map_err(|e| Fault::io("open", e))?;
    let bytes = file.metadata().map_err(|e| Fault::io("look at", e))?.len();
    Ok((file, bytes))
}

fn by_signature(head: &[u8]) -> Option<FileKind> {
    let signatures: [(usize, &[u8], FileKind); 25] = [
        (0, b"PK\x03\x04", FileKind::Zip),
        (0, b"PK\x05\x06", FileKind::Zip),
        (4, b"TFL3", FileKind::TfLite),
        (4, b"ORTM", FileKind::Ort),
        (0, b"version https://git-lfs", FileKind::LfsPointer),
        (0, b"\x89HDF\r\n", FileKind::Hdf5),
        (0, b"\x89PNG", FileKind::Picture),
        (0, b"\xff\xd8\xff", FileKind::Picture),
        (0, b"II*\0", FileKind::Picture),
        (0, b"MM\0*", FileKind::Picture),
        (0, b"II+\0", FileKind::Picture),
        (0, b"GIF8", FileKind::Picture),
        (8, b"WEBP", FileKind::Picture),
        (0, b"\x1f\x8b", FileKind::Archive),
        (0, b"\x28\xb5\x2f\xfd", FileKind::Archive),
        (0, b"\xfd7zXZ", FileKind::Archive),
        (0, b"BZh", FileKind::Archive),
        (0, b"7z\xbc\xaf", FileKind::Archive),
        (257, b"ustar", FileKind::Archive),
        (0, b"\x7fELF", FileKind::Program),
        (0, b"\xcf\xfa\xed\xfe", FileKind::Program),
        (0, b"MZ\x90\0", FileKind::Program),
        (0, b"<!DOCTYPE html", FileKind::Html),
        (0, b"<!doctype html", FileKind::Html),
        (0, b"<html", FileKind::Html),
    ];
    let found = signatures
        .iter()
        .find(|(at, signature, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(signature)))?;
    // The name of a ZIP's first entry follows the 30 fixed bytes of its header.
    let is_bundle =
        found.2 == FileKind::Zip && head.get(30..).is_some_and(|name| name.starts_with(MANIFEST.as_bytes()));
    Some(if is_bundle { FileKind::Bundle } else { found.2 })
}

fn by_content(head: &[u8]) -> Option<FileKind> {
    if head.is_empty() {
        return Some(FileKind::Empty);
    }
    if head.iter().all(|&byte| byte == 0) {
        return Some(FileKind::Zeros);
    }
    if is_onnx(head) {
        return Some(FileKind::Onnx);
    }
    is_text(head).then_some(FileKind::Text)
}

/// A ModelProto starts with field 1, `ir_version` (a small number), then one of the other fields of
/// onnx.proto: 2 to 7 length-delimited or numbers, 8 `opset_import`.
fn is_onnx(head: &[u8]) -> bool {
    matches!(head, [0x08, 1..=30, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}

fn is_text(head: &[u8]) -> bool {
    // A character may be cut in two at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "a farsight bundle",
            Self::Zip => "a ZIP archive of another kind",
            Self::Onnx => "an ONNX model",
            Self::TfLite => "a TFLite model",
            Self::Ort => "a model in ONNX Runtime's own format",
            Self::Html => "an HTML page",
            Self::LfsPointer => "a Git LFS pointer",
            Self::Text => "a text file",
            Self::Picture => "a picture",
            Self::Archive => "an archive or a compressed file",
            Self::Program => "a program or a shared library",
            Self::Hdf5 => "an HDF5 file",
            Self::Zeros => "a file of zero bytes only",
            Self::Empty => "an empty file",
            Self::Unknown => "a file of unknown kind",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart() {
        let mut bundle = b"PK\x03\x04".to_vec();
        bundle.resize(30, 0);
        bundle.extend(b"manifest.json");
        let mut cut = "ä".repeat(255).into_bytes();
        cut.push(b'x');
        cut.extend("ä".as_bytes());
        let cases: [(&[u8], FileKind); 14] = [
            (&bundle, FileKind::Bundle),
            (b"PK\x03\x04 something", FileKind::Zip),
            (b"\x08\x08\x12\x07pytorch", FileKind::Onnx),
            (b"\x08\x0a:\x00", FileKind::Onnx),
            (b"\x1c\0\0\0TFL3", FileKind::TfLite),
            (b"<!DOCTYPE html><html>", FileKind::Html),
            (b"version https://git-lfs.github.com/spec/v1\n", FileKind::LfsPointer),
            (b"[model]\nname = 'x'\n", FileKind::Text),
            (&cut, FileKind::Text),
            (b"\x89PNG\r\n\x1a\n", FileKind::Picture),
            (b"\x7fELF\x02", FileKind::Program),
            (&[0; 600], FileKind::Zeros),
            (b"", FileKind::Empty),
            (b"\x01\x02\x03\x04", FileKind::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(FileKind::of(head), expected, "{:?}", head.escape_ascii().to_string());
        }
    }
}
