//! From raw output tensors to answers.
//!
//! - [`yolo_layout`]: which output holds the boxes, and how, from shapes and metadata.
//! - [`DetectDecoder`]: boxes in frame pixels, for every [`farsight_spec::YoloLayout`].
//! - [`ClassesDecoder`]: the best classes.
//! - [`MaskDecoder`]: one class a pixel, at the model's size and at the frame's.
//!
//! A decoder owns its buffers: after the first call nothing is allocated.

mod anchors;
mod classes;
mod detect;
mod grid;
mod layout;
mod mask;
mod rows;

pub use classes::{ClassScore, ClassesDecoder};
pub use detect::{DetectDecoder, Detection};
pub use layout::{LayoutError, LayoutHints, YoloOutput, yolo_layout};
pub use mask::{MaskDecoder, NOT_SEEN};

/// Why an output tensor cannot be read as the spec says.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The tensor's axes are not those of the layout.
    #[error("an output of shape {shape:?} does not fit: {expected}")]
    Shape {
        /// The shape found.
        shape: Vec<usize>,
        /// What the layout asks for.
        expected: String,
    },
    /// The number of labels is not the number of classes in the tensor.
    #[error(
        "{labels} labels are given, but the model's output holds {classes} classes: give one label a class"
    )]
    Labels {
        /// How many labels the spec names.
        labels: usize,
        /// How many classes the tensor holds.
        classes: usize,
    },
    /// A setting is outside its range.
    #[error("{name} is {value}: it must be {range}")]
    Setting {
        /// Name of the setting in the spec.
        name: &'static str,
        /// The value given.
        value: f64,
        /// Its range.
        range: &'static str,
    },
    /// The tensor handed over is not as long as the shape says.
    #[error("the output holds {found} values where its shape has {expected}")]
    Length {
        /// Values in the slice.
        found: usize,
        /// Values by the shape given at the start.
        expected: usize,
    },
    /// A map of class indices holds something that is not a class index.
    #[error("pixel {pixel} of the class map holds {value}: a class is a whole number from 0 to 255")]
    NotAClass {
        /// Position in the map, row by row.
        pixel: usize,
        /// What stands there.
        value: String,
    },
}

type Result<T> = std::result::Result<T, DecodeError>;

/// The number of values of a shape, or an error if no memory could hold it.
fn checked_len(shape: &[usize]) -> Result<usize> {
    let len = shape.iter().try_fold(1usize, |len, &axis| len.checked_mul(axis));
    len.filter(|&len| len <= isize::MAX as usize / size_of::<f32>()).ok_or_else(|| DecodeError::Shape {
        shape: shape.to_vec(),
        expected: "the number of its values must fit into memory".into(),
    })
}

fn check_len(found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(DecodeError::Length { found, expected }) }
}

fn check_labels(labels: usize, classes: usize) -> Result<()> {
    if labels == 0 || labels == classes { Ok(()) } else { Err(DecodeError::Labels { labels, classes }) }
}
