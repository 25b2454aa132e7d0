//! Candidates out of `[1, 4 + C, N]`: every class is a row, every anchor a column.

use super::rows::{best_class, push_centred};
use crate::nms::Candidate;

/// Columns that are scanned together: their running maxima stay in the fastest cache.
const BLOCK: usize = 1024;

/// Every anchor whose best class scores more than `conf` (ultralytics 8.4.190 `utils/nms.py`: strictly
/// greater, best class only, the first of equal ones; an anchor with a NaN score is none).
pub(super) fn gather(tensor: &[f32], anchors: usize, conf: f32, out: &mut Vec<Candidate>) {
    let (boxes, scores) = tensor.split_at(4 * anchors);
    for start in (0..anchors).step_by(BLOCK) {
        let len = BLOCK.min(anchors - start);
        let best = best_scores(scores, anchors, start, len);
        for (column, _) in best[..len].iter().enumerate().filter(|(_, score)| **score > conf) {
            let anchor = start + column;
            let column = |rows: &[f32], row: usize| rows[row * anchors + anchor];
            let classes = scores.len() / anchors;
            if let Some((class, score)) = best_class((0..classes).map(|class| column(scores, class))) {
                push_centred([0, 1, 2, 3].map(|row| column(boxes, row)), score, class, anchor, out);
            }
        }
    }
}

/// The best score of each of `len` columns from `start` on, row by row so that it vectorises.
fn best_scores(scores: &[f32], anchors: usize, start: usize, len: usize) -> [f32; BLOCK] {
    let mut best = [f32::NEG_INFINITY; BLOCK];
    for row in scores.chunks_exact(anchors) {
        for (best, &score) in best[..len].iter_mut().zip(&row[start..start + len]) {
            *best = if score > *best { score } else { *best };
        }
    }
    best
}
