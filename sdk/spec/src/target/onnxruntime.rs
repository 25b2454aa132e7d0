//! Which ONNX Runtime a target runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which ONNX Runtime a target runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrtBuild {
    /// Oldest version the profile is for, `"1.17"`: caps the opset and IR version written.
    pub oldest: String,
    /// Newest version the profile is for, where a newer one is known not to load or not to be had: `"1.28"` stands
    /// for 1.28.0 and all its patches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Where to get it.
    pub from: String,
    /// Files to install, where they can be pinned; the first is the one to take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OrtFile>,
    /// Versions that are known not to work, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_bad: BTreeMap<String, String>,
}

/// A file that holds the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrtFile {
    /// The version in it, `"1.32.0"`.
    pub version: String,
    /// The address, or the file's name where `from` says the rest.
    pub file: String,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

impl OrtBuild {
    /// Whether a version is past the newest: `1.29.0` is past `1.28`, `1.28.3` is not.
    pub fn is_past_newest(&self, version: &str) -> bool {
        let Some(newest) = self.newest.as_deref().map(version_numbers) else { return false };
        version_numbers(version).into_iter().take(newest.len()).collect::<Vec<_>>() > newest
    }

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

/// The numbers of a version, by which versions are compared: 1, 17 and 3 of `"1.17.3"`, 1 and 32 of `".so.1.32"`.
pub fn version_numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn patches_of_the_newest_version_belong_to_it() {
        let build = OrtBuild { newest: Some("1.28".to_owned()), ..Target::find("host").unwrap().onnxruntime };
        let past = |version| build.is_past_newest(version);
        assert_eq!(
            ["1.27.9", "1.28.0", "1.28.3", "1.29.0", "2.0.0"].map(past),
            [false, false, false, true, true]
        );
    }

    #[test]
    fn an_opset_that_the_oldest_runtime_does_not_know_is_told() {
        let host = Target::find("host").unwrap();
        assert_eq!(host.onnxruntime.too_new(20), None);
        let message = host.onnxruntime.too_new(22).unwrap();
        assert!(message.contains("opset 22") && message.contains("1.17"), "{message}");
    }
}
