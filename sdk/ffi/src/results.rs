//! What a run gave, as plain arrays that the pipeline keeps until its next run.

use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use farsight::Answer;

use crate::Status;
use crate::failure::{Failure, Result};
use crate::memory::Lent;
use crate::pipeline::number;

/// An object that was found. Arrays of it are plain, so it has no size and never changes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Detection {
    /// Left edge in pixels of the frame.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
    /// 0 to 1.
    pub score: f32,
    /// Number of the class, from 0.
    pub class_id: u32,
}

/// The objects that a run found.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Detections {
    /// `sizeof(farsight_detections)`, set by the caller.
    pub size: usize,
    /// Best first; NULL if there are none. The pipeline's own, until its next run or its close.
    pub items: *const Detection,
    /// How many.
    pub count: usize,
}

/// A class with its score. Arrays of it are plain, so it has no size and never changes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct ClassScore {
    /// Number of the class, from 0.
    pub class_id: u32,
    /// Its probability, or what the model gives in its place.
    pub score: f32,
}

/// The classes that a run gave.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Classes {
    /// `sizeof(farsight_classes)`, set by the caller.
    pub size: usize,
    /// Best first; NULL if there are none. The pipeline's own, until its next run or its close.
    pub items: *const ClassScore,
    /// How many.
    pub count: usize,
}

/// A class a pixel.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Mask {
    /// `sizeof(farsight_mask)`, set by the caller.
    pub size: usize,
    /// The frame's width in pixels.
    pub width: u32,
    /// The frame's height in pixels.
    pub height: u32,
    /// `width * height` bytes, row by row without gaps; 255 where the model saw nothing. The pipeline's own, until its
    /// next run or its close.
    pub classes: *const u8,
}

/// Where the time of a run went, in nanoseconds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Times {
    /// `sizeof(farsight_times)`, set by the caller.
    pub size: usize,
    /// From pixels to the input tensor.
    pub pre_ns: u64,
    /// The session.
    pub infer_ns: u64,
    /// From raw tensors to the answer.
    pub post_ns: u64,
}

impl From<farsight::Times> for Times {
    fn from(times: farsight::Times) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { size: 0, pre_ns: ns(times.pre), infer_ns: ns(times.infer), post_ns: ns(times.post) }
    }
}

/// What the last run gave, kept until the next.
pub(crate) struct Results {
    last: Last,
    detections: Vec<Detection>,
    classes: Vec<ClassScore>,
    /// Pixels of each class of a raster.
    #[cfg(feature = "rasters")]
    pixels: Vec<u64>,
}

#[derive(Clone, Copy)]
enum Last {
    /// No run yet, or one that failed.
    Nothing,
    Detections,
    Classes,
    Mask {
        classes: Lent,
        width: u32,
        height: u32,
    },
    Tensors,
    #[cfg(feature = "rasters")]
    Raster,
}

impl Results {
    /// With room for `most` items, so that a run does not have to make any.
    pub(crate) fn with_room(most: usize) -> Self {
        Self {
            last: Last::Nothing,
            detections: Vec::with_capacity(most),
            classes: Vec::with_capacity(most),
            #[cfg(feature = "rasters")]
            pixels: Vec::new(),
        }
    }

    /// Before a run: nothing of the last one is handed out any more.
    pub(crate) fn forget(&mut self) {
        self.last = Last::Nothing;
    }

    /// After a run of raw tensors.
    pub(crate) fn keep_tensors(&mut self) {
        self.last = Last::Tensors;
    }

    /// After a run of a raster; returns the pixels of each class, which are kept.
    #[cfg(feature = "rasters")]
    pub(crate) fn keep_raster(&mut self, pixels: &[u64]) -> &[u64] {
        self.last = Last::Raster;
        self.pixels.clear();
        self.pixels.extend_from_slice(pixels);
        &self.pixels
    }

    /// After a run of a frame.
    pub(crate) fn keep(&mut self, answer: Answer<'_>) {
        self.last = match answer {
            Answer::Detections(found) => {
                self.detections.clear();
                self.detections.extend(found.iter().map(Detection::from));
                Last::Detections
            }
            Answer::Classes(found) => {
                self.classes.clear();
                self.classes.extend(found.iter().map(ClassScore::from));
                Last::Classes
            }
            Answer::Mask(mask) => Last::Mask {
                classes: Lent::new(&mask.classes),
                width: number(mask.width),
                height: number(mask.height),
            },
            Answer::Tensors => Last::Tensors,
        };
    }

    pub(crate) fn detections(&self) -> Result<Detections> {
        match self.last {
            Last::Detections => {
                Ok(Detections { size: 0, items: pointer(&self.detections), count: self.detections.len() })
            }
            other => Err(other.lacks("boxes")),
        }
    }

    pub(crate) fn classes(&self) -> Result<Classes> {
        match self.last {
            Last::Classes => {
                Ok(Classes { size: 0, items: pointer(&self.classes), count: self.classes.len() })
            }
            other => Err(other.lacks("classes")),
        }
    }

    pub(crate) fn mask(&self) -> Result<Mask> {
        match self.last {
            Last::Mask { classes, width, height } => {
                Ok(Mask { size: 0, width, height, classes: classes.pointer() })
            }
            other => Err(other.lacks("a mask")),
        }
    }

    /// Whether the session's outputs hold anything of use.
    pub(crate) fn check_run(&self) -> Result<()> {
        if matches!(self.last, Last::Nothing) { Err(not_ready()) } else { Ok(()) }
    }
}

impl Last {
    /// Why there is no such result.
    fn lacks(self, wanted: &str) -> Failure {
        let gave = match self {
            Self::Nothing => return not_ready(),
            Self::Detections => "boxes",
            Self::Classes => "classes",
            Self::Mask { .. } => "a mask",
            Self::Tensors => "raw tensors",
            #[cfg(feature = "rasters")]
            Self::Raster => "a raster's mask, in the caller's memory",
        };
        Failure::new(Status::WrongTask, "wrong-task", format!("the run gave {gave}, not {wanted}"))
    }
}

fn not_ready() -> Failure {
    let text = "there is no result: the pipeline has not run yet, or its last run failed";
    Failure::new(Status::NotReady, "not-ready", text)
}

impl From<&farsight::Detection> for Detection {
    fn from(found: &farsight::Detection) -> Self {
        let [x1, y1, x2, y2] = found.bbox;
        Self { x1, y1, x2, y2, score: found.score, class_id: number(found.class) }
    }
}

impl From<&farsight::ClassScore> for ClassScore {
    fn from(found: &farsight::ClassScore) -> Self {
        Self { class_id: number(found.class), score: found.score }
    }
}

fn pointer<T>(items: &[T]) -> *const T {
    if items.is_empty() { ptr::null() } else { items.as_ptr() }
}

/// The place of some bytes for C; NULL if there are none.
pub(crate) fn bytes_pointer(bytes: &[u8]) -> *const c_void {
    pointer(bytes).cast()
}
