//! A segmentation model whose mask is known: 21 classes told by colour.

use libtest_mimic::Trial;
use serde_json::Value;

use crate::needs::{Need, trial};
use crate::{bundles, farsight, models, scratch};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("segment::classes_by_colour", &[Need::Library], colours)]
}

fn colours() {
    let folder = scratch::folder("picture");
    let picture = folder.join("quarters.png");
    let quarters = [([255, 0, 0], 5), ([0, 255, 0], 10), ([0, 0, 255], 15), ([0, 0, 0], 0)];
    let quarter = |x: u32, y: u32| quarters[(y / 8 * 2 + x / 8) as usize];
    models::picture(&picture, [16, 16], |x, y| quarter(x, y).0);

    let saved = folder.join("saved");
    let found = farsight::document(&[&"run", &bundles::segmenter().bundle, &picture, &"--save", &saved]);
    let labels = found["mask"]["labels"].as_array().unwrap();
    assert_eq!(labels.len(), 21);
    let seen: Vec<(&Value, u64)> = labels
        .iter()
        .map(|label| (&label["label"], label["pixels"].as_u64().unwrap()))
        .filter(|(_, pixels)| *pixels > 0)
        .collect();
    let names = ["background", "bottle", "cow", "person"].map(Value::from);
    assert_eq!(seen, names.iter().map(|name| (name, 64)).collect::<Vec<_>>());

    let mask = image::open(found["mask"]["file"].as_str().unwrap()).unwrap().into_luma8();
    assert_eq!(mask.dimensions(), (16, 16));
    for (x, y, class) in mask.enumerate_pixels() {
        assert_eq!(class.0[0], quarter(x, y).1, "at {x}, {y}");
    }
}
