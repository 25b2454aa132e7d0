//! Facts of values, as a session tells them.

use farsight_compiler::facts;
use farsight_engine::Library;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document, Fact};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    ("facts::what_is_no_tensor_of_numbers_is_left_out", no_tensor),
    ("facts::the_file_is_not_believed_of_shapes_behind_the_inputs", stale_shapes),
    ("facts::an_unknown_number_of_axes_is_not_none", unknown_rank),
];

fn document(inputs: Vec<ValueInfoProto>, outputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>) -> Document {
    let name = Some("g".to_owned());
    Document::new(
        GraphProto { name, input: inputs, output: outputs, node: nodes, ..GraphProto::default() },
        17,
    )
}

fn float(name: &str, shape: &[Dim]) -> ValueInfoProto {
    ValueInfoProto::tensor(name, DataType::Float, shape)
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, "", inputs, &[output])
}

fn no_tensor(library: &'static Library) {
    let cast = |input: &str, output: &str, to: DataType| {
        node("Cast", &[input], output).with("to", Attribute::Int(to as i64))
    };
    let nodes = vec![
        cast("x", "brain", DataType::Bfloat16),
        cast("brain", "back", DataType::Float),
        node("SplitToSequence", &["back"], "sequence").with("axis", Attribute::Int(0)),
        node("ConcatFromSequence", &["sequence"], "y").with("axis", Attribute::Int(0)),
    ];
    let shape = [Dim::Fixed(2), Dim::Fixed(4)];
    let document = document(vec![float("x", &shape)], vec![float("y", &shape)], nodes);
    let facts = facts(&document, library).unwrap();
    assert_eq!((facts.get("sequence"), facts.get("brain")), (Fact::default(), Fact::default()));
    assert_eq!(facts.get("back").fixed(), Some(vec![2, 4]));
}

/// The file was exported with one row, and says so of all but its input.
fn stale_shapes(library: &'static Library) {
    let stale = [Dim::Fixed(1), Dim::Fixed(3)];
    let nodes = vec![node("Relu", &["x"], "r"), node("Neg", &["r"], "y")];
    let mut document = document(vec![float("x", &["N".into(), 3.into()])], vec![float("y", &stale)], nodes);
    document.graph.value_info = vec![float("r", &stale)];
    let facts = facts(&document, library).unwrap();
    for name in ["r", "y"] {
        let expected = Fact { element: Some(DataType::Float), shape: Some(vec![Dim::Open, 3.into()]) };
        assert_eq!(facts.get(name), expected, "{name}");
    }
}

fn unknown_rank(library: &'static Library) {
    let shape = ValueInfoProto::tensor("shape", DataType::Int64, &["M".into()]);
    let nodes = vec![node("Reshape", &["x", "shape"], "y")];
    let document = document(vec![float("x", &[3.into()]), shape], vec![float("y", &["K".into()])], nodes);
    assert_eq!(facts(&document, library).unwrap().get("y").shape, None);
}
