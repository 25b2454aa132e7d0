//! The scheme: which nodes compute in int8, and which values are quantized for that.

use std::collections::{BTreeMap, HashSet};

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Facts, Links};
use farsight_spec::ActivationType;

use crate::layers::{Layer, is_layer, tail};

/// Which nodes compute in int8, and which values are quantized for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scheme {
    /// Places of the nodes that compute in int8: layers, and what carries int8 values from one to the next.
    pub(crate) nodes: HashSet<usize>,
    /// The values that get a QuantizeLinear, in the order in which they are made.
    pub(crate) values: Vec<String>,
    /// The layers that stay float, by place, and why.
    pub(crate) islands: BTreeMap<usize, String>,
}

/// Operators that ONNX Runtime's CPU provider computes in int8 (or that only move values), and how many of
/// their inputs are values: the others are shapes, sizes, bounds.
const CARRIERS: [(&str, usize); 20] = [
    ("Add", 2),
    ("AveragePool", 1),
    ("Clip", 1),
    ("Concat", usize::MAX),
    ("DepthToSpace", 1),
    ("Flatten", 1),
    ("GlobalAveragePool", 1),
    ("LeakyRelu", 1),
    ("MaxPool", 1),
    ("Mul", 2),
    ("Relu", 1),
    ("Reshape", 1),
    ("Resize", 1),
    ("Sigmoid", 1),
    ("Slice", 1),
    ("SpaceToDepth", 1),
    ("Split", 1),
    ("Squeeze", 1),
    ("Transpose", 1),
    ("Unsqueeze", 1),
];

/// Chooses the nodes that compute in int8. `float` are nodes that shall not, each with the reason.
pub(crate) fn scheme(
    graph: &GraphProto,
    facts: &Facts,
    layers: &[Layer],
    float: &BTreeMap<usize, String>,
    activation: ActivationType,
) -> Scheme {
    let links = graph.links();
    let mut islands = BTreeMap::new();
    let mut nodes = HashSet::new();
    for layer in layers {
        let asked = float.get(&layer.node).cloned();
        match asked.or_else(|| why_float(&graph.node[layer.node], layer, &links, facts)) {
            Some(reason) => drop(islands.insert(layer.node, reason)),
            None => drop(nodes.insert(layer.node)),
        }
    }
    add_carriers(graph, &links, facts, float, &mut nodes);
    drop_idle_carriers(graph, &links, &mut nodes);
    let values = values(graph, &links, &nodes, activation != ActivationType::S8);
    Scheme { nodes, values, islands }
}

/// The inputs of a quantized node that are values: not weights, biases, shapes, bounds.
pub(crate) fn value_inputs<'n>(node: &'n NodeProto, links: &Links) -> Vec<&'n str> {
    let count = match node.op_type() {
        "MatMul" => 2,
        _ if is_layer(node) => 1,
        op => CARRIERS.iter().find(|(carrier, _)| *carrier == op).map_or(0, |(_, count)| *count),
    };
    let given = node.input.iter().take(count).map(String::as_str);
    given.filter(|name| !name.is_empty() && links.tensor(name).is_none()).collect()
}

/// Why a layer cannot compute in int8; `None` if it can.
fn why_float(node: &NodeProto, layer: &Layer, links: &Links, facts: &Facts) -> Option<String> {
    let reason = |text: &str| Some(text.to_owned());
    if layer.in_tail {
        return reason("it belongs to the decoder after the last learned layer");
    }
    let floats = value_inputs(node, links).into_iter().all(|name| is_float(name, facts));
    if !floats {
        return reason("its values are not float32");
    }
    let weight = layer.weight.as_deref().and_then(|name| links.tensor(name));
    match (node.op_type(), weight) {
        ("ConvTranspose", _) => reason("ONNX Runtime has no int8 kernel for ConvTranspose on the CPU"),
        ("Conv" | "Gemm", None) => reason("its weights are computed, not constant"),
        ("Gemm", Some(_)) if !is_plain_gemm(node, links) => {
            reason("a Gemm with alpha, beta, a transposed input or a computed bias has no int8 form")
        }
        ("Conv", Some(_)) if node.input(2).is_some_and(|bias| links.tensor(bias).is_none()) => {
            reason("its bias is computed, not constant")
        }
        ("Conv", Some(weight)) if is_stem(node, weight) => reason(
            "with fewer than 4 input channels int8 kernels, which multiply four at a time, are slower than float ones",
        ),
        (_, Some(weight)) if !weight.values::<f32>().is_ok_and(|w| w.iter().all(|w| w.is_finite())) => {
            reason("its weights are not finite float32 numbers")
        }
        _ => None,
    }
}

/// A first layer on the channels of a picture. Depthwise layers have kernels of their own.
fn is_stem(node: &NodeProto, weight: &TensorProto) -> bool {
    node.int("group").unwrap_or(1) == 1 && weight.dims.get(1).is_some_and(|channels| *channels < 4)
}

fn is_plain_gemm(node: &NodeProto, links: &Links) -> bool {
    node.float("alpha").unwrap_or(1.0) == 1.0
        && node.float("beta").unwrap_or(1.0) == 1.0
        && node.int("transA").unwrap_or(0) == 0
        && node.input(2).is_none_or(|bias| links.tensor(bias).is_some_and(|bias| bias.dims.len() == 1))
}

fn is_float(name: &str, facts: &Facts) -> bool {
    facts.get(name).element == Some(DataType::Float)
}

/// Adds what carries int8 values on: a known operator with an int8 value coming in.
fn add_carriers(
    graph: &GraphProto,
    links: &Links,
    facts: &Facts,
    float: &BTreeMap<usize, String>,
    nodes: &mut HashSet<usize>,
) {
    let tail = tail(graph, links);
    for (index, node) in graph.node.iter().enumerate() {
        if float.contains_key(&index) || tail.contains(&index) || !is_carrier(node, links) {
            continue;
        }
        let values = value_inputs(node, links);
        let from_int8 =
            values.iter().any(|value| links.producer(value).is_some_and(|maker| nodes.contains(&maker)));
        if from_int8 && values.iter().all(|value| is_float(value, facts)) {
            nodes.insert(index);
        }
    }
}

fn is_carrier(node: &NodeProto, links: &Links) -> bool {
    let known = node.in_default_domain() && CARRIERS.iter().any(|(op, _)| node.is(op));
    // Bounds and sizes must be constants: whether the operator can work on int8 depends on them.
    let constant = |index: usize| node.input(index).is_none_or(|name| links.tensor(name).is_some());
    match node.op_type() {
        "Clip" => known && constant(1) && constant(2),
        "Resize" => known && node.string("mode").unwrap_or("nearest") != "cubic",
        "AveragePool" => known && node.int("count_include_pad").unwrap_or(0) == 0,
        _ => known,
    }
}

/// A carrier whose result no int8 node reads costs accuracy and gains nothing.
fn drop_idle_carriers(graph: &GraphProto, links: &Links, nodes: &mut HashSet<usize>) {
    for (index, node) in graph.node.iter().enumerate().rev() {
        if !nodes.contains(&index) || is_layer(node) {
            continue;
        }
        let mut readers = node.output.iter().flat_map(|name| links.consumers(name));
        if !readers.any(|reader| nodes.contains(reader)) {
            nodes.remove(&index);
        }
    }
}

/// What int8 nodes read and make. Between a layer and the Relu or Clip that alone reads it nothing is quantized:
/// where the zero point is the least value (`fuse`), quantizing the result cuts off the same.
fn values(graph: &GraphProto, links: &Links, nodes: &HashSet<usize>, fuse: bool) -> Vec<String> {
    let mut wanted: HashSet<&str> = HashSet::new();
    for &index in nodes {
        let node = &graph.node[index];
        wanted.extend(value_inputs(node, links));
        wanted.extend(node.output.iter().map(String::as_str).filter(|name| !name.is_empty()));
    }
    for &index in nodes.iter().filter(|_| fuse) {
        let node = &graph.node[index];
        if let Some(value) = node.output.first().filter(|_| is_layer(node))
            && let [reader] = links.consumers(value)
            && ["Relu", "Clip"].iter().any(|op| graph.node[*reader].is(op))
            && nodes.contains(reader)
            && !graph.output_names().any(|output| output == value)
        {
            wanted.remove(value.as_str());
        }
    }
    let inputs = graph.input.iter().map(|input| input.name());
    let made = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    inputs.chain(made).filter(|name| wanted.contains(name)).map(str::to_owned).collect()
}
