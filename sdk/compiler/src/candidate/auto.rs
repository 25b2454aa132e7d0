//! `auto`: every precision that may pay is made and measured; the fastest that keeps the answer is taken.

use std::time::Duration;

use farsight_spec::Precision;

use super::{Candidate, Desk, Say, int8, judged, plain};
use crate::chain::Chain;
use crate::measure::Measure;
use crate::report::Trial;
use crate::{CompileError, latency};

/// Less than this beside the fastest is no difference in latency: the smaller model is taken then.
const SAME_LATENCY: f64 = 0.03;

/// A model that is not smaller than this part of another is no smaller model.
const SMALLER: f64 = 0.97;

/// What the search for int8 may take. Without labels a hard model would be searched for many minutes, and end in another
/// precision all the same.
const SEARCH_TIME: Duration = Duration::from_secs(120);

/// A candidate that keeps the answer.
struct Fit<'a> {
    candidate: Candidate<'a>,
    cost: Cost,
}

/// What counts among candidates that keep the answer.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Latency ÷ that of the source.
    time: f64,
    bytes: usize,
}

/// Tries what may pay and takes the best. The source's own arithmetic is always among them.
///
/// # Errors
/// If the source's own arithmetic cannot be measured; any other precision that fails is a trial with the reason.
pub(crate) fn auto<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    measure: &mut Measure<'_>,
    measures_latency: bool,
    say: &mut Say<'_>,
) -> Result<Candidate<'a>, CompileError> {
    measure.limit_search(SEARCH_TIME);
    let mut trials = Vec::new();
    let mut fits: Vec<Fit<'a>> = Vec::new();
    for precision in [Precision::Keep, Precision::Int8, Precision::Fp16, Precision::Int8Weights] {
        match attempt(desk, base, precision, measure, measures_latency, say) {
            Ok(candidate) => {
                let cost = cost(&candidate);
                trials.push(fitting(&candidate, cost));
                fits.push(Fit { candidate, cost });
                // The others can be chosen no more, and a document is large.
                let fastest = fastest(fits.iter().map(|fit| fit.cost));
                fits.retain(|fit| is_as_fast(fit.cost, fastest));
            }
            Err(error) if precision == Precision::Keep && !is_refusal(&error) => return Err(error),
            Err(error) => trials.push(refused(precision, &error)),
        }
    }
    let costs: Vec<Cost> = fits.iter().map(|fit| fit.cost).collect();
    let Some(taken) = best(&costs) else { return Err(none_fits(&trials)) };
    let mut candidate = fits.swap_remove(taken).candidate;
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
    measure: &mut Measure<'_>,
    measures_latency: bool,
    say: &mut Say<'_>,
) -> Result<Candidate<'a>, CompileError> {
    let mut candidate = match precision {
        Precision::Int8 => int8(desk, base, Some(measure), say)?,
        other => plain(desk, base, other)?,
    };
    let mut pipeline = candidate.chain.open()?;
    if candidate.accuracy.is_none() {
        candidate.accuracy = Some(judged(desk, &mut pipeline, measure, say)?);
    }
    if measures_latency {
        let latency = latency::between(measure.source(), &mut pipeline)?;
        if latency.is_slower() && precision != Precision::Keep && !desk.job.force {
            return Err(CompileError::Slower {
                source_ms: latency.source_ms,
                compiled_ms: latency.compiled_ms,
                ratio: latency.ratio,
                interval: latency.interval,
            });
        }
        candidate.latency = Some(latency);
    }
    Ok(candidate)
}

/// Whether a measurement said no, rather than failed.
fn is_refusal(error: &CompileError) -> bool {
    matches!(error, CompileError::TooMuchLost { .. } | CompileError::Slower { .. })
}

fn cost(candidate: &Candidate<'_>) -> Cost {
    // Where no latency is measured, the target's rules decide: int8 is what makes a CPU faster.
    let by_rule = if candidate.precision == Precision::Int8 { 0.5 } else { 1.0 };
    Cost {
        time: candidate.latency.as_ref().map_or(by_rule, |latency| latency.ratio),
        bytes: candidate.chain.document.encoded_len(),
    }
}

fn fastest(costs: impl Iterator<Item = Cost>) -> f64 {
    costs.map(|cost| cost.time).fold(f64::INFINITY, f64::min)
}

fn is_as_fast(cost: Cost, fastest: f64) -> bool {
    cost.time <= fastest * (1.0 + SAME_LATENCY)
}

/// The smallest of those that are as fast as the fastest; of equals the first.
fn best(costs: &[Cost]) -> Option<usize> {
    let fastest = fastest(costs.iter().copied());
    let fast = || costs.iter().enumerate().filter(|(_, cost)| is_as_fast(**cost, fastest));
    let smallest = fast().map(|(_, cost)| cost.bytes).min()?;
    fast().find(|(_, cost)| cost.bytes as f64 * SMALLER <= smallest as f64).map(|(place, _)| place)
}

fn fitting(candidate: &Candidate<'_>, cost: Cost) -> Trial {
    Trial {
        precision: candidate.precision,
        chosen: false,
        drop: candidate.accuracy.as_ref().map(|accuracy| accuracy.drop),
        ratio: candidate.latency.as_ref().map(|latency| latency.ratio),
        bytes: Some(cost.bytes as u64),
        reason: String::new(),
    }
}

fn refused(precision: Precision, error: &CompileError) -> Trial {
    let none =
        Trial { precision, chosen: false, drop: None, ratio: None, bytes: None, reason: error.to_string() };
    match error {
        CompileError::TooMuchLost { drop, .. } => Trial { drop: Some(*drop), ..none },
        CompileError::Slower { ratio, interval: [low, high], .. } => Trial {
            ratio: Some(*ratio),
            reason: format!(
                "slower than its source: latency × {ratio:.2} (95 % interval {low:.2} to {high:.2}); --precision {} \
                 --force takes it all the same",
                precision.name()
            ),
            ..none
        },
        _ => none,
    }
}

fn none_fits(trials: &[Trial]) -> CompileError {
    let reasons: Vec<String> =
        trials.iter().map(|trial| format!("{}: {}", trial.precision.name(), trial.reason)).collect();
    CompileError::Unresolved(format!(
        "no precision keeps this model's answer within the budget. {}",
        reasons.join("; ")
    ))
}

/// `best`: latency ÷ the source's of what was taken; `None` where no latency was measured.
fn explain(trials: &mut [Trial], taken: Precision, best: Option<f64>) {
    for trial in trials.iter_mut().filter(|trial| trial.reason.is_empty()) {
        trial.chosen = trial.precision == taken;
        trial.reason = match (trial.ratio, best) {
            (_, Some(_)) if trial.chosen => "the fastest that keeps the answer; of equals the smallest".to_owned(),
            _ if trial.chosen => {
                "it keeps the answer; no latency was measured, and by the rules of the target it is the fastest, of \
                 equals the smallest"
                    .to_owned()
            }
            (Some(ratio), Some(best)) if ratio > best * (1.0 + SAME_LATENCY) => {
                format!("slower: latency × {ratio:.2} of the source's, what was taken has × {best:.2}")
            }
            (None, _) => "by the rules of the target no faster, and no smaller, than what was taken".to_owned(),
            _ => "no faster and no smaller than what was taken".to_owned(),
        };
    }
}

/// Where int8 was not taken, the reason is what the user asks first.
fn kept_because(trials: &[Trial], taken: Precision) -> Option<String> {
    let int8 = trials.iter().find(|trial| trial.precision == Precision::Int8 && !trial.chosen)?;
    Some(format!("{} was taken, not int8, because: {}", taken.name(), int8.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(costs: &[(f64, usize)]) -> Option<usize> {
        let costs: Vec<Cost> = costs.iter().map(|&(time, bytes)| Cost { time, bytes }).collect();
        best(&costs)
    }

    #[test]
    fn the_smallest_of_the_fastest_is_taken() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1.0, 100), (0.6, 90), (1.0, 25)]), Some(1), "faster");
        assert_eq!(of(&[(1.0, 100), (1.2, 25), (1.01, 50)]), Some(2), "as fast and smaller");
        assert_eq!(of(&[(1.0, 100), (0.98, 98)]), Some(0), "neither");
    }

    /// Each is within 3 % of the one before, and the last is 6 % slower than the first.
    #[test]
    fn small_steps_do_not_add_up() {
        assert_eq!(of(&[(1.0, 100), (1.029, 50), (1.059, 25)]), Some(1));
        assert_eq!(of(&[(1.059, 25), (1.029, 50), (1.0, 100)]), Some(1), "in any order");
    }

    #[test]
    fn only_a_measured_no_is_a_refusal() {
        let slower =
            CompileError::Slower { source_ms: 1.0, compiled_ms: 2.0, ratio: 2.0, interval: [1.9, 2.1] };
        assert!(is_refusal(&slower));
        assert!(!is_refusal(&CompileError::Inputs("a.npy: its shape".to_owned())));
        let trials = [refused(Precision::Keep, &CompileError::Inputs("a.npy: its shape".to_owned()))];
        let message = none_fits(&trials).to_string();
        assert!(message.contains("keep: a.npy: its shape"), "{message}");
    }

    #[test]
    fn a_choice_without_latency_says_so() {
        let trial = |precision, ratio| Trial {
            precision,
            chosen: false,
            drop: None,
            ratio,
            bytes: None,
            reason: String::new(),
        };
        let mut trials = [trial(Precision::Keep, None), trial(Precision::Int8, None)];
        explain(&mut trials, Precision::Int8, None);
        assert!(trials[1].chosen && trials[1].reason.contains("no latency was measured"), "{trials:?}");
        assert!(trials[0].reason.starts_with("by the rules"), "{trials:?}");
        let mut trials = [trial(Precision::Keep, Some(1.0)), trial(Precision::Int8, Some(0.5))];
        explain(&mut trials, Precision::Int8, Some(0.5));
        assert!(trials[1].reason.starts_with("the fastest"), "{trials:?}");
        assert!(trials[0].reason.contains("× 1.00"), "{trials:?}");
    }
}
