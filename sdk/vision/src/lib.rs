//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod decode;
mod frame;
mod geometry;
mod metrics;
mod nms;
mod preprocess;
mod resize;

pub use decode::{
    ClassScore, ClassesDecoder, DecodeError, DetectDecoder, Detection, LayoutError, LayoutHints, MaskDecoder,
    NOT_SEEN, YoloOutput, yolo_layout,
};
pub use frame::{Frame, FrameError, PixelFormat, Yuv, YuvMatrix, YuvRange};
pub use geometry::Geometry;
pub use metrics::{
    Confusion, DetectionMetrics, DetectionScores, MaskError, MultiLabelAp, TopK, Truth, average_precision,
};
pub use preprocess::{FramePreprocess, PreprocessError};
