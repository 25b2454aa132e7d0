//! The compiled model held against its source: on the user's data, or on generated inputs.

use std::path::Path;

use farsight::Pipeline;
use farsight_spec::{Activation, Layout, ModelSpec, Output, Task};

use crate::data::Dataset;
use crate::evaluate::{EvaluateSettings, Evaluation, evaluate, left_out};
use crate::generate::fill_inputs;
use crate::report::Accuracy;
use crate::self_test::numbers;
use crate::tally::{AGREEMENT, Measured};
use crate::{CompileError, Progress};

/// Generated inputs that are compared where there is no data.
const GENERATED: usize = 4;

/// What the compiled model is verified on.
pub(crate) enum VerifyData {
    Files(Box<Dataset>, usize),
    Generated,
}

impl VerifyData {
    /// The user's data, at most `most` samples of it; generated inputs where there is none.
    pub(crate) fn open(data: Option<&Path>, spec: &ModelSpec, most: usize) -> Result<Self, CompileError> {
        match data {
            Some(_) if spec.task == Task::Tensors => Err(CompileError::Unresolved(
                "a model without a decoder has no measure; leave --data out, or give a --spec".to_owned(),
            )),
            Some(path) => {
                let data = Dataset::open(path, spec.task, spec.output.labels())?;
                log::info!("{}: {}", path.display(), data.found);
                Ok(Self::Files(Box::new(data), most))
            }
            None => Ok(Self::Generated),
        }
    }
}

/// Compares the compiled model with the source model. `notes` gets what was left out.
pub(crate) fn verify(
    source: &mut Pipeline,
    compiled: &mut Pipeline,
    data: &VerifyData,
    budget: f64,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Accuracy, CompileError> {
    match data {
        VerifyData::Files(data, most) => {
            let settings = EvaluateSettings { conf: 0.25, most: *most };
            let found = evaluate(compiled, Some(source), data, settings, progress)?;
            notes.extend(left_out(&found.failed));
            Ok(on_files(&found, budget))
        }
        VerifyData::Generated => on_generated(source, compiled, budget, progress),
    }
}

fn on_files(found: &Evaluation, budget: f64) -> Accuracy {
    let agreement = found.agreement.map_or(1.0, |agreement| agreement.agreement);
    let measured = Measured::of(found.reference_scores.as_ref(), found.scores.as_ref(), agreement);
    Accuracy {
        metric: measured.metric,
        source: measured.source,
        compiled: measured.compiled,
        drop: (measured.source - measured.compiled).max(0.0),
        deviation: None,
        upper: None,
        budget,
        samples: found.samples,
        agreement,
        max_abs_error: found.agreement.and_then(|agreement| agreement.max_abs_error),
        data: "given",
    }
}

/// Generated inputs show no objects, so raw outputs are compared: decisions where a class is greatest, values
/// elsewhere.
pub(crate) fn on_generated(
    source: &mut Pipeline,
    compiled: &mut Pipeline,
    budget: f64,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Accuracy, CompileError> {
    let mut worst = Difference { agreement: 1.0, max_abs: 0.0 };
    for seed in 0..GENERATED {
        progress(Progress { step: "verifying on generated inputs", done: seed, total: GENERATED });
        fill_inputs(source, seed as u64)?;
        fill_inputs(compiled, seed as u64)?;
        source.session_mut().run().map_err(farsight::Error::from)?;
        compiled.session_mut().run().map_err(farsight::Error::from)?;
        let difference = raw_difference(source, compiled)?.ok_or_else(|| {
            CompileError::Unresolved("the compiled model has other outputs than its source".to_owned())
        })?;
        worst.agreement = worst.agreement.min(difference.agreement);
        worst.max_abs = worst.max_abs.max(difference.max_abs);
    }
    Ok(Accuracy {
        metric: AGREEMENT,
        source: 1.0,
        compiled: worst.agreement,
        drop: 1.0 - worst.agreement,
        deviation: None,
        upper: None,
        budget,
        samples: GENERATED,
        agreement: worst.agreement,
        max_abs_error: Some(worst.max_abs),
        data: "generated",
    })
}

/// # Errors
/// If more was lost than may be.
pub(crate) fn within_budget(accuracy: &Accuracy) -> Result<(), CompileError> {
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

/// How far the raw outputs of two pipelines are apart after a run on the same input.
pub(crate) struct Difference {
    /// Part of the decisions that are the same (the greatest class of a classifier or of a pixel); for boxes
    /// and raw tensors 1 − ‖a − b‖ ÷ ‖a‖.
    pub(crate) agreement: f64,
    pub(crate) max_abs: f64,
}

/// Compares every output of `found` with the output of the same name of `reference`; `None` where one has no such
/// name or another length: another model's raw values say nothing.
pub(crate) fn raw_difference(
    reference: &Pipeline,
    found: &Pipeline,
) -> Result<Option<Difference>, CompileError> {
    let mut difference = Difference { agreement: 1.0, max_abs: 0.0 };
    let names = reference.session().outputs();
    let read = found.spec().output.tensor();
    for (index, output) in found.session().outputs().iter().enumerate() {
        if read.is_some_and(|read| read != output.name) {
            continue;
        }
        let Some(other) = names.iter().position(|candidate| candidate.name == output.name) else {
            return Ok(None);
        };
        let a = values(reference, other)?;
        let b = values(found, index)?;
        if a.len() != b.len() {
            return Ok(None);
        }
        let max_abs = a.iter().zip(&b).map(|(a, b)| distance(*a, *b)).fold(0.0, f64::max);
        difference.max_abs = difference.max_abs.max(max_abs);
        let shape = found.session().output_shape(index).map_err(farsight::Error::from)?;
        let agreement = match classes_axis(found.spec(), shape) {
            Some(axis) => same_argmax(&a, &b, axis),
            None => closeness(&a, &b),
        };
        difference.agreement = difference.agreement.min(agreement);
    }
    Ok(Some(difference))
}

fn values(pipeline: &Pipeline, index: usize) -> Result<Vec<f64>, CompileError> {
    let session = pipeline.session();
    let bytes = session.output_bytes(index).map_err(farsight::Error::from)?;
    Ok(numbers(session.outputs()[index].element, bytes))
}

/// Where the classes of an output lie: how many, and how many values stand between two of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ClassesAxis {
    classes: usize,
    stride: usize,
}

/// `None` where no greatest class decides: boxes, raw tensors, a single logit.
fn classes_axis(spec: &ModelSpec, shape: &[usize]) -> Option<ClassesAxis> {
    let axis = match (&spec.output, shape) {
        (Output::Classes(output), shape) if output.activation != Activation::Sigmoid => {
            ClassesAxis { classes: shape.iter().product(), stride: 1 }
        }
        (Output::Mask(output), &[1, first, height, last]) => match output.layout {
            Some(Layout::Nhwc) => ClassesAxis { classes: last, stride: 1 },
            _ => ClassesAxis { classes: first, stride: height * last },
        },
        _ => return None,
    };
    (axis.classes > 1).then_some(axis)
}

/// Part of the pixels whose greatest class is the same in both; a pixel where only one holds a NaN differs.
fn same_argmax(a: &[f64], b: &[f64], axis: ClassesAxis) -> f64 {
    let pixels = a.len() / axis.classes.max(1);
    if pixels == 0 {
        return 1.0;
    }
    let start = |pixel: usize| if axis.stride == 1 { pixel * axis.classes } else { pixel };
    let greatest = |values: &[f64], pixel: usize| {
        let scores = (0..axis.classes).map(|class| values[start(pixel) + class * axis.stride]);
        let mut best = (0, f64::NEG_INFINITY);
        for (class, score) in scores.enumerate() {
            if score.is_nan() {
                return None;
            }
            if score > best.1 {
                best = (class, score);
            }
        }
        Some(best.0)
    };
    (0..pixels).filter(|&pixel| greatest(a, pixel) == greatest(b, pixel)).count() as f64 / pixels as f64
}

/// 1 − ‖a − b‖ ÷ ‖a‖, at least 0.
pub(crate) fn closeness(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let apart = norm(&mut a.iter().zip(b).map(|(a, b)| distance(*a, *b)));
    let length = norm(&mut a.iter().copied().filter(|a| a.is_finite()));
    if apart == 0.0 {
        return 1.0;
    }
    if length == 0.0 || !apart.is_finite() {
        return 0.0;
    }
    (1.0 - apart / length).max(0.0)
}

/// |a − b|; two NaN, or the same infinity, are equal; NaN and a number are infinitely far apart.
pub(crate) fn distance(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) if a == b => 0.0,
        (false, false) => (a - b).abs(),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_and_values_are_compared() {
        let planes = ClassesAxis { classes: 2, stride: 2 };
        assert_eq!(same_argmax(&[1.0, 0.0, 0.0, 1.0], &[1.0, 1.0, 0.0, 0.0], planes), 0.5);
        let interleaved = ClassesAxis { classes: 2, stride: 1 };
        assert_eq!(same_argmax(&[1.0, 0.0, 0.0, 1.0], &[1.0, 1.0, 0.0, 2.0], interleaved), 1.0);
        assert_eq!(same_argmax(&[1.0, 0.0], &[f64::NAN, f64::NAN], interleaved), 0.0);
        assert_eq!(closeness(&[3.0, 4.0], &[3.0, 4.0]), 1.0);
        assert_eq!(closeness(&[3.0, 4.0], &[3.0, 3.0]), 0.8);
        assert_eq!(closeness(&[0.0], &[1.0]), 0.0);
        assert_eq!(closeness(&[1.0], &[f64::NAN]), 0.0);
        assert_eq!(closeness(&[1.0, f64::NAN, f64::INFINITY], &[1.0, f64::NAN, f64::INFINITY]), 1.0);
    }
}
