//! The specs and profiles that are built in, and how one is looked up.

use std::path::Path;

use crate::error::{SpecError, nearest};
use crate::{ModelSpec, Target};

/// `(name, text)` of a built-in file.
type Entry = (&'static str, &'static str);

macro_rules! built_in {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../", $folder, "/", $name, ".toml")))),*]
    };
}

const MODELS: &[Entry] = built_in!("models":
    "csmask-4b-l1c", "csmask-4b-l2a", "csmask-6b-l1c", "csmask-6b-l2a", "deeplab", "imagenet", "prithvi-burn-scars",
    "prithvi-crops", "prithvi-floods", "prithvi-floods-terratorch", "reben-all", "reben-all-v011", "reben-s1",
    "reben-s1-v011", "reben-s2", "reben-s2-v011", "tensors", "yolo", "yolox",
);
const TARGETS: &[Entry] = built_in!("targets":
    "aarch64-linux", "host", "jetson-nano", "jetson-orin", "jetson-xavier", "raspberry-pi-4", "raspberry-pi-5", "x86_64-linux",
    "x86_64-openvino",
);

impl ModelSpec {
    /// Names of the built-in specs, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MODELS.iter().map(|(name, _)| *name)
    }

    /// Looks a spec up: a path ending in `.toml` is read; otherwise an exact built-in name beats a unique
    /// part of one.
    pub fn find(name: &str) -> Result<Self, SpecError> {
        if is_path(name) {
            return Self::parse(&read(Path::new(name))?, name);
        }
        let (name, text) = look_up("model spec", MODELS, name)?;
        Self::parse(text, &format!("built-in model spec `{name}`"))
    }

    /// The text of a built-in spec as it was written, looked up as [`ModelSpec::find`] does.
    pub fn text(name: &str) -> Result<&'static str, SpecError> {
        look_up("model spec", MODELS, name).map(|(_, text)| text)
    }
}

impl Target {
    /// Names of the built-in profiles, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TARGETS.iter().map(|(name, _)| *name)
    }

    /// Looks a profile up: a path ending in `.toml` is read; otherwise an exact built-in name beats a
    /// unique part of one.
    pub fn find(name: &str) -> Result<Self, SpecError> {
        if is_path(name) {
            return Self::parse(&read(Path::new(name))?, name);
        }
        let (name, text) = look_up("target profile", TARGETS, name)?;
        Self::parse(text, &format!("built-in target profile `{name}`"))
    }

    /// The text of a built-in profile as it was written, looked up as [`Target::find`] does.
    pub fn text(name: &str) -> Result<&'static str, SpecError> {
        look_up("target profile", TARGETS, name).map(|(_, text)| text)
    }
}

fn is_path(name: &str) -> bool {
    name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR)
}

/// A spec, profile or recipe of more bytes is none.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a text file: a regular one of a sane size, since a pipe or a device may never end.
pub(crate) fn read(path: &Path) -> Result<String, SpecError> {
    let failed = |reason: String| SpecError::Unreadable { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("this is no regular file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(failed(format!("it has {} bytes, at most {MAX_BYTES} are read", metadata.len())));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

fn look_up(what: &'static str, entries: &[Entry], name: &str) -> Result<Entry, SpecError> {
    if let Some(entry) = entries.iter().find(|(known, _)| *known == name) {
        return Ok(*entry);
    }
    let parts: Vec<&Entry> =
        entries.iter().filter(|(known, _)| !name.is_empty() && known.contains(name)).collect();
    match parts[..] {
        [entry] => Ok(*entry),
        [] => Err(SpecError::NotFound {
            what,
            name: name.to_owned(),
            nearest: nearest(name, entries.iter().map(|(known, _)| *known)),
            known: entries.iter().map(|(known, _)| (*known).to_owned()).collect(),
        }),
        _ => Err(SpecError::Ambiguous {
            what,
            name: name.to_owned(),
            candidates: parts.iter().map(|(known, _)| (*known).to_owned()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_built_in_valid_and_carries_its_own_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (folder, names) in
            [("models", ModelSpec::names().collect::<Vec<_>>()), ("targets", Target::names().collect())]
        {
            let mut files: Vec<String> = std::fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
                .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            files.sort();
            assert_eq!(files, names, "{folder}");
        }
        for name in ModelSpec::names() {
            assert_eq!(ModelSpec::find(name).unwrap().name, name);
        }
        for name in Target::names() {
            assert_eq!(Target::find(name).unwrap().name, name);
        }
    }

    #[test]
    fn exact_beats_unique_part_and_ambiguity_lists_the_candidates() {
        assert_eq!(ModelSpec::find("yolo").unwrap().name, "yolo");
        assert_eq!(ModelSpec::find("deep").unwrap().name, "deeplab");
        assert_eq!(Target::find("aarch64").unwrap().name, "aarch64-linux");
        match ModelSpec::find("6b") {
            Err(SpecError::Ambiguous { candidates, .. }) => {
                assert_eq!(candidates, ["csmask-6b-l1c", "csmask-6b-l2a"])
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(Target::find("jetson-o").unwrap().name, "jetson-orin");
        match Target::find("jetson") {
            Err(SpecError::Ambiguous { candidates, .. }) => {
                assert_eq!(candidates, ["jetson-nano", "jetson-orin", "jetson-xavier"])
            }
            other => panic!("{other:?}"),
        }
        match ModelSpec::find("yollo") {
            Err(SpecError::NotFound { nearest, .. }) => assert_eq!(nearest.as_deref(), Some("yolo")),
            other => panic!("{other:?}"),
        }
        assert!(matches!(ModelSpec::find(""), Err(SpecError::NotFound { .. })));
        assert!(matches!(ModelSpec::find("./none.toml"), Err(SpecError::Unreadable { .. })));
    }
}
