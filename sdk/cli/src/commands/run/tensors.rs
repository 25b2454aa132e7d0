//! A tensor file through a model without a decoder.

use std::path::Path;

use farsight::Pipeline;
use serde_json::{Value, json};

use super::{Failure, entry, npy, with_suffix};

/// Runs a `.npy` file. Its type and shape must be the model's input's.
pub(super) fn run(pipeline: &mut Pipeline, file: &Path, save: Option<&Path>) -> Result<Value, Failure> {
    let tensor = npy::read(file)?;
    let session = pipeline.session_mut();
    let [info] = session.inputs() else {
        return Err(Failure::new(
            "wrong-input",
            format!(
                "the model has {} inputs; run takes one .npy file for models with one input",
                session.inputs().len()
            ),
        ));
    };
    let fits = info.element == tensor.element
        && info.shape.len() == tensor.shape.len()
        && info.shape.iter().zip(&tensor.shape).all(|(axis, length)| axis.is_none_or(|axis| axis == *length));
    if !fits {
        return Err(Failure::new(
            "wrong-input",
            format!(
                "the tensor is {:?} {:?}, the model's input `{}` is {:?} {}",
                tensor.element,
                tensor.shape,
                info.name,
                info.element,
                info.shape_text()
            ),
        ));
    }
    if info.shape.contains(&None) {
        session.set_input_shape(0, &tensor.shape)?;
    }
    session.input_bytes_mut(0)?.copy_from_slice(&tensor.bytes);
    let start = std::time::Instant::now();
    session.run()?;
    let times = farsight::Times { infer: start.elapsed(), ..Default::default() };
    let outputs = outputs(pipeline, save)?;
    let size = match tensor.shape[..] {
        [.., height, width] => [height, width],
        _ => [1, tensor.shape.iter().product()],
    };
    let mut entry = entry(pipeline, file, size, times);
    entry.insert("tensors".to_owned(), outputs);
    Ok(entry.into())
}

fn outputs(pipeline: &Pipeline, save: Option<&Path>) -> Result<Value, Failure> {
    let session = pipeline.session();
    let mut list = Vec::new();
    for (index, info) in session.outputs().iter().enumerate() {
        let shape = session.output_shape(index)?;
        let file = save.map(|stem| with_suffix(stem, &format!(".{index}.npy")));
        if let Some(file) = &file {
            npy::write(file, info.element, shape, session.output_bytes(index)?)?;
        }
        list.push(json!({"name": info.name, "type": info.element, "shape": shape, "file": file.as_deref().map(super::name)}));
    }
    Ok(list.into())
}
