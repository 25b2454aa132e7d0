//! `farsight doctor`: what this machine can do, and whether a bundle gives its expected answer here.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use farsight::{Bundle, Library, Open, Options, Pipeline};
use farsight_compiler::run_self_test;
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  farsight doctor\n  farsight doctor cows.farsight")]
pub(crate) struct Arguments {
    /// Re-run this bundle's self-test
    bundle: Option<PathBuf>,
}

/// `farsight doctor`: exit status 1 if something is wrong.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let mut problems = Vec::new();
    let machine = machine();
    let runtime = runtime(context.onnxruntime.as_deref(), &mut problems);
    let self_test = arguments.bundle.as_ref().map(|path| self_test(path, context, &mut problems));
    let document = json!({
        "machine": machine,
        "onnxruntime": runtime,
        "self_test": self_test,
        "problems": problems,
    });
    context.output.document(&document, || text(&document));
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn machine() -> Value {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "triple": farsight_engine::host_triple(),
        "cpu": farsight_engine::cpu_name(),
        "cpu_features": farsight_engine::cpu_features(),
        "threads": threads,
        "farsight": env!("CARGO_PKG_VERSION"),
    })
}

fn runtime(explicit: Option<&Path>, problems: &mut Vec<String>) -> Value {
    let candidates: Vec<Value> = farsight_engine::search(explicit)
        .into_iter()
        .map(|candidate| {
            let (version, fault) = match &candidate.verdict {
                Ok(version) => (Some(version.clone()), None),
                Err(error) => (None, Some(error.to_string())),
            };
            json!({
                "place": candidate.place.to_string(), "path": candidate.path.display().to_string(), "version": version, "fault": fault,
            })
        })
        .collect();
    match Library::load(explicit) {
        Ok(library) => json!({
            "path": library.path().display().to_string(), "version": library.version(), "providers": library.providers(),
            "candidates": candidates,
        }),
        Err(error) => {
            problems.push(error.to_string());
            json!({"path": null, "candidates": candidates})
        }
    }
}

fn self_test(path: &Path, context: &Context, problems: &mut Vec<String>) -> Value {
    match try_self_test(path, context) {
        Ok(value) => {
            if value["passed"] == Value::Bool(false) {
                problems.push(format!(
                    "{}: the self-test does not give the expected answer on this machine",
                    path.display()
                ));
            }
            value
        }
        Err(failure) => {
            problems.push(failure.message.clone());
            json!({"passed": false, "error": {"kind": failure.kind, "message": failure.message}})
        }
    }
}

fn try_self_test(path: &Path, context: &Context) -> Result<Value, Failure> {
    let bundle = Bundle::open(path, Open::Memory)?;
    let options = Options { library: context.onnxruntime.clone(), ..Options::default() };
    let mut pipeline = Pipeline::from_bundle(&bundle, &options)?;
    Ok(match run_self_test(&bundle, &mut pipeline)? {
        Some(result) => json!({
            "passed": result.passed(), "values": result.values, "outside": result.outside,
            "max_abs_error": result.max_abs_error,
        }),
        None => json!({"passed": null, "note": "this bundle carries no self-test"}),
    })
}

fn text(document: &Value) -> String {
    let mut text = String::new();
    let machine = &document["machine"];
    let list = |value: &Value| {
        let names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        names.join(" ")
    };
    let string = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let _ = writeln!(text, "machine      {}, {} threads", string(&machine["triple"]), machine["threads"]);
    let _ = writeln!(text, "CPU          {}", string(&machine["cpu"]));
    let _ = writeln!(text, "features     {}", list(&machine["cpu_features"]));
    let runtime = &document["onnxruntime"];
    for candidate in runtime["candidates"].as_array().into_iter().flatten() {
        let verdict = candidate["version"].as_str().or(candidate["fault"].as_str()).unwrap_or_default();
        let _ = writeln!(
            text,
            "looked at    {} ({}): {verdict}",
            string(&candidate["path"]),
            string(&candidate["place"])
        );
    }
    if let Some(path) = runtime["path"].as_str() {
        let _ = writeln!(text, "ONNX Runtime {} from {path}", string(&runtime["version"]));
        let _ = writeln!(text, "providers    {}", list(&runtime["providers"]));
    }
    let test = &document["self_test"];
    if let Some(passed) = test["passed"].as_bool() {
        let verdict = if passed { "passed" } else { "FAILED" };
        let _ = writeln!(text, "self-test    {verdict}, greatest difference {}", test["max_abs_error"]);
    } else if let Some(note) = test["note"].as_str() {
        let _ = writeln!(text, "self-test    {note}");
    }
    let problems = document["problems"].as_array().cloned().unwrap_or_default();
    for problem in &problems {
        let _ = writeln!(text, "problem      {}", string(problem));
    }
    if problems.is_empty() {
        let _ = writeln!(text, "all well");
    }
    text
}
