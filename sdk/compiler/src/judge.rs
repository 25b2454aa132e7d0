//! Compiled models held against their source on the same samples, as a search does again and again: the source
//! runs once. How sure a drop is comes from a bootstrap (Efron 1979): the samples are drawn anew, with
//! replacement, and the drop of each draw is taken. Both models get the same draws, so what makes a sample hard
//! for both falls out of the difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use farsight::Pipeline;

use crate::data::{Dataset, Samples};
use crate::decide::{Decision, Opened};
use crate::evaluate::{EvaluateSettings, FailedInput, some_usable};
use crate::generate::Random;
use crate::runs::Runs;
use crate::tally::{AGREEMENT, AgreementDraws, AgreementTally, Measured, Scores, Tally, TallyDraws};
use crate::thinning::Thinning;
use crate::{CompileError, Progress};

/// Draws of the bootstrap.
const DRAWS: usize = 200;
/// Where the draws start: any number will do, and it stays the same.
const SEED: u64 = 1;
/// Part of the draws that lie at or below [`Verdict::upper`].
const CONFIDENCE: f64 = 0.95;
/// The source's decisions may take so many bytes: masks of whole scenes are large.
const MOST_HELD: usize = 128 << 20;

/// Holds compiled models against their source on fixed samples; the source runs once.
pub struct Judge<'d> {
    data: &'d Dataset,
    conf: f32,
    /// A tally without a sample.
    nothing: Tally,
    samples: Vec<Sample>,
    /// The source's measures, one a sample.
    tallies: Vec<Tally>,
    /// The source's scores on all samples.
    scores: Scores,
    /// Whether labels are the measure.
    by_labels: bool,
    /// The source's measure in each draw; `None` where the draw holds nothing to be found.
    drawn: Vec<Option<f64>>,
    failed: Vec<FailedInput>,
    thinned: usize,
}

/// A sample, and what the source decides about it.
#[derive(Clone)]
struct Sample {
    /// Its place in the data.
    index: usize,
    decision: Arc<Kept>,
}

/// A decision in little memory.
enum Kept {
    AsItIs(Decision),
    Mask(Runs),
}

impl Kept {
    fn of(decision: Decision) -> Self {
        match decision {
            Decision::Mask(mask) => Self::Mask(Runs::of(&mask)),
            small => Self::AsItIs(small),
        }
    }

    fn decision(&self) -> Decision {
        match self {
            Self::AsItIs(decision) => decision.clone(),
            Self::Mask(runs) => Decision::Mask(runs.mask()),
        }
    }

    /// Bytes held; boxes and classes are too few to count.
    fn size(&self) -> usize {
        match self {
            Self::AsItIs(_) => 0,
            Self::Mask(runs) => runs.size(),
        }
    }
}

/// What a compiled model loses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The measure: `ap50_95`, `top1` or `miou` where labels give one, else `agreement` with the source.
    pub metric: &'static str,
    /// Its value for the source.
    pub source: f64,
    /// Its value for the compiled model.
    pub compiled: f64,
    /// What was lost; never below 0.
    pub drop: f64,
    /// Standard deviation of the drop over the draws. Draws without anything to find are left out. 0 on one
    /// sample, which knows no spread.
    pub deviation: f64,
    /// The drop (below 0 for a gain) that 95 of 100 draws do not exceed.
    pub upper: f64,
    /// 1 = the same decisions as the source, as [`crate::Agreement::agreement`].
    pub agreement: f64,
    /// On how many samples.
    pub samples: usize,
}

impl<'d> Judge<'d> {
    /// Runs the source over `chosen` (indices of samples) and keeps what it decides: runs of pixels for masks,
    /// else the boxes or classes. Of the settings `conf` counts; how many samples there are `chosen` says.
    /// Samples that cannot be used are left out ([`Judge::failed`]), and every second one for as often as the masks
    /// take too much memory ([`Judge::thinned`]).
    ///
    /// # Errors
    /// If not one sample could be used, the data has no such sample, or masks are to be measured without labels.
    pub fn new(
        source: &mut Pipeline,
        data: &'d Dataset,
        chosen: Vec<usize>,
        settings: EvaluateSettings,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CompileError> {
        let nothing = Tally::new(data, source.spec().output.labels().len())?;
        check(&chosen, data)?;
        let inputs = data.inputs();
        let (mut thinning, mut failed) = (Thinning::new(MOST_HELD), Vec::new());
        for (done, &index) in chosen.iter().enumerate() {
            progress(Progress { step: "running the source model", done, total: chosen.len() });
            if !thinning.wants(done) {
                continue;
            }
            let mut tally = nothing.clone();
            let decision = Opened::open(inputs[index], &source.spec().input).and_then(|mut input| {
                let decision = input.decide(source)?;
                tally.add(data, index, &decision, input.size())?;
                Ok(Kept::of(decision))
            });
            match decision {
                Ok(decision) => {
                    let size = decision.size();
                    thinning.keep(done, size, (Sample { index, decision: Arc::new(decision) }, tally));
                }
                Err(message) => failed.push(FailedInput { file: inputs[index].to_owned(), message }),
            }
        }
        let (samples, tallies): (Vec<_>, Vec<_>) = thinning.kept().unzip();
        some_usable(samples.len(), &failed)?;
        let thinned = chosen.len() - failed.len() - samples.len();
        Ok(Self { thinned, ..Self::of(data, settings.conf, nothing, samples, tallies, failed) })
    }

    /// `tallies`: the source's, one a sample; there is one at least.
    fn of(
        data: &'d Dataset,
        conf: f32,
        nothing: Tally,
        samples: Vec<Sample>,
        tallies: Vec<Tally>,
        failed: Vec<FailedInput>,
    ) -> Self {
        let scores = scores(&tallies, &nothing);
        let by_labels = scores.measure().1.is_some();
        let drawn = if by_labels {
            let tallies = TallyDraws::new(&tallies);
            draws(samples.len()).map(|times| tallies.measure(&times)).collect()
        } else {
            Vec::new()
        };
        Self { data, conf, nothing, samples, tallies, scores, by_labels, drawn, failed, thinned: 0 }
    }

    /// One that measures on the samples of both.
    pub fn joined(&self, other: &Self) -> Self {
        let samples = self.samples.iter().chain(&other.samples).cloned().collect();
        let tallies = self.tallies.iter().chain(&other.tallies).cloned().collect();
        Self::of(self.data, self.conf, self.nothing.clone(), samples, tallies, Vec::new())
    }

    /// Whether labels are the measure.
    pub fn is_labelled(&self) -> bool {
        self.by_labels
    }

    /// Whether labels can tell a loss: of a measure that is 0 for the source nothing can be lost.
    pub fn labels_tell(&self) -> bool {
        self.by_labels && self.scores.measure().1.is_some_and(|value| value > 0.0)
    }

    /// From now on agreement is the measure, whatever labels there are.
    pub fn leave_labels(&mut self) {
        self.by_labels = false;
    }

    /// Whether there is anything to be right about: labels that are the measure, or something that the source found.
    /// Where neither is, any model that finds nothing would pass as perfect.
    pub fn has_something_to_find(&self) -> bool {
        let found = |sample: &Sample| match &*sample.decision {
            Kept::AsItIs(Decision::Boxes(boxes)) => boxes.iter().any(|found| found.score > self.conf),
            Kept::AsItIs(_) | Kept::Mask(_) => true,
        };
        self.by_labels || self.samples.iter().any(found)
    }

    /// How many samples are measured.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Samples that could not be used; they count for neither model.
    pub fn failed(&self) -> &[FailedInput] {
        &self.failed
    }

    /// Samples that were left out because the source's masks of all would take too much memory.
    pub fn thinned(&self) -> usize {
        self.thinned
    }

    /// Runs a compiled model over the same samples.
    ///
    /// # Errors
    /// If it fails on a sample that the source could do.
    pub fn measure(
        &self,
        compiled: &mut Pipeline,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Verdict, CompileError> {
        let inputs = self.data.inputs();
        let (mut tallies, mut agreements) = (Vec::new(), Vec::new());
        for (done, sample) in self.samples.iter().enumerate() {
            progress(Progress { step: "measuring a compiled model", done, total: self.samples.len() });
            let held = Opened::open(inputs[sample.index], &compiled.spec().input).and_then(|mut input| {
                let decision = input.decide(compiled)?;
                self.hold(sample, &decision, input.size())
            });
            let (tally, agreement) = held.map_err(|message| {
                CompileError::Unresolved(format!(
                    "the compiled model fails on an input that its source could do: {message}"
                ))
            })?;
            tallies.push(tally);
            agreements.push(agreement);
        }
        Ok(self.verdict(&tallies, &agreements))
    }

    /// One decision of a compiled model, against the labels and against the source's.
    fn hold(
        &self,
        sample: &Sample,
        found: &Decision,
        size: [usize; 2],
    ) -> Result<(Tally, AgreementTally), String> {
        let (mut tally, mut agreement) = (self.nothing.clone(), AgreementTally::new(self.conf));
        tally.add(self.data, sample.index, found, size)?;
        agreement.add(&sample.decision.decision(), found);
        Ok((tally, agreement))
    }

    /// Of a compiled model's measures, one a sample.
    fn verdict(&self, tallies: &[Tally], agreements: &[AgreementTally]) -> Verdict {
        let mut agreement = AgreementTally::new(self.conf);
        agreements.iter().for_each(|one| agreement.merge(one));
        let agreement = agreement.result();
        let scores = scores(tallies, &self.nothing);
        let labels = self.by_labels.then_some(&self.scores);
        let measured = Measured::of(labels, Some(&scores), agreement);
        let drop = measured.source - measured.compiled;
        let drops = if measured.metric == AGREEMENT {
            let agreements = AgreementDraws::new(agreements);
            draws(self.samples()).map(|times| 1.0 - agreements.result(&times)).collect()
        } else {
            self.drops(tallies)
        };
        Verdict {
            metric: measured.metric,
            source: measured.source,
            compiled: measured.compiled,
            drop: drop.max(0.0),
            deviation: deviation(&drops),
            upper: upper(drops).unwrap_or(drop),
            agreement,
            samples: self.samples(),
        }
    }

    /// The drop of each draw that holds something to be found.
    fn drops(&self, tallies: &[Tally]) -> Vec<f64> {
        let compiled = TallyDraws::new(tallies);
        let drop = |(times, source): (Vec<u32>, &Option<f64>)| Some((*source)? - compiled.measure(&times)?);
        draws(self.samples()).zip(&self.drawn).filter_map(drop).collect()
    }
}

fn check(chosen: &[usize], data: &Dataset) -> Result<(), CompileError> {
    let message = match chosen.iter().find(|&&index| index >= data.len()) {
        Some(index) => format!("{}: there is no sample {index} of {}", data.path.display(), data.len()),
        None if chosen.is_empty() => format!("{}: no sample was chosen to measure on", data.path.display()),
        None => return Ok(()),
    };
    Err(CompileError::Unresolved(message))
}

/// Over all samples. Boxes above any score count for the measure, and no class is asked for by name.
fn scores(tallies: &[Tally], nothing: &Tally) -> Scores {
    Tally::sum(tallies.iter()).as_ref().unwrap_or(nothing).scores(0.0, &[])
}

/// As many samples as there are, drawn with replacement: how often each was drawn. The same draws for the same number
/// of samples.
fn draws(samples: usize) -> impl Iterator<Item = Vec<u32>> {
    let mut random = Random(SEED);
    (0..DRAWS).map(move |_| {
        let mut times = vec![0; samples];
        (0..samples).for_each(|_| times[random.below(samples)] += 1);
        times
    })
}

/// Standard deviation of a sample; 0 for fewer than two values.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0)).sqrt()
}

/// The least value that [`CONFIDENCE`] of them do not exceed; none of nothing.
fn upper(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * CONFIDENCE).ceil() as usize;
    values.get(place.saturating_sub(1)).copied()
}

/// Pairs of blocks that [`blocks`] makes at most.
const MOST_PAIRS: usize = 4;
/// Samples in a pair of blocks, at least.
const LEAST_IN_PAIR: usize = 16;

/// Splits the data into a half to search on and a half to judge on, the first at most one larger. Both are sorted.
///
/// Pictures of one film are neighbours, and near-copies of what was searched on would judge too kindly: the
/// halves take whole blocks of neighbours in turn. 8 blocks, fewer where they would hold less than 8 samples,
/// never less than 2: each half sees four places of the data (two blocks alone may be day and night), and near-copies
/// meet at 7 borders only.
///
/// Where samples have a class, each class is halved so: sorted by folder, the first half would be other classes than
/// the second.
pub fn halves(data: &Dataset) -> (Vec<usize>, Vec<usize>) {
    let (mut search, mut judge) = (Vec::new(), Vec::new());
    for group in classes(data) {
        let (larger, smaller) = blocks(&group);
        let (first, second) = if search.len() <= judge.len() { (larger, smaller) } else { (smaller, larger) };
        search.extend(first);
        judge.extend(second);
    }
    search.sort_unstable();
    judge.sort_unstable();
    (search, judge)
}

/// The samples of each class; all in one group where they have none.
fn classes(data: &Dataset) -> Vec<Vec<usize>> {
    let Samples::Classify(samples) = &data.samples else { return vec![(0..data.len()).collect()] };
    let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, sample) in samples.iter().enumerate() {
        classes.entry(sample.class).or_default().push(index);
    }
    classes.into_values().collect()
}

/// Blocks of neighbours in turn, the first half at most one larger.
fn blocks(indices: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let pairs = (indices.len() / LEAST_IN_PAIR).clamp(1, MOST_PAIRS);
    let mut halves = [Vec::new(), Vec::new()];
    let lengths = [indices.len().div_ceil(2), indices.len() / 2];
    let mut rest = indices;
    for pair in 1..=pairs {
        for (half, length) in halves.iter_mut().zip(lengths) {
            let (block, after) = rest.split_at(length * pair / pairs - half.len());
            half.extend_from_slice(block);
            rest = after;
        }
    }
    halves.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use farsight::{ClassScore, Detection};

    use super::*;
    use crate::data::{ClassSample, DetectionSample, Found, Samples, TruthBox, TruthRect};

    const CONF: f32 = 0.25;

    fn data(samples: Samples) -> Dataset {
        Dataset { path: "data".into(), samples, found: Found::default() }
    }

    fn unlabelled(samples: usize) -> Dataset {
        data(Samples::Unlabelled(vec!["a.png".into(); samples]))
    }

    fn classes(truths: &[usize]) -> Dataset {
        let sample = |&class: &usize| ClassSample { picture: "a.png".into(), class };
        data(Samples::Classify(truths.iter().map(sample).collect()))
    }

    fn class(class: usize) -> Decision {
        Decision::Classes(vec![ClassScore { class, score: 0.9 }])
    }

    pub(crate) fn judge(data: &Dataset, decisions: Vec<Decision>) -> Judge<'_> {
        let nothing = Tally::new(data, 9).unwrap();
        let tally = |(index, decision): (usize, &Decision)| {
            let mut tally = nothing.clone();
            tally.add(data, index, decision, [1, 1]).unwrap();
            tally
        };
        let tallies: Vec<Tally> = decisions.iter().enumerate().map(tally).collect();
        let sample = |(index, decision)| Sample { index, decision: Arc::new(Kept::of(decision)) };
        let samples = decisions.into_iter().enumerate().map(sample).collect();
        Judge::of(data, CONF, nothing, samples, tallies, Vec::new())
    }

    pub(crate) fn verdict(judge: &Judge, decisions: &[Decision]) -> Verdict {
        let held = judge.samples.iter().zip(decisions);
        let (tallies, agreements): (Vec<_>, Vec<_>) =
            held.map(|(sample, found)| judge.hold(sample, found, [1, 1]).unwrap()).unzip();
        judge.verdict(&tallies, &agreements)
    }

    /// 100 pictures, the source right on 90 of them, the compiled model wrong on every tenth of these.
    #[test]
    fn the_spread_of_a_share_is_the_binomial_one() {
        let truths: Vec<usize> = (0..100).map(|i| i % 2).collect();
        let data = classes(&truths);
        let source: Vec<Decision> = (0..100).map(|i| class(if i < 90 { i % 2 } else { 2 })).collect();
        let compiled: Vec<Decision> =
            (0..100).map(|i| class(if i < 90 && i % 10 > 0 { i % 2 } else { 2 })).collect();
        let found = verdict(&judge(&data, source.clone()), &compiled);
        assert_eq!((found.metric, found.source, found.compiled, found.samples), ("top1", 0.9, 0.81, 100));
        assert!((found.drop - 0.09).abs() < 1e-12, "{found:?}");
        assert!((found.agreement - 0.91).abs() < 1e-12, "{found:?}");
        // In pairs: .09 of the samples differ, sqrt(.09 * .91 / 100). Not in pairs it would be .050.
        assert!((found.deviation - 0.0286).abs() < 0.004, "{found:?}");
        assert!((found.upper - (0.09 + 1.645 * 0.0286)).abs() < 0.015, "{found:?}");
        assert_eq!(found, verdict(&judge(&data, source), &compiled), "the same numbers every time");
    }

    #[test]
    fn a_gain_is_no_drop_and_an_equal_model_has_no_spread() {
        let data = classes(&[0, 1, 2, 3]);
        let judge = judge(&data, vec![class(0), class(1), class(1), class(1)]);
        let gain = verdict(&judge, &[class(0), class(1), class(2), class(3)]);
        assert_eq!((gain.source, gain.compiled, gain.drop), (0.5, 1.0, 0.0));
        assert!(gain.upper <= 0.0 && gain.deviation > 0.0, "{gain:?}");
        let equal = verdict(&judge, &[class(0), class(1), class(1), class(1)]);
        assert_eq!((equal.drop, equal.deviation, equal.upper, equal.agreement), (0.0, 0.0, 0.0, 1.0));
    }

    #[test]
    fn without_labels_agreement_is_the_measure() {
        let data = unlabelled(4);
        let found = verdict(&judge(&data, vec![class(1); 4]), &[class(1), class(1), class(1), class(2)]);
        assert_eq!((found.metric, found.source, found.compiled, found.drop), (AGREEMENT, 1.0, 0.75, 0.25));
        assert!(found.deviation > 0.15 && found.upper >= 0.5, "{found:?}");
        let masks = [Decision::Mask(vec![1, 1]), Decision::Mask(vec![1, 1])];
        let data = unlabelled(2);
        let found = verdict(&judge(&data, masks.to_vec()), &[masks[0].clone(), Decision::Mask(vec![1, 2])]);
        assert_eq!((found.compiled, found.upper), (0.75, 0.5));
    }

    /// One of three pictures shows an object: draws without it say nothing.
    #[test]
    fn draws_without_anything_to_find_are_left_out() {
        let rect = TruthRect::Pixels([0.0, 0.0, 10.0, 10.0]);
        let mut samples = vec![DetectionSample { picture: "a.png".into(), boxes: Vec::new() }; 3];
        samples[1].boxes.push(TruthBox { class: 0, rect, crowd: false });
        let data = data(Samples::Detect(samples));
        let there = Decision::Boxes(vec![Detection { bbox: [0.0, 0.0, 10.0, 10.0], score: 0.9, class: 0 }]);
        let none = Decision::Boxes(Vec::new());
        let judge = judge(&data, vec![none.clone(), there, none.clone()]);
        assert!(judge.drawn.iter().any(Option::is_none));
        let found = verdict(&judge, &[none.clone(), none.clone(), none]);
        assert_eq!((found.metric, found.compiled), ("ap50_95", 0.0));
        assert!(found.deviation < 1e-12, "{found:?}");
        assert!(found.source > 0.999 && found.upper > 0.999, "{found:?}");
    }

    #[test]
    fn samples_that_are_not_there_are_refused() {
        let data = classes(&[0, 1]);
        assert!(check(&[0, 1], &data).is_ok());
        assert!(check(&[2], &data).unwrap_err().to_string().contains("no sample 2 of 2"));
        assert!(check(&[], &data).unwrap_err().to_string().contains("no sample was chosen"));
    }

    #[test]
    fn halves_are_balanced_blocks() {
        for count in 1..300 {
            let (first, second) = halves(&unlabelled(count));
            assert!(first.len() - second.len() <= 1, "{count}");
            let mut both = [first.clone(), second].concat();
            both.sort_unstable();
            assert_eq!(both, (0..count).collect::<Vec<_>>());
            let borders = first.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
            assert_eq!(borders + 1, (count / 16).clamp(1, 4), "{count}");
        }
        assert_eq!(halves(&unlabelled(1)), (vec![0], vec![]));
        assert_eq!(halves(&unlabelled(3)), (vec![0, 1], vec![2]));
    }

    /// As folders give them: all cats before all dogs.
    #[test]
    fn each_half_sees_each_class() {
        let truths = [vec![0; 10], vec![1; 11], vec![2; 3], vec![3; 1], vec![4; 1]].concat();
        let (search, judge) = halves(&classes(&truths));
        let of_class = |half: &[usize], class| half.iter().filter(|&&index| truths[index] == class).count();
        let counts = |half: &[usize]| [0, 1, 2, 3, 4].map(|class| of_class(half, class));
        assert_eq!((counts(&search), counts(&judge)), ([5, 6, 1, 1, 0], [5, 5, 2, 0, 1]));
        assert!(search.is_sorted() && judge.is_sorted());
    }

    #[test]
    fn joined_halves_measure_as_one() {
        let data = classes(&[0, 1, 2, 3]);
        let decisions = vec![class(0), class(1), class(1), class(3)];
        let whole = judge(&data, decisions.clone());
        let part = |from: usize, to: usize| {
            let all = judge(&data, decisions.clone());
            let nothing = all.nothing.clone();
            let (samples, tallies) = (all.samples[from..to].to_vec(), all.tallies[from..to].to_vec());
            Judge::of(&data, CONF, nothing, samples, tallies, Vec::new())
        };
        let joined = part(0, 2).joined(&part(2, 4));
        let found = [class(0), class(2), class(1), class(3)];
        assert_eq!(verdict(&joined, &found), verdict(&whole, &found));
        assert_eq!(verdict(&joined, &found).samples, 4);
    }

    #[test]
    fn labels_can_be_left() {
        let data = classes(&[0, 1, 2, 3]);
        let mut judge = judge(&data, vec![class(0), class(1), class(1), class(1)]);
        assert!(judge.labels_tell() && judge.has_something_to_find());
        judge.leave_labels();
        let found = verdict(&judge, &[class(0), class(1), class(1), class(2)]);
        assert_eq!((found.metric, found.source, found.compiled), (AGREEMENT, 1.0, 0.75));
        assert!(found.deviation > 0.0);
    }

    #[test]
    fn labels_of_which_the_source_finds_none_measure_nothing() {
        let data = classes(&[0, 1]);
        let judge = judge(&data, vec![class(2), class(3)]);
        assert!(judge.is_labelled() && !judge.labels_tell());
    }
}
