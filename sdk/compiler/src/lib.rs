//! Passes from a source model to a verified bundle, and the report.
//!
//! [`compile`] is one straight line: read the source, resolve the spec from what the file says, run the
//! passes, verify against the source model, write the bundle. Each of these steps has its own file.

mod base;
mod candidate;
mod chain;
mod costs;
mod decide;
mod element;
mod error;
mod evaluate;
mod facts;
mod feed;
mod generate;
mod job;
mod judge;
mod latency;
mod layers;
mod mask_file;
mod measure;
mod memory;
mod movers;
mod prepare;
mod quantize;
mod quantized;
mod remarks;
mod report;
mod resolve;
mod runs;
mod search_time;
mod self_test;
mod source;
mod tally;
mod thinning;
mod verify;
mod write;

pub mod calibrate;
pub mod data;
pub mod npy;
pub mod passes;

pub use chain::{Chain, Effect};
pub use costs::{Activations, Costs, LayerCost, costs};
pub use error::CompileError;
pub use evaluate::{Agreement, EvaluateSettings, Evaluation, FailedInput, evaluate};
pub use facts::facts;
pub use feed::fill_from_npy;
pub use generate::fill_inputs;
pub use job::{Job, Progress, compile};
pub use judge::{Judge, Verdict, halves};
pub use latency::{Latency, interleave, median};
pub use layers::{Layer, layers};
pub use memory::peak_rss_mb;
pub use quantized::{Form, QuantizedForm, SlowOperator, quantized_form};
pub use remarks::{Remark, remarks};
pub use report::{Accuracy, FloatIsland, PassEntry, Report, Sensitivity, Trial};
pub use self_test::{SelfTestResult, run_self_test};
pub use source::Source;
pub use tally::Scores;
pub use write::write_atomically;
