//! Small models, from file to bundle.

use farsight_compiler::{Job, Report, compile};
use farsight_engine::Library;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document};
use farsight_spec::{ModelSpec, Precision, Recipe, Target};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    ("small::a_model_with_a_sequence_is_kept", sequence),
    ("small::the_recipe_says_what_a_quantized_model_becomes", recipe_counts),
    ("small::what_stays_quantized_is_told", stays_quantized),
    ("small::requantize_of_a_float_model_is_told", nothing_to_turn_back),
];

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, "", inputs, &[output])
}

/// x, 8 numbers in a row, to y of the same shape.
fn model(nodes: Vec<NodeProto>) -> Document {
    let value = |name: &str| ValueInfoProto::tensor(name, DataType::Float, &[Dim::Fixed(1), Dim::Fixed(8)]);
    let graph = GraphProto {
        name: Some("g".into()),
        input: vec![value("x")],
        output: vec![value("y")],
        initializer: vec![TensorProto::new("s", &[], &[0.01f32]), TensorProto::new("z", &[], &[128u8])],
        node: nodes,
        ..GraphProto::default()
    };
    Document::new(graph, 17)
}

/// Compiles for this machine with a recipe that names a precision.
fn compiled(document: &Document, precision: Precision, requantize: bool) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    document.write(&path).unwrap();
    let job = Job {
        model: path,
        spec: Some(ModelSpec::find("tensors").unwrap()),
        target: Target::find("host").unwrap(),
        labels: None,
        recipe: Some(Recipe { precision, ..Recipe::default() }),
        precision: None,
        max_drop: Some(0.1),
        data: None,
        calibrate: None,
        requantize,
        force: true,
        library: None,
        output: folder.path().join("model.farsight"),
    };
    compile(&job, &mut |_| {}).unwrap()
}

fn sequence(_: &'static Library) {
    let axis = |node: NodeProto| node.with("axis", Attribute::Int(1));
    let nodes = vec![
        axis(node("SplitToSequence", &["x"], "q")),
        axis(node("ConcatFromSequence", &["q"], "j")),
        node("Relu", &["j"], "y"),
    ];
    let report = compiled(&model(nodes), Precision::Keep, false);
    assert_eq!(report.precision, Precision::Keep);
}

/// x, quantized and back, and Relu.
fn quantized() -> Vec<NodeProto> {
    vec![
        node("QuantizeLinear", &["x", "s", "z"], "q"),
        node("DequantizeLinear", &["q", "s", "z"], "d"),
        node("Relu", &["d"], "r"),
    ]
}

fn recipe_counts(_: &'static Library) {
    let nodes = [quantized(), vec![node("Neg", &["r"], "y")]].concat();
    let report = compiled(&model(nodes), Precision::Fp32, true);
    assert_eq!(report.precision, Precision::Fp32);
    assert!(report.passes.iter().any(|pass| pass.name == "dequantize"), "{:?}", report.passes);
}

fn stays_quantized(_: &'static Library) {
    let cast = node("Cast", &["q"], "c").with("to", Attribute::Int(DataType::Float as i64));
    let nodes = [quantized(), vec![cast, node("Add", &["r", "c"], "y")]].concat();
    let report = compiled(&model(nodes), Precision::Fp32, true);
    let line = "QuantizeLinear stays quantized: its integers belong to Cast, which stays (nodes: q)";
    assert!(report.notes.iter().any(|note| note == line), "{:?}", report.notes);
}

fn nothing_to_turn_back(_: &'static Library) {
    let report = compiled(&model(vec![node("Relu", &["x"], "y")]), Precision::Fp32, true);
    let told = report.notes.iter().any(|note| note.contains("not quantized: --requantize"));
    assert!(told, "{:?}", report.notes);
}
