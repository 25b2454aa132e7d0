//! `farsight inspect`: what is inside a model or a bundle, what it costs, what is slow or unsupported on a target.

use std::cmp::Reverse;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use farsight::{Bundle, Library, Open};
use farsight_bundle::{FileKind, sniff};
use farsight_compiler::{CompileError, LayerCost, Source, costs, remarks};
use farsight_graph::Document;
use farsight_spec::{Target, TensorInfo};
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  farsight inspect yolov8n.onnx --target aarch64-linux\n  farsight inspect cows.farsight"
)]
pub(crate) struct Arguments {
    /// An ONNX model or a bundle
    file: PathBuf,
    /// Say what is slow, wrong or unsupported on this target; left out, on this machine (a bundle: on its own target)
    #[arg(long, value_name = "NAME|FILE")]
    target: Option<String>,
}

/// How many layers the text shows; the JSON has all.
const SHOWN: usize = 15;

/// `farsight inspect`
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let target = arguments.target.as_deref().map(find).transpose()?;
    let document = match sniff(&arguments.file)? {
        FileKind::Bundle => bundle(&arguments.file, target.as_ref(), context)?,
        _ => model(&arguments.file, target.as_ref(), context)?,
    };
    context.output.document(&document, || text(&document));
    Ok(ExitCode::SUCCESS)
}

/// The profile of this name; of this machine it knows the CPU.
fn find(name: &str) -> Result<Target, Failure> {
    let mut target = Target::find(name)?;
    if target.triple == "host" && target.cpu_features.is_empty() {
        target.cpu_features = farsight_engine::cpu_features();
    }
    Ok(target.on_host(&farsight_engine::host_triple()))
}

/// A bundle is shown without ONNX Runtime too; then what its model costs stays largely open.
fn bundle(path: &Path, target: Option<&Target>, context: &Context) -> Result<Value, Failure> {
    let bundle = Bundle::open(path, Open::Memory)?;
    let fits = target.map(|target| {
        bundle
            .compatible(&target.triple, &target.cpu_features)
            .map_or_else(|error| error.to_string(), |()| "fits".into())
    });
    let document = Document::parse(bundle.model_bytes().to_vec().into(), None)
        .map_err(|error| Failure::from(CompileError::from(error)).of_file(path))?;
    let library = Library::load(context.onnxruntime.as_deref()).ok();
    let shown = json!({
        "kind": "bundle",
        "manifest": bundle.manifest(),
        "spec": bundle.spec(),
        "target": bundle.target(),
        "for_target": fits,
    });
    Ok(with_costs(shown, &document, library, target.unwrap_or(bundle.target())))
}

fn model(path: &Path, target: Option<&Target>, context: &Context) -> Result<Value, Failure> {
    let library = Library::load(context.onnxruntime.as_deref())?;
    let host = find("host")?;
    let for_costs = target.unwrap_or(&host);
    let source = match Source::read(path, library) {
        Err(CompileError::Engine(error)) => return unloadable(path, &error.to_string(), target, for_costs),
        source => source?,
    };
    let opset = source.document.opset("");
    let shown = json!({
        "kind": "onnx",
        "bytes": source.bytes,
        "sha256": source.sha256.to_string(),
        "opset": opset,
        "inputs": source.inputs,
        "outputs": source.outputs,
        "nodes": source.document.graph.node.len(),
        "metadata": source.properties,
        "for_target": target.map(|target| for_target(opset, target)),
    });
    Ok(with_costs(shown, &source.document, Some(library), for_costs))
}

/// A model that ONNX Runtime does not take: what the file itself says, and the remarks that tell why.
fn unloadable(
    path: &Path,
    reason: &str,
    target: Option<&Target>,
    for_costs: &Target,
) -> Result<Value, Failure> {
    let document = Document::read(path).map_err(CompileError::from)?;
    let opset = document.opset("");
    let shown = json!({
        "kind": "onnx",
        "unloadable": reason,
        "bytes": document.encoded_len(),
        "opset": opset,
        "nodes": document.graph.node.len(),
        "metadata": document.metadata(),
        "for_target": target.map(|target| for_target(opset, target)),
    });
    Ok(with_costs(shown, &document, None, for_costs))
}

/// What does not fit the oldest ONNX Runtime that the target names.
fn for_target(opset: Option<i64>, target: &Target) -> String {
    opset.and_then(|opset| target.onnxruntime.too_new(opset)).unwrap_or_else(|| "fits".to_owned())
}

/// The same with the keys of [`farsight_compiler::Costs`], and with the remarks.
fn with_costs(
    mut shown: Value,
    document: &Document,
    library: Option<&'static Library>,
    target: &Target,
) -> Value {
    let (costs, facts) = costs(document, library);
    shown["remarks"] = json!(remarks(document, &facts, &costs, target));
    if let (Value::Object(shown), Value::Object(costs)) = (&mut shown, json!(costs)) {
        shown.extend(costs);
    }
    shown
}

fn text(document: &Value) -> String {
    let mut text = String::new();
    if document["kind"] == "bundle" {
        bundle_text(document, &mut text);
    } else {
        model_text(document, &mut text);
    }
    cost_text(document, &mut text);
    if let Some(remark) = document["for_target"].as_str() {
        let _ = writeln!(text, "for target  {remark}");
    }
    for remark in document["remarks"].as_array().into_iter().flatten() {
        remark_text(remark, &mut text);
    }
    text
}

/// The sums, then the layers that cost most.
fn cost_text(document: &Value, text: &mut String) {
    let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let types = document["parameter_bytes"].as_object().into_iter().flatten();
    let types: Vec<String> =
        types.map(|(name, bytes)| format!("{name} {}", scaled(bytes.as_u64().unwrap_or(0), "B"))).collect();
    let _ = writeln!(text, "MACs        {}", scaled(number("/macs"), ""));
    let _ = writeln!(text, "parameters  {} ({})", scaled(number("/parameters"), ""), types.join(", "));
    let _ = writeln!(
        text,
        "values      {} made in a run, {} at a time{}",
        scaled(number("/activations/bytes"), "B"),
        scaled(number("/activations/peak_bytes"), "B"),
        match number("/activations/open") {
            0 => String::new(),
            open => format!("; {open} of open shape are not in it"),
        }
    );
    layers_text(document, text);
    for (key, note) in [("assumed", "open axes are counted so"), ("not_counted", "not in the MACs")] {
        let names: Vec<&str> =
            document[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            let _ =
                writeln!(text, "{:<11} {}", key.replace('_', " "), some(&names, names.len()) + ": " + note);
        }
    }
}

fn layers_text(document: &Value, text: &mut String) {
    let mut layers: Vec<LayerCost> = serde_json::from_value(document["layers"].clone()).unwrap_or_default();
    layers.sort_by_key(|layer| Reverse(layer.macs));
    let largest = layers.first().map_or(0.0, |layer| layer.share);
    let _ = writeln!(text, "layers      {}", layers.len());
    for layer in layers.iter().take(SHOWN).filter(|layer| layer.macs > 0) {
        let bar = "#".repeat((layer.share / largest * 12.0).ceil() as usize);
        let axis = |axis: &Option<i64>| axis.map_or_else(|| "?".to_owned(), |length| length.to_string());
        let output: Vec<String> = layer.output.iter().map(axis).collect();
        let _ = writeln!(
            text,
            "  {:>5.1} %  {bar:<12} {:>8}  {:<16} {:<20} {}",
            layer.share * 100.0,
            scaled(layer.macs, ""),
            layer.kind,
            format!("[{}]", output.join(", ")),
            layer.name
        );
    }
}

fn remark_text(remark: &Value, text: &mut String) {
    let string = |key: &str| remark[key].as_str().unwrap_or_default();
    let places: Vec<&str> =
        remark["where"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let count = remark["count"].as_u64().unwrap_or(0) as usize;
    let places = if places.is_empty() { String::new() } else { format!(" ({})", some(&places, count)) };
    let _ =
        writeln!(text, "remark      {}{places}: {}. To do: {}.", string("what"), string("why"), string("do"));
}

/// The first few names, and how many there are in all.
fn some(names: &[&str], count: usize) -> String {
    let first = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if count > 3 { format!("{count}: {first}, …") } else { first }
}

/// Three or four digits and a prefix: `1.85 G`, `12.1 MB`.
fn scaled(number: u64, unit: &str) -> String {
    let value = number as f64;
    let scales = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match scales.iter().find(|(scale, _)| value >= *scale) {
        Some((scale, prefix)) if value / scale < 10.0 => format!("{:.2} {prefix}{unit}", value / scale),
        Some((scale, prefix)) => format!("{:.1} {prefix}{unit}", value / scale),
        None => format!("{number} {unit}").trim_end().to_owned(),
    }
}

fn bundle_text(document: &Value, text: &mut String) {
    let manifest = &document["manifest"];
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let _ = writeln!(text, "bundle      {} {}", string(&manifest["name"]), string(&manifest["version"]));
    let _ = writeln!(text, "task        {}", string(&document["spec"]["task"]));
    let _ = writeln!(text, "target      {}", string(&document["target"]["name"]));
    let _ = writeln!(text, "precision   {}", string(&manifest["precision"]));
    let _ = writeln!(
        text,
        "made with   {}, ONNX Runtime {}",
        string(&manifest["tool"]),
        string(&manifest["onnxruntime"])
    );
    let model = &manifest["models"][0];
    tensors("input", &model["inputs"], text);
    tensors("output", &model["outputs"], text);
    for (name, entry) in manifest["entries"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "entry       {name} ({} bytes)", entry["bytes"]);
    }
}

fn model_text(document: &Value, text: &mut String) {
    let _ = writeln!(
        text,
        "ONNX        opset {}, {} nodes, {:.2} MB",
        document["opset"],
        document["nodes"],
        document["bytes"].as_f64().unwrap_or(0.0) / 1e6
    );
    if let Some(reason) = document["unloadable"].as_str() {
        let _ = writeln!(text, "unloadable  {reason}");
    }
    tensors("input", &document["inputs"], text);
    tensors("output", &document["outputs"], text);
    let mut operators: Vec<(&String, u64)> = document["operators"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| (name, count.as_u64().unwrap_or(0)))
        .collect();
    operators.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), (*name).clone()));
    let list: Vec<String> = operators.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let _ = writeln!(text, "operators   {}", list.join(", "));
    for (key, value) in document["metadata"].as_object().into_iter().flatten() {
        let value: String = value.as_str().unwrap_or_default().chars().take(100).collect();
        let _ = writeln!(text, "metadata    {key} = {value}");
    }
}

fn tensors(what: &str, list: &Value, text: &mut String) {
    let list: Vec<TensorInfo> = serde_json::from_value(list.clone()).unwrap_or_default();
    for tensor in list {
        let _ = writeln!(text, "{what:<11} {tensor}");
    }
}
