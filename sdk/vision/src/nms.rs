//! Greedy non-maximum suppression in the references' order of operations and arithmetic (f32).
//!
//! The order of torchvision 0.29's CPU kernel (`csrc/ops/cpu/nms_kernel.cpp`): a stable sort by falling
//! score, so the earlier of two equal scores wins; then each box is dropped if its IoU with a kept one is
//! greater than the threshold. Comparing a box with those already kept, instead of striking out from each
//! kept one forward, drops the same boxes and can stop as soon as enough are kept.

/// A box on its way through NMS.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// `[x1, y1, x2, y2]`, none of them NaN.
    pub(crate) bbox: [f32; 4],
    /// Not NaN.
    pub(crate) score: f32,
    pub(crate) class: u32,
    /// Place in the tensor: decides between equal scores.
    pub(crate) index: u32,
}

/// How boxes of different classes are kept from suppressing each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classes {
    /// They do suppress each other.
    Together,
    /// Moved apart by `class * 7680` pixels in f32 (ultralytics 8.4.190 `utils/nms.py`). The rounding
    /// this costs belongs to the answer: 0.0625 px at class 79.
    Offset,
    /// Each class has a run of its own (YOLOX `demo_utils.py: multiclass_nms_class_aware`).
    Apart,
}

/// What distinguishes one reference's NMS from another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    /// A box is dropped if its IoU is greater than this.
    pub(crate) limit: f32,
    /// Added to widths and heights: 0, or 1 where a pixel counts as an area.
    pub(crate) border: f32,
    pub(crate) classes: Classes,
    /// At most so many boxes are kept.
    pub(crate) max_det: usize,
    /// At most so many boxes, the best, are looked at.
    pub(crate) max_candidates: usize,
}

/// The largest f32 that a comparison in f64 still keeps.
///
/// torchvision compares an f32 IoU with the threshold as a double. A user's 0.6 is an f64 there, while the
/// nearest f32 is greater, so boxes whose IoU is exactly 3/5 are dropped. The shortest decimal of the f32 is
/// what the user wrote.
pub(crate) fn f64_limit(threshold: f32) -> f32 {
    match threshold.to_string().parse::<f64>() {
        Ok(written) if f64::from(threshold) > written => threshold.next_down(),
        _ => threshold,
    }
}

/// NMS with its buffers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nms {
    kept: Kept,
}

impl Nms {
    /// With room for so many kept boxes.
    pub(crate) fn with_capacity(boxes: usize) -> Self {
        Self { kept: Kept::with_capacity(boxes) }
    }

    /// Leaves the kept boxes, best first.
    pub(crate) fn run(&mut self, candidates: &mut Vec<Candidate>, rule: &Rule) {
        candidates.sort_unstable_by(best_first);
        candidates.truncate(rule.max_candidates);
        match rule.classes {
            Classes::Together | Classes::Offset => {
                let kept = self.run_slice(candidates, rule);
                candidates.truncate(kept);
            }
            Classes::Apart => self.run_by_class(candidates, rule),
        }
    }

    fn run_by_class(&mut self, candidates: &mut Vec<Candidate>, rule: &Rule) {
        candidates.sort_unstable_by(|a, b| a.class.cmp(&b.class).then(best_first(a, b)));
        let (mut start, mut kept) = (0, 0);
        while let Some(first) = candidates.get(start).copied() {
            let len = candidates[start..].iter().take_while(|c| c.class == first.class).count();
            let kept_here = self.run_slice(&mut candidates[start..start + len], rule);
            candidates.copy_within(start..start + kept_here, kept);
            kept += kept_here;
            start += len;
        }
        candidates.truncate(kept);
        candidates.sort_unstable_by(best_first);
        candidates.truncate(rule.max_det);
    }

    /// Moves the kept of sorted candidates to the front; how many they are.
    fn run_slice(&mut self, candidates: &mut [Candidate], rule: &Rule) -> usize {
        self.kept.clear();
        let mut kept = 0;
        for i in 0..candidates.len() {
            if kept >= rule.max_det {
                break;
            }
            let candidate = candidates[i];
            let shifted = shift(&candidate, rule.classes);
            if self.kept.overlaps(shifted, rule) {
                continue;
            }
            self.kept.push(shifted, rule.border);
            candidates[kept] = candidate;
            kept += 1;
        }
        kept
    }
}

fn best_first(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)).then(a.class.cmp(&b.class))
}

fn shift(candidate: &Candidate, classes: Classes) -> [f32; 4] {
    let offset = if classes == Classes::Offset { candidate.class as f32 * 7680.0 } else { 0.0 };
    candidate.bbox.map(|v| v + offset)
}

fn area([x1, y1, x2, y2]: [f32; 4], border: f32) -> f32 {
    (x2 - x1 + border) * (y2 - y1 + border)
}

/// Boxes that are compared at once: what the compiler turns into vector instructions.
const LANES: usize = 16;

/// The kept boxes in groups of [`LANES`]; the last group is filled up with boxes that overlap nothing.
#[derive(Debug, Clone, Default)]
struct Kept {
    groups: Vec<Group>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    x1: [f32; LANES],
    y1: [f32; LANES],
    x2: [f32; LANES],
    y2: [f32; LANES],
    area: [f32; LANES],
}

/// Far beyond any coordinate, but finite: its overlap with anything is 0 / 1.
const NOWHERE: Group = Group {
    x1: [f32::MAX; LANES],
    y1: [f32::MAX; LANES],
    x2: [f32::MIN; LANES],
    y2: [f32::MIN; LANES],
    area: [1.0; LANES],
};

impl Kept {
    fn with_capacity(boxes: usize) -> Self {
        Self { groups: Vec::with_capacity(boxes.div_ceil(LANES)), len: 0 }
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.len = 0;
    }

    fn push(&mut self, bbox: [f32; 4], border: f32) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.groups.push(NOWHERE);
        }
        if let Some(group) = self.groups.last_mut() {
            [group.x1[lane], group.y1[lane], group.x2[lane], group.y2[lane]] = bbox;
            group.area[lane] = area(bbox, border);
        }
        self.len += 1;
    }

    fn overlaps(&self, bbox: [f32; 4], rule: &Rule) -> bool {
        let area = area(bbox, rule.border);
        self.groups.iter().any(|group| group.overlaps(bbox, area, rule))
    }
}

impl Group {
    fn overlaps(&self, [x1, y1, x2, y2]: [f32; 4], area: f32, rule: &Rule) -> bool {
        let mut any = false;
        for lane in 0..LANES {
            let width = (least(x2, self.x2[lane]) - most(x1, self.x1[lane]) + rule.border).max(0.0);
            let height = (least(y2, self.y2[lane]) - most(y1, self.y1[lane]) + rule.border).max(0.0);
            let inter = width * height;
            let overlap = inter / (self.area[lane] + area - inter);
            any |= overlap > rule.limit;
        }
        any
    }
}

/// Plain comparisons, which become one instruction; none of the coordinates is NaN.
fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule =
        Rule { limit: 0.5, border: 0.0, classes: Classes::Offset, max_det: 10, max_candidates: 30_000 };

    fn candidates(boxes: &[([f32; 4], f32, u32)]) -> Vec<Candidate> {
        let boxes = boxes.iter().enumerate();
        boxes.map(|(i, &(bbox, score, class))| Candidate { bbox, score, class, index: i as u32 }).collect()
    }

    fn kept(boxes: &[([f32; 4], f32, u32)], rule: Rule) -> Vec<u32> {
        let mut candidates = candidates(boxes);
        Nms::default().run(&mut candidates, &rule);
        candidates.iter().map(|c| c.index).collect()
    }

    #[test]
    fn rules() {
        // Long and flat, so that swapping x and y is caught: IoU of the first two is 60 / 100.
        let a = ([0.0, 0.0, 80.0, 2.0], 0.9, 0);
        let b = ([20.0, 0.0, 100.0, 2.0], 0.8, 0);
        let far = ([0.0, 50.0, 80.0, 52.0], 0.95, 0);
        let other = ([20.0, 0.0, 100.0, 2.0], 0.8, 1);
        let rows: &[(&str, &[_], Rule, &[u32])] = &[
            ("nothing", &[], RULE, &[]),
            ("one", &[a], RULE, &[0]),
            ("worse of two overlapping", &[b, a], RULE, &[1]),
            ("greater, not equal: 0.6 as f32", &[a, b], Rule { limit: 0.6, ..RULE }, &[0, 1]),
            ("0.6 as f64", &[a, b], Rule { limit: f64_limit(0.6), ..RULE }, &[0]),
            ("best first", &[a, far], RULE, &[1, 0]),
            ("another class", &[a, other], RULE, &[0, 1]),
            ("another class, together", &[a, other], Rule { classes: Classes::Together, ..RULE }, &[0]),
            ("another class, apart", &[other, b, a], Rule { classes: Classes::Apart, ..RULE }, &[2, 0]),
            ("equal scores: the earlier", &[b, ([0.0, 0.0, 80.0, 2.0], 0.8, 0)], RULE, &[0]),
            ("max_det", &[a, far], Rule { max_det: 1, ..RULE }, &[1]),
            ("max_candidates", &[a, far], Rule { max_candidates: 1, ..RULE }, &[1]),
            ("a border of 1 joins more", &[a, b], Rule { limit: 0.602, border: 1.0, ..RULE }, &[0]),
            ("empty boxes overlap nothing", &[([5.0; 4], 0.5, 0), ([5.0; 4], 0.4, 0)], RULE, &[0, 1]),
        ];
        for (name, boxes, rule, expected) in rows {
            assert_eq!(&kept(boxes, *rule), expected, "{name}");
        }
    }

    #[test]
    fn infinite_boxes_pass_through() {
        let inf = f32::INFINITY;
        kept(&[([-inf, 0.0, inf, 2.0], 0.9, 0), ([-inf, -inf, inf, inf], inf, 3)], RULE);
    }

    #[test]
    fn f64_limits() {
        assert_eq!(f64_limit(0.5), 0.5);
        assert_eq!(f64_limit(0.6), 0.6f32.next_down());
        assert_eq!(f64_limit(0.45), 0.45);
        assert_eq!(f64_limit(0.7), 0.7);
    }
}
