//! ONNX's numbers for the element types that farsight knows.

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_spec::ElementType;

/// What ONNX calls it.
pub(crate) fn data_type(element: ElementType) -> DataType {
    match element {
        ElementType::F16 => DataType::Float16,
        ElementType::F32 => DataType::Float,
        ElementType::F64 => DataType::Double,
        ElementType::I8 => DataType::Int8,
        ElementType::I16 => DataType::Int16,
        ElementType::I32 => DataType::Int32,
        ElementType::I64 => DataType::Int64,
        ElementType::U8 => DataType::Uint8,
        ElementType::U16 => DataType::Uint16,
        ElementType::U32 => DataType::Uint32,
        ElementType::U64 => DataType::Uint64,
        ElementType::Bool => DataType::Bool,
    }
}
