//! Named values: their element type and shape as the graph declares them.

use crate::onnx::tensor_proto::DataType;
use crate::onnx::tensor_shape_proto::Dimension;
use crate::onnx::tensor_shape_proto::dimension::Value;
use crate::onnx::type_proto::{Tensor, Value as Kind};
use crate::onnx::{TensorShapeProto, TypeProto, ValueInfoProto};

/// One axis of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A fixed length.
    Fixed(i64),
    /// A length with a name: equal wherever the name is.
    Named(String),
    /// Nothing is said.
    Open,
}

impl From<i64> for Dim {
    fn from(length: i64) -> Self {
        Self::Fixed(length)
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Named(name) => f.write_str(name),
            Self::Open => f.write_str("?"),
        }
    }
}

impl From<&Dimension> for Dim {
    fn from(dimension: &Dimension) -> Self {
        match &dimension.value {
            Some(Value::DimValue(length)) => Self::Fixed(*length),
            Some(Value::DimParam(name)) if !name.is_empty() => Self::Named(name.clone()),
            _ => Self::Open,
        }
    }
}

impl ValueInfoProto {
    /// A tensor of this element type and shape.
    pub fn tensor(name: &str, element: DataType, shape: &[Dim]) -> Self {
        let dim = shape
            .iter()
            .map(|dim| Dimension {
                denotation: None,
                value: match dim {
                    Dim::Fixed(length) => Some(Value::DimValue(*length)),
                    Dim::Named(name) => Some(Value::DimParam(name.clone())),
                    Dim::Open => None,
                },
            })
            .collect();
        let tensor = Tensor { elem_type: Some(element as i32), shape: Some(TensorShapeProto { dim }) };
        Self {
            name: Some(name.to_owned()),
            r#type: Some(TypeProto { denotation: None, value: Some(Kind::TensorType(tensor)) }),
            ..Self::default()
        }
    }

    /// Its element type, if it is a tensor and says so.
    pub fn element(&self) -> Option<DataType> {
        let tensor = self.tensor_type()?;
        DataType::try_from(tensor.elem_type()).ok().filter(|&element| element != DataType::Undefined)
    }

    /// Its shape, if it is a tensor whose number of axes is known.
    pub fn shape(&self) -> Option<Vec<Dim>> {
        Some(self.tensor_type()?.shape.as_ref()?.dim.iter().map(Dim::from).collect())
    }

    /// Its axes, to be changed; `None` as for [`Self::shape`].
    pub fn axes_mut(&mut self) -> Option<&mut Vec<Dimension>> {
        match self.r#type.as_mut()?.value.as_mut()? {
            Kind::TensorType(tensor) => Some(&mut tensor.shape.as_mut()?.dim),
            _ => None,
        }
    }

    /// Forgets the shape; the element type stays.
    pub fn open_shape(&mut self) {
        if let Some(Kind::TensorType(tensor)) = self.r#type.as_mut().and_then(|r#type| r#type.value.as_mut())
        {
            tensor.shape = None;
        }
    }

    fn tensor_type(&self) -> Option<&Tensor> {
        match self.r#type.as_ref()?.value.as_ref()? {
            Kind::TensorType(tensor) => Some(tensor),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_come_back() {
        let shape = [Dim::from("N"), Dim::from(3), Dim::Open];
        let value = ValueInfoProto::tensor("x", DataType::Float, &shape);
        assert_eq!(value.element(), Some(DataType::Float));
        assert_eq!(value.shape().unwrap(), shape);
        assert_eq!(ValueInfoProto::default().shape(), None);
    }
}
