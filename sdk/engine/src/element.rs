//! Rust types that a tensor's elements can be read and written as.

use farsight_spec::ElementType;
use half::f16;
use ort::sys::ONNXTensorElementDataType;

/// A Rust type that a tensor's elements can be read and written as.
///
/// `u8` also stands for `Bool` (0 is false, everything else is true): ONNX Runtime does not promise
/// that only 0 and 1 come out, which Rust's `bool` would need.
pub trait Element: bytemuck::Pod + private::Sealed {
    /// What it is called in messages.
    const NAME: &'static str;

    /// Whether a tensor of this element type may be seen as a slice of `Self`.
    fn fits(element: ElementType) -> bool;
}

mod private {
    pub trait Sealed {}
}

macro_rules! element {
    ($($type:ident: $($element:ident)|+),* $(,)?) => {$(
        impl private::Sealed for $type {}
        impl Element for $type {
            const NAME: &'static str = stringify!($type);

            fn fits(element: ElementType) -> bool {
                matches!(element, $(ElementType::$element)|+)
            }
        }
    )*};
}

element! {
    f16: F16,
    f32: F32,
    f64: F64,
    i8: I8,
    i16: I16,
    i32: I32,
    i64: I64,
    u8: U8 | Bool,
    u16: U16,
    u32: U32,
    u64: U64,
}

/// Element types by their number in ONNX (`TensorProto.DataType`; the C interface counts the same way).
const ELEMENTS: [(ElementType, ONNXTensorElementDataType); 12] = [
    (ElementType::F32, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT),
    (ElementType::U8, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8),
    (ElementType::I8, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8),
    (ElementType::U16, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16),
    (ElementType::I16, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16),
    (ElementType::I32, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32),
    (ElementType::I64, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64),
    (ElementType::Bool, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL),
    (ElementType::F16, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16),
    (ElementType::F64, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE),
    (ElementType::U32, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32),
    (ElementType::U64, ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64),
];

/// The element type with this number in ONNX, if farsight moves it.
pub(crate) fn of_onnx(number: i32) -> Option<ElementType> {
    ELEMENTS.iter().find(|row| row.1 as i32 == number).map(|row| row.0)
}

/// ONNX Runtime's constant for an element type.
pub(crate) fn to_onnx(element: ElementType) -> ONNXTensorElementDataType {
    ELEMENTS
        .iter()
        .find(|row| row.0 == element)
        .map_or(ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, |row| row.1)
}

/// What the elements are that farsight does not move.
pub(crate) fn unsupported_name(number: i32) -> String {
    match number {
        8 => "strings".to_owned(),
        14 | 15 => "complex numbers".to_owned(),
        16 => "bfloat16".to_owned(),
        17..=20 | 26 => "8-bit floats".to_owned(),
        21..=25 => "numbers of less than 8 bits".to_owned(),
        other => format!("element type {other}"),
    }
}

/// Bytes of a tensor; `None` if they cannot be counted.
pub(crate) fn bytes(element: ElementType, shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(element.size(), |bytes, &length| bytes.checked_mul(length))
}
