//! A detector whose boxes are known: letterbox, threshold and NMS by arithmetic.

use libtest_mimic::Trial;
use serde_json::json;

use crate::needs::{Need, trial};
use crate::{bundles, farsight, models, scratch};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("detect::boxes_are_those_of_the_letterbox", &[Need::Library], boxes)]
}

/// 128 x 64 becomes 64 x 32 with 16 rows above: x doubles, y doubles after 16 are taken off.
fn boxes() {
    let picture = scratch::folder("picture").join("wide.png");
    models::picture(&picture, [128, 64], |x, y| [x as u8, y as u8, 9]);
    let found = farsight::document(&[&"run", &bundles::detector().bundle, &picture]);
    let expected = [("cow", 0, 0.9, [30.0, 16.0, 50.0, 40.0]), ("dog", 1, 0.6, [72.0, 42.0, 88.0, 54.0])];
    let rounded: Vec<_> = found["detections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detection| {
            let score = (detection["score"].as_f64().unwrap() * 1e6).round() / 1e6;
            json!([detection["label"], detection["class"], score, detection["box"]])
        })
        .collect();
    let expected: Vec<_> =
        expected.iter().map(|(label, class, score, b)| json!([label, class, score, b])).collect();
    assert_eq!(rounded, expected);
    assert_eq!((&found["width"], &found["height"]), (&json!(128), &json!(64)));

    let low = farsight::document(&[
        &"run",
        &bundles::detector().bundle,
        &picture,
        &"--conf",
        &"0.05",
        &"--iou",
        &"1",
    ]);
    assert_eq!(low["detections"].as_array().unwrap().len(), 4);
}
