//! `farsight warm`: prepares on the device, once, what makes every later start quick.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use farsight::{Cache, Caching, Options, Outline, Pipeline, StartUp};
use farsight_compiler::{Progress, median};
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;
use crate::progress::Bar;

/// For so long opening is measured, at least once each way.
const MEASURED: Duration = Duration::from_secs(3);
const MOST_ROUNDS: usize = 15;

#[derive(clap::Args)]
#[command(
    after_help = "What is prepared lies in $FARSIGHT_CACHE, else ~/.cache/farsight. `run` and the library use \
it from then on, and make it anew when ONNX Runtime or the CPU has changed.

JSON: bundle, state (built, there, rebuilt, or plain: nothing to prepare), reason (what was wrong with what was \
there), folder, bytes, seconds, providers, open_ms {plain, warmed, ratio}, pruned (with --prune: {folders, bytes})

Example:
  farsight warm cows.farsight
  farsight warm cows.farsight --prune --keep sheep.farsight"
)]
pub(crate) struct Arguments {
    /// The bundle
    bundle: PathBuf,
    /// Prepare a bundle that was made for another target
    #[arg(long)]
    any_target: bool,
    /// Then remove what was prepared for other models than this bundle's
    #[arg(long)]
    prune: bool,
    /// Another bundle whose prepared things stay; may be given several times
    #[arg(long, value_name = "BUNDLE", requires = "prune")]
    keep: Vec<PathBuf>,
}

/// `farsight warm`: exit status 1 if nothing could be kept.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let options = |caching| Options {
        library: context.onnxruntime.clone(),
        any_target: arguments.any_target,
        cache: Cache { caching, folder: None },
        ..Options::default()
    };
    // A wrong name is told before minutes are spent.
    let kept = if arguments.prune { models(&arguments)? } else { Vec::new() };
    let mut bar = Bar::new();
    let name = arguments.bundle.display();
    bar.show(Progress { step: &format!("preparing {name}; this may take minutes"), done: 0, total: 0 });
    let start = Instant::now();
    let opened = Pipeline::open_with(&arguments.bundle, &options(Caching::Make));
    let seconds = start.elapsed().as_secs_f64();
    let pipeline = opened.inspect_err(|_| bar.finish())?;
    let session = pipeline.session();
    let state = match session.startup() {
        StartUp::Built => "built",
        StartUp::Cached => "there",
        StartUp::Rebuilt { .. } => "rebuilt",
        StartUp::Plain if farsight_engine::cache_folder().is_none() => {
            bar.finish();
            let message = "there is no folder to keep anything in: neither FARSIGHT_CACHE nor HOME is set; set FARSIGHT_CACHE";
            return Err(Failure::new("cache", format!("{name}: {message}")));
        }
        StartUp::Plain => "plain",
        StartUp::Unused { reason } => {
            bar.finish();
            return Err(Failure::new("cache", format!("{name}: nothing could be kept: {reason}")));
        }
    };
    let folder = session.prepared();
    let mut document = json!({
        "bundle": name.to_string(), "state": state, "reason": reason(session.startup()), "seconds": seconds,
        "folder": folder.map(|folder| folder.display().to_string()), "bytes": folder.map(size),
        "providers": super::provider_reports(session),
    });
    bar.show(Progress { step: "measuring how long it takes to open", done: 0, total: 0 });
    let measured = open_ms(&arguments.bundle, &options(Caching::Off), &options(Caching::Use));
    bar.finish();
    document["open_ms"] = measured?;
    if arguments.prune {
        document["pruned"] = prune(&kept)?;
    }
    context.output.document(&document, || text(&document));
    Ok(ExitCode::SUCCESS)
}

/// The models of all bundles that were named, by which what is prepared for them is known.
fn models(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let bundles = std::iter::once(&arguments.bundle).chain(&arguments.keep);
    let sha256 = |path: &PathBuf| {
        let outline = Outline::open(path).map_err(|error| Failure::from(error).of_file(path))?;
        Ok(outline.model_sha256().to_string())
    };
    bundles.map(sha256).collect()
}

/// Removes what was prepared for other models.
fn prune(kept: &[String]) -> Result<Value, Failure> {
    let removed = Cache::make().prune(kept).map_err(|reason| Failure::new("cache", reason))?;
    let bytes: u64 = removed.iter().map(|(_, bytes)| bytes).sum();
    let folders: Vec<String> = removed.iter().map(|(folder, _)| folder.display().to_string()).collect();
    Ok(json!({"folders": folders, "bytes": bytes}))
}

fn reason(startup: &StartUp) -> Option<&str> {
    match startup {
        StartUp::Rebuilt { reason } => Some(reason),
        _ => None,
    }
}

fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// From the file to a pipeline that can run, from the model and from what was prepared in turn.
fn open_ms(bundle: &Path, plain: &Options, warmed: &Options) -> Result<Value, Failure> {
    let time = |options: &Options| -> Result<f64, Failure> {
        let start = Instant::now();
        let pipeline = Pipeline::open_with(bundle, options)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        drop(pipeline);
        Ok(milliseconds)
    };
    let start = Instant::now();
    let mut pairs = Vec::new();
    while pairs.is_empty() || (pairs.len() < MOST_ROUNDS && start.elapsed() < MEASURED) {
        pairs.push((time(plain)?, time(warmed)?));
    }
    let of = |part: fn(&(f64, f64)) -> f64| median(&pairs.iter().map(part).collect::<Vec<_>>());
    Ok(json!({"plain": of(|pair| pair.0), "warmed": of(|pair| pair.1), "ratio": of(|pair| pair.1 / pair.0)}))
}

fn text(document: &Value) -> String {
    prepared(document) + &pruned(&document["pruned"])
}

/// What was removed, if that was asked for.
fn pruned(pruned: &Value) -> String {
    let Some(folders) = pruned["folders"].as_array() else { return String::new() };
    let lines = folders.iter().filter_map(Value::as_str).map(|folder| format!("\nremoved {folder}"));
    let megabytes = pruned["bytes"].as_f64().unwrap_or(0.0) / 1e6;
    lines.collect::<String>() + &format!("\nremoved {} of other models, {megabytes:.1} MB", folders.len())
}

fn prepared(document: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let what = match document["state"].as_str().unwrap_or_default() {
        "plain" => return "nothing to prepare for this bundle's execution providers".to_owned(),
        "there" => "was there already",
        "rebuilt" => "made anew",
        _ => "prepared",
    };
    let reason = document["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let open = &document["open_ms"];
    format!(
        "{what}{reason}: {}, {:.1} MB, {:.1} s\nopens in {:.1} ms, without it in {:.1} ms (ratio {:.2})",
        document["folder"].as_str().unwrap_or_default(),
        number(&document["bytes"]) / 1e6,
        number(&document["seconds"]),
        number(&open["warmed"]),
        number(&open["plain"]),
        number(&open["ratio"]),
    )
}
