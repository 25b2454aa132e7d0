//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod geometry;

pub use geometry::Geometry;
