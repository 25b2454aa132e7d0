//! Small models built in code, so simple that their answers are known by arithmetic.

use std::path::{Path, PathBuf};

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document};

use crate::scratch;

/// Anchors of a YOLO head for 64 x 64: 8 x 8 + 4 x 4 + 2 x 2 cells.
const ANCHORS: usize = 84;

/// y = 2 x + 1 on [1, 4].
pub(crate) fn line() -> PathBuf {
    let nodes = vec![node("Mul", &["x", "two"], "doubled"), node("Add", &["doubled", "one"], "y")];
    let constants = vec![constant("two", &[1], &[2.0]), constant("one", &[1], &[1.0])];
    write("line", ("x", &[1, 4]), ("y", &[1, 4]), nodes, constants)
}

/// A YOLO head with two classes on 64 x 64 that sees the same boxes in every picture: class 0 around
/// (20, 30), 10 x 12, score .9; class 1 around (40, 40), 8 x 6, score .6; that one again, half a pixel
/// beside, score .5; class 0 around (50, 20), 4 x 4, score .1.
pub(crate) fn detector() -> PathBuf {
    let boxes = [
        (10, [20.0, 30.0, 10.0, 12.0, 0.9, 0.0]),
        (50, [40.0, 40.0, 8.0, 6.0, 0.0, 0.6]),
        (51, [40.5, 40.0, 8.0, 6.0, 0.0, 0.5]),
        (70, [50.0, 20.0, 4.0, 4.0, 0.1, 0.0]),
    ];
    let mut values = vec![0.0; 6 * ANCHORS];
    for (anchor, rows) in boxes {
        for (row, value) in rows.into_iter().enumerate() {
            values[row * ANCHORS + anchor] = value;
        }
    }
    let nodes = vec![
        node("ReduceMean", &["images"], "mean").with("keepdims", Attribute::Int(0)),
        node("Mul", &["mean", "zero"], "nothing"),
        node("Add", &["nothing", "boxes"], "output0"),
    ];
    let anchors = ANCHORS as i64;
    let constants = vec![constant("zero", &[], &[0.0]), constant("boxes", &[1, 6, anchors], &values)];
    write("detector", ("images", &[1, 3, 64, 64]), ("output0", &[1, 6, anchors]), nodes, constants)
}

/// A box in the middle of 32 x 32: centre (16, 12), 8 x 4. The score of class 0, 1, 2 is the mean of red, green, blue.
pub(crate) fn colours() -> PathBuf {
    let nodes = vec![
        node("GlobalAveragePool", &["images"], "means"),
        node("Reshape", &["means", "shape"], "scores"),
        node("Concat", &["box", "scores"], "output0").with("axis", Attribute::Int(1)),
    ];
    let shape = TensorProto::new("shape", &[3], &[1i64, 3, 1]);
    let constants = vec![constant("box", &[1, 4, 1], &[16.0, 12.0, 8.0, 4.0]), shape];
    write("colours", ("images", &[1, 3, 32, 32]), ("output0", &[1, 7, 1]), nodes, constants)
}

/// How a classifier takes pictures and gives its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classifier {
    pub(crate) classes: usize,
    /// [1, 8, 8, 3] instead of [1, 3, 8, 8].
    pub(crate) channels_last: bool,
    /// Probabilities instead of logits.
    pub(crate) softmax: bool,
}

impl Classifier {
    /// Averages over the picture, then a weight a channel and class: [`Classifier::weight`].
    pub(crate) fn write(self) -> PathBuf {
        let classes = self.classes as i64;
        let weights: Vec<f32> = (0..3)
            .flat_map(|channel| (0..self.classes).map(move |class| Self::weight(channel, class)))
            .collect();
        let (shape, first): (&[i64], _) = match self.channels_last {
            true => (
                &[1, 8, 8, 3],
                node("Transpose", &["x"], "planes").with("perm", Attribute::Ints(vec![0, 3, 1, 2])),
            ),
            false => (&[1, 3, 8, 8], node("Identity", &["x"], "planes")),
        };
        let mut nodes = vec![
            first,
            node("GlobalAveragePool", &["planes"], "mean"),
            node("Flatten", &["mean"], "flat"),
            node("MatMul", &["flat", "weights"], if self.softmax { "logits" } else { "y" }),
        ];
        if self.softmax {
            nodes.push(node("Softmax", &["logits"], "y"));
        }
        let constants = vec![constant("weights", &[3, classes], &weights)];
        write("classifier", ("x", shape), ("y", &[1, classes]), nodes, constants)
    }

    pub(crate) fn weight(channel: usize, class: usize) -> f32 {
        ((channel * 1000 + class) as f32).sin()
    }
}

/// Red is class 5, green 10, blue 15, black 0, of 21; [1, 3, 16, 16] with ImageNet's statistics.
pub(crate) fn segmenter() -> PathBuf {
    let mut weights = vec![0.0; 21 * 3];
    for (channel, class) in [5, 10, 15].into_iter().enumerate() {
        weights[class * 3..class * 3 + 3].fill(-1.0);
        weights[class * 3 + channel] = 1.0;
    }
    let mut bias = vec![0.0; 21];
    bias[0] = 3.0;
    let constants = vec![constant("weights", &[21, 3, 1, 1], &weights), constant("bias", &[21], &bias)];
    let nodes = vec![node("Conv", &["x", "weights", "bias"], "y")];
    write("segmenter", ("x", &[1, 3, 16, 16]), ("y", &[1, 21, 16, 16]), nodes, constants)
}

/// Two bands in, two classes out, on windows of 16 x 16.
pub(crate) fn two_bands() -> PathBuf {
    let constants = vec![constant("weights", &[2, 2, 1, 1], &[1.0, 0.0, 0.0, 1.0])];
    let nodes = vec![node("Conv", &["x", "weights"], "y")];
    write("two-bands", ("x", &[1, 2, 16, 16]), ("y", &[1, 2, 16, 16]), nodes, constants)
}

/// Two convolutions of 3 x 3 and a Relu between them, on [1, 8, 8, 8]: int8 takes both.
pub(crate) fn two_convolutions() -> PathBuf {
    let weights = |name: &str, shift: f32| {
        let values: Vec<f32> = (0..8 * 8 * 3 * 3).map(|index| 0.1 * (index as f32 + shift).sin()).collect();
        constant(name, &[8, 8, 3, 3], &values)
    };
    let padded = |node: NodeProto| node.with("pads", Attribute::Ints(vec![1; 4]));
    let nodes = vec![
        padded(node("Conv", &["x", "first"], "seen")),
        node("Relu", &["seen"], "bent"),
        padded(node("Conv", &["bent", "second"], "y")),
    ];
    let constants = vec![weights("first", 0.0), weights("second", 0.5)];
    write("two-convolutions", ("x", &[1, 8, 8, 8]), ("y", &[1, 8, 8, 8]), nodes, constants)
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, output, inputs, &[output])
}

fn constant(name: &str, shape: &[i64], values: &[f32]) -> TensorProto {
    TensorProto::new(name, shape, values)
}

/// Writes `NAME.onnx`, opset 17, into a folder of its own.
fn write(
    name: &str,
    input: (&str, &[i64]),
    output: (&str, &[i64]),
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
) -> PathBuf {
    let value = |(name, shape): (&str, &[i64])| {
        let shape: Vec<Dim> = shape.iter().map(|&length| length.into()).collect();
        ValueInfoProto::tensor(name, DataType::Float, &shape)
    };
    let graph = GraphProto {
        name: Some(name.to_owned()),
        node,
        initializer,
        input: vec![value(input)],
        output: vec![value(output)],
        ..GraphProto::default()
    };
    let path = scratch::folder("model").join(format!("{name}.onnx"));
    Document::new(graph, 17).write(&path).expect("a model is written");
    path
}

/// A PNG whose pixels `color` tells by x and y.
pub(crate) fn picture(path: &Path, [width, height]: [u32; 2], color: impl Fn(u32, u32) -> [u8; 3]) {
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(color(x, y)));
    picture.save(path).expect("a picture is written");
}
