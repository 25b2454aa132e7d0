//! What a prepared thing depends on, in plain text.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Library, cpu_features, machine};

/// Raised when what is kept, or how, changes.
const FORMAT: u32 = 2;

/// Facts by their names.
pub(crate) type Facts = BTreeMap<String, String>;

/// What a prepared thing depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// What was asked for: things that differ here are kept beside each other.
    pub(crate) asked: Facts,
    /// Where it was made: one device needs one of these only.
    pub(crate) device: Facts,
}

impl Key {
    /// A key for this device and library, and for what else of the device it depends on.
    pub(crate) fn new(library: &Library, asked: &[(&str, String)], more: Vec<(String, String)>) -> Self {
        let device = [
            ("format", FORMAT.to_string()),
            ("onnxruntime", library.version().to_owned()),
            ("library", file_identity(library.path())),
            ("cpu", machine::cpu_identity()),
            ("cpu_features", cpu_features().join(" ")),
        ];
        let mut key = Self { asked: facts(asked), device: facts(&device) };
        key.device.extend(more);
        key
    }

    /// The name under which it is kept.
    pub(crate) fn name(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in &self.asked {
            // Lengths first: no two sets of facts give the same bytes.
            hasher.update(format!("{} {} {name}{value}", name.len(), value.len()));
        }
        hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this may be a name of ours.
    pub(crate) fn is_name(name: &str) -> bool {
        name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The first fact in which `found` differs from what is expected, in words.
    pub(crate) fn difference(&self, found: &Self) -> Option<String> {
        let differs = |(name, expected): (&String, &String), facts: &Facts| match facts.get(name) {
            Some(value) if value == expected => None,
            Some(value) => Some(format!("it was made for {name} \"{value}\", this is \"{expected}\"")),
            None => Some(format!("it does not say for which {name} it was made")),
        };
        let mut asked = self.asked.iter();
        let mut device = self.device.iter();
        asked
            .find_map(|fact| differs(fact, &found.asked))
            .or_else(|| device.find_map(|fact| differs(fact, &found.device)))
            .or_else(|| (self != found).then(|| "it was made for more than is asked for".to_owned()))
    }
}

fn facts(rows: &[(&str, String)]) -> Facts {
    rows.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A file's size and time of change in seconds (archives and read-only file systems keep no more): another build of the
/// same version differs in these.
pub(crate) fn file_identity(path: &std::path::Path) -> String {
    let Ok(metadata) = path.metadata() else { return "unknown".to_owned() };
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} bytes of {}", metadata.len(), changed.unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(asked: &[(&str, &str)], device: &[(&str, &str)]) -> Key {
        let own = |rows: &[(&str, &str)]| {
            rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Key { asked: own(asked), device: own(device) }
    }

    #[test]
    fn the_name_tells_apart_what_is_asked_for_and_not_the_device() {
        let here = key(&[("model", "a"), ("optimization", "all")], &[("cpu", "x")]);
        let there = key(&[("model", "a"), ("optimization", "all")], &[("cpu", "y")]);
        assert_eq!(here.name(), there.name());
        assert!(Key::is_name(&here.name()) && !Key::is_name("mine"));
        for other in [
            key(&[("model", "b"), ("optimization", "all")], &[]),
            key(&[("model", "a"), ("optimization", "basic")], &[]),
            key(&[("model", "a")], &[]),
            key(&[("model", "ao"), ("ptimization", "all")], &[]),
        ] {
            assert_ne!(here.name(), other.name(), "{other:?}");
        }
    }

    #[test]
    fn a_difference_is_named() {
        let here = key(&[("model", "a")], &[("cpu", "x"), ("onnxruntime", "1.32.0")]);
        assert_eq!(here.difference(&here), None);
        let rows = [
            (
                key(&[("model", "b")], &[("cpu", "x"), ("onnxruntime", "1.32.0")]),
                "it was made for model \"b\", this is \"a\"",
            ),
            (
                key(&[("model", "a")], &[("cpu", "x"), ("onnxruntime", "1.31.0")]),
                "it was made for onnxruntime \"1.31.0\", this is \"1.32.0\"",
            ),
            (key(&[("model", "a")], &[("cpu", "x")]), "it does not say for which onnxruntime it was made"),
            (
                key(&[("model", "a")], &[("cpu", "x"), ("onnxruntime", "1.32.0"), ("gpu", "z")]),
                "it was made for more than is asked for",
            ),
        ];
        for (found, reason) in rows {
            assert_eq!(here.difference(&found).as_deref(), Some(reason));
        }
    }
}
