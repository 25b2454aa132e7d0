//! `auto`: every precision that may pay is made and measured; the fastest that keeps the answer is taken.

use farsight_spec::Precision;

use super::int8::accuracy;
use super::{Candidate, Desk, Say, int8, plain};
use crate::chain::Chain;
use crate::measure::Measure;
use crate::report::Trial;
use crate::{CompileError, Latency, latency};

/// Less than this is no difference in latency: the smaller model is taken then.
const SAME_LATENCY: f64 = 0.03;

/// A model that is not smaller than this part of another is no smaller model.
const SMALLER: f64 = 0.97;

/// Tries what may pay and takes the best. The source's own arithmetic is always among them.
///
/// # Errors
/// If the measuring itself fails; a precision that fails is a trial with the reason.
pub(crate) fn auto<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    mut measure: Option<&mut Measure<'_>>,
    measures_latency: bool,
    say: &mut Say<'_>,
) -> Result<Candidate<'a>, CompileError> {
    let mut trials = Vec::new();
    let mut best: Option<(f64, usize, Candidate<'a>)> = None;
    for precision in [Precision::Keep, Precision::Int8, Precision::Fp16, Precision::Int8Weights] {
        let tried = attempt(desk, base, precision, measure.as_deref_mut(), measures_latency, say);
        let candidate = match tried {
            Ok(candidate) => candidate,
            Err(error @ (CompileError::Engine(_) | CompileError::Pipeline(_)))
                if precision == Precision::Keep =>
            {
                return Err(error);
            }
            Err(error) => {
                trials.push(refused(precision, &error));
                continue;
            }
        };
        let ratio = candidate.latency.as_ref().map(|latency| latency.ratio);
        let bytes = candidate.chain.document.encoded_len();
        trials.push(Trial {
            precision,
            chosen: false,
            drop: candidate.accuracy.as_ref().map(|accuracy| accuracy.drop),
            ratio,
            bytes: Some(bytes as u64),
            reason: String::new(),
        });
        // Where no latency is measured, the order of the list is the profile's: int8 first.
        let time = ratio.unwrap_or(if precision == Precision::Int8 { 0.5 } else { 1.0 });
        let is_better = best.as_ref().is_none_or(|(best_time, best_bytes, _)| {
            time < best_time * (1.0 - SAME_LATENCY)
                || (time < best_time * (1.0 + SAME_LATENCY) && (bytes as f64) < *best_bytes as f64 * SMALLER)
        });
        if is_better {
            best = Some((time, bytes, candidate));
        }
    }
    let (_, _, mut candidate) = best.ok_or_else(|| {
        CompileError::Unresolved("no precision keeps this model's answer within the budget".to_owned())
    })?;
    explain(&mut trials, candidate.precision, candidate.latency.as_ref().map(|latency| latency.ratio));
    candidate.notes.extend(kept_because(&trials, candidate.precision));
    candidate.trials = trials;
    Ok(candidate)
}

/// One precision, judged and timed.
fn attempt<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    precision: Precision,
    mut measure: Option<&mut Measure<'_>>,
    measures_latency: bool,
    say: &mut Say<'_>,
) -> Result<Candidate<'a>, CompileError> {
    let mut candidate = match precision {
        Precision::Int8 => int8(desk, base, measure.as_deref_mut(), say)?,
        other => plain(desk, base, other)?,
    };
    let Some(measure) = measure else { return Ok(candidate) };
    let mut pipeline = candidate.chain.open()?;
    if candidate.accuracy.is_none() {
        let verdict = measure.on_judge_half(&mut pipeline, say)?;
        let budget = desk.budget(verdict.metric);
        if verdict.drop > budget {
            return Err(CompileError::Unresolved(format!(
                "{} fell by {:.4}, {budget:.4} is allowed",
                verdict.metric, verdict.drop
            )));
        }
        candidate.accuracy = Some(accuracy(&verdict, budget));
    }
    if measures_latency {
        let latency = latency::between(measure.source(), &mut pipeline)?;
        if latency.is_slower() && precision != Precision::Keep {
            return Err(slower(&latency));
        }
        candidate.latency = Some(latency);
    }
    Ok(candidate)
}

fn slower(latency: &Latency) -> CompileError {
    CompileError::Slower {
        source_ms: latency.source_ms,
        compiled_ms: latency.compiled_ms,
        ratio: latency.ratio,
        interval: latency.interval,
    }
}

fn refused(precision: Precision, error: &CompileError) -> Trial {
    let (drop, ratio) = match error {
        CompileError::TooMuchLost { drop, .. } => (Some(*drop), None),
        CompileError::Slower { ratio, .. } => (None, Some(*ratio)),
        _ => (None, None),
    };
    Trial { precision, chosen: false, drop, ratio, bytes: None, reason: error.to_string() }
}

fn explain(trials: &mut [Trial], taken: Precision, best: Option<f64>) {
    for trial in trials.iter_mut().filter(|trial| trial.reason.is_empty()) {
        trial.chosen = trial.precision == taken;
        trial.reason = match (trial.ratio, best) {
            _ if trial.chosen => "the fastest that keeps the answer; of equals the smallest".to_owned(),
            (Some(ratio), Some(best)) if ratio > best * (1.0 + SAME_LATENCY) => {
                format!("slower: latency × {ratio:.2} of the source's, what was taken has × {best:.2}")
            }
            _ => "no faster and no smaller than what was taken".to_owned(),
        };
    }
}

/// Where int8 was not taken, the reason is what the user asks first.
fn kept_because(trials: &[Trial], taken: Precision) -> Option<String> {
    let int8 = trials.iter().find(|trial| trial.precision == Precision::Int8 && !trial.chosen)?;
    Some(format!("{} was taken, not int8, because: {}", taken.name(), int8.reason))
}
