//! Passes from a source model to a verified bundle, and the report.
//!
//! [`compile`] is one straight line: read the source, resolve the spec from what the file says, run the
//! passes, verify against the source model, write the bundle. Each of these steps has its own file.

mod costs;
mod element;
mod error;
mod evaluate;
mod facts;
mod generate;
mod job;
mod latency;
mod layers;
mod mask_file;
mod memory;
mod remarks;
mod report;
mod resolve;
mod self_test;
mod source;
mod verify;
mod write;

pub mod data;
pub mod passes;

pub use costs::{Activations, Costs, LayerCost, costs};
pub use error::CompileError;
pub use evaluate::{Agreement, EvaluateSettings, Evaluation, FailedInput, Scores, evaluate};
pub use facts::facts;
pub use generate::fill_inputs;
pub use job::{Job, Progress, compile};
pub use latency::{Latency, interleave, median};
pub use layers::{Layer, layers};
pub use memory::peak_rss_mb;
pub use remarks::{Remark, remarks};
pub use report::{Accuracy, PassEntry, Report};
pub use self_test::{SelfTestResult, run_self_test};
pub use source::Source;
pub use write::write_atomically;
