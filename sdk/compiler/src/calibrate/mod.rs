//! Calibration: what values a model's tensors take, and the ranges that follow for quantizing them.

mod histogram;
mod observe;
mod range;
#[cfg(test)]
mod testing;

pub use histogram::Histogram;
pub(crate) use observe::{Calibration, InputTensor, Observation, observe};
pub use range::{QParams, Range, RangeMethod, range};
