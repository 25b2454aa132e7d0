//! An ONNX document in memory: read, edited, checked, written.
