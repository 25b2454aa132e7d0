//! A real YOLOv8 against OpenCV, ONNX Runtime and pycocotools, on 99 labelled pictures.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::needs::{Need, assets, python, trial};
use crate::{bundles, farsight};

const NEEDS: &[Need] = &[Need::Library, Need::Assets, Need::Python];
const MODEL: &str = "detect/cattle_yolov8n_416.onnx";
/// Greatest distance of a box's side from the reference's, pixels.
const SIDE: f64 = 1e-3;
const SCORE: f64 = 1e-5;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("parity::cattle_boxes", NEEDS, boxes),
        trial("parity::cattle_average_precision", NEEDS, average_precision),
    ]
}

fn boxes() {
    let folder = assets().join("cattle/val");
    let reference =
        python("cattle.py", &[&assets().join(MODEL), &folder, &"--conf", &".25", &"--iou", &".7"]);
    let reference = reference["pictures"].as_array().unwrap();
    let call = farsight::call_json(&[
        &"run",
        &bundles::cattle().bundle,
        &folder,
        &"--conf",
        &".25",
        &"--iou",
        &".7",
    ]);
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    let ours = call.lines();
    assert_eq!((ours.len(), reference.len()), (99, 99));
    for (ours, reference) in ours.iter().zip(reference) {
        compare(ours, reference);
    }
}

/// Every box of the reference has one of ours, and we have no more.
fn compare(ours: &Value, reference: &Value) {
    let name = reference["file"].as_str().unwrap();
    assert_eq!(Path::new(ours["input"].as_str().unwrap()).file_name().unwrap(), name);
    assert_eq!((&ours["width"], &ours["height"]), (&reference["width"], &reference["height"]), "{name}");
    let mut ours = ours["detections"].as_array().unwrap().clone();
    let list = |key: &str| reference[key].as_array().unwrap();
    assert_eq!(ours.len(), list("boxes").len(), "{name}");
    for ((corners, score), class) in list("boxes").iter().zip(list("scores")).zip(list("classes")) {
        let same = |ours: &Value| {
            ours["class"] == *class
                && difference(&ours["box"], corners) <= SIDE
                && (ours["score"].as_f64().unwrap() - score.as_f64().unwrap()).abs() <= SCORE
        };
        let found = ours.iter().position(same);
        ours.remove(found.unwrap_or_else(|| panic!("{name}: no {corners} {score} in {ours:?}")));
    }
}

/// The greatest of four sides.
fn difference(a: &Value, b: &Value) -> f64 {
    let side = |corners: &Value, index: usize| corners[index].as_f64().unwrap();
    (0..4).map(|index| (side(a, index) - side(b, index)).abs()).fold(0.0, f64::max)
}

/// Equal to three digits, and equal to what the reference was seen to reach.
fn average_precision() {
    let folder = assets().join("cattle/val");
    let options: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"--conf", &".001", &"--iou", &".7"];
    let model = assets().join(MODEL);
    let reference =
        python("cattle.py", &[&[&model, &folder, &"--ap" as &dyn AsRef<_>], &options[..]].concat());
    let ours = farsight::document(
        &[&[&"eval" as &dyn AsRef<_>, &bundles::cattle().bundle, &"--data", &folder], &options[..]].concat(),
    );
    for (key, seen) in [("ap50_95", 0.7096), ("ap50", 0.9729)] {
        let [ours, reference] = [&ours, &reference].map(|report| report[key].as_f64().unwrap());
        assert!((ours - reference).abs() < 5e-4, "{key}: {ours}, the reference {reference}");
        assert!((ours - seen).abs() < 5e-4, "{key}: {ours}, seen {seen}");
    }
    assert_eq!(ours["samples"], 99);
}
