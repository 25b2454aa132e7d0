//! The recipe: how to shrink a model, with which budget.

use serde::{Deserialize, Serialize};

/// How to shrink a model. A table in the spec, overridable by file and by flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// Arithmetic and storage of the compiled model.
    pub precision: Precision,
    /// How much of the measure may be lost against the source model, 0..=1.
    pub max_drop: f64,
    /// How many pictures (or generated inputs) the compiled model is compared on at most.
    pub samples: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { precision: Precision::Keep, max_drop: 0.01, samples: 32 }
    }
}

/// Arithmetic and storage of a compiled model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The source's own arithmetic and rounding points.
    #[default]
    Keep,
    /// Weights stored as float16; real float16 arithmetic only where the target says so.
    Fp16,
}
