//! Measures as they grow, sample by sample. Two of them merge into what all their samples give, in any number
//! of steps: a measure of part of the samples, or of samples drawn anew, needs no second run.

use farsight_vision::{
    Confusion, DetectionDraws, DetectionMetrics, DetectionScores, MultiLabelAp, TopK, Truth,
};

use crate::data::{Dataset, Samples};
use crate::decide::Decision;
use crate::{CompileError, mask_file};

/// Name of the measure that needs no labels.
pub(crate) const AGREEMENT: &str = "agreement";

/// Scores on labelled data; `None` where nothing could be measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    /// By the COCO rules.
    Detect(DetectionScores),
    /// Part of the pictures whose class is first, or among the first five.
    Classify {
        /// First.
        top1: Option<f64>,
        /// Among the first five.
        top5: Option<f64>,
    },
    /// Where several classes may hold at once; see [`MultiLabelAp`]. A class that the pipeline does not report scores 0.
    MultiLabel {
        /// Average precision over all decisions.
        map_micro: Option<f64>,
        /// Mean over the classes of their average precision.
        map_macro: Option<f64>,
        /// F1 over all decisions, at the score from which a class is reported.
        f1_micro: Option<f64>,
        /// Mean over the classes of their F1.
        f1_macro: Option<f64>,
    },
    /// Over all pixels.
    Segment {
        /// Mean over classes.
        miou: Option<f64>,
        /// Of each class, by its label.
        dice: Vec<(String, Option<f64>)>,
        /// Part of the pixels.
        pixel_accuracy: Option<f64>,
    },
}

impl Scores {
    /// Name and value of the measure that a budget is about.
    pub fn measure(&self) -> (&'static str, Option<f64>) {
        match self {
            Self::Detect(scores) => ("ap50_95", scores.ap50_95),
            Self::Classify { top1, .. } => ("top1", *top1),
            Self::MultiLabel { map_macro, .. } => ("map_macro", *map_macro),
            Self::Segment { miou, .. } => ("miou", *miou),
        }
    }
}

/// What a budget is about, for a source model and a compiled one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) metric: &'static str,
    pub(crate) source: f64,
    pub(crate) compiled: f64,
}

impl Measured {
    /// The task's own measure where labels give one, agreement elsewhere.
    pub(crate) fn of(source: Option<&Scores>, compiled: Option<&Scores>, agreement: f64) -> Self {
        match (source.map(Scores::measure), compiled.map(Scores::measure)) {
            (Some((metric, Some(source))), Some((_, Some(compiled)))) => Self { metric, source, compiled },
            // Labels of which nothing can be measured (no object anywhere) say as much as none.
            _ => Self { metric: AGREEMENT, source: 1.0, compiled: agreement },
        }
    }
}

/// The measures of one pipeline, as they grow.
#[derive(Clone)]
pub(crate) enum Tally {
    Detect(DetectionMetrics),
    Classify(TopK),
    MultiLabel(MultiLabelAp),
    Segment(Box<Confusion>),
    Nothing,
}

/// A mask's "does not count".
const IGNORE: u8 = 255;

impl Tally {
    /// No sample yet; `labels` is how many classes the model has.
    pub(crate) fn new(data: &Dataset, labels: usize) -> Result<Self, CompileError> {
        Ok(match &data.samples {
            Samples::Detect(_) => Self::Detect(DetectionMetrics::new()),
            Samples::Classify(_) => Self::Classify(TopK::new()),
            Samples::MultiLabel(_) if labels == 0 => {
                return Err(CompileError::Unresolved(
                    "several classes a sample are measured class by class, and the model has no labels; give them with \
                     --labels"
                        .to_owned(),
                ));
            }
            Samples::MultiLabel(_) => Self::MultiLabel(MultiLabelAp::new(labels)),
            Samples::Segment(_) => {
                let classes = u8::try_from(labels).ok().filter(|classes| *classes > 0).ok_or_else(|| {
                    CompileError::Unresolved(format!(
                        "masks are measured class by class, and the model has {labels} labels; give them with \
                         --labels"
                    ))
                })?;
                Self::Segment(Box::new(Confusion::new(classes, Some(IGNORE))))
            }
            Samples::Unlabelled(_) => Self::Nothing,
        })
    }

    /// Adds a sample: what was found on an input of `size` (`[height, width]`), against its labels.
    pub(crate) fn add(
        &mut self,
        data: &Dataset,
        index: usize,
        found: &Decision,
        size: [usize; 2],
    ) -> Result<(), String> {
        match (self, &data.samples, found) {
            (Self::Detect(metrics), Samples::Detect(samples), Decision::Boxes(found)) => {
                let truths: Vec<Truth> = samples[index]
                    .boxes
                    .iter()
                    .map(|t| Truth { bbox: t.rect.in_pixels(size), class: t.class, crowd: t.crowd })
                    .collect();
                metrics.add(found, &truths);
            }
            (Self::Classify(top), Samples::Classify(samples), Decision::Classes(found)) => {
                top.add(found, samples[index].class);
            }
            (Self::MultiLabel(all), Samples::MultiLabel(samples), Decision::Classes(found)) => {
                all.add(found, &samples[index].classes);
            }
            (Self::Segment(confusion), Samples::Segment(samples), Decision::Mask(found)) => {
                let truth = mask_file::read(&samples[index].mask, size)?;
                confusion
                    .add(found, &truth)
                    .map_err(|e| format!("{}: {e}", samples[index].mask.display()))?;
            }
            (Self::Nothing, ..) => {}
            _ => return Err("the labels are of another task than the model's".to_owned()),
        }
        Ok(())
    }

    /// Adds the samples of another tally on the same data.
    pub(crate) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Detect(all), Self::Detect(part)) => all.merge(part),
            (Self::Classify(all), Self::Classify(part)) => all.merge(part),
            (Self::MultiLabel(all), Self::MultiLabel(part)) => all.merge(part),
            (Self::Segment(all), Self::Segment(part)) => all.merge(part),
            // The data decides which tally it is: others do not meet.
            _ => {}
        }
    }

    /// The tally of all samples of several; none of none.
    pub(crate) fn sum<'t>(mut tallies: impl Iterator<Item = &'t Self>) -> Option<Self> {
        let mut sum = tallies.next()?.clone();
        tallies.for_each(|tally| sum.merge(tally));
        Some(sum)
    }

    /// `conf`: the score from which a box counts for precision and recall, or a class for F1; `labels`: names for the classes' Dice.
    pub(crate) fn scores(&self, conf: f32, labels: &[String]) -> Scores {
        match self {
            Self::Detect(metrics) => Scores::Detect(metrics.scores(conf)),
            Self::Classify(top) => Scores::Classify { top1: top.top1(), top5: top.top5() },
            Self::MultiLabel(all) => Scores::MultiLabel {
                map_micro: all.micro_average(),
                map_macro: all.macro_average(),
                f1_micro: all.f1_micro(conf),
                f1_macro: all.f1_macro(conf),
            },
            Self::Segment(confusion) => Scores::Segment {
                miou: confusion.mean_iou(),
                dice: labels
                    .iter()
                    .enumerate()
                    .map(|(c, label)| (label.clone(), confusion.dice(c)))
                    .collect(),
                pixel_accuracy: confusion.pixel_accuracy(),
            },
            Self::Nothing => Scores::Classify { top1: None, top5: None },
        }
    }
}

/// The tallies of samples, measured over one draw of them after another.
pub(crate) enum TallyDraws<'t> {
    Boxes(DetectionDraws),
    Sums(&'t [Tally]),
}

impl<'t> TallyDraws<'t> {
    pub(crate) fn new(tallies: &'t [Tally]) -> Self {
        let boxes = |tally: &'t Tally| if let Tally::Detect(metrics) = tally { Some(metrics) } else { None };
        match tallies.iter().map(boxes).collect::<Option<Vec<_>>>() {
            Some(boxes) => Self::Boxes(DetectionDraws::new(boxes)),
            None => Self::Sums(tallies),
        }
    }

    /// The measure that a budget is about; `times`: how often each sample was drawn.
    pub(crate) fn measure(&self, times: &[u32]) -> Option<f64> {
        match self {
            Self::Boxes(boxes) => boxes.ap50_95(times),
            Self::Sums(tallies) => Tally::sum(drawn(tallies, times))?.scores(0.0, &[]).measure().1,
        }
    }
}

/// Each part as often as it was drawn.
fn drawn<'t, T>(parts: &'t [T], times: &'t [u32]) -> impl Iterator<Item = &'t T> {
    parts.iter().zip(times).flat_map(|(part, &times)| std::iter::repeat_n(part, times as usize))
}

/// How far two pipelines agree, as it grows.
#[derive(Clone)]
pub(crate) struct AgreementTally {
    conf: f32,
    boxes: DetectionMetrics,
    counts: Counts,
}

/// What an agreement counts beside the boxes that match.
#[derive(Clone, Copy)]
struct Counts {
    /// Objects of the reference.
    reference_boxes: usize,
    /// Boxes of the other as sure as those.
    found_boxes: usize,
    /// Whether not one box differed so far.
    identical: bool,
    same: u64,
    all: u64,
}

impl Counts {
    fn new() -> Self {
        Self { reference_boxes: 0, found_boxes: 0, identical: true, same: 0, all: 0 }
    }

    fn merge(&mut self, other: &Self) {
        self.reference_boxes += other.reference_boxes;
        self.found_boxes += other.found_boxes;
        self.identical &= other.identical;
        self.same += other.same;
        self.all += other.all;
    }

    /// `average_precision`: AP50-95 with the reference's boxes as the truth.
    fn agreement(&self, average_precision: impl FnOnce() -> Option<f64>) -> f64 {
        // By the COCO rules boxes that fully overlap, or more than 100 a picture, cost even a perfect copy.
        if self.identical && self.all == 0 {
            1.0
        } else if self.reference_boxes > 0 {
            let agreement = average_precision().unwrap_or(0.0);
            // COCO adds an epsilon to precision's denominator: a few equal boxes fall short of 1 by it.
            if agreement > 1.0 - 1e-9 { 1.0 } else { agreement }
        } else if self.all > 0 {
            self.same as f64 / self.all as f64
        } else {
            // The reference saw nothing anywhere: they agree if the other sees nothing either.
            f64::from(u8::from(self.found_boxes == 0))
        }
    }
}

impl AgreementTally {
    /// No sample yet; boxes of the reference that score more than `conf` are the truth.
    pub(crate) fn new(conf: f32) -> Self {
        Self { conf, boxes: DetectionMetrics::new(), counts: Counts::new() }
    }

    pub(crate) fn add(&mut self, reference: &Decision, found: &Decision) {
        let counts = &mut self.counts;
        match (reference, found) {
            (Decision::Boxes(reference), Decision::Boxes(found)) => {
                counts.identical &= reference == found;
                let truths: Vec<Truth> = reference
                    .iter()
                    .filter(|d| d.score > self.conf)
                    .map(|d| Truth { bbox: d.bbox.map(f64::from), class: d.class, crowd: false })
                    .collect();
                counts.reference_boxes += truths.len();
                counts.found_boxes += found.iter().filter(|d| d.score >= self.conf).count();
                self.boxes.add(found, &truths);
            }
            (Decision::Classes(reference), Decision::Classes(found)) => {
                counts.all += 1;
                counts.same +=
                    u64::from(reference.first().map(|c| c.class) == found.first().map(|c| c.class));
            }
            (Decision::Mask(reference), Decision::Mask(found)) => {
                counts.all += reference.len() as u64;
                counts.same += reference.iter().zip(found).filter(|(a, b)| a == b).count() as u64;
            }
            _ => counts.all += 1,
        }
    }

    /// Adds the samples of another tally of the same two pipelines.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.boxes.merge(&other.boxes);
        self.counts.merge(&other.counts);
    }

    /// 1 = the same decisions.
    pub(crate) fn result(&self) -> f64 {
        self.counts.agreement(|| self.boxes.scores(self.conf).ap50_95)
    }
}

/// The agreements on samples, measured over one draw of them after another.
pub(crate) struct AgreementDraws {
    boxes: DetectionDraws,
    counts: Vec<Counts>,
}

impl AgreementDraws {
    pub(crate) fn new(tallies: &[AgreementTally]) -> Self {
        Self {
            boxes: DetectionDraws::new(tallies.iter().map(|tally| &tally.boxes)),
            counts: tallies.iter().map(|tally| tally.counts).collect(),
        }
    }

    /// As [`AgreementTally::result`]; `times`: how often each sample was drawn.
    pub(crate) fn result(&self, times: &[u32]) -> f64 {
        let mut sum = Counts::new();
        drawn(&self.counts, times).for_each(|counts| sum.merge(counts));
        sum.agreement(|| self.boxes.ap50_95(times))
    }
}

#[cfg(test)]
mod tests {
    use farsight::{ClassScore, Detection};

    use super::*;
    use crate::data::{ClassSample, Found};

    fn boxes(scores: &[f32]) -> Decision {
        let found = |(i, &score): (usize, &f32)| {
            let x = 20.0 * i as f32;
            Detection { bbox: [x, 0.0, x + 10.0, 10.0], score, class: 0 }
        };
        Decision::Boxes(scores.iter().enumerate().map(found).collect())
    }

    fn class(class: usize) -> Decision {
        Decision::Classes(vec![ClassScore { class, score: 0.5 }])
    }

    /// Agreement over pairs of decisions, at once and sample by sample.
    fn agreement(pairs: &[[Decision; 2]]) -> f64 {
        let (mut whole, mut merged) = (AgreementTally::new(0.25), AgreementTally::new(0.25));
        let mut parts = Vec::new();
        for [reference, found] in pairs {
            whole.add(reference, found);
            let mut part = AgreementTally::new(0.25);
            part.add(reference, found);
            merged.merge(&part);
            parts.push(part);
        }
        assert_eq!(whole.result(), merged.result(), "{pairs:?}");
        assert_eq!(whole.result(), AgreementDraws::new(&parts).result(&vec![1; parts.len()]), "{pairs:?}");
        whole.result()
    }

    #[test]
    fn agreements() {
        let mask = |pixels: &[u8]| Decision::Mask(pixels.to_vec());
        assert_eq!(agreement(&[]), 1.0);
        assert_eq!(agreement(&[[boxes(&[]), boxes(&[])]]), 1.0);
        assert_eq!(agreement(&[[boxes(&[]), boxes(&[0.9])]]), 0.0);
        assert_eq!(agreement(&[[boxes(&[0.9]), boxes(&[0.8])], [boxes(&[0.1]), boxes(&[])]]), 1.0);
        // The second of two objects is missed: precision 1 up to recall .5, at 51 of 101 points.
        let half = agreement(&[[boxes(&[0.9]), boxes(&[0.9])], [boxes(&[0.8]), boxes(&[])]]);
        assert!((half - 51.0 / 101.0).abs() < 1e-9, "{half}");
        assert_eq!(agreement(&[[class(1), class(1)], [class(1), class(2)]]), 0.5);
        assert_eq!(agreement(&[[mask(&[1, 2, 3]), mask(&[1, 2, 0])], [mask(&[1]), mask(&[1])]]), 0.75);
        assert_eq!(agreement(&[[class(1), mask(&[1])]]), 0.0);
    }

    #[test]
    fn merged_tallies_score_as_one() {
        let picture = |class| ClassSample { picture: "a.png".into(), class };
        let samples = Samples::Classify([0, 1, 2].map(picture).to_vec());
        let data = Dataset { path: "a".into(), samples, found: Found::default() };
        let nothing = Tally::new(&data, 3).unwrap();
        let (mut whole, mut merged) = (nothing.clone(), nothing.clone());
        for (index, found) in [class(0), class(0), class(2)].iter().enumerate() {
            whole.add(&data, index, found, [1, 1]).unwrap();
            let mut part = nothing.clone();
            part.add(&data, index, found, [1, 1]).unwrap();
            merged.merge(&part);
        }
        assert_eq!(whole.scores(0.25, &[]), merged.scores(0.25, &[]));
        assert_eq!(whole.scores(0.25, &[]).measure(), ("top1", Some(2.0 / 3.0)));
        assert!(whole.add(&data, 0, &boxes(&[]), [1, 1]).unwrap_err().contains("another task"));
    }

    #[test]
    fn a_budget_is_about_the_labels_where_they_measure_something() {
        let top = |top1| Scores::Classify { top1, top5: None };
        let (source, compiled) = (top(Some(0.9)), top(Some(0.8)));
        let labelled = Measured { metric: "top1", source: 0.9, compiled: 0.8 };
        assert_eq!(Measured::of(Some(&source), Some(&compiled), 0.7), labelled);
        let agreement = Measured { metric: AGREEMENT, source: 1.0, compiled: 0.7 };
        assert_eq!(Measured::of(None, None, 0.7), agreement);
        assert_eq!(Measured::of(Some(&top(None)), Some(&top(None)), 0.7), agreement);
    }
}
