//! Boxes out of YOLO tensors, in frame pixels.

use farsight_spec::{DetectOutput, YoloLayout};

use super::{DecodeError, Result, anchors, check_labels, check_len, checked_len, grid, rows};
use crate::{
    Geometry,
    nms::{Candidate, Classes, Nms, Rule, f64_limit},
};

/// An object that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// `[x1, y1, x2, y2]` in frame pixels, clipped to the frame.
    pub bbox: [f32; 4],
    /// 0 to 1 as the model gives it: class probability, times objectness where there is one.
    pub score: f32,
    /// Index of the class.
    pub class: usize,
}

/// Candidates that NMS looks at, at most (ultralytics 8.4.190 `utils/nms.py: max_nms`).
const MAX_CANDIDATES: usize = 30_000;
/// Candidates that room is made for at the start: every anchor of a 1536-pixel YOLOv5 and more.
const RESERVED: usize = 1 << 18;

/// Turns one picture's raw output tensor into detections, best first.
///
/// Order of operations, comparisons and arithmetic are those of ultralytics 8.4.190 (`utils/nms.py:
/// non_max_suppression`, `utils/ops.py: scale_boxes`), for [`YoloLayout::Grid`] those of YOLOX's ONNX demo:
/// see `grid.rs`. What an answer cannot hold is left out: an anchor with a NaN score or a NaN coordinate.
///
/// After the first call nothing is allocated, unless `out` is a new vector.
#[derive(Debug, Clone)]
pub struct DetectDecoder {
    layout: YoloLayout,
    /// `[rows, columns]` of the tensor.
    axes: [usize; 2],
    conf: f32,
    /// The IoU limit as the reference's comparison sees it.
    limit: f32,
    max_det: usize,
    agnostic: bool,
    /// Column, row and stride of every anchor; for `Grid` only.
    cells: Vec<[f32; 3]>,
    candidates: Vec<Candidate>,
    nms: Nms,
}

impl DetectDecoder {
    /// A decoder for a tensor of `shape`, which must be one of `layout`'s with a batch of one, out of a
    /// model whose input is `input` (`[height, width]`) pixels.
    ///
    /// # Errors
    /// If the shape is not the layout's, the number of labels (where there are any) is not the number of
    /// classes, or a threshold is outside its range.
    pub fn new(
        output: &DetectOutput,
        layout: YoloLayout,
        shape: &[usize],
        input: [usize; 2],
    ) -> Result<Self> {
        let axes = check_shape(layout, shape)?;
        let [first, second] = axes;
        let (anchors, classes) = match layout {
            YoloLayout::Anchors => (second, Some(first - 4)),
            YoloLayout::AnchorsLast => (first, Some(second - 4)),
            YoloLayout::Objectness | YoloLayout::Grid => (first, Some(second - 5)),
            YoloLayout::EndToEnd => (first, None),
        };
        if let Some(classes) = classes {
            check_labels(output.labels.len(), classes)?;
        }
        let mut decoder = Self {
            layout,
            axes,
            conf: 0.0,
            limit: 0.0,
            max_det: 1,
            agnostic: output.agnostic,
            cells: cells(layout, shape, input, anchors)?,
            candidates: Vec::new(),
            nms: Nms::with_capacity(output.max_det.min(anchors).min(MAX_CANDIDATES)),
        };
        if layout != YoloLayout::EndToEnd {
            decoder.candidates.reserve(anchors.min(RESERVED));
        }
        decoder.set_conf(output.conf)?;
        decoder.set_iou(output.iou)?;
        decoder.set_max_det(output.max_det)?;
        Ok(decoder)
    }

    /// A box is kept if its score is greater than `conf`, 0 to 1.
    ///
    /// # Errors
    /// If it is outside that range.
    pub fn set_conf(&mut self, conf: f32) -> Result<()> {
        self.conf = check_fraction("conf", conf)?;
        Ok(())
    }

    /// NMS drops a box whose IoU with a better one is greater than `iou`, 0 to 1.
    ///
    /// # Errors
    /// If it is outside that range.
    pub fn set_iou(&mut self, iou: f32) -> Result<()> {
        let iou = check_fraction("iou", iou)?;
        // NumPy compares an f32 with a Python number in f32, torchvision in f64.
        self.limit = if self.layout == YoloLayout::Grid { iou } else { f64_limit(iou) };
        Ok(())
    }

    /// At most `max_det` boxes are returned, 1 or more.
    ///
    /// # Errors
    /// If it is 0.
    pub fn set_max_det(&mut self, max_det: usize) -> Result<()> {
        if max_det == 0 {
            return Err(DecodeError::Setting { name: "max_det", value: 0.0, range: "1 or more" });
        }
        self.max_det = max_det;
        Ok(())
    }

    /// Replaces what is in `out` with the detections of one picture, best first ([`YoloLayout::EndToEnd`]:
    /// in the model's order).
    ///
    /// `geometry` is what pre-processing of that picture returned.
    ///
    /// # Errors
    /// If the tensor is not as long as its shape says; after NMS ([`YoloLayout::EndToEnd`]) any number of rows
    /// is taken.
    pub fn decode(&mut self, tensor: &[f32], geometry: &Geometry, out: &mut Vec<Detection>) -> Result<()> {
        if self.layout != YoloLayout::EndToEnd || !tensor.len().is_multiple_of(self.axes[1]) {
            check_len(tensor.len(), self.axes[0] * self.axes[1])?;
        }
        out.clear();
        if self.layout == YoloLayout::EndToEnd {
            rows::gather_end_to_end(tensor, self.conf, self.max_det, out);
            out.iter_mut().for_each(|detection| detection.bbox = geometry.to_frame(detection.bbox));
            return Ok(());
        }
        self.candidates.clear();
        self.gather(tensor, geometry);
        let rule = self.rule();
        self.nms.run(&mut self.candidates, &rule);
        let to_frame = |bbox| match self.layout {
            YoloLayout::Grid => grid::clip(bbox, geometry.frame),
            _ => geometry.to_frame(bbox),
        };
        out.extend(self.candidates.iter().map(|kept| Detection {
            bbox: to_frame(kept.bbox),
            score: kept.score,
            class: kept.class as usize,
        }));
        Ok(())
    }

    fn gather(&mut self, tensor: &[f32], geometry: &Geometry) {
        let (conf, [_, columns], out) = (self.conf, self.axes, &mut self.candidates);
        match self.layout {
            YoloLayout::Anchors => anchors::gather(tensor, columns, conf, out),
            YoloLayout::AnchorsLast => rows::gather_anchors_last(tensor, columns, conf, out),
            YoloLayout::Objectness => rows::gather_objectness(tensor, columns, conf, out),
            YoloLayout::Grid => {
                let to = grid::ToFrame::new(geometry);
                let gather = if self.agnostic { grid::gather_best } else { grid::gather_all };
                gather(tensor, &self.cells, conf, &to, out);
            }
            YoloLayout::EndToEnd => {}
        }
    }

    /// The reference's NMS: ultralytics' or YOLOX's.
    fn rule(&self) -> Rule {
        let grid = self.layout == YoloLayout::Grid;
        Rule {
            limit: self.limit,
            border: if grid { 1.0 } else { 0.0 },
            classes: match (self.agnostic, grid) {
                (true, _) => Classes::Together,
                (false, true) => Classes::Apart,
                (false, false) => Classes::Offset,
            },
            max_det: self.max_det,
            max_candidates: if grid { usize::MAX } else { MAX_CANDIDATES },
        }
    }
}

fn check_shape(layout: YoloLayout, shape: &[usize]) -> Result<[usize; 2]> {
    let (expected, fits): (_, fn(usize, usize) -> bool) = match layout {
        YoloLayout::Anchors => ("[1, 4 + classes, anchors]", |a, b| a > 4 && b > 0),
        YoloLayout::AnchorsLast => ("[1, anchors, 4 + classes]", |a, b| a > 0 && b > 4),
        YoloLayout::Objectness | YoloLayout::Grid => ("[1, anchors, 5 + classes]", |a, b| a > 0 && b > 5),
        YoloLayout::EndToEnd => ("[1, boxes, 6]", |a, b| a > 0 && b == 6),
    };
    checked_len(shape)?;
    match *shape {
        [1, a, b] if fits(a, b) && u32::try_from(a.max(b)).is_ok() => Ok([a, b]),
        _ => Err(DecodeError::Shape {
            shape: shape.to_vec(),
            expected: format!("the layout {layout:?} is {expected}"),
        }),
    }
}

fn cells(layout: YoloLayout, shape: &[usize], input: [usize; 2], anchors: usize) -> Result<Vec<[f32; 3]>> {
    if layout != YoloLayout::Grid {
        return Ok(Vec::new());
    }
    grid::cells(input, anchors).ok_or_else(|| DecodeError::Shape {
        shape: shape.to_vec(),
        expected: format!(
            "a grid of strides 8, 16 and 32 (and 64) over an input of {} x {} (height x width) has {} anchors",
            input[0],
            input[1],
            grid::cell_count(input, &[8, 16, 32]).unwrap_or(usize::MAX),
        ),
    })
}

fn check_fraction(name: &'static str, value: f32) -> Result<f32> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(DecodeError::Setting { name, value: value.into(), range: "from 0 to 1" })
}
