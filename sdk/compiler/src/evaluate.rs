//! A pipeline measured on labelled data, and against another one on the same inputs.

use std::path::{Path, PathBuf};

use farsight::{Answer, ClassScore, Detection, Frame, Pipeline};
use farsight_spec::Input;
use farsight_vision::{Confusion, DetectionMetrics, DetectionScores, Raster, TopK, Truth, picture};
use serde::Serialize;

use crate::data::{Dataset, Samples};
use crate::{CompileError, Progress, mask_file};

/// What a pipeline decides about one input.
#[derive(Debug, Clone)]
enum Decision {
    /// Boxes, best first.
    Boxes(Vec<Detection>),
    /// Classes, best first.
    Classes(Vec<ClassScore>),
    /// A class a pixel.
    Mask(Vec<u8>),
}

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

/// How far two pipelines agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// 1 = the same decisions: AP50-95 with the reference's boxes as the truth; part of the pictures with the
    /// same first class; part of the pixels with the same class.
    pub agreement: f64,
    /// Greatest difference of the raw output that the decoder reads; `None` where the two cannot be compared
    /// (rasters, outputs of another name or size).
    pub max_abs_error: Option<f64>,
}

/// An input that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedInput {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub message: String,
}

/// What an evaluation gave.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Inputs that were measured.
    pub samples: usize,
    /// Scores of the pipeline; `None` without labels.
    pub scores: Option<Scores>,
    /// Scores of the pipeline it was held against; `None` without labels or without such a pipeline.
    pub reference_scores: Option<Scores>,
    /// How far the two agree; `None` without a second pipeline.
    pub agreement: Option<Agreement>,
    /// Inputs that could not be used; they count nowhere.
    pub failed: Vec<FailedInput>,
}

/// What is measured, and how boxes are counted.
#[derive(Debug, Clone, Copy)]
pub struct EvaluateSettings {
    /// Score from which a box counts for precision and recall, and as the truth of an agreement.
    pub conf: f32,
    /// At most so many samples, spread over the data set.
    pub most: usize,
}

/// Runs a pipeline over a data set; with `reference`, that one too on the same inputs.
///
/// # Errors
/// If not one input could be used, or a session fails.
pub fn evaluate(
    pipeline: &mut Pipeline,
    mut reference: Option<&mut Pipeline>,
    data: &Dataset,
    settings: EvaluateSettings,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Evaluation, CompileError> {
    let inputs = data.inputs();
    let chosen = data.spread(settings.most);
    let labels = pipeline.spec().output.labels().to_vec();
    let mut tally = Tally::new(data, &labels)?;
    let mut reference_tally = tally.clone();
    let mut agreement = AgreementTally::new(settings.conf);
    let mut failed = Vec::new();
    for (done, &index) in chosen.iter().enumerate() {
        progress(Progress { step: "evaluating", done, total: chosen.len() });
        let file = inputs[index];
        let result = run_both(pipeline, reference.as_deref_mut(), file).and_then(|run| {
            tally.add(data, index, &run.decision, run.size)?;
            if let Some(other) = &run.reference {
                reference_tally.add(data, index, other, run.size)?;
                agreement.add(other, &run.decision, run.max_abs_error);
            }
            Ok(())
        });
        if let Err(message) = result {
            failed.push(FailedInput { file: file.to_owned(), message });
        }
    }
    let samples = chosen.len() - failed.len();
    if let (0, Some(first)) = (samples, failed.first()) {
        return Err(CompileError::Unresolved(format!(
            "not one input could be used; the first: {}",
            first.message
        )));
    }
    let labelled = data.is_labelled();
    Ok(Evaluation {
        samples,
        scores: labelled.then(|| tally.scores(settings.conf, &labels)),
        reference_scores: (labelled && reference.is_some())
            .then(|| reference_tally.scores(settings.conf, &labels)),
        agreement: reference.is_some().then(|| agreement.result()),
        failed,
    })
}

/// One input through one pipeline, or two.
struct Run {
    decision: Decision,
    reference: Option<Decision>,
    /// `[height, width]` of the input.
    size: [usize; 2],
    max_abs_error: Option<f64>,
}

fn run_both(pipeline: &mut Pipeline, reference: Option<&mut Pipeline>, file: &Path) -> Result<Run, String> {
    let name = |message: String| {
        let file = file.display().to_string();
        if message.starts_with(&file) { message } else { format!("{file}: {message}") }
    };
    if matches!(pipeline.spec().input, Input::Raster(_)) {
        let (decision, size) = run_raster(pipeline, file).map_err(|e| name(e.to_string()))?;
        let reference = match reference {
            Some(reference) => Some(run_raster(reference, file).map_err(|e| name(e.to_string()))?.0),
            None => None,
        };
        return Ok(Run { decision, reference, size, max_abs_error: None });
    }
    let picture = picture::read(file).map_err(|error| name(error.to_string()))?;
    let size = picture.size();
    let frame = Frame::rgb8(picture.width, picture.height, &picture.rgb).map_err(|e| name(e.to_string()))?;
    let decision = run_frame(pipeline, &frame).map_err(|e| name(e.to_string()))?;
    let Some(reference) = reference else {
        return Ok(Run { decision, reference: None, size, max_abs_error: None });
    };
    let other = run_frame(reference, &frame).map_err(|e| name(e.to_string()))?;
    let difference = crate::verify::raw_difference(reference, pipeline).map_err(|e| name(e.to_string()))?;
    let max_abs_error = difference.map(|difference| difference.max_abs);
    Ok(Run { decision, reference: Some(other), size, max_abs_error })
}

fn run_frame(pipeline: &mut Pipeline, frame: &Frame<'_>) -> Result<Decision, farsight::Error> {
    match pipeline.run(frame)? {
        Answer::Detections(found) => Ok(Decision::Boxes(found.to_vec())),
        Answer::Classes(found) => Ok(Decision::Classes(found.to_vec())),
        Answer::Mask(mask) => Ok(Decision::Mask(mask.classes.clone())),
        Answer::Tensors => Err(farsight::Error::WrongTask {
            task: farsight::Task::Tensors,
            wanted: "raw tensors have no measure; give a spec with a decoder",
        }),
    }
}

fn run_raster(pipeline: &mut Pipeline, file: &Path) -> Result<(Decision, [usize; 2]), farsight::Error> {
    let mut raster = Raster::open(file)?;
    let size = raster.info().size;
    let mut mask = Vec::new();
    let mut rows = |rows: &[u8]| {
        mask.extend_from_slice(rows);
        Ok(())
    };
    pipeline.run_raster(&mut raster, &mut rows, &mut |_| {})?;
    Ok((Decision::Mask(mask), size))
}

/// The measures of one pipeline, as they grow.
#[derive(Clone)]
enum Tally {
    Detect(DetectionMetrics),
    Classify(TopK),
    Segment(Box<Confusion>),
    Nothing,
}

/// A mask's "does not count".
const IGNORE: u8 = 255;

impl Tally {
    fn new(data: &Dataset, labels: &[String]) -> Result<Self, CompileError> {
        Ok(match &data.samples {
            Samples::Detect(_) => Self::Detect(DetectionMetrics::new()),
            Samples::Classify(_) => Self::Classify(TopK::new()),
            Samples::Segment(_) => {
                let classes = u8::try_from(labels.len()).ok().filter(|classes| *classes > 0).ok_or_else(|| {
                    CompileError::Unresolved(format!(
                        "masks are measured class by class, and the model has {} labels; give them with --labels",
                        labels.len()
                    ))
                })?;
                Self::Segment(Box::new(Confusion::new(classes, Some(IGNORE))))
            }
            Samples::Unlabelled(_) => Self::Nothing,
        })
    }

    fn add(
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

    fn scores(&self, conf: f32, labels: &[String]) -> Scores {
        match self {
            Self::Detect(metrics) => Scores::Detect(metrics.scores(conf)),
            Self::Classify(top) => Scores::Classify { top1: top.top1(), top5: top.top5() },
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

impl Scores {
    /// Name and value of the measure that a budget is about.
    pub fn measure(&self) -> (&'static str, Option<f64>) {
        match self {
            Self::Detect(scores) => ("ap50_95", scores.ap50_95),
            Self::Classify { top1, .. } => ("top1", *top1),
            Self::Segment { miou, .. } => ("miou", *miou),
        }
    }
}

/// How far two pipelines agree, as it grows.
struct AgreementTally {
    conf: f32,
    boxes: DetectionMetrics,
    /// Objects of the reference, and boxes of the other where the reference has none.
    reference_boxes: usize,
    /// Whether not one box differed so far.
    identical: bool,
    same: u64,
    all: u64,
    max_abs_error: Option<f64>,
}

impl AgreementTally {
    fn new(conf: f32) -> Self {
        Self {
            conf,
            boxes: DetectionMetrics::new(),
            reference_boxes: 0,
            identical: true,
            same: 0,
            all: 0,
            max_abs_error: None,
        }
    }

    fn add(&mut self, reference: &Decision, found: &Decision, max_abs_error: Option<f64>) {
        self.max_abs_error = self.max_abs_error.into_iter().chain(max_abs_error).reduce(f64::max);
        match (reference, found) {
            (Decision::Boxes(reference), Decision::Boxes(found)) => {
                self.identical &= reference == found;
                let truths: Vec<Truth> = reference
                    .iter()
                    .filter(|d| d.score > self.conf)
                    .map(|d| Truth { bbox: d.bbox.map(f64::from), class: d.class, crowd: false })
                    .collect();
                self.reference_boxes += truths.len();
                self.boxes.add(found, &truths);
            }
            (Decision::Classes(reference), Decision::Classes(found)) => {
                self.all += 1;
                self.same += u64::from(reference.first().map(|c| c.class) == found.first().map(|c| c.class));
            }
            (Decision::Mask(reference), Decision::Mask(found)) => {
                self.all += reference.len() as u64;
                self.same += reference.iter().zip(found).filter(|(a, b)| a == b).count() as u64;
            }
            _ => self.all += 1,
        }
    }

    fn result(&self) -> Agreement {
        // By the COCO rules boxes that fully overlap, or more than 100 a picture, cost even a perfect copy.
        let agreement = if self.identical && self.all == 0 {
            1.0
        } else if self.reference_boxes > 0 {
            let agreement = self.boxes.scores(self.conf).ap50_95.unwrap_or(0.0);
            // COCO adds an epsilon to precision's denominator: a few equal boxes fall short of 1 by it.
            if agreement > 1.0 - 1e-9 { 1.0 } else { agreement }
        } else if self.all > 0 {
            self.same as f64 / self.all as f64
        } else {
            // The reference saw nothing anywhere: they agree if the other sees nothing either.
            match self.boxes.scores(self.conf).precision {
                None => 1.0,
                Some(_) => 0.0,
            }
        };
        Agreement { agreement, max_abs_error: self.max_abs_error }
    }
}
