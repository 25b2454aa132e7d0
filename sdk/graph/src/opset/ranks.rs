//! How many axes values have, as far as one walk along the nodes tells.

use std::collections::{HashMap, HashSet};

use crate::Facts;
use crate::onnx::{GraphProto, NodeProto, TensorProto};

/// Ranks by value name; what is not known is not in it, nor are the names in `unsure`.
pub(super) fn infer(
    graph: &GraphProto,
    facts: &Facts,
    constants: &HashMap<String, TensorProto>,
    unsure: &HashSet<String>,
) -> HashMap<String, usize> {
    let mut ranks = HashMap::new();
    graph.visit(&mut |graph| {
        for name in graph.defined() {
            if let Some(rank) = facts.get(name).rank() {
                ranks.insert(name.to_owned(), rank);
            }
        }
        for node in graph.node.iter().filter(|node| node.in_default_domain()) {
            let Some(rank) = of_outputs(node, &ranks, constants) else { continue };
            for name in node.output.iter().filter(|name| !name.is_empty() && !unsure.contains(*name)) {
                ranks.entry(name.clone()).or_insert(rank);
            }
        }
    });
    ranks
}

fn of_outputs(
    node: &NodeProto,
    ranks: &HashMap<String, usize>,
    constants: &HashMap<String, TensorProto>,
) -> Option<usize> {
    let of = |index: usize| ranks.get(node.input(index)?).copied();
    match node.op_type() {
        "Transpose" => node.ints("perm").map(<[i64]>::len).or_else(|| of(0)),
        "Reshape" => usize::try_from(*constants.get(node.input(1)?)?.dims.first()?).ok(),
        "Unsqueeze" => Some(of(0)? + node.ints("axes")?.len()),
        "Squeeze" => of(0)?.checked_sub(node.ints("axes")?.len()),
        "Flatten" | "Gemm" => Some(2),
        "Constant" => node.tensor("value").map(|tensor| tensor.dims.len()),
        "Conv" | "ConvTranspose" => of(0).or_else(|| of(1)),
        "Concat" => (0..node.input.len()).find_map(of),
        "Add" | "Sub" | "Mul" | "Div" | "MatMul" => Some(of(0)?.max(of(1)?)),
        "Relu"
        | "LeakyRelu"
        | "PRelu"
        | "Sigmoid"
        | "Tanh"
        | "Exp"
        | "Clip"
        | "BatchNormalization"
        | "Dropout"
        | "MaxPool"
        | "AveragePool"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "Resize"
        | "Upsample"
        | "Pad"
        | "Split"
        | "Slice"
        | "Cast"
        | "Identity"
        | "Softmax"
        | "LogSoftmax"
        | "InstanceNormalization" => of(0),
        _ => None,
    }
}
