//! Rows of a frame as bytes that a resizer reads, colours converted.

use super::color::{self, YuvFactors, YuvOrder};
use super::{Isa, PIXEL};
use crate::frame::{Frame, PixelFormat};

/// What a resizer is to be fed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colors {
    /// Red, green and blue; luminance three times where the frame is gray.
    Rgb,
    /// Luminance. Taken before scaling, as a picture that is read as gray is.
    Gray,
}

/// Where red, green and blue lie in a row of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// Bytes from a pixel to the next: 1, 3 or 4.
    pub(crate) step: usize,
    /// Byte of red, green and blue inside a pixel.
    pub(crate) order: [usize; 3],
}

impl Lanes {
    const GRAY: Self = Self { step: 1, order: [0, 0, 0] };
    const RGB: Self = Self { step: 3, order: [0, 1, 2] };
    const BGR: Self = Self { step: 3, order: [2, 1, 0] };
    const RGBX: Self = Self { step: PIXEL, order: [0, 1, 2] };

    /// Copies pixels to [`PIXEL`] bytes each.
    pub(crate) fn expand(self, pixels: &[u8], out: &mut [u8]) {
        match self.step {
            1 => self.expand_from::<1>(pixels, out),
            3 => self.expand_from::<3>(pixels, out),
            _ => self.expand_from::<PIXEL>(pixels, out),
        }
    }

    fn expand_from<const STEP: usize>(self, pixels: &[u8], out: &mut [u8]) {
        for (pixel, out) in pixels.as_chunks::<STEP>().0.iter().zip(out.as_chunks_mut::<PIXEL>().0) {
            let [red, green, blue] = self.order.map(|lane| pixel[lane]);
            *out = [red, green, blue, 0];
        }
    }
}

/// Reads the rows of frames of one format and width.
pub(crate) struct Source {
    conversion: Conversion,
    lanes: Lanes,
    rgb: Vec<u8>,
    gray: Vec<u8>,
}

/// What has to happen to a row before it is scaled.
#[derive(Debug, Clone, Copy)]
enum Conversion {
    /// Nothing, it is read where it lies.
    None,
    ToGray(Lanes),
    ToRgb(YuvOrder, YuvFactors),
    ToRgbToGray(YuvOrder, YuvFactors),
}

impl Source {
    pub(crate) fn new(format: PixelFormat, width: usize, colors: Colors) -> Self {
        let yuv = |order, yuv| match colors {
            Colors::Rgb => (Conversion::ToRgb(order, YuvFactors::new(yuv)), Lanes::RGBX),
            Colors::Gray => (Conversion::ToRgbToGray(order, YuvFactors::new(yuv)), Lanes::GRAY),
        };
        let rgb = |lanes| match colors {
            Colors::Rgb => (Conversion::None, lanes),
            Colors::Gray => (Conversion::ToGray(lanes), Lanes::GRAY),
        };
        let (conversion, lanes) = match format {
            PixelFormat::Rgb8 => rgb(Lanes::RGB),
            PixelFormat::Bgr8 => rgb(Lanes::BGR),
            PixelFormat::Gray8 => (Conversion::None, Lanes::GRAY),
            PixelFormat::Nv12(kind) => yuv(YuvOrder::Nv12, kind),
            PixelFormat::Nv21(kind) => yuv(YuvOrder::Nv21, kind),
            PixelFormat::Yuyv(kind) => yuv(YuvOrder::Yuyv, kind),
            PixelFormat::Uyvy(kind) => yuv(YuvOrder::Uyvy, kind),
        };
        let (rgb, gray) = match conversion {
            Conversion::None => (0, 0),
            Conversion::ToGray(_) => (0, width),
            Conversion::ToRgb(..) => (width * PIXEL, 0),
            Conversion::ToRgbToGray(..) => (width * PIXEL, width),
        };
        Self { conversion, lanes, rgb: vec![0; rgb], gray: vec![0; gray] }
    }

    /// Where the colours lie in the rows.
    pub(crate) fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Row `y` of a frame of the format and width given at construction.
    pub(crate) fn row<'a>(&'a mut self, isa: Isa, frame: &Frame<'a>, y: usize) -> &'a [u8] {
        match self.conversion {
            Conversion::None => frame.row(y),
            Conversion::ToGray(lanes) => {
                luminance(isa, lanes, frame.row(y), &mut self.gray);
                &self.gray
            }
            Conversion::ToRgb(order, factors) => {
                yuv_to_rgb(isa, order, factors, frame, y, &mut self.rgb);
                &self.rgb
            }
            Conversion::ToRgbToGray(order, factors) => {
                yuv_to_rgb(isa, order, factors, frame, y, &mut self.rgb);
                luminance(isa, Lanes::RGBX, &self.rgb, &mut self.gray);
                &self.gray
            }
        }
    }
}

fn yuv_to_rgb(isa: Isa, order: YuvOrder, factors: YuvFactors, frame: &Frame, y: usize, out: &mut [u8]) {
    let chroma = match order {
        YuvOrder::Nv12 | YuvOrder::Nv21 => frame.chroma_row(y),
        YuvOrder::Yuyv | YuvOrder::Uyvy => &[],
    };
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(avx2) => avx2.yuv_to_rgb(order, factors, frame.row(y), chroma, out),
        Isa::Portable => color::yuv_to_rgb(order, factors, frame.row(y), chroma, out),
    }
}

fn luminance(isa: Isa, lanes: Lanes, row: &[u8], out: &mut [u8]) {
    match (isa, lanes.step) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2(avx2), 3) => avx2.luminance::<3>(lanes.order, row, out),
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2(avx2), _) => avx2.luminance::<PIXEL>(lanes.order, row, out),
        (Isa::Portable, 3) => color::luminance::<3>(lanes.order, row, out),
        (Isa::Portable, _) => color::luminance::<PIXEL>(lanes.order, row, out),
    }
}
