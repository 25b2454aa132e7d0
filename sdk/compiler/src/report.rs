//! What a compile did and measured: `OUT.report.json` beside the bundle, and `compile --json`.

use std::path::{Path, PathBuf};

use farsight_spec::Precision;
use serde::Serialize;

use crate::{CompileError, Latency, write_atomically};

/// What a compile did and measured. The keys are a contract (DESIGN.md, "The command").
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Number of this document's form.
    pub schema: u32,
    /// The bundle written.
    #[serde(serialize_with = "as_text")]
    pub bundle: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Size of the source model, external data included.
    pub source_bytes: u64,
    /// Name of the spec.
    pub spec: String,
    /// Name of the target.
    pub target: String,
    /// How long the compile took, seconds.
    pub seconds: f64,
    /// Most memory that the compile held.
    pub peak_rss_mb: Option<f64>,
    /// Arithmetic and storage of the compiled model.
    pub precision: Precision,
    /// What was done, in order.
    pub passes: Vec<PassEntry>,
    /// How the compiled model compares with the source model.
    pub accuracy: Accuracy,
    /// How long it takes against the source model; `None` where the target's provider or CPU is not here.
    pub latency: Option<Latency>,
    /// Part of the multiplications done in int8.
    pub int8_mac_share: f64,
    /// What stayed in float among int8, and why.
    pub float_islands: Vec<FloatIsland>,
    /// What each layer costs in accuracy, the costliest first.
    pub sensitivity: Vec<Sensitivity>,
    /// The precisions that `auto` looked at.
    pub trials: Vec<Trial>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A path as text; what is not Unicode in it is replaced.
fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// A layer and what quantizing it alone costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The layer.
    pub layer: String,
    /// What the decoder reads moves by this: squared error ÷ variance, mean over what it reads.
    pub drop: f64,
    /// Part of the model's multiplications.
    pub mac_share: f64,
}

/// A layer that stayed float among int8.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FloatIsland {
    /// The layer.
    pub layer: String,
    /// Why.
    pub reason: String,
    /// Part of the model's multiplications.
    pub mac_share: f64,
}

/// A precision that `auto` looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// The precision.
    pub precision: Precision,
    /// Whether it was taken.
    pub chosen: bool,
    /// What was lost, where it came so far.
    pub drop: Option<f64>,
    /// Latency ÷ that of the source, where it was measured.
    pub ratio: Option<f64>,
    /// Bytes of the model.
    pub bytes: Option<u64>,
    /// Why it was taken or not.
    pub reason: String,
}

/// What a pass did.
#[derive(Debug, Clone, Serialize)]
pub struct PassEntry {
    /// The pass.
    pub name: &'static str,
    /// What it changed, in words.
    pub summary: String,
    /// How long it took, milliseconds.
    pub ms: f64,
    /// Nodes left.
    pub nodes: usize,
    /// Bytes of the model afterwards.
    pub bytes: u64,
    /// 1 − ‖before − after‖ ÷ ‖before‖ of the raw outputs on a generated input; `None` where the model is too
    /// large to be loaded after every pass.
    pub closeness: Option<f64>,
}

/// How the compiled model compares with the source model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// The measure: a task's own where there are labels, `agreement` with the source model elsewhere.
    pub metric: &'static str,
    /// Its value for the source model.
    pub source: f64,
    /// Its value for the compiled model.
    pub compiled: f64,
    /// What was lost; never below 0.
    pub drop: f64,
    /// Standard deviation of the drop, from a paired bootstrap; `None` where none was made.
    pub deviation: Option<f64>,
    /// The drop (below 0 for a gain) that 95 of 100 bootstrap draws do not exceed.
    pub upper: Option<f64>,
    /// What may be lost.
    pub budget: f64,
    /// On how many samples.
    pub samples: usize,
    /// 1 = the same decisions as the source model.
    pub agreement: f64,
    /// Greatest difference of a raw output; `None` for rasters, whose windows are not compared one by one.
    pub max_abs_error: Option<f64>,
    /// What the samples were: the user's files, or generated.
    pub data: &'static str,
}

impl Report {
    /// Where the report of a bundle lies: `cows.farsight` → `cows.report.json`.
    pub fn path(bundle: &Path) -> PathBuf {
        bundle.with_extension("report.json")
    }

    /// Whether a file is a report that a compile wrote.
    pub(crate) fn is_one(path: &Path) -> bool {
        let Ok(text) = std::fs::read(path) else { return false };
        serde_json::from_slice::<serde_json::Value>(&text)
            .is_ok_and(|json| json["schema"].is_u64() && json["passes"].is_array())
    }

    /// Writes the report beside its bundle.
    pub fn write(&self) -> Result<(), CompileError> {
        let path = Self::path(&self.bundle);
        let failed = |reason: String| CompileError::Write { path: path.clone(), reason };
        let json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.to_string()))?;
        write_atomically(&path, &json).map_err(|error| failed(error.to_string()))?;
        Ok(())
    }
}
