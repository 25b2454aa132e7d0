//! How large a folded result can get, known before it is computed; `None` for what is not folded.

use farsight_graph::Links;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{NodeProto, TensorProto};

/// An upper bound on the bytes of all outputs of a node whose inputs are all constants and whose result is
/// exact on every machine. `None` for every other node.
pub(super) fn result_bytes(node: &NodeProto, links: &Links) -> Option<usize> {
    if !node.in_default_domain() || node.subgraphs().next().is_some() {
        return None;
    }
    let tensors = node.input.iter().filter(|name| !name.is_empty()).map(|name| links.tensor(name));
    let inputs: Vec<&TensorProto> = tensors.collect::<Option<_>>()?;
    let first = *inputs.first()?;
    if inputs.iter().any(|tensor| tensor.is_external() || tensor.byte_len().is_err()) {
        return None;
    }
    let count = match node.op_type() {
        // Shape and Size give one int64 an axis and one; their input may be anything.
        "Shape" | "Size" => first.dims.len().max(1),
        "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Flatten" | "Slice" | "Split"
        | "DepthToSpace" | "SpaceToDepth" => first.count().ok()?,
        "Concat" => inputs.iter().try_fold(0usize, |sum, tensor| sum.checked_add(tensor.count().ok()?))?,
        "Gather" => gathered(node, &inputs)?,
        "GatherElements" => inputs.get(1)?.count().ok()?,
        "Cast" if !is_half(first) => first.count().ok()?,
        "Expand" => broadcast(&[first.dims.clone(), small(inputs.get(1)?)?])?,
        "Tile" => first.count().ok()?.checked_mul(product(&small(inputs.get(1)?)?)?)?,
        "ConstantOfShape" => product(&small(first)?)?,
        "Range" => range(&inputs)?,
        "Neg" | "Abs" | "Floor" | "Ceil" | "Sqrt" | "Sign" | "Not" if is_exact(&inputs) => {
            first.count().ok()?
        }
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Where" | "Equal" | "Less" | "Greater"
        | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor"
            if is_exact(&inputs) =>
        {
            broadcast(&inputs.iter().map(|tensor| tensor.dims.clone()).collect::<Vec<_>>())?
        }
        "ReduceProd" | "ReduceSum" | "ReduceMin" | "ReduceMax" | "Mod" if is_integer(&inputs) => {
            broadcast(&inputs.iter().map(|tensor| tensor.dims.clone()).collect::<Vec<_>>())
                .unwrap_or(first.count().ok()?)
        }
        _ => return None,
    };
    // Casts and comparisons change the type: eight bytes is the widest there is.
    let widest = inputs.iter().filter_map(|tensor| tensor.byte_len().ok()?.checked_div(tensor.count().ok()?));
    let keeps = !matches!(node.op_type(), "Cast" | "Shape" | "Size" | "ConstantOfShape");
    let element = if keeps { widest.max().unwrap_or(8).max(1) } else { 8 };
    count.checked_mul(element)
}

fn is_half(tensor: &TensorProto) -> bool {
    !matches!(tensor.element(), Ok(element) if is_integer_type(element) || is_wide_float(element))
}

fn is_exact(inputs: &[&TensorProto]) -> bool {
    inputs.iter().all(|tensor| !is_half(tensor))
}

fn is_integer(inputs: &[&TensorProto]) -> bool {
    inputs.iter().all(|tensor| tensor.element().is_ok_and(is_integer_type))
}

fn is_wide_float(element: DataType) -> bool {
    matches!(element, DataType::Float | DataType::Double)
}

fn is_integer_type(element: DataType) -> bool {
    matches!(
        element,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Uint8
            | DataType::Uint16
            | DataType::Uint32
            | DataType::Uint64
            | DataType::Bool
    )
}

/// The values of a small integer constant: a shape, repeats.
fn small(tensor: &TensorProto) -> Option<Vec<i64>> {
    (tensor.count().ok()? <= 64).then(|| tensor.integers().ok())?
}

fn product(dims: &[i64]) -> Option<usize> {
    dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(usize::try_from(dim).ok()?))
}

/// Elements of the shape that these shapes broadcast to; an upper bound where they do not fit.
fn broadcast(shapes: &[Vec<i64>]) -> Option<usize> {
    let rank = shapes.iter().map(Vec::len).max()?;
    let axis = |shape: &Vec<i64>, axis: usize| (axis + shape.len()).checked_sub(rank).map(|at| shape[at]);
    let dims: Vec<i64> =
        (0..rank).map(|at| shapes.iter().filter_map(|shape| axis(shape, at)).max().unwrap_or(1)).collect();
    product(&dims)
}

fn gathered(node: &NodeProto, inputs: &[&TensorProto]) -> Option<usize> {
    let data = &inputs.first()?.dims;
    let axis = node.int("axis").unwrap_or(0);
    let axis = usize::try_from(if axis < 0 { axis.checked_add(data.len() as i64)? } else { axis }).ok()?;
    let mut rest = data.clone();
    *rest.get_mut(axis)? = 1;
    product(&rest)?.checked_mul(inputs.get(1)?.count().ok()?)
}

/// Values of a Range: `ceil((limit - start) / delta)`, for the integers that shapes are made of.
fn range(inputs: &[&TensorProto]) -> Option<usize> {
    let scalar = |tensor: &&TensorProto| match small(tensor)?[..] {
        [value] => Some(i128::from(value)),
        _ => None,
    };
    let [start, limit, delta] = inputs.iter().map(scalar).collect::<Option<Vec<_>>>()?[..] else {
        return None;
    };
    let steps = (limit - start).checked_div(delta)?.checked_add(1)?;
    usize::try_from(steps.max(0)).ok()
}
