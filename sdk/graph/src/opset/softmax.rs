//! Softmax, LogSoftmax, Hardmax 13: one axis instead of all from an axis on.

use crate::onnx::NodeProto;
use crate::{Attribute, Names};

use super::Step;

/// Before 13 the input counts as a matrix, split at `axis` (default 1), and a row is everything behind the
/// split; from 13 on a row lies along `axis` (default -1) alone. Equal where the split is before the last
/// axis; elsewhere the input is flattened and the result brought back into shape.
pub(super) fn from_12_to_13(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let axis = node.int("axis").unwrap_or(1);
    let [input, output] = match (&node.input[..], &node.output[..]) {
        ([input], [output]) => [input.clone(), output.clone()],
        _ => return Err("it needs one input and one output".to_owned()),
    };
    let last = step.known.ranks.get(&input).map(|&rank| rank as i64 - 1);
    node.set("axis", Attribute::Int(-1));
    if axis == -1 || last == Some(axis) {
        return Ok(());
    }
    let label = node.label().to_owned();
    let names: &mut Names = step.names;
    let [shape, flat, rows] = ["shape", "flat", "rows"].map(|part| names.fresh(&format!("{label}_{part}")));
    step.before.push(NodeProto::new("Shape", &shape, &[&input], &[&shape]));
    let flatten = NodeProto::new("Flatten", &flat, &[&input], &[&flat]);
    step.before.push(flatten.with("axis", Attribute::Int(axis)));
    node.input[0] = flat;
    node.output[0].clone_from(&rows);
    let reshape = names.fresh(&format!("{label}_reshape"));
    step.after.push(NodeProto::new("Reshape", &reshape, &[&rows, &shape], &[&output]));
    Ok(())
}
