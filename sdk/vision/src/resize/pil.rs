//! Pillow's `Image.resize(…, BILINEAR)` on bytes, byte for byte.
//!
//! The arithmetic of Pillow's `Resample.c`: a triangle as wide as the reduction (so it antialiases), weights
//! normalised in f64 and rounded to 22 fractional bits, first along the rows, rounded to bytes, then
//! between the rows, rounded to bytes again.

use std::ops::Range;

use super::{Isa, Lanes, PIXEL, Scale, Source};
use crate::Frame;

/// Fractional bits of a weight.
const PRECISION: u32 = 22;

/// Scales frames of one size.
pub(crate) struct Pil {
    columns: Taps,
    rows: Taps,
    /// The filtered source rows that the next output row may need: row `y` is at `y % kept`.
    ring: Vec<u8>,
    kept: usize,
    /// The next source row to filter.
    next: usize,
    sums: Vec<i32>,
}

/// Which source pixels each output pixel is made of.
pub(crate) struct Taps {
    /// The first source pixel and its neighbours' place in `weights`.
    windows: Vec<Window>,
    weights: Vec<i32>,
}

struct Window {
    first: usize,
    weights: Range<usize>,
}

impl Pil {
    pub(crate) fn new(scale: &Scale) -> Self {
        let columns = Taps::new(scale.from[1], scale.to[1], scale.columns.clone());
        let rows = Taps::new(scale.from[0], scale.to[0], scale.rows.clone());
        let kept = rows.windows.iter().map(|window| window.weights.len()).max().unwrap_or(0);
        let row_bytes = scale.columns.len() * PIXEL;
        Self { columns, rows, ring: vec![0; kept * row_bytes], kept, next: 0, sums: vec![0; row_bytes] }
    }

    pub(crate) fn start(&mut self) {
        self.next = 0;
    }

    pub(crate) fn row(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        let window = &self.rows.windows[y];
        let needed = window.first..window.first + window.weights.len();
        let row_bytes = self.sums.len();
        for y in self.next.max(needed.start)..needed.end {
            let filtered = &mut self.ring[y % self.kept * row_bytes..][..row_bytes];
            filter_columns(isa, source.lanes(), source.row(isa, frame, y), &self.columns, filtered);
        }
        self.next = self.next.max(needed.end);

        self.sums.fill(HALF);
        for (y, &weight) in needed.zip(&self.rows.weights[window.weights.clone()]) {
            let filtered = &self.ring[y % self.kept * row_bytes..][..row_bytes];
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2(avx2) => avx2.add_row(filtered, weight, &mut self.sums),
                Isa::Portable => add_row(filtered, weight, &mut self.sums),
            }
        }
        for (sum, out) in self.sums.iter().zip(out) {
            *out = byte(*sum);
        }
    }
}

impl Taps {
    /// `precompute_coeffs` and `normalize_coeffs_8bpc` of `Resample.c` for the triangle filter.
    fn new(from: usize, to: usize, wanted: Range<usize>) -> Self {
        // The reference takes the length through a C float.
        let scale = f64::from(from as f32) / to as f64;
        let support = scale.max(1.0);
        let mut taps = Self { windows: Vec::with_capacity(wanted.len()), weights: Vec::new() };
        let mut triangle = Vec::new();
        for d in wanted {
            let center = (d as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            triangle.clear();
            triangle.extend((first..end).map(|x| {
                let distance = (x as f64 - center + 0.5) * (1.0 / support);
                (1.0 - distance.abs()).max(0.0)
            }));
            let sum: f64 = triangle.iter().sum();
            let start = taps.weights.len();
            let one = f64::from(1 << PRECISION);
            taps.weights.extend(triangle.iter().map(|weight| (0.5 + weight / sum * one) as i32));
            taps.windows.push(Window { first, weights: start..taps.weights.len() });
        }
        taps
    }
}

/// Half of the last bit kept, so that the shift rounds.
const HALF: i32 = 1 << (PRECISION - 1);

fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

fn filter_columns(isa: Isa, lanes: Lanes, row: &[u8], columns: &Taps, out: &mut [u8]) {
    match (isa, lanes.step) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2(avx2), 3) => avx2.filter_columns::<3>(lanes, row, columns, out),
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2(avx2), PIXEL) => avx2.filter_columns::<PIXEL>(lanes, row, columns, out),
        (_, 1) => filter_columns_of::<1>(lanes, row, columns, out),
        (_, 3) => filter_columns_of::<3>(lanes, row, columns, out),
        (_, _) => filter_columns_of::<PIXEL>(lanes, row, columns, out),
    }
}

/// Filters along a row of pixels of `STEP` bytes.
#[inline(always)]
pub(super) fn filter_columns_of<const STEP: usize>(lanes: Lanes, row: &[u8], columns: &Taps, out: &mut [u8]) {
    let pixels = row.as_chunks::<STEP>().0;
    for (window, out) in columns.windows.iter().zip(out.as_chunks_mut::<PIXEL>().0) {
        let weights = &columns.weights[window.weights.clone()];
        let mut sums = [HALF; STEP];
        for (pixel, weight) in pixels[window.first..].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * weight;
            }
        }
        let [red, green, blue] = lanes.order.map(|lane| byte(sums[lane]));
        *out = [red, green, blue, 0];
    }
}

/// Adds a weighted row to the sums.
#[inline(always)]
pub(super) fn add_row(row: &[u8], weight: i32, sums: &mut [i32]) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += i32::from(value) * weight;
    }
}
