//! What can go wrong between opening a bundle and its answer.

use farsight_bundle::BundleError;
use farsight_engine::EngineError;
use farsight_spec::Task;
use farsight_vision::{DecodeError, FrameError, PreprocessError};

/// What can go wrong between opening a bundle and its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime, or the session.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The frame's own size, stride or format.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame cannot become the model's input.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The raw answer does not fit its decoder.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The raster.
    #[cfg(feature = "rasters")]
    #[error(transparent)]
    Raster(#[from] farsight_vision::RasterError),
    /// The windows over a raster.
    #[cfg(feature = "rasters")]
    #[error(transparent)]
    Tiles(#[from] farsight_vision::TileError),
    /// What the model wants to know of a raster is missing.
    #[error("{0}")]
    Scene(String),
    /// The spec and the model do not fit together.
    #[error("the model and its spec do not fit: {0}")]
    Contract(String),
    /// The pipeline takes another kind of input.
    #[error("this model takes {takes}, not {given}")]
    WrongInput {
        /// What it takes.
        takes: &'static str,
        /// What it was given.
        given: &'static str,
    },
    /// The task has no such answer.
    #[error("this model's task is {}; {wanted}", format!("{task:?}").to_lowercase())]
    WrongTask {
        /// The model's task.
        task: Task,
        /// What was wanted.
        wanted: &'static str,
    },
}

impl Error {
    /// A short stable name of the kind of fault, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bundle(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::Frame(_) => "frame",
            Self::Preprocess(_) => "preprocess",
            Self::Decode(_) => "decode",
            #[cfg(feature = "rasters")]
            Self::Raster(_) => "raster",
            #[cfg(feature = "rasters")]
            Self::Tiles(_) => "tiles",
            Self::Contract(_) => "contract",
            Self::Scene(_) => "scene",
            Self::WrongInput { .. } => "wrong-input",
            Self::WrongTask { .. } => "wrong-task",
        }
    }
}
