//! What is written of a raster beside its mask: polygons and probabilities, and the calls that are refused.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::needs::{Need, patches, trial};
use crate::{bundles, farsight, scratch};

const CLOUDS: &[Need] = &[Need::Library, Need::Clouds, Need::Patches];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("outputs::polygons_and_probabilities", CLOUDS, polygons),
        trial("outputs::a_raster_without_a_place", CLOUDS, without_a_place),
        trial("outputs::frames_have_no_polygons", &[Need::Library], of_frames),
    ]
}

fn polygons() {
    let saved = scratch::folder("saved");
    let small = 1000.0;
    let run = |more: &[&str]| {
        let mut call: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"run", &bundles::clouds6().bundle];
        let patches = patches();
        call.extend([
            &patches as &dyn AsRef<std::ffi::OsStr>,
            &"--any-target",
            &"--save",
            &saved,
            &"--polygons",
        ]);
        call.extend(more.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
        farsight::document(&call)
    };
    let found = run(&["--probabilities", "u8"]);
    let features = features(&found);
    for label in found["mask"]["labels"].as_array().unwrap() {
        let of_class = features.iter().map(|feature| &feature["properties"]);
        let of_class: Vec<_> = of_class.filter(|properties| properties["class"] == label["class"]).collect();
        let pixels: u64 = of_class.iter().map(|properties| properties["pixels"].as_u64().unwrap()).sum();
        assert_eq!(label["pixels"], pixels);
        let area: f64 = of_class.iter().map(|properties| properties["area_m2"].as_f64().unwrap()).sum();
        assert!((area - label["area_m2"].as_f64().unwrap()).abs() < 1.0, "{label}: {area}");
        assert!(of_class.iter().all(|properties| properties["label"] == label["label"]));
    }
    for (key, file) in [
        ("mask", &found["mask"]["file"]),
        ("picture", &found["mask"]["picture"]),
        ("polygons", &found["polygons"]),
        ("probabilities", &found["probabilities"]),
    ] {
        let bytes = Path::new(file.as_str().unwrap()).metadata().unwrap().len();
        assert_eq!(found["bytes"][key], bytes, "{key}");
    }

    let simpler = run(&["--min-area", &small.to_string(), "--simplify", "10"]);
    assert!(simpler["bytes"]["polygons"].as_u64() < found["bytes"]["polygons"].as_u64());
    assert!(simpler["probabilities"].is_null());
    let areas = self::features(&simpler).into_iter().map(|f| f["properties"]["area_m2"].as_f64().unwrap());
    assert!(areas.fold(f64::INFINITY, f64::min) >= small);
}

fn features(found: &Value) -> Vec<Value> {
    let text = std::fs::read(found["polygons"].as_str().unwrap()).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    document["features"].as_array().unwrap().clone()
}

/// Told before the model runs, with the way out; nothing is left behind.
fn without_a_place() {
    let raster =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/vision/tests/golden/rasters/place-none.tif");
    let saved = scratch::folder("saved");
    let bundle = &bundles::clouds6().bundle;
    let answer =
        farsight::call_json(&[&"run", bundle, &raster, &"--any-target", &"--save", &saved, &"--polygons"]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let error = &answer.document()["error"];
    assert_eq!(error["kind"], "polygons");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("place-none.tif") && message.contains("gdal_translate -a_srs"), "{message}");
    assert_eq!(std::fs::read_dir(&saved).unwrap().count(), 0);
}

fn of_frames() {
    let bundle = &bundles::detector().bundle;
    let saved = scratch::folder("saved");
    for (wrong, expected) in [
        (&["--polygons"][..], "--save"),
        (&["--save", saved.to_str().unwrap(), "--polygons"], "rasters"),
        (&["--save", saved.to_str().unwrap(), "--min-area", "5"], "--polygons"),
        (&["--save", saved.to_str().unwrap(), "--probabilities", "f64"], "u8"),
    ] {
        let mut call: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"run", bundle, &"x.png"];
        call.extend(wrong.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
        let answer = farsight::call(&call);
        assert_eq!(answer.code, Some(2), "{wrong:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(expected), "{wrong:?}: {}", answer.stderr);
    }
}
