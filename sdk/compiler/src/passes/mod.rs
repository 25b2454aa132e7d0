//! The passes: each one function from graph to graph, with its own settings and its own report.
//!
//! No pass calls another, and none touches more than its name says. Each checks the graph it leaves. None of
//! [`fix_shapes()`], [`cut()`], [`fold()`], [`dead()`] moves a rounding point: executed as written, the model
//! gives the same bits as before. What ONNX Runtime fuses at its highest optimization level depends on the
//! shapes it can see, though: where [`fix_shapes()`] tells it more, it may add in another order.

mod cut;
mod dead;
mod fix_shapes;
mod fold;
mod fp16_weights;
mod fp32;
mod opset;
#[cfg(test)]
mod testing;

use farsight_graph::{CheckError, Document, DocumentError, TensorError};
use thiserror::Error;

pub use cut::{CutReport, CutSettings, cut};
pub use dead::{DeadReport, dead};
pub use fix_shapes::{FixShapesReport, FixShapesSettings, InputShape, fix_shapes};
pub use fold::{Evaluate, FoldReport, FoldSettings, fold};
pub use fp16_weights::{Fp16Report, Fp16Settings, LeftOut, StoredTensor, fp16_weights};
pub use fp32::{Fp32Report, Fp32Settings, fp32};
pub use opset::{OpsetReport, OpsetSettings, opset};

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
    /// A node that no adapter takes to the next opset.
    #[error("node {node:?} ({op}): cannot be taken from opset {from} to {to}: {reason}")]
    Opset {
        /// The operator.
        op: String,
        /// The node.
        node: String,
        /// The opset it is written for.
        from: i64,
        /// The next one.
        to: i64,
        /// What is in the way.
        reason: String,
    },
    /// A model or a target outside what the upgrade knows.
    #[error("opset {from} cannot be taken to {to}: {reason}")]
    OpsetRange {
        /// The model's opset.
        from: i64,
        /// The opset asked for.
        to: i64,
        /// What is in the way.
        reason: &'static str,
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
