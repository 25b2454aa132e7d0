//! `cargo xtask setup --openvino`: an ONNX Runtime with OpenVINO, for the tests of a real execution provider.
//!
//! It lies in `openvino/` of the cache and is loaded by those tests only: 84 MB to fetch, 160 MB unpacked.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::python::Python;
use crate::setup::wheel;

/// The library, what it loads, and no second copies under other names.
const FILES: [&str; 5] = [
    "libonnxruntime.so.[0-9]*",
    "libonnxruntime_providers_*.so",
    "libopenvino*.so.[0-9][0-9][0-9][0-9]",
    "libopenvino_*_plugin.so",
    "libtbb.so.12",
];

/// Fetches it if it is not there yet.
pub(crate) fn setup() -> Result<PathBuf> {
    if !cfg!(target_arch = "x86_64") {
        bail!("onnxruntime-openvino is made for x86-64 only");
    }
    let (cache, python) = (Cache::open()?, Python::find()?);
    wheel(&cache, &python, "onnxruntime-openvino.txt", "openvino", |wheel, folder| {
        python.unpack(wheel, folder, "onnxruntime/capi/", &FILES)
    })
}
