//! The adapters against `onnx.version_converter`, by goldens that `tests/reference/graph.py` makes.
//!
//! Each golden ran in ONNX Runtime before and after. Where the converter's own result does not give what the
//! model gave (Hardmax 12 to 13, Resize 10 to 11, GroupNormalization 20 to 21), the golden is the corrected one;
//! `FIXED` in the script says how.

use std::collections::{BTreeSet, HashMap};

use super::{NEWEST_OPSET, OLDEST, tables};
use crate::onnx::tensor_proto::DataType;
use crate::onnx::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::testing::{document, graph, with_body};
use crate::{Attribute, Document, Facts};

/// One line a case: name, opset before, opset after, model before, model after (hexadecimal).
const CASES: &str = include_str!("../../../../tests/reference/graph/opset_cases.txt");

/// One line an opset: its number and the operators that changed in it.
const CHANGES: &str = include_str!("../../../../tests/reference/graph/opset_changes.txt");

/// Changes that only add: element types, and attributes or inputs whose default is the old behaviour.
const COMPATIBLE: &[(i64, &[&str])] = &[
    (10, &["AveragePool", "MaxPool"]),
    (
        11,
        &[
            "ArgMax",
            "ArgMin",
            "AveragePool",
            "Compress",
            "Concat",
            "Constant",
            "Conv",
            "ConvTranspose",
            "DepthToSpace",
            "Equal",
            "Flatten",
            "Gather",
            "Gemm",
            "Hardmax",
            "If",
            "LogSoftmax",
            "Loop",
            "LpPool",
            "MaxPool",
            "MaxUnpool",
            "NonMaxSuppression",
            "OneHot",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
            "ReduceSumSquare",
            "Scan",
            "Slice",
            "Softmax",
            "Split",
            "Squeeze",
            "TopK",
            "Unsqueeze",
        ],
    ),
    (
        12,
        &[
            "ArgMax",
            "ArgMin",
            "Clip",
            "Constant",
            "GatherND",
            "Max",
            "MaxPool",
            "Min",
            "Pow",
            "ReduceMax",
            "ReduceMin",
        ],
    ),
    (
        13,
        &[
            "Abs",
            "Add",
            "ArgMax",
            "ArgMin",
            "Cast",
            "Ceil",
            "Clip",
            "Concat",
            "Constant",
            "DepthToSpace",
            "DequantizeLinear",
            "Div",
            "Dropout",
            "Equal",
            "Erf",
            "Exp",
            "Expand",
            "Flatten",
            "Floor",
            "Gather",
            "GatherElements",
            "GatherND",
            "Gemm",
            "Greater",
            "Identity",
            "If",
            "IsNaN",
            "LRN",
            "Less",
            "Log",
            "Loop",
            "MatMul",
            "Max",
            "Mean",
            "MeanVarianceNormalization",
            "Min",
            "Mod",
            "Mul",
            "Neg",
            "NegativeLogLikelihoodLoss",
            "NonZero",
            "Pad",
            "Pow",
            "QuantizeLinear",
            "Reciprocal",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSumSquare",
            "Relu",
            "Reshape",
            "ScatterElements",
            "ScatterND",
            "Shape",
            "Sigmoid",
            "Sign",
            "Size",
            "Slice",
            "SoftmaxCrossEntropyLoss",
            "SpaceToDepth",
            "Sqrt",
            "Sub",
            "Sum",
            "Tanh",
            "Tile",
            "Transpose",
        ],
    ),
    (14, &["Add", "CumSum", "Div", "GRU", "Identity", "LSTM", "Mul", "RNN", "Relu", "Reshape", "Sub"]),
    (15, &["BatchNormalization", "Pow", "Shape"]),
    (
        16,
        &[
            "GreaterOrEqual",
            "Identity",
            "If",
            "LeakyRelu",
            "LessOrEqual",
            "Loop",
            "PRelu",
            "Scan",
            "ScatterElements",
            "ScatterND",
            "Where",
        ],
    ),
    (
        18,
        &[
            "LpPool",
            "OptionalGetElement",
            "OptionalHasElement",
            "Pad",
            "Resize",
            "ScatterElements",
            "ScatterND",
        ],
    ),
    (
        19,
        &[
            "AveragePool",
            "Cast",
            "CastLike",
            "Constant",
            "DequantizeLinear",
            "Equal",
            "Identity",
            "If",
            "Loop",
            "Pad",
            "QuantizeLinear",
            "Reshape",
            "Resize",
            "Scan",
            "Shape",
            "Size",
        ],
    ),
    (20, &["ConstantOfShape", "IsInf", "IsNaN", "ReduceMax", "ReduceMin"]),
    (
        21,
        &[
            "Cast",
            "CastLike",
            "Constant",
            "ConstantOfShape",
            "DequantizeLinear",
            "Flatten",
            "Identity",
            "If",
            "Loop",
            "Pad",
            "QLinearMatMul",
            "QuantizeLinear",
            "Reshape",
            "Scan",
            "Shape",
            "Size",
            "Squeeze",
            "Transpose",
            "Unsqueeze",
        ],
    ),
];

#[test]
fn every_change_that_the_schemas_know_is_adapted_or_on_the_list() {
    let mut seen = 0;
    for line in CHANGES.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let version: i64 = words.next().unwrap().parse().unwrap();
        let changed: BTreeSet<&str> = words.collect();
        let adapted = tables::ADAPTERS.iter().filter(|(at, ..)| *at == version).map(|(_, op, _)| *op);
        let compatible =
            COMPATIBLE.iter().filter(|(at, _)| *at == version).flat_map(|(_, ops)| *ops).copied();
        assert_eq!(adapted.chain(compatible).collect::<BTreeSet<_>>(), changed, "opset {version}");
        seen += 1;
    }
    assert_eq!(seen, NEWEST_OPSET - OLDEST);
}

#[test]
fn each_upgrade_gives_what_the_converter_gives() {
    let mut failures = Vec::new();
    let mut seen = 0;
    for line in CASES.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, _, to, before, after] = words[..] else { panic!("{line}") };
        let parse = |hex: &str| Document::parse(decode(hex).into(), None).unwrap();
        let (mut ours, theirs) = (parse(before), parse(after));
        let to: i64 = to.parse().unwrap();
        match ours.upgrade_opset(to, &Facts::default()) {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(_) if ours.opset("") != Some(to) => {
                failures.push(format!("{name}: opset {:?}", ours.opset("")))
            }
            Ok(_) => {
                let (ours, theirs) = (structure(&ours.graph), structure(&theirs.graph));
                if ours != theirs {
                    failures.push(format!("{name}\n  ours   {ours:?}\n  theirs {theirs:?}"));
                }
            }
        }
        seen += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(seen > 80, "{seen}");
}

fn decode(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A graph without the names of its values: each output as the expression that makes it.
fn structure(graph: &GraphProto) -> Vec<String> {
    let mut made: HashMap<&str, String> = HashMap::new();
    for input in &graph.input {
        made.insert(input.name(), input.name().to_owned());
    }
    for tensor in &graph.initializer {
        made.insert(tensor.name(), constant(tensor));
    }
    for node in &graph.node {
        let inputs: Vec<String> =
            node.input.iter().map(|name| made.get(&name[..]).cloned().unwrap_or_default()).collect();
        let mut attributes: Vec<String> = node.attribute.iter().map(attribute).collect();
        attributes.sort();
        for (index, name) in node.output.iter().enumerate() {
            let expression = match node.tensor("value") {
                Some(tensor) if node.is("Constant") => constant(tensor),
                _ => format!("{}.{index}({}){attributes:?}", node.op_type(), inputs.join(",")),
            };
            made.insert(name, expression);
        }
    }
    graph.output_names().map(|name| made[name].clone()).collect()
}

fn constant(tensor: &TensorProto) -> String {
    let values = tensor.values::<f32>().map(|values| format!("{values:?}"));
    format!("{:?}{}", tensor.dims, values.unwrap_or_else(|_| format!("{:?}", tensor.integers())))
}

fn attribute(attribute: &AttributeProto) -> String {
    let AttributeProto { i, f, s, ints, floats, .. } = attribute;
    format!("{}={i:?}{f:?}{s:?}{ints:?}{floats:?}", attribute.name())
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto::new(op, "", inputs, outputs)
}

fn old(nodes: Vec<NodeProto>, opset: i64) -> Document {
    let mut document = document(graph(&["x"], &["y"], nodes));
    document.model.opset_import[0].version = Some(opset);
    document
}

#[test]
fn nodes_that_cannot_be_taken_are_named() {
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
    let text = |value: &str| Attribute::String(value.to_owned());
    let cases = [
        (
            old(vec![node("Resize", &["x", "x"], &["y"])], 10),
            "node \"y\" (Resize): cannot be taken from opset 10 to 11: its scales are not constant",
        ),
        (
            old(vec![node("Dropout", &["x"], &["d", "m"]), node("Add", &["d", "m"], &["y"])], 9),
            "(Dropout): cannot be taken from opset 9 to 10: its mask is read",
        ),
        (
            old(
                vec![
                    node("Resize", &["x", "x", "x"], &["y"])
                        .with("coordinate_transformation_mode", text("tf_half_pixel_for_nn")),
                ],
                11,
            ),
            "from opset 12 to 13: opset 13 has no tf_half_pixel_for_nn",
        ),
        (old(vec![node("Unsqueeze", &["x"], &["y"])], 11), "it has no axes"),
        (old(vec![node("Relu", &["x"], &["y"])], 8), "opset 8 cannot be taken to 21"),
        (
            old(
                vec![
                    node("Cast", &["x"], &["h"]).with("to", Attribute::Int(10)),
                    node("Pad", &["h"], &["y"]).with("pads", ints(&[1, 1])),
                ],
                10,
            ),
            "(Pad): cannot be taken from opset 10 to 11: the element type of \"h\" is not known",
        ),
        (
            old(vec![node("GridSample", &["x", "x"], &["y"]).with("mode", text("linear"))], 16),
            "(GridSample): cannot be taken from opset 19 to 20: opset 19 has no mode \"linear\"",
        ),
        (
            old(vec![node("GroupNormalization", &["x", "x", "x"], &["y"])], 18),
            "(GroupNormalization): cannot be taken from opset 20 to 21: it has no groups",
        ),
    ];
    for (mut document, expected) in cases {
        let before = document.clone();
        let message = document.upgrade_opset(NEWEST_OPSET, &Facts::default()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert_eq!(document, before);
    }
}

/// The branches of an If may use the same names: a row of four axes is not one of two.
#[test]
fn what_is_known_of_a_name_is_not_believed_of_another_value_of_that_name() {
    let value =
        |name: &str, rank: usize| ValueInfoProto::tensor(name, DataType::Float, &vec![2.into(); rank]);
    let branch = |input: &str, attribute: Attribute| {
        let nodes = vec![
            node("Transpose", &[input], &["t"]).with("perm", attribute),
            node("Softmax", &["t"], &["s"]).with("axis", Attribute::Int(1)),
        ];
        graph(&[], &["s"], nodes)
    };
    let perm = |rank: i64| Attribute::Ints((0..rank).rev().collect());
    let choice = with_body(node("If", &["c"], &["y"]), "then_branch", branch("a", perm(2)));
    let choice = with_body(choice, "else_branch", branch("b", perm(4)));
    let mut document = old(vec![choice], 11);
    document.graph.input = vec![value("a", 2), value("b", 4)];
    document.upgrade_opset(13, &Facts::default()).unwrap();
    for body in document.graph.node[0].subgraphs() {
        let softmax = body.node.iter().find(|node| node.is("Softmax")).unwrap();
        // Every element behind the first axis makes a row, whatever the rank.
        assert!(softmax.input[0].starts_with("s_flat"), "{body:?}");
    }
}

#[test]
fn subgraphs_are_upgraded_and_new_models_left_alone() {
    let squeeze = node("Squeeze", &["x"], &["t"]).with("axes", Attribute::Ints(vec![0]));
    let body = graph(&[], &["t"], vec![squeeze]);
    let mut document = old(vec![with_body(node("If", &["x"], &["y"]), "then_branch", body)], 11);
    document.graph.output[0] = ValueInfoProto::tensor("y", DataType::Float, &[]);
    let report = document.upgrade_opset(NEWEST_OPSET, &Facts::default()).unwrap();
    assert_eq!((report.from, report.to), (11, 21));
    let body = document.graph.node[0].subgraphs().next().unwrap();
    assert_eq!(body.node[0].input, ["x", "t_axes"]);
    assert_eq!(body.tensor("t_axes").unwrap().integers().unwrap(), [0]);
    assert_eq!(document.model.ir_version(), 10);
    let before = document.clone();
    assert_eq!(document.upgrade_opset(13, &Facts::default()).unwrap().adapted, 0);
    assert_eq!(document, before);
}
