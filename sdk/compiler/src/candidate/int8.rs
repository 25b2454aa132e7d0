//! int8: dynamic for models of matrix products, static with a search for all others.

use std::path::Path;

use farsight::Options;
use farsight_engine::{Model, Settings, profile_run};
use farsight_spec::Precision;

use super::{Candidate, Desk, Say, dynamic, matmul_share, no_layer, upgrade, widen};
use crate::CompileError;
use crate::calibrate::Calibration;
use crate::chain::{Chain, Effect};
use crate::judge::Verdict;
use crate::layers::is_layer;
use crate::measure::Measure;
use crate::passes::PassError;
use crate::quantize::{
    Built, Found, LayerCost, Order, Prepared, each_method, fewest_float, methods, sensitivity,
};
use crate::report::{Accuracy, FloatIsland, Sensitivity};

/// With more of the multiplications than this in matrix products, dynamic int8 is the form: their activations have
/// outliers that no fixed range serves.
const MATMUL_HEAVY: f64 = 0.5;

/// Models with float layers that the judging half may see.
const FLOAT_ATTEMPTS: usize = 2;

/// The part of the distance from the source that the next attempt may have.
const NEARER: f64 = 0.6;

/// Layers that an error names.
const NAMED: usize = 5;

/// The int8 candidate of a model.
///
/// # Errors
/// If there is nothing to calibrate with, the budget cannot be met, or a pass fails.
pub(crate) fn int8<'a>(
    desk: &Desk<'_>,
    base: &Chain<'a>,
    measure: Option<&mut Measure<'_>>,
    say: &mut Say<'_>,
) -> Result<Candidate<'a>, CompileError> {
    if matmul_share(desk, base)? > MATMUL_HEAVY {
        return dynamic(desk, base);
    }
    let (Some(inputs), Some(measure)) = (desk.inputs, measure) else {
        return Err(CompileError::Inputs(
            "int8 takes its ranges from inputs that look like the field: give a folder of them with --calibrate DIR, \
             or labelled ones with --data DIR"
                .to_owned(),
        ));
    };
    let mut chain = base.clone();
    widen(&mut chain, desk.library)?;
    upgrade(&mut chain, desk)?;
    if !chain.document.graph.node.iter().any(is_layer) {
        return Err(no_layer());
    }
    let files: Vec<&Path> = inputs.calibration.iter().map(|file| file.as_path()).collect();
    // One thread: the counting takes the second core, and that is faster than two threads in turn.
    let options = Options { threads: Some(1), ..desk.options.clone() };
    let calibration =
        Calibration { files: &files, spec: &desk.resolved.spec, target: desk.here, options: &options };
    let prepared = Prepared::observe(chain.document.clone(), desk.kernels, desk.library, &calibration, say)?;
    let searched = search(desk, &chain, &prepared, measure, say)?;
    let Searched { found, costs, accuracy, notes } = searched;
    let mut candidate = finish(desk, chain, &prepared, found, &costs)?;
    candidate.accuracy = Some(accuracy);
    candidate.notes.extend(notes);
    candidate.notes.extend(inputs.notes.iter().cloned());
    let failed = prepared.observation.failed.iter();
    candidate.notes.extend(failed.map(|message| format!("left out of calibration: {message}")));
    Ok(candidate)
}

struct Searched {
    found: Found,
    costs: Vec<LayerCost>,
    accuracy: Accuracy,
    notes: Vec<String>,
}

/// Searches on one half and judges on the other; models of which no label had a say (ways to take ranges are ranked by
/// agreement) are judged by all labels. What the judge refuses is followed by the next way to take ranges, then by
/// models nearer to the source: labels are noisy, and a model of which they happen to think ill is no reason to give
/// up int8.
fn search(
    desk: &Desk<'_>,
    chain: &Chain<'_>,
    prepared: &Prepared,
    measure: &mut Measure<'_>,
    say: &mut Say<'_>,
) -> Result<Searched, CompileError> {
    let open = |built: &Built| chain.with(built.document.clone()).open();
    let mut all_int8 = each_method(prepared, &methods(desk.recipe.ranges), &mut |built| {
        measure.on_search_half(&mut open(built)?, say)
    })?;
    let Some(nearest) = all_int8.first().filter(|found| prepared.layers_in(&found.built.scheme) > 0) else {
        return Err(no_layer());
    };
    let (method, verdict) = (nearest.choice.method, nearest.verdict);
    let in_int8 = prepared.layers_in(&nearest.built.scheme);
    let costs = sensitivity(prepared, method, desk.library, say)?;
    let mut notes: Vec<String> = unmeasured(in_int8, &costs).into_iter().collect();
    let mut judging = Judging { budget: desk.budget(verdict.metric), seen: 0, worst: verdict };

    // How far the answer may be from the source's: not limited before the judging half has said no.
    let mut gap = f64::INFINITY;
    for index in 0..all_int8.len() {
        let mut model = open(&all_int8[index].built)?;
        let verdict = match measure.on_all_labels(&mut model, say)? {
            Some(verdict) => verdict,
            None if !judging.fits(&all_int8[index].verdict) => continue,
            None => measure.on_judge_half(&mut model, say)?,
        };
        if judging.accepts(verdict) {
            let found = all_int8.swap_remove(index);
            notes.extend(judging.refused_before());
            return Ok(Searched { found, costs, accuracy: accuracy(&verdict, judging.budget), notes });
        }
        gap = (1.0 - all_int8[0].verdict.agreement) * NEARER;
    }
    let mut found = all_int8.swap_remove(0);
    for _ in 0..FLOAT_ATTEMPTS {
        let enough = |verdict: &Verdict| judging.fits(verdict) && 1.0 - verdict.agreement <= gap;
        let orders = found.order.map_or(Order::ALL.to_vec(), |order| vec![order]);
        let nearer = fewest_float(prepared, &found, &costs, &orders, &enough, &mut |built| {
            measure.on_search_half(&mut open(built)?, say)
        })?;
        let Some(nearer) = nearer else { break };
        found = nearer;
        let verdict = measure.on_judge_half(&mut open(&found.built)?, say)?;
        if judging.accepts(verdict) {
            notes.extend(judging.refused_before());
            return Ok(Searched { found, costs, accuracy: accuracy(&verdict, judging.budget), notes });
        }
        gap = (1.0 - found.verdict.agreement) * NEARER;
    }
    Err(too_much(prepared, &costs, &judging))
}

/// What the judging half has said so far.
struct Judging {
    budget: f64,
    /// Models that it saw.
    seen: usize,
    /// Of the last that it refused, or before that of the search half.
    worst: Verdict,
}

impl Judging {
    fn fits(&self, verdict: &Verdict) -> bool {
        verdict.drop <= self.budget
    }

    fn accepts(&mut self, verdict: Verdict) -> bool {
        log::info!("judged: {} {:.4} -> {:.4}", verdict.metric, verdict.source, verdict.compiled);
        self.seen += 1;
        self.worst = verdict;
        self.fits(&verdict)
    }

    /// A measure that refuses and is asked again ends up a little too kind: who reads the report shall know.
    fn refused_before(&self) -> Option<String> {
        (self.seen > 1).then(|| {
            format!(
                "{} models were judged and the last was taken: what is said of its drop is a little too kind; more data tells \
                 better",
                self.seen
            )
        })
    }
}

pub(super) fn accuracy(verdict: &Verdict, budget: f64) -> Accuracy {
    Accuracy {
        metric: verdict.metric,
        source: verdict.source,
        compiled: verdict.compiled,
        drop: verdict.drop,
        deviation: Some(verdict.deviation),
        upper: Some(verdict.upper),
        budget,
        samples: verdict.samples,
        agreement: verdict.agreement,
        max_abs_error: None,
        data: "given",
    }
}

/// Layers for which the time for measuring each alone did not suffice.
fn unmeasured(in_int8: usize, costs: &[LayerCost]) -> Option<String> {
    (costs.len() < in_int8).then(|| {
        format!(
            "{} of {in_int8} layers were measured alone before time was up; the others could not become float",
            costs.len()
        )
    })
}

fn too_much(prepared: &Prepared, costs: &[LayerCost], judging: &Judging) -> CompileError {
    let Judging { worst: verdict, budget, .. } = judging;
    let mut costs: Vec<&LayerCost> = costs.iter().collect();
    costs.sort_by(|a, b| b.error.total_cmp(&a.error));
    CompileError::TooMuchLost {
        metric: verdict.metric,
        source_value: verdict.source,
        compiled: verdict.compiled,
        drop: verdict.drop,
        budget: *budget,
        samples: verdict.samples,
        fits: (verdict.drop * 1e4).ceil() / 1e4,
        costly: costs.iter().take(NAMED).map(|cost| prepared.layers[cost.layer].name.clone()).collect(),
    }
}

/// The candidate of what the search found, with what the report says of it.
fn finish<'a>(
    desk: &Desk<'_>,
    mut chain: Chain<'a>,
    prepared: &Prepared,
    found: Found,
    costs: &[LayerCost],
) -> Result<Candidate<'a>, CompileError> {
    let Found { built, choice, tried, .. } = found;
    let int8_mac_share = prepared.mac_share(&built.scheme);
    let share = |node: usize| {
        prepared.layers.iter().find(|layer| layer.node == node).map_or(0.0, |layer| prepared.share_of(layer))
    };
    let name = |node: usize| prepared.document.graph.node[node].label().to_owned();
    let islands = built.scheme.islands.iter();
    let float_islands = islands
        .map(|(&node, reason)| FloatIsland {
            layer: name(node),
            reason: reason.clone(),
            mac_share: share(node),
        })
        .collect();
    let quantized = prepared.layers_in(&built.scheme);
    let summary = format!(
        "{quantized} of {} layers, {:.1} % of the multiplications; {} values; ranges by {} over {} inputs; {tried} models \
         tried",
        prepared.layers.len(),
        100.0 * int8_mac_share,
        built.report.values,
        choice.method,
        prepared.observation.inputs,
    );
    chain.run("static-int8", Effect::Precision, |document| {
        *document = built.document;
        Ok::<String, PassError>(summary)
    })?;
    let mut candidate = Candidate::new(Precision::Int8, chain);
    candidate.int8_mac_share = int8_mac_share;
    candidate.float_islands = float_islands;
    candidate.sensitivity = sensitivities(prepared, costs);
    candidate.needs = desk.kernels.needs(desk.target);
    candidate.notes.extend(unfused(desk, &candidate.chain, prepared, quantized)?);
    Ok(candidate)
}

fn sensitivities(prepared: &Prepared, costs: &[LayerCost]) -> Vec<Sensitivity> {
    let mut costs: Vec<&LayerCost> = costs.iter().collect();
    costs.sort_by(|a, b| b.error.total_cmp(&a.error));
    let entry = |cost: &&LayerCost| {
        let layer = &prepared.layers[cost.layer];
        Sensitivity { layer: layer.name.clone(), drop: cost.error, mac_share: prepared.share_of(layer) }
    };
    costs.iter().map(entry).collect()
}

/// Whether ONNX Runtime made integer kernels of all quantized layers: counted in the graph that it really runs.
fn unfused(
    desk: &Desk<'_>,
    chain: &Chain<'_>,
    prepared: &Prepared,
    quantized: usize,
) -> Result<Option<String>, CompileError> {
    let settings = Settings { threads: 1, ..Settings::from_target(desk.here, None) };
    let bytes = chain.document.to_bytes()?;
    let tensors = &prepared.observation.tensors[0];
    let nodes = profile_run(desk.library, Model::Bytes(&bytes), &settings, 1, |session| {
        for (index, tensor) in tensors.iter().enumerate() {
            session.set_input_shape(index, &tensor.shape)?;
            session.input_bytes_mut(index)?.copy_from_slice(&tensor.bytes);
        }
        Ok(())
    })?;
    let is_integer = |op: &str| {
        op.starts_with("QLinearConv")
            || op == "QGemm"
            || op.contains("MatMulInteger")
            || op == "QLinearMatMul"
    };
    let fused = nodes.iter().filter(|node| is_integer(&node.op)).count();
    Ok((fused < quantized).then(|| {
        format!(
            "ONNX Runtime made integer kernels of {fused} of the {quantized} int8 layers; the others run in float between \
             QuantizeLinear and DequantizeLinear"
        )
    }))
}
