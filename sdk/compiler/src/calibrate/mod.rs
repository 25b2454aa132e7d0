//! Calibration: what values a model's tensors take, and the ranges that follow for quantizing them.

mod histogram;
mod range;
#[cfg(test)]
mod testing;

pub use histogram::Histogram;
pub use range::{ActivationType, QParams, Range, RangeMethod, UnknownRangeMethod, range};
