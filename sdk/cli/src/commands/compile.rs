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
    /// Data to verify on: pictures, with labels where there are some
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How much of the measure may be lost, 0 to 1
    #[arg(long, value_name = "X")]
    max_drop: Option<f64>,
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
    /// Weights stored as float16
    Fp16,
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
            PrecisionName::Fp16 => Precision::Fp16,
        }),
        max_drop: arguments.max_drop.map(share).transpose()?,
        data: arguments.data,
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
    let looks_like_a_file = argument.contains(std::path::MAIN_SEPARATOR) || argument.ends_with(".txt");
    let labels: Vec<String> = if path.is_file() || (looks_like_a_file && !argument.contains(',')) {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path, error))?;
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    } else {
        argument.split(',').map(|name| name.trim().to_owned()).collect()
    };
    if labels.is_empty() || labels.iter().any(String::is_empty) {
        return Err(Failure::usage(format!("--labels {argument:?} holds an empty name")));
    }
    Ok(labels)
}

fn share(value: f64) -> Result<f64, Failure> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("--max-drop {value}: expected 0 to 1")))
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
        "  accuracy   {} {:.4} → {:.4}, drop {:.4} of {:.4} allowed; agreement {:.4}, greatest difference {} ({} {} samples)",
        a.metric,
        a.source,
        a.compiled,
        a.drop,
        a.budget,
        a.agreement,
        a.max_abs_error.map_or_else(|| "not measured".to_owned(), |error| format!("{error:.2e}")),
        a.samples,
        a.data
    );
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
