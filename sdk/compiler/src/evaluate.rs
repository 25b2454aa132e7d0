//! A pipeline measured on labelled data, and against another one on the same inputs.

use std::path::{Path, PathBuf};

use farsight::Pipeline;
use serde::Serialize;

use crate::data::Dataset;
use crate::decide::{Decision, Opened, named};
use crate::tally::{AgreementTally, Scores, Tally};
use crate::{CompileError, Progress};

/// How far two pipelines agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// 1 = the same decisions: AP50-95 with the reference's boxes as the truth; part of the pictures with the
    /// same first class; part of the pixels with the same class.
    pub agreement: f64,
    /// Greatest difference of the raw output that the decoder reads; `None` where the two cannot be compared
    /// (rasters, outputs of another name or size).
    pub max_abs_error: Option<f64>,
}

/// An input that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedInput {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub message: String,
}

/// What an evaluation gave.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Inputs that were measured.
    pub samples: usize,
    /// Scores of the pipeline; `None` without labels.
    pub scores: Option<Scores>,
    /// Scores of the pipeline it was held against; `None` without labels or without such a pipeline.
    pub reference_scores: Option<Scores>,
    /// How far the two agree; `None` without a second pipeline.
    pub agreement: Option<Agreement>,
    /// Inputs that could not be used; they count nowhere.
    pub failed: Vec<FailedInput>,
}

/// What is measured, and how boxes are counted.
#[derive(Debug, Clone, Copy)]
pub struct EvaluateSettings {
    /// Score from which a box counts for precision and recall, and as the truth of an agreement.
    pub conf: f32,
    /// At most so many samples, spread over the data set.
    pub most: usize,
}

/// Runs a pipeline over a data set; with `reference`, that one too on the same inputs.
///
/// # Errors
/// If not one input could be used, or masks are to be measured without labels.
pub fn evaluate(
    pipeline: &mut Pipeline,
    mut reference: Option<&mut Pipeline>,
    data: &Dataset,
    settings: EvaluateSettings,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Evaluation, CompileError> {
    let inputs = data.inputs();
    let chosen = data.spread(settings.most);
    let labels = pipeline.spec().output.labels().to_vec();
    let mut tally = Tally::new(data, labels.len())?;
    let mut reference_tally = tally.clone();
    let mut agreement = AgreementTally::new(settings.conf);
    let mut max_abs_error: Option<f64> = None;
    let mut failed = Vec::new();
    for (done, &index) in chosen.iter().enumerate() {
        progress(Progress { step: "evaluating", done, total: chosen.len() });
        let file = inputs[index];
        let result = run_both(pipeline, reference.as_deref_mut(), file).and_then(|run| {
            tally.add(data, index, &run.decision, run.size)?;
            if let Some(other) = &run.reference {
                reference_tally.add(data, index, other, run.size)?;
                agreement.add(other, &run.decision);
                max_abs_error = max_abs_error.into_iter().chain(run.max_abs_error).reduce(f64::max);
            }
            Ok(())
        });
        if let Err(message) = result {
            failed.push(FailedInput { file: file.to_owned(), message });
        }
    }
    let samples = chosen.len() - failed.len();
    some_usable(samples, &failed)?;
    let labelled = data.is_labelled();
    Ok(Evaluation {
        samples,
        scores: labelled.then(|| tally.scores(settings.conf, &labels)),
        reference_scores: (labelled && reference.is_some())
            .then(|| reference_tally.scores(settings.conf, &labels)),
        agreement: reference.is_some().then(|| Agreement { agreement: agreement.result(), max_abs_error }),
        failed,
    })
}

/// An error where every input failed.
pub(crate) fn some_usable(samples: usize, failed: &[FailedInput]) -> Result<(), CompileError> {
    match (samples, failed.first()) {
        (0, Some(first)) => {
            Err(CompileError::Inputs(format!("not one input could be used; the first: {}", first.message)))
        }
        _ => Ok(()),
    }
}

/// What to tell of inputs that were left out.
pub(crate) fn left_out(failed: &[FailedInput]) -> Option<String> {
    let first = &failed.first()?.message;
    Some(format!("{} input(s) left out of the measure; the first: {first}", failed.len()))
}

/// One input through one pipeline, or two.
struct Run {
    decision: Decision,
    reference: Option<Decision>,
    /// `[height, width]` of the input.
    size: [usize; 2],
    max_abs_error: Option<f64>,
}

fn run_both(pipeline: &mut Pipeline, reference: Option<&mut Pipeline>, file: &Path) -> Result<Run, String> {
    let mut input = Opened::open(file, &pipeline.spec().input)?;
    let size = input.size();
    let decision = input.decide(pipeline)?;
    let Some(reference) = reference else {
        return Ok(Run { decision, reference: None, size, max_abs_error: None });
    };
    let other = input.decide(reference)?;
    // What the sessions still hold is a raster's last window.
    let difference = if input.is_raster() {
        None
    } else {
        crate::verify::raw_difference(reference, pipeline).map_err(|error| named(file, error))?
    };
    let max_abs_error = difference.map(|difference| difference.max_abs);
    Ok(Run { decision, reference: Some(other), size, max_abs_error })
}
