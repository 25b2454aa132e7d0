//! Candidates out of YOLOX's `[1, N, 5 + C]`, whose boxes are still relative to their grid cell.
//!
//! The reference is YOLOX's own ONNX demo (Megvii-BaseDetection/YOLOX@6ddff48 `yolox/utils/demo_utils.py`
//! and `demo/ONNXRuntime/onnx_inference.py`), not the `postprocess` of its training code: score strictly
//! greater than the threshold, boxes scaled to the frame before NMS, widths and heights plus one pixel in
//! NMS, a box dropped if its IoU is strictly greater. Clipping to the frame is ours; it comes last.

use super::rows::{best_class, best_scaled, corners, split_box};
use crate::{Geometry, nms::Candidate};

/// The strides of the demo, and with its option `p6`.
const STRIDES: [&[usize]; 2] = [&[8, 16, 32], &[8, 16, 32, 64]];

/// Column, row and stride of every anchor's cell, in the tensor's order. None if no set of strides gives
/// `anchors` cells.
pub(super) fn cells(input: [usize; 2], anchors: usize) -> Option<Vec<[f32; 3]>> {
    let strides = STRIDES.iter().find(|strides| cell_count(input, strides) == Some(anchors))?;
    let mut cells = Vec::with_capacity(anchors);
    for &stride in *strides {
        let [rows, columns] = input.map(|n| n / stride);
        let row = |y: usize| (0..columns).map(move |x| [x as f32, y as f32, stride as f32]);
        cells.extend((0..rows).flat_map(row));
    }
    Some(cells)
}

/// Cells of a picture over all strides, one anchor a cell; none if it overflows.
pub(super) fn cell_count([height, width]: [usize; 2], strides: &[usize]) -> Option<usize> {
    strides
        .iter()
        .try_fold(0usize, |sum, stride| sum.checked_add((height / stride).checked_mul(width / stride)?))
}

/// One candidate an anchor, by its best class; boxes in frame pixels, not clipped.
pub(super) fn gather_best(
    tensor: &[f32],
    cells: &[[f32; 3]],
    conf: f32,
    to: &ToFrame,
    out: &mut Vec<Candidate>,
) {
    for_rows(tensor, cells, |anchor, bbox, objectness, scores| {
        if best_scaled(scores, objectness) > conf
            && let Some((class, score)) = best_class(scores.iter().map(|score| score * objectness))
        {
            push(to.scale(bbox), score, class, anchor, out);
        }
    });
}

/// One candidate for every class of an anchor that scores enough.
pub(super) fn gather_all(
    tensor: &[f32],
    cells: &[[f32; 3]],
    conf: f32,
    to: &ToFrame,
    out: &mut Vec<Candidate>,
) {
    for_rows(tensor, cells, |anchor, bbox, objectness, scores| {
        if best_scaled(scores, objectness) > conf {
            let scores = scores.iter().map(|score| score * objectness).enumerate();
            for (class, score) in scores.filter(|(_, score)| *score > conf) {
                push(to.scale(bbox), score, class, anchor, out);
            }
        }
    });
}

fn for_rows(tensor: &[f32], cells: &[[f32; 3]], mut row: impl FnMut(usize, Undecoded, f32, &[f32])) {
    let Some(columns) = tensor.len().checked_div(cells.len()) else { return };
    for (anchor, (values, cell)) in tensor.chunks_exact(columns).zip(cells).enumerate() {
        let (values, rest) = split_box(values);
        row(anchor, Undecoded { values, cell: *cell }, rest[0], &rest[1..]);
    }
}

fn push(bbox: [f32; 4], score: f32, class: usize, anchor: usize, out: &mut Vec<Candidate>) {
    if !bbox.iter().any(|v| v.is_nan()) {
        out.push(Candidate { bbox, score, class: class as u32, index: anchor as u32 });
    }
}

/// A box as the model gives it.
#[derive(Clone, Copy)]
struct Undecoded {
    values: [f32; 4],
    cell: [f32; 3],
}

/// The way to frame pixels, without clipping.
pub(super) struct ToFrame {
    offset: [f32; 2],
    gain: [f32; 2],
}

impl ToFrame {
    /// The demo divides by the ratio it scaled with, not by the ratio of the sizes after rounding; a frame
    /// that was not letterboxed has no such ratio, there the sizes count.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let [height, width] = [0, 1].map(|i| geometry.input[i] as f64 / geometry.frame[i] as f64);
        let ratio = height.min(width);
        let letterboxed =
            (0..2).all(|i| (geometry.scaled[i] as f64 - geometry.frame[i] as f64 * ratio).abs() <= 1.0);
        let gain = [0, 1].map(|i| match letterboxed {
            true => ratio as f32,
            false => (geometry.scaled[i] as f64 / geometry.frame[i] as f64) as f32,
        });
        Self { offset: geometry.offset.map(|n| n as f32), gain }
    }

    fn scale(&self, Undecoded { values: [x, y, w, h], cell: [column, row, stride] }: Undecoded) -> [f32; 4] {
        let centre = [(x + column) * stride, (y + row) * stride];
        let [x1, y1, x2, y2] = corners([centre[0], centre[1], w.exp() * stride, h.exp() * stride]);
        let ([top, left], [gain_y, gain_x]) = (self.offset, self.gain);
        [(x1 - left) / gain_x, (y1 - top) / gain_y, (x2 - left) / gain_x, (y2 - top) / gain_y]
    }
}

/// Clipped to the frame.
pub(super) fn clip([x1, y1, x2, y2]: [f32; 4], [height, width]: [usize; 2]) -> [f32; 4] {
    let (x, y) = (|v: f32| v.clamp(0.0, width as f32), |v: f32| v.clamp(0.0, height as f32));
    [x(x1), y(y1), x(x2), y(y2)]
}
