//! `farsight inspect`: what is inside a model or a bundle.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use farsight::{Bundle, Library, Open};
use farsight_bundle::{FileKind, sniff};
use farsight_compiler::Source;
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
    /// Say what is unsupported for this target
    #[arg(long, value_name = "NAME|FILE")]
    target: Option<String>,
}

/// `farsight inspect`
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let target = arguments.target.as_deref().map(Target::find).transpose()?;
    let document = match sniff(&arguments.file)? {
        FileKind::Bundle => bundle(&arguments.file, target.as_ref())?,
        _ => model(&arguments.file, target.as_ref(), context)?,
    };
    context.output.document(&document, || text(&document));
    Ok(ExitCode::SUCCESS)
}

fn bundle(path: &Path, target: Option<&Target>) -> Result<Value, Failure> {
    let bundle = Bundle::open(path, Open::Memory)?;
    let fits = target.map(|target| {
        let target = target.clone().on_host(&farsight_engine::host_triple());
        bundle
            .compatible(&target.triple, &target.cpu_features)
            .map_or_else(|error| error.to_string(), |()| "fits".into())
    });
    Ok(json!({
        "kind": "bundle",
        "manifest": bundle.manifest(),
        "spec": bundle.spec(),
        "target": bundle.target(),
        "for_target": fits,
    }))
}

fn model(path: &Path, target: Option<&Target>, context: &Context) -> Result<Value, Failure> {
    let library = Library::load(context.onnxruntime.as_deref())?;
    let source = Source::read(path, library)?;
    let graph = &source.document.graph;
    let mut operators: BTreeMap<String, usize> = BTreeMap::new();
    for node in &graph.node {
        let domain = if node.in_default_domain() { String::new() } else { format!("{}:", node.domain()) };
        *operators.entry(format!("{domain}{}", node.op_type())).or_default() += 1;
    }
    let parameters: usize = graph.initializer.iter().filter_map(|tensor| tensor.count().ok()).sum();
    let opset = source.document.opset("");
    Ok(json!({
        "kind": "onnx",
        "bytes": source.bytes,
        "sha256": source.sha256.to_string(),
        "opset": opset,
        "inputs": source.inputs,
        "outputs": source.outputs,
        "nodes": graph.node.len(),
        "operators": operators,
        "parameters": parameters,
        "metadata": source.properties,
        "for_target": target.map(|target| remarks(opset, target)),
    }))
}

/// What does not fit the oldest ONNX Runtime that the target names.
fn remarks(opset: Option<i64>, target: &Target) -> String {
    opset.and_then(|opset| target.onnxruntime.too_new(opset)).unwrap_or_else(|| "fits".to_owned())
}

fn text(document: &Value) -> String {
    let mut text = String::new();
    if document["kind"] == "bundle" {
        bundle_text(document, &mut text);
    } else {
        model_text(document, &mut text);
    }
    if let Some(remark) = document["for_target"].as_str() {
        let _ = writeln!(text, "for target  {remark}");
    }
    text
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
        "ONNX        opset {}, {} nodes, {} parameters, {:.2} MB",
        document["opset"],
        document["nodes"],
        document["parameters"],
        document["bytes"].as_f64().unwrap_or(0.0) / 1e6
    );
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
        let _ = writeln!(text, "{what:<11} {} {:?} {}", tensor.name, tensor.element, tensor.shape_text());
    }
}
