//! Attributes that became inputs.

use crate::Attribute;
use crate::onnx::NodeProto;

use super::Step;

/// Moves an integer-list attribute to input `index`; returns whether it was there.
fn ints_to_input(node: &mut NodeProto, step: &mut Step, attribute: &str, index: usize) -> bool {
    let Some(old) = node.take(attribute) else { return false };
    let stem = format!("{}_{attribute}", node.label());
    let name = step.constant(&stem, &[old.ints.len() as i64], &old.ints);
    set_input(node, index, name);
    true
}

fn set_input(node: &mut NodeProto, index: usize, name: String) {
    if node.input.len() <= index {
        node.input.resize(index + 1, String::new());
    }
    node.input[index] = name;
}

/// Squeeze, Unsqueeze, ReduceSum 13 and the other reductions 18: `axes` is the second input.
pub(super) fn axes_to_input(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    if !ints_to_input(node, step, "axes", 1) && node.is("Unsqueeze") {
        return Err("it has no axes".to_owned());
    }
    Ok(())
}

/// Split 13: `split` is the second input.
pub(super) fn split_12_to_13(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    ints_to_input(node, step, "split", 1);
    Ok(())
}

/// Split 18: where no sizes are given, how many parts is. Before, the outputs said it.
pub(super) fn split_17_to_18(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    if node.input(1).is_none() {
        node.set("num_outputs", Attribute::Int(node.output.len() as i64));
    }
    Ok(())
}

/// Slice 10: `starts`, `ends`, `axes` are inputs.
pub(super) fn slice_9_to_10(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    if !ints_to_input(node, step, "starts", 1) || !ints_to_input(node, step, "ends", 2) {
        return Err("it has no starts or no ends".to_owned());
    }
    ints_to_input(node, step, "axes", 3);
    Ok(())
}

/// TopK 10: `k` is the second input, one value in one axis.
pub(super) fn topk_9_to_10(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let k = node.take("k").and_then(|old| old.i).ok_or("it has no k")?;
    let name = step.constant(&format!("{}_k", node.label()), &[1], &[k]);
    set_input(node, 1, name);
    Ok(())
}

/// Clip 11: `min` and `max` are inputs. A bound that was not given is the type's own limit; only a missing
/// last one can be left out.
pub(super) fn clip_10_to_11(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let [min, max] = ["min", "max"].map(|name| node.take(name).and_then(|old| old.f));
    let like = node.input(0).ok_or("it has no input")?.to_owned();
    let label = node.label().to_owned();
    let lower = match (min, max) {
        (None, None) => return Ok(()),
        (min, _) => min.unwrap_or(f32::MIN),
    };
    let name = step.float_like(&format!("{label}_min"), &like, lower)?;
    set_input(node, 1, name);
    if let Some(upper) = max {
        let name = step.float_like(&format!("{label}_max"), &like, upper)?;
        set_input(node, 2, name);
    }
    Ok(())
}

/// Pad 11: `pads` is an input, and so is `value` where the border is constant.
pub(super) fn pad_10_to_11(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    if !ints_to_input(node, step, "pads", 1) {
        return Err("it has no pads".to_owned());
    }
    let value = node.take("value").and_then(|old| old.f).unwrap_or(0.0);
    if matches!(node.string("mode"), None | Some("constant")) {
        let like = node.input(0).ok_or("it has no input")?.to_owned();
        let name = step.float_like(&format!("{}_value", node.label()), &like, value)?;
        set_input(node, 2, name);
    }
    Ok(())
}

/// Dropout 10: the mask is of booleans. Nothing reads it at inference; where something does, its type matters.
pub(super) fn dropout_9_to_10(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    match node.output.get(1) {
        Some(mask) if step.known.read.contains(mask) => Err("its mask is read".to_owned()),
        _ => Ok(()),
    }
}

/// Dropout 12: `ratio` is the second input.
pub(super) fn dropout_11_to_12(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let ratio = node.take("ratio").and_then(|old| old.f).unwrap_or(0.5);
    let name = step.constant(&format!("{}_ratio", node.label()), &[], &[ratio]);
    set_input(node, 1, name);
    Ok(())
}

/// DFT 20: `axis` is the third input, and its default moved from the first signal axis to the last.
pub(super) fn dft_19_to_20(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let axis = node.take("axis").and_then(|old| old.i).unwrap_or(1);
    let name = step.constant(&format!("{}_axis", node.label()), &[], &[axis]);
    set_input(node, 2, name);
    Ok(())
}
