//! The layers of a model: the nodes that multiply, what they cost, and which of them belong to the tail.

use std::collections::HashSet;

use farsight_graph::onnx::{GraphProto, NodeProto};
use farsight_graph::{Facts, Links};

/// A node that multiplies: Conv, ConvTranspose, Gemm, MatMul.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its place in the graph.
    pub node: usize,
    /// What to call it.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Its constant weights; `None` where both factors are computed (attention).
    pub weight: Option<String>,
    /// Multiplications and additions in a run, in pairs; 0 where a shape is open.
    pub macs: u64,
    /// Whether it comes after everything that learned: decoding, box arithmetic, Softmax.
    pub in_tail: bool,
}

/// The layers of the main graph, in its order.
pub fn layers(graph: &GraphProto, facts: &Facts) -> Vec<Layer> {
    let links = graph.links();
    let tail = tail(graph, &links);
    let layer = |(node, made): (usize, &NodeProto)| {
        is_layer(made).then(|| Layer {
            node,
            name: made.label().to_owned(),
            op: made.op_type().to_owned(),
            weight: made.input(1).filter(|name| links.tensor(name).is_some()).map(str::to_owned),
            macs: macs(made, facts).unwrap_or(0),
            in_tail: tail.contains(&node),
        })
    };
    graph.node.iter().enumerate().filter_map(layer).collect()
}

/// Whether a node multiplies.
pub(crate) fn is_layer(node: &NodeProto) -> bool {
    ["Conv", "ConvTranspose", "Gemm", "MatMul"].iter().any(|op| node.is(op))
}

/// Places of the nodes after the last layer with learned weights on every way to an output: decoding, box
/// arithmetic, Softmax. Values of different meaning and size meet there, so they must not share a scale.
pub(crate) fn tail(graph: &GraphProto, links: &Links) -> HashSet<usize> {
    let learned = graph.node.iter().filter(|node| is_layer(node) && has_learned_weights(node, links));
    let body = graph.upstream(links, learned.flat_map(|node| node.output.iter().map(String::as_str)));
    (0..graph.node.len()).filter(|index| !body.contains(index)).collect()
}

/// Constant weights that training made. The weights 0, 1, 2, … of a "distribution focal loss" decoder are
/// arithmetic: a dot product with them is an expected value. Where a file was quantized before, they are near that.
fn has_learned_weights(node: &NodeProto, links: &Links) -> bool {
    let Some(weight) = node.input(1).and_then(|name| links.tensor(name)) else { return false };
    let few = weight.count().is_ok_and(|count| (4..=64).contains(&count));
    let counts_up = |values: Vec<f32>| {
        values.iter().enumerate().all(|(index, &value)| (value - index as f32).abs() < 0.25)
    };
    !(few && weight.values::<f32>().is_ok_and(counts_up))
}

/// Multiplications of a layer: each value of the output is a dot product.
pub(crate) fn macs(node: &NodeProto, facts: &Facts) -> Option<u64> {
    let lengths = |name: Option<&str>| -> Option<Vec<u64>> {
        facts.get(name?).fixed()?.into_iter().map(|length| u64::try_from(length).ok()).collect()
    };
    let output = product(&lengths(node.output.first().map(String::as_str))?)?;
    let weight = lengths(node.input(1))?;
    let terms = match node.op_type() {
        // [out, in / group, kernel…]
        "Conv" => product(weight.get(1..)?)?,
        // [in, out / group, kernel…]: each value of the input goes into as many of the output.
        "ConvTranspose" => return product(&lengths(node.input(0))?)?.checked_mul(product(weight.get(1..)?)?),
        "Gemm" if node.int("transB").unwrap_or(0) != 0 => *weight.get(1)?,
        "Gemm" => *weight.first()?,
        _ => *weight.get(weight.len().checked_sub(2)?)?,
    };
    output.checked_mul(terms)
}

fn product(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(1u64, |product, &length| product.checked_mul(length))
}

#[cfg(test)]
mod tests {
    use farsight_graph::onnx::tensor_proto::DataType;
    use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
    use farsight_graph::{Attribute, Dim, Facts};

    use super::*;

    /// A Conv, a decoder that counts up, a MatMul of two computed factors.
    fn model() -> GraphProto {
        let node = |op: &str, inputs: &[&str], output: &str| NodeProto::new(op, output, inputs, &[output]);
        let value = |name: &str, shape: &[i64]| {
            let shape: Vec<Dim> = shape.iter().map(|&length| Dim::Fixed(length)).collect();
            ValueInfoProto::tensor(name, DataType::Float, &shape)
        };
        GraphProto {
            input: vec![value("x", &[1, 4, 8, 8])],
            output: vec![value("y", &[1, 1, 8, 8]), value("z", &[1, 2, 8, 8])],
            value_info: vec![value("a", &[1, 16, 8, 8]), value("s", &[1, 16, 8, 8])],
            initializer: vec![
                TensorProto::new("w", &[16, 2, 3, 3], &[0.5f32; 288]),
                TensorProto::new("d", &[1, 16, 1, 1], &std::array::from_fn::<f32, 16, _>(|i| i as f32)),
                TensorProto::new("v", &[16, 1, 2, 2], &[0.5f32; 64]),
            ],
            node: vec![
                node("Conv", &["x", "w"], "a").with("group", Attribute::Int(2)),
                node("Softmax", &["a"], "s"),
                node("Conv", &["s", "d"], "y"),
                node("ConvTranspose", &["a", "v"], "z"),
            ],
            ..GraphProto::default()
        }
    }

    #[test]
    fn layers_are_found_counted_and_told_from_the_tail() {
        let graph = model();
        let found = layers(&graph, &Facts::of(&graph));
        let summary: Vec<_> =
            found.iter().map(|layer| (layer.name.as_str(), layer.macs, layer.in_tail)).collect();
        let per_pixel = 64;
        assert_eq!(
            summary,
            [
                ("a", 16 * per_pixel * 18, false),
                ("y", per_pixel * 16, true),
                ("z", 16 * per_pixel * 4, false)
            ]
        );
        assert_eq!(found[0].weight.as_deref(), Some("w"));
        assert_eq!(tail(&graph, &graph.links()), HashSet::from([1, 2]));
    }
}
