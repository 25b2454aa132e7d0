//! The accuracy search: the int8 model that keeps the answer within the budget with as few float layers as it takes.
//!
//! First the ways to take ranges are tried with every layer int8, those that agree best with the source first: that
//! is less noisy than labels. Is the budget not met, the layers are ranked by what each costs alone, and a
//! binary search finds how many of the worst must stay float. The idea of ranking quantizers
//! and reverting the worst is NNCF's; costs are measured here, not guessed from the order of layers.

use std::collections::BTreeMap;

use farsight_spec::Ranges;

use super::sensitivity::LayerCost;
use super::{Built, Choice, Prepared};
use crate::CompileError;
use crate::calibrate::RangeMethod;
use crate::judge::Verdict;

/// What the search found.
pub(crate) struct Found {
    pub(crate) built: Built,
    pub(crate) choice: Choice,
    /// On the half that was searched on.
    pub(crate) verdict: Verdict,
    /// Models that were measured.
    pub(crate) tried: usize,
    /// The order in which layers became float; `None` where none did.
    pub(crate) order: Option<Order>,
}

/// More than this part of the multiplications in float, and int8 has lost its purpose.
const MOST_FLOAT: f64 = 0.6;

/// What converting one value between float and int8 takes, in multiplications (0.5 ns against 0.018 ns on a core
/// with VNNI).
pub(crate) const CONVERSION: f64 = 30.0;

/// Measures a model on the half that is searched on; `None` where the time for searching is over: what was found so far
/// is taken then.
pub(crate) type Measure<'m> = dyn FnMut(&Built) -> Result<Option<Verdict>, CompileError> + 'm;

/// The ways to take ranges that a recipe asks for.
pub(crate) fn methods(ranges: Ranges) -> Vec<RangeMethod> {
    let percentile = RangeMethod::default();
    match ranges {
        Ranges::Auto => vec![percentile, RangeMethod::Mse, RangeMethod::MinMax],
        Ranges::Minmax => vec![RangeMethod::MinMax],
        Ranges::Percentile => vec![percentile],
        Ranges::Mse => vec![RangeMethod::Mse],
        Ranges::Entropy => vec![RangeMethod::Entropy],
    }
}

/// Every layer int8, once for each way to take ranges; the nearest to the source first.
///
/// # Errors
/// If a model cannot be built or measured, or no way was given.
pub(crate) fn each_method(
    prepared: &Prepared,
    methods: &[RangeMethod],
    measure: &mut Measure,
) -> Result<Vec<Found>, CompileError> {
    let mut all = Vec::new();
    for &method in methods {
        let choice = Choice { method, float: BTreeMap::new() };
        let built = prepared.build(&choice)?;
        let Some(verdict) = measure(&built)? else { break };
        log::info!("all layers int8, ranges by {method}: {}", told(&verdict));
        all.push(Found { built, choice, verdict, tried: methods.len(), order: None });
    }
    all.sort_by(|a, b| b.verdict.agreement.total_cmp(&a.verdict.agreement));
    Ok(all)
}

/// The order in which layers become float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The costliest first.
    Error,
    /// The costliest for what float takes there first.
    ErrorForWork,
    /// From the input on: often the first layers are the delicate ones, and neighbours convert nothing between them.
    Depth,
}

impl Order {
    pub(crate) const ALL: [Self; 3] = [Self::Error, Self::ErrorForWork, Self::Depth];

    fn of<'c>(self, prepared: &Prepared, costs: &'c [LayerCost]) -> Vec<&'c LayerCost> {
        let value = |cost: &LayerCost| match self {
            Self::Error => cost.error,
            Self::ErrorForWork => cost.error / prepared.float_work(cost.layer),
            Self::Depth => -(cost.layer as f64),
        };
        let mut ranked: Vec<&LayerCost> = costs.iter().collect();
        ranked.sort_by(|a, b| value(b).total_cmp(&value(a)));
        ranked
    }
}

/// Keeps as few of the layers float as are `enough`; `None` where even [`MOST_FLOAT`] of the multiplications are not.
/// Of the orders given, the one that leaves least work in float is taken.
///
/// # Errors
/// If a model cannot be built or measured.
pub(crate) fn fewest_float(
    prepared: &Prepared,
    start: &Found,
    costs: &[LayerCost],
    orders: &[Order],
    enough: &dyn Fn(&Verdict) -> bool,
    measure: &mut Measure,
) -> Result<Option<Found>, CompileError> {
    let mut best: Option<Found> = None;
    let mut tried = start.tried;
    for &order in orders {
        log::info!("layers become float by {order:?}");
        let mut ranked = order.of(prepared, costs);
        // A layer that alone is more than may be float never becomes it; it must not stand before the others.
        ranked.retain(|cost| prepared.share_of(&prepared.layers[cost.layer]) <= MOST_FLOAT);
        let Some(found) = shortest_prefix(prepared, start, &ranked, enough, &mut tried, measure)? else {
            continue;
        };
        let found = Found { order: Some(order), ..found };
        if best.as_ref().is_none_or(|best| work(prepared, &found) < work(prepared, best)) {
            best = Some(found);
        }
    }
    Ok(best.map(|found| Found { tried, ..found }))
}

/// The fewest layers from the front of the ranking that are enough, by halving.
fn shortest_prefix(
    prepared: &Prepared,
    start: &Found,
    ranked: &[&LayerCost],
    enough: &dyn Fn(&Verdict) -> bool,
    tried: &mut usize,
    measure: &mut Measure,
) -> Result<Option<Found>, CompileError> {
    let mut keep_float = |count: usize| {
        let mut float = start.choice.float.clone();
        float.extend(ranked[..count].iter().map(|cost| (prepared.layers[cost.layer].node, reason(cost))));
        let choice = Choice { method: start.choice.method, float };
        let built = prepared.build(&choice)?;
        let Some(verdict) = measure(&built)? else { return Ok(None) };
        *tried += 1;
        log::info!("{count} of {} layers float: {}", ranked.len(), told(&verdict));
        Ok::<_, CompileError>(Some(Found { built, choice, verdict, tried: *tried, order: None }))
    };
    // The greatest number that is allowed first: where that is not enough, nothing is.
    let (mut low, mut high) = (0, most_float(prepared, ranked));
    if high == 0 {
        return Ok(None);
    }
    let most = keep_float(high)?.filter(|found| enough(&found.verdict));
    let Some(mut best) = most else { return Ok(None) };
    while low + 1 < high {
        let middle = low.midpoint(high);
        let Some(found) = keep_float(middle)? else { break };
        if enough(&found.verdict) {
            (high, best) = (middle, found);
        } else {
            low = middle;
        }
    }
    Ok(Some(best))
}

fn told(verdict: &Verdict) -> String {
    let Verdict { metric, source, compiled, agreement, .. } = verdict;
    format!("{metric} {source:.4} -> {compiled:.4}, agreement {agreement:.4}")
}

/// What the float layers of a choice take: their multiplications, and the values that are converted between them and
/// int8 neighbours.
fn work(prepared: &Prepared, found: &Found) -> f64 {
    let scheme = &found.built.scheme;
    let layers = prepared.layers.iter().filter(|layer| !scheme.nodes.contains(&layer.node));
    layers.map(|layer| layer.macs as f64).sum::<f64>() + CONVERSION * prepared.converted(scheme)
}

/// How many of the ranked layers may stay float.
fn most_float(prepared: &Prepared, ranked: &[&LayerCost]) -> usize {
    let macs = |cost: &&&LayerCost| prepared.layers[cost.layer].macs as f64;
    let all: f64 = ranked.iter().map(|cost| macs(&cost)).sum();
    let mut sum = 0.0;
    ranked
        .iter()
        .take_while(|cost| {
            sum += macs(cost);
            sum <= MOST_FLOAT * all
        })
        .count()
}

fn reason(cost: &LayerCost) -> String {
    format!("int8 here alone moves what the decoder reads by {:.2} %", 100.0 * cost.error.sqrt())
}
