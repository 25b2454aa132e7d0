//! Two things timed against each other in one run, interleaved, so that a noisy machine hits both alike.

use std::time::{Duration, Instant};

use farsight::Pipeline;
use serde::Serialize;

use crate::CompileError;
use crate::generate::fill_inputs;

/// How long the compiled model takes, against its source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// Median of the source model, milliseconds.
    pub source_ms: f64,
    /// Median of the compiled model, milliseconds.
    pub compiled_ms: f64,
    /// Median of the paired ratios, compiled ÷ source.
    pub ratio: f64,
    /// 95 % interval of that median.
    pub interval: [f64; 2],
    /// Pairs measured.
    pub pairs: usize,
}

/// A compiled model is slower than its source if the lower end of the interval is above this.
const SLOWER: f64 = 1.03;
const FEWEST_PAIRS: usize = 9;
const MOST_PAIRS: usize = 60;
const BUDGET: Duration = Duration::from_secs(6);

impl Latency {
    /// Whether the compiled model is slower than its source, beyond doubt.
    pub fn is_slower(&self) -> bool {
        self.interval[0] > SLOWER
    }

    fn of(source: &[f64], compiled: &[f64]) -> Self {
        let mut ratios: Vec<f64> = source.iter().zip(compiled).map(|(s, c)| c / s).collect();
        ratios.sort_by(f64::total_cmp);
        let [low, high] = interval_of_median(ratios.len());
        Self {
            source_ms: median(source),
            compiled_ms: median(compiled),
            ratio: median(&ratios),
            interval: [ratios[low], ratios[high]],
            pairs: ratios.len(),
        }
    }
}

/// Times `source` and `compiled` in turn, after one run of each that does not count; who goes first changes
/// from pair to pair. Both return an error to stop.
pub fn interleave<E>(
    mut source: impl FnMut() -> Result<(), E>,
    mut compiled: impl FnMut() -> Result<(), E>,
) -> Result<Latency, E> {
    source()?;
    compiled()?;
    let start = Instant::now();
    let (mut sources, mut compileds) = (Vec::new(), Vec::new());
    while sources.len() < FEWEST_PAIRS || (start.elapsed() < BUDGET && sources.len() < MOST_PAIRS) {
        if sources.len() % 2 == 0 {
            sources.push(milliseconds(&mut source)?);
            compileds.push(milliseconds(&mut compiled)?);
        } else {
            compileds.push(milliseconds(&mut compiled)?);
            sources.push(milliseconds(&mut source)?);
        }
    }
    Ok(Latency::of(&sources, &compileds))
}

/// Times two pipelines' sessions on the same generated input.
///
/// # Errors
/// If a session fails.
pub(crate) fn between(source: &mut Pipeline, compiled: &mut Pipeline) -> Result<Latency, CompileError> {
    fill_inputs(source, 1)?;
    fill_inputs(compiled, 1)?;
    let mut pair = || interleave(|| Ok(source.session_mut().run()?), || Ok(compiled.session_mut().run()?));
    let first = pair()?;
    // One interval in forty lies above the truth by chance: a refusal takes two.
    if first.is_slower() { pair() } else { Ok(first) }
}

fn milliseconds<E>(work: &mut impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// The middle value; of two, their mean. 0 for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Ranks (from 0) between which the median lies with 95 % confidence, whatever the distribution: the
/// binomial's normal approximation, n/2 ± 0.98 √n.
fn interval_of_median(n: usize) -> [usize; 2] {
    let half_width = 0.98 * (n as f64).sqrt();
    let low = (n as f64 / 2.0 - half_width).floor().max(0.0) as usize;
    [low, n.saturating_sub(1 + low)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_their_ranks() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        // For n = 25 the exact binomial interval is the 8th to the 18th value.
        assert_eq!(interval_of_median(25), [7, 17]);
        assert_eq!(interval_of_median(1), [0, 0]);
    }

    #[test]
    fn slower_needs_the_whole_interval_above_the_bar() {
        let source = vec![10.0; 25];
        let noisy: Vec<f64> = (0..25).map(|i| if i % 3 == 0 { 9.0 } else { 10.5 }).collect();
        assert!(Latency::of(&source, &[10.5; 25]).is_slower());
        assert!(!Latency::of(&source, &[10.2; 25]).is_slower());
        assert!(!Latency::of(&source, &noisy).is_slower());
    }
}
