//! Constant tensors: their size checked, their values read and written by type.

use bytes::Bytes;
use half::{bf16, f16};
use thiserror::Error;

use crate::onnx::TensorProto;
use crate::onnx::tensor_proto::{DataLocation, DataType};

/// Why a constant tensor cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TensorError {
    /// A shape that no memory can hold, or a negative axis.
    #[error("tensor {name:?}: shape {dims:?} is not one a tensor can have")]
    Shape {
        /// The tensor's name.
        name: String,
        /// Its axes as written.
        dims: Vec<i64>,
    },
    /// A type number that ONNX does not define, or one that has no fixed size.
    #[error("tensor {name:?}: element type {found} is not one that can be read here")]
    Type {
        /// The tensor's name.
        name: String,
        /// What was found.
        found: String,
    },
    /// Asked for as another type than it is.
    #[error("tensor {name:?}: holds {found}, {expected} is needed")]
    Mismatch {
        /// The tensor's name.
        name: String,
        /// The element type it has.
        found: String,
        /// The element type it was asked for.
        expected: String,
    },
    /// More or fewer values than the shape says.
    #[error("tensor {name:?}: holds {found} {unit}, shape {dims:?} needs {expected}")]
    Size {
        /// The tensor's name.
        name: String,
        /// What was found.
        found: usize,
        /// What was expected.
        expected: usize,
        /// `bytes` or `values`.
        unit: &'static str,
        /// Its axes.
        dims: Vec<i64>,
    },
    /// Its data lie in another file that was not loaded.
    #[error("tensor {name:?}: its data lie in another file that was not loaded; give the model's folder")]
    External {
        /// The tensor's name.
        name: String,
    },
}

/// A Rust type that a tensor's elements can have.
pub trait Element: Copy + PartialEq + std::fmt::Debug {
    /// ONNX's name for it.
    const TYPE: DataType;
    /// Reads one from its little-endian bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Appends its little-endian bytes.
    fn write(self, out: &mut Vec<u8>);
    /// All values in the typed field that ONNX provides beside `raw_data`.
    fn typed(tensor: &TensorProto) -> Vec<Self>;
}

macro_rules! element {
    ($type:ty, $name:ident, $field:ident, |$value:ident| $cast:expr) => {
        impl Element for $type {
            const TYPE: DataType = DataType::$name;
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn typed(tensor: &TensorProto) -> Vec<Self> {
                tensor.$field.iter().map(|&$value| $cast).collect()
            }
        }
    };
}

// The narrow types are kept in the low bits of int32_data (onnx.proto, TensorProto.int32_data).
element!(f32, Float, float_data, |value| value);
element!(f64, Double, double_data, |value| value);
element!(f16, Float16, int32_data, |value| f16::from_bits(value as u16));
element!(bf16, Bfloat16, int32_data, |value| bf16::from_bits(value as u16));
element!(i64, Int64, int64_data, |value| value);
element!(i32, Int32, int32_data, |value| value);
element!(i16, Int16, int32_data, |value| value as i16);
element!(i8, Int8, int32_data, |value| value as i8);
element!(u64, Uint64, uint64_data, |value| value);
element!(u32, Uint32, uint64_data, |value| value as u32);
element!(u16, Uint16, int32_data, |value| value as u16);
element!(u8, Uint8, int32_data, |value| value as u8);

impl Element for bool {
    const TYPE: DataType = DataType::Bool;
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first().map(|&byte| byte != 0)
    }
    fn write(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
    fn typed(tensor: &TensorProto) -> Vec<Self> {
        tensor.int32_data.iter().map(|&value| value != 0).collect()
    }
}

impl TensorProto {
    /// A tensor of these axes, its values kept as `raw_data`. `values` must fill the axes.
    pub fn new<T: Element>(name: &str, dims: &[i64], values: &[T]) -> Self {
        let mut raw = Vec::with_capacity(std::mem::size_of_val(values));
        values.iter().for_each(|value| value.write(&mut raw));
        Self {
            name: Some(name.to_owned()),
            dims: dims.to_vec(),
            data_type: Some(T::TYPE as i32),
            raw_data: Some(Bytes::from(raw)),
            ..Self::default()
        }
    }

    /// Its element type.
    ///
    /// # Errors
    /// A number that ONNX does not define.
    pub fn element(&self) -> Result<DataType, TensorError> {
        match DataType::try_from(self.data_type()) {
            Ok(DataType::Undefined) | Err(_) => {
                Err(TensorError::Type { name: self.name().to_owned(), found: self.data_type().to_string() })
            }
            Ok(element) => Ok(element),
        }
    }

    /// How many elements its axes make.
    ///
    /// # Errors
    /// A negative axis, or a product that overflows.
    pub fn count(&self) -> Result<usize, TensorError> {
        self.dims
            .iter()
            .try_fold(1usize, |count, &dim| count.checked_mul(usize::try_from(dim).ok()?))
            .ok_or_else(|| TensorError::Shape { name: self.name().to_owned(), dims: self.dims.clone() })
    }

    /// Bytes its elements take, types below a byte packed.
    ///
    /// # Errors
    /// As [`Self::element`] and [`Self::count`]; strings have no fixed size.
    pub fn byte_len(&self) -> Result<usize, TensorError> {
        let element = self.element()?;
        let bits = bits(element).ok_or_else(|| TensorError::Type {
            name: self.name().to_owned(),
            found: element.as_str_name().to_owned(),
        })?;
        self.count()?
            .checked_mul(bits)
            .map(|bits| bits.div_ceil(8))
            .ok_or_else(|| TensorError::Shape { name: self.name().to_owned(), dims: self.dims.clone() })
    }

    /// Whether its data lie in another file.
    pub fn is_external(&self) -> bool {
        self.data_location() == DataLocation::External
    }

    /// Its values, from `raw_data` or the typed field.
    ///
    /// # Errors
    /// Another element type, more or fewer values than the shape says, data in a file that was not loaded.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, TensorError> {
        let element = self.element()?;
        if element != T::TYPE {
            return Err(TensorError::Mismatch {
                name: self.name().to_owned(),
                found: element.as_str_name().to_owned(),
                expected: T::TYPE.as_str_name().to_owned(),
            });
        }
        if self.is_external() {
            return Err(TensorError::External { name: self.name().to_owned() });
        }
        let Some(raw) = &self.raw_data else {
            let values = T::typed(self);
            return if values.len() == self.count()? {
                Ok(values)
            } else {
                Err(self.size_error(values.len(), self.count()?, "values"))
            };
        };
        let expected = self.byte_len()?;
        if raw.len() != expected {
            return Err(self.size_error(raw.len(), expected, "bytes"));
        }
        Ok(raw.chunks_exact(std::mem::size_of::<T>()).filter_map(T::read).collect())
    }

    /// Its values as `i64`, where they are `INT64` or `INT32`: axes, shapes, sizes.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub fn integers(&self) -> Result<Vec<i64>, TensorError> {
        if self.data_type() == DataType::Int32 as i32 {
            return Ok(self.values::<i32>()?.into_iter().map(i64::from).collect());
        }
        self.values()
    }

    fn size_error(&self, found: usize, expected: usize, unit: &'static str) -> TensorError {
        TensorError::Size { name: self.name().to_owned(), found, expected, unit, dims: self.dims.clone() }
    }
}

/// Bits of one element; `None` for strings and what is undefined.
fn bits(element: DataType) -> Option<usize> {
    Some(match element {
        DataType::Uint2 | DataType::Int2 => 2,
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => 4,
        DataType::Uint8
        | DataType::Int8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => 8,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 32,
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => 64,
        DataType::Complex128 => 128,
        DataType::Undefined | DataType::String | DataType::Float6e2m3 | DataType::Float6e3m2 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_raw_data() {
        fn back<T: Element>(values: &[T]) {
            let tensor = TensorProto::new("t", &[values.len() as i64], values);
            assert_eq!(tensor.values::<T>().unwrap(), values);
            assert_eq!(tensor.byte_len().unwrap(), tensor.raw_data.unwrap().len());
        }
        back(&[1.5f32, -0.0]);
        back(&[f16::from_f32(1.5), f16::MIN]);
        back(&[bf16::from_f32(3.0)]);
        back(&[i64::MIN, 7]);
        back(&[-3i8, 3]);
        back(&[200u8]);
        back(&[true, false]);
        back(&[u32::MAX]);
        back(&[f64::MAX]);
        back::<f32>(&[]);
    }

    #[test]
    fn values_come_back_from_the_typed_fields() {
        let ints = |data_type: DataType, values: &[i32]| TensorProto {
            dims: vec![values.len() as i64],
            data_type: Some(data_type as i32),
            int32_data: values.to_vec(),
            ..TensorProto::default()
        };
        assert_eq!(ints(DataType::Int8, &[-1, 5]).values::<i8>().unwrap(), [-1, 5]);
        assert_eq!(ints(DataType::Bool, &[0, 1]).values::<bool>().unwrap(), [false, true]);
        assert_eq!(ints(DataType::Float16, &[0x3e00]).values::<f16>().unwrap(), [f16::from_f32(1.5)]);
        assert_eq!(ints(DataType::Int32, &[-9]).integers().unwrap(), [-9]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let raw = |dims: &[i64], bytes: usize| TensorProto {
            name: Some("w".into()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            raw_data: Some(Bytes::from(vec![0; bytes])),
            ..TensorProto::default()
        };
        let cases = [
            (raw(&[3], 8), "holds 8 bytes, shape [3] needs 12"),
            (raw(&[-1], 4), "shape [-1]"),
            (raw(&[i64::MAX, 3], 4), "is not one a tensor can have"),
            (TensorProto { raw_data: None, ..raw(&[2], 0) }, "holds 0 values, shape [2] needs 2"),
            (TensorProto { data_type: Some(99), ..raw(&[2], 8) }, "element type 99"),
            (TensorProto { data_type: Some(7), ..raw(&[1], 8) }, "holds INT64, FLOAT is needed"),
            (TensorProto { data_location: Some(1), ..raw(&[1], 4) }, "another file"),
        ];
        for (tensor, expected) in cases {
            let message = tensor.values::<f32>().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
