//! Which output of a YOLO model holds the boxes, and in which layout: decided from shapes and metadata,
//! never from a family's name.

use std::fmt::{self, Display, Formatter};

use farsight_spec::{TensorInfo, YoloLayout};

use super::grid::cell_count;

/// What else is known about a model: from its metadata and from the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayoutHints {
    /// Number of classes (metadata `names`, or `--labels`).
    pub classes: Option<usize>,
    /// Metadata `end2end`: the model has its one-to-one head.
    pub end2end: Option<bool>,
    /// Metadata `args`, `nms`: NMS is inside the graph.
    pub nms: Option<bool>,
    /// The spec's decoder is `yolox`: boxes are still relative to their grid cell.
    pub grid: bool,
}

/// The output that holds the boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YoloOutput {
    /// Its place among the model's outputs.
    pub index: usize,
    /// Its layout.
    pub layout: YoloLayout,
    /// Number of classes, where the shape or the hints tell.
    pub classes: Option<usize>,
}

/// Why no layout could be decided on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No output fits any layout.
    #[error(
        "none of the outputs can be read as YOLO boxes for an input of {} x {} (height x width): found {found}; \
         expected {expected}{advice}. Check the input size and the labels, or set `layout` in the spec's output",
        input[0], input[1]
    )]
    NoFit {
        /// The outputs, by name and shape.
        found: String,
        /// The shapes that would fit.
        expected: String,
        /// What would fit with another number of labels; may be empty.
        advice: String,
        /// `[height, width]` of the model's input.
        input: [usize; 2],
    },
    /// More than one reading fits.
    #[error(
        "the outputs can be read in more than one way for an input of {} x {} (height x width): {candidates}. \
         Give the labels, or set `layout` in the spec's output",
        input[0], input[1]
    )]
    Ambiguous {
        /// The readings that fit.
        candidates: String,
        /// `[height, width]` of the model's input.
        input: [usize; 2],
    },
}

/// Strides of the output levels of published models: P3 to P5, with P6, with P2, and the tiny ones.
const STRIDES: [&[usize]; 4] = [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32], &[16, 32]];
/// Anchors a cell of the models that have anchor boxes (YOLOv3 to v7).
const ANCHOR_BOXES: usize = 3;
/// Rows that NMS leaves at most, as far as a shape alone can tell (300 is usual).
const FEW_ROWS: usize = 1000;

/// Decides which output holds the boxes and in which layout.
///
/// `N` must be the number of anchors of `input` (`[height, width]`): the sum of (H/s)(W/s) over the strides,
/// or three times that with objectness; the other axis must be 4 or 5 more than the number of classes, where
/// that is known. `[1, K, 6]` with few rows, or with metadata that says so, went through NMS already. An axis
/// of unknown length fits everything. Metadata decides where shapes leave a choice.
///
/// # Errors
/// If no reading fits, or more than one does; both say what was seen.
pub fn yolo_layout(
    outputs: &[TensorInfo],
    input: [usize; 2],
    hints: &LayoutHints,
) -> Result<YoloOutput, LayoutError> {
    let mut fits = readings(outputs, input, hints);
    let by_metadata = fits.iter().any(|fit| fit.layout == YoloLayout::EndToEnd)
        && fits.iter().any(|fit| fit.layout != YoloLayout::EndToEnd);
    if by_metadata && let Some(done) = hints.says_end_to_end() {
        fits.retain(|fit| (fit.layout == YoloLayout::EndToEnd) == done);
    }
    match fits[..] {
        [fit] => Ok(fit),
        [] => Err(no_fit(outputs, input, hints)),
        _ => Err(LayoutError::Ambiguous { candidates: list(&fits, outputs), input }),
    }
}

impl LayoutHints {
    /// Whether NMS is done or not needed, as far as metadata tells. `nms = false` alone tells nothing:
    /// ultralytics 8.3 wrote it for YOLOv10, whose head needs none.
    fn says_end_to_end(&self) -> Option<bool> {
        match (self.end2end, self.nms) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) => Some(false),
            (None, _) => None,
        }
    }
}

fn readings(outputs: &[TensorInfo], input: [usize; 2], hints: &LayoutHints) -> Vec<YoloOutput> {
    let counts = AnchorCounts::of(input);
    let mut fits = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        if let [None | Some(1), a, b] = output.shape[..] {
            let fit = |(layout, classes)| YoloOutput { index, layout, classes };
            fits.extend(readings_of([a, b], &counts, hints).into_iter().flatten().map(fit));
        }
    }
    fits
}

type Reading = Option<(YoloLayout, Option<usize>)>;

fn readings_of([a, b]: [Option<usize>; 2], counts: &AnchorCounts, hints: &LayoutHints) -> [Reading; 4] {
    let is = |axis: Option<usize>, counts: &[usize]| axis.is_none_or(|n| counts.contains(&n));
    let reading = |layout, anchors: bool, axis, extra| {
        let classes = class_count(axis, extra, hints.classes).filter(|_| anchors)?;
        Some((layout, classes))
    };
    let single = is(a, &counts.single);
    if hints.grid {
        return [reading(YoloLayout::Grid, single, b, 5), None, None, None];
    }
    let triple = is(a, &counts.triple);
    let few = hints.says_end_to_end() == Some(true) || a.is_none_or(|rows| rows <= FEW_ROWS);
    [
        reading(YoloLayout::Anchors, is(b, &counts.single), a, 4),
        reading(YoloLayout::AnchorsLast, single, b, 4),
        reading(YoloLayout::Objectness, single || triple, b, 5),
        (b == Some(6) && few).then_some((YoloLayout::EndToEnd, hints.classes)),
    ]
}

/// The number of classes on an axis that holds `extra` values more, if it is the wanted one; the inner option
/// is none where neither the axis nor the hints tell.
fn class_count(axis: Option<usize>, extra: usize, wanted: Option<usize>) -> Option<Option<usize>> {
    let Some(len) = axis else { return Some(wanted) };
    let classes = len.checked_sub(extra).filter(|&classes| classes > 0)?;
    wanted.is_none_or(|wanted| wanted == classes).then_some(Some(classes))
}

/// The numbers of anchors that an input may have, the usual one first.
struct AnchorCounts {
    single: Vec<usize>,
    triple: Vec<usize>,
}

impl AnchorCounts {
    fn of(input: [usize; 2]) -> Self {
        let count = |strides: &&[usize]| cell_count(input, strides).filter(|&n| n > 0);
        let single: Vec<_> = STRIDES.iter().filter_map(count).collect();
        let triple = single.iter().filter_map(|n| n.checked_mul(ANCHOR_BOXES)).collect();
        Self { single, triple }
    }
}

fn no_fit(outputs: &[TensorInfo], input: [usize; 2], hints: &LayoutHints) -> LayoutError {
    let counts = AnchorCounts::of(input);
    let [single, triple] =
        [&counts.single, &counts.triple].map(|counts| counts.first().copied().unwrap_or(0));
    let [four, five] = [4, 5].map(|extra| match hints.classes {
        Some(classes) => classes.saturating_add(extra).to_string(),
        None => format!("{extra} + classes"),
    });
    let expected = match hints.grid {
        true => format!("[1, {single}, {five}]"),
        false => {
            format!("[1, {four}, {single}], [1, {single}, {four}], [1, {triple}, {five}] or [1, boxes, 6]")
        }
    };
    let others = readings(outputs, input, &LayoutHints { classes: None, ..*hints });
    let advice = match (hints.classes, others.is_empty()) {
        (Some(classes), false) => {
            format!(" for {classes} classes (it would fit: {})", list(&others, outputs))
        }
        (Some(classes), true) => format!(" for {classes} classes"),
        (None, _) => String::new(),
    };
    let found = outputs.iter().map(|output| Named(output).to_string()).collect::<Vec<_>>();
    let found = if found.is_empty() { "no output at all".into() } else { found.join(", ") };
    LayoutError::NoFit { found, expected, advice, input }
}

fn list(fits: &[YoloOutput], outputs: &[TensorInfo]) -> String {
    let one = |fit: &YoloOutput| {
        let output = outputs.get(fit.index).map(|output| Named(output).to_string()).unwrap_or_default();
        let classes = fit.classes.map_or(String::new(), |classes| format!(" with {classes} classes"));
        format!("{output} as {}{classes}", name(fit.layout))
    };
    fits.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn name(layout: YoloLayout) -> &'static str {
    match layout {
        YoloLayout::Anchors => "`anchors` [1, 4 + C, N]",
        YoloLayout::AnchorsLast => "`anchors-last` [1, N, 4 + C]",
        YoloLayout::Objectness => "`objectness` [1, N, 5 + C]",
        YoloLayout::EndToEnd => "`end-to-end` [1, K, 6]",
        YoloLayout::Grid => "`grid` [1, N, 5 + C]",
    }
}

/// An output by name and shape, an axis of unknown length as `?`.
struct Named<'a>(&'a TensorInfo);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let axis = |axis: &Option<usize>| axis.map_or("?".into(), |n| n.to_string());
        write!(f, "'{}' [{}]", self.0.name, self.0.shape.iter().map(axis).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
