//! Pillow's `Image.resize(…, BILINEAR)` on bytes, byte for byte.
//!
//! The arithmetic of Pillow 13.0.0 `Resample.c`: a triangle as wide as the reduction (so it antialiases),
//! weights normalised in f64 and rounded to 22 fractional bits, and two passes that each round to bytes: first
//! along the rows, then between them. Where the height shrinks by more than twice the pixels that the width
//! shrinks by, the passes change places. Pillow before 13 never changed them: on such tall pictures it differs
//! by one level here and there.

use std::ops::Range;

use super::{Isa, Lanes, PIXEL, Scale, Source};
use crate::Frame;

/// Fractional bits of a weight.
const PRECISION: u32 = 22;

/// Scales frames of one size and format.
pub(crate) struct Pil {
    columns: Taps,
    rows: Taps,
    rows_first: bool,
    /// What the first pass made: the last `kept` source rows, row `y` at `y % kept`, or one output row.
    first_pass: Vec<u8>,
    kept: usize,
    /// The next source row to filter.
    next: usize,
    sums: Vec<i32>,
}

/// Which source pixels each output pixel is made of.
pub(crate) struct Taps {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

/// Neighbouring source pixels and the place of their weights.
#[derive(Clone)]
struct Window {
    pixels: Range<usize>,
    weights: Range<usize>,
}

impl Pil {
    pub(crate) fn new(scale: &Scale, lanes: Lanes) -> Self {
        let columns = Taps::new(scale.from[1], scale.to[1], scale.columns.clone());
        let rows = Taps::new(scale.from[0], scale.to[0], scale.rows.clone());
        let shrinks_by = |axis: usize| scale.from[axis] as i64 - scale.to[axis] as i64;
        let rows_first = shrinks_by(0) > 0 && shrinks_by(0) > 2 * shrinks_by(1);
        let (kept, row_bytes) = if rows_first {
            (1, scale.from[1] * lanes.step)
        } else {
            (rows.longest(), scale.columns.len() * PIXEL)
        };
        let (first_pass, sums) = (vec![0; kept * row_bytes], vec![0; row_bytes]);
        Self { columns, rows, rows_first, first_pass, kept, next: 0, sums }
    }

    pub(crate) fn start(&mut self) {
        self.next = 0;
    }

    pub(crate) fn row(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        if self.rows_first {
            self.rows_then_columns(isa, source, frame, y, out);
        } else {
            self.columns_then_rows(isa, source, frame, y, out);
        }
    }

    fn columns_then_rows(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        let Window { pixels, weights } = self.rows.windows[y].clone();
        let row_bytes = self.sums.len();
        for y in self.next.max(pixels.start)..pixels.end {
            let filtered = &mut self.first_pass[y % self.kept * row_bytes..][..row_bytes];
            filter_columns(isa, source.lanes(), source.row(isa, frame, y), &self.columns, filtered);
        }
        self.next = self.next.max(pixels.end);

        self.sums.fill(HALF);
        for (y, &weight) in pixels.zip(&self.rows.weights[weights]) {
            let filtered = &self.first_pass[y % self.kept * row_bytes..][..row_bytes];
            add_weighted(isa, filtered, weight, &mut self.sums);
        }
        round(&self.sums, out);
    }

    fn rows_then_columns(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        let Window { pixels, weights } = self.rows.windows[y].clone();
        self.sums.fill(HALF);
        for (y, &weight) in pixels.zip(&self.rows.weights[weights]) {
            add_weighted(isa, source.row(isa, frame, y), weight, &mut self.sums);
        }
        round(&self.sums, &mut self.first_pass);
        filter_columns(isa, source.lanes(), &self.first_pass, &self.columns, out);
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
            taps.windows.push(Window { pixels: first..end, weights: start..taps.weights.len() });
        }
        taps
    }

    fn longest(&self) -> usize {
        self.windows.iter().map(|window| window.pixels.len()).max().unwrap_or(0)
    }
}

/// Half of the last bit kept, so that the shift rounds.
const HALF: i32 = 1 << (PRECISION - 1);

fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

fn round(sums: &[i32], out: &mut [u8]) {
    for (&sum, out) in sums.iter().zip(out) {
        *out = byte(sum);
    }
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
        for (pixel, weight) in pixels[window.pixels.clone()].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * weight;
            }
        }
        let [red, green, blue] = lanes.order.map(|lane| byte(sums[lane]));
        *out = [red, green, blue, 0];
    }
}

fn add_weighted(isa: Isa, row: &[u8], weight: i32, sums: &mut [i32]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(avx2) => avx2.add_row(row, weight, sums),
        Isa::Portable => add_row(row, weight, sums),
    }
}

/// Adds a weighted row to the sums.
#[inline(always)]
pub(super) fn add_row(row: &[u8], weight: i32, sums: &mut [i32]) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += i32::from(value) * weight;
    }
}
