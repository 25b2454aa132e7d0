//! Candidates out of layouts where every anchor is a row, and what all gathering shares.

use super::Detection;
use crate::nms::Candidate;

/// `[1, N, 4 + C]`: as `[1, 4 + C, N]`, transposed.
pub(super) fn gather_anchors_last(tensor: &[f32], columns: usize, conf: f32, out: &mut Vec<Candidate>) {
    for (anchor, row) in tensor.chunks_exact(columns).enumerate() {
        let (bbox, scores) = split_box(row);
        if best_scaled(scores, 1.0) > conf
            && let Some((class, score)) = best_class(scores.iter().copied())
        {
            push_centred(bbox, score, class, anchor, out);
        }
    }
}

/// `[1, N, 5 + C]`: objectness must be greater than `conf`, then the best class times objectness must be
/// (ultralytics/yolov5 `utils/general.py: non_max_suppression`).
pub(super) fn gather_objectness(tensor: &[f32], columns: usize, conf: f32, out: &mut Vec<Candidate>) {
    for (anchor, row) in tensor.chunks_exact(columns).enumerate() {
        let (bbox, rest) = split_box(row);
        let (objectness, scores) = (rest[0], &rest[1..]);
        if objectness > conf
            && best_scaled(scores, objectness) > conf
            && let Some((class, score)) = best_class(scores.iter().map(|score| score * objectness))
        {
            push_centred(bbox, score, class, anchor, out);
        }
    }
}

/// `[1, K, 6]`: rows that score more than `conf`, in their order, at most `max_det`; boxes as they are.
///
/// A row that is no detection (a NaN box, a class that is no whole number from 0 to 65535) is left out.
pub(super) fn gather_end_to_end(tensor: &[f32], conf: f32, max_det: usize, out: &mut Vec<Detection>) {
    let rows = tensor.chunks_exact(6).filter(|row| row[4] > conf).take(max_det);
    for row in rows {
        let (bbox, class) = (split_box(row).0, row[5]);
        if (0.0..65536.0).contains(&class) && !bbox.iter().any(|v| v.is_nan()) {
            out.push(Detection { bbox, score: row[4], class: class as usize });
        }
    }
}

/// The first four values of a row, and the others.
pub(super) fn split_box(row: &[f32]) -> ([f32; 4], &[f32]) {
    ([row[0], row[1], row[2], row[3]], &row[4..])
}

/// Adds a box given by centre and size, unless a coordinate is NaN: such a box suppresses nothing in the
/// reference and is of no use to anyone.
pub(super) fn push_centred(
    bbox: [f32; 4],
    score: f32,
    class: usize,
    anchor: usize,
    out: &mut Vec<Candidate>,
) {
    let bbox = corners(bbox);
    if !bbox.iter().any(|v| v.is_nan()) {
        out.push(Candidate { bbox, score, class: class as u32, index: anchor as u32 });
    }
}

/// `[cx, cy, w, h]` to `[x1, y1, x2, y2]`.
pub(super) fn corners([cx, cy, w, h]: [f32; 4]) -> [f32; 4] {
    let (w, h) = (w / 2.0, h / 2.0);
    [cx - w, cy - h, cx + w, cy + h]
}

/// The greatest score and its class, the first of equal ones; none if a score is NaN.
pub(super) fn best_class(scores: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
    let mut best = None;
    for (class, score) in scores.enumerate() {
        match best {
            _ if score.is_nan() => return None,
            Some((_, greatest)) if score <= greatest => {}
            _ => best = Some((class, score)),
        }
    }
    best
}

/// The greatest of `scores`, each times `scale`; NaN is passed over.
pub(super) fn best_scaled(scores: &[f32], scale: f32) -> f32 {
    const LANES: usize = 16;
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let (groups, rest) = scores.as_chunks::<LANES>();
    let mut best = [f32::NEG_INFINITY; LANES];
    for group in groups {
        for (best, score) in best.iter_mut().zip(group) {
            *best = greater(*best, score * scale);
        }
    }
    let rest = rest.iter().map(|score| score * scale);
    best.into_iter().chain(rest).fold(f32::NEG_INFINITY, greater)
}
