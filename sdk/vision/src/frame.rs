//! A camera frame: borrowed pixels of a known format, checked once when it is made.

/// Greatest width and height of a frame, in pixels.
const MAX_SIDE: usize = 65_535;

/// How the bytes of a frame encode its pixels. All formats have 8 bits a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Red, green, blue: 3 bytes a pixel.
    Rgb8,
    /// Blue, green, red: 3 bytes a pixel (OpenCV's order).
    Bgr8,
    /// One byte of luminance a pixel, full range.
    Gray8,
    /// 4:2:0 in two planes: luma, then `U V` pairs at half the width and height. Even width and height.
    Nv12(Yuv),
    /// As [`PixelFormat::Nv12`] with `V U` pairs. Even width and height.
    Nv21(Yuv),
    /// 4:2:2 in one plane, `Y0 U Y1 V` for two pixels (also called YUY2). Even width.
    Yuyv(Yuv),
    /// 4:2:2 in one plane, `U Y0 V Y1` for two pixels. Even width.
    Uyvy(Yuv),
}

/// Which colours a YUV triple stands for. Ask the camera driver; a wrong guess shifts every colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Yuv {
    /// Weights of red, green and blue in luma.
    pub matrix: YuvMatrix,
    /// Which byte values stand for black and white.
    pub range: YuvRange,
}

impl Yuv {
    /// BT.601, limited range: what most cameras deliver and what OpenCV's `cvtColor` takes YUV for.
    pub const BT601_LIMITED: Self = Self { matrix: YuvMatrix::Bt601, range: YuvRange::Limited };
    /// BT.601, full range: JPEG and many USB cameras.
    pub const BT601_FULL: Self = Self { matrix: YuvMatrix::Bt601, range: YuvRange::Full };
    /// BT.709, limited range: HD video.
    pub const BT709_LIMITED: Self = Self { matrix: YuvMatrix::Bt709, range: YuvRange::Limited };
    /// BT.709, full range.
    pub const BT709_FULL: Self = Self { matrix: YuvMatrix::Bt709, range: YuvRange::Full };
}

/// Weights of red, green and blue in luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum YuvMatrix {
    /// ITU-R BT.601: 0.299, 0.587, 0.114.
    Bt601,
    /// ITU-R BT.709: 0.2126, 0.7152, 0.0722.
    Bt709,
}

/// Which byte values stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum YuvRange {
    /// Luma 16..=235, chroma 16..=240.
    Limited,
    /// 0..=255.
    Full,
}

/// A borrowed camera frame. Its constructors check that every row lies inside the bytes given.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    /// RGB, gray, packed YUV or luma.
    pixels: Plane<'a>,
    /// Chroma pairs of NV12 and NV21; empty elsewhere.
    chroma: Plane<'a>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Plane<'a> {
    data: &'a [u8],
    stride: usize,
    row_bytes: usize,
}

impl<'a> Plane<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.row_bytes]
    }
}

impl<'a> Frame<'a> {
    /// A frame of RGB bytes without gaps between rows.
    ///
    /// # Errors
    /// Where a side is 0 or above 65,535, or `data` is not exactly `width * height * 3` bytes.
    pub fn rgb8(width: usize, height: usize, data: &'a [u8]) -> Result<Self, FrameError> {
        let frame = Self::packed(PixelFormat::Rgb8, width, height, width.saturating_mul(3), data)?;
        let expected = width * height * 3;
        if data.len() != expected {
            return Err(FrameError::Length { plane: "pixel", found: data.len(), expected });
        }
        Ok(frame)
    }

    /// A frame in one plane (RGB8, BGR8, GRAY8, YUYV, UYVY); a row starts every `stride` bytes.
    ///
    /// Bytes after the last row are allowed, since drivers hand out padded buffers.
    ///
    /// # Errors
    /// Where the format has two planes, a side is 0, above 65,535 or odd where chroma is shared by two
    /// pixels, `stride` is shorter than a row, or `data` ends before the last row does.
    pub fn packed(
        format: PixelFormat,
        width: usize,
        height: usize,
        stride: usize,
        data: &'a [u8],
    ) -> Result<Self, FrameError> {
        check_size(format, width, height)?;
        let pixel_bytes = match format {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
            PixelFormat::Gray8 => 1,
            PixelFormat::Yuyv(_) | PixelFormat::Uyvy(_) => 2,
            PixelFormat::Nv12(_) | PixelFormat::Nv21(_) => {
                return Err(FrameError::Planes { format, found: 1, expected: 2 });
            }
        };
        let pixels = plane("pixel", data, stride, width * pixel_bytes, height)?;
        Ok(Self { format, width, height, pixels, chroma: Plane::default() })
    }

    /// A frame in two planes (NV12, NV21): `y` with `height` rows of `width` bytes, `uv` with half as
    /// many rows of as many bytes. Each plane has its own stride; bytes after a last row are allowed.
    ///
    /// # Errors
    /// Where the format has one plane, a side is 0, odd or above 65,535, a stride is shorter than a row,
    /// or a plane ends before its last row does.
    pub fn biplanar(
        format: PixelFormat,
        width: usize,
        height: usize,
        y: &'a [u8],
        y_stride: usize,
        uv: &'a [u8],
        uv_stride: usize,
    ) -> Result<Self, FrameError> {
        check_size(format, width, height)?;
        if !matches!(format, PixelFormat::Nv12(_) | PixelFormat::Nv21(_)) {
            return Err(FrameError::Planes { format, found: 2, expected: 1 });
        }
        let pixels = plane("luma", y, y_stride, width, height)?;
        let chroma = plane("chroma", uv, uv_stride, width, height / 2)?;
        Ok(Self { format, width, height, pixels, chroma })
    }

    /// How the bytes encode the pixels.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row `y` of the first plane, without its padding.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        self.pixels.row(y)
    }

    /// The chroma pairs that belong to row `y` of an NV12 or NV21 frame.
    pub(crate) fn chroma_row(&self, y: usize) -> &'a [u8] {
        self.chroma.row(y / 2)
    }
}

fn check_size(format: PixelFormat, width: usize, height: usize) -> Result<(), FrameError> {
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(FrameError::Size { width, height });
    }
    let (even_width, even_height) = match format {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Gray8 => (false, false),
        PixelFormat::Yuyv(_) | PixelFormat::Uyvy(_) => (true, false),
        PixelFormat::Nv12(_) | PixelFormat::Nv21(_) => (true, true),
    };
    if (even_width && width % 2 == 1) || (even_height && height % 2 == 1) {
        return Err(FrameError::Odd { format, width, height });
    }
    Ok(())
}

fn plane<'a>(
    plane: &'static str,
    data: &'a [u8],
    stride: usize,
    row_bytes: usize,
    rows: usize,
) -> Result<Plane<'a>, FrameError> {
    if stride < row_bytes {
        return Err(FrameError::Stride { plane, found: stride, expected: row_bytes });
    }
    let expected = (rows - 1).saturating_mul(stride).saturating_add(row_bytes);
    if data.len() < expected {
        return Err(FrameError::Length { plane, found: data.len(), expected });
    }
    Ok(Plane { data, stride, row_bytes })
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is 0 or too long.
    #[error("a frame of {width}x{height} pixels: each side must be 1 to {MAX_SIDE}")]
    Size {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// Two pixels share one chroma value, so a side has to be even.
    #[error(
        "a frame of {width}x{height} pixels in {format:?}: pixels share chroma in pairs, so the width \
         (and for NV12 and NV21 the height) must be even; crop the last column or row"
    )]
    Odd {
        /// The format asked for.
        format: PixelFormat,
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// Rows would overlap.
    #[error("stride of the {plane} plane is {found} bytes, but a row alone has {expected}")]
    Stride {
        /// Which plane.
        plane: &'static str,
        /// Bytes given.
        found: usize,
        /// Bytes of a row.
        expected: usize,
    },
    /// Too few bytes, or too many where no gaps are allowed.
    #[error("the {plane} plane has {found} bytes, expected {expected}; check width, height and stride")]
    Length {
        /// Which plane.
        plane: &'static str,
        /// Bytes given.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// The format has another number of planes.
    #[error(
        "{format:?} has {expected} plane(s), not {found}; use Frame::packed for one, Frame::biplanar for two"
    )]
    Planes {
        /// The format asked for.
        format: PixelFormat,
        /// Planes given.
        found: usize,
        /// Planes it has.
        expected: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_sizes_are_refused() {
        let yuv = Yuv::BT601_LIMITED;
        let (rgb, yuyv, nv12) = (PixelFormat::Rgb8, PixelFormat::Yuyv(yuv), PixelFormat::Nv12(yuv));
        let bytes = [0u8; 64];
        let cases: [(&str, Result<Frame, FrameError>, Option<&str>); 15] = [
            ("fits", Frame::rgb8(4, 5, &bytes[..60]), None),
            ("one byte more", Frame::rgb8(4, 5, &bytes[..61]), Some("61 bytes, expected 60")),
            ("one byte less", Frame::rgb8(4, 5, &bytes[..59]), Some("59 bytes, expected 60")),
            ("no width", Frame::rgb8(0, 5, &bytes), Some("0x5")),
            ("huge", Frame::rgb8(usize::MAX, 2, &bytes), Some("each side must be")),
            ("last row unpadded", Frame::packed(rgb, 4, 5, 13, &bytes), None),
            ("short stride", Frame::packed(rgb, 4, 5, 11, &bytes), Some("a row alone has 12")),
            ("huge stride", Frame::packed(rgb, 4, 5, usize::MAX, &bytes), Some("64 bytes, expected")),
            ("odd 4:2:2 width", Frame::packed(yuyv, 3, 4, 8, &bytes), Some("must be even")),
            ("odd 4:2:2 height", Frame::packed(yuyv, 4, 3, 8, &bytes), None),
            ("two planes", Frame::packed(nv12, 4, 4, 4, &bytes), Some("2 plane(s)")),
            ("one plane", Frame::biplanar(yuyv, 4, 4, &bytes, 4, &bytes, 4), Some("1 plane(s)")),
            ("odd 4:2:0 height", Frame::biplanar(nv12, 4, 3, &bytes, 4, &bytes, 4), Some("must be even")),
            (
                "short chroma",
                Frame::biplanar(nv12, 4, 4, &bytes, 4, &bytes[..7], 4),
                Some("chroma plane has 7"),
            ),
            ("two planes fit", Frame::biplanar(nv12, 4, 4, &bytes[..16], 4, &bytes[..8], 4), None),
        ];
        for (name, result, expected) in cases {
            match (result, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.to_string().contains(part), "{name}: {error}");
                }
                (result, _) => panic!("{name}: {result:?}"),
            }
        }
    }
}
