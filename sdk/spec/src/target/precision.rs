//! What the device's kernels can do.

use serde::{Deserialize, Serialize};

/// What the device's kernels can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether int8 weights have a scale for each output channel; otherwise one for the whole tensor.
    pub per_channel: bool,
    /// The pattern of zero weights that the device's kernels skip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<Sparsity>,
}

impl Default for PrecisionRules {
    fn default() -> Self {
        Self {
            fp16_arithmetic: false,
            activation: ActivationType::default(),
            half_range_weights: None,
            per_channel: true,
            sparsity: None,
        }
    }
}

/// A pattern of zero weights that kernels skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sparsity {
    /// Two of every four neighbours are zero: the sparse tensor cores of NVIDIA's GPUs from Ampere on.
    #[serde(rename = "2:4")]
    TwoOfFour,
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
