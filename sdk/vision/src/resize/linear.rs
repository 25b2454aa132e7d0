//! OpenCV's `resize(…, INTER_LINEAR)` on bytes, byte for byte.
//!
//! The fixed-point scheme of OpenCV 5.0.0 on x86-64 (`resize.cpp`), no antialiasing: a source coordinate is
//! `(d + 0.5) * from / to - 0.5`, rounded to f32; weights have 11 fractional bits, rounded half to even. Along
//! a row the sum of two neighbours loses 4 bits; between two rows each product loses 16 bits before they are
//! added, and the last 2 are rounded. Along a row the coordinate is clamped to the picture, between
//! rows only the row indices are. An exact halving, which OpenCV does by averaging, gives the same bytes.

use std::ops::Range;

use super::{Isa, Lanes, PIXEL, Scale, Source};
use crate::Frame;

/// Scales frames of one size and format.
pub(crate) struct Linear {
    lanes: Lanes,
    columns: Columns,
    rows: Vec<RowTaps>,
    kept: [KeptRow; 2],
}

/// Where each output column comes from.
pub(crate) struct Columns {
    /// Byte of the left neighbour in the source row; never falls from one column to the next.
    pub(super) offsets: Vec<u32>,
    /// Weights of the left and the right neighbour, four times.
    pub(super) weights: Vec<[i16; 8]>,
}

/// Which source rows an output row comes from, and their weights.
#[derive(Debug, Clone, Copy)]
struct RowTaps {
    rows: [usize; 2],
    weights: [i16; 2],
}

/// A source row blended along its columns, [`PIXEL`] values a pixel.
#[derive(Default)]
struct KeptRow {
    y: Option<usize>,
    values: Vec<i16>,
}

impl Linear {
    pub(crate) fn new(scale: &Scale, lanes: Lanes) -> Self {
        let width = scale.columns.len();
        let kept = || KeptRow { y: None, values: vec![0; width * PIXEL] };
        Self {
            lanes,
            columns: Columns::new(scale.from[1], scale.to[1], scale.columns.clone(), lanes.step),
            rows: row_taps(scale.from[0], scale.to[0], scale.rows.clone()),
            kept: [kept(), kept()],
        }
    }

    pub(crate) fn start(&mut self) {
        for kept in &mut self.kept {
            kept.y = None;
        }
    }

    pub(crate) fn row(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        let RowTaps { rows, weights } = self.rows[y];
        let top = self.blend_columns(isa, source, frame, rows[0], rows[1]);
        let bottom = self.blend_columns(isa, source, frame, rows[1], rows[0]);
        let (top, bottom) = (&self.kept[top].values, &self.kept[bottom].values);
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => avx2.blend_rows(top, bottom, weights, out),
            Isa::Portable => blend_rows(top, bottom, weights, out),
        }
    }

    /// Which of the kept rows is source row `y`; made if there is none, in the place of any but `other`.
    fn blend_columns(
        &mut self,
        isa: Isa,
        source: &mut Source,
        frame: &Frame,
        y: usize,
        other: usize,
    ) -> usize {
        if let Some(found) = self.kept.iter().position(|kept| kept.y == Some(y)) {
            return found;
        }
        let slot = usize::from(self.kept[0].y == Some(other));
        let kept = &mut self.kept[slot];
        kept.y = Some(y);
        let row = source.row(isa, frame, y);
        let done = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => avx2.blend_columns(self.lanes, row, &self.columns, &mut kept.values),
            Isa::Portable => 0,
        };
        match self.lanes.step {
            1 => blend_columns::<1>(self.lanes.order, row, &self.columns, done, &mut kept.values),
            3 => blend_columns::<3>(self.lanes.order, row, &self.columns, done, &mut kept.values),
            _ => blend_columns::<PIXEL>(self.lanes.order, row, &self.columns, done, &mut kept.values),
        }
        slot
    }
}

impl Columns {
    fn new(from: usize, to: usize, wanted: Range<usize>, step: usize) -> Self {
        let taps = wanted.map(|d| match coordinate(d, from, to) {
            (index, _) if index < 0 => (0, [ONE, 0]),
            (index, _) if index as usize >= from - 1 => (from - 1, [ONE, 0]),
            (index, fraction) => (index as usize, weights(fraction)),
        });
        let (offsets, weights) =
            taps.map(|(index, [l, r])| ((index * step) as u32, [l, r, l, r, l, r, l, r])).unzip();
        Self { offsets, weights }
    }
}

fn row_taps(from: usize, to: usize, wanted: Range<usize>) -> Vec<RowTaps> {
    let taps = |d| {
        let (index, fraction) = coordinate(d, from, to);
        let [top, bottom] = [index, index + 1].map(|row| row.clamp(0, from as i64 - 1) as usize);
        let weights = weights(fraction);
        // A row with weight 0 adds nothing: reading the other one twice saves its blending.
        let rows = match weights {
            [_, 0] => [top, top],
            [0, _] => [bottom, bottom],
            _ => [top, bottom],
        };
        RowTaps { rows, weights }
    };
    wanted.map(taps).collect()
}

/// A weight of 1.
const ONE: i16 = 1 << 11;

/// Index of the left (upper) neighbour of output pixel `d` and the distance from it, 0 to 1.
fn coordinate(d: usize, from: usize, to: usize) -> (i64, f32) {
    let scale = 1.0 / (to as f64 / from as f64);
    let at = ((d as f64 + 0.5) * scale - 0.5) as f32;
    let index = at.floor();
    (index as i64, at - index)
}

fn weights(fraction: f32) -> [i16; 2] {
    [1.0 - fraction, fraction].map(|weight| (weight * f32::from(ONE)).round_ties_even() as i16)
}

/// Blends neighbours of a source row, from output column `first` on.
fn blend_columns<const STEP: usize>(
    order: [usize; 3],
    row: &[u8],
    columns: &Columns,
    first: usize,
    out: &mut [i16],
) {
    let last = row.len() - STEP;
    let taps = columns.offsets.iter().zip(&columns.weights);
    for ((&offset, weights), out) in taps.zip(out.as_chunks_mut::<PIXEL>().0).skip(first) {
        let left = &row[offset as usize..][..STEP];
        let right = &row[(offset as usize + STEP).min(last)..][..STEP];
        for lane in 0..3 {
            let [left, right] = [left, right].map(|pixel| i32::from(pixel[order[lane]]));
            out[lane] = ((left * i32::from(weights[0]) + right * i32::from(weights[1])) >> 4) as i16;
        }
    }
}

/// Blends two rows.
pub(super) fn blend_rows(top: &[i16], bottom: &[i16], weights: [i16; 2], out: &mut [u8]) {
    let [top_weight, bottom_weight] = weights.map(i32::from);
    for ((&top, &bottom), out) in top.iter().zip(bottom).zip(out) {
        let sum = ((i32::from(top) * top_weight) >> 16) + ((i32::from(bottom) * bottom_weight) >> 16);
        *out = ((sum + 2) >> 2).clamp(0, 255) as u8;
    }
}
