//! Compiling: one straight line from the source model to the bundle and its report.

use std::path::PathBuf;
use std::time::Instant;

use farsight::Pipeline;
use farsight_bundle::{Contents, Digest};
use farsight_engine::{Library, Model};
use farsight_spec::{ModelSpec, Precision, Recipe, Target};

use crate::base::base;
use crate::candidate::{self, Candidate, Desk};
use crate::chain::Chain;
use crate::measure::Measure;
use crate::prepare::{Prepared, check_output, is_strict, prepare};
use crate::report::Accuracy;
use crate::self_test::make_self_test;
use crate::verify::{VerifyData, verify, within_budget};
use crate::{CompileError, Latency, Report, latency, memory};

/// What to compile, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// The source model.
    pub model: PathBuf,
    /// The spec; from the file's metadata where it is not given.
    pub spec: Option<ModelSpec>,
    /// The target; `host` becomes the machine that compiles.
    pub target: Target,
    /// Names of the classes, in place of the file's.
    pub labels: Option<Vec<String>>,
    /// A recipe, in place of the spec's.
    pub recipe: Option<Recipe>,
    /// Precision, in place of the recipe's.
    pub precision: Option<Precision>,
    /// Greatest drop, in place of the recipe's.
    pub max_drop: Option<f64>,
    /// Labelled data (or pictures without labels) to verify on; generated inputs where not given.
    pub data: Option<PathBuf>,
    /// Inputs that calibrate int8, labels not needed; half of `data` where not given.
    pub calibrate: Option<PathBuf>,
    /// Turn a model that is quantized already back into float first.
    pub requantize: bool,
    /// Write a bundle that is slower than its source.
    pub force: bool,
    /// The ONNX Runtime library; searched for where it is not given.
    pub library: Option<PathBuf>,
    /// The bundle to write.
    pub output: PathBuf,
}

/// What a compile is doing: the step, and how far it is where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The step, in words.
    pub step: &'a str,
    /// How many of the step's parts are done.
    pub done: usize,
    /// How many parts it has; 0 = not known.
    pub total: usize,
}

/// Compiles a model into a bundle and writes the report beside it.
///
/// # Errors
/// If the source cannot be read or resolved, a pass fails, the compiled model loses more than the budget
/// allows or is slower than its source, or the bundle cannot be written. No bundle is written then.
pub fn compile(job: &Job, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Report, CompileError> {
    let start = Instant::now();
    check_output(job)?;
    let library = Library::load(job.library.as_deref())?;
    let mut notes = Vec::new();

    progress(Progress { step: "reading the source model", done: 0, total: 0 });
    let prepared = prepare(job, library, &mut notes)?;
    let Prepared { source, resolved, recipe, target, here, options, .. } = &prepared;

    progress(Progress { step: "running the passes", done: 0, total: 0 });
    let turns_back = prepared.form.is_some() && job.requantize;
    let base = base(resolved, turns_back, here, options, library, &mut notes)?;
    let (kernels, inputs) = (prepared.kernels, prepared.inputs.as_ref());
    let desk = Desk { job, library, source, resolved, recipe, target, here, options, kernels, inputs };
    let keeps_form = prepared.form.is_some() && !job.requantize;
    let candidate = candidate(&desk, &base, keeps_form, prepared.runs_here, progress)?;
    let proved = proved(&desk, candidate, prepared.runs_here, &mut notes, progress)?;

    progress(Progress { step: "writing the bundle", done: 0, total: 0 });
    write(&desk, proved, notes, start)
}

/// The model in the precision that is asked for.
fn candidate<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    keeps_form: bool,
    measures_latency: bool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Candidate<'a>, CompileError> {
    let precision = match desk.recipe.precision {
        Precision::Auto if keeps_form => Precision::Keep,
        precision => precision,
    };
    if is_strict(precision) {
        return candidate::plain(desk, base, precision);
    }
    let mut measure = Measure::new(desk.open_source()?, desk.inputs, progress)?;
    let mut candidate = match precision {
        Precision::Auto => candidate::auto(desk, base, &mut measure, measures_latency, progress)?,
        Precision::Int8 => candidate::int8(desk, base, Some(&mut measure), progress)?,
        precision => candidate::plain(desk, base, precision)?,
    };
    if candidate.accuracy.is_none() {
        let mut pipeline = candidate.chain.open()?;
        candidate.accuracy = Some(candidate::judged(desk, &mut pipeline, &mut measure, progress)?);
    }
    candidate.notes.extend(measure.notes());
    Ok(candidate)
}

/// A strict candidate, which no search has measured, held against the source.
fn verified(
    desk: &Desk<'_>,
    before: &mut Pipeline,
    after: &mut Pipeline,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Accuracy, CompileError> {
    let samples = desk.recipe.samples.min(STRICT_SAMPLES);
    let data = VerifyData::open(desk.job.data.as_deref(), &desk.resolved.spec, samples)?;
    let accuracy = verify(before, after, &data, desk.recipe.max_drop, notes, progress)?;
    within_budget(&accuracy)?;
    Ok(accuracy)
}

/// What moves no rounding point, or only that of storage, differs nowhere or everywhere: few samples show it.
const STRICT_SAMPLES: usize = 32;

/// A candidate that keeps the answer and is not slower than its source.
struct Proved<'a> {
    candidate: Candidate<'a>,
    /// Its file.
    bytes: Vec<u8>,
    pipeline: Pipeline,
    accuracy: Accuracy,
    latency: Option<Latency>,
}

/// Holds a candidate against the source in what making it has not measured yet.
fn proved<'a>(
    desk: &Desk<'_>,
    mut candidate: Candidate<'a>,
    measures_latency: bool,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Proved<'a>, CompileError> {
    let bytes = candidate.chain.document.to_bytes().map_err(|error| {
        CompileError::Unresolved(format!(
            "{}: the compiled model would have {error} (--precision fp16 does)",
            desk.job.model.display()
        ))
    })?;
    let is_unchanged = Digest::of(&bytes) == desk.source.sha256;
    let mut before = desk.open_source()?;
    let mut pipeline =
        Pipeline::from_parts(Model::Bytes(&bytes), &desk.resolved.spec, desk.here, desk.options)?;
    let accuracy = match candidate.accuracy.take() {
        Some(accuracy) => accuracy,
        None => verified(desk, &mut before, &mut pipeline, notes, progress)?,
    };
    let latency = match candidate.latency.take() {
        None if measures_latency => {
            progress(Progress { step: "measuring latency against the source model", done: 0, total: 0 });
            Some(latency::between(&mut before, &mut pipeline)?)
        }
        measured => measured,
    };
    notes.append(&mut candidate.notes);
    refuse_slower(latency.as_ref(), desk.job.force || is_unchanged, notes)?;
    Ok(Proved { candidate, bytes, pipeline, accuracy, latency })
}

/// Writes the bundle and its report.
fn write(
    desk: &Desk<'_>,
    proved: Proved<'_>,
    notes: Vec<String>,
    start: Instant,
) -> Result<Report, CompileError> {
    let Proved { candidate, bytes, mut pipeline, accuracy, latency } = proved;
    let (source, spec, output) = (desk.source, &desk.resolved.spec, &desk.job.output);
    let mut target = desk.target.clone();
    target.cpu_features.extend(candidate.needs.map(str::to_owned));
    let precision = candidate.precision;
    let self_test = Some(make_self_test(&mut pipeline, precision)?);
    let contents = Contents {
        name: spec.name.clone(),
        version: "1.0.0".to_owned(),
        tool: concat!("farsight ", env!("CARGO_PKG_VERSION")).to_owned(),
        onnxruntime: desk.library.version().to_owned(),
        precision,
        labels: spec.output.labels().to_vec(),
        spec: spec.clone(),
        target,
        model: bytes,
        source_sha256: source.sha256,
        inputs: pipeline.session().inputs().to_vec(),
        outputs: pipeline.session().outputs().to_vec(),
        self_test,
        compress: false,
    };
    let bytes = farsight_bundle::write(output, &contents)?;
    let report = Report {
        schema: 1,
        bundle: output.clone(),
        bytes,
        source_bytes: source.bytes,
        spec: contents.spec.name,
        target: contents.target.name,
        seconds: start.elapsed().as_secs_f64(),
        peak_rss_mb: memory::peak_rss_mb(),
        precision,
        passes: candidate.chain.passes,
        accuracy,
        latency,
        int8_mac_share: candidate.int8_mac_share,
        float_islands: candidate.float_islands,
        sensitivity: candidate.sensitivity,
        trials: candidate.trials,
        notes,
    };
    report.write()?;
    Ok(report)
}

fn refuse_slower(
    latency: Option<&Latency>,
    force: bool,
    notes: &mut Vec<String>,
) -> Result<(), CompileError> {
    let Some(latency) = latency.filter(|latency| latency.is_slower()) else { return Ok(()) };
    if !force {
        return Err(CompileError::Slower {
            source_ms: latency.source_ms,
            compiled_ms: latency.compiled_ms,
            ratio: latency.ratio,
            interval: latency.interval,
        });
    }
    notes.push(format!("measured slower than its source (ratio {:.3}), written all the same", latency.ratio));
    Ok(())
}
