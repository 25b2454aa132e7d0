//! Where an ONNX Runtime may lie, in the order that counts.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use farsight_spec::version_numbers;

use crate::EngineError;
use crate::probe;

/// Who or what names a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The path that the caller gave.
    Given,
    /// The environment variable `ORT_DYLIB_PATH`.
    Environment,
    /// The folder of the running program, or `../lib` seen from there.
    Program,
    /// The farsight cache ([`cache_folder`]), newest version first.
    Cache,
    /// `LD_LIBRARY_PATH` and the system's library folders.
    System,
}

impl Place {
    /// Whether someone chose this path: then it is used, or refused, but never skipped.
    pub(crate) fn is_chosen(self) -> bool {
        matches!(self, Self::Given | Self::Environment)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "the path given",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::Program => "beside the program",
            Self::Cache => "the farsight cache",
            Self::System => "the system's libraries",
        })
    }
}

/// A library that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who names it.
    pub place: Place,
    /// The file.
    pub path: PathBuf,
    /// Its version, or why it cannot be used.
    pub verdict: Result<String, EngineError>,
}

/// Looks at every library in reach, best first, as [`Library::load`](crate::Library::load) would: the
/// first good one is what it loads, unless a chosen path (given, or from `ORT_DYLIB_PATH`) is bad.
///
/// Each is loaded into the process for a moment to ask its version.
pub fn search(explicit: Option<&Path>) -> Vec<Candidate> {
    candidates(&Surroundings::of_this_process(explicit))
        .into_iter()
        .map(|(place, path)| {
            let verdict = probe::probe(place, &path).map(|probed| probed.version);
            Candidate { place, path, verdict }
        })
        .collect()
}

/// Where farsight keeps what it downloads: `$FARSIGHT_CACHE`, else `$XDG_CACHE_HOME/farsight`, else
/// `~/.cache/farsight`. Libraries lie in `onnxruntime/VERSION/` below it. `None` where there is no home.
pub fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("FARSIGHT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("farsight")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/farsight")))
}

/// All that decides where to look.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    given: Option<PathBuf>,
    variable: Option<OsString>,
    program: Option<PathBuf>,
    cache: Option<PathBuf>,
    system: Vec<PathBuf>,
}

impl Surroundings {
    pub(crate) fn of_this_process(explicit: Option<&Path>) -> Self {
        Self {
            given: explicit.map(Path::to_path_buf),
            variable: std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()),
            program: std::env::current_exe().ok(),
            cache: cache_folder(),
            system: system_folders(),
        }
    }
}

/// Every library in reach, best first, each path once. A chosen path is in it whether it exists or not.
pub(crate) fn candidates(around: &Surroundings) -> Vec<(Place, PathBuf)> {
    let mut found = Vec::new();
    found.extend(around.given.iter().map(|path| (Place::Given, path.clone())));
    found.extend(around.variable.iter().map(|path| (Place::Environment, PathBuf::from(path))));
    if let Some(folder) = around.program.as_deref().and_then(Path::parent) {
        for folder in [folder.to_path_buf(), folder.join("../lib")] {
            found.extend(libraries_in(&folder).into_iter().map(|path| (Place::Program, path)));
        }
    }
    if let Some(cache) = &around.cache {
        for folder in versions_in(&cache.join("onnxruntime")) {
            found.extend(libraries_in(&folder).into_iter().map(|path| (Place::Cache, path)));
        }
    }
    for folder in &around.system {
        found.extend(libraries_in(folder).into_iter().map(|path| (Place::System, path)));
    }
    without_repeats(found)
}

/// The library in a folder: `libonnxruntime.so`, else the newest `libonnxruntime.so.VERSION`.
fn libraries_in(folder: &Path) -> Option<PathBuf> {
    entries(folder)
        .filter_map(|path| {
            let version = path.file_name()?.to_str()?.strip_prefix("libonnxruntime.so")?.to_owned();
            let numbered = version.split('.').skip(1).all(|part| part.parse::<u32>().is_ok());
            let numbered = numbered && (version.is_empty() || version.starts_with('.'));
            (numbered && path.is_file()).then(|| (version.is_empty(), version_numbers(&version), path))
        })
        .max()
        .map(|(_, _, path)| path)
}

/// The folders named after a version, newest first.
fn versions_in(folder: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<_> = entries(folder)
        .filter_map(|path| {
            let version = version_numbers(path.file_name()?.to_str()?);
            (!version.is_empty() && path.is_dir()).then_some((version, path))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

pub(crate) fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn without_repeats(found: Vec<(Place, PathBuf)>) -> Vec<(Place, PathBuf)> {
    let mut seen = Vec::new();
    found
        .into_iter()
        .filter(|(place, path)| {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let new = !seen.contains(&real);
            seen.push(real);
            new || place.is_chosen()
        })
        .collect()
}

/// Where the system's loader looks: `LD_LIBRARY_PATH`, `/etc/ld.so.conf.d`, the usual folders.
pub(crate) fn system_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .map(|value| std::env::split_paths(&value).filter(|path| path.is_absolute()).collect())
        .unwrap_or_default();
    let mut configured: Vec<_> = entries(Path::new("/etc/ld.so.conf.d"))
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| {
            text.lines()
                .map(str::trim)
                .filter(|line| line.starts_with('/'))
                .map(PathBuf::from)
                .collect::<Vec<_>>()
        })
        .collect();
    configured.sort();
    folders.append(&mut configured);
    folders.push("/usr/local/lib".into());
    for root in ["/usr/lib", "/lib"] {
        folders.push(format!("{root}/{}-linux-gnu", std::env::consts::ARCH).into());
        folders.push(root.into());
        folders.push(format!("{root}64").into());
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn places_come_in_the_order_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "bin/libonnxruntime.so.1.20.0",
            "bin/libonnxruntime.so.1.9.0",
            "bin/libonnxruntime_providers_shared.so",
            "bin/libonnxruntime.so.1.99.0.txt",
            "lib/libonnxruntime.so",
            "lib/libonnxruntime.so.1.31.0",
            "cache/onnxruntime/1.9.0/libonnxruntime.so.1.9.0",
            "cache/onnxruntime/1.32.0/libonnxruntime.so.1.32.0",
            "cache/onnxruntime/notes/libonnxruntime.so",
            "cache/onnxruntime/1.40.0/README",
            "usr/libonnxruntime.so.1",
        ] {
            touch(&root.join(file));
        }
        let around = Surroundings {
            given: Some(root.join("nowhere.so")),
            variable: Some(root.join("also-nowhere.so").into()),
            program: Some(root.join("bin/program")),
            cache: Some(root.join("cache")),
            system: vec![root.join("missing"), root.join("usr"), root.join("bin/../usr")],
        };
        let found: Vec<_> = candidates(&around)
            .into_iter()
            .map(|(place, path)| (place, path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()))
            .collect();
        let expected = [
            (Place::Given, "nowhere.so"),
            (Place::Environment, "also-nowhere.so"),
            (Place::Program, "bin/libonnxruntime.so.1.20.0"),
            (Place::Program, "bin/../lib/libonnxruntime.so"),
            (Place::Cache, "cache/onnxruntime/1.32.0/libonnxruntime.so.1.32.0"),
            (Place::Cache, "cache/onnxruntime/1.9.0/libonnxruntime.so.1.9.0"),
            (Place::System, "usr/libonnxruntime.so.1"),
        ];
        assert_eq!(found, expected.map(|(place, path)| (place, path.to_owned())));
    }

    #[test]
    fn nothing_around_means_no_candidate() {
        assert_eq!(candidates(&Surroundings::default()), []);
    }
}
