//! The target profile: a device and the ONNX Runtime it runs.

mod check;
mod onnxruntime;
mod precision;
mod provider;
mod session;

use serde::{Deserialize, Serialize};

pub use onnxruntime::OrtBuild;
pub use precision::{ActivationType, PrecisionRules};
pub use provider::Provider;
pub use session::{Memory, Optimization, SessionRules};

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
    /// CPU features the compiled model counts on (`avx2`, `avx512vnni`, `dotprod`, …).
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
    /// How a session is set up.
    #[serde(default)]
    pub session: SessionRules,
    /// Limits on memory.
    #[serde(default)]
    pub memory: Memory,
}

impl Target {
    /// The profile with its triple in place of `host`.
    pub fn on_host(mut self, triple: &str) -> Self {
        if self.triple == "host" {
            triple.clone_into(&mut self.triple);
        }
        self
    }
}
