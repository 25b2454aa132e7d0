//! Real models read and written by the graph crate come out byte for byte.

use std::path::{Path, PathBuf};

use farsight_graph::Document;
use libtest_mimic::Trial;

use crate::needs::{Need, assets, csmask, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("round_trip::assets", &[Need::Assets], || check(&assets(), 5)),
        trial("round_trip::cloud_masks", &[Need::Clouds], || check(&csmask(""), 4)),
    ]
}

fn check(folder: &Path, at_least: usize) {
    let models = onnx_files(folder);
    assert!(models.len() >= at_least, "{} models in {}", models.len(), folder.display());
    for path in models {
        let bytes = std::fs::read(&path).unwrap();
        let written = Document::read(&path).unwrap().to_bytes().unwrap();
        assert!(written == bytes, "{} comes out different", path.display());
    }
}

fn onnx_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(onnx_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "onnx") {
            found.push(path);
        }
    }
    found
}
