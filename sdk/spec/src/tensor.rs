//! What a session says of one of its inputs or outputs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Element type of a tensor, by its short name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum ElementType {
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl ElementType {
    /// Its short name, as manifests have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Bool => "bool",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// Name, element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorInfo {
    /// Its name in the graph.
    pub name: String,
    /// Its element type.
    #[serde(rename = "type")]
    pub element: ElementType,
    /// Its axes; `None` where the length is not fixed.
    pub shape: Vec<Option<usize>>,
}

impl TensorInfo {
    /// The shape as people write it: `[1, 3, ?, ?]`.
    pub fn shape_text(&self) -> String {
        let axes: Vec<String> = self
            .shape
            .iter()
            .map(|axis| axis.map_or_else(|| "?".to_owned(), |length| length.to_string()))
            .collect();
        format!("[{}]", axes.join(", "))
    }
}

/// Name, type and shape: `images f32 [1, 3, ?, ?]`.
impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.element.name(), self.shape_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_axis_is_a_question_mark() {
        let shape = vec![Some(1), Some(3), None];
        let tensor = TensorInfo { name: "x".to_owned(), element: ElementType::F32, shape };
        assert_eq!(tensor.shape_text(), "[1, 3, ?]");
        assert_eq!(tensor.to_string(), "x f32 [1, 3, ?]");
    }
}
