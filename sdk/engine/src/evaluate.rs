//! One-off uses of a model: what it looks like, and what a model without inputs computes.

use farsight_spec::{Optimization, TensorInfo};

use crate::session::signature;
use crate::{EngineError, Library, Model, Result, Session, Settings};

/// Inputs and outputs of a model. No buffers are made: every value of a model may be an output. One that is no
/// tensor of numbers (a sequence, text) is left out.
///
/// # Errors
/// As for [`Session::open`].
pub fn describe(library: &'static Library, model: &[u8]) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>)> {
    signature(library, Model::Bytes(model), &plain())
}

/// Runs a model that has no inputs once, on the CPU and without optimization, and returns its outputs: the
/// shapes that came out, and the elements as bytes in this machine's order. For folding constants.
///
/// # Errors
/// The model has inputs, or as for [`Session::open`] and [`Session::run`].
pub fn evaluate(library: &'static Library, model: &[u8]) -> Result<Vec<(TensorInfo, Vec<u8>)>> {
    let mut session = Session::open(library, Model::Bytes(model), &plain())?;
    if let Some(input) = session.inputs().first() {
        return Err(EngineError::Model {
            model: Model::Bytes(model).to_string(),
            reason: format!("it takes an input, \"{}\", so it is no constant", input.name),
        });
    }
    session.run()?;
    session
        .outputs()
        .iter()
        .enumerate()
        .map(|(i, output)| {
            let shape = session.output_shape(i)?.iter().map(|&length| Some(length)).collect();
            Ok((TensorInfo { shape, ..output.clone() }, session.output_bytes(i)?.to_vec()))
        })
        .collect()
}

fn plain() -> Settings {
    Settings { threads: 1, optimization: Optimization::Off, ..Settings::default() }
}
