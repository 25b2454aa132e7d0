//! Data for eval, verification and calibration: finds the samples and, where there are any, their labels.
//!
//! | task | what is understood |
//! |---|---|
//! | detect | pictures with YOLO `.txt` files beside them or in a sister `labels/` folder; a COCO JSON |
//! | classify | one folder a class; a CSV of file and label; file names that start with a WordNet id |
//! | segment | folders `images/` and `masks/`; `NAME.*` with `NAME_mask.*`; a picture and a `.png` of the same stem |
//! | any | pictures, rasters and `.npy` tensors without labels |
//!
//! Nothing is decoded here. A bad line, a class that the model does not know and a box outside of its picture
//! are errors that name the file and the line. The order is sorted by path, the same on every machine.

mod class_names;
mod classify;
mod coco;
mod csv;
mod error;
mod files;
mod masks;
mod truth;
mod yolo;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::DataError;
use farsight_spec::Task;
pub use truth::{TruthBox, TruthRect};

/// Samples of one task, found under one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Where they were looked for.
    pub path: PathBuf,
    /// The samples, sorted by path.
    pub samples: Samples,
    /// What was found, for a message.
    pub found: Found,
}

/// Samples with the labels of their task, or without any.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Pictures with boxes.
    Detect(Vec<DetectionSample>),
    /// Pictures with a class.
    Classify(Vec<ClassSample>),
    /// Pictures or rasters with any number of classes each.
    MultiLabel(Vec<MultiLabelSample>),
    /// Pictures or rasters with a mask.
    Segment(Vec<MaskSample>),
    /// Pictures, rasters or tensors without labels: for calibration, and for agreement with the source model.
    Unlabelled(Vec<PathBuf>),
}

/// A picture and the objects on it.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionSample {
    /// The picture.
    pub picture: PathBuf,
    /// The objects; empty where the picture shows none.
    pub boxes: Vec<TruthBox>,
}

/// A picture and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSample {
    /// The picture.
    pub picture: PathBuf,
    /// Index into the labels that the data set was opened with (or, without any, into [`Found::classes`]).
    pub class: usize,
}

/// A picture or raster and the classes that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiLabelSample {
    /// The picture, the raster, or the folder of its bands.
    pub picture: PathBuf,
    /// Indices into the labels that the data set was opened with, in ascending order.
    pub classes: Vec<usize>,
}

/// A picture or raster and the mask that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskSample {
    /// The picture or raster.
    pub picture: PathBuf,
    /// A file of the same size whose values are classes.
    pub mask: PathBuf,
}

/// What was found, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In what form the labels are; `None` where there are none.
    pub labels: Option<LabelForm>,
    /// Samples in all.
    pub samples: usize,
    /// Boxes in all (detect).
    pub boxes: usize,
    /// Pictures whose label file says "no object" (detect).
    pub empty: usize,
    /// Pictures without a label file in a labelled set (detect: counted as pictures without an object, as
    /// ultralytics does; segment and classify: left out).
    pub unlabelled: usize,
    /// Boxes without an area, which are left out (detect).
    pub flat_boxes: usize,
    /// Names of the classes, where the data set itself says them.
    pub classes: Vec<String>,
}

/// In what form labels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelForm {
    /// A text file a picture: `class cx cy w h`.
    Yolo,
    /// One COCO JSON.
    Coco,
    /// One folder a class.
    Folders,
    /// A CSV of file and label.
    Csv,
    /// File names that start with a WordNet id.
    WordNet,
    /// A mask a picture.
    Masks,
}

impl Dataset {
    /// Finds samples of a task under a folder, or through an annotation file (`.json`, `.csv`).
    ///
    /// `labels` are the model's class names. With them, classes are checked and matched by name; without any
    /// (an empty slice) class numbers are taken as they are.
    ///
    /// # Errors
    /// A [`DataError`] if nothing usable is there or a label does not hold.
    pub fn open(path: impl AsRef<Path>, task: Task, labels: &[String]) -> Result<Self, DataError> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|source| DataError::io(path, source))?;
        let labelled = match task {
            Task::Detect => detect(path, metadata.is_dir(), labels)?,
            Task::Classify => classify::find(path, metadata.is_dir(), labels)?,
            Task::Segment if metadata.is_dir() => masks::find(path)?,
            Task::Segment | Task::Tensors => None,
        };
        let (samples, mut found) = match labelled {
            Some(labelled) => labelled,
            None => (Samples::Unlabelled(files::inputs(path)?), Found::default()),
        };
        found.samples = samples.len();
        if samples.is_empty() {
            return Err(DataError::Nothing { path: path.into() });
        }
        Ok(Self { path: path.into(), samples, found })
    }

    /// Finds inputs only and looks at no label: what a calibration takes.
    ///
    /// # Errors
    /// A [`DataError`] if the path cannot be read or holds no input.
    pub fn open_inputs(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::open(path, Task::Tensors, &[])
    }

    /// How many samples there are; never 0.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are no samples; [`Dataset::open`] refuses that.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Whether the samples have labels.
    pub fn is_labelled(&self) -> bool {
        !matches!(self.samples, Samples::Unlabelled(_))
    }

    /// The files that a model gets, in the samples' order.
    pub fn inputs(&self) -> Vec<&Path> {
        match &self.samples {
            Samples::Detect(s) => s.iter().map(|s| s.picture.as_path()).collect(),
            Samples::Classify(s) => s.iter().map(|s| s.picture.as_path()).collect(),
            Samples::MultiLabel(s) => s.iter().map(|s| s.picture.as_path()).collect(),
            Samples::Segment(s) => s.iter().map(|s| s.picture.as_path()).collect(),
            Samples::Unlabelled(s) => s.iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Indices of at most `count` samples, spread evenly over all of them: what a calibration on part of the
    /// data takes. Neighbours in a folder are often neighbours in a film.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let (len, count) = (self.len(), count.min(self.len()));
        (0..count).map(|i| i * len / count).collect()
    }
}

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::Detect(s) => s.len(),
            Self::Classify(s) => s.len(),
            Self::MultiLabel(s) => s.len(),
            Self::Segment(s) => s.len(),
            Self::Unlabelled(s) => s.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples with their labels; `None` where there are no labels.
type Labelled = Option<(Samples, Found)>;

fn detect(path: &Path, is_folder: bool, labels: &[String]) -> Result<Labelled, DataError> {
    if !is_folder {
        return if files::has_extension(path, "json") {
            coco::read(path, labels).map(Some)
        } else {
            Ok(None)
        };
    }
    if let Some(found) = yolo::find(path, labels)? {
        return Ok(Some(found));
    }
    coco::file_in(path)?.map(|json| coco::read(&json, labels)).transpose()
}

impl fmt::Display for Found {
    /// One line for people: how many samples, which labels, what is odd.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, ", self.samples)?;
        match self.labels {
            None => write!(f, "no labels")?,
            Some(LabelForm::Yolo) => write!(f, "{} boxes from YOLO label files", self.boxes)?,
            Some(LabelForm::Coco) => write!(f, "{} boxes from a COCO JSON", self.boxes)?,
            Some(LabelForm::Folders) => write!(f, "classes from folder names")?,
            Some(LabelForm::Csv) => write!(f, "classes from a CSV")?,
            Some(LabelForm::WordNet) => write!(f, "classes from WordNet ids in file names")?,
            Some(LabelForm::Masks) => write!(f, "a mask for each")?,
        }
        let detect = matches!(self.labels, Some(LabelForm::Yolo | LabelForm::Coco));
        for (count, what) in [
            (self.empty, "without an object"),
            (
                self.unlabelled,
                if detect { "without a label file, taken as empty" } else { "without a label, left out" },
            ),
            (self.flat_boxes, "boxes without an area, left out"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
