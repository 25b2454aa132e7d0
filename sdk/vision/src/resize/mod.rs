//! Scaling, row by row: each reference's own integer arithmetic.
//!
//! - [`Source`]: rows of a [`Frame`](crate::Frame) as bytes that a resizer reads, colours converted.
//! - [`Resizer`]: the rows of the scaled (and cropped) picture, as [`PIXEL`] bytes a pixel.
//! - [`Isa`]: which instructions do the work; the answer is the same with all of them.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod color;
mod isa;
mod linear;
mod pil;
mod source;

use std::ops::Range;

use farsight_spec::Filter;

use crate::Frame;

pub(crate) use isa::Isa;
pub(crate) use source::{Colors, Lanes, Source};

/// Bytes of a pixel between the stages: red, green, blue and one that nobody reads; luminance three
/// times for gray. Four, so that a pixel is one 32-bit lane.
pub(crate) const PIXEL: usize = 4;

/// What part of the scaled picture is wanted. Nothing outside it is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    /// `[height, width]` of the frame.
    pub(crate) from: [usize; 2],
    /// `[height, width]` of the whole scaled picture.
    pub(crate) to: [usize; 2],
    /// Rows wanted of the scaled picture.
    pub(crate) rows: Range<usize>,
    /// Columns wanted of the scaled picture.
    pub(crate) columns: Range<usize>,
}

/// Makes the rows of a scaled picture. Buffers are made at construction.
pub(crate) enum Resizer {
    /// The frame has the wanted size.
    Copy(Scale),
    /// OpenCV's INTER_LINEAR.
    Linear(linear::Linear),
    /// Pillow's BILINEAR.
    Pil(pil::Pil),
}

impl Resizer {
    pub(crate) fn new(filter: Filter, scale: Scale, lanes: Lanes) -> Self {
        match filter {
            _ if scale.from == scale.to => Self::Copy(scale),
            Filter::OpencvLinear => Self::Linear(linear::Linear::new(&scale, lanes)),
            Filter::PilBilinear => Self::Pil(pil::Pil::new(&scale, lanes)),
        }
    }

    /// Forgets the rows kept from the last frame. To be called before the first row of a frame.
    pub(crate) fn start(&mut self) {
        match self {
            Self::Copy(_) => {}
            Self::Linear(linear) => linear.start(),
            Self::Pil(pil) => pil.start(),
        }
    }

    /// Writes row `y` (counted from the first wanted row, asked for in ascending order) into `out`,
    /// [`PIXEL`] bytes a wanted column.
    pub(crate) fn row(&mut self, isa: Isa, source: &mut Source, frame: &Frame, y: usize, out: &mut [u8]) {
        match self {
            Self::Copy(scale) => {
                let lanes = source.lanes();
                let bytes = source.row(isa, frame, scale.rows.start + y);
                lanes.expand(&bytes[scale.columns.start * lanes.step..], out);
            }
            Self::Linear(linear) => linear.row(isa, source, frame, y, out),
            Self::Pil(pil) => pil.row(isa, source, frame, y, out),
        }
    }
}
