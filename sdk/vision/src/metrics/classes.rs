//! Measures of classification.

use super::mean;
use crate::ClassScore;

/// How often the right class is the first, or one of the first five.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopK {
    samples: usize,
    first: usize,
    first_five: usize,
}

impl TopK {
    /// No sample yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample: the classes found, best first, five or more of them, and the right one.
    pub fn add(&mut self, found: &[ClassScore], truth: usize) {
        let place = found.iter().position(|found| found.class == truth);
        self.samples += 1;
        self.first += usize::from(place == Some(0));
        self.first_five += usize::from(place.is_some_and(|place| place < 5));
    }

    /// Adds the samples of another: the same as if each had been added here.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.first += other.first;
        self.first_five += other.first_five;
    }

    /// How many samples were added.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Part of the samples whose right class is the first; none without samples.
    pub fn top1(&self) -> Option<f64> {
        self.part(self.first)
    }

    /// Part of the samples whose right class is one of the first five; none without samples.
    pub fn top5(&self) -> Option<f64> {
        self.part(self.first_five)
    }

    fn part(&self, right: usize) -> Option<f64> {
        (self.samples > 0).then(|| right as f64 / self.samples as f64)
    }
}

/// Average precision of a multi-label classifier, over classes (macro) and over all decisions (micro).
#[derive(Debug, Clone)]
pub struct MultiLabelAp {
    /// For every class, one pair a sample.
    classes: Vec<Vec<(f32, bool)>>,
}

impl MultiLabelAp {
    /// No sample yet of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![Vec::new(); classes] }
    }

    /// Adds a sample: what was found, one entry a class in any order, and the classes that are there. A class
    /// that was not found scores 0; classes that do not exist are passed over.
    pub fn add(&mut self, found: &[ClassScore], there: &[usize]) {
        self.classes.iter_mut().for_each(|class| class.push((0.0, false)));
        for found in found {
            if let Some(last) = self.classes.get_mut(found.class).and_then(|class| class.last_mut()) {
                last.0 = found.score;
            }
        }
        for &class in there {
            if let Some(last) = self.classes.get_mut(class).and_then(|class| class.last_mut()) {
                last.1 = true;
            }
        }
    }

    /// Mean over the classes that are there in some sample. (scikit-learn counts the others as 0.)
    pub fn macro_average(&self) -> Option<f64> {
        mean(self.classes.iter().filter_map(|class| average_precision(class)))
    }

    /// Adds the samples of another measure of the same classes.
    pub fn merge(&mut self, other: &Self) {
        for (all, part) in self.classes.iter_mut().zip(&other.classes) {
            all.extend(part);
        }
    }

    /// Mean F1 over the classes that are there or were found in some sample, where a score greater than `threshold`
    /// finds a class. (scikit-learn counts the others as 0.)
    pub fn f1_macro(&self, threshold: f32) -> Option<f64> {
        mean(self.classes.iter().filter_map(|class| f1(class, threshold)))
    }

    /// F1 over all samples and classes as if they were one class.
    pub fn f1_micro(&self, threshold: f32) -> Option<f64> {
        f1(&self.classes.concat(), threshold)
    }

    /// Over all samples and classes as if they were one class.
    pub fn micro_average(&self) -> Option<f64> {
        average_precision(&self.classes.concat())
    }
}

/// Twice what was found rightly, of all that was found and all that is there; none of nothing.
fn f1(scores: &[(f32, bool)], threshold: f32) -> Option<f64> {
    let count = |of: fn(bool, bool) -> bool| {
        scores.iter().filter(|(score, there)| of(*score > threshold, *there)).count() as f64
    };
    let (right, found, there) =
        (count(|found, there| found && there), count(|found, _| found), count(|_, there| there));
    (found + there > 0.0).then(|| 2.0 * right / (found + there))
}

/// Average precision of scores and whether each belongs to a positive; none without positives.
///
/// scikit-learn's definition (1.9 `average_precision_score`): the sum, over the distinct scores from the top,
/// of precision times the recall gained; not interpolated. NaN counts as the lowest score.
pub fn average_precision(scores: &[(f32, bool)]) -> Option<f64> {
    let positives = scores.iter().filter(|(_, positive)| *positive).count();
    if positives == 0 {
        return None;
    }
    let key = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 };
    let mut sorted: Vec<_> = scores.iter().map(|&(score, positive)| (key(score), positive)).collect();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut seen, mut sum) = (0, 0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let gained = equal.iter().filter(|(_, positive)| *positive).count();
        hits += gained;
        seen += equal.len();
        sum += gained as f64 / positives as f64 * (hits as f64 / seen as f64);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores with their truth, and the average precision expected.
    type Row<'a> = (&'a [(f32, bool)], Option<f64>);

    fn ranked(classes: &[usize]) -> Vec<ClassScore> {
        classes.iter().map(|&class| ClassScore { class, score: 0.5 }).collect()
    }

    #[test]
    fn top_k() {
        let mut top = TopK::new();
        assert_eq!((top.top1(), top.top5()), (None, None));
        for (found, truth) in [([7, 1, 2, 3, 4, 5], 7), ([7, 1, 2, 3, 4, 5], 4), ([7, 1, 2, 3, 4, 5], 5)] {
            top.add(&ranked(&found), truth);
        }
        top.add(&[], 0);
        assert_eq!((top.samples(), top.top1(), top.top5()), (4, Some(0.25), Some(0.5)));
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let (mut whole, mut merged) = (TopK::new(), TopK::new());
        for truth in [7, 4, 9] {
            let mut part = TopK::new();
            for top in [&mut whole, &mut part] {
                top.add(&ranked(&[7, 1, 2, 3, 4, 5]), truth);
            }
            merged.merge(&part);
        }
        assert_eq!(merged, whole);
    }

    #[test]
    fn average_precisions() {
        let (t, f) = (true, false);
        #[rustfmt::skip]
        let rows: &[Row] = &[
            (&[], None),
            (&[(0.5, f)], None),
            (&[(0.5, t)], Some(1.0)),
            (&[(0.1, f), (0.4, f), (0.35, t), (0.8, t)], Some(0.5 * 1.0 + 0.5 * 2.0 / 3.0)), // scikit-learn's own example
            (&[(0.5, t), (0.5, f)], Some(0.5)),
            (&[(0.0, t), (-0.0, f)], Some(0.5)),
            (&[(f32::NAN, t), (0.1, f)], Some(0.5)),
        ];
        for (scores, expected) in rows {
            let found = average_precision(scores);
            let near = match (found, expected) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == *b,
            };
            assert!(near, "{scores:?}: {found:?}");
        }
    }

    #[test]
    fn classes_that_are_not_there() {
        let mut ap = MultiLabelAp::new(3);
        assert_eq!((ap.macro_average(), ap.micro_average()), (None, None));
        ap.add(&[ClassScore { class: 0, score: 0.9 }, ClassScore { class: 9, score: 0.9 }], &[0, 9]);
        ap.add(&[ClassScore { class: 2, score: 0.95 }], &[]);
        assert_eq!(ap.macro_average(), Some(1.0));
        assert_eq!(ap.micro_average(), Some(0.5));
    }

    /// Figures of scikit-learn 1.9 `f1_score`, micro and macro.
    #[test]
    fn f1_counts_what_scores_above_the_threshold() {
        let found = |scores: &[f32]| -> Vec<ClassScore> {
            scores.iter().enumerate().map(|(class, &score)| ClassScore { class, score }).collect()
        };
        let mut ap = MultiLabelAp::new(3);
        assert_eq!((ap.f1_macro(0.5), ap.f1_micro(0.5)), (None, None));
        ap.add(&found(&[0.9, 0.5, 0.7]), &[0, 1]);
        let mut other = MultiLabelAp::new(3);
        other.add(&found(&[0.2, 0.8, 0.1]), &[0, 1]);
        ap.merge(&other);
        // Class 0: one of two found; class 1: one of two, as 0.5 is not above 0.5; class 2: one wrong.
        let macro_f1 = (2.0 / 3.0 + 2.0 / 3.0 + 0.0) / 3.0;
        assert!((ap.f1_macro(0.5).unwrap() - macro_f1).abs() < 1e-12);
        assert!((ap.f1_micro(0.5).unwrap() - 4.0 / 7.0).abs() < 1e-12);
    }
}
