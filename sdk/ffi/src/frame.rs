//! A camera frame as C describes it.

use crate::Status;
use crate::failure::{Failure, Result};
use crate::memory::Read;

/// How the bytes of a frame encode its pixels. All have 8 bits a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum PixelFormat {
    /// Red, green, blue: 3 bytes a pixel.
    Rgb8 = 1,
    /// Blue, green, red: 3 bytes a pixel (OpenCV's order).
    Bgr8 = 2,
    /// One byte of luminance a pixel, full range.
    Gray8 = 3,
    /// 4:2:0 in two planes: luma, then `U V` pairs at half the width and height. Even width and height.
    Nv12 = 4,
    /// As NV12 with `V U` pairs.
    Nv21 = 5,
    /// 4:2:2 in one plane, `Y0 U Y1 V` for two pixels (YUY2). Even width.
    Yuyv = 6,
    /// 4:2:2 in one plane, `U Y0 V Y1` for two pixels. Even width.
    Uyvy = 7,
}

/// Which colours a YUV triple stands for. Ask the camera driver; a wrong guess shifts every colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Yuv {
    /// BT.601, limited range: what most cameras deliver.
    Bt601Limited = 0,
    /// BT.601, full range: JPEG and many USB cameras.
    Bt601Full = 1,
    /// BT.709, limited range: HD video.
    Bt709Limited = 2,
    /// BT.709, full range.
    Bt709Full = 3,
}

/// A camera frame. The pixels stay the caller's and are read during the call only.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// `sizeof(farsight_frame)`.
    pub size: usize,
    /// One of `farsight_pixel_format`.
    pub format: u32,
    /// One of `farsight_yuv`; 0 for formats that are not YUV.
    pub yuv: u32,
    /// In pixels, 1 to 65535.
    pub width: u32,
    /// In pixels, 1 to 65535.
    pub height: u32,
    /// RGB, grey, packed YUV, or the luma of NV12 and NV21.
    pub pixels: *const u8,
    /// How many bytes may be read there.
    pub pixels_bytes: usize,
    /// Bytes from the start of a row to the start of the next; 0: rows without gaps.
    pub stride: usize,
    /// The chroma pairs of NV12 and NV21, half as many rows as luma; NULL for other formats.
    pub chroma: *const u8,
    /// How many bytes may be read there.
    pub chroma_bytes: usize,
    /// As `stride`, for the chroma rows.
    pub chroma_stride: usize,
}

impl<'a> Read<'a, Frame> {
    /// The frame, checked: every row lies inside the bytes given.
    pub(crate) fn to_rust(&self) -> Result<farsight::Frame<'a>> {
        let format = format(self.format, self.yuv)?;
        let [width, height] =
            [self.width, self.height].map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        let pixels = self.first_plane()?;
        let chroma = self.second_plane()?;
        let frame = match format {
            farsight::PixelFormat::Nv12(_) | farsight::PixelFormat::Nv21(_) => {
                let [luma_stride, chroma_stride] =
                    [self.stride, self.chroma_stride].map(|stride| or(stride, width));
                farsight::Frame::biplanar(format, width, height, pixels, luma_stride, chroma, chroma_stride)
            }
            _ if !chroma.is_empty() => {
                return Err(bad_frame("this format has one plane; leave frame.chroma NULL".to_owned()));
            }
            _ => {
                let stride = or(self.stride, width.saturating_mul(pixel_bytes(format)));
                farsight::Frame::packed(format, width, height, stride, pixels)
            }
        };
        Ok(frame?)
    }
}

fn or(stride: usize, tight: usize) -> usize {
    if stride == 0 { tight } else { stride }
}

fn pixel_bytes(format: farsight::PixelFormat) -> usize {
    match format {
        farsight::PixelFormat::Rgb8 | farsight::PixelFormat::Bgr8 => 3,
        farsight::PixelFormat::Yuyv(_) | farsight::PixelFormat::Uyvy(_) => 2,
        _ => 1,
    }
}

/// The format by its number in the header.
fn format(format: u32, yuv: u32) -> Result<farsight::PixelFormat> {
    use farsight::PixelFormat as Rust;
    const RGB8: u32 = PixelFormat::Rgb8 as u32;
    const BGR8: u32 = PixelFormat::Bgr8 as u32;
    const GRAY8: u32 = PixelFormat::Gray8 as u32;
    const NV12: u32 = PixelFormat::Nv12 as u32;
    const NV21: u32 = PixelFormat::Nv21 as u32;
    const YUYV: u32 = PixelFormat::Yuyv as u32;
    const UYVY: u32 = PixelFormat::Uyvy as u32;
    let colours = colours(yuv)?;
    Ok(match format {
        RGB8 => Rust::Rgb8,
        BGR8 => Rust::Bgr8,
        GRAY8 => Rust::Gray8,
        NV12 => Rust::Nv12(colours),
        NV21 => Rust::Nv21(colours),
        YUYV => Rust::Yuyv(colours),
        UYVY => Rust::Uyvy(colours),
        _ => return Err(bad_frame(format!("frame.format is {format}, expected 1 (RGB8) to 7 (UYVY)"))),
    })
}

fn colours(yuv: u32) -> Result<farsight::Yuv> {
    const COLOURS: [farsight::Yuv; 4] = [
        farsight::Yuv::BT601_LIMITED,
        farsight::Yuv::BT601_FULL,
        farsight::Yuv::BT709_LIMITED,
        farsight::Yuv::BT709_FULL,
    ];
    let index = usize::try_from(yuv).unwrap_or(usize::MAX);
    COLOURS.get(index).copied().ok_or_else(|| {
        bad_frame(format!("frame.yuv is {yuv}, expected 0 (BT.601, limited) to 3 (BT.709, full)"))
    })
}

fn bad_frame(text: String) -> Failure {
    Failure::new(Status::BadFrame, "frame", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_header() {
        let yuv = farsight::Yuv::BT709_FULL;
        let rows = [
            (PixelFormat::Rgb8, farsight::PixelFormat::Rgb8),
            (PixelFormat::Bgr8, farsight::PixelFormat::Bgr8),
            (PixelFormat::Gray8, farsight::PixelFormat::Gray8),
            (PixelFormat::Nv12, farsight::PixelFormat::Nv12(yuv)),
            (PixelFormat::Nv21, farsight::PixelFormat::Nv21(yuv)),
            (PixelFormat::Yuyv, farsight::PixelFormat::Yuyv(yuv)),
            (PixelFormat::Uyvy, farsight::PixelFormat::Uyvy(yuv)),
        ];
        for (number, expected) in rows {
            assert_eq!(format(number as u32, Yuv::Bt709Full as u32).unwrap(), expected);
        }
        let colours = [Yuv::Bt601Limited, Yuv::Bt601Full, Yuv::Bt709Limited, Yuv::Bt709Full];
        let expected = ["Bt601 Limited", "Bt601 Full", "Bt709 Limited", "Bt709 Full"];
        for (number, expected) in colours.into_iter().zip(expected) {
            let farsight::Yuv { matrix, range } = super::colours(number as u32).unwrap();
            assert_eq!(format!("{matrix:?} {range:?}"), expected);
        }
        for (pixels, yuv) in [(0, 0), (8, 0), (u32::MAX, 0), (1, 4), (4, u32::MAX)] {
            assert_eq!(format(pixels, yuv).unwrap_err().status, Status::BadFrame, "{pixels} {yuv}");
        }
    }
}
