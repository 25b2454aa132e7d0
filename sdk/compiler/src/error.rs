//! Why a compile fails.

use std::path::PathBuf;

use farsight_bundle::{BundleError, FileKind};
use farsight_engine::EngineError;
use farsight_graph::{CheckError, DocumentError, UnknownFields};
use farsight_spec::{MetadataError, SpecError};

use crate::data::DataError;
use crate::passes::PassError;

/// Why a compile (or an evaluation) fails.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The source model cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The source model's graph is not valid.
    #[error("{}: not a valid ONNX graph: {error}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: CheckError,
    },
    /// The source model holds what farsight would lose.
    #[error(
        "{}: {unknown}. Its answer could change, so it is not taken: export it again with onnx 1.23 or older, or \
         take a newer farsight", path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What would be lost.
        unknown: UnknownFields,
    },
    /// The source model is another kind of file.
    #[error("{}: this is not an ONNX model, it looks like {found}. Give the .onnx file that the exporter wrote", path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: FileKind,
    },
    /// The source model's metadata cannot be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A spec, profile or recipe is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The spec leaves something open that the file does not tell.
    #[error("{0}")]
    Unresolved(String),
    /// A pass failed.
    #[error("pass `{pass}`: {error}")]
    Pass {
        /// The pass.
        pass: &'static str,
        /// What it said.
        error: Box<PassError>,
    },
    /// A pass that must keep the answer moved it: a fault of farsight's.
    #[error(
        "pass `{pass}` changed the model's answer (closeness {closeness:.4} on a generated input); nothing was \
         written. This is a fault of farsight's: please report it with the model"
    )]
    Changed {
        /// The pass.
        pass: &'static str,
        /// 1 = the same.
        closeness: f64,
    },
    /// What a pass left cannot be loaded or run.
    #[error(
        "after pass `{pass}` the model does not run: {error}. This may be a fault of farsight's; --precision keep does least"
    )]
    Broken {
        /// The pass.
        pass: &'static str,
        /// What was said.
        error: Box<CompileError>,
    },
    /// A quantized model that shall be quantized.
    #[error(
        "{}: this model is quantized already ({form}). --precision keep takes it as it is; --requantize turns it back \
         into float first and quantizes it anew", path.display()
    )]
    Quantized {
        /// The file.
        path: PathBuf,
        /// In which form.
        form: String,
    },
    /// ONNX Runtime.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The pipeline.
    #[error(transparent)]
    Pipeline(#[from] farsight::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A tensor file.
    #[error(transparent)]
    Npy(#[from] crate::npy::NpyError),
    /// Inputs for calibration or verification are missing or useless.
    #[error("{0}")]
    Inputs(String),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The compiled model loses more than the budget allows.
    #[error(
        "{metric} fell from {source_value:.4} to {compiled:.4}: a drop of {drop:.4}, and {budget:.4} is allowed \
         ({samples} samples). --max-drop {fits:.4} would fit what was measured; --precision keep loses nothing{}",
        costly_text(costly)
    )]
    TooMuchLost {
        /// The measure.
        metric: &'static str,
        /// Its value for the source model.
        source_value: f64,
        /// Its value for the compiled model.
        compiled: f64,
        /// What was lost.
        drop: f64,
        /// What may be lost.
        budget: f64,
        /// How many samples.
        samples: usize,
        /// A budget that would have fitted.
        fits: f64,
        /// The layers that cost most, the costliest first; empty where that was not measured.
        costly: Vec<String>,
    },
    /// The compiled model is slower than its source.
    #[error(
        "the compiled model is slower: {compiled_ms:.2} ms against {source_ms:.2} ms, ratio {ratio:.3} \
         (95 % interval {:.3} to {:.3}). --force writes it all the same", interval[0], interval[1]
    )]
    Slower {
        /// Median of the source model, milliseconds.
        source_ms: f64,
        /// Median of the compiled model, milliseconds.
        compiled_ms: f64,
        /// Median of the paired ratios.
        ratio: f64,
        /// Its 95 % interval.
        interval: [f64; 2],
    },
    /// A file cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl CompileError {
    /// A short stable name of the kind of fault, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotOnnx { .. } | Self::Document(_) | Self::Graph { .. } | Self::Unknown { .. } => "model",
            Self::Metadata(_) => "metadata",
            Self::Spec(_) => "spec",
            Self::Unresolved(_) => "unresolved",
            Self::Pass { .. } | Self::Changed { .. } | Self::Broken { .. } => "pass",
            Self::Quantized { .. } => "quantized",
            Self::Engine(error) => error.kind(),
            Self::Pipeline(error) => error.kind(),
            Self::Data(_) => "data",
            Self::Npy(error) => error.kind(),
            Self::Inputs(_) => "data",
            Self::Bundle(error) => error.kind(),
            Self::TooMuchLost { .. } => "accuracy",
            Self::Slower { .. } => "slower",
            Self::Write { .. } => "write",
        }
    }
}

fn costly_text(costly: &[String]) -> String {
    if costly.is_empty() {
        String::new()
    } else {
        format!(". The layers that cost most: {}", costly.join(", "))
    }
}
