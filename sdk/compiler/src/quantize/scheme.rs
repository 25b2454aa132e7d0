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
        ("MatMul", None) if node.input(0).is_some_and(|factor| links.tensor(factor).is_some()) => {
            reason("its weights are the left factor; int8 kernels take them on the right")
        }
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
        // A second output holds places, which are integers.
        "MaxPool" => known && node.output.get(1).is_none_or(String::is_empty),
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

#[cfg(test)]
mod tests {
    use farsight_graph::onnx::ValueInfoProto;
    use farsight_graph::{Attribute, Dim};

    use super::*;
    use crate::layers::layers;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto::new(op, "", inputs, outputs)
    }

    fn value(name: &str) -> ValueInfoProto {
        ValueInfoProto::tensor(name, DataType::Float, &[Dim::Open])
    }

    /// A graph from `x` whose values are all float32, with weights `w` of four channels, `stem` of three, `v` for
    /// products of matrices, a `bias` and a `shape`.
    fn graph(nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
        let made = nodes.iter().flat_map(|node| &node.output).map(|name| value(name)).collect();
        GraphProto {
            input: vec![value("x")],
            output: outputs.iter().map(|name| value(name)).collect(),
            value_info: made,
            initializer: vec![
                TensorProto::new("w", &[4, 4, 1, 1], &[0.5f32; 16]),
                TensorProto::new("stem", &[4, 3, 1, 1], &[0.5f32; 12]),
                TensorProto::new("v", &[4, 4], &[0.5f32; 16]),
                TensorProto::new("bias", &[4], &[0.5f32; 4]),
                TensorProto::new("bias_2d", &[1, 4], &[0.5f32; 4]),
                TensorProto::new("endless", &[4, 4, 1, 1], &[f32::INFINITY; 16]),
                TensorProto::new("counting", &[1, 4, 1, 1], &[0.0f32, 1.0, 2.0, 3.0]),
                TensorProto::new("bound", &[], &[6.0f32]),
                TensorProto::new("shape", &[1], &[-1i64]),
            ],
            node: nodes,
            ..GraphProto::default()
        }
    }

    fn chosen_of(graph: &GraphProto, float: &[(usize, &str)], activation: ActivationType) -> Scheme {
        let float = float.iter().map(|&(place, reason)| (place, reason.to_owned())).collect();
        let facts = Facts::of(graph);
        scheme(graph, &facts, &layers(graph, &facts), &float, activation)
    }

    /// The scheme of uint8 with nothing asked for.
    fn chosen(nodes: Vec<NodeProto>, outputs: &[&str]) -> Scheme {
        chosen_of(&graph(nodes, outputs), &[], ActivationType::U8)
    }

    fn places(scheme: &Scheme) -> Vec<usize> {
        let mut places: Vec<usize> = scheme.nodes.iter().copied().collect();
        places.sort_unstable();
        places
    }

    /// Why a layer that a float layer follows stays float; empty where it does not.
    fn reason(layer: NodeProto) -> String {
        let last = node("Conv", &["a", "w"], &["y"]);
        chosen(vec![node("Exp", &["x"], &["made"]), layer, last], &["y"])
            .islands
            .remove(&1)
            .unwrap_or_default()
    }

    #[test]
    fn the_tail_stays_float() {
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("Softmax", &["a"], &["s"]),
            node("Conv", &["s", "counting"], &["d"]),
            node("Sigmoid", &["d"], &["y"]),
        ];
        let scheme = chosen(nodes, &["y"]);
        assert_eq!((places(&scheme), scheme.values), (vec![0], vec!["x".to_owned(), "a".to_owned()]));
        assert_eq!(scheme.islands.keys().collect::<Vec<_>>(), [&2]);
        assert!(scheme.islands[&2].contains("decoder"), "{:?}", scheme.islands);
    }

    #[test]
    fn a_first_layer_on_a_picture_stays_float() {
        let on_three = |weight: &str| node("Conv", &["x", weight], &["a"]);
        assert!(reason(on_three("stem")).contains("fewer than 4 input channels"));
        assert_eq!(reason(on_three("w")), "");
        // Each channel of a depthwise layer has its own kernel: that is no stem.
        assert_eq!(reason(on_three("stem").with("group", Attribute::Int(4))), "");
    }

    #[test]
    fn layers_without_an_int8_form_say_why() {
        let gemm = |inputs: &[&str]| node("Gemm", inputs, &["a"]);
        for (layer, expected) in [
            (node("ConvTranspose", &["x", "w"], &["a"]), "ConvTranspose"),
            (node("Conv", &["x", "made"], &["a"]), "weights are computed"),
            (gemm(&["x", "made"]), "weights are computed"),
            (node("Conv", &["x", "w", "made"], &["a"]), "bias is computed"),
            (gemm(&["x", "v", "made"]), "computed bias"),
            (gemm(&["x", "v", "bias_2d"]), "bias"),
            (gemm(&["x", "v"]).with("alpha", Attribute::Float(0.5)), "alpha"),
            (gemm(&["x", "v", "bias"]).with("beta", Attribute::Float(0.5)), "beta"),
            (gemm(&["x", "v"]).with("transA", Attribute::Int(1)), "transposed input"),
            (node("Conv", &["x", "endless"], &["a"]), "not finite"),
            (node("Conv", &["x", "shape"], &["a"]), "not finite"),
            (node("Conv", &["nobody", "w"], &["a"]), "not float32"),
            (node("MatMul", &["v", "x"], &["a"]), "left"),
        ] {
            let found = reason(layer.clone());
            assert!(found.contains(expected), "{layer:?}: {found:?}, not {expected:?}");
        }
        for layer in [
            node("Conv", &["x", "w", "bias"], &["a"]),
            gemm(&["x", "v", "bias"]).with("transB", Attribute::Int(1)),
            node("MatMul", &["x", "v"], &["a"]),
            node("MatMul", &["x", "made"], &["a"]),
        ] {
            assert_eq!(reason(layer), "");
        }
    }

    #[test]
    fn carriers_follow_and_what_nobody_reads_in_int8_is_dropped() {
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("MaxPool", &["a"], &["p"]),
            node("Reshape", &["p", "shape"], &["r"]),
            node("Conv", &["r", "w"], &["b"]),
            // Neither of these two is read by an int8 node.
            node("Relu", &["b"], &["c"]),
            node("MaxPool", &["c"], &["d"]),
            node("Exp", &["d"], &["e"]),
            node("Conv", &["e", "w"], &["f"]),
            node("Add", &["f", "x"], &["g"]),
            node("Concat", &["g", "e", "bias"], &["h"]).with("axis", Attribute::Int(1)),
            node("Conv", &["h", "w"], &["y"]),
        ];
        let scheme = chosen(nodes, &["y"]);
        assert_eq!(places(&scheme), [0, 1, 2, 3, 7, 8, 9, 10]);
        assert_eq!(scheme.values, ["x", "a", "p", "r", "b", "e", "f", "g", "h", "y"]);
        assert!(scheme.islands.is_empty());
    }

    #[test]
    fn a_carrier_begins_with_an_int8_value() {
        // x is float: a Relu on it would quantize for nothing.
        let nodes = vec![node("Relu", &["x"], &["a"]), node("Conv", &["a", "w"], &["y"])];
        assert_eq!(places(&chosen(nodes, &["y"])), [1]);
    }

    #[test]
    fn carriers_that_have_no_int8_form_stay_float() {
        let is_int8 = |carrier: NodeProto| {
            let nodes = vec![
                node("Exp", &["x"], &["made"]),
                node("Conv", &["x", "w"], &["a"]),
                carrier,
                node("Conv", &["b", "w"], &["y"]),
            ];
            places(&chosen(nodes, &["y"])).contains(&2)
        };
        let of_a = |op: &str| node(op, &["a"], &["b"]);
        let microsoft = |node: NodeProto| NodeProto { domain: Some("com.microsoft".into()), ..node };
        for (carrier, expected) in [
            (node("Clip", &["a", "", "bound"], &["b"]), true),
            (node("Clip", &["a", "", "made"], &["b"]), false),
            (of_a("Resize"), true),
            (of_a("Resize").with("mode", Attribute::String("cubic".into())), false),
            (of_a("AveragePool"), true),
            (of_a("AveragePool").with("count_include_pad", Attribute::Int(1)), false),
            (of_a("MaxPool"), true),
            (node("MaxPool", &["a"], &["b", ""]), true),
            // The places of the greatest values are int64.
            (node("MaxPool", &["a"], &["b", "places"]), false),
            (node("Add", &["a", "nobody"], &["b"]), false),
            (microsoft(of_a("Relu")), false),
            (of_a("Exp"), false),
        ] {
            assert_eq!(is_int8(carrier.clone()), expected, "{carrier:?}");
        }
    }

    #[test]
    fn nothing_is_quantized_between_a_layer_and_its_relu() {
        let model = |readers: &[&str], outputs: &[&str]| {
            let mut nodes = vec![node("Conv", &["x", "w"], &["a"]), node("Relu", &["a"], &["b"])];
            nodes.extend(readers.iter().map(|value| node("Conv", &[value, "w"], &[&format!("of_{value}")])));
            graph(nodes, outputs)
        };
        let pairs = |graph: &GraphProto, activation| chosen_of(graph, &[], activation).values;
        let alone = model(&["b"], &["of_b"]);
        assert_eq!(pairs(&alone, ActivationType::U8), ["x", "b", "of_b"]);
        assert_eq!(pairs(&alone, ActivationType::U16), ["x", "b", "of_b"]);
        // Symmetric levels reach below 0: they do not cut off what Relu does.
        assert_eq!(pairs(&alone, ActivationType::S8), ["x", "a", "b", "of_b"]);
        let read_twice = model(&["b", "a"], &["of_b", "of_a"]);
        assert_eq!(pairs(&read_twice, ActivationType::U8), ["x", "a", "b", "of_b", "of_a"]);
        let given_out = model(&["b"], &["of_b", "a"]);
        assert_eq!(pairs(&given_out, ActivationType::U8), ["x", "a", "b", "of_b"]);
    }

    #[test]
    fn what_shall_stay_float_does_with_its_reason() {
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("MaxPool", &["a"], &["b"]),
            node("Conv", &["b", "w"], &["c"]),
            node("Conv", &["c", "w"], &["y"]),
        ];
        let graph = graph(nodes, &["y"]);
        let scheme = chosen_of(&graph, &[(2, "costs too much")], ActivationType::U8);
        // The pool has no int8 reader left.
        assert_eq!(
            (places(&scheme), &scheme.values[..]),
            (vec![0, 3], &["x", "a", "c", "y"].map(str::to_owned)[..])
        );
        assert_eq!(scheme.islands, BTreeMap::from([(2, "costs too much".to_owned())]));

        let without_pool = chosen_of(&graph, &[(1, "uneven")], ActivationType::U8);
        assert_eq!(places(&without_pool), [0, 2, 3]);
        assert!(without_pool.islands.is_empty());
    }

    #[test]
    fn every_output_of_a_split_is_a_value() {
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("Split", &["a", "shape"], &["b", "c"]),
            node("Conv", &["c", "w"], &["d"]),
            node("Add", &["b", "d"], &["e"]),
            node("Conv", &["e", "w"], &["y"]),
        ];
        assert_eq!(chosen(nodes, &["y"]).values, ["x", "a", "b", "c", "d", "e", "y"]);
    }

    #[test]
    fn weights_shapes_and_bounds_are_no_values() {
        let graph = graph(Vec::new(), &[]);
        let links = graph.links();
        for (node, expected) in [
            (node("Conv", &["x", "w", "bias"], &["y"]), &["x"][..]),
            (node("Gemm", &["x", "v", "bias"], &["y"]), &["x"]),
            (node("MatMul", &["x", "v"], &["y"]), &["x"]),
            (node("MatMul", &["x", "z"], &["y"]), &["x", "z"]),
            (node("Add", &["bias", "x"], &["y"]), &["x"]),
            (node("Concat", &["x", "bias", "z"], &["y"]), &["x", "z"]),
            (node("Clip", &["x", "low", "high"], &["y"]), &["x"]),
            (node("Resize", &["x", "", "scales"], &["y"]), &["x"]),
            (node("Exp", &["x"], &["y"]), &[]),
        ] {
            assert_eq!(value_inputs(&node, &links), expected, "{node:?}");
        }
    }
}
