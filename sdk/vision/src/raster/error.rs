//! Why a raster could not be read or a mask not be written.

use std::io;
use std::path::PathBuf;

use crate::TileError;

/// Why a raster could not be read or a mask not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RasterError {
    /// The file cannot be opened or is no file.
    #[error("{}: cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no TIFF, or its header contradicts itself.
    #[error("{}: not a readable GeoTIFF: {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A TIFF of a kind that is not read here.
    #[error("{}: {found}; convert it first: gdal_translate -co TILED=YES -co COMPRESS=DEFLATE IN OUT", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// A part of the file is missing or damaged.
    #[error("{}: the pixels at row {row}, column {column} cannot be read: {found}", path.display())]
    Block {
        /// The file.
        path: PathBuf,
        /// First row of the damaged block.
        row: usize,
        /// First column of the damaged block.
        column: usize,
        /// What is wrong with it.
        found: String,
    },
    /// A window that is not inside the raster.
    #[error("{}: window of {size:?} at {start:?} is not inside the raster of {raster:?} ([height, width])", path.display())]
    Window {
        /// The file.
        path: PathBuf,
        /// `[row, column]` of the window.
        start: [usize; 2],
        /// `[height, width]` of the window.
        size: [usize; 2],
        /// `[height, width]` of the raster.
        raster: [usize; 2],
    },
    /// A folder, or a list of files, that is no raster.
    #[error("{}: {found}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Files that do not lie over each other.
    #[error("{} and {} cannot be read as one raster: {found}", first.display(), second.display())]
    Stack {
        /// A file.
        first: PathBuf,
        /// The file that does not fit it.
        second: PathBuf,
        /// How they differ.
        found: String,
    },
    /// A raster in memory that cannot be.
    #[error("the raster in memory: {found}")]
    Memory {
        /// What is wrong with it.
        found: String,
    },
    /// A band that the file does not have.
    #[error("{}: {found}; the file has {}", path.display(), has)]
    Bands {
        /// The file.
        path: PathBuf,
        /// Which bands are missing or unclear.
        found: String,
        /// The bands of the file, in words.
        has: String,
    },
    /// Statistics that do not fit the bands.
    #[error("normalisation of {bands} bands: {found}")]
    Normalise {
        /// How many bands the model takes.
        bands: usize,
        /// What is wrong.
        found: String,
    },
    /// A mask, or another result, that cannot be written.
    #[error("{}: cannot be written: {found}", path.display())]
    Write {
        /// The file to be.
        path: PathBuf,
        /// What went wrong.
        found: String,
    },
    /// Windows or buffers that do not fit.
    #[error(transparent)]
    Tile(#[from] TileError),
}
