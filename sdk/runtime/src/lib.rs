//! The device library: a bundle in, boxes, labels or a mask out.
//!
//! ```no_run
//! use farsight::{Answer, Frame, Pipeline};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut pipeline = Pipeline::open("cows.farsight")?;
//! let pixels = vec![0; 1920 * 1080 * 3];
//! let frame = Frame::rgb8(1920, 1080, &pixels)?;
//! if let Answer::Detections(cows) = pipeline.run(&frame)? {
//!     for cow in cows {
//!         println!("{:.2} {:?}", cow.score, cow.bbox);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A camera's own format goes in as it is:
//!
//! ```
//! use farsight::{Frame, PixelFormat, Yuv};
//!
//! let (width, height) = (64, 48);
//! let (luma, chroma) = (vec![16; 64 * 48], vec![128; 64 * 24]);
//! let format = PixelFormat::Nv12(Yuv::BT601_LIMITED);
//! assert!(Frame::biplanar(format, width, height, &luma, 64, &chroma, 64).is_ok());
//! ```
//!
//! A pipeline is `Send` but not `Sync`: one a thread, or a [`Pool`] of them for all. After the first frame of a size, a run allocates
//! nothing of its own.

mod error;
mod mask;
mod options;
mod pipeline;
mod pool;
#[cfg(feature = "rasters")]
mod raster;
mod stage;
mod times;

pub use error::Error;
pub use mask::Mask;
pub use options::Options;
pub use pipeline::{Answer, Pipeline};
pub use pool::Pool;
#[cfg(feature = "rasters")]
pub use raster::{MASK_NODATA, RasterAnswer, RasterProgress, RasterRow, Scene};
pub use times::Times;

pub use farsight_bundle::{Bundle, BundleError, Open, Outline};
pub use farsight_engine::{
    Cache, Caching, Canceller, EngineError, Library, Model, NO_TELEMETRY, Session, StartUp,
};
pub use farsight_spec::{ElementType, ModelSpec, Target, Task, TensorInfo};
#[cfg(feature = "rasters")]
pub use farsight_vision::{
    BandInfo, BandMatch, FootprintWriter, Georeference, MaskSettings, MaskWriter, MemoryRaster, PolygonError,
    PolygonSettings, PolygonWriter, PolygonsWritten, ProbabilityKind, ProbabilityWriter, Raster, RasterError,
    RasterInfo, RasterSource, ScoresWriter, Strides, TileError,
};
pub use farsight_vision::{
    ClassScore, DecodeError, Detection, Frame, FrameError, Geometry, PixelFormat, PreprocessError, Yuv,
    YuvMatrix, YuvRange,
};
