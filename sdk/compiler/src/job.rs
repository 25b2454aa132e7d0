//! Compiling: one straight line from the source model to the bundle and its report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use farsight::{Options, Pipeline};
use farsight_bundle::{Contents, Digest};
use farsight_engine::{Library, Model, evaluate};
use farsight_graph::Facts;
use farsight_graph::onnx::TensorProto;
use farsight_spec::{ModelSpec, Precision, Provider, Recipe, Target};

use crate::candidate::{self, Candidate, Desk};
use crate::chain::{Chain, Effect};
use crate::element::data_type;
use crate::measure::{Inputs, Measure};
use crate::passes::{CutSettings, FoldReport, FoldSettings, PassError, cut, dead, dequantize, fold};
use crate::quantize::Kernels;
use crate::quantized::{Form, quantized_form};
use crate::report::Accuracy;
use crate::self_test::make_self_test;
use crate::source::{Resolved, Source};
use crate::verify::{VerifyData, verify};
use crate::{CompileError, Latency, Report, facts, latency, memory};

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
    let mut target = job.target.clone().on_host(&farsight_engine::host_triple());
    // Average precision takes boxes from this score on.
    let options = Options { library: job.library.clone(), conf: Some(0.001), ..Options::default() };

    progress(Progress { step: "reading the source model", done: 0, total: 0 });
    let source = Source::read(&job.model, library)?;
    let resolved = source.resolve(library, job.spec.clone(), job.labels.as_deref())?;
    let recipe = recipe(job, &resolved.spec);
    let mut notes = notes(&source, &resolved, &target);
    let here = verification_target(&target, library, &mut notes);
    let form = quantized(job, &source, recipe.precision, &mut notes)?;
    let needs_inputs = matches!(recipe.precision, Precision::Int8 | Precision::Auto);
    let inputs = if needs_inputs {
        Inputs::open(job.calibrate.as_deref(), job.data.as_deref(), &resolved.spec, &recipe)?
    } else {
        None
    };

    progress(Progress { step: "running the passes", done: 0, total: 0 });
    let base = base(&resolved, form.is_some() && job.requantize, &here, &options, library)?;
    let desk = Desk {
        job,
        library,
        source: &source,
        resolved: &resolved,
        recipe: &recipe,
        target: &target,
        here: &here,
        options: &options,
        kernels: Kernels::of(&target, &features(job, &target)),
        inputs: inputs.as_ref(),
    };
    let keeps_form = form.is_some() && !job.requantize;
    let candidate = candidate(&desk, &base, keeps_form, runs_here(&target, library), progress)?;
    let Candidate { precision, chain, needs, .. } = candidate;
    let bytes = chain.document.to_bytes().map_err(|error| {
        CompileError::Unresolved(format!(
            "{}: the compiled model would have {error} (--precision fp16 does)",
            job.model.display()
        ))
    })?;
    let is_unchanged = Digest::of(&bytes) == source.sha256;
    let mut before = desk.open_source()?;
    let mut after = Pipeline::from_parts(Model::Bytes(&bytes), &resolved.spec, &here, &options)?;
    let accuracy = match candidate.accuracy {
        Some(accuracy) => accuracy,
        None => verified(&desk, precision, &mut before, &mut after, progress)?,
    };
    let latency = match candidate.latency {
        None if runs_here(&target, library) => {
            progress(Progress { step: "measuring latency against the source model", done: 0, total: 0 });
            Some(latency::between(&mut before, &mut after)?)
        }
        measured => measured,
    };
    drop(before);
    notes.extend(candidate.notes);
    refuse_slower(latency.as_ref(), job.force || is_unchanged, &mut notes)?;

    progress(Progress { step: "writing the bundle", done: 0, total: 0 });
    let passes = chain.passes;
    if let Some(feature) = needs.filter(|feature| !target.cpu_features.iter().any(|known| known == feature)) {
        target.cpu_features.push(feature.to_owned());
    }
    let self_test = Some(make_self_test(&mut after, precision)?);
    let contents = Contents {
        name: resolved.spec.name.clone(),
        version: "1.0.0".to_owned(),
        tool: concat!("farsight ", env!("CARGO_PKG_VERSION")).to_owned(),
        onnxruntime: library.version().to_owned(),
        precision,
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
        spec: contents.spec.name,
        target: target.name,
        seconds: start.elapsed().as_secs_f64(),
        peak_rss_mb: memory::peak_rss_mb(),
        precision,
        passes,
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
    if !matches!(precision, Precision::Int8 | Precision::Auto) {
        return candidate::plain(desk, base, precision);
    }
    let mut measure = match desk.inputs {
        Some(inputs) => Some(Measure::new(desk.open_source()?, inputs, progress)?),
        None => None,
    };
    match precision {
        Precision::Auto => candidate::auto(desk, base, measure.as_mut(), measures_latency, progress),
        _ => candidate::int8(desk, base, measure.as_mut(), progress),
    }
}

/// A candidate that no search has measured, held against the source.
fn verified(
    desk: &Desk<'_>,
    precision: Precision,
    before: &mut Pipeline,
    after: &mut Pipeline,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Accuracy, CompileError> {
    let strict = matches!(precision, Precision::Keep | Precision::Fp32 | Precision::Fp16);
    let samples = if strict { desk.recipe.samples.min(STRICT_SAMPLES) } else { desk.recipe.samples };
    let data = VerifyData::open(desk.job.data.as_deref(), &desk.resolved.spec, samples)?;
    let mut accuracy = verify(before, after, &data, desk.recipe.max_drop, progress)?;
    if !strict {
        accuracy.budget = desk.budget(accuracy.metric);
    }
    within_budget(&accuracy)?;
    Ok(accuracy)
}

/// What moves no rounding point, or only that of storage, differs nowhere or everywhere: few samples show it.
const STRICT_SAMPLES: usize = 32;

/// The form of a source that is quantized already, and what the user should know of it.
fn quantized(
    job: &Job,
    source: &Source,
    precision: Precision,
    notes: &mut Vec<String>,
) -> Result<Option<Form>, CompileError> {
    let form = quantized_form(&source.document.graph);
    let Some(main) = form.main() else { return Ok(None) };
    if job.requantize {
        return Ok(Some(main));
    }
    if !matches!(precision, Precision::Keep | Precision::Auto) {
        return Err(CompileError::Quantized { path: job.model.clone(), form: main.to_string() });
    }
    notes.push(format!("the source is quantized already ({main}); it is kept as it is"));
    notes.extend(form.slow.iter().map(|slow| {
        format!(
            "slow: {} nodes of {}, {}; --requantize quantizes them anew",
            slow.count, slow.op, slow.reason
        )
    }));
    Ok(Some(main))
}

/// CPU features of the target: those of this machine where that is the target.
fn features(job: &Job, target: &Target) -> Vec<String> {
    if job.target.triple == "host" && target.cpu_features.is_empty() {
        return farsight_engine::cpu_features();
    }
    target.cpu_features.clone()
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
    recipe.precision =
        job.precision.unwrap_or(if job.requantize { Precision::Int8 } else { recipe.precision });
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
    if target.shapes != farsight_spec::Shapes::Fixed {
        notes.push(
            "the target's range of shapes is not used by this version: the model gets one shape".to_owned(),
        );
    }
    if resolved.spec.output.labels().is_empty() && resolved.spec.task != farsight_spec::Task::Tensors {
        notes.push(
            "no labels are known: classes are named by their number (--labels A,B,… names them)".to_owned(),
        );
    }
    notes
}

/// The passes that every precision begins with: they do not move the answer, but for turning a quantized model back
/// into float.
fn base<'a>(
    resolved: &'a Resolved,
    dequantizes: bool,
    target: &'a Target,
    options: &'a Options,
    library: &'static Library,
) -> Result<Chain<'a>, CompileError> {
    let start = vec![resolved.fix_shapes.clone()];
    let mut chain = Chain::start(resolved.document.clone(), start, &resolved.spec, target, options)?;
    if !resolved.outputs.is_empty() {
        let settings = CutSettings { keep: resolved.outputs.clone() };
        chain.run("cut", Effect::Exact, |document| {
            let cut = cut(document, &settings)?;
            Ok(format!("{} outputs and {} nodes that only fed them", cut.outputs.len(), cut.nodes))
        })?;
    }
    run_fold(&mut chain, library)?;
    if dequantizes {
        chain.run("dequantize", Effect::Precision, |document| {
            let report = dequantize(document)?;
            Ok(format!(
                "{} operators, {} constants and {} pairs turned back into float, {} nodes stay quantized",
                report.operators,
                report.constants,
                report.pairs,
                report.kept.len()
            ))
        })?;
        run_fold(&mut chain, library)?;
    }
    chain.run("dead", Effect::Exact, |document| {
        let dead = dead(document)?;
        Ok(format!("{} nodes and {} weights that nothing reads", dead.nodes, dead.initializers))
    })?;
    Ok(chain)
}

/// Folds until nothing is left: what a session says of shapes lets more be folded, and then it can say more.
fn run_fold(chain: &mut Chain<'_>, library: &'static Library) -> Result<(), CompileError> {
    chain.run("fold", Effect::Exact, |document| {
        let mut evaluate = |model: &[u8]| constants(library, model);
        let mut all = FoldReport::default();
        let mut known = Facts::default();
        for _ in 0..FOLDS {
            let settings = FoldSettings { facts: known, ..FoldSettings::default() };
            let fold = fold(document, &settings, &mut evaluate)?;
            all.folded += fold.folded;
            all.constants += fold.constants;
            all.identities += fold.identities;
            if fold.folded == 0 && !settings.facts.is_empty() {
                break;
            }
            known = facts(document, library).map_err(|error| PassError::Evaluate(error.to_string()))?;
        }
        Ok(format!(
            "{} nodes computed, {} Constant and {} Identity nodes gone",
            all.folded, all.constants, all.identities
        ))
    })
}

/// Rounds of folding at most; a real model needs two or three.
const FOLDS: usize = 8;

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
        costly: Vec::new(),
    })
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
