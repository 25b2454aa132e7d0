//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod geometry;
#[cfg(feature = "pictures")]
pub mod picture;

pub use geometry::Geometry;
#[cfg(feature = "pictures")]
pub use picture::{Picture, PictureError};
