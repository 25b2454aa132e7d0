//! Average precision of detections by the COCO rules.
//!
//! The rules are those of pycocotools 2.0.11 `cocoeval.py`, boxes, all areas: IoU thresholds .50 to .95 by
//! .05; per picture and class the best 100 detections, each matched, best first, to the free object it
//! overlaps most; precision made monotonic and read at 101 recall points; the mean over classes that have
//! objects. A crowd may be matched often and counts neither way; its overlap is measured against the
//! detection's own area.

use std::collections::BTreeMap;

use super::mean;
use crate::Detection;

/// An object that is really there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// `[x1, y1, x2, y2]` in frame pixels.
    pub bbox: [f64; 4],
    /// Index of the class.
    pub class: usize,
    /// COCO's `iscrowd`: many objects in one box.
    pub crowd: bool,
}

/// What detections are worth. None where nothing was there to be found (or, precision, nothing was found).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionScores {
    /// Mean over classes and IoU .50 to .95.
    pub ap50_95: Option<f64>,
    /// Mean over classes at IoU .50.
    pub ap50: Option<f64>,
    /// Of the detections of all classes that score `conf` or more, the part that is matched at IoU .50.
    pub precision: Option<f64>,
    /// Of the objects of all classes, the part that one of those detections is matched to.
    pub recall: Option<f64>,
}

/// Gathers pictures, then measures.
#[derive(Debug, Clone, Default)]
pub struct DetectionMetrics {
    pub(super) classes: BTreeMap<usize, Class>,
    pictures: usize,
}

/// Detections that count, per picture and class.
const MAX_DETECTIONS: usize = 100;
const THRESHOLDS: usize = 10;
const RECALL_POINTS: usize = 101;

#[derive(Debug, Clone, Default)]
pub(super) struct Class {
    /// Objects that are no crowds.
    pub(super) objects: usize,
    pub(super) matches: Vec<Match>,
}

/// A detection and what became of it, a bit an IoU threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    score: f32,
    matched: u16,
    ignored: u16,
}

impl Match {
    pub(super) fn best_first(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score)
    }
}

impl DetectionMetrics {
    /// No picture yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many pictures were added.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Adds a picture: what was found (in any order, equal scores keep theirs) and what is there.
    pub fn add(&mut self, found: &[Detection], there: &[Truth]) {
        self.pictures += 1;
        let mut found: Vec<_> = found.iter().collect();
        found.sort_by(|a, b| a.class.cmp(&b.class).then(b.score.total_cmp(&a.score)));
        for found in found.chunk_by(|a, b| a.class == b.class) {
            let class = found[0].class;
            let mut there: Vec<_> = there.iter().filter(|truth| truth.class == class).collect();
            there.sort_by_key(|truth| truth.crowd);
            let found = &found[..found.len().min(MAX_DETECTIONS)];
            self.classes.entry(class).or_default().matches.extend(match_up(found, &there));
        }
        for truth in there.iter().filter(|truth| !truth.crowd) {
            self.classes.entry(truth.class).or_default().objects += 1;
        }
    }

    /// Adds the pictures of another: the same as if each had been added here, after those already there.
    pub fn merge(&mut self, other: &Self) {
        self.pictures += other.pictures;
        for (&class, other) in &other.classes {
            let class = self.classes.entry(class).or_default();
            class.objects += other.objects;
            class.matches.extend_from_slice(&other.matches);
        }
    }

    /// The measures over all pictures; `conf` is the score from which on a detection counts for precision
    /// and recall.
    pub fn scores(&self, conf: f32) -> DetectionScores {
        let classes: Vec<_> = self.classes.values().filter_map(Class::average_precisions).collect();
        let counts = self.classes.values().map(|class| class.counts(conf));
        let (matched, found) = counts.fold((0, 0), |sum, class| (sum.0 + class.0, sum.1 + class.1));
        let objects: usize = self.classes.values().map(|class| class.objects).sum();
        let part = |of: usize| (of > 0).then(|| matched as f64 / of as f64);
        DetectionScores {
            ap50_95: mean(classes.iter().flatten().copied()),
            ap50: mean(classes.iter().map(|ap| ap[0])),
            precision: part(found),
            recall: part(objects),
        }
    }
}

impl Class {
    /// At each IoU threshold; none where the class has no objects.
    fn average_precisions(&self) -> Option<[f64; THRESHOLDS]> {
        if self.objects == 0 {
            return None;
        }
        let mut matches = self.matches.clone();
        matches.sort_by(Match::best_first);
        Some(average_precisions(matches.iter().map(|found| (found, 1)), self.objects))
    }

    /// Detections matched at IoU .50, and detections, that score `conf` or more.
    fn counts(&self, conf: f32) -> (usize, usize) {
        let counted: Vec<_> = self.matches.iter().filter(|m| m.score >= conf && m.ignored & 1 == 0).collect();
        (counted.iter().filter(|m| m.matched & 1 == 1).count(), counted.len())
    }
}

/// At each IoU threshold, of matches in the order of their scores, each with the times it counts.
///
/// The curve has a point at each hit only: elsewhere precision falls and recall stays, so that no recall point is
/// read there. For the same reason a hit that counts twice is one point: precision is best at its end.
pub(super) fn average_precisions<'m>(
    matches: impl Iterator<Item = (&'m Match, u32)>,
    objects: usize,
) -> [f64; THRESHOLDS] {
    let mut curves: [Vec<Point>; THRESHOLDS] = Default::default();
    let (mut hits, mut ignored, mut seen) = ([0; THRESHOLDS], [0; THRESHOLDS], 0);
    for (found, times) in matches {
        seen += times;
        // Most detections match nothing at all.
        if found.matched == 0 || times == 0 {
            continue;
        }
        for threshold in 0..THRESHOLDS {
            if found.ignored >> threshold & 1 == 1 {
                ignored[threshold] += times;
            } else if found.matched >> threshold & 1 == 1 {
                hits[threshold] += times;
                let counted = f64::from(seen - ignored[threshold]);
                curves[threshold].push(Point {
                    recall: f64::from(hits[threshold]) / objects as f64,
                    precision: f64::from(hits[threshold]) / (counted + f64::EPSILON),
                });
            }
        }
    }
    curves.map(average_precision)
}

/// A point of a precision-recall curve.
struct Point {
    recall: f64,
    precision: f64,
}

fn average_precision(mut curve: Vec<Point>) -> f64 {
    let mut best = 0.0;
    for point in curve.iter_mut().rev() {
        best = f64::max(best, point.precision);
        point.precision = best;
    }
    let (mut first, mut sum) = (0, 0.0);
    for recall in (0..RECALL_POINTS).map(recall_point) {
        while curve.get(first).is_some_and(|point| point.recall < recall) {
            first += 1;
        }
        sum += curve.get(first).map_or(0.0, |point| point.precision);
    }
    sum / RECALL_POINTS as f64
}

/// `numpy.linspace(0, 1, 101)`, whose rounding decides ties.
fn recall_point(point: usize) -> f64 {
    if point + 1 == RECALL_POINTS { 1.0 } else { point as f64 * 0.01 }
}

/// `numpy.linspace(.5, .95, 10)`.
fn iou_threshold(threshold: usize) -> f64 {
    if threshold + 1 == THRESHOLDS { 0.95 } else { 0.5 + threshold as f64 * ((0.95 - 0.5) / 9.0) }
}

/// Matches one class's detections of a picture, best first, to its objects, crowds last.
fn match_up(found: &[&Detection], there: &[&Truth]) -> Vec<Match> {
    let overlaps: Vec<f64> = found
        .iter()
        .flat_map(|found| there.iter().map(|truth| overlap(found.bbox.map(f64::from), truth)))
        .collect();
    let new = |found: &&Detection| Match { score: found.score, matched: 0, ignored: 0 };
    let mut matches: Vec<_> = found.iter().map(new).collect();
    if there.is_empty() {
        return matches;
    }
    let mut taken = vec![false; there.len()];
    for threshold in 0..THRESHOLDS {
        taken.fill(false);
        for (found, overlaps) in matches.iter_mut().zip(overlaps.chunks_exact(there.len())) {
            if let Some(truth) = best_match(overlaps, there, &taken, iou_threshold(threshold)) {
                taken[truth] = true;
                found.matched |= 1 << threshold;
                found.ignored |= u16::from(there[truth].crowd) << threshold;
            }
        }
    }
    matches
}

/// The free object that overlaps most, of equal ones the last; a crowd only if no object does.
fn best_match(overlaps: &[f64], there: &[&Truth], taken: &[bool], threshold: f64) -> Option<usize> {
    let (mut best, mut least) = (None, threshold.min(1.0 - 1e-10));
    for (i, truth) in there.iter().enumerate() {
        if taken[i] && !truth.crowd {
            continue;
        }
        if truth.crowd && best.is_some_and(|best: usize| !there[best].crowd) {
            break;
        }
        if overlaps[i] >= least {
            (best, least) = (Some(i), overlaps[i]);
        }
    }
    best
}

/// IoU; with a crowd, the part of the detection that lies inside. NaN overlaps nothing.
fn overlap(found: [f64; 4], truth: &Truth) -> f64 {
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let there = truth.bbox;
    let width = found[2].min(there[2]) - found[0].max(there[0]);
    let height = found[3].min(there[3]) - found[1].max(there[1]);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let inter = width * height;
    let union = if truth.crowd { area(found) } else { area(found) + area(there) - inter };
    inter / union
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two objects of two classes, boxes shifted by the picture's number: each IoU threshold sees others right.
    fn picture(number: usize) -> (Vec<Detection>, Vec<Truth>) {
        let there = [0, 1].map(|class| {
            let x = 200.0 * class as f64;
            Truth { bbox: [x, 0.0, x + 100.0, 100.0], class, crowd: number == 3 && class == 1 }
        });
        let found = |i: usize| {
            let x = (200 * (i % 2) + 9 * (i + number) % 70) as f32;
            // Few scores: ties across pictures, whose order the sum must keep.
            let score = (i * 7 + number) as f32 % 3.0 / 3.0;
            Detection { bbox: [x, 0.0, x + 100.0, 100.0], score, class: i % 2 }
        };
        ((0..6).map(found).collect(), there.to_vec())
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let (mut whole, mut merged) = (DetectionMetrics::new(), DetectionMetrics::new());
        for pictures in [0..1, 1..4, 4..4, 4..9] {
            let mut part = DetectionMetrics::new();
            for (found, there) in pictures.map(picture) {
                whole.add(&found, &there);
                part.add(&found, &there);
            }
            merged.merge(&part);
        }
        assert_eq!(merged.pictures(), 9);
        assert_eq!(merged.scores(0.3), whole.scores(0.3));
        let ap = whole.scores(0.3).ap50_95.unwrap();
        assert!(ap > 0.1 && ap < 0.9, "{ap}: this tells nothing");
    }
}
