//! The target profile: a device and the ONNX Runtime it runs.

mod build;
mod check;
mod features;
mod onnxruntime;
mod precision;
mod provider;
mod session;
mod shapes;

use serde::{Deserialize, Serialize};

pub use build::Build;
pub use features::{has_vnni, known_cpu_features};
pub use onnxruntime::{OrtBuild, OrtFile, version_numbers};
pub use precision::{ActivationType, PrecisionRules, Sparsity};
pub use provider::{KNOWN_PROVIDERS, Provider};
pub use session::{Memory, Optimization, SessionRules};
pub use shapes::{Extent, Shapes};

/// A device, read from `targets/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The name it is looked up by.
    pub name: String,
    /// One sentence for `farsight targets`.
    pub about: String,
    /// Rust target triple; `"host"` means the machine that compiles.
    pub triple: String,
    /// Oldest glibc the device may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
    /// CPU features the compiled model counts on (`avx2`, `avx512vnni`, `dotprod`, …; [`known_cpu_features`]): a device
    /// without them refuses the bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu_features: Vec<String>,
    /// Which ONNX Runtime.
    pub onnxruntime: OrtBuild,
    /// Execution providers, the first that takes a node runs it.
    pub providers: Vec<Provider>,
    /// Whether a missing provider may be replaced by the next one, with a report.
    #[serde(default)]
    pub allow_fallback: bool,
    /// What the device's kernels can do.
    #[serde(default)]
    pub precision: PrecisionRules,
    /// Which shapes of input it is given.
    #[serde(default)]
    pub shapes: Shapes,
    /// How a session is set up.
    #[serde(default)]
    pub session: SessionRules,
    /// Limits on memory.
    #[serde(default)]
    pub memory: Memory,
    /// How programs are built for it.
    #[serde(default)]
    pub build: Build,
    /// What a person should know before relying on the profile: what was not run on the device, what does not work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Target {
    /// The profile with its triple in place of `host`.
    pub fn on_host(mut self, triple: &str) -> Self {
        if self.triple == "host" {
            triple.clone_into(&mut self.triple);
        }
        self
    }

    /// Whether int8 weights keep within ±64 on a CPU with these features: as the profile says, else on x86 without
    /// `vnni`, whose kernels saturate.
    pub fn halves_weights(&self, features: &[String]) -> bool {
        let saturates = self.triple.starts_with("x86_64") && !has_vnni(features);
        self.precision.half_range_weights.unwrap_or(saturates)
    }
}
