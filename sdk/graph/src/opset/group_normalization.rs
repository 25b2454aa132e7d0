//! GroupNormalization 21: a scale and a bias for each channel instead of each group.

use super::Step;
use crate::Attribute;
use crate::onnx::NodeProto;
use crate::onnx::tensor_proto::DataType;

/// Repeats both for the channels of their group. The converter of onnx leaves them as they are, and ONNX Runtime
/// then refuses the model.
///
/// From 21 on doubles are normalised in float32 unless `stash_type` says otherwise. Half precision was already.
pub(super) fn from_20_to_21(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let [input, scale, bias] = match &node.input[..] {
        [input, scale, bias] => [input, scale, bias].map(String::clone),
        _ => return Err("it needs an input, a scale and a bias".to_owned()),
    };
    let groups = node.int("num_groups").filter(|&groups| groups > 0).ok_or("it has no groups")?;
    if step.element(&input)? == DataType::Double {
        node.set("stash_type", Attribute::Int(DataType::Double as i64));
    }
    let label = node.label().to_owned();
    let row = row_shape(step, &label, &input, groups);
    node.input[1] = repeat(step, &format!("{label}_scale"), &scale, &row);
    node.input[2] = repeat(step, &format!("{label}_bias"), &bias, &row);
    Ok(())
}

/// The shape `[1, channels / groups]`: a row for the channels of one group.
fn row_shape(step: &mut Step, label: &str, input: &str, groups: i64) -> String {
    let groups = step.constant(&format!("{label}_groups"), &[1], &[groups]);
    let one = step.constant(&format!("{label}_one"), &[1], &[1i64]);
    let shape = NodeProto::new("Shape", "", &[input], &[]).with("start", Attribute::Int(1));
    let channels = step.add_before(&format!("{label}_channels"), shape.with("end", Attribute::Int(2)));
    let each = NodeProto::new("Div", "", &[&channels, &groups], &[]);
    let each = step.add_before(&format!("{label}_each"), each);
    let row = NodeProto::new("Concat", "", &[&one, &each], &[]).with("axis", Attribute::Int(0));
    step.add_before(&format!("{label}_row"), row)
}

/// Each value of a vector as often as `row` is long.
fn repeat(step: &mut Step, stem: &str, vector: &str, row: &str) -> String {
    let column = step.constant(&format!("{stem}_column_shape"), &[2], &[-1i64, 1]);
    let flat = step.constant(&format!("{stem}_flat_shape"), &[1], &[-1i64]);
    let column = NodeProto::new("Reshape", "", &[vector, &column], &[]);
    let column = step.add_before(&format!("{stem}_column"), column);
    let table = NodeProto::new("Expand", "", &[&column, row], &[]);
    let table = step.add_before(&format!("{stem}_table"), table);
    step.add_before(stem, NodeProto::new("Reshape", "", &[&table, &flat], &[]))
}
