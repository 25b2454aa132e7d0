//! Execution providers and their options.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names of the execution providers that a profile may name.
pub const KNOWN_PROVIDERS: &[&str] = &["CPU", "XNNPACK", "ACL", "OpenVINO", "CUDA", "TensorRT", "QNN"];

/// An execution provider and its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// One of [`KNOWN_PROVIDERS`]: ONNX Runtime's name for it without `ExecutionProvider`.
    pub name: String,
    /// Its options, as ONNX Runtime spells them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Provider {
    /// Whether this is the provider of a name, in whatever case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
