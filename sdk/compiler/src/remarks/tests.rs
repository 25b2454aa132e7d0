use farsight_graph::onnx::attribute_proto::AttributeType;
use farsight_graph::onnx::{AttributeProto, FunctionProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Element};
use farsight_spec::Provider;

use super::*;

fn target(name: &str) -> Target {
    Target::find(name).unwrap()
}

fn x86() -> Target {
    Target { cpu_features: vec!["avx2".into(), "avx512vnni".into()], ..target("x86_64-linux") }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, "", inputs, &[output])
}

fn of_domain(domain: &str, mut node: NodeProto) -> NodeProto {
    node.domain = Some(domain.to_owned());
    node
}

fn value(name: &str, element: DataType) -> ValueInfoProto {
    ValueInfoProto::tensor(name, element, &[1.into(), 2.into()])
}

/// x to y, with everything in between as given.
fn document(nodes: Vec<NodeProto>, weights: Vec<TensorProto>, values: Vec<ValueInfoProto>) -> Document {
    let graph = GraphProto {
        input: vec![value("x", DataType::Float)],
        output: vec![value("y", DataType::Float)],
        node: nodes,
        initializer: weights,
        value_info: values,
        ..GraphProto::default()
    };
    Document::new(graph, 17)
}

fn found(document: &Document, target: &Target) -> Vec<Remark> {
    remarks(document, &Facts::of(&document.graph), &Costs::default(), target)
}

fn kinds(document: &Document, target: &Target) -> Vec<&'static str> {
    found(document, target).iter().map(|remark| remark.kind).collect()
}

/// A quantized Conv whose weights are `weights` and whose input is of the type `input`.
fn quantized<T: Element>(input: DataType, weights: &[T], after: NodeProto) -> Document {
    let shape = [weights.len() as i64, 1, 1, 1];
    document(
        vec![
            node("QuantizeLinear", &["x", "s"], "q"),
            node("DequantizeLinear", &["q", "s"], "d"),
            node("DequantizeLinear", &["w", "s"], "dw"),
            node("Conv", &["d", "dw"], "c"),
            after,
        ],
        vec![TensorProto::new("w", &shape, weights), TensorProto::new("s", &[], &[0.1f32])],
        vec![value("q", input)],
    )
}

fn closed() -> NodeProto {
    node("QuantizeLinear", &["c", "s"], "y")
}

#[test]
fn a_plain_model_gets_no_remark() {
    let plain = document(vec![node("Relu", &["x"], "y")], vec![], vec![]);
    for name in ["host", "x86_64-linux", "aarch64-linux"] {
        assert_eq!(found(&plain, &target(name)), []);
    }
}

#[test]
fn opset_and_ir_are_held_against_the_oldest_runtime() {
    let mut new = document(vec![node("Relu", &["x"], "y")], vec![], vec![]);
    new.set_opset("", 21);
    assert_eq!(kinds(&new, &x86()), ["opset", "ir"]);
    let mut newer = x86();
    newer.onnxruntime.oldest = "1.18".into();
    assert_eq!(kinds(&new, &newer), [""; 0]);
    let mut old_opset = document(vec![node("Relu", &["x"], "y")], vec![], vec![]);
    old_opset.model.ir_version = Some(10);
    assert_eq!(kinds(&old_opset, &x86()), ["ir"]);
}

#[test]
fn operators_of_unknown_domains_are_named() {
    let nodes = vec![
        of_domain("com.acme", node("Blur", &["x"], "a")),
        of_domain("ai.onnx.ml", node("Scaler", &["a"], "y")),
    ];
    let mut own = document(nodes, vec![], vec![]);
    let remarks = found(&own, &x86());
    assert_eq!(
        (remarks.len(), remarks[0].kind, &remarks[0].places[..]),
        (1, "domain", &["a".to_owned()][..])
    );
    assert!(remarks[0].what.contains("com.acme:Blur"), "{}", remarks[0].what);
    let function = FunctionProto { domain: Some("com.acme".into()), ..FunctionProto::default() };
    own.model.functions.push(function);
    assert_eq!(kinds(&own, &x86()), [""; 0]);
}

#[test]
fn packed_weights_need_a_runtime_that_knows_them() {
    let of_bits = |bits: i64| {
        let node = of_domain(MICROSOFT, node("MatMulNBits", &["x", "w", "s"], "y"));
        document(vec![node.with("bits", Attribute::Int(bits))], vec![], vec![])
    };
    let with = |oldest: &str| {
        let mut target = x86();
        target.onnxruntime.oldest = oldest.into();
        target
    };
    assert_eq!(kinds(&of_bits(8), &with("1.21")), ["matmul-bits"]);
    assert_eq!(kinds(&of_bits(8), &with("1.22")), [""; 0]);
    assert_eq!(kinds(&of_bits(4), &with("1.17")), [""; 0]);
    assert_eq!(kinds(&of_bits(4), &with("1.16")), ["matmul-bits"]);
}

#[test]
fn dynamic_quantization_of_convolutions_is_told_of_matmuls_not() {
    let nodes = |op: &str| document(vec![node(op, &["x", "w"], "y")], vec![], vec![]);
    assert_eq!(kinds(&nodes("ConvInteger"), &x86()), ["dynamic-conv"]);
    let reason = crate::quantized_form(&nodes("ConvInteger").graph).slow[0].reason;
    assert_eq!(found(&nodes("ConvInteger"), &x86())[0].why, reason);
    assert_eq!(kinds(&nodes("MatMulInteger"), &x86()), [""; 0]);
    let cuda = Provider { name: "CUDA".into(), options: Default::default() };
    assert_eq!(kinds(&nodes("ConvInteger"), &Target { providers: vec![cuda], ..x86() }), [""; 0]);
}

#[test]
fn weights_alone_quantized_are_told_for_convolutions() {
    let of = |op: &str| {
        let nodes = vec![node("DequantizeLinear", &["w", "s"], "d"), node(op, &["x", "d"], "y")];
        let weights = vec![TensorProto::new("w", &[1], &[1i8]), TensorProto::new("s", &[], &[0.1f32])];
        document(nodes, weights, vec![])
    };
    assert_eq!(kinds(&of("Conv"), &x86()), ["weights-only"]);
    assert_eq!(kinds(&of("MatMul"), &x86()), [""; 0]);
}

#[test]
fn types_of_quantized_layers_are_held_against_the_cpu() {
    let arm = target("aarch64-linux");
    let good = quantized(DataType::Uint8, &[100i8], closed());
    assert_eq!(kinds(&good, &x86()), [""; 0]);
    let mut signed = quantized(DataType::Int8, &[100i8], closed());
    assert_eq!(kinds(&signed, &x86()), [""; 0], "a plain chain is fused");
    signed.graph.node.push(node("Relu", &["d"], "also"));
    assert_eq!(kinds(&signed, &x86()), ["signed-activations"]);
    assert_eq!(kinds(&signed, &arm), [""; 0]);
    let unsigned = quantized(DataType::Uint8, &[100u8], closed());
    assert_eq!(kinds(&unsigned, &x86()), ["unsigned-weights"]);
    assert_eq!(kinds(&unsigned, &arm), [""; 0]);
}

#[test]
fn large_weights_are_told_where_sums_may_saturate() {
    let plain = target("x86_64-linux");
    for (weights, expected) in
        [([64i8, -64], &[][..]), ([65, 0], &["saturation"]), ([0, -128], &["saturation"])]
    {
        assert_eq!(kinds(&quantized(DataType::Uint8, &weights, closed()), &plain), expected);
    }
    assert_eq!(kinds(&quantized(DataType::Uint8, &[-128i8], closed()), &x86()), [""; 0]);
    assert_eq!(kinds(&quantized(DataType::Uint8, &[-128i8], closed()), &target("aarch64-linux")), [""; 0]);
}

#[test]
fn a_quantized_convolution_wants_its_output_quantized() {
    let after = |node| kinds(&quantized(DataType::Uint8, &[1i8], node), &x86());
    assert_eq!(after(node("Sigmoid", &["c"], "y")), ["open-conv-output"]);
    let with_relu = |zero: Option<TensorProto>| {
        let mut model = quantized(DataType::Uint8, &[1i8], node("Relu", &["c"], "r"));
        let inputs: &[&str] = if zero.is_some() { &["r", "s", "z"] } else { &["r", "s"] };
        model.graph.node.push(node("QuantizeLinear", inputs, "y"));
        model.graph.initializer.extend(zero);
        kinds(&model, &x86())
    };
    assert_eq!(with_relu(None), [""; 0]);
    assert_eq!(with_relu(Some(TensorProto::new("z", &[], &[-128i8]))), [""; 0]);
    assert_eq!(with_relu(Some(TensorProto::new("z", &[], &[128u8]))), ["open-conv-output"]);
    let mut given_out = quantized(DataType::Uint8, &[1i8], closed());
    given_out.graph.output.push(value("c", DataType::Float));
    assert_eq!(kinds(&given_out, &x86()), ["open-conv-output"]);
}

#[test]
fn float16_counts_where_it_is_computed_in() {
    let to = |node: NodeProto, element: DataType| node.with("to", Attribute::Int(element as i64));
    let half = |nodes: Vec<NodeProto>| {
        document(nodes, vec![], vec![value("h", DataType::Float16), value("r", DataType::Float16)])
    };
    let computed = half(vec![
        to(node("Cast", &["x"], "h"), DataType::Float16),
        node("Relu", &["h"], "r"),
        to(node("Cast", &["r"], "y"), DataType::Float),
    ]);
    let remarks = found(&computed, &x86());
    assert_eq!((remarks.len(), remarks[0].kind, remarks[0].count), (1, "float16", 1));
    let mut able = x86();
    able.precision.fp16_arithmetic = true;
    assert_eq!(kinds(&computed, &able), [""; 0]);
    let mut stored =
        half(vec![to(node("Cast", &["h"], "w"), DataType::Float), node("Add", &["x", "w"], "y")]);
    stored.graph.initializer.push(TensorProto::new("h", &[1], &[half::f16::ONE]));
    assert_eq!(kinds(&stored, &x86()), [""; 0]);
}

#[test]
fn float64_is_told_anywhere() {
    let nodes = vec![node("Mul", &["x", "k"], "y")];
    let double = document(nodes.clone(), vec![TensorProto::new("k", &[1], &[1.0f64])], vec![]);
    assert_eq!(kinds(&double, &x86()), ["float64"]);
    let single = document(nodes, vec![TensorProto::new("k", &[1], &[1.0f32])], vec![]);
    assert_eq!(kinds(&single, &x86()), [""; 0]);
    let mut given = document(vec![node("Cast", &["x"], "y")], vec![], vec![]);
    given.graph.input[0] = value("x", DataType::Double);
    assert_eq!(found(&given, &x86())[0].places, ["x"]);
}

#[test]
fn bodies_are_told_and_nms_is_not() {
    let body = GraphProto {
        output: vec![value("t", DataType::Float)],
        node: vec![node("Relu", &["x"], "t")],
        ..GraphProto::default()
    };
    let mut made = AttributeProto {
        name: Some("then_branch".into()),
        g: Some(Box::new(body)),
        ..AttributeProto::default()
    };
    made.set_type(AttributeType::Graph);
    let mut branch = node("If", &["x"], "y");
    branch.attribute.push(made);
    assert_eq!(kinds(&document(vec![branch], vec![], vec![]), &x86()), ["control-flow"]);
    let nms = document(vec![node("NonMaxSuppression", &["x", "x"], "y")], vec![], vec![]);
    assert_eq!(kinds(&nms, &x86()), [""; 0]);
}

#[test]
fn inputs_of_open_shape_are_told_but_not_default_values() {
    let mut open = document(vec![node("Add", &["x", "w"], "y")], vec![], vec![]);
    open.graph.input[0] = ValueInfoProto::tensor("x", DataType::Float, &["N".into(), 3.into()]);
    let w = ValueInfoProto::tensor("w", DataType::Float, &[Dim::Open]);
    open.graph.input.push(w);
    open.graph.initializer.push(TensorProto::new("w", &[1], &[1.0f32]));
    let remarks = found(&open, &x86());
    assert_eq!((remarks[0].kind, &remarks[0].places[..]), ("open-input", &["x [N, 3]".to_owned()][..]));
}

#[test]
fn memory_is_held_against_the_budget() {
    let plain = document(vec![node("Relu", &["x"], "y")], vec![], vec![]);
    let mut costs = Costs::default();
    costs.parameter_bytes.insert("f32".into(), 60_000_000);
    costs.activations.peak_bytes = 41_000_000;
    let with = |budget_mb| {
        let target = Target { memory: farsight_spec::Memory { budget_mb }, ..x86() };
        remarks(&plain, &Facts::default(), &costs, &target).len()
    };
    assert_eq!([with(100), with(101), with(0)], [1, 0, 0]);
}

#[test]
fn many_places_are_counted_and_few_named() {
    let nodes = (0..20).map(|index| node("ConvInteger", &["x", "w"], &format!("y{index}"))).collect();
    let remarks = found(&document(nodes, vec![], vec![]), &x86());
    assert_eq!((remarks[0].count, remarks[0].places.len()), (20, NAMED));
}
