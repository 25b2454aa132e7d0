//! COCO detectors on photographs: what is plainly there is found.

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles::{self, Compiled};
use crate::farsight;
use crate::needs::{Need, assets, trial};

const NEEDS: &[Need] = &[Need::Library, Need::Assets];

/// What each photograph shows.
const SHOWN: [(&str, &[&str]); 10] = [
    ("bus.jpg", &["bus", "person"]),
    ("cat_720p.jpg", &["cat"]),
    ("cow_1000x667.jpg", &["cow"]),
    ("cows_275x183.jpg", &["cow"]),
    ("dog_bicycle.jpg", &["bicycle", "dog"]),
    ("elephants.jpg", &["elephant"]),
    ("horses.jpg", &["horse"]),
    ("pets.jpg", &["dog"]),
    ("two_dogs.jpg", &["dog"]),
    ("zidane.jpg", &["person"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("photos::yolov8", NEEDS, || check(bundles::coco())),
        trial("photos::yolov8_dynamic_int8", NEEDS, || check(bundles::coco_int8())),
        trial("photos::yolox", NEEDS, || check(bundles::yolox())),
    ]
}

fn check(compiled: &Compiled) {
    let answer = farsight::call_json(&[&"run", &compiled.bundle, &assets().join("photos"), &"--any-target"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let found = answer.lines();
    for (photo, shown) in SHOWN {
        let of_photo = |run: &&Value| Path::new(run["input"].as_str().unwrap()).ends_with(photo);
        let run = found.iter().find(of_photo).unwrap_or_else(|| panic!("{photo} was not run"));
        let sure = |detection: &&Value| detection["score"].as_f64().unwrap() > 0.5;
        let detections = run["detections"].as_array().unwrap();
        let labels: BTreeSet<&str> =
            detections.iter().filter(sure).map(|detection| detection["label"].as_str().unwrap()).collect();
        for label in shown {
            assert!(labels.contains(label), "{photo}: no {label} in {labels:?}");
        }
    }
}
