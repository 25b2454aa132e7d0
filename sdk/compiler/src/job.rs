//! Compiling: one straight line from the source model to the bundle and its report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use farsight::{Options, Pipeline};
use farsight_bundle::{Contents, Digest};
use farsight_engine::{Library, Model, evaluate};
use farsight_graph::Document;
use farsight_graph::onnx::TensorProto;
use farsight_spec::{ModelSpec, Precision, Provider, Recipe, Target};

use crate::element::data_type;
use crate::passes::{CutSettings, FoldSettings, Fp16Settings, PassError, cut, dead, fold, fp16_weights};
use crate::report::{Accuracy, PassEntry};
use crate::self_test::make_self_test;
use crate::source::{Resolved, Source};
use crate::verify::{VerifyData, verify};
use crate::{CompileError, Latency, Report, generate, latency, memory};

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
    let mut say = |step| progress(Progress { step, done: 0, total: 0 });
    let library = Library::load(job.library.as_deref())?;
    let target = job.target.clone().on_host(&farsight_engine::host_triple());
    // Average precision takes boxes from this score on.
    let options = Options { library: job.library.clone(), conf: Some(0.001), ..Options::default() };

    say("reading the source model");
    let source = Source::read(&job.model, library)?;
    let resolved = source.resolve(library, job.spec.clone(), job.labels.as_deref())?;
    let recipe = recipe(job, &resolved.spec);

    say("running the passes");
    let mut notes = notes(&source, &resolved, &target);
    let (document, passes) = run_passes(&resolved, recipe.precision, library)?;
    let bytes = document.to_bytes().map_err(|error| {
        CompileError::Unresolved(format!(
            "{}: the compiled model would have {error} (--precision fp16 does)",
            job.model.display()
        ))
    })?;
    let after_digest = Digest::of(&bytes);

    say("opening source and compiled model");
    let here = verification_target(&target, library, &mut notes);
    let mut before = source.open(&resolved, &here, &options)?;
    let mut after = Pipeline::from_parts(Model::Bytes(&bytes), &resolved.spec, &here, &options)?;
    let data = VerifyData::open(job.data.as_deref(), &resolved.spec, recipe.samples)?;
    let accuracy = verify(&mut before, &mut after, &data, recipe.max_drop, progress)?;
    within_budget(&accuracy)?;

    progress(Progress { step: "measuring latency against the source model", done: 0, total: 0 });
    let latency = if runs_here(&target, library) { Some(measure(&mut before, &mut after)?) } else { None };
    let is_unchanged = after_digest == source.sha256;
    refuse_slower(latency.as_ref(), job.force || is_unchanged, &mut notes)?;

    progress(Progress { step: "writing the bundle", done: 0, total: 0 });
    let self_test = Some(make_self_test(&mut after, recipe.precision)?);
    let contents = Contents {
        name: resolved.spec.name.clone(),
        version: "1.0.0".to_owned(),
        tool: concat!("farsight ", env!("CARGO_PKG_VERSION")).to_owned(),
        onnxruntime: library.version().to_owned(),
        precision: recipe.precision,
        labels: resolved.spec.output.labels().to_vec(),
        spec: resolved.spec.clone(),
        target: target.clone(),
        model: bytes,
        source_sha256: source.sha256,
        inputs: after.session().inputs().to_vec(),
        outputs: after.session().outputs().to_vec(),
        self_test,
        compress: false,
    };
    let bytes = farsight_bundle::write(&job.output, &contents)?;
    let report = Report {
        schema: 1,
        bundle: job.output.clone(),
        bytes,
        source_bytes: source.bytes,
        spec: resolved.spec.name,
        target: target.name,
        seconds: start.elapsed().as_secs_f64(),
        peak_rss_mb: memory::peak_rss_mb(),
        precision: recipe.precision,
        passes,
        accuracy,
        latency,
        int8_mac_share: 0.0,
        float_islands: Vec::new(),
        sensitivity: Vec::new(),
        notes,
    };
    report.write()?;
    Ok(report)
}

/// Looks at the place of the bundle and its report before any work is done.
fn check_output(job: &Job) -> Result<(), CompileError> {
    let output = &job.output;
    let refuse = |path: &Path, reason: &str| {
        Err(CompileError::Write { path: path.to_owned(), reason: reason.to_owned() })
    };
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return refuse(output, "the bundle cannot be written there: its folder does not exist");
    }
    if output.exists() && !output.is_file() {
        return refuse(output, "the bundle cannot be written there: this is no regular file");
    }
    if let (Ok(output_path), Ok(model)) = (output.canonicalize(), job.model.canonicalize())
        && output_path == model
    {
        return refuse(output, "the bundle would overwrite its own source model; give another -o");
    }
    let report = Report::path(output);
    if report.exists() && !Report::is_one(&report) {
        return refuse(
            &report,
            "this file is in the way of the report and is no report of farsight's; move it",
        );
    }
    Ok(())
}

/// The recipe that counts: flags beat the file, the file beats the spec.
fn recipe(job: &Job, spec: &ModelSpec) -> Recipe {
    let mut recipe = job.recipe.clone().unwrap_or_else(|| spec.recipe.clone());
    recipe.precision = job.precision.unwrap_or(recipe.precision);
    recipe.max_drop = job.max_drop.unwrap_or(recipe.max_drop);
    recipe
}

fn notes(source: &Source, resolved: &Resolved, target: &Target) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(source.document.opset("").and_then(|opset| target.onnxruntime.too_new(opset)));
    let metadata = source.metadata.as_ref().ok().and_then(Option::as_ref);
    if let Some(licence) = metadata.and_then(|metadata| metadata.licence.as_ref()) {
        notes.push(format!("the file declares the licence: {licence}"));
    }
    if target.memory.budget_mb > 0 {
        notes.push("the target's memory.budget_mb is not enforced by this version".to_owned());
    }
    if target.precision.fp16_arithmetic {
        notes.push(
            "the target's precision.fp16_arithmetic is not used by this version: float16 is storage"
                .to_owned(),
        );
    }
    if resolved.spec.output.labels().is_empty() && resolved.spec.task != farsight_spec::Task::Tensors {
        notes.push(
            "no labels are known: classes are named by their number (--labels A,B,… names them)".to_owned(),
        );
    }
    notes
}

/// The passes in order, each timed and entered.
pub(crate) fn run_passes(
    resolved: &Resolved,
    precision: Precision,
    library: &'static Library,
) -> Result<(Document, Vec<PassEntry>), CompileError> {
    let mut document = resolved.document.clone();
    let mut passes = vec![resolved.fix_shapes.clone()];
    let mut enter = |name, pass: &mut dyn FnMut(&mut Document) -> Result<String, PassError>| {
        let start = Instant::now();
        let summary =
            pass(&mut document).map_err(|error| CompileError::Pass { pass: name, error: Box::new(error) })?;
        passes.push(PassEntry::new(name, summary, start, &document));
        Ok::<(), CompileError>(())
    };
    if !resolved.outputs.is_empty() {
        let settings = CutSettings { keep: resolved.outputs.clone() };
        enter("cut", &mut |document| {
            let cut = cut(document, &settings)?;
            Ok(format!("{} outputs and {} nodes that only fed them", cut.outputs.len(), cut.nodes))
        })?;
    }
    let mut evaluate = |model: &[u8]| constants(library, model);
    enter("fold", &mut |document| {
        let fold = fold(document, &FoldSettings::default(), &mut evaluate)?;
        Ok(format!(
            "{} nodes computed, {} Constant and {} Identity nodes gone",
            fold.folded, fold.constants, fold.identities
        ))
    })?;
    enter("dead", &mut |document| {
        let dead = dead(document)?;
        Ok(format!("{} nodes and {} weights that nothing reads", dead.nodes, dead.initializers))
    })?;
    if precision == Precision::Fp16 {
        enter("fp16-weights", &mut |document| {
            let fp16 = fp16_weights(document, &Fp16Settings::default())?;
            Ok(format!(
                "{} weights stored as float16, {:.2} MB saved, largest relative error {:.1e}, {} left out",
                fp16.stored.len(),
                fp16.saved as f64 / 1e6,
                fp16.max_error,
                fp16.left_out.len()
            ))
        })?;
    }
    Ok((document, passes))
}

/// ONNX Runtime does the arithmetic of a model of constants.
pub(crate) fn constants(library: &'static Library, model: &[u8]) -> Result<Vec<TensorProto>, String> {
    let outputs = evaluate(library, model).map_err(|error| error.to_string())?;
    Ok(outputs
        .into_iter()
        .map(|(info, bytes)| TensorProto {
            name: Some(info.name),
            dims: info.shape.iter().map(|length| length.unwrap_or(0) as i64).collect(),
            data_type: Some(data_type(info.element) as i32),
            raw_data: Some(bytes.into()),
            ..TensorProto::default()
        })
        .collect())
}

/// The target to verify with: its own where it runs here, else this machine's CPU.
fn verification_target(target: &Target, library: &Library, notes: &mut Vec<String>) -> Target {
    if runs_here(target, library) {
        return target.clone();
    }
    notes.push(format!(
        "the target `{}` is not this machine: accuracy was verified on this machine's CPU, latency was not measured",
        target.name
    ));
    let cpu = Provider { name: "CPU".to_owned(), options: BTreeMap::new() };
    Target { providers: vec![cpu], ..target.clone() }
}

/// Whether the target's CPU is this machine's and its providers are in the library.
fn runs_here(target: &Target, library: &Library) -> bool {
    let features = farsight_engine::cpu_features();
    let has = |name: &str| library.providers().iter().any(|provider| provider.eq_ignore_ascii_case(name));
    target.triple == farsight_engine::host_triple()
        && target.providers.iter().all(|provider| has(&provider.name))
        && target.cpu_features.iter().all(|feature| features.contains(feature))
}

fn within_budget(accuracy: &Accuracy) -> Result<(), CompileError> {
    if accuracy.drop <= accuracy.budget {
        return Ok(());
    }
    Err(CompileError::TooMuchLost {
        metric: accuracy.metric,
        source_value: accuracy.source,
        compiled: accuracy.compiled,
        drop: accuracy.drop,
        budget: accuracy.budget,
        samples: accuracy.samples,
        fits: (accuracy.drop * 1e4).ceil() / 1e4,
    })
}

/// Times both sessions on the same generated input.
fn measure(before: &mut Pipeline, after: &mut Pipeline) -> Result<Latency, CompileError> {
    generate::fill_inputs(before, 1)?;
    generate::fill_inputs(after, 1)?;
    let mut pair =
        || latency::interleave(|| Ok(before.session_mut().run()?), || Ok(after.session_mut().run()?));
    let first = pair()?;
    // One interval in forty lies above the truth by chance: a refusal takes two.
    if first.is_slower() { pair() } else { Ok(first) }
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
