//! From a camera frame to the model's input tensor, in one pass over the pixels.
//!
//! [`FramePreprocess`] goes through the tensor's rows: each is scaled from the few source rows it needs,
//! normalised and written in its final place while it is still in the nearest cache. Nothing as large as a
//! frame is kept in between, and nothing is allocated as long as frames keep their size and format.

mod fit;
mod normalise;

use std::ops::Range;

use farsight_spec::{Channels, Filter, FrameInput, Resize};

use crate::frame::{Frame, PixelFormat};
use crate::geometry::Geometry;
use crate::resize::{Colors, Isa, PIXEL, Resizer, Scale, Source};
use normalise::Normaliser;

/// Greatest height and width of a model's input.
const MAX_SIDE: usize = 16_384;

/// Turns frames into the input tensor of one model.
///
/// The bytes before normalisation are those of the reference that the spec names:
/// - [`Filter::OpencvLinear`] and [`Resize::Letterbox`]: `cv2.resize(…, INTER_LINEAR)` of OpenCV 5.0.0 on
///   x86-64. A centred letterbox rounds sizes and borders as ultralytics does, one in the upper left corner as
///   YOLOX does: it cuts the fraction of the scaled size off.
/// - [`Filter::PilBilinear`]: Pillow's `Image.resize(…, BILINEAR)`; [`Resize::CenterCrop`] takes its sizes and
///   offsets from torchvision's `Resize` and `CenterCrop`, zeros where the crop is larger than the picture.
/// - A YUV frame becomes RGB by OpenCV's arithmetic, without interpolating chroma. A gray frame is repeated for
///   a colour model; a colour frame becomes gray by OpenCV's `RGB2GRAY` before it is scaled.
///
/// Then `(value / divide - mean) / std` follows in f32, step by step as numpy computes it.
pub struct FramePreprocess {
    size: [usize; 2],
    resize: Resize,
    colors: Colors,
    normaliser: Normaliser,
    isa: Isa,
    plan: Option<Plan>,
    /// One scaled row.
    row: Vec<u8>,
}

/// What can be prepared for frames of one size and format.
struct Plan {
    format: PixelFormat,
    geometry: Geometry,
    /// Rows and columns of the tensor that the picture covers.
    rows: Range<usize>,
    columns: Range<usize>,
    source: Source,
    resizer: Resizer,
}

impl FramePreprocess {
    /// Prepares for a model whose spec is resolved: `size` and `layout` are present.
    ///
    /// # Errors
    /// Where `size` or `layout` is missing, a side is 0 or above 16,384, `mean` or `std` has another length than
    /// the channels, `divide` or a `std` is 0, a number is not finite, or `crop_fraction` is not positive.
    pub fn new(input: &FrameInput) -> Result<Self, PreprocessError> {
        Self::with(input, Isa::detect())
    }

    fn with(input: &FrameInput, isa: Isa) -> Result<Self, PreprocessError> {
        let size = input.size.ok_or(PreprocessError::Unresolved { key: "size" })?;
        let layout = input.layout.ok_or(PreprocessError::Unresolved { key: "layout" })?;
        if size.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(PreprocessError::Size { found: size });
        }
        if let Resize::CenterCrop { crop_fraction, .. } = input.resize
            && !(MIN_CROP_FRACTION..=MAX_CROP_FRACTION).contains(&crop_fraction)
        {
            return Err(PreprocessError::CropFraction { found: crop_fraction });
        }
        let colors = match input.channels {
            Channels::Rgb | Channels::Bgr => Colors::Rgb,
            Channels::Gray => Colors::Gray,
        };
        Ok(Self {
            size,
            resize: input.resize.clone(),
            colors,
            normaliser: Normaliser::new(&input.normalise, input.channels, layout, size)?,
            isa,
            plan: None,
            row: vec![0; size[1] * PIXEL],
        })
    }

    /// Writes the tensor of a frame and says where the frame lies in it.
    ///
    /// `tensor` is the model's whole input, `[1, C, H, W]` or `[1, H, W, C]` with C 3 or 1; every value is written.
    ///
    /// # Errors
    /// Where `tensor` has another length.
    pub fn run(&mut self, frame: &Frame<'_>, tensor: &mut [f32]) -> Result<Geometry, PreprocessError> {
        self.write(frame, tensor, Border::Write)
    }

    /// [`FramePreprocess::run`] for a `tensor` that still holds what the last run of this preprocess wrote: the
    /// border is there already if the frame has the last one's size and format, and only the picture is written.
    /// What the tensor holds then is what `run` writes.
    ///
    /// # Errors
    /// Where `tensor` has another length.
    pub fn run_over_last(
        &mut self,
        frame: &Frame<'_>,
        tensor: &mut [f32],
    ) -> Result<Geometry, PreprocessError> {
        self.write(frame, tensor, Border::Keep)
    }

    fn write(
        &mut self,
        frame: &Frame<'_>,
        tensor: &mut [f32],
        border: Border,
    ) -> Result<Geometry, PreprocessError> {
        let expected = self.normaliser.len();
        if tensor.len() != expected {
            return Err(PreprocessError::TensorLength { found: tensor.len(), expected });
        }
        let key = (frame.format(), [frame.height(), frame.width()]);
        let last = self.plan.take().filter(|plan| (plan.format, plan.geometry.frame) == key);
        let keep_border = last.is_some() && border == Border::Keep;
        let plan = last.unwrap_or_else(|| Plan::new(&self.resize, self.colors, self.size, frame));
        let plan = self.plan.insert(plan);
        plan.resizer.start();

        if !keep_border {
            plan.fill_border(&self.normaliser, pad(&self.resize), tensor);
        }
        let row = &mut self.row[..plan.columns.len() * PIXEL];
        for y in plan.rows.clone() {
            plan.resizer.row(self.isa, &mut plan.source, frame, y - plan.rows.start, row);
            self.normaliser.write(self.isa, y, plan.columns.start, row, tensor);
        }
        Ok(plan.geometry)
    }
}

/// What happens to the part of the tensor that the picture does not cover.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Border {
    Write,
    /// Left as the last run wrote it, where that run's plan still holds.
    Keep,
}

/// What a border is filled with, before normalisation.
fn pad(resize: &Resize) -> u8 {
    match resize {
        Resize::Letterbox { pad, .. } => *pad,
        Resize::Stretch { .. } | Resize::CenterCrop { .. } => 0,
    }
}

impl Plan {
    fn new(resize: &Resize, colors: Colors, input: [usize; 2], frame: &Frame) -> Self {
        let geometry = fit::fit(resize, [frame.height(), frame.width()], input);
        let filter = match resize {
            Resize::Letterbox { .. } => Filter::OpencvLinear,
            Resize::Stretch { filter } | Resize::CenterCrop { filter, .. } => *filter,
        };
        let [(rows, wanted_rows), (columns, wanted_columns)] = [0, 1].map(|axis| covered(&geometry, axis));
        let scale =
            Scale { from: geometry.frame, to: geometry.scaled, rows: wanted_rows, columns: wanted_columns };
        let source = Source::new(frame.format(), frame.width(), colors);
        let resizer = Resizer::new(filter, scale, source.lanes());
        Self { format: frame.format(), geometry, rows, columns, source, resizer }
    }

    /// Fills what the picture does not cover.
    fn fill_border(&self, normaliser: &Normaliser, pad: u8, tensor: &mut [f32]) {
        let [height, width] = self.geometry.input;
        for y in 0..height {
            let picture = if self.rows.contains(&y) { self.columns.clone() } else { width..width };
            normaliser.fill(y, 0..picture.start, pad, tensor);
            normaliser.fill(y, picture.end..width, pad, tensor);
        }
    }
}

/// Which part of the input's side the picture covers, and which part of the scaled picture that is.
fn covered(geometry: &Geometry, axis: usize) -> (Range<usize>, Range<usize>) {
    let offset = geometry.offset[axis];
    let (start, cut) = (offset.max(0) as usize, (-offset).max(0) as usize);
    let length = (geometry.scaled[axis] - cut).min(geometry.input[axis] - start);
    (start..start + length, cut..cut + length)
}

const MIN_CROP_FRACTION: f64 = 0.01;
const MAX_CROP_FRACTION: f64 = 100.0;

/// Why frames cannot become a tensor.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreprocessError {
    /// The spec left open what the model file says.
    #[error("input.{key} is not known; resolve the spec against the model file first, or set it in the spec")]
    Unresolved {
        /// `size` or `layout`.
        key: &'static str,
    },
    /// A side of the model's input makes no sense.
    #[error("input.size is {found:?} ([height, width]); each side must be 1 to {MAX_SIDE}")]
    Size {
        /// `[height, width]`.
        found: [usize; 2],
    },
    /// The crop would be nothing or the picture a dot.
    #[error(
        "input.resize.crop_fraction is {found}; it must be {MIN_CROP_FRACTION} to {MAX_CROP_FRACTION} (0.875 \
         means 256 pixels cropped to 224)"
    )]
    CropFraction {
        /// As in the spec.
        found: f64,
    },
    /// One number a channel, or none.
    #[error("input.normalise.{key} has {found} value(s), but the model has {expected} channel(s)")]
    ChannelCount {
        /// `mean` or `std`.
        key: &'static str,
        /// Numbers in the spec.
        found: usize,
        /// Channels of the model.
        expected: usize,
    },
    /// Not finite, or a divisor of 0.
    #[error("input.normalise.{key} contains {value} (as a 32-bit float), which cannot be computed with")]
    NotANumber {
        /// `divide`, `mean` or `std`.
        key: &'static str,
        /// As a 32-bit float.
        value: f32,
    },
    /// The tensor is not the model's input.
    #[error("the tensor has {found} values, the model's input has {expected}")]
    TensorLength {
        /// Values given.
        found: usize,
        /// Values needed.
        expected: usize,
    },
}

#[cfg(test)]
mod tests;
