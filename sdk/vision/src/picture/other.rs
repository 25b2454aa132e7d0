//! PNG, BMP, TIFF and WebP, through the `image` crate, with OpenCV's way from any samples to 8-bit RGB.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use image::error::ImageError;
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::error::{corrupt, truncated, unsupported};
use super::{Picture, PictureError, checked_size};

/// Memory a decoder may use beside two times the picture itself (a strip, a palette, metadata).
const SLACK: u64 = 64 << 20;

/// Decodes a file of this format; the second value is its EXIF orientation, 1..=8.
pub(super) fn decode(
    path: &Path,
    reader: BufReader<File>,
    format: ImageFormat,
    start: &[u8],
) -> Result<(Picture, u8), PictureError> {
    let name = name_of(format);
    let told = |error| told(path, name, error);
    let mut reader = ImageReader::with_format(reader, format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(SLACK);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(told)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = checked_size(path, width.into(), height.into())?;
    limits.max_alloc = Some(2 * decoder.total_bytes() + SLACK);
    decoder.set_limits(limits).map_err(told)?;
    let color = decoder.color_type();
    let orientation = decoder.orientation().map_err(told)?.to_exif();
    let mut samples = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX)];
    decoder.read_image(&mut samples).map_err(told)?;
    let mut rgb = to_rgb(samples, color, format)
        .ok_or_else(|| unsupported(path, name, format!("its samples are {color:?}")))?;
    if let Some(kept) = bits_of_16_bit_bmp(format, start) {
        rgb.chunks_exact_mut(3).for_each(|pixel| pixel.iter_mut().zip(kept).for_each(|(v, bits)| *v &= bits));
    }
    Ok((Picture { width, height, rgb }, orientation))
}

/// Samples of any colour type to RGB8; `None` for those that are not colours (floating point).
///
/// Of 16 bits libpng keeps the upper half; libtiff rounds coloured pixels to the nearest of 255 levels.
fn to_rgb(samples: Vec<u8>, color: ColorType, format: ImageFormat) -> Option<Vec<u8>> {
    // The decoders store 16 bits in this machine's order.
    let high = usize::from(cfg!(target_endian = "little"));
    let nearest = |at: &[u8]| ((u32::from(u16::from_ne_bytes([at[0], at[1]])) + 128) / 257) as u8;
    Some(match color {
        ColorType::Rgb16 if format == ImageFormat::Tiff => samples.chunks_exact(2).map(nearest).collect(),
        ColorType::Rgb8 => samples,
        ColorType::Rgba8 => pick(&samples, 4, [0, 1, 2]),
        ColorType::L8 => pick(&samples, 1, [0; 3]),
        ColorType::La8 => pick(&samples, 2, [0; 3]),
        ColorType::Rgb16 => pick(&samples, 6, [high, 2 + high, 4 + high]),
        ColorType::Rgba16 => pick(&samples, 8, [high, 2 + high, 4 + high]),
        ColorType::L16 => pick(&samples, 2, [high; 3]),
        ColorType::La16 => pick(&samples, 4, [high; 3]),
        _ => return None,
    })
}

/// Three bytes of every pixel.
fn pick(samples: &[u8], pixel: usize, at: [usize; 3]) -> Vec<u8> {
    samples.chunks_exact(pixel).flat_map(|p| at.map(|i| p[i])).collect()
}

/// The bits that a BMP of 16 bits a pixel really holds, channel by channel: the decoder spreads its 5 or 6 bits
/// over 0..=255, OpenCV shifts them up and leaves the lower ones 0.
fn bits_of_16_bit_bmp(format: ImageFormat, start: &[u8]) -> Option<[u8; 3]> {
    let field = |at: usize| start.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if format != ImageFormat::Bmp || field(28)? & 0xFFFF != 16 {
        return None;
    }
    const BITFIELDS: u32 = 3;
    const SIX_BITS: u32 = 0x07E0;
    let six = field(30)? == BITFIELDS && field(58)? == SIX_BITS;
    Some([0xF8, if six { 0xFC } else { 0xF8 }, 0xF8])
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        _ => "WebP",
    }
}

fn told(path: &Path, format: &'static str, error: ImageError) -> PictureError {
    match &error {
        _ if ends_early(&error) => truncated(path, format),
        ImageError::Unsupported(reason) => unsupported(path, format, reason),
        ImageError::Limits(_) => PictureError::TooMuchMemory { path: path.into(), format },
        _ => corrupt(path, format, &error),
    }
}

/// Whether an end of file is at the bottom of an error.
fn ends_early(error: &ImageError) -> bool {
    let at_end = |e: &io::Error| e.kind() == io::ErrorKind::UnexpectedEof;
    if let ImageError::IoError(error) = error {
        return at_end(error);
    }
    std::iter::successors(error.source(), |&e| e.source()).any(|e| e.downcast_ref().is_some_and(at_end))
}
