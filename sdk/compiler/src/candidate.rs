//! A source model in one precision: the passes that make it, and for int8 the search that chooses.

mod auto;
mod int8;

use farsight::{Options, Pipeline};
use farsight_engine::Library;
use farsight_graph::Facts;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_spec::{Precision, Recipe, Target};

use crate::chain::{Chain, Effect};
use crate::job::Job;
use crate::layers::layers;
use crate::measure::{Inputs, Measure};
use crate::passes::{
    DynamicInt8Settings, Fp16Settings, Fp32Settings, Int4WeightsSettings, Int8WeightsSettings, OpsetSettings,
    dynamic_int8, fp16_weights, fp32, int4_weights, int8_weights, opset,
};
use crate::quantize::Kernels;
use crate::report::{Accuracy, FloatIsland, Sensitivity, Trial};
use crate::source::{Resolved, Source};
use crate::tally::AGREEMENT;
use crate::verify::{on_generated, within_budget};
use crate::{CompileError, Latency, Progress, facts};

pub(crate) use auto::auto;
pub(crate) use int8::int8;

/// What all candidates of a compile have in common.
pub(crate) struct Desk<'a> {
    pub(crate) job: &'a Job,
    pub(crate) library: &'static Library,
    pub(crate) source: &'a Source,
    pub(crate) resolved: &'a Resolved,
    pub(crate) recipe: &'a Recipe,
    /// What is compiled for.
    pub(crate) target: &'a Target,
    /// What models are opened with here.
    pub(crate) here: &'a Target,
    pub(crate) options: &'a Options,
    pub(crate) kernels: Kernels,
    pub(crate) inputs: Option<&'a Inputs>,
}

/// A model in one precision.
pub(crate) struct Candidate<'a> {
    pub(crate) precision: Precision,
    pub(crate) chain: Chain<'a>,
    pub(crate) int8_mac_share: f64,
    pub(crate) float_islands: Vec<FloatIsland>,
    pub(crate) sensitivity: Vec<Sensitivity>,
    pub(crate) notes: Vec<String>,
    /// The CPU feature that its weights count on.
    pub(crate) needs: Option<&'static str>,
    /// Where making it measured it already.
    pub(crate) accuracy: Option<Accuracy>,
    pub(crate) latency: Option<Latency>,
    pub(crate) trials: Vec<Trial>,
}

impl<'a> Candidate<'a> {
    fn new(precision: Precision, chain: Chain<'a>) -> Self {
        Self {
            precision,
            chain,
            int8_mac_share: 0.0,
            float_islands: Vec::new(),
            sensitivity: Vec::new(),
            notes: Vec::new(),
            needs: None,
            accuracy: None,
            latency: None,
            trials: Vec::new(),
        }
    }
}

impl Desk<'_> {
    /// What may be lost of a measure.
    pub(crate) fn budget(&self, metric: &str) -> f64 {
        match self.job.max_drop {
            Some(asked) => asked,
            None if metric == AGREEMENT => self.recipe.max_disagreement,
            None => self.recipe.max_drop,
        }
    }

    pub(crate) fn open_source(&self) -> Result<Pipeline, CompileError> {
        self.source.open(self.resolved, self.here, self.options)
    }
}

/// The candidate of a precision that needs no search.
///
/// # Errors
/// If a pass fails.
pub(crate) fn plain<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    precision: Precision,
) -> Result<Candidate<'a>, CompileError> {
    let mut chain = base.clone();
    match precision {
        Precision::Fp32 => {
            widen(&mut chain, desk.library)?;
        }
        Precision::Fp16 => chain.run("fp16-weights", Effect::Precision, |document| {
            let fp16 = fp16_weights(document, &Fp16Settings::default())?;
            Ok(format!(
                "{} weights stored as float16, {:.2} MB saved, largest relative error {:.1e}, {} left out",
                fp16.stored.len(),
                fp16.saved as f64 / 1e6,
                fp16.max_error,
                fp16.left_out.len()
            ))
        })?,
        Precision::Int8Weights => {
            widen(&mut chain, desk.library)?;
            chain.run("int8-weights", Effect::Precision, |document| {
                let int8 = int8_weights(document, &Int8WeightsSettings::default())?;
                Ok(format!(
                    "{} weights stored as int8, {:.2} MB saved, largest relative squared error {:.1e}, {} left out",
                    int8.stored.len(),
                    int8.saved as f64 / 1e6,
                    int8.max_error,
                    int8.left_out.len()
                ))
            })?;
        }
        Precision::Int4Weights => {
            widen(&mut chain, desk.library)?;
            upgrade(&mut chain, desk)?;
            chain.run("int4-weights", Effect::Precision, |document| {
                let int4 = int4_weights(document, &Int4WeightsSettings::default())?;
                Ok(format!(
                    "{} weights in int4 groups, {} stored as int8, {:.2} MB saved, largest relative squared error {:.1e}",
                    int4.packed.len(),
                    int4.stored.len(),
                    int4.saved as f64 / 1e6,
                    int4.max_error
                ))
            })?;
        }
        Precision::Keep | Precision::Int8 | Precision::Auto => {}
    }
    Ok(Candidate::new(precision, chain))
}

/// How a candidate that no search has measured compares with the source: on the half that judges, or on generated inputs
/// where none are given.
///
/// # Errors
/// If it cannot be measured or lost more than it may.
pub(crate) fn judged(
    desk: &Desk<'_>,
    model: &mut Pipeline,
    measure: &mut Measure<'_>,
    say: &mut Say<'_>,
) -> Result<Accuracy, CompileError> {
    let accuracy = if desk.inputs.is_some() {
        let verdict = measure.on_judge_half(model, say)?;
        int8::accuracy(&verdict, desk.budget(verdict.metric))
    } else {
        on_generated(measure.source(), model, desk.budget(AGREEMENT), say)?
    };
    within_budget(&accuracy)?;
    Ok(accuracy)
}

/// Dynamic int8 for MatMul and Gemm: ranges are taken at each run, so nothing calibrates.
///
/// # Errors
/// If a pass fails.
pub(crate) fn dynamic<'a>(desk: &Desk<'_>, base: &Chain<'a>) -> Result<Candidate<'a>, CompileError> {
    let mut chain = base.clone();
    widen(&mut chain, desk.library)?;
    upgrade(&mut chain, desk)?;
    let all = layers(&chain.document.graph, &facts(&chain.document, desk.library)?);
    let settings =
        DynamicInt8Settings { half_range: desk.kernels.half_range, ..DynamicInt8Settings::default() };
    let mut quantized = Vec::new();
    chain.run("dynamic-int8", Effect::Precision, |document| {
        let dynamic = dynamic_int8(document, &settings)?;
        quantized.extend(dynamic.layers.iter().map(|layer| layer.name.clone()));
        Ok(format!(
            "{} layers multiply in int8 with ranges taken at each run, {:.2} MB saved, {} left out",
            dynamic.layers.len(),
            dynamic.saved as f64 / 1e6,
            dynamic.left_out.len()
        ))
    })?;
    if quantized.is_empty() {
        return Err(no_layer());
    }
    let mut candidate = Candidate::new(Precision::Int8, chain);
    let macs: u64 = all.iter().map(|layer| layer.macs).sum();
    let share = |macs_of: u64| if macs == 0 { 0.0 } else { macs_of as f64 / macs as f64 };
    let (int8, float): (Vec<_>, Vec<_>) = all.iter().partition(|layer| quantized.contains(&layer.name));
    candidate.int8_mac_share = share(int8.iter().map(|layer| layer.macs).sum());
    candidate.float_islands = float
        .iter()
        .map(|layer| FloatIsland {
            layer: layer.name.clone(),
            reason: "dynamic int8 takes MatMul and Gemm by a constant matrix that is large enough".to_owned(),
            mac_share: share(layer.macs),
        })
        .collect();
    candidate.needs = desk.kernels.needs(desk.target);
    Ok(candidate)
}

fn no_layer() -> CompileError {
    CompileError::Unresolved(
        "no layer of this model can compute in int8: it has no Conv, Gemm or MatMul by constant weights that is large \
         enough. --precision int8-weights or fp16 make it smaller"
            .to_owned(),
    )
}

/// Part of the multiplications that dynamic int8 could take.
pub(crate) fn matmul_share(desk: &Desk<'_>, base: &Chain<'_>) -> Result<f64, CompileError> {
    let all = layers(&base.document.graph, &facts(&base.document, desk.library)?);
    let sum = |wanted: &dyn Fn(&&crate::Layer) -> bool| {
        all.iter().filter(wanted).map(|layer| layer.macs).sum::<u64>()
    };
    let matmul = sum(&|layer| layer.weight.is_some() && (layer.op == "MatMul" || layer.op == "Gemm"));
    Ok(matmul as f64 / sum(&|_| true).max(1) as f64)
}

/// A float16 graph becomes float32: integer kernels and integer storage go with float32.
fn widen(chain: &mut Chain<'_>, library: &'static Library) -> Result<(), CompileError> {
    let is_narrow = |facts: &Facts| {
        let nodes = chain.document.graph.node.iter();
        nodes.flat_map(|node| &node.output).any(|value| facts.get(value).element == Some(DataType::Float16))
    };
    let facts = facts(&chain.document, library)?;
    if !is_narrow(&facts) {
        return Ok(());
    }
    chain.run("fp32", Effect::Precision, |document| {
        let fp32 = fp32(document, &Fp32Settings { facts })?;
        Ok(format!("{} float16 tensors widened to float32, {} Casts gone", fp32.tensors, fp32.casts))
    })
}

/// Scales for each channel need opset 13.
const OLDEST_OPSET: i64 = 13;
/// The opset that older models are taken to.
const OPSET: i64 = 17;

/// Takes an older model to an opset that int8 can be written in.
fn upgrade(chain: &mut Chain<'_>, desk: &Desk<'_>) -> Result<(), CompileError> {
    if chain.document.opset("").unwrap_or(0) >= OLDEST_OPSET {
        return Ok(());
    }
    let settings = OpsetSettings {
        to: OPSET.min(desk.target.onnxruntime.newest_opset()),
        facts: facts(&chain.document, desk.library)?,
    };
    chain.run("opset", Effect::Exact, |document| {
        let report = opset(document, &settings)?;
        Ok(format!("opset {} to {}, {} nodes adapted", report.from, report.to, report.adapted))
    })
}

/// Says what a long step does.
pub(crate) type Say<'p> = dyn FnMut(Progress<'_>) + 'p;
