//! Windows over a grid too large for one run, and their answers joined again.
//!
//! - [`Axis`]: which windows along one axis, and their weights; two make a plan, three serve a volume.
//! - [`weight_map`]: how much each pixel or voxel of a window counts.
//! - [`TilePlan`]: the windows over a raster, in row-major order, with starts that may lie outside it.
//! - [`read_padded_window`]: fills a window that reaches outside as its [`Padding`] says.
//! - [`Blender`]: adds up the windows' answers and hands out rows as soon as they are final.
//! - [`activate_planes`]: from raw values to probabilities.
//! - [`argmax_row`]: the class of each pixel of such a row.
//!
//! Window starts, weights and padding are named after the reference they equal (`farsight_spec::Blend`).

mod activate;
mod axis;
mod blend;
mod padding;
mod plan;
mod profile;
mod weights;

pub use activate::activate_planes;
pub use axis::Axis;
pub use blend::{Blender, FinishedRow, argmax_row};
pub use padding::{Padding, read_padded_window};
pub use plan::{TilePlan, Window};
pub use weights::weight_map;

/// Why windows could not be laid or joined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The raster or the window has no pixels.
    #[error("raster {raster:?} and window {window:?} ([height, width]) must both have pixels")]
    Empty {
        /// Lengths of the raster's axes, `[height, width]`.
        raster: Vec<usize>,
        /// Lengths of the window's axes, `[height, width]`.
        window: Vec<usize>,
    },
    /// The keys do not belong to the blend, or make no sense.
    #[error(transparent)]
    Tiling(#[from] farsight_spec::SpecError),
    /// The step is longer than the window.
    #[error("a stride of {stride} leaves pixels between windows of {window}: expected 1 to {window}")]
    Stride {
        /// What was asked for.
        stride: usize,
        /// The shortest side of the window.
        window: usize,
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
