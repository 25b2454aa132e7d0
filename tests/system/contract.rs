//! The keys that others may rely on, for every command: there, and of their type.

use std::path::{Path, PathBuf};

use farsight_graph::Document;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, ValueInfoProto};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles::{self, Compiled, OTHER_TARGET};
use crate::models::{self, Classifier};
use crate::needs::{Need, patches, trial};
use crate::{farsight, scratch};

const LIBRARY: &[Need] = &[Need::Library];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("contract::compile", LIBRARY, compile),
        trial("contract::compile_for_another_target", LIBRARY, compile_for_another_target),
        trial("contract::run_detections", LIBRARY, run_detections),
        trial("contract::run_classes", LIBRARY, run_classes),
        trial("contract::run_mask_of_a_picture", LIBRARY, run_mask),
        trial("contract::run_mask_of_a_raster", &[Need::Library, Need::Clouds, Need::Patches], run_raster),
        trial("contract::run_goes_on_after_a_bad_input", LIBRARY, run_goes_on),
        trial("contract::eval_detect", LIBRARY, eval_detect),
        trial("contract::eval_classify", LIBRARY, eval_classify),
        trial("contract::eval_segment", LIBRARY, eval_segment),
        trial("contract::bench", LIBRARY, bench),
        trial("contract::bench_against_a_model", LIBRARY, bench_against),
        trial("contract::bench_with_a_profile", LIBRARY, bench_profile),
        trial("contract::inspect", LIBRARY, inspect),
        trial("contract::doctor", LIBRARY, doctor),
        trial("contract::doctor_for_a_target", LIBRARY, doctor_for_a_target),
        trial("contract::doctor_of_a_cpu_that_lacks_a_feature", &[], doctor_of_a_lesser_cpu),
        trial("contract::doctor_names_nobody", &[], doctor_names_nobody),
        trial("contract::doctor_hides_the_bundle", &[], doctor_hides_the_bundle),
        trial("contract::models_and_targets", &[], models_and_targets),
    ]
}

/// Every pointer leads to a value of the type: `number`, `text`, `list`, `object`, `flag` or `null`.
fn check(document: &Value, keys: &[(&str, &str)]) {
    assert_eq!(document["schema"], 1, "{document}");
    for (pointer, expected) in keys {
        let found = document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"));
        let found = match found {
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
            Value::Bool(_) => "flag",
            Value::Null => "null",
        };
        assert_eq!(found, *expected, "{pointer} in {document:#}");
    }
}

const RUN: &[(&str, &str)] = &[
    ("/input", "text"),
    ("/task", "text"),
    ("/width", "number"),
    ("/height", "number"),
    ("/ms/pre", "number"),
    ("/ms/infer", "number"),
    ("/ms/post", "number"),
    ("/ms/total", "number"),
];

const COMPILE: &[(&str, &str)] = &[
    ("/bundle", "text"),
    ("/bytes", "number"),
    ("/source_bytes", "number"),
    ("/seconds", "number"),
    ("/peak_rss_mb", "number"),
    ("/precision", "text"),
    ("/passes/0/name", "text"),
    ("/accuracy/metric", "text"),
    ("/accuracy/source", "number"),
    ("/accuracy/compiled", "number"),
    ("/accuracy/drop", "number"),
    ("/accuracy/budget", "number"),
    ("/accuracy/samples", "number"),
    ("/accuracy/agreement", "number"),
    ("/accuracy/max_abs_error", "number"),
    ("/int8_mac_share", "number"),
    ("/float_islands", "list"),
    ("/sensitivity", "list"),
];

const LATENCY: &[(&str, &str)] = &[
    ("/latency/source_ms", "number"),
    ("/latency/compiled_ms", "number"),
    ("/latency/ratio", "number"),
    ("/latency/interval/0", "number"),
    ("/latency/interval/1", "number"),
];

fn compile() {
    let Compiled { bundle, report } = bundles::detector();
    check(report, &[COMPILE, LATENCY].concat());
    assert_eq!(report["bytes"], bundle.metadata().unwrap().len());
    assert_eq!(report["precision"], "keep");
    let beside = std::fs::read(bundle.with_extension("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&beside).unwrap(), *report, "the report beside the bundle");
}

fn compile_for_another_target() {
    let compiled = bundles::compile(&models::line(), &["--target", OTHER_TARGET]);
    check(&compiled.report, &[COMPILE, &[("/latency", "null")]].concat());
}

fn run_detections() {
    let found = farsight::document(&[&"run", &bundles::detector().bundle, &plain_picture()]);
    let detection = [
        ("/detections/0/label", "text"),
        ("/detections/0/class", "number"),
        ("/detections/0/score", "number"),
        ("/detections/0/box/3", "number"),
    ];
    check(&found, &[RUN, &detection].concat());
    assert_eq!(found["task"], "detect");
}

fn run_classes() {
    let classes =
        [("/classes/0/label", "text"), ("/classes/0/class", "number"), ("/classes/0/score", "number")];
    let found = farsight::document(&[&"run", &classifier().bundle, &plain_picture()]);
    check(&found, &[RUN, &classes].concat());
    assert_eq!(found["task"], "classify");
}

const MASK: &[(&str, &str)] = &[
    ("/mask/labels/0/label", "text"),
    ("/mask/labels/0/class", "number"),
    ("/mask/labels/0/pixels", "number"),
];

fn run_mask() {
    let found = farsight::document(&[&"run", &bundles::segmenter().bundle, &plain_picture()]);
    check(&found, &[RUN, MASK, &[("/mask/file", "null")]].concat());
    assert_eq!(found["task"], "segment");
}

fn run_raster() {
    let saved = scratch::folder("saved");
    let found = farsight::document(&[
        &"run",
        &bundles::clouds6().bundle,
        &patches(),
        &"--save",
        &saved,
        &"--any-target",
    ]);
    check(&found, &[RUN, MASK, &[("/mask/file", "text"), ("/mask/labels/0/area_m2", "number")]].concat());
    assert!(Path::new(found["mask"]["file"].as_str().unwrap()).starts_with(&saved));
}

/// One bad input among several: its own line with the error, the others go on, exit status 1.
fn run_goes_on() {
    let folder = scratch::folder("pictures");
    models::picture(&folder.join("a.png"), [20, 20], |_, _| [1, 2, 3]);
    std::fs::write(folder.join("b.png"), b"no picture").unwrap();
    models::picture(&folder.join("c.png"), [20, 20], |_, _| [1, 2, 3]);
    let answer = farsight::call_json(&[&"run", &bundles::detector().bundle, &folder]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let [a, b, c] = &answer.lines()[..] else { panic!("three lines expected:\n{}", answer.stdout) };
    check(a, RUN);
    check(b, &[("/input", "text"), ("/error/kind", "text"), ("/error/message", "text")]);
    assert!(b["error"]["message"].as_str().unwrap().contains("b.png"), "{b}");
    check(c, RUN);
}

fn eval_detect() {
    let folder = scratch::folder("labelled");
    models::picture(&folder.join("a.png"), [64, 64], |_, _| [9, 9, 9]);
    // The detector's own boxes, and one that it does not see.
    let labels = "0 0.3125 0.46875 0.15625 0.1875\n1 0.625 0.625 0.125 0.09375\n0 0.9 0.1 0.05 0.05\n";
    std::fs::write(folder.join("a.txt"), labels).unwrap();
    let bundle = &bundles::detector().bundle;
    let found = farsight::document(&[&"eval", bundle, &"--data", &folder]);
    let keys = [
        ("/task", "text"),
        ("/samples", "number"),
        ("/ap50_95", "number"),
        ("/ap50", "number"),
        ("/precision", "number"),
        ("/recall", "number"),
        ("/conf", "number"),
    ];
    check(&found, &keys);
    // Above .25: two boxes, both right; three are there.
    assert_eq!(found["precision"], 1.0);
    assert!((found["recall"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-6, "{found}");

    let found = farsight::document(&[&"eval", bundle, &"--data", &folder, &"--against", bundle]);
    check(&found, &[("/agreement", "number"), ("/max_abs_error", "number")]);
    assert_eq!((found["agreement"].as_f64(), found["max_abs_error"].as_f64()), (Some(1.0), Some(0.0)));
}

fn eval_classify() {
    let folder = scratch::folder("classes");
    for (class, color) in [("a", [250, 20, 20]), ("b", [20, 250, 20]), ("c", [20, 20, 250])] {
        std::fs::create_dir(folder.join(class)).unwrap();
        models::picture(&folder.join(class).join("x.png"), [20, 20], |_, _| color);
    }
    let model = Classifier { classes: 3, channels_last: false, softmax: false }.write();
    let found = farsight::document(&[
        &"eval",
        &model,
        &"--spec",
        &"imagenet",
        &"--labels",
        &"a,b,c",
        &"--data",
        &folder,
    ]);
    check(&found, &[("/task", "text"), ("/samples", "number"), ("/top1", "number"), ("/top5", "number")]);
    assert_eq!((&found["samples"], found["top5"].as_f64()), (&3.into(), Some(1.0)));
}

/// The mask says bottle on a picture of which the left half is red: half of bottle's union is right.
fn eval_segment() {
    let folder = scratch::folder("masks");
    for name in ["images", "masks"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let half = |x: u32| if x < 8 { [255, 0, 0] } else { [0, 0, 0] };
    models::picture(&folder.join("images/a.png"), [16, 16], |x, _| half(x));
    image::GrayImage::from_pixel(16, 16, image::Luma([5])).save(folder.join("masks/a.png")).unwrap();
    let found = farsight::document(&[&"eval", &bundles::segmenter().bundle, &"--data", &folder]);
    let keys =
        [("/miou", "number"), ("/dice", "object"), ("/pixel_accuracy", "number"), ("/samples", "number")];
    check(&found, &keys);
    assert_eq!(found["pixel_accuracy"], 0.5);
    assert!((found["dice"]["bottle"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-6, "{found}");
}

fn bench() {
    let found =
        farsight::document(&[&"bench", &bundles::detector().bundle, &"--runs", &"5", &"--threads", &"1"]);
    let keys = [
        ("/bare_session_ms/p50", "number"),
        ("/overhead", "number"),
        ("/cold_start_ms", "number"),
        ("/first_run_ms", "number"),
        ("/peak_rss_mb", "number"),
        ("/allocations_per_run", "number"),
        ("/provider", "text"),
        ("/nodes_by_provider/CPU", "number"),
        ("/temperature/before", "list"),
        ("/temperature/after", "list"),
        ("/warnings", "list"),
    ];
    check(&found, &keys);
    for key in ["governor", "power_mode"] {
        assert!(found[key].is_string() || found.get(key) == Some(&Value::Null), "{key} in {found:#}");
    }
    for phase in ["pre", "infer", "post", "total"] {
        for percentile in ["p50", "p95", "p99"] {
            check(&found, &[(&format!("/ms/{phase}/{percentile}"), "number")]);
        }
    }
    assert_eq!((&found["threads"], &found["runs"]), (&1.into(), &5.into()));
    assert_eq!(found["allocations_per_run"], 0.0);
}

fn bench_against() {
    let model = models::detector();
    let bundle = &bundles::detector().bundle;
    let found = farsight::document(&[&"bench", bundle, &"--runs", &"5", &"--against", &model]);
    let keys = [
        ("/against/file", "text"),
        ("/against/ms", "number"),
        ("/against/this_ms", "number"),
        ("/against/ratio", "number"),
        ("/against/interval/0", "number"),
        ("/against/interval/1", "number"),
        ("/against/pairs", "number"),
    ];
    check(&found, &keys);
    let against = &found["against"];
    assert_eq!(against["file"].as_str(), model.to_str());
    let [low, ratio, high] =
        [&against["interval"][0], &against["ratio"], &against["interval"][1]].map(|v| v.as_f64().unwrap());
    assert!(0.0 < low && low <= ratio && ratio <= high, "{against}");
    assert_eq!(found.get("profile"), None);
}

/// A row a node, the slowest first.
fn bench_profile() {
    let found = farsight::document(&[&"bench", &bundles::detector().bundle, &"--runs", &"5", &"--profile"]);
    let keys = [
        ("/profile/0/name", "text"),
        ("/profile/0/op", "text"),
        ("/profile/0/provider", "text"),
        ("/profile/0/us", "number"),
        ("/profile/0/share", "number"),
    ];
    check(&found, &keys);
    let rows = found["profile"].as_array().unwrap();
    assert_eq!(found["nodes_by_provider"]["CPU"], rows.len());
    assert!(rows.is_sorted_by_key(|row| -row["us"].as_f64().unwrap()), "{rows:?}");
    let shares: f64 = rows.iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{rows:?}");
    assert_eq!(found.get("against"), None);
}

fn inspect() {
    let found = farsight::document(&[&"inspect", &models::line(), &"--target", &OTHER_TARGET]);
    let keys =
        [("/kind", "text"), ("/opset", "number"), ("/operators/Mul", "number"), ("/for_target", "text")];
    check(&found, &keys);
    check(&found, &[("/inputs/0/name", "text"), ("/outputs/0/shape/1", "number"), ("/nodes", "number")]);

    check(&found, INSPECT);
    assert_eq!((found["macs"].as_u64(), found["parameters"].as_u64()), (Some(0), Some(2)));
    assert_eq!(found["remarks"].as_array().map(Vec::len), Some(0), "{found}");

    // A MatMul of 3 channels with 5 classes.
    let model = Classifier { classes: 5, channels_last: false, softmax: false }.write();
    let found = farsight::document(&[&"inspect", &model]);
    let layer = [
        ("/layers/0/name", "text"),
        ("/layers/0/op", "text"),
        ("/layers/0/kind", "text"),
        ("/layers/0/macs", "number"),
        ("/layers/0/share", "number"),
        ("/layers/0/parameters", "number"),
        ("/layers/0/output/1", "number"),
    ];
    check(&found, &[INSPECT, &layer, &[("/for_target", "null")]].concat());
    assert_eq!((found["macs"].as_u64(), &found["layers"][0]["kind"]), (Some(15), &"matmul".into()));

    let found = farsight::document(&[&"inspect", &small_model("")]);
    let remark = [
        ("/assumed/0", "text"),
        ("/remarks/0/kind", "text"),
        ("/remarks/0/what", "text"),
        ("/remarks/0/where/0", "text"),
        ("/remarks/0/count", "number"),
        ("/remarks/0/why", "text"),
        ("/remarks/0/do", "text"),
    ];
    check(&found, &[INSPECT, &remark].concat());
    assert_eq!(found["remarks"][0]["kind"], "open-input");

    let found = farsight::document(&[&"inspect", &small_model("com.acme")]);
    check(&found, &[INSPECT, &[("/unloadable", "text")]].concat());
    assert_eq!(found["remarks"][0]["kind"], "domain", "{found}");

    let found = farsight::document(&[&"inspect", &bundles::detector().bundle]);
    let keys = [("/manifest/format", "number"), ("/spec/task", "text"), ("/target/name", "text")];
    check(&found, &[INSPECT, &keys].concat());
    assert_eq!(found["kind"], "bundle");
}

/// y = -x on [N, 4], by the operator Neg of a domain.
fn small_model(domain: &str) -> PathBuf {
    let value = |name: &str| ValueInfoProto::tensor(name, DataType::Float, &["N".into(), 4.into()]);
    let mut neg = NodeProto::new("Neg", "", &["x"], &["y"]);
    neg.domain = Some(domain.to_owned());
    let graph = GraphProto {
        name: Some("small".into()),
        input: vec![value("x")],
        output: vec![value("y")],
        node: vec![neg],
        ..GraphProto::default()
    };
    let path = scratch::folder("small").join("small.onnx");
    let mut document = Document::new(graph, 17);
    document.set_opset(domain, document.opset(domain).unwrap_or(1));
    document.write(&path).unwrap();
    path
}

const INSPECT: &[(&str, &str)] = &[
    ("/macs", "number"),
    ("/parameters", "number"),
    ("/parameter_bytes", "object"),
    ("/activations/bytes", "number"),
    ("/activations/peak_bytes", "number"),
    ("/layers", "list"),
    ("/assumed", "list"),
    ("/not_counted", "list"),
    ("/remarks", "list"),
];

fn doctor() {
    let found = farsight::document(&[&"doctor", &bundles::detector().bundle]);
    let keys = [
        ("/onnxruntime/path", "text"),
        ("/onnxruntime/version", "text"),
        ("/onnxruntime/providers", "list"),
        ("/onnxruntime/candidates/0/place", "text"),
        ("/onnxruntime/candidates/0/path", "text"),
        ("/target/providers/0/name", "text"),
        ("/target/providers/0/missing", "null"),
        ("/self_test/passed", "flag"),
        ("/self_test/values", "number"),
        ("/self_test/outside", "number"),
        ("/self_test/max_abs_error", "number"),
        ("/self_test/tolerance/absolute", "number"),
        ("/self_test/tolerance/relative", "number"),
        ("/self_test/startup", "text"),
        ("/self_test/ms/open", "number"),
        ("/self_test/ms/session", "number"),
        ("/self_test/ms/first_run", "number"),
        ("/self_test/ms/run", "number"),
        ("/self_test/ms/decode", "number"),
    ];
    check(&found, &[DOCTOR, &keys].concat());
    assert_eq!((&found["self_test"]["passed"], &found["target"]["name"]), (&true.into(), &"host".into()));
    // Only frames are decoded here.
    let found = farsight::document(&[&"doctor", &bundles::line().bundle]);
    check(&found, &[("/self_test/ms/run", "number"), ("/self_test/ms/decode", "null")]);
}

const DOCTOR: &[(&str, &str)] = &[
    ("/machine/triple", "text"),
    ("/machine/cpu_features", "list"),
    ("/machine/threads", "number"),
    ("/machine/farsight", "text"),
    ("/power/policies", "list"),
    ("/thermal", "list"),
    ("/target/name", "text"),
    ("/target/triple", "text"),
    ("/target/cpu_features", "list"),
    ("/target/missing_cpu_features", "list"),
    ("/problems", "list"),
    ("/advice", "list"),
];

/// Keys that are null where the system does not tell.
const DOCTOR_OR_NULL: &[&str] = &[
    "/machine/cpu",
    "/machine/cores",
    "/machine/model",
    "/machine/l4t",
    "/machine/os",
    "/machine/kernel",
    "/machine/glibc",
    "/machine/gpu_driver",
    "/machine/container",
    "/power/mode",
    "/power/under_voltage",
    "/memory/total_mb",
    "/memory/available_mb",
    "/memory/swap_total_mb",
    "/memory/swap_free_mb",
    "/memory/limit_mb",
    "/memory/limit_left_mb",
    "/target/glibc",
    "/target/budget_mb",
];

/// A profile for this machine with other demands; lines that start with `[` go to the end of the file.
fn demanding(lines: &str) -> PathBuf {
    let path = scratch::folder("target").join("demanding.toml");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let text = format!(
        "name = \"demanding\"\nabout = \"A test's\"\ntriple = \"{triple}\"\n{lines}\n[onnxruntime]\noldest = \"1.17\"\nfrom = \"a shop\"\n[memory]\nbudget_mb = 1000000\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn problems(document: &Value) -> Vec<&str> {
    document["problems"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

/// What the target needs and this machine lacks: one line each, exit status 1.
fn doctor_for_a_target() {
    let target = demanding("glibc = \"2.99\"\nproviders = [{ name = \"QNN\" }, { name = \"CPU\" }]");
    let answer = farsight::call_json(&[&"doctor", &"--target", &target]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let found = answer.document();
    check(&found, &[DOCTOR, &[("/self_test", "null"), ("/target/providers/0/missing", "text")]].concat());
    for key in DOCTOR_OR_NULL {
        assert!(found.pointer(key).is_some(), "no {key} in {found:#}");
    }
    assert_eq!(found["target"]["budget_mb"], 1_000_000);
    let problems = problems(&found);
    assert!(problems.iter().all(|line| !line.contains('\n')), "{problems:#?}");
    for words in [["QNN", "a shop"], ["1000000 MB", "memory.budget_mb"]] {
        let says = |line: &&str| words.iter().all(|word| line.contains(word));
        assert_eq!(problems.iter().copied().filter(says).count(), 1, "{words:?} in {problems:#?}");
    }

    let fallback = demanding("allow_fallback = true\nproviders = [{ name = \"QNN\" }, { name = \"CPU\" }]");
    let found = farsight::call_json(&[&"doctor", &"--target", &fallback]).document();
    let advice = found["advice"].to_string();
    assert!(advice.contains("QNN") && !found["problems"].to_string().contains("QNN"), "{found:#}");
    assert_eq!(farsight::call(&[&"doctor", &"--target", &"toaster"]).code, Some(2));
}

/// The library's code does not run on a CPU that lacks what the target counts on.
fn doctor_of_a_lesser_cpu() {
    let machine = farsight::call_json(&[&"doctor"]).document();
    let has = machine["machine"]["cpu_features"].to_string();
    let known = ["avx512fp16", "avx512bf16", "avxvnni"];
    let known = if cfg!(target_arch = "aarch64") { ["sve2", "bf16", "i8mm"] } else { known };
    let Some(feature) = known.iter().find(|feature| !has.contains(&format!("\"{feature}\""))) else { return };
    let target = demanding(&format!("cpu_features = [\"{feature}\"]\nproviders = [{{ name = \"CPU\" }}]"));
    let answer = farsight::call_json(&[&"doctor", &"--target", &target]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let found = answer.document();
    check(
        &found,
        &[("/onnxruntime/path", "null"), ("/onnxruntime/not_loaded", "text"), ("/target/providers", "null")],
    );
    assert_eq!(found["target"]["missing_cpu_features"], serde_json::json!([feature]));
    assert!(problems(&found).iter().any(|line| line.contains(&format!("lacks {feature},"))), "{found:#}");
}

/// A report goes to strangers.
fn doctor_names_nobody() {
    let home = scratch::folder("anna");
    let library = home.join("lib.so");
    std::fs::write(&library, "no library").unwrap();
    for json in [true, false] {
        let mut command = farsight::command(&[&"doctor", &"--onnxruntime", &library]);
        command.env("HOME", &home).env("ORT_DYLIB_PATH", "/home/bert/x.so").args(json.then_some("--json"));
        let output = command.stdout(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("~/lib.so") && text.contains("/home/USER/x.so"), "{text}");
        assert!(!text.contains("anna") && !text.contains("bert"), "{text}");
    }
}

/// Nor does the bundle's name: a damaged one is told as BUNDLE.
fn doctor_hides_the_bundle() {
    let bundle = scratch::folder("bert").join("barn-of-bert.farsight");
    std::fs::write(&bundle, "no bundle").unwrap();
    let answer = farsight::call_json(&[&"doctor", &bundle]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stdout.contains("BUNDLE: ") && !answer.stdout.contains("bert"), "{}", answer.stdout);
}

fn models_and_targets() {
    let names = |verb: &str| {
        let found = farsight::document(&[&verb]);
        check(&found, &[(&format!("/{verb}/0/name"), "text"), (&format!("/{verb}/0/about"), "text")]);
        let entries = found[verb].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (verb, some) in [("models", ["yolo", "csmask-6b-l2a"]), ("targets", ["host", "aarch64-linux"])] {
        let names = names(verb);
        assert!(some.iter().all(|name| names.contains(&(*name).to_owned())), "{verb}: {names:?}");
        for name in names {
            assert_eq!(farsight::document(&[&verb, &name])["name"], name);
        }
    }
    let host = farsight::document(&[&"targets", &"host"]);
    check(
        &host,
        &[
            ("/triple", "text"),
            ("/cpu_features/0", "text"),
            ("/onnxruntime/oldest", "text"),
            ("/providers/0/name", "text"),
            ("/precision/activation", "text"),
            ("/shapes/kind", "text"),
            ("/build/profile", "text"),
        ],
    );
    assert_ne!(host["triple"], "host");
}

fn classifier() -> Compiled {
    let model = Classifier { classes: 3, channels_last: false, softmax: false }.write();
    bundles::compile(&model, &["--spec", "imagenet", "--labels", "a,b,c"])
}

fn plain_picture() -> PathBuf {
    let path = scratch::folder("picture").join("plain.png");
    models::picture(&path, [40, 30], |_, _| [70, 80, 90]);
    path
}
