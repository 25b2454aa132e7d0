//! One temporary folder for all tests of a run, gone at its end.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// Makes the folder; it goes with the value returned.
pub(crate) fn make() -> TempDir {
    let root = tempfile::Builder::new().prefix("farsight-tests-").tempdir().expect("a temporary folder");
    ROOT.set(root.path().to_owned()).expect("made once");
    root
}

/// A new, empty folder in it.
pub(crate) fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = ROOT.get().expect("made by main").join(format!("{name}-{number}"));
    fs::create_dir(&folder).expect("a folder in the temporary folder");
    folder
}
