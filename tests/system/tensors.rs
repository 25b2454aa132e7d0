//! A model without a decoder: tensors in, tensors out.

use std::fs::File;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use npyz::WriterBuilder;
use serde_json::json;

use crate::needs::{Need, trial};
use crate::{bundles, farsight, scratch};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("tensors::npy_in_npy_out", &[Need::Library], npy_in_npy_out)]
}

fn npy_in_npy_out() {
    let compiled = bundles::line();
    assert_eq!(compiled.report["spec"], "tensors");
    let folder = scratch::folder("tensors");
    let input = write(&folder.join("x.npy"), &[1, 4], &[0.0, 1.5, -3.0, 1e6]);
    let found = farsight::document(&[&"run", &compiled.bundle, &input, &"--save", &folder.join("out")]);
    assert_eq!(found["task"], "tensors");
    let tensor = &found["tensors"][0];
    assert_eq!((&tensor["name"], &tensor["shape"]), (&json!("y"), &json!([1, 4])));
    let file = npyz::NpyFile::new(File::open(tensor["file"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(file.shape(), [1, 4]);
    assert_eq!(file.into_vec::<f32>().unwrap(), [1.0, 4.0, -5.0, 2_000_001.0]);
}

/// Writes a float32 tensor.
pub(crate) fn write(path: &Path, shape: &[u64], values: &[f32]) -> PathBuf {
    let options = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = options.writer(File::create(path).unwrap()).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    path.to_owned()
}
