//! Colour arithmetic, a row at a time.
//!
//! YUV to RGB is the fixed-point scheme of OpenCV's `cvtColor` (`color_yuv.simd.hpp`: 20 fractional bits,
//! luma offset clamped at zero, one chroma pair for two neighbours without interpolation). For BT.601
//! limited range the factors are OpenCV's own, so the bytes are equal to its; for the others they
//! follow from the luma weights of the standard, rounded to 20 bits. RGB to luminance is `RGB2GRAY` of the
//! same library: 15 fractional bits.

use super::PIXEL;
use crate::frame::{Yuv, YuvMatrix, YuvRange};

const SHIFT: u32 = 20;

/// Integer factors (20 fractional bits) that turn one YUV triple into RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct YuvFactors {
    /// What luma black is.
    offset: u8,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl YuvFactors {
    pub(crate) fn new(yuv: Yuv) -> Self {
        let (red, green, blue) = match yuv.matrix {
            YuvMatrix::Bt601 if yuv.range == YuvRange::Limited => return Self::OPENCV,
            YuvMatrix::Bt601 => (0.299, 0.587, 0.114),
            YuvMatrix::Bt709 => (0.2126, 0.7152, 0.0722),
        };
        let (offset, luma, chroma) = match yuv.range {
            YuvRange::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            YuvRange::Full => (0, 1.0, 1.0),
        };
        let fixed = |factor: f64| (factor * f64::from(1 << SHIFT)).round() as i32;
        Self {
            offset,
            luma: fixed(luma),
            red_v: fixed(2.0 * (1.0 - red) * chroma),
            green_u: fixed(-2.0 * (1.0 - blue) * blue / green * chroma),
            green_v: fixed(-2.0 * (1.0 - red) * red / green * chroma),
            blue_u: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }

    /// 1.164, 1.596, -0.391, -0.813 and 2.018, as OpenCV rounds them.
    const OPENCV: Self = Self {
        offset: 16,
        luma: 1_220_542,
        red_v: 1_673_527,
        green_u: -409_993,
        green_v: -852_492,
        blue_u: 2_116_026,
    };
}

/// Where luma and chroma of two neighbours lie in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum YuvOrder {
    /// Luma and chroma in rows of their own, `U V`.
    Nv12,
    /// Luma and chroma in rows of their own, `V U`.
    Nv21,
    /// `Y0 U Y1 V`
    Yuyv,
    /// `U Y0 V Y1`
    Uyvy,
}

/// A row of YUV as RGB, [`PIXEL`] bytes a pixel. `chroma` is read for NV12 and NV21 only.
#[inline(always)]
pub(crate) fn yuv_to_rgb(order: YuvOrder, factors: YuvFactors, row: &[u8], chroma: &[u8], out: &mut [u8]) {
    let pairs = out.as_chunks_mut::<{ 2 * PIXEL }>().0.iter_mut();
    match order {
        YuvOrder::Nv12 => {
            for ((y, c), out) in row.as_chunks::<2>().0.iter().zip(chroma.as_chunks::<2>().0).zip(pairs) {
                *out = pair(factors, *y, c[0], c[1]);
            }
        }
        YuvOrder::Nv21 => {
            for ((y, c), out) in row.as_chunks::<2>().0.iter().zip(chroma.as_chunks::<2>().0).zip(pairs) {
                *out = pair(factors, *y, c[1], c[0]);
            }
        }
        YuvOrder::Yuyv => {
            for (p, out) in row.as_chunks::<4>().0.iter().zip(pairs) {
                *out = pair(factors, [p[0], p[2]], p[1], p[3]);
            }
        }
        YuvOrder::Uyvy => {
            for (p, out) in row.as_chunks::<4>().0.iter().zip(pairs) {
                *out = pair(factors, [p[1], p[3]], p[0], p[2]);
            }
        }
    }
}

/// Two neighbours that share their chroma.
#[inline(always)]
fn pair(f: YuvFactors, luma: [u8; 2], u: u8, v: u8) -> [u8; 2 * PIXEL] {
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let half = 1 << (SHIFT - 1);
    let (red, green, blue) = (half + f.red_v * v, half + f.green_v * v + f.green_u * u, half + f.blue_u * u);
    let [a, b] = luma.map(|y| i32::from(y.saturating_sub(f.offset)) * f.luma);
    let byte = |value: i32| (value >> SHIFT).clamp(0, 255) as u8;
    [byte(a + red), byte(a + green), byte(a + blue), 0, byte(b + red), byte(b + green), byte(b + blue), 0]
}

/// A row of pixels of `STEP` bytes as luminance. `order` says where red, green and blue lie.
#[inline(always)]
pub(crate) fn luminance<const STEP: usize>(order: [usize; 3], row: &[u8], out: &mut [u8]) {
    let mut weights = [0u32; 3];
    for (lane, weight) in order.into_iter().zip([9_798, 19_235, 3_735]) {
        weights[lane] = weight;
    }
    for (pixel, out) in row.as_chunks::<STEP>().0.iter().zip(out) {
        let sum: u32 = (0..3).map(|lane| u32::from(pixel[lane]) * weights[lane]).sum();
        *out = ((sum + (1 << 14)) >> 15) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real-valued matrix of the standards: luma weights, ranges, nothing else.
    fn exact(yuv: Yuv, y: u8, u: u8, v: u8) -> [f64; 3] {
        let (kr, kb) = match yuv.matrix {
            YuvMatrix::Bt601 => (0.299, 0.114),
            YuvMatrix::Bt709 => (0.2126, 0.0722),
        };
        let (y, u, v) = (f64::from(y), f64::from(u) - 128.0, f64::from(v) - 128.0);
        let (y, u, v) = match yuv.range {
            YuvRange::Limited => ((y - 16.0).max(0.0) / 219.0, u / 224.0, v / 224.0),
            YuvRange::Full => (y / 255.0, u / 255.0, v / 255.0),
        };
        let red = y + 2.0 * (1.0 - kr) * v;
        let blue = y + 2.0 * (1.0 - kb) * u;
        let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
        [red, green, blue].map(|value| (value * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn yuv_is_the_nearest_byte_to_the_standard() {
        // OpenCV's three-digit factors for BT.601 limited are up to one level off; ours are not.
        let cases = [
            (Yuv::BT601_LIMITED, 1.0),
            (Yuv::BT601_FULL, 0.501),
            (Yuv::BT709_LIMITED, 0.501),
            (Yuv::BT709_FULL, 0.501),
        ];
        for (yuv, tolerance) in cases {
            let factors = YuvFactors::new(yuv);
            let grid = || (0..=255u8).step_by(5);
            for (y, u, v) in grid().flat_map(|y| grid().flat_map(move |u| grid().map(move |v| (y, u, v)))) {
                let found = pair(factors, [y, y], u, v);
                for (found, expected) in found.into_iter().zip(exact(yuv, y, u, v)) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error <= tolerance, "{yuv:?} {y} {u} {v}: {found}, exactly {expected}");
                }
            }
        }
    }
}
