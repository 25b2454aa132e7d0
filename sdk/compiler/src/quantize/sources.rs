//! Where a value's range comes from: from another value that is observed, where that tells all. Few values need
//! to be looked at while calibration runs, and what only moves values keeps their scale.

use std::collections::{BTreeSet, HashMap};

use farsight_graph::Links;
use farsight_graph::onnx::{GraphProto, NodeProto};

/// Longest chain of nodes that is followed from a value to what is observed.
const LONGEST: usize = 32;

/// Where a value's range comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RangeSource {
    /// The operator itself bounds it.
    Fixed {
        /// Least value.
        low: f32,
        /// Greatest value.
        high: f32,
    },
    /// An observed value, after these functions, element by element.
    Observed {
        /// The value that is observed.
        value: String,
        /// Functions in the order in which they are applied.
        functions: Vec<Function>,
    },
    /// Any of these: values laid side by side.
    Any(Vec<RangeSource>),
}

/// A function of one number that an operator applies to every element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// Cut off at both ends; Relu is 0 to infinity.
    Clip(f32, f32),
    /// x below 0 is multiplied by this.
    LeakyRelu(f32),
    /// x · sigmoid(x).
    Silu,
}

impl Function {
    pub(crate) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Clip(low, high) => x.max(low).min(high),
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }
}

impl RangeSource {
    /// The values that must be observed for it.
    pub(crate) fn observed<'s>(&'s self, into: &mut BTreeSet<&'s str>) {
        match self {
            Self::Fixed { .. } => {}
            Self::Observed { value, .. } => drop(into.insert(value)),
            Self::Any(parts) => parts.iter().for_each(|part| part.observed(into)),
        }
    }
}

/// Where the ranges of these values come from.
pub(crate) fn sources(graph: &GraphProto, values: &[String]) -> HashMap<String, RangeSource> {
    let links = graph.links();
    values.iter().map(|value| (value.clone(), source(graph, &links, value, LONGEST))).collect()
}

fn source(graph: &GraphProto, links: &Links, value: &str, left: usize) -> RangeSource {
    let itself = || RangeSource::Observed { value: value.to_owned(), functions: Vec::new() };
    let Some(node) = links.producer(value).map(|index| &graph.node[index]) else { return itself() };
    if left == 0 || !node.in_default_domain() {
        return itself();
    }
    let of_input = |index: usize| node.input(index).map(|input| source(graph, links, input, left - 1));
    let found = match node.op_type() {
        "Sigmoid" | "Softmax" | "HardSigmoid" => Some(RangeSource::Fixed { low: 0.0, high: 1.0 }),
        "Tanh" => Some(RangeSource::Fixed { low: -1.0, high: 1.0 }),
        "Relu" => of_input(0).map(|source| after(source, Function::Clip(0.0, f32::INFINITY))),
        "LeakyRelu" => {
            of_input(0).map(|source| after(source, Function::LeakyRelu(node.float("alpha").unwrap_or(0.01))))
        }
        "Clip" => bounds(node, links)
            .and_then(|(low, high)| of_input(0).map(|source| after(source, Function::Clip(low, high)))),
        "Mul" => silu_input(graph, node, links)
            .map(|input| after(source(graph, links, input, left - 1), Function::Silu)),
        "DepthToSpace" | "Flatten" | "Identity" | "MaxPool" | "Reshape" | "Resize" | "Slice"
        | "SpaceToDepth" | "Split" | "Squeeze" | "Transpose" | "Unsqueeze" => of_input(0),
        "Concat" => (0..node.input.len()).map(of_input).collect::<Option<_>>().map(RangeSource::Any),
        _ => None,
    };
    found.unwrap_or_else(itself)
}

/// The source with one more function at its end.
fn after(source: RangeSource, function: Function) -> RangeSource {
    match source {
        RangeSource::Fixed { low, high } => {
            let (a, b) = (function.apply(low), function.apply(high));
            RangeSource::Fixed { low: a.min(b), high: a.max(b) }
        }
        RangeSource::Observed { value, mut functions } => {
            functions.push(function);
            RangeSource::Observed { value, functions }
        }
        RangeSource::Any(parts) => {
            RangeSource::Any(parts.into_iter().map(|part| after(part, function)).collect())
        }
    }
}

/// Constant bounds of a Clip; a bound that is not given does not bind.
fn bounds(node: &NodeProto, links: &Links) -> Option<(f32, f32)> {
    let bound = |index: usize, attribute: &str, open: f32| match node.input(index) {
        Some(name) => links.tensor(name)?.values::<f32>().ok()?.first().copied(),
        None => Some(node.float(attribute).unwrap_or(open)),
    };
    Some((bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?))
}

/// x of x · sigmoid(x).
pub(super) fn silu_input<'n>(graph: &GraphProto, node: &'n NodeProto, links: &Links) -> Option<&'n str> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let is_sigmoid_of = |gate: &str, input: &str| {
        links
            .producer(gate)
            .map(|index| &graph.node[index])
            .is_some_and(|maker| maker.is("Sigmoid") && maker.input(0) == Some(input))
    };
    if is_sigmoid_of(b, a) {
        Some(a)
    } else if is_sigmoid_of(a, b) {
        Some(b)
    } else {
        None
    }
}
