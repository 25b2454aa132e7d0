//! JPEG files, byte for byte as libjpeg-turbo decodes them (accurate integer IDCT, fancy upsampling).
//!
//! OpenCV decodes with libjpeg-turbo. A decoder that rounds in other places (zune-jpeg, jpeg-decoder) differs
//! in 6 to 10 % of the bytes, by up to 8 levels, enough to move a detection across its threshold.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use libjpeg_turbo_rs::{ColorSpace, ComponentInfo, DecodeLimits, Decoder, Image, JpegError, PixelFormat};

use super::error::{at_open, corrupt, truncated, unsupported};
use super::{MAX_PIXELS, Picture, PictureError, checked_size, read_at_most};

const FORMAT: &str = "JPEG";

/// Most bytes of a compressed file: eight bits a pixel for the largest picture.
const MAX_BYTES: u64 = MAX_PIXELS;

/// Decodes a JPEG; the second value is its EXIF orientation, 1..=8.
pub(super) fn decode(path: &Path, file: File) -> Result<(Picture, u8), PictureError> {
    let bytes = read_at_most(file, MAX_BYTES)
        .map_err(|source| at_open(path, source))?
        .ok_or_else(|| PictureError::TooManyBytes { path: path.into(), format: FORMAT, limit: MAX_BYTES })?;
    let limits = DecodeLimits { max_pixels: MAX_PIXELS, ..DecodeLimits::default() };
    let mut decoder = Decoder::new_with_limits(&bytes, limits).map_err(|e| told(path, e))?;
    let header = decoder.header();
    let (width, height) = checked_size(path, header.width() as u64, header.height() as u64)?;
    if header.precision != 8 {
        return Err(unsupported(path, FORMAT, format!("{} bits a sample", header.precision)));
    }
    let ink = matches!(decoder.jpeg_color_space(), ColorSpace::Cmyk | ColorSpace::Ycck);
    if ink && !inks_fit(&header.components) {
        return Err(unsupported(path, FORMAT, "four inks sampled in four ways"));
    }
    decoder.set_output_format(if ink { PixelFormat::Cmyk } else { PixelFormat::Rgb });
    // On by default in libjpeg; it only shows in progressive files that end before the last refinement.
    decoder.set_block_smoothing(true);
    let orientation = decoder.exif_orientation().unwrap_or(1);
    let pixels = decode_caught(&decoder).map_err(|e| told(path, e))?.into_vec();
    let rgb = if ink { cmyk_to_rgb(&pixels) } else { pixels };
    if rgb.len() != width * height * 3 {
        return Err(corrupt(path, FORMAT, "the number of pixels is not what the header says"));
    }
    Ok((Picture { width, height, rgb }, orientation))
}

/// The sampling that libjpeg-turbo-rs 0.9 can put together: the first and the last component in full, the two
/// between them alike and whole times coarser. It indexes out of bounds on others.
fn inks_fit(components: &[ComponentInfo]) -> bool {
    let sampling = |c: &ComponentInfo| [c.horizontal_sampling, c.vertical_sampling];
    let [first, second, third, last] = components else { return false };
    let whole =
        sampling(first).iter().zip(sampling(second)).all(|(&full, part)| part > 0 && full % part == 0);
    whole && sampling(first) == sampling(last) && sampling(second) == sampling(third)
}

/// Decodes; a panic in the decoder, which only a damaged file can cause, is an error like any other.
fn decode_caught(decoder: &Decoder<'_>) -> Result<Image, JpegError> {
    // The decoder is not used again, so a state left half-way does no harm.
    std::panic::catch_unwind(AssertUnwindSafe(|| decoder.decode_image()))
        .unwrap_or_else(|_| Err(JpegError::CorruptData("the decoder gave up".to_owned())))
}

/// Inverted CMYK, as Adobe stores it, to RGB: OpenCV 5.0 `imgcodecs/src/utils.cpp: icvCvt_CMYK2BGR_8u_C4C3R`.
fn cmyk_to_rgb(cmyk: &[u8]) -> Vec<u8> {
    let mix = |ink: u8, key: u8| {
        let (ink, key) = (i32::from(ink), i32::from(key));
        (key - (((255 - ink) * key) >> 8)) as u8 // 0..=255 for any two bytes
    };
    cmyk.chunks_exact(4).flat_map(|p| [mix(p[0], p[3]), mix(p[1], p[3]), mix(p[2], p[3])]).collect()
}

fn told(path: &Path, error: JpegError) -> PictureError {
    match error {
        JpegError::UnexpectedEof => truncated(path, FORMAT),
        JpegError::Unsupported(reason) => unsupported(path, FORMAT, reason),
        other => corrupt(path, FORMAT, other),
    }
}
