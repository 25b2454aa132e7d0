//! `farsight bench`: how long a bundle takes, against its own bare session, in one run.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farsight::{Bundle, Frame, Library, Open, Options, Pipeline, Pool, Session, Times};
use farsight_bundle::{FileKind, sniff};
use farsight_compiler::{fill_inputs, interleave, median, peak_rss_mb};
use farsight_engine::{Model, NodeTime, Settings, nodes_by_provider, profile_run};
use farsight_spec::Input;
use farsight_vision::{Picture, Raster, picture};
use serde_json::{Value, json};

use crate::Context;
use crate::allocations;
use crate::device::Conditions;
use crate::failure::Failure;

/// How often opening is measured against another model.
const OPENINGS: usize = 21;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  farsight bench cows.farsight --input barn.jpg --threads 1 --runs 200")]
pub(crate) struct Arguments {
    /// The bundle
    bundle: PathBuf,
    /// A picture or raster; a generated 1920x1080 frame where it is not given
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How many runs are measured
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// Threads of the session
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Show the nodes that take most
    #[arg(long)]
    profile: bool,
    /// Another model (ONNX) or bundle, timed in turn with this one
    #[arg(long, value_name = "MODEL|BUNDLE")]
    against: Option<PathBuf>,
    /// Frames a second of N pipelines with one thread each, in turn with this one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pool: Option<u32>,
}

/// What was measured, a sample a run.
struct Samples {
    times: Vec<Times>,
    /// The bare session beside each steady run.
    bare: Vec<Duration>,
    allocations: Option<f64>,
}

/// `farsight bench`
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let options = Options {
        library: context.onnxruntime.clone(),
        threads: arguments.threads.map(|threads| threads as usize),
        any_target: true,
        ..Options::default()
    };
    let before = Conditions::read();
    // As a program opens it: with a prepared session, the model is not even read.
    let start = Instant::now();
    let mut pipeline = Pipeline::open_with(&arguments.bundle, &options)?;
    let cold_start = start.elapsed();
    let samples = match &pipeline.spec().input {
        Input::Frame(_) => frames(&mut pipeline, &arguments)?,
        Input::Raster(_) => windows(&mut pipeline, &arguments)?,
        Input::Tensors => tensors(&mut pipeline, &arguments)?,
    };
    let first_run = samples.times.first().map_or(Duration::ZERO, Times::total);
    let peak_rss_mb = peak_rss_mb();
    let after = Conditions::read();

    let bundle = Bundle::open(&arguments.bundle, Open::Memory)?;
    let nodes = nodes(&bundle, &options, &mut pipeline)?;
    let mut document = document(&samples, &nodes);
    document["threads"] = pipeline.session().threads().into();
    document["cold_start_ms"] = milliseconds(cold_start).into();
    document["first_run_ms"] = milliseconds(first_run).into();
    document["peak_rss_mb"] = json!(peak_rss_mb);
    document["cpu_features"] = json!(farsight_engine::cpu_features());
    document["onnxruntime"] = Library::load(context.onnxruntime.as_deref())?.version().into();
    after.describe(&before, &mut document);
    if let Some(path) = &arguments.against {
        document["against"] = against(path, &mut pipeline, &bundle, &options)?;
    }
    document["startup"] = pipeline.session().startup().name().into();
    document["providers"] = super::provider_reports(pipeline.session()).into();
    if let Some(size) = arguments.pool {
        document["pool"] = pool(size as usize, &mut pipeline, &arguments, &options)?;
    }
    if arguments.profile {
        document["profile"] = profile(&nodes);
    }
    context.output.document(&document, || text(&document));
    Ok(ExitCode::SUCCESS)
}

impl Samples {
    fn with_capacity(runs: u32) -> Self {
        let runs = runs as usize + 2;
        Self { times: Vec::with_capacity(runs), bare: Vec::with_capacity(runs), allocations: None }
    }

    /// The first run does not count among the others.
    fn steady(&self) -> &[Times] {
        self.times.get(1..).unwrap_or_default()
    }

    /// Median of a run's total ÷ the bare session's time beside it: a machine whose speed drifts hits both alike.
    fn overhead(&self) -> f64 {
        let pairs = self.steady().iter().zip(&self.bare);
        let ratios = pairs.map(|(times, bare)| times.total().as_secs_f64() / bare.as_secs_f64());
        median(&ratios.collect::<Vec<_>>())
    }
}

/// Frames: the whole pipeline and the bare session in turn.
fn frames(pipeline: &mut Pipeline, arguments: &Arguments) -> Result<Samples, Failure> {
    let picture = input_picture(arguments)?;
    let frame = picture_frame(&picture)?;
    let mut samples = Samples::with_capacity(arguments.runs);
    // One run to warm up and one in the steady state's buffers, then the measured ones.
    pipeline.run(&frame)?;
    samples.times.push(pipeline.times());
    pipeline.run(&frame)?;
    let mut allocated = 0;
    for run in 0..arguments.runs {
        // Who goes first changes, so that neither always follows a run that left the caches warm.
        if run % 2 == 1 {
            samples.bare.push(bare(pipeline)?);
        }
        let before = allocations::count();
        pipeline.run(&frame)?;
        allocated += allocations::count() - before;
        samples.times.push(pipeline.times());
        if run % 2 == 0 {
            samples.bare.push(bare(pipeline)?);
        }
    }
    samples.allocations = Some(allocated as f64 / f64::from(arguments.runs));
    Ok(samples)
}

fn input_picture(arguments: &Arguments) -> Result<Picture, Failure> {
    match &arguments.input {
        Some(path) => picture::read(path).map_err(|error| Failure::new("picture", error)),
        None => Ok(generated()),
    }
}

fn picture_frame(picture: &Picture) -> Result<Frame<'_>, Failure> {
    Frame::rgb8(picture.width, picture.height, &picture.rgb).map_err(|error| Failure::new("frame", error))
}

/// The session alone, on the input that is there.
fn bare(pipeline: &mut Pipeline) -> Result<Duration, Failure> {
    let start = Instant::now();
    pipeline.run_session()?;
    Ok(start.elapsed())
}

/// Rasters: each window is a run; the bare session is what its session took.
fn windows(pipeline: &mut Pipeline, arguments: &Arguments) -> Result<Samples, Failure> {
    let Some(path) = &arguments.input else {
        return Err(Failure::usage("this bundle takes rasters: give one with --input FILE.tif"));
    };
    let mut samples = Samples::with_capacity(arguments.runs);
    while samples.times.len() <= arguments.runs as usize {
        let mut raster = Raster::open(path).map_err(farsight::Error::from)?;
        pipeline
            .run_raster(&mut raster, &mut |_| Ok(()), &mut |progress| samples.times.push(progress.times))?;
    }
    samples.bare = samples.steady().iter().map(|times| times.infer).collect();
    Ok(samples)
}

/// Tensors: there is nothing but the session.
fn tensors(pipeline: &mut Pipeline, arguments: &Arguments) -> Result<Samples, Failure> {
    if let Some(path) = &arguments.input {
        return Err(Failure::usage(format!(
            "this bundle takes tensors and is measured with generated ones; leave --input {} out",
            path.display()
        )));
    }
    fill_inputs(pipeline, 1)?;
    let mut samples = Samples::with_capacity(arguments.runs);
    let mut allocated = 0;
    for run in 0..=arguments.runs {
        let before = allocations::count();
        let start = Instant::now();
        pipeline.run_session()?;
        let infer = start.elapsed();
        if run > 0 {
            allocated += allocations::count() - before;
            samples.bare.push(infer);
        }
        samples.times.push(Times { infer, ..Times::default() });
    }
    samples.allocations = Some(allocated as f64 / f64::from(arguments.runs));
    Ok(samples)
}

/// A frame of coloured blocks, as a camera would give it.
fn generated() -> Picture {
    let (width, height) = (1920, 1080);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let block = (y / 24 * 80 + x / 24) as u32;
            rgb.extend_from_slice(&block.wrapping_mul(0x9e37_79b9).to_le_bytes()[1..]);
        }
    }
    Picture { width, height, rgb }
}

/// Every node of the optimized graph with its time and provider.
fn nodes(bundle: &Bundle, options: &Options, pipeline: &mut Pipeline) -> Result<Vec<NodeTime>, Failure> {
    let library = Library::load(options.library.as_deref())?;
    let settings = Settings::from_target(bundle.target(), options.threads);
    fill_inputs(pipeline, 1)?;
    let source = pipeline.session_mut();
    let inputs: Vec<(Vec<usize>, Vec<u8>)> = (0..source.inputs().len())
        .map(|index| {
            let shape = source.input_shape(index)?.unwrap_or_default().to_vec();
            Ok((shape, source.input_bytes_mut(index)?.to_vec()))
        })
        .collect::<Result<_, farsight::EngineError>>()?;
    Ok(profile_run(library, Model::Bytes(bundle.model_bytes()), &settings, 3, |session| {
        for (index, (shape, bytes)) in inputs.iter().enumerate() {
            if session.inputs()[index].shape.contains(&None) {
                session.set_input_shape(index, shape)?;
            }
            session.input_bytes_mut(index)?.copy_from_slice(bytes);
        }
        Ok(())
    })?)
}

fn document(samples: &Samples, nodes: &[NodeTime]) -> Value {
    let steady = samples.steady();
    let phase = |of: fn(&Times) -> Duration| percentiles(steady.iter().map(of));
    let bare = percentiles(samples.bare.iter().copied());
    let by_provider = nodes_by_provider(nodes);
    json!({
        "runs": steady.len(),
        "ms": {
            "pre": phase(|t| t.pre), "infer": phase(|t| t.infer), "post": phase(|t| t.post), "total": phase(Times::total),
        },
        "bare_session_ms": bare,
        "overhead": samples.overhead(),
        "allocations_per_run": samples.allocations,
        "provider": by_provider.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone()),
        "nodes_by_provider": by_provider,
    })
}

fn percentiles(durations: impl Iterator<Item = Duration>) -> Value {
    let mut sorted: Vec<f64> = durations.map(milliseconds).collect();
    sorted.sort_by(f64::total_cmp);
    // Nearest rank.
    let rank = |share: f64| {
        let index = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    json!({"p50": median(&sorted), "p95": rank(0.95), "p99": rank(0.99)})
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Frames a second of a pool and of the one pipeline, in turn.
fn pool(
    size: usize,
    pipeline: &mut Pipeline,
    arguments: &Arguments,
    options: &Options,
) -> Result<Value, Failure> {
    if !matches!(pipeline.spec().input, Input::Frame(_)) {
        return Err(Failure::usage("--pool measures frames; this bundle takes none"));
    }
    let picture = input_picture(arguments)?;
    let frame = picture_frame(&picture)?;
    let pool = Pool::open_with(&arguments.bundle, size, &Options { threads: Some(1), ..options.clone() })?;
    // Enough that the last ones, when some pipelines have nothing left to do, weigh little.
    let frames = 8 * size;
    let mut rates = Vec::new();
    for _ in 0..=(arguments.runs as usize).div_ceil(frames) {
        let start = Instant::now();
        for _ in 0..frames {
            pipeline.run(&frame)?;
        }
        let single = frames as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        run_all(&pool, &frame, frames)?;
        rates.push((frames as f64 / start.elapsed().as_secs_f64(), single));
    }
    // The first round warms both up.
    let of = |part: fn(&(f64, f64)) -> f64| median(&rates[1..].iter().map(part).collect::<Vec<_>>());
    Ok(json!({
        "pipelines": size, "frames_per_s": of(|rate| rate.0), "single_frames_per_s": of(|rate| rate.1),
        "ratio": of(|rate| rate.0 / rate.1), "rounds": rates.len() - 1,
    }))
}

/// Runs a frame so many times, on as many threads as there are pipelines.
fn run_all(pool: &Pool, frame: &Frame<'_>, frames: usize) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let work = || {
        while next.fetch_add(1, Ordering::Relaxed) < frames {
            pool.run(frame, |_| ())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..pool.size()).map(|_| scope.spawn(work)).collect();
        // A panic in a thread is one here.
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
    .map_err(|error: farsight::Error| error.into())
}

/// Another model's bare session in turn with this one's.
fn against(
    path: &Path,
    pipeline: &mut Pipeline,
    bundle: &Bundle,
    options: &Options,
) -> Result<Value, Failure> {
    let mut other = super::open_any(path, Some(pipeline.spec()), bundle.target(), options)?;
    fill_inputs(&mut other, 1)?;
    fill_inputs(pipeline, 1)?;
    let latency = interleave(|| other.run_session(), || pipeline.run_session())?;
    let open = open_ms(path, pipeline, bundle, options)?;
    Ok(json!({
        "file": path.display().to_string(), "ms": latency.source_ms, "this_ms": latency.compiled_ms, "ratio": latency.ratio,
        "interval": latency.interval, "pairs": latency.pairs, "open_ms": open,
    }))
}

/// How long this bundle takes to open, and the other model's bare session, in turn; null where ONNX Runtime does
/// not open the other as it is (a TFLite file).
fn open_ms(path: &Path, pipeline: &Pipeline, bundle: &Bundle, options: &Options) -> Result<Value, Failure> {
    let library = Library::load(options.library.as_deref())?;
    let settings = Settings::from_target(bundle.target(), options.threads);
    let other_is_bundle = sniff(path)? == FileKind::Bundle;
    let open_other = || match other_is_bundle {
        true => Pipeline::open_with(path, options).map(drop),
        false => Ok(Session::open(library, Model::File(path), &settings).map(drop)?),
    };
    let Some(this) = bundle.file().filter(|_| open_other().is_ok()) else { return Ok(Value::Null) };
    let mut pairs = Vec::new();
    for _ in 0..OPENINGS {
        let start = Instant::now();
        open_other()?;
        let other = start.elapsed();
        let start = Instant::now();
        drop(Pipeline::open_with(this, options)?);
        pairs.push((milliseconds(other), milliseconds(start.elapsed())));
    }
    let of = |part: fn(&(f64, f64)) -> f64| median(&pairs.iter().map(part).collect::<Vec<_>>());
    Ok(json!({
        "other": of(|pair| pair.0), "this": of(|pair| pair.1), "ratio": of(|pair| pair.1 / pair.0),
        "startup": pipeline.session().startup().name(),
    }))
}

fn profile(nodes: &[NodeTime]) -> Value {
    let total: f64 = nodes.iter().map(|node| node.microseconds).sum();
    let mut sorted: Vec<&NodeTime> = nodes.iter().collect();
    sorted.sort_by(|a, b| b.microseconds.total_cmp(&a.microseconds));
    let rows: Vec<Value> = sorted
        .into_iter()
        .map(|node| {
            json!({
                "name": node.name, "op": node.op, "provider": node.provider, "us": node.microseconds,
                "share": if total > 0.0 { node.microseconds / total } else { 0.0 },
            })
        })
        .collect();
    rows.into()
}

fn text(document: &Value) -> String {
    let mut text = String::new();
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let _ = writeln!(
        text,
        "{} runs, {} threads, ONNX Runtime {}",
        document["runs"],
        document["threads"],
        document["onnxruntime"].as_str().unwrap_or_default()
    );
    let _ = writeln!(text, "             p50 ms    p95 ms    p99 ms");
    for phase in ["pre", "infer", "post", "total"] {
        let ms = &document["ms"][phase];
        let _ = writeln!(
            text,
            "{phase:<10} {:>8.3}  {:>8.3}  {:>8.3}",
            number(&ms["p50"]),
            number(&ms["p95"]),
            number(&ms["p99"])
        );
    }
    let _ = writeln!(text, "bare       {:>8.3}", number(&document["bare_session_ms"]["p50"]));
    let _ = writeln!(
        text,
        "overhead   {:>8.4}  (total ÷ bare session, median of pairs)",
        number(&document["overhead"])
    );
    let _ = writeln!(
        text,
        "start-up   {:.1} ms to open, {:.1} ms for the first run; at most {:.0} MB",
        number(&document["cold_start_ms"]),
        number(&document["first_run_ms"]),
        number(&document["peak_rss_mb"])
    );
    if let Some(allocations) = document["allocations_per_run"].as_f64() {
        let _ = writeln!(text, "allocated  {allocations} times a run");
    }
    let _ = writeln!(text, "nodes      {}", document["nodes_by_provider"]);
    if let Some(conditions) = Conditions::in_words(document) {
        let _ = writeln!(text, "device     {conditions}");
    }
    for warning in document["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "warning    {}", warning.as_str().unwrap_or_default());
    }
    if let Some(other) = document.get("against") {
        let _ = writeln!(
            text,
            "against    {:.3} ms, this {:.3} ms: ratio {:.3} ({:.3} to {:.3})",
            number(&other["ms"]),
            number(&other["this_ms"]),
            number(&other["ratio"]),
            number(&other["interval"][0]),
            number(&other["interval"][1])
        );
        if let Some(open) = other.get("open_ms").filter(|open| open.is_object()) {
            let _ = writeln!(
                text,
                "opening    {:.1} ms, this ({}) {:.1} ms: ratio {:.3}",
                number(&open["other"]),
                open["startup"].as_str().unwrap_or_default(),
                number(&open["this"]),
                number(&open["ratio"])
            );
        }
    }
    if let Some(pool) = document.get("pool") {
        let _ = writeln!(
            text,
            "pool       {} pipelines: {:.2} frames a second, this one {:.2}: ratio {:.3}",
            pool["pipelines"],
            number(&pool["frames_per_s"]),
            number(&pool["single_frames_per_s"]),
            number(&pool["ratio"])
        );
    }
    for provider in document["providers"].as_array().into_iter().flatten() {
        if let Some(reason) = provider["missing"].as_str() {
            let _ = writeln!(text, "left out   {}: {reason}", provider["name"].as_str().unwrap_or_default());
        }
    }
    for node in document["profile"].as_array().into_iter().flatten().take(15) {
        let _ = writeln!(
            text,
            "  {:>5.1} %  {:>9.1} µs  {:<16} {}",
            number(&node["share"]) * 100.0,
            number(&node["us"]),
            node["op"].as_str().unwrap_or_default(),
            node["name"].as_str().unwrap_or_default()
        );
    }
    text
}
