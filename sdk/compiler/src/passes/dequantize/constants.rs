//! Quantized constants as numbers: `(q - zero point) * scale`, in float32.

use farsight_graph::onnx::TensorProto;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::{Element, TensorError};
use half::f16;

/// Which scale belongs to which element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// The axis along which scales differ; from the end if negative. One scale alone needs none.
    pub(super) axis: i64,
    /// Elements of that axis that share a scale; 0 = 1.
    pub(super) block: i64,
}

impl Layout {
    /// One scale for each index of an axis.
    pub(super) fn axis(axis: i64) -> Self {
        Self { axis, block: 0 }
    }
}

/// The float tensor that a quantized one stands for, of the scale's element type. Without a zero point it is 0.
pub(super) fn dequantized(
    name: &str,
    quantized: &TensorProto,
    scale: &TensorProto,
    zero: Option<&TensorProto>,
    layout: Layout,
) -> Result<TensorProto, String> {
    let (values, scales) = (integers(quantized)?, floats(scale)?);
    let zeros = zero.map_or(Ok(vec![0]), integers)?;
    let places = Places::of(quantized, scales.len(), layout)?;
    if zeros.len() != 1 && zeros.len() != scales.len() {
        return Err(format!("{} zero points for {} scales", zeros.len(), scales.len()));
    }
    let value = |(index, &value): (usize, &i32)| {
        let place = places.scale_of(index);
        let zero = if zeros.len() == 1 { zeros[0] } else { zeros[place] };
        (i64::from(value) - i64::from(zero)) as f32 * scales[place]
    };
    let values: Vec<f32> = values.iter().enumerate().map(value).collect();
    float_tensor(name, &quantized.dims, &values, scale.data_type())
}

/// A tensor of float32 or, where `like` is that, float16 values.
pub(super) fn float_tensor(
    name: &str,
    dims: &[i64],
    values: &[f32],
    like: i32,
) -> Result<TensorProto, String> {
    if like == DataType::Float as i32 {
        return Ok(TensorProto::new(name, dims, values));
    }
    if like == DataType::Float16 as i32 {
        let narrow: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
        return Ok(TensorProto::new(name, dims, &narrow));
    }
    Err("its scale is neither float32 nor float16".to_owned())
}

/// Where the scale of an element lies.
enum Places {
    /// One for all.
    One,
    /// One for each index of an axis; `inner` elements lie between two.
    Axis { inner: usize, length: usize },
    /// One for each block of an axis and each index of the others.
    Blocks { inner: usize, length: usize, block: usize },
}

impl Places {
    fn of(tensor: &TensorProto, scales: usize, layout: Layout) -> Result<Self, String> {
        if scales == 1 {
            return Ok(Self::One);
        }
        let rank = tensor.dims.len();
        let axis = if layout.axis < 0 { layout.axis.saturating_add(rank as i64) } else { layout.axis };
        let Some(axis) = usize::try_from(axis).ok().filter(|&axis| axis < rank) else {
            return Err(format!("axis {} of {rank} axes", layout.axis));
        };
        // That the product of all axes fits was checked when the values were read; no value, no place.
        let size = |dims: &[i64]| dims.iter().fold(1usize, |size, &dim| size.saturating_mul(dim as usize));
        let (length, inner) = (tensor.dims[axis] as usize, size(&tensor.dims[axis + 1..]));
        let (places, expected) = match usize::try_from(layout.block) {
            Ok(block) if block > 0 => {
                let blocks = size(&tensor.dims[..axis]).saturating_mul(length.div_ceil(block));
                (Self::Blocks { inner, length, block }, blocks.saturating_mul(inner))
            }
            _ => (Self::Axis { inner, length }, length),
        };
        if scales != expected {
            return Err(format!("{scales} scales; its shape {:?} needs 1 or {expected}", tensor.dims));
        }
        Ok(places)
    }

    fn scale_of(&self, index: usize) -> usize {
        match *self {
            Self::One => 0,
            Self::Axis { inner, length } => index / inner % length,
            Self::Blocks { inner, length, block } => {
                let (row, at) = (index / inner / length, index / inner % length / block);
                (row * length.div_ceil(block) + at) * inner + index % inner
            }
        }
    }
}

/// The values of an integer tensor of at most 32 bits.
pub(super) fn integers(tensor: &TensorProto) -> Result<Vec<i32>, String> {
    fn wide<T: Element + Into<i32>>(tensor: &TensorProto) -> Result<Vec<i32>, TensorError> {
        Ok(tensor.values::<T>()?.into_iter().map(Into::into).collect())
    }
    let values = match tensor.element().map_err(|error| error.to_string())? {
        DataType::Int8 => wide::<i8>(tensor),
        DataType::Uint8 => wide::<u8>(tensor),
        DataType::Int16 => wide::<i16>(tensor),
        DataType::Uint16 => wide::<u16>(tensor),
        DataType::Int32 => wide::<i32>(tensor),
        DataType::Int4 => return nibbles(tensor, |nibble| if nibble < 8 { nibble } else { nibble - 16 }),
        DataType::Uint4 => return nibbles(tensor, |nibble| nibble),
        other => return Err(format!("{:?} holds {}, no integers", tensor.name(), other.as_str_name())),
    };
    values.map_err(|error| error.to_string())
}

/// Two values a byte, the low half first (onnx.proto, TensorProto.raw_data).
fn nibbles(tensor: &TensorProto, value: impl Fn(i32) -> i32) -> Result<Vec<i32>, String> {
    let (count, length) = (tensor.count(), tensor.byte_len());
    let count = count.map_err(|error| error.to_string())?;
    let length = length.map_err(|error| error.to_string())?;
    let bytes: Vec<u8> = match &tensor.raw_data {
        Some(raw) => raw.to_vec(),
        None => tensor.int32_data.iter().map(|&byte| byte as u8).collect(),
    };
    if tensor.is_external() || bytes.len() != length {
        return Err(format!("{:?} holds {} bytes, {length} are needed", tensor.name(), bytes.len()));
    }
    let halves = bytes.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
    Ok(halves.take(count).map(|nibble| value(i32::from(nibble))).collect())
}

/// The values of a float32 or float16 tensor.
pub(super) fn floats(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    let values = match tensor.element() {
        Ok(DataType::Float16) => {
            tensor.values::<f16>().map(|values| values.into_iter().map(f16::to_f32).collect())
        }
        _ => tensor.values(),
    };
    values.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(
        quantized: &TensorProto,
        scale: &[f32],
        zero: &[i8],
        layout: Layout,
    ) -> Result<Vec<f32>, String> {
        let scale = TensorProto::new("s", &[scale.len() as i64], scale);
        let zero = TensorProto::new("z", &[zero.len() as i64], zero);
        let zero = (!zero.dims.contains(&0)).then_some(&zero);
        dequantized("w", quantized, &scale, zero, layout)?.values().map_err(|error| error.to_string())
    }

    #[test]
    fn scales_are_for_all_for_an_axis_or_for_blocks() {
        let q = TensorProto::new("q", &[2, 3], &[-128i8, 0, 127, 1, 2, 3]);
        let all = values(&q, &[0.5], &[-1], Layout::axis(1)).unwrap();
        assert_eq!(all, [-63.5, 0.5, 64.0, 1.0, 1.5, 2.0]);
        let rows = values(&q, &[1.0, 10.0], &[0, 1], Layout::axis(0)).unwrap();
        assert_eq!(rows, [-128.0, 0.0, 127.0, 0.0, 10.0, 20.0]);
        let columns = values(&q, &[1.0, 10.0, 100.0], &[], Layout::axis(-1)).unwrap();
        assert_eq!(columns, [-128.0, 0.0, 12700.0, 1.0, 20.0, 300.0]);
        let blocks = values(&q, &[1.0, 2.0, 3.0, 4.0], &[0, 0, 0, 1], Layout { axis: 1, block: 2 }).unwrap();
        assert_eq!(blocks, [-128.0, 0.0, 254.0, 3.0, 6.0, 8.0]);
        let down = values(&q, &[1.0, 2.0, 3.0], &[], Layout { axis: 0, block: 2 }).unwrap();
        assert_eq!(down, [-128.0, 0.0, 381.0, 1.0, 4.0, 9.0]);
    }

    #[test]
    fn every_integer_type_is_read() {
        let packed = |element: DataType| TensorProto {
            dims: vec![3],
            data_type: Some(element as i32),
            raw_data: Some(vec![0xf7, 0x08].into()),
            ..TensorProto::default()
        };
        assert_eq!(integers(&packed(DataType::Int4)).unwrap(), [7, -1, -8]);
        assert_eq!(integers(&packed(DataType::Uint4)).unwrap(), [7, 15, 8]);
        assert_eq!(integers(&TensorProto::new("t", &[1], &[u16::MAX])).unwrap(), [65535]);
        assert_eq!(integers(&TensorProto::new("t", &[1], &[i32::MIN])).unwrap(), [i32::MIN]);
        let half = TensorProto::new("s", &[], &[f16::from_f32(0.5)]);
        let made =
            dequantized("w", &TensorProto::new("q", &[], &[3u8]), &half, None, Layout::axis(0)).unwrap();
        assert_eq!(made.values::<f16>().unwrap(), [f16::from_f32(1.5)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let q = TensorProto::new("q", &[2, 3], &[0i8; 6]);
        type Case<'c> = (&'c TensorProto, &'c [f32], &'c [i8], Layout, &'c str);
        let float = TensorProto::new("f", &[1], &[1.0f32]);
        let cases: [Case; 5] = [
            (&q, &[1.0; 3], &[], Layout::axis(0), "3 scales; its shape [2, 3] needs 1 or 2"),
            (&q, &[1.0; 2], &[], Layout::axis(2), "axis 2 of 2 axes"),
            (&q, &[1.0; 2], &[0; 3], Layout::axis(0), "3 zero points for 2 scales"),
            (&q, &[1.0; 3], &[], Layout { axis: 1, block: 2 }, "needs 1 or 4"),
            (&float, &[1.0], &[], Layout::axis(0), "holds FLOAT, no integers"),
        ];
        for (tensor, scale, zero, layout, expected) in cases {
            let error = values(tensor, scale, zero, layout).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let short = TensorProto { raw_data: Some(vec![0].into()), data_type: Some(22), ..q };
        assert!(integers(&short).unwrap_err().contains("holds 1 bytes, 3 are needed"));
    }
}
