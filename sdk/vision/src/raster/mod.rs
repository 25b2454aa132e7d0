//! Georeferenced rasters (GeoTIFF): windows in, masks out, in bounded memory.
//!
//! - [`Raster`]: a file opened for reading in windows, band first, as f32.
//! - [`RasterStack`]: several files of one scene as one raster; [`open_raster`]: a file or a folder of them.
//! - [`MemoryRaster`]: the same of memory. [`RasterSource`]: any of them.
//! - [`RasterInfo`]: its size, bands, nodata value and [`Georeference`].
//! - [`RasterNormalise`], [`nodata_mask`]: from raw values (DN) to what a model expects; [`real_values`]: to what a
//!   file's scales and offsets say.
//! - [`MaskWriter`]: a mask with the coordinates of the raster it was made from.
//!
//! The format itself is the crates `tiff-reader` and `tiff-writer`: they hand out samples as they are stored
//! (no colour conversion, every extra band, sparse blocks as zeros) and check sizes before they allocate.

mod bands;
mod blocks;
mod decode;
mod error;
mod file_name;
mod gdal_metadata;
mod georeference;
mod info;
mod mask;
mod memory;
mod normalise;
mod open;
mod read;
mod real_values;
mod resample;
mod source;
mod stack;

pub use bands::{BandChoice, BandMatch};
pub use error::RasterError;
pub use georeference::Georeference;
pub use info::{BandInfo, RasterInfo};
pub use mask::{MaskSettings, MaskWriter};
pub use memory::{MemoryRaster, Strides};
pub use normalise::{RasterNormalise, nodata_mask};
pub use open::open_raster;
pub use read::Raster;
pub use real_values::real_values;
pub use resample::Resample;
pub use source::RasterSource;
pub use stack::RasterStack;
