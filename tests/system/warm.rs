//! `farsight warm`: prepared once, used from then on, made anew when it is no good, and never a wrong answer.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles;
use crate::farsight::{self, Answer};
use crate::needs::{Need, assets, trial};
use crate::scratch;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("warm::int8_gives_the_same_bits", &[Need::Library, Need::Assets], int8),
        trial("warm::prepared_once", &[Need::Library], prepared_once),
        trial("warm::a_place_that_cannot_be_written", &[Need::Library], cannot_be_written),
        trial("warm::a_full_disk", &[Need::Library, Need::Mount], full_disk),
        trial("warm::what_other_models_left_is_pruned", &[Need::Library], pruned),
    ]
}

/// A call with a cache of its own and the library that others are called with.
fn call(cache: &Path, arguments: &[&str]) -> Answer {
    let library = farsight_engine::search(None).into_iter().find(|found| found.verdict.is_ok());
    let mut command = farsight::command(&arguments.iter().map(|a| a as _).collect::<Vec<_>>());
    command.args(["--json", "--onnxruntime"]).arg(library.expect("a library").path);
    command.env("FARSIGHT_CACHE", cache);
    farsight::wait(command)
}

fn document(cache: &Path, arguments: &[&str]) -> Value {
    let answer = call(cache, arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer.document()
}

/// Detections, digit by digit, and what was told.
fn detections(cache: &Path, bundle: &str, picture: &str) -> (Value, String) {
    let answer = call(cache, &["run", bundle, picture, "--conf", "0.001"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    (answer.document()["detections"].clone(), answer.stderr)
}

fn int8() {
    let folder = scratch::folder("warm-int8");
    let pictures = assets().join("cattle/val");
    let model = assets().join("detect/cattle_yolov8n_416.onnx");
    let data = few(&pictures, &folder.join("data"), 4);
    let data = data.to_str().unwrap();
    let options =
        ["--spec", "yolo", "--labels", "cow", "--precision", "int8", "--calibrate", data, "--max-drop", "1"];
    let bundle = bundles::compile(&model, &options).bundle;
    let bundle = bundle.to_str().unwrap();
    let picture = first_picture(Path::new(data));

    let cache = folder.join("cache");
    let (plain, _) = detections(&cache, bundle, &picture);
    assert!(!plain.as_array().unwrap().is_empty());
    assert!(!cache.exists(), "run writes nothing");
    assert_eq!(document(&cache, &["warm", bundle])["state"], "built");
    assert_eq!(detections(&cache, bundle, &picture).0, plain);

    let entry = document(&cache, &["warm", bundle]);
    assert_eq!(entry["state"], "there");
    let file = Path::new(entry["folder"].as_str().unwrap()).join("session.ort");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).unwrap();
    let (found, told) = detections(&cache, bundle, &picture);
    assert_eq!(found, plain);
    assert!(told.contains("is made anew: session.ort is damaged"), "{told}");
    let (found, told) = detections(&cache, bundle, &picture);
    assert!(found == plain && told.is_empty(), "{told}");
}

/// Copies of the first pictures of a folder.
fn few(from: &Path, to: &Path, count: usize) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let is_picture = |path: &&PathBuf| path.extension().is_some_and(|e| e == "jpg" || e == "png");
    for file in files.iter().filter(is_picture).take(count) {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
    to.to_path_buf()
}

fn first_picture(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files[0].to_str().unwrap().to_owned()
}

/// The keys that others may rely on.
fn prepared_once() {
    let cache = scratch::folder("warm-once");
    let bundle = bundles::detector().bundle.to_str().unwrap();
    for state in ["built", "there"] {
        let found = document(&cache, &["warm", bundle]);
        assert_eq!((&found["state"], &found["schema"]), (&state.into(), &1.into()));
        assert_eq!(found["bundle"], bundle);
        assert!(found["reason"].is_null());
        let folder = Path::new(found["folder"].as_str().unwrap());
        assert!(folder.starts_with(&cache) && folder.join("key.json").is_file());
        assert!(found["bytes"].as_u64().unwrap() > 500);
        assert!(found["seconds"].as_f64().unwrap() > 0.0);
        for key in ["plain", "warmed", "ratio"] {
            assert!(found["open_ms"][key].as_f64().unwrap() > 0.0, "{found}");
        }
        assert_eq!(found["providers"][0]["name"], "CPU");
        assert!(found["providers"][0]["missing"].is_null());
    }
    let found = document(&cache, &["bench", bundle, "--runs", "5", "--pool", "2"]);
    assert_eq!(found["startup"], "cached");
    assert_eq!(found["pool"]["pipelines"], 2);
    for key in ["frames_per_s", "single_frames_per_s", "ratio"] {
        assert!(found["pool"][key].as_f64().unwrap() > 0.0, "{found}");
    }
}

fn cannot_be_written() {
    let bundle = bundles::detector().bundle.to_str().unwrap();
    let answer = call(Path::new("/proc/nowhere"), &["warm", bundle]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let error = answer.document()["error"].clone();
    assert_eq!(error["kind"], "cache");
    assert!(error["message"].as_str().unwrap().contains("/proc/nowhere/sessions"), "{error}");
}

fn full_disk() {
    let cache = scratch::folder("warm-full");
    let bundle = bundles::detector().bundle.to_str().unwrap();
    let library = farsight_engine::search(None).into_iter().find(|found| found.verdict.is_ok());
    let inner = farsight::command(&[&"warm", &bundle, &"--onnxruntime", &library.expect("a library").path]);
    // In a name space of its own: the disk goes with the shell. It is full but for the folders.
    let script =
        "mount -t tmpfs -o size=64k none \"$0\" || exit 99; head -c 60000 /dev/zero > \"$0/x\"; \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&cache);
    command.arg(inner.get_program()).args(inner.get_args()).env("FARSIGHT_CACHE", &cache);
    let answer = farsight::wait(command);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let expected = format!("nothing could be kept: the disk is full: {}/sessions: No space", cache.display());
    assert!(answer.stderr.contains(&expected), "{}", answer.stderr);
}

fn pruned() {
    let cache = scratch::folder("warm-prune");
    let names =
        [bundles::detector(), bundles::segmenter()].map(|made| made.bundle.to_str().unwrap().to_owned());
    let [detector, segmenter] = names.each_ref().map(String::as_str);
    let [first, second] = [detector, segmenter].map(|bundle| {
        let found = document(&cache, &["warm", bundle]);
        assert!(found["pruned"].is_null());
        PathBuf::from(found["folder"].as_str().unwrap())
    });
    let found = document(&cache, &["warm", segmenter, "--prune", "--keep", detector]);
    assert_eq!(found["pruned"], serde_json::json!({"folders": [], "bytes": 0}));
    let found = document(&cache, &["warm", segmenter, "--prune"]);
    assert_eq!(found["pruned"]["folders"][0], first.to_str().unwrap());
    assert!(found["pruned"]["bytes"].as_u64().unwrap() > 500);
    assert!(!first.exists() && second.exists());
    // A wrong name is told before anything is removed.
    let answer = call(&cache, &["warm", detector, "--prune", "--keep", "gone.farsight"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("gone.farsight") && second.exists(), "{}", answer.stderr);
}
