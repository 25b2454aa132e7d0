//! Operators that got another name or another default.

use crate::Attribute;
use crate::onnx::NodeProto;

use super::Step;

/// Upsample ends with opset 9; Resize 10 does the same.
pub(super) fn upsample_9_to_10(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    node.op_type = Some("Resize".to_owned());
    Ok(())
}

/// Resize 11 knows many ways to place pixels; what Resize 10 did is `asymmetric`.
///
/// Which pixel "nearest" takes was left open. ONNX Runtime takes the floor where an axis grows and the ceiling
/// where it shrinks (`UpsampleBase`, nearest mode `SIMPLE`), so the scales must be known. The converter of
/// onnx sets none of this and changes the answer.
pub(super) fn resize_10_to_11(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    let scales_name = node.input(1).ok_or("it has no scales")?.to_owned();
    let nearest = matches!(node.string("mode"), None | Some("nearest"));
    node.set("coordinate_transformation_mode", Attribute::String("asymmetric".to_owned()));
    if nearest {
        let scales = step.known.constants.get(&scales_name).and_then(|tensor| tensor.values::<f32>().ok());
        let scales = scales.ok_or("its scales are not constant; fold constants first")?;
        let mode = match (scales.iter().any(|&scale| scale > 1.0), scales.iter().any(|&scale| scale < 1.0)) {
            (true, true) => return Err("one axis grows and another shrinks".to_owned()),
            (_, false) => "floor",
            (false, true) => "ceil",
        };
        node.set("nearest_mode", Attribute::String(mode.to_owned()));
    }
    let roi = step.constant::<f32>(&format!("{}_roi", node.label()), &[0], &[]);
    node.input.insert(1, roi);
    Ok(())
}

/// Resize 13 lost one way to place pixels.
pub(super) fn resize_12_to_13(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    match node.string("coordinate_transformation_mode") {
        Some("tf_half_pixel_for_nn") => Err("opset 13 has no tf_half_pixel_for_nn".to_owned()),
        _ => Ok(()),
    }
}

/// Scatter is called ScatterElements from 11 on.
pub(super) fn scatter_10_to_11(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    node.op_type = Some("ScatterElements".to_owned());
    Ok(())
}

/// BatchNormalization 14 has two outputs fewer, which only training fills.
pub(super) fn batch_normalization_13_to_14(node: &mut NodeProto, step: &mut Step) -> Result<(), String> {
    if node.output.iter().skip(1).any(|name| step.known.read.contains(name)) {
        return Err("its training outputs are read".to_owned());
    }
    node.output.truncate(1);
    Ok(())
}

/// RoiAlign 16 moved its default by half a pixel.
pub(super) fn roi_align_15_to_16(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    let old = Attribute::String("output_half_pixel".to_owned());
    node.set("coordinate_transformation_mode", old);
    Ok(())
}

/// GridSample 20 takes any number of axes and calls its modes by names that fit.
pub(super) fn grid_sample_19_to_20(node: &mut NodeProto, _: &mut Step) -> Result<(), String> {
    let mode = match node.string("mode") {
        None | Some("nearest") => return Ok(()),
        Some("bilinear") => "linear",
        Some("bicubic") => "cubic",
        Some(other) => return Err(format!("opset 19 has no mode {other:?}")),
    };
    node.set("mode", Attribute::String(mode.to_owned()));
    Ok(())
}
