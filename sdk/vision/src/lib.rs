//! Pixels in, tensors out, and back. Knows nothing of ONNX Runtime.

mod decode;
mod geometry;
mod metrics;
mod nms;

pub use decode::{
    ClassScore, ClassesDecoder, DecodeError, DetectDecoder, Detection, LayoutError, LayoutHints, MaskDecoder,
    NOT_SEEN, YoloOutput, yolo_layout,
};
pub use geometry::Geometry;
pub use metrics::{
    Confusion, DetectionMetrics, DetectionScores, MaskError, MultiLabelAp, TopK, Truth, average_precision,
};
