//! Which ONNX Runtime a target runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    use crate::Target;

    #[test]
    fn an_opset_that_the_oldest_runtime_does_not_know_is_told() {
        let host = Target::find("host").unwrap();
        assert_eq!(host.onnxruntime.too_new(20), None);
        let message = host.onnxruntime.too_new(22).unwrap();
        assert!(message.contains("opset 22") && message.contains("1.17"), "{message}");
    }
}
