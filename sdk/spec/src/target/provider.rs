//! Execution providers and their options.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An execution provider and its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// ONNX Runtime's name for it without `ExecutionProvider`: `CPU`, `XNNPACK`, `CUDA`, …
    pub name: String,
    /// Its options, as ONNX Runtime spells them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}
