//! Which entry holds what, beside the manifest.

use farsight_spec::{ModelSpec, Output};

/// The compiled model.
pub(crate) const MODEL: &str = "model.onnx";
/// The resolved model spec.
pub(crate) const SPEC: &str = "spec.toml";
/// The target profile.
pub(crate) const TARGET: &str = "target.toml";
/// The names of the classes; not there where there are none.
pub(crate) const LABELS: &str = "labels.txt";
/// Place of the signature over the manifest. Not listed in it, and not read yet.
pub(crate) const SIGNATURE: &str = "manifest.sig";

/// Values of the self-test's input number `index`.
pub(crate) fn self_test_input(index: usize) -> String {
    format!("self-test/input-{index}.bin")
}

/// Values of the self-test's output number `index`.
pub(crate) fn self_test_output(index: usize) -> String {
    format!("self-test/output-{index}.bin")
}

/// Labels in the spec and in `labels.txt` must be the same, where the spec has any.
pub(crate) fn check_labels(spec: &ModelSpec, labels: &[String]) -> Result<(), String> {
    let of_spec: &[String] = match &spec.output {
        Output::Yolo(output) | Output::Yolox(output) => &output.labels,
        Output::Classes(output) => &output.labels,
        Output::Mask(output) => &output.labels,
        Output::Tensors => &[],
    };
    if of_spec.is_empty() || of_spec == labels {
        return Ok(());
    }
    Err(format!("{} labels are given, the spec has {} others", labels.len(), of_spec.len()))
}
