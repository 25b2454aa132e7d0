//! Small models and the forms written for them.

use farsight_graph::onnx::{NodeProto, TensorProto};
use farsight_graph::{Attribute, Document, Element};
use farsight_spec::ActivationType;

use super::super::PassError;
use super::super::testing::{document, graph, node};
use super::{QdqReport, QdqSettings, qdq};
use crate::calibrate::QParams;

/// These nodes in int8, with uint8 activations and weights of all 8 bits; a value's grid is its scale and zero point.
fn settings(nodes: &[usize], grids: &[(&str, f32, i32)]) -> QdqSettings {
    let grid =
        |&(name, scale, zero_point): &(&str, f32, i32)| (name.to_owned(), QParams { scale, zero_point });
    QdqSettings {
        nodes: nodes.iter().copied().collect(),
        grids: grids.iter().map(grid).collect(),
        activation: ActivationType::U8,
        weight_limit: 127,
        per_channel: true,
    }
}

/// A model from `x` to `y`, quantized.
fn quantized(
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    settings: &QdqSettings,
) -> (Document, QdqReport) {
    let mut document = document(graph(&["x"], &["y"], nodes), initializers);
    let report = qdq(&mut document, settings).unwrap();
    (document, report)
}

/// The nodes as `Op inputs > outputs`.
fn lines(document: &Document) -> Vec<String> {
    let line =
        |node: &NodeProto| format!("{} {} > {}", node.op_type(), node.input.join(" "), node.output.join(" "));
    document.graph.node.iter().map(line).collect()
}

fn values<T: Element>(document: &Document, name: &str) -> Vec<T> {
    document.graph.tensor(name).unwrap().values().unwrap()
}

fn dims<'d>(document: &'d Document, name: &str) -> &'d [i64] {
    &document.graph.tensor(name).unwrap().dims
}

/// The axis of the node that makes this value.
fn axis(document: &Document, value: &str) -> Option<i64> {
    let links = document.graph.links();
    document.graph.node[links.producer(value).unwrap()].int("axis")
}

/// Two output channels, the second four times the first.
fn weight() -> TensorProto {
    TensorProto::new("w", &[2, 1, 1, 2], &[127.0f32, -12.7, 508.0, 50.8])
}

fn count(document: &Document, op: &str) -> usize {
    document.graph.node.iter().filter(|node| node.is(op)).count()
}

#[test]
fn a_conv_has_pairs_around_it_and_scales_for_each_channel() {
    let conv = node("Conv", &["x", "w", "b"], &["y"]);
    let bias = TensorProto::new("b", &[2], &[3.0f32, -20.0]);
    let both = settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 128)]);
    let (document, report) = quantized(vec![conv], vec![weight(), bias], &both);
    assert_eq!(report, QdqReport { values: 2, weights: 1, biases: 1 });
    assert_eq!(
        lines(&document),
        [
            "QuantizeLinear x x_scale x_zero_point > x_quantized",
            "DequantizeLinear x_quantized x_scale x_zero_point > x_dequantized",
            "DequantizeLinear w_int8 w_scale w_zero_point > w_dequantized",
            "DequantizeLinear b_int32 b_scale > b_dequantized",
            "Conv x_dequantized w_dequantized b_dequantized > y_raw",
            "QuantizeLinear y_raw y_scale y_zero_point > y_quantized",
            "DequantizeLinear y_quantized y_scale y_zero_point > y",
        ]
    );
    assert_eq!(
        (values::<f32>(&document, "x_scale"), values::<u8>(&document, "x_zero_point")),
        (vec![0.5], vec![7])
    );
    assert_eq!(dims(&document, "x_scale"), [0; 0]);
    assert_eq!(values::<f32>(&document, "w_scale"), [1.0, 4.0]);
    assert_eq!(values::<i8>(&document, "w_int8"), [127, -13, 127, 13]);
    assert_eq!(values::<i8>(&document, "w_zero_point"), [0, 0]);
    assert_eq!(dims(&document, "w_int8"), [2, 1, 1, 2]);
    assert_eq!(axis(&document, "w_dequantized"), Some(0));
    // A bias has the scale of the products: 0.5 · 1 and 0.5 · 4.
    assert_eq!(values::<f32>(&document, "b_scale"), [0.5, 2.0]);
    assert_eq!(values::<i32>(&document, "b_int32"), [6, -10]);
    assert_eq!(axis(&document, "b_dequantized"), Some(0));
    assert!(document.graph.tensor("w").is_none() && document.graph.tensor("b").is_none());
}

#[test]
fn half_range_weights_keep_within_64() {
    let conv = node("Conv", &["x", "w", "b"], &["y"]);
    let bias = TensorProto::new("b", &[2], &[3.0f32, -20.0]);
    let half = QdqSettings { weight_limit: 64, ..settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 128)]) };
    let (document, _) = quantized(vec![conv], vec![weight(), bias], &half);
    assert_eq!(values::<i8>(&document, "w_int8"), [64, -6, 64, 6]);
    assert_eq!(values::<f32>(&document, "w_scale"), [127.0 / 64.0, 508.0 / 64.0]);
    assert_eq!(values::<f32>(&document, "b_scale"), [0.5 * 127.0 / 64.0, 0.5 * 508.0 / 64.0]);
}

#[test]
fn one_scale_for_a_weight_lets_every_bias_fit() {
    let whole = |bias: &[f32]| {
        let conv = node("Conv", &["x", "w", "b"], &["y"]);
        let grids = [("x", 0.5, 7), ("y", 2.0, 128)];
        let settings = QdqSettings { per_channel: false, ..settings(&[0], &grids) };
        quantized(vec![conv], vec![weight(), TensorProto::new("b", &[2], bias)], &settings).0
    };
    let document = whole(&[3.0, -20.0]);
    assert_eq!(values::<f32>(&document, "w_scale"), [4.0]);
    assert_eq!(values::<i8>(&document, "w_int8"), [32, -3, 127, 13]);
    assert_eq!((dims(&document, "w_scale"), axis(&document, "w_dequantized")), (&[][..], None));
    assert_eq!(
        (values::<f32>(&document, "b_scale"), values::<i32>(&document, "b_int32")),
        (vec![2.0], vec![2, -10])
    );
    assert_eq!((dims(&document, "b_scale"), axis(&document, "b_dequantized")), (&[][..], None));
    let large = whole(&[0.0, 1e11]);
    let (scale, level) = (values::<f32>(&large, "b_scale")[0], values::<i32>(&large, "b_int32")[1]);
    assert!((f64::from(scale) * f64::from(level) / 1e11 - 1.0).abs() < 1e-6, "{scale} {level}");
}

#[test]
fn a_depthwise_conv_has_a_scale_for_each_channel_too() {
    let conv = node("Conv", &["x", "w"], &["y"]).with("group", Attribute::Int(2));
    let (document, report) =
        quantized(vec![conv], vec![weight()], &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    assert_eq!(report, QdqReport { values: 2, weights: 1, biases: 0 });
    assert_eq!(values::<f32>(&document, "w_scale"), [1.0, 4.0]);
    let conv = document.graph.node.iter().find(|node| node.is("Conv")).unwrap();
    assert_eq!(conv.int("group"), Some(2));
}

#[test]
fn a_gemm_has_a_scale_for_each_column_of_the_product() {
    // The columns of B are 127 and 254 at most; Bᵀ holds them as rows.
    for (transposed, matrix) in [(0, [127.0f32, 254.0, 0.0, -2.0]), (1, [127.0, 0.0, 254.0, -2.0])] {
        let gemm = node("Gemm", &["x", "w", "b"], &["y"]).with("transB", Attribute::Int(transposed));
        let tensors =
            vec![TensorProto::new("w", &[2, 2], &matrix), TensorProto::new("b", &[2], &[1.0f32, 2.0])];
        let (document, _) = quantized(vec![gemm], tensors, &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
        assert_eq!(axis(&document, "w_dequantized"), Some(1 - transposed));
        assert_eq!(values::<f32>(&document, "w_scale"), [1.0, 2.0]);
        assert_eq!(values::<i32>(&document, "b_int32"), [2, 2]);
        let levels: [i8; 4] = if transposed == 0 { [127, 127, 0, -1] } else { [127, 0, 127, -1] };
        assert_eq!(values::<i8>(&document, "w_int8"), levels);
    }
}

#[test]
fn one_number_as_the_bias_of_a_gemm_serves_every_column() {
    let gemm = node("Gemm", &["x", "w", "b"], &["y"]);
    let tensors =
        vec![TensorProto::new("w", &[1, 2], &[127.0f32, 254.0]), TensorProto::new("b", &[1], &[4.0f32])];
    let (document, _) = quantized(vec![gemm], tensors, &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    assert_eq!(dims(&document, "b_scale"), dims(&document, "b_int32"));
    assert_eq!(values::<i32>(&document, "b_int32"), [8, 4]);
}

#[test]
fn a_matmul_takes_a_constant_or_a_computed_factor() {
    let grids = [("x", 0.5, 7), ("h", 1.0, 0), ("y", 2.0, 0)];
    let tensors = vec![TensorProto::new("w", &[2, 2], &[127.0f32, 254.0, 0.0, -2.0])];
    let nodes = vec![node("MatMul", &["x", "w"], &["h"]), node("MatMul", &["h", "x"], &["y"])];
    let (document, report) = quantized(nodes, tensors, &settings(&[0, 1], &grids));
    assert_eq!(report, QdqReport { values: 3, weights: 1, biases: 0 });
    assert_eq!(axis(&document, "w_dequantized"), Some(1));
    let lines = lines(&document);
    assert!(lines.contains(&"MatMul x_dequantized w_dequantized > h_raw".to_owned()), "{lines:?}");
    assert!(lines.contains(&"MatMul h x_dequantized > y_raw".to_owned()), "{lines:?}");
}

#[test]
fn a_stack_of_matrices_has_one_scale() {
    let tensors = vec![TensorProto::new("w", &[2, 1, 2], &[127.0f32, 254.0, 0.0, -2.0])];
    let nodes = vec![node("MatMul", &["x", "w"], &["y"])];
    let (document, _) = quantized(nodes, tensors, &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    assert_eq!((dims(&document, "w_scale"), axis(&document, "w_dequantized")), (&[][..], None));
    assert_eq!(values::<f32>(&document, "w_scale"), [2.0]);
    assert_eq!(values::<i8>(&document, "w_int8"), [64, 127, 0, -1]);
}

#[test]
fn a_weight_is_shared_unless_a_bias_binds_it_to_an_input() {
    let grids = [("x", 0.5, 7), ("h", 1.0, 0), ("y", 2.0, 0)];
    let without = vec![node("Conv", &["x", "w"], &["h"]), node("Conv", &["h", "w"], &["y"])];
    let (document, report) = quantized(without, vec![weight()], &settings(&[0, 1], &grids));
    assert_eq!(report.weights, 1);
    let lines = lines(&document);
    assert!(lines.contains(&"Conv h w_dequantized > y_raw".to_owned()), "{lines:?}");

    let with = vec![node("Conv", &["x", "w", "b"], &["h"]), node("Conv", &["h", "w", "b"], &["y"])];
    let bias = TensorProto::new("b", &[2], &[3.0f32, -20.0]);
    let (document, report) = quantized(with, vec![weight(), bias], &settings(&[0, 1], &grids));
    assert_eq!((report.weights, report.biases), (2, 2));
    assert!(document.graph.tensor("w").is_none());
}

#[test]
fn a_float_layer_keeps_the_float_weight_that_it_shares() {
    let nodes = vec![node("Conv", &["x", "w"], &["h"]), node("Conv", &["h", "w"], &["y"])];
    let (document, _) = quantized(nodes, vec![weight()], &settings(&[0], &[("x", 0.5, 7), ("h", 1.0, 0)]));
    assert_eq!(lines(&document).last().unwrap(), "Conv h w > y");
    assert_eq!(values::<f32>(&document, "w"), weight().values::<f32>().unwrap());
}

#[test]
fn a_value_has_one_pair_whatever_reads_it() {
    // Int8 nodes read the pair; what a float node makes, float nodes read as it is.
    let nodes = vec![
        node("Exp", &["x"], &["h"]),
        node("Conv", &["h", "w"], &["a"]),
        node("Conv", &["h", "w"], &["b"]),
        node("Add", &["a", "b"], &["c"]),
        node("Exp", &["h"], &["d"]),
        node("Sum", &["a", "c", "d"], &["y"]),
    ];
    let grids = [("h", 0.5, 7), ("a", 1.0, 0), ("b", 1.0, 0), ("c", 2.0, 0)];
    let (document, report) = quantized(nodes, vec![weight()], &settings(&[1, 2, 3], &grids));
    assert_eq!((report.values, count(&document, "QuantizeLinear")), (4, 4));
    let lines = lines(&document);
    for line in [
        "Conv h_dequantized w_dequantized > a_raw",
        "Conv h_dequantized w_dequantized > b_raw",
        "Add a b > c_raw",
        "Exp h > d",
        // What an int8 node makes, all read quantized under its old name.
        "Sum a c d > y",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
}

#[test]
fn names_that_are_taken_are_left_alone() {
    let nodes = vec![node("Exp", &["x"], &["x_quantized"]), node("Conv", &["x_quantized", "w"], &["y"])];
    let taken = TensorProto::new("w_int8", &[1], &[1.0f32]);
    let grids = [("x_quantized", 0.5, 7), ("y", 2.0, 0)];
    let (document, _) = quantized(nodes, vec![weight(), taken], &settings(&[1], &grids));
    document.check().unwrap();
    assert_eq!(lines(&document)[0], "Exp x > x_quantized");
}

#[test]
fn a_graph_output_keeps_its_name() {
    for nodes in [
        vec![node("Conv", &["x", "w"], &["y"])],
        vec![node("Conv", &["x", "w"], &["h"]), node("Relu", &["h"], &["y"])],
    ] {
        let all: Vec<usize> = (0..nodes.len()).collect();
        let (document, _) =
            quantized(nodes, vec![weight()], &settings(&all, &[("x", 0.5, 7), ("y", 2.0, 0)]));
        assert_eq!(document.graph.output_names().collect::<Vec<_>>(), ["y"]);
        assert_eq!(lines(&document).last().unwrap(), "DequantizeLinear y_quantized y_scale y_zero_point > y");
    }
}

#[test]
fn a_value_without_a_grid_stays_as_it_is() {
    // Between a Conv and its Relu nothing is quantized: the scheme leaves `h` out.
    let nodes = vec![node("Conv", &["x", "w"], &["h"]), node("Relu", &["h"], &["y"])];
    let (document, report) =
        quantized(nodes, vec![weight()], &settings(&[0, 1], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    assert_eq!(report.values, 2);
    let lines = lines(&document);
    assert!(lines.contains(&"Conv x_dequantized w_dequantized > h".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"Relu h > y_raw".to_owned()), "{lines:#?}");
}

#[test]
fn the_constant_side_of_an_add_or_mul_has_a_grid_of_its_own() {
    for (op, inputs) in [("Add", ["x", "c"]), ("Mul", ["c", "x"]), ("Concat", ["x", "c"])] {
        let nodes = vec![node(op, &inputs, &["y"]).with("axis", Attribute::Int(0))];
        let constant = TensorProto::new("c", &[3], &[-1.0f32, 0.0, 1.55]);
        let both = settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]);
        let (document, report) = quantized(nodes, vec![constant], &both);
        assert_eq!(report, QdqReport { values: 2, weights: 0, biases: 0 });
        // 2.55 wide: a level is 0.01, and 0 is level 100.
        assert_eq!(values::<u8>(&document, "c_quantized"), [0, 100, 255]);
        assert_eq!(values::<u8>(&document, "c_zero_point"), [100]);
        assert!((values::<f32>(&document, "c_scale")[0] - 0.01).abs() < 1e-6);
        let read = inputs.map(|name| format!("{name}_dequantized")).join(" ");
        assert!(lines(&document).contains(&format!("{op} {read} > y_raw")), "{:#?}", lines(&document));
    }
}

#[test]
fn constants_out_of_this_world_make_no_panic() {
    let infinite = [f32::NEG_INFINITY, f32::MAX, f32::NAN, f32::MIN_POSITIVE];
    for values in [&infinite[..], &infinite[1..], &infinite[2..], &[f32::INFINITY, -1.0], &[]] {
        let nodes = vec![node("Add", &["x", "c"], &["y"])];
        let constant = TensorProto::new("c", &[values.len() as i64], values);
        quantized(nodes, vec![constant], &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    }
}

#[test]
fn a_channel_of_zeros_keeps_an_ordinary_scale() {
    let zeros = || TensorProto::new("w", &[3, 1, 1, 1], &[0.0f32, 127.0, 0.0]);
    let both = settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]);
    let (document, _) = quantized(vec![node("Conv", &["x", "w"], &["y"])], vec![zeros()], &both);
    assert_eq!(values::<f32>(&document, "w_scale"), [1.0, 1.0, 1.0]);
    assert_eq!(values::<i8>(&document, "w_int8"), [0, 127, 0]);

    // A dead channel gives its bias, which must come through; without one any scale does, but none below f32's reach.
    let bias = TensorProto::new("b", &[3], &[10.0f32, 2.0, 0.0]);
    let conv = node("Conv", &["x", "w", "b"], &["y"]);
    let (document, _) = quantized(vec![conv], vec![zeros(), bias], &both);
    let (scales, levels) = (values::<f32>(&document, "b_scale"), values::<i32>(&document, "b_int32"));
    assert!((f64::from(scales[0]) * f64::from(levels[0]) - 10.0).abs() < 1e-5, "{scales:?} {levels:?}");
    assert!(levels[0] <= 1 << 30);
    assert_eq!((levels[1], levels[2]), (4, 0));
    assert!(scales.iter().all(|scale| scale.is_normal()), "{scales:?}");
    assert_eq!(values::<f32>(&document, "w_scale")[2], 1.0);
}

#[test]
fn a_bias_far_larger_than_the_products_widens_the_scale() {
    // By itself the weight would have a scale of 1e-9, and the bias 2e12 steps.
    let weight = TensorProto::new("w", &[2, 1, 1, 1], &[1.27e-7f32, 1.27]);
    let bias = TensorProto::new("b", &[2], &[1000.0f32, -1000.0]);
    let conv = node("Conv", &["x", "w", "b"], &["y"]);
    let (document, _) =
        quantized(vec![conv], vec![weight, bias], &settings(&[0], &[("x", 0.5, 7), ("y", 2.0, 0)]));
    let (scales, levels) = (values::<f32>(&document, "b_scale"), values::<i32>(&document, "b_int32"));
    for ((scale, level), bias) in scales.iter().zip(&levels).zip([1000.0, -1000.0]) {
        assert!((f64::from(*scale) * f64::from(*level) - bias).abs() < 0.01, "{scale} {level}");
    }
    assert!(levels[0].unsigned_abs().abs_diff(1 << 30) < 256, "{levels:?}");
    // The other channel keeps its own.
    assert_eq!(
        (values::<f32>(&document, "w_scale")[1], values::<i8>(&document, "w_int8")[1]),
        (1.27 / 127.0, 127)
    );
}

#[test]
fn activations_are_of_the_type_that_is_asked_for() {
    let made = |activation, opset| {
        let nodes = vec![node("Conv", &["x", "w"], &["h"]), node("Add", &["h", "c"], &["y"])];
        let constant = TensorProto::new("c", &[2], &[-1.0f32, 1.0]);
        let mut document = document(graph(&["x"], &["y"], nodes), vec![weight(), constant]);
        document.set_opset("", opset);
        let grids = [("x", 0.5, 0), ("h", 1.0, 0), ("y", 2.0, 0)];
        qdq(&mut document, &QdqSettings { activation, ..settings(&[0, 1], &grids) }).unwrap();
        document
    };
    // Whether all nodes that make or read 16-bit levels are of ONNX Runtime's domain; weights are int8.
    let foreign = |document: &Document| -> Vec<bool> {
        let pairs = document
            .graph
            .node
            .iter()
            .filter(|node| node.op_type().ends_with("Linear") && node.output[0] != "w_dequantized");
        pairs.map(|node| node.domain() == "com.microsoft").collect()
    };
    let signed = made(ActivationType::S8, 17);
    assert_eq!(values::<i8>(&signed, "c_quantized"), [-127, 127]);
    assert_eq!(values::<i8>(&signed, "x_zero_point"), [0]);
    assert_eq!(signed.opset("com.microsoft"), None);

    let wide = made(ActivationType::U16, 20);
    assert_eq!(values::<u16>(&wide, "c_quantized"), [0, 65_535]);
    assert_eq!(values::<u16>(&wide, "x_zero_point"), [0]);
    assert_eq!(wide.opset("com.microsoft"), Some(1));
    assert_eq!(foreign(&wide), [true; 7]);

    let own = made(ActivationType::U16, 21);
    assert_eq!(own.opset("com.microsoft"), None);
    assert_eq!(foreign(&own), [false; 7]);
}

#[test]
fn an_old_opset_is_refused() {
    let mut document = document(graph(&["x"], &["y"], vec![node("Exp", &["x"], &["y"])]), vec![]);
    document.set_opset("", 11);
    let before = document.to_bytes().unwrap();
    let error = qdq(&mut document, &settings(&[], &[])).unwrap_err();
    assert!(matches!(error, PassError::TooOld { pass: "qdq", found: 11, needed: 13 }), "{error}");
    assert_eq!(document.to_bytes().unwrap(), before);
}
