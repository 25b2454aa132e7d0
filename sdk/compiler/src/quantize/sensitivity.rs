//! How much each layer costs: what the decoder would read if that layer alone were int8.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use farsight_engine::{Library, Model, Session, Settings};
use farsight_graph::Document;
use farsight_graph::onnx::ValueInfoProto;
use farsight_spec::Optimization;

use super::{Choice, Prepared};
use crate::calibrate::{InputTensor, RangeMethod};
use crate::{CompileError, Progress};

/// What one layer costs when it alone is int8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerCost {
    /// Index into [`Prepared::layers`].
    pub(crate) layer: usize,
    /// Mean over what the decoder reads: squared error ÷ variance.
    pub(crate) error: f64,
}

/// More time than this is not spent; of a large model not every layer is measured then.
const LONGEST: Duration = Duration::from_secs(45);

/// Measures every layer that can be int8, on the first calibration inputs, two at a time where there are cores;
/// those with most multiplications first, until time is up.
///
/// # Errors
/// If a session fails.
pub(crate) fn sensitivity(
    prepared: &Prepared,
    method: RangeMethod,
    library: &'static Library,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<LayerCost>, CompileError> {
    let all = prepared.build(&Choice { method, float: BTreeMap::new() })?;
    let mut layers: Vec<usize> = (0..prepared.layers.len())
        .filter(|&index| all.scheme.nodes.contains(&prepared.layers[index].node))
        .collect();
    layers.sort_by_key(|&index| std::cmp::Reverse(prepared.layers[index].macs));
    let read = prepared.decoded_values();
    let float = run(&prepared.document, &read, &prepared.observation.tensors, library)?;
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let workers = Settings::default().threads.min(2);
    let (report, reports) = channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (report, next, layers, read, float) = (report.clone(), &next, &layers, &read, &float);
            scope.spawn(move || {
                while let Some(&layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if start.elapsed() > LONGEST {
                        break;
                    }
                    let cost = alone(prepared, method, layer).and_then(|document| {
                        let found = run(&document, read, &prepared.observation.tensors, library)?;
                        Ok(LayerCost { layer, error: error(float, &found) })
                    });
                    if report.send(cost).is_err() {
                        break;
                    }
                }
            });
        }
        drop(report);
        let mut costs = Vec::new();
        for cost in reports {
            costs.push(cost?);
            progress(Progress { step: "measuring each layer alone", done: costs.len(), total: layers.len() });
        }
        costs.sort_by_key(|cost| cost.layer);
        Ok(costs)
    })
}

/// The model with one layer int8.
fn alone(prepared: &Prepared, method: RangeMethod, layer: usize) -> Result<Document, CompileError> {
    let others = prepared.layers.iter().enumerate().filter(|(index, _)| *index != layer);
    let float = others.map(|(_, other)| (other.node, String::new())).collect();
    Ok(prepared.build(&Choice { method, float })?.document)
}

/// The values named, of each run.
fn run(
    document: &Document,
    read: &[String],
    inputs: &[Vec<InputTensor>],
    library: &'static Library,
) -> Result<Vec<HashMap<String, Vec<f32>>>, CompileError> {
    let mut document = document.clone();
    let untyped = |name: &String| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() };
    document.graph.output = read.iter().map(untyped).collect();
    document.graph.sweep();
    let settings = Settings { threads: 1, optimization: Optimization::Extended, ..Settings::default() };
    let mut session = Session::open(library, Model::Bytes(&document.to_bytes()?), &settings)?;
    let mut runs = Vec::new();
    for tensors in inputs {
        for (index, tensor) in tensors.iter().enumerate() {
            session.set_input_shape(index, &tensor.shape)?;
            session.input_bytes_mut(index)?.copy_from_slice(&tensor.bytes);
        }
        session.run()?;
        let values = session.outputs().iter().enumerate();
        runs.push(
            values
                .map(|(index, output)| Ok((output.name.clone(), session.output::<f32>(index)?.to_vec())))
                .collect::<Result<_, CompileError>>()?,
        );
    }
    Ok(runs)
}

fn error(float: &[HashMap<String, Vec<f32>>], found: &[HashMap<String, Vec<f32>>]) -> f64 {
    let pairs = float.iter().zip(found).flat_map(|(float, found)| {
        float.iter().filter_map(|(name, values)| Some((values, found.get(name)?)))
    });
    let errors: Vec<f64> = pairs.map(|(float, found)| relative_error(float, found)).collect();
    errors.iter().sum::<f64>() / errors.len().max(1) as f64
}

/// Squared error ÷ variance.
fn relative_error(float: &[f32], found: &[f32]) -> f64 {
    let mean = float.iter().map(|&value| f64::from(value)).sum::<f64>() / float.len().max(1) as f64;
    let apart: f64 = float.iter().zip(found).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let spread: f64 = float.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    if spread > 0.0 { apart / spread } else { apart }
}
