//! Writes a picture to a file: all of it or nothing.

use std::path::Path;

use anyhow::{Context, Result, bail};
use farsight_compiler::write_atomically;
use farsight_vision::Picture;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use libjpeg_turbo_rs::{PixelFormat, Subsampling};

/// Quality of a JPEG: little enough loss that thin lines and letters stay clean.
const JPEG_QUALITY: u8 = 92;

/// Writes a picture as PNG or JPEG, as the extension says: to a temporary file beside it that then takes its
/// place, so that a stop half-way leaves the old file.
///
/// # Errors
/// For another extension, and where the folder cannot be written to.
pub(crate) fn save(picture: &Picture, path: &Path) -> Result<()> {
    let bytes = encode(picture, path)?;
    write_atomically(path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Writes values of one byte a pixel as a grey PNG, as [`save`] does.
///
/// # Errors
/// Where the folder cannot be written to.
pub(crate) fn save_grey(values: &[u8], [height, width]: [usize; 2], path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(width)?, u32::try_from(height)?);
    PngEncoder::new(&mut bytes)
        .write_image(values, width, height, ExtendedColorType::L8)
        .with_context(|| format!("{}: cannot be encoded as PNG", path.display()))?;
    write_atomically(path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))
}

fn encode(picture: &Picture, path: &Path) -> Result<Vec<u8>> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "png" => {
            let mut bytes = Vec::new();
            let (width, height) = (u32::try_from(picture.width)?, u32::try_from(picture.height)?);
            PngEncoder::new(&mut bytes)
                .write_image(&picture.rgb, width, height, ExtendedColorType::Rgb8)
                .with_context(|| format!("{}: cannot be encoded as PNG", path.display()))?;
            Ok(bytes)
        }
        "jpg" | "jpeg" => libjpeg_turbo_rs::compress(
            &picture.rgb,
            picture.width,
            picture.height,
            PixelFormat::Rgb,
            JPEG_QUALITY,
            Subsampling::S444,
        )
        .with_context(|| format!("{}: cannot be encoded as JPEG", path.display())),
        other => bail!(
            "{}: found the extension {other:?}, expected .png, .jpg or .jpeg. Rename the output",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::canvas::blank;

    #[test]
    fn extension_decides_and_the_pixels_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let picture = blank(20, 10, [200, 30, 90]);
        for (name, most) in [("a.png", 0), ("a.PNG", 0), ("a.jpg", 3), ("a.jpeg", 3)] {
            let path = folder.path().join(name);
            save(&picture, &path).unwrap();
            let back = farsight_vision::picture::read(&path).unwrap();
            assert_eq!(back.size(), picture.size());
            assert!(back.rgb.iter().zip(&picture.rgb).all(|(a, b)| a.abs_diff(*b) <= most), "{name}");
        }
    }

    #[test]
    fn refusals_name_the_file_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let picture = blank(2, 2, [0; 3]);
        for name in ["a.gif", "noextension", "missing/a.png"] {
            let path = folder.path().join(name);
            let message = format!("{:#}", save(&picture, &path).unwrap_err());
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn written_files_are_as_public_as_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let (picture, plain) = (folder.path().join("a.png"), folder.path().join("plain"));
        save(&blank(2, 2, [0; 3]), &picture).unwrap();
        std::fs::write(&plain, "").unwrap();
        assert_eq!(mode(&picture), mode(&plain));
    }
}
