//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod geometry;
#[cfg(feature = "rasters")]
mod raster;
mod tiles;

pub use geometry::Geometry;
#[cfg(feature = "rasters")]
pub use raster::{
    BandChoice, BandInfo, BandMatch, Georeference, MaskSettings, MaskWriter, Raster, RasterError, RasterInfo,
    RasterNormalise, nodata_mask,
};
pub use tiles::{
    Blender, FinishedRow, TileError, TilePlan, Window, argmax_row, read_padded_window, source_index,
};
