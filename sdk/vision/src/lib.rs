//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod frame;
mod geometry;
mod preprocess;
mod resize;

pub use frame::{Frame, FrameError, PixelFormat, Yuv, YuvMatrix, YuvRange};
pub use geometry::Geometry;
pub use preprocess::{FramePreprocess, PreprocessError};
