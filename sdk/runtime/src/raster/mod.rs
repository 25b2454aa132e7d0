//! Rasters through the model, window by window, in bounded memory.
//!
//! - [`stage`]: what a raster model needs, made once at open.
//! - [`scene`]: what a raster does not say of itself: dates, scale, offset.
//! - [`windows`]: windows read and prepared on a thread of their own while the session runs.
//! - [`mask`]: windows in, rows of a mask out. [`classes`]: windows in, classes of each out.

mod classes;
mod mask;
mod scene;
mod stage;
mod windows;

use std::time::Duration;

use farsight_vision::{BandChoice, RasterInfo};

use crate::Times;

pub use mask::{MASK_NODATA, RasterRow};
pub use scene::Scene;
pub(crate) use stage::{RasterStage, input_shapes};

/// What a raster gave, beside the rows of its mask or the classes of its windows.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterAnswer {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// Windows run.
    pub windows: usize,
    /// Where the time went: waiting for windows; the session; blending and writing.
    pub times: Times,
    /// Time that another thread took to read and normalise windows, meanwhile.
    pub reading: Duration,
    /// Pixels of each class of a mask.
    pub pixels: Vec<u64>,
    /// Pixels of a mask without data.
    pub nodata_pixels: u64,
    /// Area of a pixel in square metres, where the raster's coordinates are metres.
    pub pixel_area_m2: Option<f64>,
    /// Which bands of the raster the model read, all of the first date first, and how they were found.
    pub bands: BandChoice,
    /// Why the raster looks as if it were in other units than the model's, where it does.
    pub doubt: Option<String>,
}

/// How far a raster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RasterProgress {
    /// Windows done.
    pub done: usize,
    /// Windows in all.
    pub total: usize,
    /// Where the time of this window went.
    pub times: Times,
}

impl RasterAnswer {
    fn new(info: &RasterInfo, windows: usize, bands: BandChoice) -> Self {
        Self {
            size: info.size,
            windows,
            times: Times::default(),
            reading: Duration::ZERO,
            pixels: Vec::new(),
            nodata_pixels: 0,
            pixel_area_m2: info.georeference.pixel_area_m2(),
            bands,
            doubt: None,
        }
    }
}
