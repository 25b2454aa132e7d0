//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod decode;
mod frame;
mod geometry;
mod metrics;
mod nms;
#[cfg(feature = "pictures")]
pub mod picture;
#[cfg(feature = "rasters")]
mod polygons;
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
#[cfg(feature = "rasters")]
pub use polygons::{
    FootprintWriter, PixelAreas, Polygon, PolygonError, PolygonSettings, PolygonWriter, Polygonizer,
    PolygonsWritten, ToWgs84,
};
pub use preprocess::{FramePreprocess, PreprocessError};
#[cfg(feature = "rasters")]
pub use raster::{
    BandChoice, BandInfo, BandMatch, Georeference, MaskSettings, MaskWriter, MemoryRaster, ProbabilityKind,
    ProbabilityWriter, Raster, RasterError, RasterInfo, RasterNormalise, RasterSeries, RasterSource,
    RasterStack, Resample, ScoresWriter, Strides, nodata_mask, open_raster, real_values,
};
pub use tiles::{
    Axis, Blender, FinishedRow, Padding, TileError, TilePlan, Window, activate_planes, argmax_row,
    read_padded_window, weight_map,
};
