//! What the device's kernels can do.

use serde::{Deserialize, Serialize};

/// What the device's kernels can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrecisionRules {
    /// Whether float16 kernels are real; elsewhere float16 is storage only.
    pub fp16_arithmetic: bool,
    /// The type of activations in static int8. ONNX Runtime on x86 fuses `u8` only.
    pub activation: ActivationType,
    /// Whether int8 weights keep within ±64, because the kernels add pairs of products in 16 bits. Where it is
    /// not said, the CPU's features decide: x86 without `vnni` needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_range_weights: Option<bool>,
}

/// The integer type of a quantized activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationType {
    /// 8 bits, 0 to 255.
    #[default]
    U8,
    /// 8 bits, -128 to 127.
    S8,
    /// 16 bits, 0 to 65535: for kernels that compute in 16 bits; CPUs do not.
    U16,
}
