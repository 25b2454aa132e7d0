//! `farsight eval`: how right a bundle or model is on labelled data, or how far it agrees with another.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use farsight::{Bundle, Open, Options, Pipeline};
use farsight_bundle::{FileKind, sniff};
use farsight_compiler::data::Dataset;
use farsight_compiler::{EvaluateSettings, Evaluation, Scores, Source, evaluate};
use farsight_engine::Library;
use farsight_spec::{ModelSpec, Output, Target};
use serde_json::{Value, json};

use super::compile::labels;
use super::run::share;
use crate::Context;
use crate::failure::Failure;
use crate::progress::Bar;

/// Boxes from here on count for average precision where --conf says nothing.
const AP_CONF: f32 = 0.001;

#[derive(clap::Args)]
#[command(after_help = "Example:
  farsight eval cows.farsight --data barn/val
  farsight eval cows.onnx --spec yolo --labels cow --data barn/val --conf 0.001 --iou 0.7
  farsight eval cows.farsight --against cows.onnx --data barn/val")]
pub(crate) struct Arguments {
    /// A bundle or an ONNX model
    model: PathBuf,
    /// Labelled data; without labels only --against can be measured
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Another bundle or model: how far do the two agree?
    #[arg(long, value_name = "MODEL|BUNDLE")]
    against: Option<PathBuf>,
    /// Model spec, where the model is not a bundle
    #[arg(long, value_name = "NAME|FILE")]
    spec: Option<String>,
    /// Names of the classes, where the model is not a bundle: A,B,… or a file with one a line
    #[arg(long, value_name = "A,B,…|FILE")]
    labels: Option<String>,
    /// Only boxes that score more than this are taken. Where it is not given, average precision takes boxes
    /// from 0.001 on, and precision and recall those above the spec's threshold
    #[arg(long, value_name = "X", value_parser = share)]
    conf: Option<f32>,
    /// IoU threshold of NMS
    #[arg(long, value_name = "X", value_parser = share)]
    iou: Option<f32>,
    /// Threads of the session
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
}

/// `farsight eval`: exit status 1 if an input failed.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let options = Options {
        library: context.onnxruntime.clone(),
        threads: arguments.threads.map(|threads| threads as usize),
        any_target: true,
        conf: Some(arguments.conf.unwrap_or(AP_CONF)),
        iou: arguments.iou,
        ..Options::default()
    };
    let labels = arguments.labels.as_deref().map(labels).transpose()?;
    let mut pipeline = open(&arguments.model, arguments.spec.as_deref(), labels.as_deref(), &options)?;
    let spec = pipeline.spec().clone();
    let mut against = match &arguments.against {
        Some(path) => Some(super::open_any(path, Some(&spec), &Target::find("host")?, &options)?),
        None => None,
    };
    let data = Dataset::open(&arguments.data, spec.task, spec.output.labels())
        .map_err(|error| Failure::new("data", error))?;
    if !data.is_labelled() && against.is_none() {
        return Err(Failure::new(
            "data",
            format!(
                "{}: {}; without labels only agreement with another model can be measured (--against)",
                arguments.data.display(),
                data.found
            ),
        ));
    }
    let conf = arguments.conf.unwrap_or(spec_conf(&spec));
    let mut bar = Bar::new();
    let settings = EvaluateSettings { conf, most: usize::MAX };
    let result =
        evaluate(&mut pipeline, against.as_mut(), &data, settings, &mut |progress| bar.show(progress));
    bar.finish();
    let evaluation = result?;
    for failed in &evaluation.failed {
        eprintln!("farsight: {}", failed.message);
    }
    let document = document(&pipeline, &evaluation, conf);
    context.output.document(&document, || text(&document, &data.found.to_string()));
    Ok(if evaluation.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn open(
    path: &std::path::Path,
    spec: Option<&str>,
    labels: Option<&[String]>,
    options: &Options,
) -> Result<Pipeline, Failure> {
    if sniff(path)? == FileKind::Bundle {
        if spec.is_some() || labels.is_some() {
            return Err(Failure::usage(
                "a bundle has its spec and labels inside; --spec and --labels go with models",
            ));
        }
        return Ok(Pipeline::from_bundle(&Bundle::open(path, Open::Memory)?, options)?);
    }
    let library = Library::load(options.library.as_deref())?;
    let spec = spec.map(ModelSpec::find).transpose()?;
    let target = Target::find("host")?;
    Ok(Source::read(path, library)?.pipeline(spec, labels, &target, options)?)
}

fn spec_conf(spec: &ModelSpec) -> f32 {
    match &spec.output {
        Output::Yolo(output) | Output::Yolox(output) => output.conf,
        Output::Classes(output) => output.threshold.unwrap_or(0.0),
        _ => 0.0,
    }
}

fn document(pipeline: &Pipeline, evaluation: &Evaluation, conf: f32) -> Value {
    let mut document = json!({"task": pipeline.task(), "samples": evaluation.samples});
    if let Some(scores) = &evaluation.scores {
        add_scores(&mut document, scores, conf);
    }
    if let Some(scores) = &evaluation.reference_scores {
        let mut against = json!({});
        add_scores(&mut against, scores, conf);
        document["against"] = against;
    }
    if let Some(agreement) = &evaluation.agreement {
        document["agreement"] = json!(agreement.agreement);
        document["max_abs_error"] = json!(agreement.max_abs_error);
    }
    let failed: Vec<Value> = evaluation
        .failed
        .iter()
        .map(|failed| json!({"input": failed.file.display().to_string(), "error": {"kind": "input", "message": failed.message}}))
        .collect();
    document["failed"] = failed.into();
    document
}

fn add_scores(document: &mut Value, scores: &Scores, conf: f32) {
    match scores {
        Scores::Detect(scores) => {
            document["ap50_95"] = json!(scores.ap50_95);
            document["ap50"] = json!(scores.ap50);
            document["precision"] = json!(scores.precision);
            document["recall"] = json!(scores.recall);
            document["conf"] = json!(conf);
        }
        Scores::Classify { top1, top5 } => {
            document["top1"] = json!(top1);
            document["top5"] = json!(top5);
        }
        Scores::MultiLabel { map_micro, map_macro, f1_micro, f1_macro } => {
            document["map_micro"] = json!(map_micro);
            document["map_macro"] = json!(map_macro);
            document["f1_micro"] = json!(f1_micro);
            document["f1_macro"] = json!(f1_macro);
            document["conf"] = json!(conf);
        }
        Scores::Segment { miou, dice, pixel_accuracy } => {
            document["miou"] = json!(miou);
            document["dice"] = dice.iter().map(|(label, dice)| (label.clone(), json!(dice))).collect();
            document["pixel_accuracy"] = json!(pixel_accuracy);
        }
    }
}

fn text(document: &Value, found: &str) -> String {
    let mut text = format!("{found}\n");
    for (key, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::Number(number) if key != "samples" => {
                let _ = writeln!(text, "{key:<15} {:.4}", number.as_f64().unwrap_or(0.0));
            }
            Value::Number(number) => {
                let _ = writeln!(text, "{key:<15} {number}");
            }
            Value::Object(_) if key == "against" || key == "dice" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let value = value.as_f64().map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"));
                    let _ = writeln!(text, "{:<15} {value}", format!("{key} {name}"));
                }
            }
            _ => {}
        }
    }
    text
}
