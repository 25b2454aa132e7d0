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

/// Takes the labels out of a spec on its way into a bundle: there they have a file of their own, so that
/// `spec.toml` stays small and there is one truth.
pub(crate) fn take_labels(spec: &mut ModelSpec, labels: &[String]) -> Result<(), String> {
    let Some(of_spec) = labels_of(spec) else { return Ok(()) };
    if !of_spec.is_empty() && of_spec != labels {
        return Err(format!("{} labels are given, the spec has {} others", labels.len(), of_spec.len()));
    }
    of_spec.clear();
    Ok(())
}

/// Puts the labels of `labels.txt` back into the spec.
pub(crate) fn give_labels(spec: &mut ModelSpec, labels: &[String]) -> Result<(), String> {
    take_labels(spec, labels)?;
    if let Some(of_spec) = labels_of(spec) {
        of_spec.extend_from_slice(labels);
    }
    Ok(())
}

fn labels_of(spec: &mut ModelSpec) -> Option<&mut Vec<String>> {
    match &mut spec.output {
        Output::Yolo(output) | Output::Yolox(output) => Some(&mut output.labels),
        Output::Classes(output) => Some(&mut output.labels),
        Output::Mask(output) => Some(&mut output.labels),
        Output::Tensors => None,
    }
}
