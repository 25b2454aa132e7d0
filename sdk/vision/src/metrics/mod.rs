//! How good answers are, by the rules that published figures follow.
//!
//! - [`DetectionMetrics`]: COCO average precision, precision and recall.
//! - [`DetectionDraws`]: average precision of the same pictures drawn again and again.
//! - [`TopK`], [`MultiLabelAp`]: classification.
//! - [`Confusion`]: IoU, Dice and pixel accuracy of masks.
//!
//! Measures of parts merge into the measure of the whole.

mod classes;
mod detection;
mod draws;
mod masks;

pub use classes::{MultiLabelAp, TopK, average_precision};
pub use detection::{DetectionMetrics, DetectionScores, Truth};
pub use draws::DetectionDraws;
pub use masks::{Confusion, MaskError};

/// The mean of what is there; none of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
