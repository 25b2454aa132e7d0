//! Cloud masks against the package `ukis_csmask` itself.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::bundles::{self, Compiled};
use crate::needs::{Need, csmask, patches, python, trial};
use crate::{farsight, scratch};

const NEEDS: &[Need] = &[Need::Library, Need::Clouds, Need::Patches, Need::Python];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("parity::clouds_6_bands", NEEDS, || compare(bundles::clouds6(), &patches(), "6", 0)),
        trial("parity::clouds_4_bands_odd_size", NEEDS, || {
            compare(bundles::clouds4(), &crop(&["37", "301", "301", "277"]), "4", 0)
        }),
        trial("parity::clouds_smaller_than_a_window", NEEDS, || {
            compare(bundles::clouds6(), &crop(&["100", "100", "101", "77"]), "6", 0)
        }),
        trial("parity::clouds_with_an_empty_corner", NEEDS, || {
            let raster = crop(&["0", "0", "240", "250", "--empty", "60"]);
            compare(bundles::clouds6(), &raster, "6", 3600)
        }),
    ]
}

/// Of the pixels with data at least 99.99 % have the reference's class; the mask lies where the raster does.
fn compare(compiled: &Compiled, raster: &Path, bands: &str, empty: u64) {
    let folder = scratch::folder("clouds");
    let reference = folder.join("reference.npy");
    let by_package = python("csmask.py", &[&csmask(""), &raster, &reference, &"--bands", &bands]);
    assert_eq!(by_package["model"], format!("model_{bands}b_l2a.onnx"));

    let saved = folder.join("saved");
    let run = farsight::document(&[&"run", &compiled.bundle, &raster, &"--save", &saved, &"--any-target"]);
    let mask = PathBuf::from(run["mask"]["file"].as_str().unwrap());
    let compared = python("mask.py", &[&mask, &raster, &reference]);

    for fact in ["size", "transform", "crs", "nodata_as_raster"] {
        assert_eq!(compared[fact], true, "{fact}: {compared}");
    }
    assert_eq!(compared["dtype"], "uint8");
    let count = |key: &str| compared[key].as_u64().unwrap();
    assert!(count("same") as f64 >= 0.9999 * count("data") as f64, "{compared}");

    let labels = run["mask"]["labels"].as_array().unwrap();
    let counted: u64 = labels.iter().map(|label| label["pixels"].as_u64().unwrap()).sum();
    assert_eq!(counted, count("data"));
    assert_eq!(run["mask"]["nodata_pixels"], empty);
}

/// A window of the patches, written by rasterio.
fn crop(arguments: &[&str]) -> PathBuf {
    let out = scratch::folder("crop").join("crop.tif");
    let patches = patches();
    let mut call: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&patches, &out];
    call.extend(arguments.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
    python("crop.py", &call);
    out
}
