//! ONNX Runtime: found, checked, loaded, and run without allocating. The only crate that names ort.
