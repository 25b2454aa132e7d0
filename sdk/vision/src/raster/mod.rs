//! Georeferenced rasters (GeoTIFF): windows in, masks out, in bounded memory.
//!
//! - [`Raster`]: a file opened for reading in windows, band first, as f32.
//! - [`RasterStack`]: several files of one scene as one raster; [`open_raster`]: a file or a folder of them.
//! - [`RasterSeries`]: several dates of one scene.
//! - [`MemoryRaster`]: the same of memory. [`RasterSource`]: any of them.
//! - [`RasterInfo`]: its size, bands, nodata value and [`Georeference`].
//! - [`RasterNormalise`], [`nodata_mask`]: from raw values (DN) to what a model expects; [`real_values`]: to what a
//!   file's scales and offsets say.
//! - [`MaskWriter`], [`ProbabilityWriter`]: a mask, or the probabilities of its classes, with the coordinates of the
//!   raster they were made from.
//! - [`ScoresWriter`]: a table of what files were classified as.
//!
//! The format itself is the crates `tiff-reader` and `tiff-writer`: they hand out samples as they are stored
//! (no colour conversion, every extra band, sparse blocks as zeros) and check sizes before they allocate.

mod bands;
mod blocks;
mod cog;
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
mod probabilities;
mod read;
mod real_values;
mod resample;
mod scores;
mod series;
mod source;
mod stack;
mod whole_file;

pub use bands::{BandChoice, BandMatch};
pub use error::RasterError;
pub use georeference::Georeference;
pub use info::{BandInfo, RasterInfo};
pub use mask::{MaskSettings, MaskWriter};
pub use memory::{MemoryRaster, Strides};
pub use normalise::{RasterNormalise, nodata_mask};
pub use open::open_raster;
pub use probabilities::{ProbabilityKind, ProbabilityWriter};
pub use read::Raster;
pub use real_values::real_values;
pub use resample::Resample;
pub use scores::ScoresWriter;
pub use series::RasterSeries;
pub use source::RasterSource;
pub use stack::RasterStack;
pub(crate) use whole_file::WholeFile;
