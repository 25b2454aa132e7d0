//! `compile --precision`: smaller and faster models, what the report says of them, and what is refused.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles::{self, Compiled, OTHER_TARGET};
use crate::needs::{Need, assets, trial};
use crate::vit::{self, Vit};
use crate::{farsight, models, scratch, tensors};

const LIBRARY: &[Need] = &[Need::Library];
const REAL: &[Need] = &[Need::Library, Need::Assets];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("shrink::cattle_to_int8", REAL, cattle_to_int8),
        trial("shrink::int8_twice_is_the_same_bundle", REAL, twice),
        trial("shrink::a_dynamic_int8_file_anew", REAL, requantize),
        trial("shrink::a_budget_that_int8_cannot_meet", REAL, no_budget),
        trial("shrink::cattle_with_small_weights", REAL, small_weights),
        trial("shrink::ctrl_c_leaves_nothing", REAL, interrupted),
        trial("shrink::vit_with_int4_weights", LIBRARY, vit_int4),
        trial("shrink::vit_auto", LIBRARY, vit_auto),
        trial("shrink::vit_auto_without_inputs", LIBRARY, vit_auto_without_inputs),
        trial("shrink::inputs_that_only_calibrate_judge", LIBRARY, only_calibrate),
        trial("shrink::bad_inputs_are_left_out_and_named", LIBRARY, bad_inputs),
        trial("shrink::recipe_file", LIBRARY, recipe),
        trial("shrink::refuses_inputs_that_cannot_calibrate", LIBRARY, useless_inputs),
        trial("shrink::a_full_disk", &[Need::Library, Need::Mount], full_disk),
    ]
}

/// int8 of the real detector: the whole report, and a bundle that every command takes. The file is opset 11, so that
/// scales a channel need the opset pass.
fn cattle_to_int8() {
    let (train, val) = (cattle("train", 16), cattle("val", 16));
    let Compiled { bundle, report } = compile_cattle(&train, &val, "host");
    assert_eq!(report["precision"], "int8");
    assert!(number(&report, "/int8_mac_share") >= 0.98, "{report:#}");
    assert!(number(&report, "/accuracy/agreement") > 0.85, "{report:#}");
    assert!(number(&report, "/accuracy/deviation") >= 0.0, "{report:#}");
    assert!(number(&report, "/accuracy/upper").is_finite());
    // No label had a say in what was chosen, so all of them judge.
    assert_eq!(
        (&report["accuracy"]["metric"], &report["accuracy"]["samples"]),
        (&"ap50_95".into(), &16.into())
    );
    assert!(number(&report, "/latency/ratio") > 0.0);
    assert_eq!(report["trials"], Value::Array(Vec::new()), "only auto tries several");

    let opset = pass(&report, "opset");
    assert!(opset["summary"].as_str().unwrap().starts_with("opset 11 to "), "{opset}");
    assert!(number(opset, "/closeness") > 0.999_999, "{opset}");
    assert!(number(pass(&report, "static-int8"), "/closeness") > 0.9);

    let islands = report["float_islands"].as_array().unwrap();
    let of_islands: f64 = islands.iter().map(|island| number(island, "/mac_share")).sum();
    assert!((of_islands + number(&report, "/int8_mac_share") - 1.0).abs() < 1e-9, "{islands:?}");
    assert!(
        islands.iter().all(|island| is_text(&island["layer"]) && is_text(&island["reason"])),
        "{islands:?}"
    );
    let costs = report["sensitivity"].as_array().unwrap();
    let drops: Vec<f64> = costs.iter().map(|cost| number(cost, "/drop")).collect();
    assert!(costs.len() > 10 && drops.is_sorted_by(|a, b| a >= b), "the costliest first: {drops:?}");
    assert!(costs.iter().all(|cost| is_text(&cost["layer"]) && number(cost, "/mac_share") >= 0.0));

    assert!(report["bytes"].as_f64() < report["source_bytes"].as_f64().map(|bytes| 0.35 * bytes));
    assert_eq!(farsight::document(&[&"doctor", &bundle])["self_test"]["passed"], true);
    let found = farsight::document(&[&"eval", &bundle, &"--data", &val]);
    assert!(found["samples"] == 16 && number(&found, "/ap50_95") > 0.4, "{found}");
    let inside = farsight::document(&[&"inspect", &bundle]);
    assert!(number(&inside, "/operators/QuantizeLinear") > 0.0, "{inside}");
}

/// Equal inputs, equal bytes. Two pictures are enough to show it.
fn twice() {
    let (train, val) = (cattle("train", 2), cattle("val", 2));
    let [first, second] =
        [(); 2].map(|()| fs::read(compile_cattle(&train, &val, OTHER_TARGET).bundle).unwrap());
    assert!(first == second, "two bundles of {} and {} bytes", first.len(), second.len());
}

/// As its authors shipped it: recognised as slow; kept, refused, or made anew. It takes a second a picture: few are
/// looked at, and no accuracy is asked for.
fn requantize() {
    let model = assets().join("detect/cattle_yolov8n_416_dynamic_int8.onnx");
    let common = ["--spec", "yolo", "--labels", "cow", "--target", OTHER_TARGET];
    let kept = bundles::compile(&model, &common).report;
    let notes = kept["notes"].to_string();
    for word in ["quantized already (dynamic int8)", "kept as it is", "slow:", "ConvInteger", "--requantize"]
    {
        assert!(notes.contains(word), "no {word:?} in {notes}");
    }
    assert_eq!((&kept["precision"], number(&kept, "/accuracy/drop")), (&"keep".into(), 0.0));

    let (train, val) = (cattle("train", 2), cattle("val", 2));
    let [train, val] = [&train, &val].map(|folder| folder.to_str().unwrap());
    let data = ["--calibrate", train, "--data", val, "--max-drop", "1"];
    let refused = Refused::compile(&model, &[&common[..], &data, &["--precision", "int8"]].concat());
    refused.check("quantized", &["cattle_yolov8n_416_dynamic_int8.onnx", "dynamic int8", "--requantize"]);

    let anew = bundles::compile(&model, &[&common[..], &data, &["--requantize"]].concat());
    assert_eq!(anew.report["precision"], "int8");
    assert!(number(&anew.report, "/int8_mac_share") >= 0.98, "{:#}", anew.report);
    assert!(pass(&anew.report, "dequantize")["summary"].as_str().unwrap().contains("turned back into float"));
    let inside = farsight::document(&[&"inspect", &anew.bundle]);
    assert!(inside["operators"].get("ConvInteger").is_none(), "{}", inside["operators"]);
}

/// A model with true float weights, and no drop allowed at all.
fn no_budget() {
    let model = assets().join("detect/coco_yolox_nano_416.onnx");
    let pictures = copies(&assets().join("photos"), 4);
    let data = pictures.to_str().unwrap();
    let options = ["--spec", "yolox", "--target", OTHER_TARGET, "--precision", "int8", "--data", data];
    let refused = Refused::compile(&model, &[&options[..], &["--max-drop", "0"]].concat());
    refused.check(
        "accuracy",
        &["agreement fell from 1.0000", "0.0000 is allowed", "--max-drop", "keep", "Conv"],
    );
}

fn small_weights() {
    for (precision, most, pass_name) in
        [("fp16", 0.53, "fp16-weights"), ("int8-weights", 0.29, "int8-weights")]
    {
        let model = assets().join("detect/cattle_yolov8n_416.onnx");
        let options =
            ["--spec", "yolo", "--labels", "cow", "--target", OTHER_TARGET, "--precision", precision];
        let Compiled { report, .. } = bundles::compile(&model, &options);
        assert_eq!(report["precision"], precision);
        let size = number(&report, "/bytes") / number(&report, "/source_bytes");
        assert!(size < most, "{precision}: {size}");
        assert!(number(&report, "/accuracy/agreement") > 0.99, "{report:#}");
        assert!(number(pass(&report, pass_name), "/closeness") > 0.99, "{report:#}");
        assert_eq!(number(&report, "/int8_mac_share"), 0.0, "the arithmetic is float");
    }
}

/// Ctrl-C while ranges are observed: no bundle, no report, and nothing in the temporary folder.
fn interrupted() {
    let (output, temporary) = (scratch::folder("interrupted"), scratch::folder("temporary"));
    let model = assets().join("detect/cattle_yolov8n_416.onnx");
    let (train, val) = (assets().join("cattle/train"), cattle("val", 2));
    let inner = farsight::command(&[
        &"compile",
        &model,
        &"--spec",
        &"yolo",
        &"--labels",
        &"cow",
        &"--precision",
        &"int8",
        &"--calibrate",
        &train,
        &"--data",
        &val,
        &"-o",
        &output.join("o.farsight"),
    ]);
    // A shell that runs the tests in the background makes its children ignore Ctrl-C.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(inner.get_program()).args(inner.get_args());
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let seen = interrupt_at(&mut child, "observing ranges");
    let status = child.wait().unwrap();
    assert!(!status.success() && !seen.contains("writing the bundle"), "{status}: {seen}");
    assert_eq!((files_in(&output), files_in(&temporary)), (Vec::<String>::new(), Vec::new()));
}

/// Sends SIGINT when standard error names the step; all of standard error.
fn interrupt_at(child: &mut Child, step: &str) -> String {
    let mut seen = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(step) {
            let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            assert!(kill.success());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    assert!(seen.contains(step), "{seen}");
    seen
}

/// A small ViT with random weights, which are the hardest to keep, and two inputs for it.
fn small_vit() -> (PathBuf, PathBuf) {
    let folder = scratch::folder("vit");
    let model = folder.join("vit.onnx");
    vit::vit(Vit { width: 192, depth: 2, heads: 3, seed: 3 }).write(&model).unwrap();
    let inputs = folder.join("inputs");
    fs::create_dir(&inputs).unwrap();
    for seed in 0..4 {
        tensors::write(&inputs.join(format!("{seed}.npy")), &[1, 3, 224, 224], &vit::noise(seed));
    }
    (model, inputs)
}

fn vit_int4() {
    let (model, _) = small_vit();
    let options = ["--spec", "tensors", "--precision", "int4-weights"];
    let Compiled { bundle, report } =
        bundles::compile(&model, &[&options[..], &["--max-drop", "1"]].concat());
    // The bundle holds the self-test's input and output, too, which are no part of the model.
    let size = number(pass(&report, "int4-weights"), "/bytes") / number(&report, "/source_bytes");
    assert!(size <= 0.2, "{size}");
    assert!(number(&report, "/accuracy/agreement") > 0.6, "{report:#}");
    assert_eq!(farsight::document(&[&"doctor", &bundle])["self_test"]["passed"], true);
}

/// Every precision that may pay is told with what it brought, and exactly one is taken.
fn vit_auto() {
    let (model, inputs) = small_vit();
    let options = ["--spec", "tensors", "--precision", "auto", "--data", inputs.to_str().unwrap()];
    let Compiled { report, .. } = bundles::compile(&model, &options);
    let trials = report["trials"].as_array().unwrap();
    let names: Vec<&str> = trials.iter().map(|trial| trial["precision"].as_str().unwrap()).collect();
    assert_eq!(names, ["keep", "int8", "fp16", "int8-weights"]);
    assert!(trials.iter().all(|trial| is_text(&trial["reason"])), "{trials:#?}");
    let chosen: Vec<&Value> = trials.iter().filter(|trial| trial["chosen"] == true).collect();
    let [chosen] = chosen[..] else { panic!("one is taken: {trials:#?}") };
    assert_eq!(chosen["precision"], report["precision"]);
    assert!(number(chosen, "/bytes") > 0.0 && number(chosen, "/ratio") > 0.0, "{chosen}");
    assert!(number(chosen, "/drop") <= number(&report, "/accuracy/budget"), "{chosen}");
}

/// Generated inputs judge and time where none are given; what loses more than is allowed is not taken, however small.
fn vit_auto_without_inputs() {
    let (model, _) = small_vit();
    let options = ["--spec", "tensors", "--precision", "auto", "--max-drop", "0.001"];
    let Compiled { report, .. } = bundles::compile(&model, &options);
    assert_eq!(report["accuracy"]["data"], "generated");
    assert!(number(&report, "/accuracy/drop") <= 0.001, "{report:#}");
    let trials = report["trials"].as_array().unwrap();
    let chosen = trials.iter().find(|trial| trial["chosen"] == true).unwrap();
    assert!(number(chosen, "/ratio") > 0.0 && number(chosen, "/drop") <= 0.001, "{chosen}");
    let int8 = trials.iter().find(|trial| trial["precision"] == "int8-weights").unwrap();
    assert!(number(int8, "/drop") > 0.001 && int8["reason"].as_str().unwrap().contains("fell"), "{int8}");
}

/// Without `--data` they judge: all of them what nothing is chosen for, half of them int8. No noise is generated.
fn only_calibrate() {
    let (model, inputs) = small_vit();
    for (precision, samples) in [("int8-weights", 4), ("int8", 2)] {
        let options = ["--spec", "tensors", "--target", OTHER_TARGET, "--max-drop", "1"];
        let data = ["--precision", precision, "--calibrate", inputs.to_str().unwrap()];
        let Compiled { report, .. } = bundles::compile(&model, &[&options[..], &data].concat());
        let accuracy = &report["accuracy"];
        assert_eq!(
            (&accuracy["data"], &accuracy["samples"]),
            (&"given".into(), &samples.into()),
            "{report:#}"
        );
        assert!(number(accuracy, "/deviation") >= 0.0 && accuracy["upper"].is_number(), "{accuracy}");
    }
}

/// One bad file among many does not end a compile, in whichever half it is, and is told.
fn bad_inputs() {
    let inputs = noise(&scratch::folder("inputs"), 4);
    let mut spoilt = vec![0.5; 8 * 8 * 8];
    spoilt[3] = f32::NAN;
    tensors::write(&inputs.join("+nan.npy"), &[1, 8, 8, 8], &spoilt);
    tensors::write(&inputs.join("wrong.npy"), &[1, 8, 4, 8], &[0.5; 256]);
    let data = ["--data", inputs.to_str().unwrap()];
    let options = ["--spec", "tensors", "--target", OTHER_TARGET, "--precision", "int8", "--max-drop", "1"];
    let report = bundles::compile(&models::two_convolutions(), &[&options[..], &data].concat()).report;
    assert_eq!(report["accuracy"]["samples"], 2);
    let notes = report["notes"].to_string();
    for word in [
        "left out of calibration",
        "+nan.npy: it holds 1 NaN",
        "left out of the measure",
        "wrong.npy",
        "[1, 8, 4, 8]",
    ] {
        assert!(notes.contains(word), "no {word:?} in {notes}");
    }

    let pictures = scratch::folder("pictures");
    models::picture(&pictures.join("a.png"), [64, 64], |_, _| [1, 2, 3]);
    fs::write(pictures.join("b.png"), "no picture").unwrap();
    let options = ["--spec", "yolo", "--labels", "cow,dog", "--target", OTHER_TARGET];
    let data = ["--data", pictures.to_str().unwrap()];
    for precision in ["keep", "int8-weights"] {
        let call = [&options[..], &data, &["--precision", precision]].concat();
        let report = bundles::compile(&models::detector(), &call).report;
        assert_eq!(report["accuracy"]["samples"], 1, "{precision}");
        let notes = report["notes"].to_string();
        assert!(notes.contains("1 input(s) left out of the measure") && notes.contains("b.png"), "{notes}");
    }
}

/// The keys of a recipe file count, and a slip of the pen in one is found.
fn recipe() {
    let folder = scratch::folder("recipe");
    let inputs = noise(&folder, 4);
    let call = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        let inputs = inputs.to_str().unwrap();
        ["--spec", "tensors", "--target", OTHER_TARGET, "--recipe", file.to_str().unwrap(), "--data", inputs]
            .map(str::to_owned)
    };
    let given = call("minmax.toml", "precision = \"int8\"\nranges = \"minmax\"\nmax_disagreement = 0.4\n");
    let report = bundles::compile(&models::two_convolutions(), &given.each_ref().map(String::as_str)).report;
    assert_eq!((&report["precision"], number(&report, "/accuracy/budget")), (&"int8".into(), 0.4));
    assert!(pass(&report, "static-int8")["summary"].as_str().unwrap().contains("ranges by minmax"));
    for (name, text, words) in [
        ("key.toml", "precision = \"int8\"\nrange = \"minmax\"", ["range", "`ranges`"]),
        ("value.toml", "ranges = \"min-max\"", ["min-max", "`minmax`"]),
        ("share.toml", "max_disagreement = 2", ["max_disagreement", "0 to 1"]),
    ] {
        let given = call(name, text);
        let refused = Refused::compile(&models::two_convolutions(), &given.each_ref().map(String::as_str));
        refused.check("spec", &[&words[..], &[name]].concat());
    }
}

/// Nothing, one, of another shape, damaged: each in its words, and nothing is written.
fn useless_inputs() {
    let model = models::two_convolutions();
    let folder = scratch::folder("inputs");
    let good = noise(&folder.join("good"), 4);
    let write = |name: &str, shape: &[u64], spoilt: Option<f32>| {
        let inputs = folder.join(name);
        fs::create_dir(&inputs).unwrap();
        for index in 0..4 {
            let mut values = vec![0.5; shape.iter().product::<u64>() as usize];
            values[index] = spoilt.unwrap_or(1.0);
            tensors::write(&inputs.join(format!("{index}.npy")), shape, &values);
        }
        inputs
    };
    let empty = scratch::folder("empty");
    let one = noise(&folder.join("one"), 1);
    let wrong = write("wrong", &[1, 8, 4, 8], None);
    let nan = write("nan", &[1, 8, 8, 8], Some(f32::NAN));
    // As its first kernel weighs them, so that sums overflow.
    let huge = folder.join("huge");
    fs::create_dir(&huge).unwrap();
    let place = |index: usize| (index / 64 * 9 + index / 8 % 8 % 3 * 3 + index % 8 % 3) as f32;
    let values: Vec<f32> = (0..8 * 8 * 8).map(|index| 3e38 * place(index).sin().signum()).collect();
    tensors::write(&huge.join("0.npy"), &[1, 8, 8, 8], &values);
    let picture = folder.join("picture");
    fs::create_dir(&picture).unwrap();
    models::picture(&picture.join("a.png"), [8, 8], |_, _| [1, 2, 3]);
    models::picture(&picture.join("b.png"), [8, 8], |_, _| [1, 2, 3]);
    let int8 = |data: &[&str], words: &[&str]| {
        let common = ["--spec", "tensors", "--target", OTHER_TARGET, "--precision", "int8"];
        Refused::compile(&model, &[&common[..], data].concat()).check("data", words);
    };
    let [good, empty, one, wrong, nan, huge, picture] =
        [&good, &empty, &one, &wrong, &nan, &huge, &picture].map(|path| path.to_str().unwrap());
    int8(&[], &["--calibrate DIR", "--data DIR"]);
    int8(&["--calibrate", empty], &["empty", "no pictures, rasters or .npy tensors"]);
    int8(&["--calibrate", empty, "--data", good], &["empty", "no pictures, rasters or .npy tensors"]);
    int8(&["--calibrate", one], &["one", "2 are needed"]);
    int8(&["--data", one], &["one", "2 are needed"]);
    int8(&["--calibrate", wrong], &["0.npy", "[1, 8, 4, 8]", "[1, 8, 8, 8]"]);
    int8(&["--calibrate", nan, "--data", good], &["0.npy", "NaN"]);
    int8(&["--calibrate", good, "--data", nan], &["0.npy", "NaN"]);
    int8(&["--calibrate", huge, "--data", good], &["infinite", "--precision keep"]);
    int8(&["--calibrate", picture], &["a.png", "numpy.save"]);
    // Whatever is wrong with the inputs, it is not the accuracy.
    let auto = ["--spec", "tensors", "--target", OTHER_TARGET, "--precision", "auto", "--data", wrong];
    Refused::compile(&model, &auto).check("data", &["0.npy", "[1, 8, 4, 8]", "[1, 8, 8, 8]"]);
}

fn full_disk() {
    let folder = scratch::folder("disk");
    let inputs = noise(&scratch::folder("inputs"), 4);
    let output = folder.join("o.farsight");
    let inner = farsight::command(&[
        &"compile",
        &models::two_convolutions(),
        &"--spec",
        &"tensors",
        &"--target",
        &OTHER_TARGET,
        &"--precision",
        &"int8",
        &"--max-drop",
        &"1",
        &"--data",
        &inputs,
        &"-o",
        &output,
    ]);
    // In a name space of its own: the disk goes with the shell.
    let script =
        "mount -t tmpfs -o size=4k none \"$0\" || exit 99; \"$@\"; code=$?; ls -A \"$0\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&folder);
    let answer = command.arg(inner.get_program()).args(inner.get_args()).output().unwrap();
    let stderr = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(answer.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("o.farsight") && stderr.contains("No space left"), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "", "what was left on the disk");
}

/// A compile that was refused, and left nothing behind.
struct Refused {
    error: Value,
}

impl Refused {
    fn compile(model: &Path, options: &[&str]) -> Self {
        let folder = scratch::folder("refused");
        let output = folder.join("o.farsight");
        let mut arguments: Vec<&dyn AsRef<OsStr>> = vec![&"compile", &model, &"-o", &output];
        arguments.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        let answer = farsight::call_json(&arguments);
        assert_eq!(answer.code, Some(1), "{options:?}: {}{}", answer.stdout, answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        assert_eq!(files_in(&folder), Vec::<String>::new(), "{options:?} left something behind");
        Self { error: answer.document()["error"].clone() }
    }

    fn check(&self, kind: &str, words: &[&str]) {
        assert_eq!(self.error["kind"], kind, "{}", self.error);
        let message = self.error["message"].as_str().unwrap();
        for word in words {
            assert!(message.contains(word), "no {word:?} in {message}");
        }
    }
}

/// What is in a folder, hidden files too.
fn files_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn compile_cattle(train: &Path, val: &Path, target: &str) -> Compiled {
    let [train, val] = [train, val].map(|folder| folder.to_str().unwrap());
    let options =
        ["--spec", "yolo", "--labels", "cow", "--precision", "int8", "--calibrate", train, "--data", val];
    // Eight pictures are too few for the budget of a real compile.
    let model = assets().join("detect/cattle_yolov8n_416.onnx");
    bundles::compile(&model, &[&options[..], &["--target", target, "--max-drop", "0.1"]].concat())
}

fn cattle(part: &str, count: usize) -> PathBuf {
    copies(&assets().join("cattle").join(part), count)
}

/// Copies of so many of a folder's pictures, spread evenly, with their labels.
fn copies(from: &Path, count: usize) -> PathBuf {
    let folder = scratch::folder("copies");
    let mut pictures: Vec<PathBuf> = from.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    pictures.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    pictures.sort();
    for picture in (0..count).map(|index| &pictures[index * pictures.len() / count]) {
        for file in [picture, &picture.with_extension("txt")].into_iter().filter(|file| file.exists()) {
            fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }
    folder
}

/// A folder with so many inputs for [`models::two_convolutions`].
fn noise(folder: &Path, count: u64) -> PathBuf {
    let folder = folder.join("noise");
    fs::create_dir_all(&folder).unwrap();
    for seed in 0..count {
        let values = &vit::noise(seed)[..8 * 8 * 8];
        tensors::write(&folder.join(format!("{seed}.npy")), &[1, 8, 8, 8], values);
    }
    folder
}

fn pass<'r>(report: &'r Value, name: &str) -> &'r Value {
    let passes = report["passes"].as_array().unwrap();
    passes.iter().find(|pass| pass["name"] == name).unwrap_or_else(|| panic!("no pass {name} in {report:#}"))
}

fn number(document: &Value, pointer: &str) -> f64 {
    let found = document.pointer(pointer).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no number {pointer} in {document:#}"))
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}
