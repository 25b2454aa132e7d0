//! Observation: calibration inputs run once, and the values that a quantizer asks about are counted.
//!
//! Only the values asked for become outputs of the model. Counting goes on a second core, where there is one,
//! while the next input runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use farsight::{Options, Pipeline};
use farsight_engine::{Model, Session};
use farsight_graph::Document;
use farsight_graph::onnx::ValueInfoProto;
use farsight_spec::{ElementType, ModelSpec, Output, Target};

use super::Histogram;
use crate::feed::feed;
use crate::{CompileError, Progress};

/// Sets of values that wait to be counted at most; each is as large as all that is observed.
const WAITING: usize = 1;

/// Input tensors that are kept, to compare single layers on.
const KEPT: usize = 2;

/// What a model is calibrated on, and how it is opened.
#[derive(Clone, Copy)]
pub(crate) struct Calibration<'a> {
    pub(crate) files: &'a [&'a Path],
    pub(crate) spec: &'a ModelSpec,
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Observation {
    /// Of each value asked for.
    pub(crate) histograms: BTreeMap<String, Histogram>,
    /// Inputs that were run.
    pub(crate) inputs: usize,
    /// The first inputs as the model got them: of each run, each input.
    pub(crate) tensors: Vec<Vec<InputTensor>>,
    /// Inputs that could not be used, with the reason.
    pub(crate) failed: Vec<String>,
}

/// One input of the model.
#[derive(Debug, Clone)]
pub(crate) struct InputTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// Runs a model over files and counts the values named. `model` is the float model that is to be quantized.
///
/// # Errors
/// If not one file could be used, a session fails, or a value is not finite: a quantizer can do nothing with it.
pub(crate) fn observe(
    model: &Document,
    values: &[&str],
    calibration: &Calibration<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Observation, CompileError> {
    let Calibration { files, spec, target, options } = *calibration;
    let bytes = with_outputs(model, values).to_bytes()?;
    let mut pipeline =
        Pipeline::from_parts(Model::Bytes(&bytes), &named_output(spec, model), target, options)?;
    drop(bytes);
    let taps = taps(pipeline.session(), values)?;
    let (mut failed, mut tensors) = (Vec::new(), Vec::new());
    let histograms = std::thread::scope(|scope| {
        let (full, to_count) = sync_channel(WAITING);
        let (give_back, empty) = sync_channel(WAITING + 2);
        let mut keep = |session: &Session| keep_tensors(session, &mut tensors);
        let counter = scope.spawn(move || count(&to_count, &give_back, values.len()));
        for (done, file) in files.iter().enumerate() {
            progress(Progress { step: "observing ranges", done, total: files.len() });
            let mut copy = |session: &Session| {
                keep(session)?;
                copy_out(session, &taps, &full, &empty)
            };
            match feed(&mut pipeline, file, &mut copy) {
                Ok(()) => {}
                Err(CompileError::Inputs(message)) => failed.push(message),
                Err(CompileError::Npy(error)) => failed.push(error.to_string()),
                Err(other) => return Err(other),
            }
        }
        drop(full);
        counter.join().map_err(|_| CompileError::Inputs("counting the observed values failed".to_owned()))
    })?;
    let inputs = files.len() - failed.len();
    if let (0, Some(first)) = (inputs, failed.first()) {
        return Err(CompileError::Inputs(format!(
            "not one calibration input could be used; the first: {first}"
        )));
    }
    let histograms = values.iter().map(|name| (*name).to_owned()).zip(histograms).collect();
    let observation = Observation { histograms, inputs, tensors, failed };
    observation.refuse_not_finite()?;
    Ok(observation)
}

impl Observation {
    fn refuse_not_finite(&self) -> Result<(), CompileError> {
        let bad = self.histograms.iter().find(|(_, histogram)| histogram.not_finite() > 0);
        let Some((name, histogram)) = bad else { return Ok(()) };
        Err(CompileError::Inputs(format!(
            "calibration: the value `{name}` held {} NaN or infinite numbers; no range can be taken from it. Look for \
             inputs that are damaged or not normalised as the model expects, or keep float (--precision keep)",
            histogram.not_finite()
        )))
    }
}

/// The model with more outputs: those asked for that it does not give yet.
fn with_outputs(model: &Document, values: &[&str]) -> Document {
    let mut model = model.clone();
    let graph = &mut model.graph;
    for name in values {
        let known = graph.output.iter().chain(&graph.input).any(|value| value.name() == *name);
        if !known {
            graph.output.push(ValueInfoProto { name: Some((*name).to_owned()), ..ValueInfoProto::default() });
        }
    }
    model
}

/// The spec with the output's name in it: the model has more than one output now.
fn named_output(spec: &ModelSpec, model: &Document) -> ModelSpec {
    let mut spec = spec.clone();
    let only = model.graph.output_names().next().map(str::to_owned);
    match &mut spec.output {
        Output::Yolo(output) | Output::Yolox(output) => output.tensor = output.tensor.take().or(only),
        Output::Classes(output) => output.tensor = output.tensor.take().or(only),
        Output::Mask(output) => output.tensor = output.tensor.take().or(only),
        Output::Tensors => {}
    }
    spec
}

/// Where an observed value is found in a session.
#[derive(Debug, Clone, Copy)]
enum Tap {
    Input(usize),
    Output(usize),
}

fn taps(session: &Session, values: &[&str]) -> Result<Vec<Tap>, CompileError> {
    let place = |name: &&str| {
        let output = session.outputs().iter().position(|output| output.name == *name).map(Tap::Output);
        let input = session.inputs().iter().position(|input| input.name == *name).map(Tap::Input);
        output.or(input).ok_or_else(|| CompileError::Inputs(format!("the model has no value `{name}`")))
    };
    values.iter().map(place).collect()
}

/// Keeps the inputs of the first runs.
fn keep_tensors(session: &Session, kept: &mut Vec<Vec<InputTensor>>) -> Result<(), CompileError> {
    if kept.len() >= KEPT {
        return Ok(());
    }
    let tensor = |index: usize| {
        Ok(InputTensor {
            name: session.inputs()[index].name.clone(),
            shape: session.input_shape(index)?.unwrap_or_default().to_vec(),
            bytes: session.input_bytes(index)?.to_vec(),
        })
    };
    kept.push((0..session.inputs().len()).map(tensor).collect::<Result<_, CompileError>>()?);
    Ok(())
}

/// One run's values, in the order in which they were asked for.
type Values = Vec<Vec<f32>>;

/// Copies one run's values out, into a set that was counted before where there is one.
fn copy_out(
    session: &Session,
    taps: &[Tap],
    full: &SyncSender<Values>,
    empty: &Receiver<Values>,
) -> Result<(), CompileError> {
    let mut values = empty.try_recv().unwrap_or_else(|_| vec![Vec::new(); taps.len()]);
    for (tap, values) in taps.iter().zip(&mut values) {
        values.clear();
        match *tap {
            Tap::Output(index) => values.extend_from_slice(session.output::<f32>(index)?),
            Tap::Input(index) if session.inputs()[index].element == ElementType::F32 => {
                values.extend_from_slice(session.input::<f32>(index)?);
            }
            Tap::Input(_) => {}
        }
    }
    full.send(values).map_err(|_| CompileError::Inputs("counting the observed values failed".to_owned()))
}

fn count(full: &Receiver<Values>, empty: &SyncSender<Values>, count: usize) -> Vec<Histogram> {
    let mut histograms = vec![Histogram::new(); count];
    while let Ok(values) = full.recv() {
        for (histogram, values) in histograms.iter_mut().zip(&values) {
            histogram.add(values);
        }
        // The other side has ended if it takes nothing back.
        let _ = empty.try_send(values);
    }
    histograms
}
