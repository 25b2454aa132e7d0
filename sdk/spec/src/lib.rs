//! Model specs, target profiles and recipes: plain data, parsed and validated. Text only.
//!
//! - [`ModelSpec`] (`models/*.toml`): a model's contract, from pixels to answer.
//! - [`Target`] (`targets/*.toml`): a device and the ONNX Runtime it runs.
//! - [`Recipe`]: how to shrink a model, with which budget.
//! - [`Metadata`]: what an Ultralytics export says of itself.
//! - [`TensorInfo`]: what a session says of one of its inputs or outputs.

mod catalogue;
mod error;
mod keys;
mod metadata;
mod model;
mod parse;
mod python;
mod raster;
mod recipe;
mod target;
mod tensor;
mod tiling;
mod validate;

pub use error::SpecError;
pub use metadata::{Metadata, MetadataError};

pub use model::{
    Activation, Align, Channels, ClassesOutput, DetectOutput, Filter, FrameInput, Input, Layout, MaskOutput,
    ModelSpec, Normalise, Output, Resize, Source, Task, Variant, When, YoloLayout,
};
pub use raster::{Band, Coordinates, Fill, FrameOrder, NodataRule, RasterInput, Units};
pub use recipe::{Precision, Ranges, Recipe};
pub use target::{
    ActivationType, Build, Extent, KNOWN_PROVIDERS, Memory, Optimization, OrtBuild, OrtFile, PrecisionRules,
    Provider, SessionRules, Shapes, Sparsity, Target, has_vnni, known_cpu_features, version_numbers,
};
pub use tensor::{ElementType, TensorInfo};
pub use tiling::{Average, Blend, Tiling};
