//! The passes: each one function from graph to graph, with its own settings and its own report.
//!
//! No pass calls another, and none touches more than its name says. Each checks the graph it leaves. None of
//! [`fix_shapes()`], [`cut()`], [`fold()`], [`dead()`] moves a rounding point: executed as written, the model
//! gives the same bits as before. What ONNX Runtime fuses at its highest optimization level depends on the
//! shapes it can see, though: where [`fix_shapes()`] tells it more, it may add in another order.

mod cut;
mod dead;
mod dequantize;
mod dynamic_int8;
mod fix_shapes;
mod fold;
mod fp16_weights;
mod fp32;
mod int4_weights;
mod int8_weights;
mod linear;
mod nbits;
mod opset;
mod qdq;
#[cfg(test)]
mod testing;
mod weights;

use farsight_graph::{CheckError, Document, DocumentError, OpsetError, TensorError};
use thiserror::Error;

pub use cut::{CutReport, CutSettings, cut};
pub use dead::{DeadReport, dead};
pub use dequantize::{DequantizeReport, KeptNode, dequantize};
pub use dynamic_int8::{DynamicInt8Report, DynamicInt8Settings, DynamicLayer, dynamic_int8};
pub use fix_shapes::{FixShapesReport, FixShapesSettings, InputShape, fix_shapes};
pub use fold::{Evaluate, FoldReport, FoldSettings, fold};
pub use fp16_weights::{Fp16Report, Fp16Settings, LeftOut, StoredTensor, fp16_weights};
pub use fp32::{Fp32Report, Fp32Settings, fp32};
pub use int4_weights::{Int4WeightsReport, Int4WeightsSettings, PackedWeight, int4_weights};
pub use int8_weights::{Int8WeightsReport, Int8WeightsSettings, int8_weights};
pub use opset::{OpsetSettings, opset};
pub use qdq::{QdqReport, QdqSettings, qdq};
pub use weights::StoredInt8;

/// Why a pass could not be done.
#[derive(Debug, Error)]
pub enum PassError {
    /// An input or output that the model does not have.
    #[error("the model has no {what} {name:?}; it has {}", known.join(", "))]
    Unknown {
        /// `input` or `output`.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// No output is left to keep.
    #[error("no output to keep; the model has {}", known.join(", "))]
    NoOutputs {
        /// The names there are.
        known: Vec<String>,
    },
    /// A shape that the model cannot take.
    #[error("input {input:?} is {found} in the model, {expected} was asked for")]
    Shape {
        /// The input.
        input: String,
        /// Its shape, or the value its named axis already got.
        found: String,
        /// The shape asked for.
        expected: String,
    },
    /// The model could not be taken to a newer opset.
    #[error(transparent)]
    Opset(#[from] OpsetError),
    /// The model is written for an opset that lacks what the pass needs.
    #[error("opset {found} is too old for {pass}, which needs {needed}; the opset pass comes first")]
    TooOld {
        /// The pass.
        pass: &'static str,
        /// The model's opset.
        found: i64,
        /// The oldest that will do.
        needed: i64,
    },
    /// The evaluator failed on a model of constants.
    #[error("constants could not be computed: {0}")]
    Evaluate(String),
    /// A constant that cannot be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The model of constants could not be written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The graph is not valid, before the pass or after it.
    #[error("{when} pass {pass}, the graph is not valid: {error}")]
    Invalid {
        /// `before` (the source's fault) or `after` (a fault of farsight's).
        when: &'static str,
        /// The pass.
        pass: &'static str,
        /// What is wrong.
        error: CheckError,
    },
}

/// Runs the body of a pass between two checks, so that a fault is laid at the right door.
fn checked<R>(
    pass: &'static str,
    document: &mut Document,
    body: impl FnOnce(&mut Document) -> Result<R, PassError>,
) -> Result<R, PassError> {
    let invalid = |when| move |error| PassError::Invalid { when, pass, error };
    document.check().map_err(invalid("before"))?;
    let report = body(document)?;
    document.check().map_err(invalid("after"))?;
    Ok(report)
}
