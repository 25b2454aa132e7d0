//! Which shapes of input a device is given.

use serde::{Deserialize, Serialize};

/// Which shapes of input a device is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Shapes {
    /// One shape, written into the model: memory is planned ahead, an engine is built once.
    #[default]
    Fixed,
    /// Any shape between two bounds; other shapes are refused.
    Range {
        /// How many inputs at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<Extent>,
        /// Height in pixels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<Extent>,
        /// Width in pixels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<Extent>,
    },
}

/// The bounds of a length, and the one that an engine is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The least.
    pub min: usize,
    /// The usual.
    pub opt: usize,
    /// The greatest.
    pub max: usize,
}
