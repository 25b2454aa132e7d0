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
    classes: BTreeMap<usize, Class>,
    pictures: usize,
}

/// Detections that count, per picture and class.
const MAX_DETECTIONS: usize = 100;
const THRESHOLDS: usize = 10;
const RECALL_POINTS: usize = 101;

#[derive(Debug, Clone, Default)]
struct Class {
    /// Objects that are no crowds.
    objects: usize,
    matches: Vec<Match>,
}

/// A detection and what became of it, a bit an IoU threshold.
#[derive(Debug, Clone, Copy)]
struct Match {
    score: f32,
    matched: u16,
    ignored: u16,
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
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        Some(std::array::from_fn(|threshold| average_precision_at(&matches, threshold, self.objects)))
    }

    /// Detections matched at IoU .50, and detections, that score `conf` or more.
    fn counts(&self, conf: f32) -> (usize, usize) {
        let counted: Vec<_> = self.matches.iter().filter(|m| m.score >= conf && m.ignored & 1 == 0).collect();
        (counted.iter().filter(|m| m.matched & 1 == 1).count(), counted.len())
    }
}

fn average_precision_at(matches: &[Match], threshold: usize, objects: usize) -> f64 {
    let bit = |bits: u16| bits >> threshold & 1 == 1;
    let (mut hits, mut misses) = (0.0, 0.0);
    let mut curve: Vec<(f64, f64)> = Vec::with_capacity(matches.len());
    for found in matches {
        if !bit(found.ignored) {
            *(if bit(found.matched) { &mut hits } else { &mut misses }) += 1.0;
        }
        curve.push((hits / objects as f64, hits / (misses + hits + f64::EPSILON)));
    }
    let mut best = 0.0;
    for (_, precision) in curve.iter_mut().rev() {
        best = f64::max(best, *precision);
        *precision = best;
    }
    let precision_at = |point| {
        let first = curve.partition_point(|(recall, _)| *recall < recall_point(point));
        curve.get(first).map_or(0.0, |(_, precision)| *precision)
    };
    (0..RECALL_POINTS).map(precision_at).sum::<f64>() / RECALL_POINTS as f64
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
