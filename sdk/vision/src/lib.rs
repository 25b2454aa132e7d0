//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod decode;
mod frame;
mod geometry;
mod metrics;
mod nms;
#[cfg(feature = "pictures")]
pub mod picture;
mod preprocess;
#[cfg(feature = "rasters")]
mod raster;
mod resize;
mod tiles;

pub use decode::{
    ClassScore, ClassesDecoder, DecodeError, DetectDecoder, Detection, LayoutError, LayoutHints, MaskDecoder,
    NOT_SEEN, YoloOutput, yolo_layout,
};
pub use frame::{Frame, FrameError, PixelFormat, Yuv, YuvMatrix, YuvRange};
pub use geometry::Geometry;
pub use metrics::{
    Confusion, DetectionDraws, DetectionMetrics, DetectionScores, MaskError, MultiLabelAp, TopK, Truth,
    average_precision,
};
#[cfg(feature = "pictures")]
pub use picture::{Picture, PictureError};
pub use preprocess::{FramePreprocess, PreprocessError};
#[cfg(feature = "rasters")]
pub use raster::{
    BandChoice, BandInfo, BandMatch, Georeference, MaskSettings, MaskWriter, MemoryRaster, Raster,
    RasterError, RasterInfo, RasterNormalise, RasterSource, RasterStack, Resample, Strides, nodata_mask,
    open_raster, real_values,
};
pub use tiles::{
    Blender, FinishedRow, TileError, TilePlan, Window, activate_planes, argmax_row, read_padded_window,
    source_index,
};
