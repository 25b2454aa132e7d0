//! The same small models on this machine and on 64-bit ARM, under an emulator: same decisions, values within 1e-4.
//!
//! `cargo xtask cross aarch64` builds the command for ARM and runs these tests; elsewhere they show as ignored.

use std::fs::File;
use std::path::Path;

use libtest_mimic::Trial;
use npyz::NpyFile;
use serde_json::Value;

use crate::bundles::{self, Compiled};
use crate::models::{self, Classifier};
use crate::needs::{Need, trial};
use crate::vit::{self, Vit};
use crate::{farsight, scratch, tensors};

const NEEDS: &[Need] = &[Need::Library, Need::Arm];
const TOLERANCE: f64 = 1e-4;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("arm::doctor_knows_the_machine", NEEDS, doctor),
        trial("arm::the_same_boxes", NEEDS, boxes),
        trial("arm::the_same_classes", NEEDS, classes),
        trial("arm::the_same_mask", NEEDS, mask),
        trial("arm::the_same_tensors_of_a_transformer", NEEDS, transformer),
        trial("arm::the_same_tensors_of_an_int8_model", NEEDS, int8),
    ]
}

/// Where it runs, what it loads, and the self-test of a bundle, whose answer comes from this machine.
fn doctor() {
    let bundle = compile(&models::segmenter(), &["--spec", "deeplab"]).bundle;
    let found = farsight::arm_document(&[&"doctor", &bundle]);
    assert_eq!(found["machine"]["triple"], "aarch64-unknown-linux-gnu");
    let features = found["machine"]["cpu_features"].as_array().unwrap();
    assert!(features.contains(&"dotprod".into()), "a Cortex-A76 has it: {features:?}");
    assert!(found["onnxruntime"]["path"].as_str().unwrap().contains("aarch64"), "{found:#}");
    assert_eq!(
        (&found["self_test"]["passed"], &found["problems"]),
        (&true.into(), &Value::Array(Vec::new()))
    );
}

fn boxes() {
    let bundle = compile(&models::detector(), &["--spec", "yolo", "--labels", "cow,dog"]).bundle;
    let found = picture_on_both(&bundle);
    assert_eq!(found["detections"].as_array().unwrap().len(), 2, "{found}");
}

fn classes() {
    let model = Classifier { classes: 40, channels_last: false, softmax: false }.write();
    let found = picture_on_both(&compile(&model, &["--spec", "imagenet"]).bundle);
    assert_eq!(found["classes"].as_array().unwrap().len(), 5, "{found}");
}

fn mask() {
    let found = picture_on_both(&compile(&models::segmenter(), &["--spec", "deeplab"]).bundle);
    let labels = found["mask"]["labels"].as_array().unwrap();
    assert!(labels.iter().filter(|label| label["pixels"] != 0).count() > 2, "several colours: {found}");
}

fn transformer() {
    let folder = scratch::folder("arm");
    let model = folder.join("vit.onnx");
    vit::vit(Vit { width: 48, depth: 1, heads: 3, seed: 5 }).write(&model).unwrap();
    let input = tensors::write(&folder.join("x.npy"), &[1, 3, 224, 224], &vit::noise(7));
    let [host, arm] = tensor_on_both(&compile(&model, &[]).bundle, &input);
    assert_eq!((host.len(), best(&host)), (1000, best(&arm)));
    assert!(greatest_difference(&host, &arm) < TOLERANCE, "{}", greatest_difference(&host, &arm));
}

/// u8 activations, s8 weights with a scale a channel: integers, so nothing may differ but what stays float.
fn int8() {
    let folder = scratch::folder("arm");
    let inputs = folder.join("inputs");
    std::fs::create_dir(&inputs).unwrap();
    for seed in 0..4 {
        tensors::write(&inputs.join(format!("{seed}.npy")), &[1, 8, 8, 8], &vit::noise(seed)[..512]);
    }
    let options = ["--precision", "int8", "--max-drop", "1", "--data", inputs.to_str().unwrap()];
    let Compiled { bundle, report } = compile(&models::two_convolutions(), &options);
    assert_eq!(report["precision"], "int8");
    let [host, arm] = tensor_on_both(&bundle, &inputs.join("0.npy"));
    assert!(greatest_difference(&host, &arm) < TOLERANCE, "{}", greatest_difference(&host, &arm));
}

fn compile(model: &Path, options: &[&str]) -> Compiled {
    bundles::compile(model, &[&["--target", "aarch64-linux"], options].concat())
}

/// Runs a picture of many colours on both machines, which must agree; what both found.
fn picture_on_both(bundle: &Path) -> Value {
    let folder = scratch::folder("arm");
    let picture = folder.join("colours.png");
    models::picture(&picture, [61, 47], |x, y| [(4 * x) as u8, (5 * y) as u8, (x * y) as u8]);
    let [host, arm] = on_both(bundle, &picture);
    assert!(same(&host, &arm), "here {host:#}\non ARM {arm:#}");
    host
}

/// The first output for a tensor, here and on ARM.
fn tensor_on_both(bundle: &Path, input: &Path) -> [Vec<f32>; 2] {
    on_both(bundle, input).map(|found| {
        let file = File::open(found["tensors"][0]["file"].as_str().unwrap()).unwrap();
        NpyFile::new(file).unwrap().into_vec::<f32>().unwrap()
    })
}

fn on_both(bundle: &Path, input: &Path) -> [Value; 2] {
    let [here, arm] = ["here", "arm"].map(scratch::folder);
    [
        farsight::document(&[&"run", &bundle, &input, &"--any-target", &"--save", &here]),
        farsight::arm_document(&[&"run", &bundle, &input, &"--save", &arm]),
    ]
}

/// Whether two documents say the same, numbers within [`TOLERANCE`]; times and places of files are each machine's own.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let own = |key: &str| matches!(key, "ms" | "file" | "picture");
            a.len() == b.len() && a.iter().all(|(key, a)| own(key) || b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => {
            (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= TOLERANCE
        }
        (a, b) => a == b,
    }
}

fn greatest_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

fn best(values: &[f32]) -> Option<usize> {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]))
}
