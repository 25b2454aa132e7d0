//! Operators that only move values.

use farsight_graph::onnx::NodeProto;

/// Operators that only move, choose or interpolate values of their first input: the outputs keep its range, and
/// the operator does to integers what it does to the numbers that they stand for.
pub(crate) const MOVERS: [&str; 12] = [
    "DepthToSpace",
    "Flatten",
    "Identity",
    "MaxPool",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Whether a node is one of them.
pub(crate) fn is_mover(node: &NodeProto) -> bool {
    MOVERS.iter().any(|op| node.is(op))
}
