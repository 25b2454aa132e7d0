//! Windows over a grid too large for one run, and their answers joined again.
//!
//! - [`TilePlan`]: which windows, in row-major order, with starts that may lie outside the grid.
//! - [`read_padded_window`]: fills a window that reaches outside by reflection.
//! - [`Blender`]: adds up the windows' probabilities and hands out rows as soon as they are final.
//! - [`activate_planes`]: from raw values to probabilities.
//! - [`argmax_row`]: the class of each pixel of such a row.
//!
//! Window starts and weights are named after the reference they equal (`farsight_spec::Blend`).

mod activate;
mod blend;
mod padding;
mod plan;
mod tukey;

pub use activate::activate_planes;
pub use blend::{Blender, FinishedRow, argmax_row};
pub use padding::{read_padded_window, source_index};
pub use plan::{TilePlan, Window};

/// Why windows could not be laid or joined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The raster or the window has no pixels.
    #[error("raster {raster:?} and window {window:?} ([height, width]) must both have pixels")]
    Empty {
        /// `[height, width]` of the raster.
        raster: [usize; 2],
        /// `[height, width]` of the window.
        window: [usize; 2],
    },
    /// The overlap cannot be blended.
    #[error("overlap {overlap}: must be from 0 to 0.5 of the window")]
    Overlap {
        /// What was asked for.
        overlap: f64,
    },
    /// A buffer does not hold what its shape says.
    #[error("{what}: {found} values, expected {expected}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// Values in it.
        found: usize,
        /// Values its shape needs.
        expected: usize,
    },
    /// The windows came in another order than the plan's.
    #[error("window {found} of the plan was given, window {expected} is next (row-major order)")]
    Order {
        /// Index of the window that was given.
        found: usize,
        /// Index of the window that is next.
        expected: usize,
    },
    /// Finished rows were left inside.
    #[error("rows {first} to {last} are finished and must be taken out before the next row of windows")]
    RowsLeft {
        /// First finished row.
        first: usize,
        /// Last finished row.
        last: usize,
    },
    /// One row of windows does not fit in memory.
    #[error(
        "blending {classes} classes over a raster {width} wide needs {} MB for one row of windows: cut the raster",
        bytes / 1_000_000
    )]
    Memory {
        /// Classes a pixel.
        classes: usize,
        /// Width of the raster.
        width: usize,
        /// Bytes needed.
        bytes: usize,
    },
    /// More classes than a byte can name.
    #[error("{found} classes do not fit a mask of bytes (at most 256)")]
    Classes {
        /// How many there are.
        found: usize,
    },
}
