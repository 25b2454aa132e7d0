//! What kernels take: rules that contradict the CPU, the provider or each other.

use super::problem;
use crate::validate::Check;
use crate::{ActivationType, Target};

pub(super) fn check(target: &Target) -> Check {
    check_activation(target)?;
    check_half_range(target)?;
    check_fp16(target)?;
    let rules = target.precision;
    if rules.sparsity.is_some() && !target.providers.iter().any(|provider| provider.is("TensorRT")) {
        return problem(
            "precision.sparsity",
            "is \"2:4\", but no provider skips zeros; only TensorRT does (trt_sparsity_enable, Ampere and later)",
        );
    }
    Ok(())
}

/// Figures: one thread, AVX512-VNNI, ONNX Runtime 1.32, a YOLOv8n.
fn check_activation(target: &Target) -> Check {
    let on_cpu = target.providers.first().is_some_and(|provider| provider.is("CPU"));
    let on_tensorrt = target.providers.first().is_some_and(|provider| provider.is("TensorRT"));
    match target.precision.activation {
        ActivationType::S8 if on_cpu && target.triple.starts_with("x86_64") => problem(
            "precision.activation",
            "is s8, which ONNX Runtime does not fuse on x86: 1.54 times the time of float32; take u8 (.43)",
        ),
        // https://github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md, QuantizeLinear
        ActivationType::U8 | ActivationType::U16 if on_tensorrt => problem(
            "precision.activation",
            "is not s8 (u8 if not said), but TensorRT takes int8 with zero points of 0 only; take s8",
        ),
        _ => Ok(()),
    }
}

/// Half the range of a weight is given up where kernels saturate, and nowhere else.
fn check_half_range(target: &Target) -> Check {
    let rules = target.precision;
    if rules.half_range_weights != Some(true) {
        return Ok(());
    }
    if rules.activation == ActivationType::U16 {
        return problem(
            "precision.half_range_weights",
            "is true, but with u16 activations nothing is added in 16 bits",
        );
    }
    // Seen: QLinearConv with weights of ±127 and activations at both ends is exact with and without dotprod (qemu,
    // cortex-a72 and cortex-a76, ONNX Runtime 1.20.1, 1.28.0, 1.32.0); two products of int8 fit into 16 bits.
    if target.triple.starts_with("aarch64") {
        return problem(
            "precision.half_range_weights",
            "is true, but ONNX Runtime's ARM kernels do not saturate: half the precision would be lost for nothing",
        );
    }
    let exact = |feature: &&String| feature.ends_with("vnni");
    if let Some(feature) = target.cpu_features.iter().find(exact) {
        return problem(
            "precision.half_range_weights",
            format!(
                "is true, but with {feature}, which cpu_features requires, kernels do not saturate; keep one"
            ),
        );
    }
    Ok(())
}

fn check_fp16(target: &Target) -> Check {
    let on_cpu = target.providers.first().is_some_and(|provider| provider.is("CPU"));
    if !target.precision.fp16_arithmetic || !on_cpu {
        return Ok(());
    }
    if target.triple.starts_with("x86_64") {
        return problem(
            "precision.fp16_arithmetic",
            "is true, but ONNX Runtime on x86 computes float16 models in float32",
        );
    }
    if target.triple.starts_with("aarch64") && !target.cpu_features.iter().any(|feature| feature == "fp16") {
        return problem("precision.fp16_arithmetic", "is true, but cpu_features does not require fp16");
    }
    Ok(())
}
