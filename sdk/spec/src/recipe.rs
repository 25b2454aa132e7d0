//! The recipe: how to shrink a model, with which budget.

use serde::{Deserialize, Serialize};

/// How to shrink a model. A table in the spec, overridable by file and by flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// Arithmetic and storage of the compiled model.
    pub precision: Precision,
    /// How much of the task's own measure (labels given) may be lost against the source model, 0..=1.
    pub max_drop: f64,
    /// How much of the agreement with the source model may be lost where that is the measure (no labels), 0..=1.
    /// For boxes the agreement is an AP50-95 that also counts shifts which no label would show.
    pub max_disagreement: f64,
    /// How many samples the compiled model is compared on at most.
    pub samples: usize,
    /// How many samples calibrate the ranges of int8 at most.
    pub calibration_samples: usize,
    /// How ranges are taken from what calibration saw; `auto` lets the accuracy search choose.
    pub ranges: Ranges,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            precision: Precision::Keep,
            max_drop: 0.005,
            max_disagreement: 0.06,
            samples: 200,
            calibration_samples: 128,
            ranges: Ranges::Auto,
        }
    }
}

/// Arithmetic and storage of a compiled model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The source's own arithmetic and rounding points.
    #[default]
    Keep,
    /// float32 arithmetic; a float16 graph is widened.
    Fp32,
    /// Weights stored as float16; real float16 arithmetic only where the target says so.
    Fp16,
    /// int8 arithmetic, static where the layers allow it, dynamic for MatMul-heavy models.
    Int8,
    /// Weights stored as int8, float32 arithmetic.
    Int8Weights,
    /// Weights of MatMul stored as int4 in groups, the others as int8; float32 arithmetic.
    Int4Weights,
    /// What the measurements show to be best among what the target allows.
    Auto,
}

impl Precision {
    /// As it is written in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
            Self::Int8Weights => "int8-weights",
            Self::Int4Weights => "int4-weights",
            Self::Auto => "auto",
        }
    }
}

/// How the range of a quantized value is taken from what calibration saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranges {
    /// Percentile first, the others where the measure asks for it.
    #[default]
    Auto,
    /// From the least value to the greatest.
    Minmax,
    /// All but the outermost 0.001 %.
    Percentile,
    /// Least mean squared error.
    Mse,
    /// Least Kullback-Leibler divergence.
    Entropy,
}
