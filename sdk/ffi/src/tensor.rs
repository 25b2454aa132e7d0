//! Raw tensors in and out.

use std::ffi::{CString, c_char, c_void};

use farsight::{ElementType, TensorInfo};

use crate::failure::{Failure, Result};
use crate::memory::Read;

/// What a tensor's elements are. The numbers are ONNX's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Element {
    /// `float`.
    F32 = 1,
    /// `uint8_t`.
    U8 = 2,
    /// `int8_t`.
    I8 = 3,
    /// `uint16_t`.
    U16 = 4,
    /// `int16_t`.
    I16 = 5,
    /// `int32_t`.
    I32 = 6,
    /// `int64_t`.
    I64 = 7,
    /// One byte: 0 is false, everything else true.
    Bool = 9,
    /// IEEE 754 binary16.
    F16 = 10,
    /// `double`.
    F64 = 11,
    /// `uint32_t`.
    U32 = 12,
    /// `uint64_t`.
    U64 = 13,
}

impl From<ElementType> for Element {
    fn from(element: ElementType) -> Self {
        match element {
            ElementType::F16 => Self::F16,
            ElementType::F32 => Self::F32,
            ElementType::F64 => Self::F64,
            ElementType::I8 => Self::I8,
            ElementType::I16 => Self::I16,
            ElementType::I32 => Self::I32,
            ElementType::I64 => Self::I64,
            ElementType::U8 => Self::U8,
            ElementType::U16 => Self::U16,
            ElementType::U32 => Self::U32,
            ElementType::U64 => Self::U64,
            ElementType::Bool => Self::Bool,
        }
    }
}

/// A tensor: what it is, and its elements row by row.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Tensor {
    /// `sizeof(farsight_tensor)`, set by the caller.
    pub size: usize,
    /// Its name in the model, until the pipeline's close. Not read by `farsight_pipeline_set_input`.
    pub name: *const c_char,
    /// One of `farsight_element`.
    pub element: u32,
    /// How many axes.
    pub rank: u32,
    /// Their lengths; -1: open.
    pub shape: *const i64,
    /// The elements; NULL while there are none.
    pub data: *const c_void,
    /// How many bytes they have.
    pub bytes: usize,
}

/// What the handle keeps of an input or output of the model.
pub(crate) struct Port {
    name: CString,
    element: Element,
    declared: Vec<i64>,
    /// The shape that was handed out last.
    shape: Vec<i64>,
}

impl Port {
    pub(crate) fn new(info: &TensorInfo) -> Self {
        let declared: Vec<i64> = info.shape.iter().map(|axis| axis.map_or(-1, length)).collect();
        Self {
            name: crate::pipeline::c_string(&info.name),
            element: info.element.into(),
            shape: Vec::with_capacity(declared.len().max(8)),
            declared,
        }
    }

    /// The tensor for C: with the shape that it has now, else with what the model says.
    pub(crate) fn describe(&mut self, shape: Option<&[usize]>, data: &[u8]) -> Tensor {
        self.shape.clear();
        match shape {
            Some(shape) => self.shape.extend(shape.iter().copied().map(length)),
            None => self.shape.extend_from_slice(&self.declared),
        }
        Tensor {
            size: 0,
            name: self.name.as_ptr(),
            element: self.element as u32,
            rank: u32::try_from(self.shape.len()).unwrap_or(u32::MAX),
            shape: self.shape.as_ptr(),
            data: crate::results::bytes_pointer(data),
            bytes: data.len(),
        }
    }
}

fn length(axis: usize) -> i64 {
    i64::try_from(axis).unwrap_or(i64::MAX)
}

/// Puts the caller's tensor into input `index` of the session. If something does not fit, the input stays as it was.
pub(crate) fn set_input(
    session: &mut farsight::Session,
    index: usize,
    given: &Read<'_, Tensor>,
) -> Result<()> {
    let (axes, elements) = (given.axes()?, given.elements()?);
    // Asked first, so that a wrong index is said as such.
    let current = session.input_shape(index)?;
    let is_current = current.is_some_and(|shape| shape.iter().copied().map(length).eq(axes.iter().copied()));
    let element = session.inputs()[index].element;
    let expected = Element::from(element) as u32;
    if given.element != expected {
        let text = format!("tensor.element is {}, input {index} holds {expected}", given.element);
        return Err(Failure::bad_argument(text));
    }
    check_bytes(axes, element, elements.len())?;
    if !is_current {
        session.set_input_shape(index, &lengths(axes)?)?;
    }
    session.input_bytes_mut(index)?.copy_from_slice(elements);
    Ok(())
}

/// The shape must have as many bytes as there are; nothing is allocated for it before.
fn check_bytes(axes: &[i64], element: ElementType, found: usize) -> Result<()> {
    let bytes =
        axes.iter().try_fold(element.size(), |bytes, axis| bytes.checked_mul(usize::try_from(*axis).ok()?));
    if bytes == Some(found) {
        return Ok(());
    }
    let expected = bytes.map_or("a shape that can be".to_owned(), |bytes| bytes.to_string());
    Err(Failure::bad_argument(format!("the tensor has {found} bytes, its shape {axes:?} needs {expected}")))
}

fn lengths(axes: &[i64]) -> Result<Vec<usize>> {
    let length = |axis: &i64| {
        usize::try_from(*axis)
            .map_err(|_| Failure::bad_argument(format!("an axis of tensor.shape is {axis}")))
    };
    axes.iter().map(length).collect()
}
