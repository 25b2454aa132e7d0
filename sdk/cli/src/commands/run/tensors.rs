//! A tensor file through a model without a decoder.

use std::path::Path;

use farsight::Pipeline;
use farsight_compiler::{fill_from_npy, npy};
use serde_json::{Value, json};

use super::{Failure, entry, with_suffix};

/// Runs a `.npy` file. Its type and shape must be the model's input's.
pub(super) fn run(pipeline: &mut Pipeline, file: &Path, save: Option<&Path>) -> Result<Value, Failure> {
    fill_from_npy(pipeline.session_mut(), file)?;
    let session = pipeline.session_mut();
    let start = std::time::Instant::now();
    session.run()?;
    let times = farsight::Times { infer: start.elapsed(), ..Default::default() };
    let outputs = outputs(pipeline, save)?;
    let shape = pipeline.session().input_shape(0)?.unwrap_or_default();
    let size = match *shape {
        [.., height, width] => [height, width],
        _ => [1, shape.iter().product()],
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
