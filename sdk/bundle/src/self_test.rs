//! A self-test: small inputs, the raw answers to them, and how close a device must come.

use std::borrow::Cow;

use farsight_spec::TensorInfo;
use serde::{Deserialize, Serialize};

/// Inputs for one run and the answers that the compiled model gave on the machine that compiled it.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTest<'a> {
    /// One for each input of the model, in its order.
    pub inputs: Vec<Sample<'a>>,
    /// One for each output of the model, in its order.
    pub outputs: Vec<Sample<'a>>,
    /// How far an answer may be off.
    pub tolerance: Tolerance,
}

/// A tensor with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// Name, type and shape; every axis has a length.
    pub info: TensorInfo,
    /// The values in row-major order, little-endian, without padding. Aligned to 64 bytes where the bundle is.
    pub bytes: Cow<'a, [u8]>,
}

/// An answer `y` passes for the expected `x` if `|y - x| <= absolute + relative * |x|` (NumPy's `allclose`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// In the unit of the values; not negative.
    pub absolute: f64,
    /// Share of the expected value; not negative.
    pub relative: f64,
}

impl Tolerance {
    pub(crate) fn check(self) -> Result<(), String> {
        let is_sane = |value: f64| value.is_finite() && value >= 0.0;
        if is_sane(self.absolute) && is_sane(self.relative) {
            return Ok(());
        }
        let Self { absolute, relative } = self;
        Err(format!(
            "the tolerance (absolute {absolute}, relative {relative}) is not two finite numbers of at least 0"
        ))
    }
}

/// Bytes of a tensor whose axes all have a length.
pub(crate) fn byte_count(info: &TensorInfo) -> Result<u64, String> {
    info.shape
        .iter()
        .try_fold(info.element.size() as u64, |bytes, axis| bytes.checked_mul((*axis)? as u64))
        .ok_or_else(|| format!("tensor {:?} has the shape {}, not a fixed one", info.name, info.shape_text()))
}

/// Whether the samples are for `tensors`: as many, with the same names, types, axes.
pub(crate) fn check_match(what: &str, samples: &[TensorInfo], tensors: &[TensorInfo]) -> Result<(), String> {
    if samples.len() != tensors.len() {
        return Err(format!("it has {} {what}s, the model has {}", samples.len(), tensors.len()));
    }
    for (sample, tensor) in samples.iter().zip(tensors) {
        let same_axes = sample.shape.len() == tensor.shape.len()
            && sample.shape.iter().zip(&tensor.shape).all(|(found, axis)| axis.is_none() || axis == found);
        if sample.name != tensor.name || sample.element != tensor.element || !same_axes {
            return Err(format!("its {what} `{sample}` is not for the model's `{tensor}`"));
        }
    }
    Ok(())
}
