//! `farsight compile`: a model becomes a bundle, with proof.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use farsight_compiler::{Job, Report};
use farsight_spec::{ModelSpec, Precision, Recipe, Target};

use crate::Context;
use crate::failure::Failure;
use crate::progress::Bar;

#[derive(clap::Args)]
#[command(after_help = "Example:
  farsight compile yolov8n.onnx --data barn/val -o cows.farsight
  farsight compile cows.onnx --spec yolo --labels cow --precision int8 --calibrate barn/train --data barn/val
  farsight compile cows.onnx --spec yolo --labels cow --target aarch64-linux --precision fp16")]
pub(crate) struct Arguments {
    /// The source model (ONNX)
    model: PathBuf,
    /// Built-in model spec or .toml file; may be left out where the file's metadata says enough
    #[arg(long, value_name = "NAME|FILE")]
    spec: Option<String>,
    /// Built-in target profile or .toml file
    #[arg(long, value_name = "NAME|FILE", default_value = "host")]
    target: String,
    /// Names of the classes: A,B,… or a file with one a line
    #[arg(long, value_name = "A,B,…|FILE")]
    labels: Option<String>,
    /// Recipe file (TOML), in place of the spec's
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Arithmetic and storage of the compiled model
    #[arg(long)]
    precision: Option<PrecisionName>,
    /// Inputs that calibrate int8, labels not needed: pictures, rasters, or .npy tensors; half of --data if not given
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Data to verify on: pictures, with labels where there are some
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How much of the measure may be lost, 0 to 1 [default: 0.005 of a measure on labels, 0.06 of the agreement with
    /// the source where there are none]
    #[arg(long, value_name = "X")]
    max_drop: Option<f64>,
    /// Turn a model that is quantized already back into float first, then quantize it anew (int8 unless --precision
    /// says otherwise)
    #[arg(long)]
    requantize: bool,
    /// Write the bundle even if it is slower than its source
    #[arg(long)]
    force: bool,
    /// The bundle to write; the model's name with .farsight where it is not given
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// `--precision`
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrecisionName {
    /// The source's own arithmetic and rounding points
    Keep,
    /// float32 arithmetic; a float16 graph is widened
    Fp32,
    /// Weights stored as float16
    Fp16,
    /// int8 arithmetic: static with --calibrate or --data, dynamic for models of matrix products
    Int8,
    /// Weights stored as int8, float32 arithmetic
    Int8Weights,
    /// Weights of matrix products in int4 groups, the others stored as int8
    Int4Weights,
    /// The fastest that keeps the answer, as measured
    Auto,
}

/// `farsight compile`
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let job = Job {
        spec: arguments.spec.as_deref().map(ModelSpec::find).transpose()?,
        target: Target::find(&arguments.target)?,
        labels: arguments.labels.as_deref().map(labels).transpose()?,
        recipe: arguments.recipe.as_deref().map(Recipe::read).transpose()?,
        precision: arguments.precision.map(|name| match name {
            PrecisionName::Keep => Precision::Keep,
            PrecisionName::Fp32 => Precision::Fp32,
            PrecisionName::Fp16 => Precision::Fp16,
            PrecisionName::Int8 => Precision::Int8,
            PrecisionName::Int8Weights => Precision::Int8Weights,
            PrecisionName::Int4Weights => Precision::Int4Weights,
            PrecisionName::Auto => Precision::Auto,
        }),
        max_drop: arguments.max_drop.map(share).transpose()?,
        data: arguments.data,
        calibrate: arguments.calibrate,
        requantize: arguments.requantize,
        force: arguments.force,
        library: context.onnxruntime.clone(),
        output: arguments.output.unwrap_or_else(|| arguments.model.with_extension("farsight")),
        model: arguments.model,
    };
    let mut bar = Bar::new();
    let result = farsight_compiler::compile(&job, &mut |progress| bar.show(progress));
    bar.finish();
    let report = result?;
    context.output.document(&report, || text(&report));
    Ok(ExitCode::SUCCESS)
}

/// `--labels`: a file with one a line if there is one, else the names themselves.
pub(crate) fn labels(argument: &str) -> Result<Vec<String>, Failure> {
    let path = Path::new(argument);
    if !path.exists() && !argument.contains(',') && looks_like_a_file(argument) {
        return Err(Failure::usage(format!(
            "--labels {argument}: there is no such file; give a text file with one name a line, or the names themselves: \
             A,B,… (a single name like that goes into a file)"
        )));
    }
    let labels: Vec<String> = if path.exists() {
        let text = labels_text(path).map_err(|error| Failure::io(path, error))?;
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    } else {
        argument.split(',').map(|name| name.trim().to_owned()).collect()
    };
    if labels.is_empty() || labels.iter().any(String::is_empty) {
        return Err(Failure::usage(format!("--labels {argument:?} holds an empty name")));
    }
    Ok(labels)
}

/// A slash, or an ending of letters and digits: a slip of the pen there must not become a class.
fn looks_like_a_file(argument: &str) -> bool {
    let ending = Path::new(argument).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let is_ending = (1..=5).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric());
    argument.contains(std::path::MAIN_SEPARATOR) || is_ending
}

/// Longer lists of labels are none.
const MAX_LABELS_FILE: u64 = 1 << 20;

fn labels_text(path: &Path) -> std::io::Result<String> {
    let metadata = path.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_LABELS_FILE {
        return Err(std::io::Error::other("labels are a text file of at most 1 MB, one name a line"));
    }
    std::fs::read_to_string(path)
}

fn share(value: f64) -> Result<f64, Failure> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("--max-drop {value}: expected 0 to 1")))
}

/// What int8 and `auto` found.
fn shrinking(report: &Report, text: &mut String) {
    if report.int8_mac_share > 0.0 {
        let _ = writeln!(text, "  int8       {:.1} % of the multiplications", 100.0 * report.int8_mac_share);
    }
    for island in &report.float_islands {
        let _ = writeln!(
            text,
            "  float      {} ({:.1} % of the multiplications): {}",
            island.layer,
            100.0 * island.mac_share,
            island.reason
        );
    }
    for trial in &report.trials {
        let ratio = trial.ratio.map_or_else(String::new, |ratio| format!(", latency × {ratio:.2}"));
        let bytes = trial.bytes.map_or_else(String::new, |bytes| format!(", {:.2} MB", bytes as f64 / 1e6));
        let mark = if trial.chosen { "taken" } else { "tried" };
        let _ = writeln!(text, "  {mark}      {}{ratio}{bytes}: {}", trial.precision.name(), trial.reason);
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let _ = writeln!(text, "{} ({:.2} MB)", report.bundle.display(), mb(report.bytes));
    let _ = writeln!(
        text,
        "  source     {:.2} MB, spec {}, target {}",
        mb(report.source_bytes),
        report.spec,
        report.target
    );
    for pass in &report.passes {
        let _ = writeln!(text, "  {:<12} {} ({:.0} ms)", pass.name, pass.summary, pass.ms);
    }
    let a = &report.accuracy;
    let _ = writeln!(
        text,
        "  accuracy   {} {:.4} → {:.4}, drop {:.4}{} of {:.4} allowed; agreement {:.4}{} ({} {} samples)",
        a.metric,
        a.source,
        a.compiled,
        a.drop,
        a.deviation.map_or_else(String::new, |deviation| format!(" ± {deviation:.4}")),
        a.budget,
        a.agreement,
        a.max_abs_error.map_or_else(String::new, |error| format!(", greatest difference {error:.2e}")),
        a.samples,
        a.data
    );
    shrinking(report, &mut text);
    if let Some(l) = &report.latency {
        let _ = writeln!(
            text,
            "  latency    {:.2} ms → {:.2} ms, ratio {:.3} (95 % {:.3} to {:.3}, {} pairs)",
            l.source_ms, l.compiled_ms, l.ratio, l.interval[0], l.interval[1], l.pairs
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "  note       {note}");
    }
    let _ = writeln!(text, "  report     {}", Report::path(&report.bundle).display());
    let _ = writeln!(
        text,
        "  in         {:.1} s, at most {:.0} MB",
        report.seconds,
        report.peak_rss_mb.unwrap_or(0.0)
    );
    text
}
