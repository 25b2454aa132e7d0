//! Average precision of the same pictures drawn again and again, as a bootstrap does.

use std::collections::BTreeMap;

use super::DetectionMetrics;
use super::detection::{Match, average_precisions};
use super::mean;

/// Detections of several parts (a picture each, say), sorted once for all draws of these parts.
#[derive(Debug, Clone)]
pub struct DetectionDraws {
    classes: Vec<Class>,
}

#[derive(Debug, Clone, Default)]
struct Class {
    /// Each with its part; best first, equal scores in the order of the parts.
    matches: Vec<(Match, usize)>,
    /// Parts and how many objects, no crowds, they show.
    objects: Vec<(usize, usize)>,
}

impl DetectionDraws {
    /// Gathers the parts, in order.
    pub fn new<'p>(parts: impl IntoIterator<Item = &'p DetectionMetrics>) -> Self {
        let mut classes: BTreeMap<usize, Class> = BTreeMap::new();
        for (part, metrics) in parts.into_iter().enumerate() {
            for (&class, of) in &metrics.classes {
                let class = classes.entry(class).or_default();
                class.matches.extend(of.matches.iter().map(|&found| (found, part)));
                class.objects.push((part, of.objects));
            }
        }
        let mut classes: Vec<Class> = classes.into_values().collect();
        classes.iter_mut().for_each(|class| class.matches.sort_by(|a, b| a.0.best_first(&b.0)));
        Self { classes }
    }

    /// The `ap50_95` that the parts score when each is merged `times[part]` times (a part beyond counts 0 times);
    /// none where that leaves no objects. Only the order of equal scores may differ.
    pub fn ap50_95(&self, times: &[u32]) -> Option<f64> {
        let of = |part: usize| times.get(part).copied().unwrap_or(0);
        let precisions = self.classes.iter().filter_map(|class| {
            let objects = class.objects.iter().map(|&(part, objects)| of(part) as usize * objects).sum();
            let matches = class.matches.iter().map(|(found, part)| (found, of(*part)));
            (objects > 0).then(|| average_precisions(matches, objects))
        });
        mean(precisions.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detection, Truth};

    /// Two classes, objects of which some are crowds, boxes shifted off them; no two scores are equal.
    fn part(number: usize) -> DetectionMetrics {
        let place = |class: usize| [300.0 * class as f64, 0.0, 300.0 * class as f64 + 100.0, 100.0];
        let there = [0, 1].map(|class| Truth { bbox: place(class), class, crowd: number == 2 && class == 1 });
        let found = |i: usize| {
            let shift = (i * 13 + number * 7) % 50;
            let bbox = place(i % 2).map(|v| v as f32 + shift as f32);
            Detection { bbox, score: ((i * 5 + number) % 7 * 10 + number) as f32 / 100.0, class: i % 2 }
        };
        let found: Vec<Detection> = (0..5).map(found).collect();
        let mut metrics = DetectionMetrics::new();
        metrics.add(&found, if number == 3 { &[] } else { &there });
        metrics
    }

    #[test]
    fn a_draw_scores_as_its_parts_merged() {
        let parts: Vec<DetectionMetrics> = (0..5).map(part).collect();
        let draws = DetectionDraws::new(&parts);
        for times in
            [[1, 1, 1, 1, 1], [2, 0, 1, 3, 0], [0, 5, 0, 0, 1], [0, 0, 3, 1, 0], [0, 0, 0, 2, 0], [0; 5]]
        {
            let mut merged = DetectionMetrics::new();
            for (part, &times) in parts.iter().zip(&times) {
                (0..times).for_each(|_| merged.merge(part));
            }
            assert_eq!(draws.ap50_95(&times), merged.scores(0.0).ap50_95, "{times:?}");
        }
        assert_eq!(draws.ap50_95(&[2, 1]), draws.ap50_95(&[2, 1, 0, 0, 0]));
    }
}
