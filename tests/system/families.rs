//! Remote-sensing families: small models of the true structure against the answers of their own Python pipelines
//! (`tests/reference/families.py`, `reben.py`).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::needs::{Need, benv2, python, trial};
use crate::{farsight, scratch};

pub(crate) fn trials() -> Vec<Trial> {
    let library = &[Need::Library];
    vec![
        trial("families::burn_scars", library, || matches_reference("burn-scars")),
        trial("families::floods", library, || matches_reference("floods")),
        trial("families::floods_terratorch", library, || matches_reference("floods-terratorch")),
        trial("families::crops_as_stored", library, || matches_reference("crops-as-stored")),
        trial("families::crops_by_band", library, || matches_reference("crops-by-band")),
        trial("families::dates_and_place", library, || matches_reference("dates-and-place")),
        trial("families::wrong_use", library, wrong_use),
        trial("families::reben", &[Need::Library, Need::Python, Need::BigEarthNet], reben),
    ]
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/families")
}

/// The case of that name, and the bundle of its model.
pub(crate) fn case(name: &str) -> (Value, PathBuf) {
    let text = std::fs::read(folder().join("families.json")).unwrap();
    let cases: Value = serde_json::from_slice(&text).unwrap();
    let case = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap().clone();
    let spec = spec_of(&case);
    let bundle = scratch::folder(name).join("model.farsight");
    let model = folder().join(case["model"].as_str().unwrap());
    farsight::document(&[&"compile", &model, &"--spec", &spec, &"--force", &"-o", &bundle]);
    (case, bundle)
}

/// The built-in spec that the case names; with its order of the frames, where it says one.
fn spec_of(case: &Value) -> PathBuf {
    let name = case["spec"].as_str().unwrap();
    if name.ends_with(".toml") {
        return folder().join(name);
    }
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let text = std::fs::read_to_string(models.join(format!("{name}.toml"))).unwrap();
    let lines = text.lines().map(|line| match (&case["frame_order"], line.starts_with("frame_order")) {
        (Value::String(order), true) => format!("frame_order = \"{order}\"\n"),
        _ => format!("{line}\n"),
    });
    let path = scratch::folder("spec").join(format!("{name}.toml"));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

/// Every pixel has the reference's class, but for those few where two classes are as good as equal.
fn matches_reference(name: &str) {
    let (case, bundle) = case(name);
    let saved = scratch::folder("saved");
    let rasters: Vec<PathBuf> = case["rasters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| folder().join(file.as_str().unwrap()))
        .collect();
    let mut call: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"run", &bundle, &"--save", &saved];
    call.extend(rasters.iter().map(|file| file as &dyn AsRef<std::ffi::OsStr>));
    let numbers: Vec<String> =
        case["bands"].as_array().into_iter().flatten().map(|number| number.to_string()).collect();
    let numbers = numbers.join(",");
    if !numbers.is_empty() {
        call.extend([&"--bands" as &dyn AsRef<std::ffi::OsStr>, &numbers]);
    }
    let found = farsight::document(&call);
    let (found, [height, width]) = values(Path::new(found["mask"]["file"].as_str().unwrap()));
    let (expected, size) = values(&folder().join(case["mask"].as_str().unwrap()));
    assert_eq!([height, width], size);
    let close: HashSet<(u64, u64)> = case["close"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| (place[0].as_u64().unwrap(), place[1].as_u64().unwrap()))
        .collect();
    let is_close = |i: usize| close.contains(&((i / width) as u64, (i % width) as u64));
    let wrong: Vec<usize> = (0..found.len()).filter(|&i| found[i] != expected[i] && !is_close(i)).collect();
    assert!(wrong.is_empty(), "{name}: {} pixels differ, the first at {:?}", wrong.len(), wrong.first());
}

/// The only band of a raster and its size `[height, width]`.
pub(crate) fn values(file: &Path) -> (Vec<f32>, [usize; 2]) {
    let mut raster = farsight_vision::Raster::open(file).unwrap();
    let [height, width] = raster.info().size;
    let mut values = vec![0.0; height * width];
    raster.read_window(0, 0, height, width, &[0], &mut values).unwrap();
    (values, [height, width])
}

fn wrong_use() {
    let (_, crops) = case("crops-as-stored");
    let (_, burn) = case("burn-scars");
    let (_, places) = case("dates-and-place");
    let file = |name: &str| folder().join(name);
    let rows: [(&Path, PathBuf, &[&str], &str); 6] = [
        (&crops, file("burn-scars.tif"), &[], "3 dates of 6 bands"),
        (&burn, file("crops.tif"), &[], "the model wants 6 bands"),
        (&burn, file("floods-terratorch.tif"), &["--bands", "1,2,3"], "3 band number(s) given"),
        (&burn, file("floods-terratorch.tif"), &["--bands", "1,2,3,4,5,14"], "there is no band 14"),
        (&places, file("crops.tif"), &[], "3 date(s), 0 given"),
        (&burn, file("absent"), &[], "absent"),
    ];
    for (bundle, raster, more, expected) in rows {
        let mut call: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"run", &bundle, &raster];
        call.extend(more.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
        let answer = farsight::call(&call);
        assert_eq!(answer.code, Some(1), "{more:?}");
        assert!(answer.stderr.contains(expected), "{expected}: {}", answer.stderr);
    }
    // Digital numbers where reflectance is expected: an answer, and a warning that says what was seen.
    let answer =
        farsight::call(&[&"run", &burn, &file("floods-terratorch.tif"), &"--bands", &"2,3,4,9,12,13"]);
    assert!(answer.stderr.contains("the model wants reflectance"), "{}", answer.stderr);
}

/// Scores of real patches, from the original folders of one file a band, equal those of configilm's pipeline.
fn reben() {
    let out = scratch::folder("reben");
    python("reben.py", &[&benv2(), &out]);
    let expected: Value = serde_json::from_slice(&std::fs::read(out.join("expected.json")).unwrap()).unwrap();
    for (spec, model) in [
        ("reben-s1", "reben-s1"),
        ("reben-s2", "reben-s2"),
        ("reben-all", "reben-all"),
        ("reben-s1-v011", "reben-s1"),
        ("reben-s2-v011", "reben-s2"),
        ("reben-all-v011", "reben-all"),
    ] {
        let bundle = out.join(format!("{spec}.farsight"));
        let model = folder().join(format!("{model}.onnx"));
        farsight::document(&[&"compile", &model, &"--spec", &spec, &"--force", &"-o", &bundle]);
        for patch in expected["patches"].as_array().unwrap() {
            let of = |sensor: &str, key: &str| out.join(sensor).join(patch[key].as_str().unwrap());
            let (s1, s2) = (of("S1", "s1"), of("S2", "s2"));
            let found = match spec {
                spec if spec.contains("s1") => farsight::document(&[&"run", &bundle, &s1]),
                spec if spec.contains("s2") => farsight::document(&[&"run", &bundle, &s2]),
                _ => farsight::document(&[&"run", &bundle, &"--stack", &s1, &s2]),
            };
            same_scores(&found, &expected["labels"], &patch["answers"][spec]["scores"]);
        }
    }
    measured_against_itself(&out, &expected["patches"]);
}

/// Labels that are what the reference found: every measure of several classes a patch is 1, and without one label less.
fn measured_against_itself(out: &Path, patches: &Value) {
    let bundle = out.join("reben-s2.farsight");
    let csv = |left_out: usize| {
        let mut text = "file,labels\n".to_owned();
        for patch in patches.as_array().unwrap() {
            let found: Vec<&str> = patch["answers"]["reben-s2"]["above"]
                .as_array()
                .unwrap()
                .iter()
                .skip(left_out)
                .map(|label| label.as_str().unwrap())
                .collect();
            text.push_str(&format!("S2/{},\"{}\"\n", patch["s2"].as_str().unwrap(), found.join("|")));
        }
        let path = out.join(format!("labels-{left_out}.csv"));
        std::fs::write(&path, text).unwrap();
        farsight::document(&[&"eval", &bundle, &"--data", &path])
    };
    let whole = csv(0);
    for key in ["map_micro", "map_macro", "f1_micro", "f1_macro"] {
        // Sums of hundreds of parts.
        assert!((whole[key].as_f64().unwrap() - 1.0).abs() < 1e-9, "{key}: {}", whole[key]);
        assert!(csv(1)[key].as_f64().unwrap() < 1.0, "{key}");
    }
    assert_eq!(whole["conf"], 0.5);
}

/// The classes above 0.5 are those of the reference, with its scores.
fn same_scores(found: &Value, labels: &Value, scores: &Value) {
    let (labels, scores) = (labels.as_array().unwrap(), scores.as_array().unwrap());
    let found = found["classes"].as_array().unwrap();
    for (label, expected) in labels.iter().zip(scores) {
        let expected = expected.as_f64().unwrap();
        match found.iter().find(|class| class["label"] == *label) {
            Some(class) => {
                assert!((class["score"].as_f64().unwrap() - expected).abs() < 1e-5, "{class}: {expected}")
            }
            None => assert!(expected < 0.5 + 1e-5, "{label} is missing: {expected}"),
        }
    }
}
