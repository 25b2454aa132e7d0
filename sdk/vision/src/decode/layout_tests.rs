//! Shapes of published exports, and those that leave a choice.

use farsight_spec::ElementType;

use super::*;
use YoloLayout::{Anchors, AnchorsLast, EndToEnd, Grid, Objectness};

/// Shapes of the outputs (negative: not fixed), input, hints, what is expected.
type Row<'a, Expected> = (&'a [&'a [i64]], [usize; 2], LayoutHints, Expected);

const S640: [usize; 2] = [640, 640];

fn outputs(shapes: &[&[i64]]) -> Vec<TensorInfo> {
    let shape = |shape: &[i64]| shape.iter().map(|&n| usize::try_from(n).ok()).collect();
    let info = |(i, s): (usize, &&[i64])| TensorInfo {
        name: format!("output{i}"),
        element: ElementType::F32,
        shape: shape(s),
    };
    shapes.iter().enumerate().map(info).collect()
}

fn classes(classes: usize) -> LayoutHints {
    LayoutHints { classes: Some(classes), ..Default::default() }
}

const NO_HINT: LayoutHints = LayoutHints { classes: None, end2end: None, nms: None, grid: false };

#[test]
fn decided() {
    let end2end = |end2end| LayoutHints { end2end: Some(end2end), ..NO_HINT };
    let nms = |nms| LayoutHints { nms: Some(nms), ..NO_HINT };
    let grid = |classes| LayoutHints { grid: true, classes, ..NO_HINT };
    let cattle: &[&[i64]] = &[&[1, 65, 52, 52], &[1, 65, 26, 26], &[1, 5, 3549], &[1, 65, 13, 13]];
    #[rustfmt::skip]
    let rows: &[Row<(usize, YoloLayout, Option<usize>)>] = &[
        (&[&[1, 84, 8400]], S640, NO_HINT, (0, Anchors, Some(80))),
        (&[&[1, 84, 8400]], S640, classes(80), (0, Anchors, Some(80))),
        (&[&[1, 84, 8400]], S640, end2end(true), (0, Anchors, Some(80))),
        (&[&[1, 5, 8400]], S640, NO_HINT, (0, Anchors, Some(1))),
        (&[&[1, 6, 8400]], S640, NO_HINT, (0, Anchors, Some(2))),
        (&[&[1, 84, 5040]], [384, 640], NO_HINT, (0, Anchors, Some(80))),
        (&[&[1, 84, 34000]], S640, NO_HINT, (0, Anchors, Some(80))), // P2
        (&[&[1, 84, 8500]], S640, NO_HINT, (0, Anchors, Some(80))), // P6
        (&[&[1, 84, 2000]], S640, NO_HINT, (0, Anchors, Some(80))), // v3-tinyu
        (&[&[1, 8400, 84]], S640, classes(80), (0, AnchorsLast, Some(80))),
        (&[&[1, 8400, 5]], S640, NO_HINT, (0, AnchorsLast, Some(1))),
        (&[&[1, 8400, 6]], S640, classes(2), (0, AnchorsLast, Some(2))),
        (&[&[1, 8400, 6]], S640, classes(1), (0, Objectness, Some(1))),
        (&[&[1, 8400, 85]], S640, classes(80), (0, Objectness, Some(80))),
        (&[&[1, 25200, 85]], S640, NO_HINT, (0, Objectness, Some(80))),
        (&[&[1, 25200, 6]], S640, NO_HINT, (0, Objectness, Some(1))),
        (&[&[1, 25200, 85], &[1, 3, 80, 80, 85], &[1, 3, 40, 40, 85]], S640, NO_HINT, (0, Objectness, Some(80))),
        (&[&[1, 300, 6]], S640, NO_HINT, (0, EndToEnd, None)),
        (&[&[1, 300, 6]], S640, classes(80), (0, EndToEnd, Some(80))),
        (&[&[1, 300, 6]], S640, end2end(false), (0, EndToEnd, None)),
        (&[&[1, 300, 6]], S640, nms(false), (0, EndToEnd, None)),
        (&[&[1, 5000, 6]], S640, nms(true), (0, EndToEnd, None)),
        (&[&[1, 8400, 6]], S640, end2end(true), (0, EndToEnd, None)),
        (&[&[-1, -1, 6]], S640, nms(true), (0, EndToEnd, None)),
        (&[&[1, 84, 6]], [64, 64], classes(2).with(Some(true)), (0, EndToEnd, Some(2))),
        (&[&[1, 84, 6]], [64, 64], classes(2).with(Some(false)), (0, AnchorsLast, Some(2))),
        (&[&[1, 84, 6]], [64, 64], classes(80), (0, EndToEnd, Some(80))),
        (cattle, [416, 416], NO_HINT, (2, Anchors, Some(1))),
        (cattle, [416, 416], classes(1), (2, Anchors, Some(1))),
        (&[&[-1, 84, -1]], S640, NO_HINT, (0, Anchors, Some(80))),
        (&[&[1, 84, -1]], S640, classes(80), (0, Anchors, Some(80))),
        (&[&[1, -1, 85]], S640, classes(80), (0, Objectness, Some(80))),
        (&[&[1, -1, 8400]], S640, classes(3), (0, Anchors, Some(3))),
        (&[&[1, 3549, 85]], [416, 416], grid(None), (0, Grid, Some(80))),
        (&[&[1, 3549, 85]], [416, 416], grid(Some(80)), (0, Grid, Some(80))),
        (&[&[1, 3549, 6]], [416, 416], grid(None), (0, Grid, Some(1))),
    ];
    for (shapes, input, hints, (index, layout, classes)) in rows {
        let found = yolo_layout(&outputs(shapes), *input, hints);
        let expected = YoloOutput { index: *index, layout: *layout, classes: *classes };
        assert_eq!(found, Ok(expected), "{shapes:?} {input:?} {hints:?}");
    }
}

impl LayoutHints {
    fn with(self, end2end: Option<bool>) -> Self {
        Self { end2end, ..self }
    }
}

#[test]
fn undecidable_says_what_was_seen() {
    #[rustfmt::skip]
    let rows: &[Row<&[&str]>] = &[
        (&[&[1, 8400, 85]], S640, NO_HINT, &["'output0' [1, 8400, 85]", "`anchors-last`", "with 81", "`objectness`", "with 80"]),
        (&[&[1, 84, 6]], [64, 64], classes(2), &["`anchors-last`", "`end-to-end`"]),
        (&[&[1, 84, 84]], [64, 64], classes(80), &["`anchors` ", "`anchors-last`"]),
        (&[&[1, 84, 8400], &[1, 300, 6]], S640, NO_HINT, &["output0", "`anchors`", "output1", "`end-to-end`"]),
        (&[&[1, 84, 8400], &[1, 84, 8400]], S640, NO_HINT, &["output0", "output1"]),
        (&[&[-1, -1, -1]], S640, NO_HINT, &["[?, ?, ?]", "`anchors`", "`objectness`"]),
        (&[&[1, -1, 6]], S640, classes(2), &["`anchors-last`", "`end-to-end`"]),
    ];
    for (shapes, input, hints, words) in rows {
        let error = yolo_layout(&outputs(shapes), *input, hints).unwrap_err();
        assert!(matches!(error, LayoutError::Ambiguous { .. }), "{shapes:?}: {error}");
        let text = error.to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "{shapes:?}: {word:?} is not in {text}"));
    }
}

#[test]
fn no_fit_says_what_was_expected() {
    #[rustfmt::skip]
    let rows: &[Row<&[&str]>] = &[
        (&[], S640, NO_HINT, &["no output at all"]),
        (&[&[1, 1000]], S640, NO_HINT, &["'output0' [1, 1000]", "[1, 4 + classes, 8400]", "[1, 25200, 5 + classes]"]),
        (&[&[1, 84, 8400]], S640, classes(3), &["[1, 7, 8400]", "3 classes", "with 80 classes"]),
        (&[&[1, 84, 8400]], [416, 416], NO_HINT, &["416 x 416", "[1, 4 + classes, 3549]"]),
        (&[&[2, 84, 8400]], S640, NO_HINT, &["[2, 84, 8400]"]),
        (&[&[1, 4, 8400]], S640, NO_HINT, &["[1, 4, 8400]"]),
        (&[&[1, 5000, 6]], S640, NO_HINT, &["[1, boxes, 6]"]),
        (&[&[1, 3549, 85]], S640, LayoutHints { grid: true, ..NO_HINT }, &["expected [1, 8400, 5 + classes]"]),
        (&[&[1, 84, 8400]], [0, 0], NO_HINT, &["0 x 0"]),
        (&[&[1, 84, 8400]], [usize::MAX, usize::MAX], NO_HINT, &["[1, 84, 8400]"]),
        (&[&[1, 84, 8400]], S640, classes(usize::MAX), &["[1, 84, 8400]"]),
    ];
    for (shapes, input, hints, words) in rows {
        let error = yolo_layout(&outputs(shapes), *input, hints).unwrap_err();
        assert!(matches!(error, LayoutError::NoFit { .. }), "{shapes:?}: {error}");
        let text = error.to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "{shapes:?}: {word:?} is not in {text}"));
    }
}
