//! What is known before anything is done: the source, what it resolves to, and what it is compiled for.

use std::collections::BTreeMap;
use std::path::Path;

use farsight::Options;
use farsight_engine::Library;
use farsight_spec::{ModelSpec, Precision, Provider, Recipe, Target, Task};

use crate::job::Job;
use crate::measure::Inputs;
use crate::quantize::Kernels;
use crate::quantized::{Form, quantized_form};
use crate::source::{Resolved, Source};
use crate::{CompileError, Report};

/// What a compile begins with.
pub(crate) struct Prepared {
    pub(crate) source: Source,
    pub(crate) resolved: Resolved,
    pub(crate) recipe: Recipe,
    /// What is compiled for.
    pub(crate) target: Target,
    /// What models are opened with here.
    pub(crate) here: Target,
    /// Whether the target is this machine, so that its latency can be measured.
    pub(crate) runs_here: bool,
    pub(crate) kernels: Kernels,
    pub(crate) options: Options,
    /// What the source is quantized as already.
    pub(crate) form: Option<Form>,
    /// What calibrates and measures, if the precision needs it.
    pub(crate) inputs: Option<Inputs>,
}

/// Reads the source and decides what is asked for. `notes` get what the user should know.
///
/// # Errors
/// If the output cannot be written, the source cannot be read or resolved, or its data cannot.
pub(crate) fn prepare(
    job: &Job,
    library: &'static Library,
    notes: &mut Vec<String>,
) -> Result<Prepared, CompileError> {
    let target = job.target.clone().on_host(&farsight_engine::host_triple());
    // Average precision takes boxes from this score on.
    let options = Options { library: job.library.clone(), conf: Some(0.001), ..Options::default() };
    let source = Source::read(&job.model, library)?;
    let resolved = source.resolve(library, job.spec.clone(), job.labels.as_deref())?;
    let recipe = recipe(job, &resolved.spec);
    notes.extend(source_notes(&source, &resolved, &target));
    if resolved.spec.task == Task::Tensors && job.spec.is_none() {
        notes.push(
            "nothing in the file says what it answers, so the bundle takes and gives raw tensors (spec `tensors`); for boxes, \
             classes or masks name a spec, such as --spec yolo --labels A,B,… (`farsight models` lists them)"
                .to_owned(),
        );
    }
    let here = verification_target(&target, library, notes);
    let form = quantized(job, &source, recipe.precision, notes)?;
    let inputs = if is_strict(recipe.precision) {
        None
    } else {
        Inputs::open(job.calibrate.as_deref(), job.data.as_deref(), &resolved.spec, &recipe)?
    };
    let runs_here = runs_here(&target, library);
    let kernels = Kernels::of(&target, &features(job, &target));
    Ok(Prepared { source, resolved, recipe, target, here, runs_here, kernels, options, form, inputs })
}

/// Looks at the place of the bundle and its report before any work is done.
///
/// # Errors
/// If something is in the way there.
pub(crate) fn check_output(job: &Job) -> Result<(), CompileError> {
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

/// The recipe that counts: flags beat the file, the file beats the spec. `--requantize` where none names a precision
/// asks for int8.
fn recipe(job: &Job, spec: &ModelSpec) -> Recipe {
    let mut recipe = job.recipe.clone().unwrap_or_else(|| spec.recipe.clone());
    recipe.precision = job.precision.unwrap_or(match recipe.precision {
        Precision::Keep if job.requantize => Precision::Int8,
        precision => precision,
    });
    recipe.max_drop = job.max_drop.unwrap_or(recipe.max_drop);
    recipe
}

/// What the source and the target alone tell.
fn source_notes(source: &Source, resolved: &Resolved, target: &Target) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(source.document.opset("").and_then(|opset| target.onnxruntime.too_new(opset)));
    let metadata = source.metadata.as_ref().ok().and_then(Option::as_ref);
    if let Some(licence) = metadata.and_then(|metadata| metadata.licence.as_ref()) {
        notes.push(format!("the file declares the licence: {licence}"));
    }
    if target.memory.budget_mb > 0 {
        notes.push("the target's memory.budget_mb is not compared here: farsight inspect does, and farsight bench measures peak_rss_mb".to_owned());
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

/// Whether a precision keeps the source's arithmetic, or changes that of storage only.
pub(crate) fn is_strict(precision: Precision) -> bool {
    matches!(precision, Precision::Keep | Precision::Fp32 | Precision::Fp16)
}

/// CPU features of the target: those of this machine where that is the target.
fn features(job: &Job, target: &Target) -> Vec<String> {
    if job.target.triple == "host" && target.cpu_features.is_empty() {
        return farsight_engine::cpu_features();
    }
    target.cpu_features.clone()
}

/// The form of a source that is quantized already, and what the user should know of it.
fn quantized(
    job: &Job,
    source: &Source,
    precision: Precision,
    notes: &mut Vec<String>,
) -> Result<Option<Form>, CompileError> {
    let form = quantized_form(&source.document.graph);
    let Some(main) = form.main() else {
        if job.requantize {
            notes.push("the source is not quantized: --requantize has nothing to turn back".to_owned());
        }
        return Ok(None);
    };
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
