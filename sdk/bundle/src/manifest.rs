//! `manifest.json`: what is in a bundle, what it is for and how to prove that it is whole.

use std::collections::BTreeMap;
use std::fmt;

use farsight_spec::TensorInfo;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::container::MANIFEST;
use crate::digest::Digest;
use crate::error::{Fault, plain};
use crate::name;
use crate::self_test::{Tolerance, byte_count, check_match};

/// The format that this crate writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// What a bundle may put into `requires` so that this reader opens it. Nothing yet: format 1 is all there is.
pub const KNOWN_FEATURES: &[&str] = &[];

/// The contents of `manifest.json`. Keys that are not known are ignored when it is read: what a reader must not
/// ignore is named in `requires`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Raised when an older reader would misread the file. See [`FORMAT`].
    pub format: u32,
    /// Features that a reader must know; it refuses the bundle and names those that it does not.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The bundle's name: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// The bundle's version after semver.org 2.0.0, `"1.4.0"`.
    pub version: String,
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// Version of the ONNX Runtime that compiled it.
    pub onnxruntime: String,
    /// The compiled model's arithmetic and storage, as the recipe spells it: `keep`, `fp16`, …
    pub precision: String,
    /// The models; exactly one in format 1.
    pub models: Vec<ModelEntry>,
    /// The devices it is for; at least one.
    pub targets: Vec<TargetEntry>,
    /// How to find out whether a device gives the right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTestEntry>,
    /// Every entry but `manifest.json` and `manifest.sig`.
    #[serde(deserialize_with = "unique_entries")]
    pub entries: BTreeMap<String, EntryInfo>,
}

/// A compiled model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Its entry.
    pub entry: String,
    /// SHA-256 of the file that the user handed to `compile`.
    pub source_sha256: Digest,
    /// What goes in, in the model's order.
    pub inputs: Vec<TensorInfo>,
    /// What comes out, in the model's order.
    pub outputs: Vec<TensorInfo>,
}

/// A device that the bundle is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEntry {
    /// The target profile's name.
    pub name: String,
    /// Rust target triple, never `host`.
    pub triple: String,
    /// CPU features that the compiled model counts on.
    #[serde(default)]
    pub cpu_features: Vec<String>,
}

/// Where the self-test's tensors are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTestEntry {
    /// One for each input of the model, in its order.
    pub inputs: Vec<SampleEntry>,
    /// One for each output of the model, in its order.
    pub outputs: Vec<SampleEntry>,
    /// How far an answer may be off.
    pub tolerance: Tolerance,
}

/// One tensor of the self-test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleEntry {
    /// Name, type and shape.
    pub info: TensorInfo,
    /// The entry with its raw little-endian values.
    pub entry: String,
}

/// What an entry must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInfo {
    /// SHA-256 of its bytes (unpacked, if it is compressed).
    pub sha256: Digest,
    /// How many bytes it has (unpacked).
    pub bytes: u64,
}

/// The keys that decide whether the others can be understood.
#[derive(Deserialize)]
struct Preamble {
    format: u64,
    #[serde(default)]
    requires: Vec<String>,
}

impl Manifest {
    /// Parses and checks a manifest; format and `requires` are looked at before anything else.
    ///
    /// # Errors
    /// [`Fault::Format`], [`Fault::Requires`], [`Fault::Manifest`], [`Fault::SelfTest`].
    pub fn parse(json: &[u8]) -> Result<Self, Fault> {
        let refused = |error: serde_json::Error| Fault::Manifest { message: plain(&error.to_string()) };
        let preamble: Preamble = serde_json::from_slice(json).map_err(refused)?;
        if preamble.format != u64::from(FORMAT) {
            return Err(Fault::Format { found: preamble.format, known: FORMAT });
        }
        let mut unknown = preamble.requires;
        unknown.retain(|feature| !KNOWN_FEATURES.contains(&feature.as_str()));
        if !unknown.is_empty() {
            return Err(Fault::Requires { names: unknown });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(refused)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text of `manifest.json`, the same for the same contents.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Fault> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| Fault::Contents { what: format!("{MANIFEST}: {error}") })?;
        json.push(b'\n');
        Ok(json)
    }

    /// The one model of format 1.
    pub fn model(&self) -> &ModelEntry {
        &self.models[0]
    }

    /// Checks what its types do not say.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.check_parts().map_err(|message| Fault::Manifest { message })?;
        self.check_self_test().map_err(|message| Fault::SelfTest { message })
    }

    fn check_parts(&self) -> Result<(), String> {
        check_name(&self.name)?;
        check_version(&self.version)?;
        self.check_printable()?;
        for path in self.entries.keys() {
            name::check(path.as_bytes()).map_err(|problem| format!("entry {path:?}: {problem}"))?;
        }
        let [model] = self.models.as_slice() else {
            return Err(format!("it has {} models, expected 1", self.models.len()));
        };
        self.listed(&model.entry)?;
        if self.targets.is_empty() {
            return Err("it names no target".to_owned());
        }
        match self.targets.iter().find(|target| !target.triple.contains('-')) {
            Some(target) => Err(format!("target {:?} has the triple {:?}", target.name, target.triple)),
            None => Ok(()),
        }
    }

    /// What ends up in messages and reports must not write over them.
    fn check_printable(&self) -> Result<(), String> {
        let of_targets =
            self.targets.iter().flat_map(|t| [&t.name, &t.triple].into_iter().chain(&t.cpu_features));
        let mut texts = [&self.tool, &self.onnxruntime, &self.precision].into_iter().chain(of_targets);
        let is_plain = |text: &str| text.len() <= 128 && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        match texts.find(|text| !is_plain(text)) {
            Some(text) => Err(format!("{:?} is not up to 128 printable ASCII characters", plain(text))),
            None => Ok(()),
        }
    }

    fn check_self_test(&self) -> Result<(), String> {
        let Some(test) = &self.self_test else { return Ok(()) };
        test.tolerance.check()?;
        for sample in test.inputs.iter().chain(&test.outputs) {
            let (expected, found) = (byte_count(&sample.info)?, self.listed(&sample.entry)?.bytes);
            if found != expected {
                let (name, entry) = (&sample.info.name, &sample.entry);
                return Err(format!("tensor {name:?} has {expected} bytes, entry {entry:?} has {found}"));
            }
        }
        let infos = |samples: &[SampleEntry]| samples.iter().map(|s| s.info.clone()).collect::<Vec<_>>();
        check_match("input", &infos(&test.inputs), &self.model().inputs)?;
        check_match("output", &infos(&test.outputs), &self.model().outputs)
    }

    fn listed(&self, path: &str) -> Result<&EntryInfo, String> {
        self.entries.get(path).ok_or_else(|| format!("entry {path:?} is used, but not listed under entries"))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(format!("the name {name:?} is not 1 to 128 of the characters A-Z a-z 0-9 . _ -"))
}

/// `MAJOR.MINOR.PATCH[-PRE][+BUILD]`, numbers without leading zeros (semver.org 2.0.0, items 2, 9 and 10).
fn check_version(version: &str) -> Result<(), String> {
    let (rest, build) = split_once_or(version, '+');
    let (core, pre) = split_once_or(rest, '-');
    let is_number = |part: &str| {
        part.bytes().all(|b| b.is_ascii_digit())
            && !part.is_empty()
            && (part == "0" || !part.starts_with('0'))
    };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_pre = |part: &str| is_word(part) && (is_number(part) || !part.bytes().all(|b| b.is_ascii_digit()));
    let is_version = core.split('.').count() == 3
        && core.split('.').all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(is_pre))
        && build.is_none_or(|build| build.split('.').all(is_word));
    if is_version && version.len() <= 128 {
        return Ok(());
    }
    Err(format!("the version {version:?} is not a semantic version such as 1.4.0"))
}

fn split_once_or(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// A map that names an entry twice would be read differently by different readers.
fn unique_entries<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, EntryInfo>, D::Error> {
    struct Unique;

    impl<'de> Visitor<'de> for Unique {
        type Value = BTreeMap<String, EntryInfo>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from entry names to {sha256, bytes}")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some((path, info)) = map.next_entry::<String, EntryInfo>()? {
                if entries.contains_key(&path) {
                    return Err(A::Error::custom(format!("entry {path:?} is listed twice")));
                }
                entries.insert(path, info);
            }
            Ok(entries)
        }
    }

    from.deserialize_map(Unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_after_semver() {
        for version in
            ["0.0.0", "1.4.0", "1.0.0-alpha.1", "1.0.0-x-y.0", "10.20.30+build.007", "1.0.0-rc.1+a"]
        {
            assert_eq!(check_version(version), Ok(()), "{version}");
        }
        for version in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.2.x",
            "v1.2.3",
            "1.2.3-",
            "1.2.3+",
            "1.0.0-01",
            "1.0.0-a..b",
        ] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }

    #[test]
    fn names_are_safe_to_print_and_to_use_as_file_names() {
        assert_eq!(check_name("cattle_yolov8n-640.v2"), Ok(()));
        for name in ["", "a b", "../x", "a\x1b[31m", "é", &"a".repeat(129)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
