//! Small models of each form, and the float model each becomes.

use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Attribute, Document};

use super::super::testing::{document, graph, node, ops};
use super::{DequantizeReport, dequantize};
use crate::quantized::MICROSOFT;

fn microsoft(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some(MICROSOFT.into()), ..node(op, inputs, outputs) }
}

fn scalar(name: &str, value: f32) -> TensorProto {
    TensorProto::new(name, &[], &[value])
}

fn turned(graph: GraphProto, initializers: Vec<TensorProto>) -> (Document, DequantizeReport) {
    let mut document = document(graph, initializers);
    document.set_opset(MICROSOFT, 1);
    let report = dequantize(&mut document).unwrap();
    (document, report)
}

/// The nodes as `Op inputs > outputs`.
fn lines(document: &Document) -> Vec<String> {
    let line = |node: &NodeProto| {
        assert!(node.in_default_domain());
        format!("{} {} > {}", node.op_type(), node.input.join(" "), node.output.join(" "))
    };
    document.graph.node.iter().map(line).collect()
}

fn values(document: &Document, name: &str) -> Vec<f32> {
    document.graph.tensor(name).unwrap().values().unwrap()
}

/// Scale .5 (step) with zero point 128, weights of scale .25, as initializers of every test.
fn constants() -> Vec<TensorProto> {
    vec![
        scalar("s", 0.5),
        scalar("s_again", 0.5),
        scalar("s_other", 0.75),
        TensorProto::new("z", &[], &[128u8]),
        TensorProto::new("z0", &[], &[0u8]),
        TensorProto::new("w_quantized", &[2, 1], &[-4i8, 8]),
        TensorProto::new("ws", &[], &[0.25f32]),
        TensorProto::new("wz", &[], &[0i8]),
    ]
}

#[test]
fn pairs_go_and_constants_become_float() {
    let nodes = vec![
        node("QuantizeLinear", &["x", "s", "z"], &["q"]),
        node("DequantizeLinear", &["q", "s_again", "z"], &["f"]),
        node("DequantizeLinear", &["w_quantized", "ws", "wz"], &["wf"]),
        node("MatMul", &["f", "wf"], &["m"]),
        node("QuantizeLinear", &["m", "s", "z"], &["mq"]),
        node("Reshape", &["mq", "shape"], &["rq"]),
        node("DequantizeLinear", &["rq", "s", "z"], &["y"]),
    ];
    let mut initializers = constants();
    initializers.push(TensorProto::new("shape", &[1], &[-1i64]));
    let (document, report) = turned(graph(&["x"], &["y"], nodes), initializers);
    let expected = ["MatMul x w > m", "Reshape m shape > rq_float", "Identity rq_float > y"];
    assert_eq!(lines(&document), expected);
    assert_eq!(values(&document, "w"), [-1.0, 2.0]);
    assert_eq!(report, DequantizeReport { constants: 1, pairs: 2, ..DequantizeReport::default() });
}

#[test]
fn a_range_from_zero_held_back_negatives_and_still_does() {
    let pair = |from: &str, zero: &str, to: &str| {
        let integers = format!("{to}_q");
        [
            node("QuantizeLinear", &[from, "s", zero], &[&integers]),
            node("DequantizeLinear", &[&integers, "s", zero], &[to]),
        ]
    };
    let mut nodes = Vec::from(pair("x", "z0", "f"));
    nodes.push(node("Conv", &["f", "k"], &["c"]));
    nodes.extend(pair("c", "z0", "relu"));
    nodes.push(node("Relu", &["relu"], &["r"]));
    nodes.extend(pair("r", "z0", "same"));
    nodes.push(node("Conv", &["same", "k"], &["d"]));
    nodes.extend(pair("d", "z", "e"));
    nodes.push(node("Abs", &["e"], &["y"]));
    let mut initializers = constants();
    initializers.push(TensorProto::new("k", &[1, 1, 1], &[1.0f32]));
    let (document, report) = turned(graph(&["x"], &["y"], nodes), initializers);
    let expected =
        ["Conv x k > c", "Clip c c_min c_max > c_clipped", "Relu c_clipped > r", "Conv r k > d", "Abs d > y"];
    assert_eq!(lines(&document), expected);
    assert_eq!((values(&document, "c_min"), values(&document, "c_max")), (vec![0.0], vec![127.5]));
    assert_eq!((report.clips, report.pairs), (1, 4));
}

#[test]
fn the_border_of_the_model_stays_and_so_does_what_does_not_match() {
    let nodes = vec![
        node("DequantizeLinear", &["x", "s", "z"], &["f"]),
        node("QuantizeLinear", &["f", "s", "z"], &["q"]),
        node("DequantizeLinear", &["q", "s_other", "z"], &["other"]),
        node("Relu", &["other"], &["r"]),
        node("QuantizeLinear", &["r", "s", "z"], &["y"]),
    ];
    let (document, report) = turned(graph(&["x"], &["y"], nodes), constants());
    let expected = ["DequantizeLinear", "QuantizeLinear", "DequantizeLinear", "Relu", "QuantizeLinear"];
    assert_eq!(ops(&document), expected);
    assert_eq!(report.border, 2);
    let kept: Vec<_> = report.kept.iter().map(|kept| (&kept.node[..], &kept.reason[..])).collect();
    let expected = [
        ("q", "its integers belong to DequantizeLinear, which stays"),
        ("other", "it reads integers by another scale or zero point than they were made with"),
    ];
    assert_eq!(kept, expected);
}

#[test]
fn rows_of_a_quantized_embedding_become_rows_of_a_float_one() {
    let nodes = vec![
        node("Gather", &["w_quantized", "x"], &["rows"]),
        node("DequantizeLinear", &["rows", "ws", "wz"], &["f"]),
        node("Relu", &["f"], &["y"]),
    ];
    let (document, report) = turned(graph(&["x"], &["y"], nodes), constants());
    assert_eq!(lines(&document), ["Gather w x > rows_float", "Relu rows_float > y"]);
    assert_eq!((report.constants, report.kept), (1, vec![]));
}

#[test]
fn rows_of_a_quantized_embedding_are_multiplied_in_float() {
    let nodes = vec![
        node("Gather", &["e_quantized", "x"], &["rows"]),
        node("MatMulInteger", &["rows", "w_quantized", "wz", "wz"], &["product"]),
        node("Cast", &["product"], &["cast"]).with("to", Attribute::Int(1)),
        node("Mul", &["ws", "s"], &["scales"]),
        node("Mul", &["cast", "scales"], &["y"]),
    ];
    let mut initializers = constants();
    initializers.push(TensorProto::new("e_quantized", &[2, 2], &[1i8, 2, 3, 4]));
    let (document, report) = turned(graph(&["x"], &["y"], nodes), initializers);
    assert_eq!(lines(&document), ["Gather e x > rows_float", "MatMul rows_float w > y"]);
    // Which scale is whose does not matter to the product.
    assert_eq!(values(&document, "e"), [0.25, 0.5, 0.75, 1.0]);
    assert_eq!(values(&document, "w"), [-2.0, 4.0]);
    assert_eq!((report.operators, report.constants, report.kept), (1, 2, vec![]));
}

#[test]
fn operators_on_integers_become_float_operators() {
    let nodes = vec![
        node("QuantizeLinear", &["x", "s", "z"], &["x_quantized"]),
        node(
            "QLinearConv",
            &["x_quantized", "s", "z", "k", "ks", "kz", "s", "z", "b_quantized"],
            &["c_quantized"],
        )
        .with("group", Attribute::Int(2)),
        microsoft("QLinearSigmoid", &["c_quantized", "s", "z", "s", "z0"], &["a_quantized"]),
        microsoft(
            "QLinearConcat",
            &["s", "z", "a_quantized", "s", "z0", "c_quantized", "s", "z"],
            &["j_quantized"],
        )
        .with("axis", Attribute::Int(1)),
        microsoft(
            "QGemm",
            &["j_quantized", "s", "z", "w_quantized", "ws", "wz", "g_quantized", "s", "z"],
            &["g"],
        )
        .with("alpha", Attribute::Float(2.0)),
        node("DequantizeLinear", &["g", "s", "z"], &["y"]),
    ];
    let mut initializers = constants();
    initializers.extend([
        TensorProto::new("k", &[2, 1, 1, 1], &[3i8, 5]),
        TensorProto::new("ks", &[2], &[1.0f32, 2.0]),
        TensorProto::new("kz", &[2], &[0i8, 1]),
        TensorProto::new("b_quantized", &[2], &[10i32, -10]),
        TensorProto::new("g_quantized", &[1], &[8i32]),
    ]);
    let (document, report) = turned(graph(&["x"], &["y"], nodes), initializers);
    let expected =
        ["Conv x k_1 b > c", "Sigmoid c > a", "Concat a c > j", "Gemm j w g_1 > g_2", "Identity g_2 > y"];
    let seen: Vec<String> = lines(&document);
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    assert_eq!(document.graph.node[0].int("group"), Some(2));
    assert_eq!(document.graph.node[3].float("alpha"), Some(2.0));
    let constant = |node: usize, input: usize| values(&document, &document.graph.node[node].input[input]);
    // (q - zero point) * scale; a bias in steps of input scale * weight scale, Gemm's times alpha too.
    assert_eq!((constant(0, 1), constant(0, 2)), (vec![3.0, 8.0], vec![5.0, -10.0]));
    assert_eq!((constant(3, 1), constant(3, 2)), (vec![-1.0, 2.0], vec![2.0]));
    assert_eq!((report.operators, report.constants, report.kept), (4, 4, vec![]));
}

#[test]
fn an_operator_without_a_float_form_keeps_its_integers() {
    let nodes = vec![
        node("QuantizeLinear", &["x", "s", "z"], &["q"]),
        microsoft("QLinearMul", &["q", "s", "z", "q", "s", "z", "s", "z"], &["m"]),
        microsoft("QLinearReduceMean", &["m", "s", "z", "s", "z"], &["r"]),
        microsoft("QLinearAdd", &["r", "s", "z", "m", "s", "z", "s", "z"], &["a"]),
        node("DequantizeLinear", &["a", "s", "z"], &["y"]),
    ];
    let (document, report) = turned(graph(&["x"], &["y"], nodes), constants());
    let expected = ["Mul", "QuantizeLinear", "QLinearReduceMean", "DequantizeLinear", "Add", "Identity"];
    assert_eq!(ops(&document), expected);
    assert_eq!(document.graph.node[4].input, ["r_float", &document.graph.node[0].output[0]]);
    let kept: Vec<_> = report.kept.iter().map(|kept| &kept.op[..]).collect();
    assert_eq!(kept, ["QuantizeLinear", "QLinearReduceMean", "DequantizeLinear"]);
    assert_eq!(report.kept[1].reason, "no float operator is known for it");
    let line = "QLinearReduceMean stays quantized: no float operator is known for it (nodes: ";
    assert!(report.kept_in_words().iter().any(|told| told.starts_with(line)), "{:?}", report.kept_in_words());
}

/// The nodes that quantize_dynamic of ONNX Runtime writes for one operator, without a bias.
fn chain(op: &str, weight: [&str; 3]) -> Vec<NodeProto> {
    vec![
        node("DynamicQuantizeLinear", &["x"], &["x_quantized", "x_scale", "x_zero_point"]),
        node("Mul", &["x_scale", weight[1]], &["scales"]),
        node(op, &["x_quantized", weight[0], "x_zero_point", weight[2]], &["product"]),
        node("Cast", &["product"], &["cast"]).with("to", Attribute::Int(1)),
        node("Mul", &["cast", "scales"], &["scaled"]),
    ]
}

fn conv_constants(bias: TensorProto) -> Vec<TensorProto> {
    let mut all = constants();
    all.extend([
        TensorProto::new("k", &[2, 1, 1, 1], &[3i8, 5]),
        TensorProto::new("ks", &[2, 1, 1], &[1.0f32, 2.0]),
        TensorProto::new("kz", &[], &[1i8]),
        TensorProto::new("shape", &[4], &[1i64, -1, 1, 1]),
        bias,
    ]);
    all
}

#[test]
fn a_dynamic_convolution_takes_its_bias_back() {
    let bias = TensorProto::new("b", &[2], &[7.0f32, 9.0]);
    let mut nodes = chain("ConvInteger", ["k", "ks", "kz"]);
    nodes[2].set("pads", Attribute::Ints(vec![1, 1, 1, 1]));
    nodes.insert(0, node("Reshape", &["b", "shape"], &["b4"]));
    nodes.push(node("Add", &["scaled", "b4"], &["y"]));
    let (document, report) = turned(graph(&["x"], &["y"], nodes), conv_constants(bias));
    let [conv] = &document.graph.node[..] else { panic!("{:?}", lines(&document)) };
    assert_eq!((conv.op_type(), &conv.output[0][..]), ("Conv", "y"));
    assert_eq!(conv.ints("pads"), Some(&[1, 1, 1, 1][..]));
    assert_eq!(values(&document, &conv.input[1]), [2.0, 8.0]);
    assert_eq!(values(&document, &conv.input[2]), [7.0, 9.0]);
    assert_eq!(document.graph.tensor(&conv.input[2]).unwrap().dims, [2]);
    assert_eq!((report.operators, report.constants, report.kept), (1, 1, vec![]));
}

#[test]
fn what_is_no_bias_stays_an_add() {
    let cases: [(TensorProto, Vec<NodeProto>); 2] = [
        // Two numbers along the width.
        (TensorProto::new("b4", &[2], &[7.0f32, 9.0]), vec![node("Relu", &["sum"], &["y"])]),
        // The convolution has another reader.
        (
            TensorProto::new("b4", &[1, 2, 1, 1], &[7.0f32, 9.0]),
            vec![node("Mul", &["sum", "scaled"], &["y"])],
        ),
    ];
    for (bias, rest) in cases {
        let mut nodes = chain("ConvInteger", ["k", "ks", "kz"]);
        nodes.push(node("Add", &["scaled", "b4"], &["sum"]));
        nodes.extend(rest);
        let (document, _) = turned(graph(&["x"], &["y"], nodes), conv_constants(bias));
        assert_eq!(ops(&document)[..2], ["Conv", "Add"]);
    }
}

#[test]
fn dynamic_products_become_products() {
    let w = ["w_quantized", "ws", "wz"];
    let mut plain = chain("MatMulInteger", w);
    plain.push(node("Add", &["scaled", "s"], &["y"]));
    let mut fused = chain("MatMulInteger", w);
    fused.truncate(1);
    let inputs = ["x_quantized", "w_quantized", "x_scale", "ws", "x_zero_point", "wz", "s"];
    fused.push(microsoft("MatMulIntegerToFloat", &inputs, &["y"]));
    let whole = vec![microsoft("DynamicQuantizeMatMul", &["x", "w_quantized", "ws", "wz", "s"], &["y"])];
    for nodes in [plain, fused, whole] {
        let (document, report) = turned(graph(&["x"], &["y"], nodes), constants());
        assert_eq!(ops(&document), ["MatMul", "Add"]);
        assert_eq!((&document.graph.node[0].input[0][..], values(&document, "w")), ("x", vec![-1.0, 2.0]));
        assert_eq!((report.operators, report.constants, report.kept), (1, 1, vec![]));
    }
}

#[test]
fn a_dynamic_chain_of_another_kind_stays() {
    let mut rows = chain("ConvInteger", ["k", "columns", "kz"]);
    rows.push(node("Relu", &["scaled"], &["y"]));
    let mut unscaled = chain("ConvInteger", ["k", "ks", "kz"]);
    unscaled[4] = node("Neg", &["cast"], &["y"]);
    let cases = [
        (rows, "its weights' scales have the shape [2]"),
        (unscaled, "what it makes is read by more than a Cast to float and a Mul by two scales"),
    ];
    for (nodes, reason) in cases {
        let before = nodes.len();
        let columns = TensorProto::new("columns", &[2], &[1.0f32, 2.0]);
        let (document, report) = turned(graph(&["x"], &["y"], nodes), conv_constants(columns));
        assert!(document.graph.node.len() >= before - 1);
        let conv = report.kept.iter().find(|kept| kept.op == "ConvInteger").unwrap();
        assert_eq!(conv.reason, reason);
    }
}

#[test]
fn packed_weights_become_a_matrix() {
    // Two outputs of three inputs, in blocks of two: the second block is half empty.
    let four_bits = TensorProto::new("b", &[2, 2, 1], &[0x98u8, 0x07, 0x0f, 0xf1]);
    let eight_bits = TensorProto::new("b", &[2, 2, 2], &[128u8, 129, 127, 0, 135, 120, 121, 0]);
    let scales = TensorProto::new("scales", &[4], &[1.0f32, 2.0, 10.0, 100.0]);
    let zeros = TensorProto::new("zeros", &[2], &[0x70u8, 0x1f]);
    let cases = [
        (4, four_bits.clone(), "", [0.0, 70.0, 1.0, -80.0, -2.0, -700.0]),
        (4, four_bits, "zeros", [8.0, 0.0, 9.0, -150.0, 0.0, 0.0]),
        (8, eight_bits, "", [0.0, 70.0, 1.0, -80.0, -2.0, -700.0]),
    ];
    for (bits, packed, zero, expected) in cases {
        let product = microsoft("MatMulNBits", &["x", "b", "scales", zero], &["y"]);
        let sizes = [("N", 2), ("K", 3), ("bits", bits), ("block_size", 2)];
        let product = sizes.iter().fold(product, |node, &(name, size)| node.with(name, Attribute::Int(size)));
        let initializers = vec![packed, scales.clone(), zeros.clone()];
        let (document, report) = turned(graph(&["x"], &["y"], vec![product]), initializers);
        assert_eq!(ops(&document), ["MatMul"]);
        let matrix = document.graph.tensor(&document.graph.node[0].input[1]).unwrap();
        assert_eq!((&matrix.dims[..], matrix.values::<f32>().unwrap()), (&[3, 2][..], expected.to_vec()));
        assert_eq!((report.operators, report.constants), (1, 1));
    }
}

#[test]
fn sizes_that_lie_are_told_and_not_believed() {
    let sizes: [[(&str, i64); 4]; 3] = [
        [("N", i64::MAX), ("K", i64::MAX), ("bits", 4), ("block_size", i64::MAX)],
        [("N", 2), ("K", 3), ("bits", 4), ("block_size", 4)],
        [("N", 2), ("K", -3), ("bits", 4), ("block_size", 2)],
    ];
    for sizes in sizes {
        let product = microsoft("MatMulNBits", &["x", "b", "s"], &["y"]);
        let product = sizes.iter().fold(product, |node, &(name, size)| node.with(name, Attribute::Int(size)));
        let mut initializers = constants();
        initializers.push(TensorProto::new("b", &[2, 2, 1], &[0u8; 4]));
        let (document, report) = turned(graph(&["x"], &["y"], vec![product]), initializers);
        assert_eq!((ops(&document), report.kept.len()), (vec!["MatMulNBits"], 1));
    }
}

#[test]
fn nodes_that_lack_an_input_stay_as_they_are() {
    let cases = [
        node("QuantizeLinear", &["x"], &["y"]),
        node("DynamicQuantizeLinear", &["x"], &["y"]),
        node("DequantizeLinear", &["w_quantized"], &["y"]),
        node("QLinearConv", &["x", "s"], &["y"]),
        microsoft("QLinearConcat", &["s"], &["y"]),
        microsoft("QGemm", &[], &["y"]),
        microsoft("MatMulNBits", &["x"], &["y"]),
        microsoft("DynamicQuantizeMatMul", &["x"], &["y"]),
    ];
    for broken in cases {
        let (document, report) = turned(graph(&["x"], &["y"], vec![broken.clone()]), constants());
        assert_eq!(document.graph.node, [broken]);
        assert_eq!((report.kept.len(), report.border), (1, 0));
    }
}

#[test]
fn a_float_model_is_left_as_it_is() {
    let nodes = vec![node("Add", &["x", "s"], &["m"]), node("Mul", &["m", "s"], &["y"])];
    let (document, report) = turned(graph(&["x"], &["y"], nodes), vec![scalar("s", 1.0)]);
    assert_eq!(lines(&document), ["Add x s > m", "Mul m s > y"]);
    assert_eq!(report, DequantizeReport::default());
}
