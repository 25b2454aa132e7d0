//! The same bytes every time, all or nothing on disk, and a budget that is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::bundles::{self, OTHER_TARGET};
use crate::needs::{Need, assets, trial};
use crate::{farsight, models, scratch};

const ASSETS: &[Need] = &[Need::Library, Need::Assets];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("reproducible::same_bytes", &[Need::Library], small_model),
        trial("reproducible::same_bytes_of_a_real_model", ASSETS, real_model),
        trial("reproducible::a_killed_compile_leaves_no_bundle", ASSETS, killed),
        trial("reproducible::the_budget_is_kept", ASSETS, budget),
        trial("reproducible::an_unchanged_model_loses_nothing", &[Need::Library], unchanged),
    ]
}

/// From another folder, under another name: neither is in the bundle.
fn small_model() {
    let model = models::detector();
    let elsewhere = scratch::folder("elsewhere").join("other name.onnx");
    fs::copy(&model, &elsewhere).unwrap();
    let options = ["--spec", "yolo", "--labels", "cow,dog"];
    let [a, b] = [&model, &elsewhere].map(|model| bundles::compile(model, &options).bundle);
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "two bundles of one model differ");
}

fn real_model() {
    let again = bundles::compile(&cattle(), &["--spec", "yolo", "--labels", "cow"]);
    let first = &bundles::cattle().bundle;
    assert!(fs::read(first).unwrap() == fs::read(again.bundle).unwrap(), "two bundles of one model differ");
}

/// SIGKILL at several moments, the last while the bundle is being written.
fn killed() {
    for delay in [20, 150, 400] {
        let (_, output) = interrupted(|_, start| start.elapsed() > Duration::from_millis(delay));
        assert!(!output.exists(), "a compile killed after {delay} ms left {}", output.display());
    }
    let whole =
        bundles::compile(&cattle(), &["--spec", "yolo", "--labels", "cow", "--target", OTHER_TARGET]).bundle;
    let (_, output) = interrupted(|folder, _| folder.read_dir().unwrap().next().is_some());
    // Chance may have let it finish; half a bundle must not be there.
    assert!(
        !output.exists() || fs::read(&output).unwrap() == fs::read(whole).unwrap(),
        "a compile killed while writing left half a bundle"
    );
}

/// Starts a compile and kills it as soon as `now(its folder, its start)`; returns folder and output.
fn interrupted(now: impl Fn(&Path, Instant) -> bool) -> (PathBuf, PathBuf) {
    let folder = scratch::folder("killed");
    let output = folder.join("cattle.farsight");
    let call: [&dyn AsRef<std::ffi::OsStr>; 10] = [
        &"compile",
        &cattle(),
        &"--spec",
        &"yolo",
        &"--labels",
        &"cow",
        &"--target",
        &OTHER_TARGET,
        &"-o",
        &output,
    ];
    let mut child = farsight::command(&call).spawn().unwrap();
    let start = Instant::now();
    while !now(&folder, start) && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_micros(200));
    }
    let _ = child.kill();
    child.wait().unwrap();
    (folder, output)
}

/// No loss is allowed: either there is none, or the compile refuses, with the figures, and writes nothing.
fn budget() {
    let output = scratch::folder("budget").join("fp16.farsight");
    let answer = farsight::call_json(&[
        &"compile",
        &cattle(),
        &"--spec",
        &"yolo",
        &"--labels",
        &"cow",
        &"--target",
        &OTHER_TARGET,
        &"--precision",
        &"fp16",
        &"--max-drop",
        &"0",
        &"--data",
        &some_cattle(),
        &"-o",
        &output,
    ]);
    let document = answer.document();
    match answer.code {
        Some(0) => {
            let accuracy = &document["accuracy"];
            assert_eq!((accuracy["drop"].as_f64(), accuracy["budget"].as_f64()), (Some(0.0), Some(0.0)));
            assert!(accuracy["compiled"].as_f64() >= accuracy["source"].as_f64(), "{accuracy}");
            assert_eq!(accuracy["metric"], "ap50_95");
            assert_eq!(document["precision"], "fp16");
            assert!(output.exists());
        }
        Some(1) => {
            let message = document["error"]["message"].as_str().unwrap();
            assert!(message.contains("ap50_95") && message.contains("--max-drop"), "{message}");
            assert!(!output.exists() && !output.with_extension("report.json").exists());
        }
        other => panic!("{other:?}: {}", answer.stderr),
    }
}

/// Not even by rounding: else `--max-drop 0` would refuse what is the same. One picture, one box a class.
fn unchanged() {
    let folder = scratch::folder("unlabelled");
    models::picture(&folder.join("a.png"), [64, 64], |_, _| [9, 9, 9]);
    let data = folder.to_str().unwrap();
    let options = [
        "--spec",
        "yolo",
        "--labels",
        "cow,dog",
        "--target",
        OTHER_TARGET,
        "--max-drop",
        "0",
        "--data",
        data,
    ];
    let accuracy = &bundles::compile(&models::detector(), &options).report["accuracy"];
    assert_eq!(
        (&accuracy["metric"], accuracy["drop"].as_f64()),
        (&"agreement".into(), Some(0.0)),
        "{accuracy}"
    );
}

fn cattle() -> PathBuf {
    assets().join("detect/cattle_yolov8n_416.onnx")
}

/// Every fifth picture of the labelled ones, with its labels.
fn some_cattle() -> PathBuf {
    let folder = scratch::folder("cattle");
    let val = assets().join("cattle/val");
    let mut pictures: Vec<PathBuf> = val.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    pictures.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    pictures.sort();
    for picture in pictures.iter().step_by(5) {
        for file in [picture, &picture.with_extension("txt")] {
            fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }
    folder
}
