//! The target profile: a device and the ONNX Runtime it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// CPU features the compiled model counts on (`avx2`, `vnni`, `dotprod`, …).
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

/// Which ONNX Runtime a target runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrtBuild {
    /// Oldest version the profile is for, `"1.17"`: caps the opset and IR version written.
    pub oldest: String,
    /// Where to get it.
    pub from: String,
    /// Versions that are known not to work, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_bad: BTreeMap<String, String>,
}

/// An execution provider and its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// ONNX Runtime's name for it without `ExecutionProvider`: `CPU`, `XNNPACK`, `CUDA`, …
    pub name: String,
    /// Its options, as ONNX Runtime spells them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// What the device's kernels can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrecisionRules {
    /// Whether float16 kernels are real; elsewhere float16 is storage only.
    pub fp16_arithmetic: bool,
    /// The type of activations in static int8. ONNX Runtime on x86 fuses `u8` only.
    pub activation: ActivationType,
    /// Whether int8 weights keep within ±64, because the kernels add pairs of products in 16 bits. Where it is
    /// not said, the CPU's features decide: x86 without `vnni` needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_range_weights: Option<bool>,
}

/// The integer type of a quantized activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationType {
    /// 8 bits, 0 to 255.
    #[default]
    U8,
    /// 8 bits, -128 to 127.
    S8,
    /// 16 bits, 0 to 65535: for kernels that compute in 16 bits; CPUs do not.
    U16,
}

/// How a session is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionRules {
    /// Threads inside an operator; 0 = as many as the affinity mask allows.
    pub threads: usize,
    /// Whether idle threads burn CPU for lower latency.
    pub spinning: bool,
    /// ONNX Runtime's graph optimization level.
    pub optimization: Optimization,
    /// Whether the CPU arena keeps freed memory.
    pub arena: bool,
    /// Whether allocations are planned ahead (fixed shapes only).
    pub memory_pattern: bool,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            threads: 0,
            spinning: false,
            optimization: Optimization::All,
            arena: true,
            memory_pattern: true,
        }
    }
}

/// ONNX Runtime's graph optimization level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimization {
    /// None at all.
    Off,
    /// Semantics-preserving rewrites only.
    Basic,
    /// Basic and node fusions.
    Extended,
    /// Everything, with layout changes for this CPU.
    All,
}

/// Limits on memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What a pipeline may use at most, in MB; 0 = not limited.
    pub budget_mb: usize,
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

impl OrtBuild {
    /// The minor number of the oldest version: 17 of `"1.17"`.
    pub fn oldest_minor(&self) -> u32 {
        self.oldest.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
    }

    /// Newest opset of the default domain that the oldest version knows (ONNX Runtime's documentation,
    /// "Compatibility": 1.17 → 20, 1.18 to 1.20 → 21, 1.21 → 22, 1.22 → 23, then 24).
    pub fn newest_opset(&self) -> i64 {
        match self.oldest_minor() {
            ..=17 => 20,
            18..=20 => 21,
            21 => 22,
            22 => 23,
            _ => 24,
        }
    }

    /// Why a model of this opset may not load in the oldest version; `None` if it does.
    pub fn too_new(&self, opset: i64) -> Option<String> {
        let newest = self.newest_opset();
        (opset > newest).then(|| {
            format!(
                "opset {opset} is newer than {newest}, the newest that ONNX Runtime {} (the oldest that the target \
                 names) knows: the model may not load there",
                self.oldest
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opset_that_the_oldest_runtime_does_not_know_is_told() {
        let host = Target::find("host").unwrap();
        assert_eq!(host.onnxruntime.too_new(20), None);
        let message = host.onnxruntime.too_new(22).unwrap();
        assert!(message.contains("opset 22") && message.contains("1.17"), "{message}");
    }
}
