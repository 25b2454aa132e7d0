//! Large float32 weights: which there are, along which axis each gets scales, and how one is stored as int8.

use std::collections::HashSet;

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Attribute, Links, Names};
use serde::Serialize;

use super::{LeftOut, PassError};

/// The largest int8 code. -128 stays unused, so that the codes are symmetric.
pub(super) const INT8: f32 = 127.0;

/// A large, finite float32 initializer, all of whose readers want scales along the same axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    /// Its place among the initializers.
    pub(super) index: usize,
    /// The axis with a scale for each of its indices.
    pub(super) axis: usize,
}

/// A weight stored as int8.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredInt8 {
    /// Its name.
    pub name: String,
    /// The axis that has a scale for each of its indices.
    pub axis: usize,
    /// Σ(w - stored)² ÷ Σw².
    pub error: f64,
}

/// int8 codes with a scale for each index of one axis: value = code × scale.
pub(super) struct Symmetric {
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
    /// Σ(w - code × scale)² ÷ Σw².
    pub(super) error: f64,
}

/// The weights of `min_bytes` and more, and the float32 initializers of that size and two axes or more that
/// are none, with why.
///
/// # Errors
/// A weight whose bytes do not fit its shape.
pub(super) fn large_weights(
    graph: &GraphProto,
    min_bytes: usize,
) -> Result<(Vec<Weight>, Vec<LeftOut>), PassError> {
    let links = graph.links();
    let mut found = Vec::new();
    let mut left_out = Vec::new();
    for (index, tensor) in graph.initializer.iter().enumerate() {
        // A vector is a bias or the like, or its scales would be as many as its values.
        if tensor.element()? != DataType::Float || tensor.dims.len() < 2 || tensor.byte_len()? < min_bytes {
            continue;
        }
        match scale_axis(graph, &links, tensor) {
            Ok(_) if !is_finite(&tensor.values()?) => {
                left_out.push(LeftOut { name: tensor.name().to_owned(), reason: NOT_FINITE });
            }
            Ok(axis) => found.push(Weight { index, axis }),
            Err(reason) => left_out.push(LeftOut { name: tensor.name().to_owned(), reason }),
        }
    }
    Ok((found, left_out))
}

/// Why weights with infinities or NaN stay as they are.
pub(super) const NOT_FINITE: &str = "it holds values that are not finite";

/// Whether no value is infinite or NaN.
pub(super) fn is_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// The axis that all readers of a weight agree on, or why there is none.
fn scale_axis(graph: &GraphProto, links: &Links, tensor: &TensorProto) -> Result<usize, &'static str> {
    let name = tensor.name();
    if graph.input.iter().any(|input| input.name() == name) {
        return Err("it is an input's default");
    }
    if graph.output_names().any(|output| output == name) {
        return Err("it is an output");
    }
    let mut axes = HashSet::new();
    for node in links.consumers(name).iter().map(|&reader| &graph.node[reader]) {
        let axis = reader_axis(node, name, tensor.dims.len());
        axes.insert(
            axis.ok_or(
                "it is not only a weight of Conv, ConvTranspose, Gemm or MatMul or a table of Gather",
            )?,
        );
    }
    let mut axes = axes.into_iter();
    match (axes.next(), axes.next()) {
        (None, _) => Err("nothing reads it"),
        (Some(_), Some(_)) => Err("its readers want different axes"),
        // A scale takes four bytes.
        (Some(axis), None) if tensor.dims[axis] * 4 >= tensor.dims.iter().product::<i64>() * 3 => {
            Err("its scales would take what int8 saves")
        }
        (Some(axis), None) => Ok(axis),
    }
}

/// The axis of a weight's output channels, or rows of a table, as this reader takes it.
fn reader_axis(node: &NodeProto, name: &str, rank: usize) -> Option<usize> {
    let mut places = (0..node.input.len()).filter(|&place| node.input[place] == name);
    let place = places.next().filter(|_| node.in_default_domain() && places.next().is_none())?;
    let flag = |attribute| usize::from(node.int(attribute).unwrap_or(0) != 0);
    let axis = match (node.op_type(), place) {
        ("Conv", 1) => 0,
        ("ConvTranspose", 1) => 1,
        ("Gemm", 0) => flag("transA"),
        ("Gemm", 1) => 1 - flag("transB"),
        ("MatMul", 0) if rank > 1 => rank - 2,
        ("MatMul", 1) if rank > 1 => rank - 1,
        ("Gather", 0) => {
            let axis = node.int("axis").unwrap_or(0);
            usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()?
        }
        _ => return None,
    };
    (axis < rank).then_some(axis)
}

/// Stores a weight as int8: a Cast and a Mul by its scales make the old name, so no reader changes. Returns
/// the two nodes, which belong before all others.
///
/// # Errors
/// A weight whose bytes do not fit its shape.
pub(super) fn store_int8(
    graph: &mut GraphProto,
    weight: Weight,
    names: &mut Names,
) -> Result<([NodeProto; 2], StoredInt8), PassError> {
    let tensor = &mut graph.initializer[weight.index];
    let (name, dims) = (tensor.name().to_owned(), tensor.dims.clone());
    let made = symmetric(&tensor.values()?, &dims, weight.axis, INT8);
    let [codes, float, scales] = ["i8", "float", "scales"].map(|what| names.fresh(&format!("{name}_{what}")));
    let mut broadcast = vec![1; dims.len()];
    broadcast[weight.axis] = dims[weight.axis];
    *tensor = TensorProto::new(&codes, &dims, &made.codes);
    graph.initializer.push(TensorProto::new(&scales, &broadcast, &made.scales));
    let cast = NodeProto::new("Cast", &names.fresh(&format!("{name}_cast")), &[&codes], &[&float])
        .with("to", Attribute::Int(DataType::Float as i64));
    let mul = NodeProto::new("Mul", &names.fresh(&format!("{name}_scale")), &[&float, &scales], &[&name]);
    Ok(([cast, mul], StoredInt8 { name, axis: weight.axis, error: made.error }))
}

/// Rounds to codes within ±`limit`, the largest magnitude of each index of `axis` becoming `limit`.
pub(super) fn symmetric(values: &[f32], dims: &[i64], axis: usize, limit: f32) -> Symmetric {
    let channels = dims[axis].max(1) as usize;
    let run = dims[axis + 1..].iter().product::<i64>().max(1) as usize;
    let runs = || values.chunks(run).enumerate().map(|(index, run)| (index % channels, run));
    let mut scales = vec![0.0f32; channels];
    for (channel, run) in runs() {
        scales[channel] = run.iter().fold(scales[channel], |largest, value| largest.max(value.abs()));
    }
    scales.iter_mut().for_each(|scale| *scale /= limit);
    let mut error = Error::default();
    let mut codes = Vec::with_capacity(values.len());
    for (channel, run) in runs() {
        let scale = scales[channel];
        for &value in run {
            // 0 ÷ 0 gives NaN, and that the code 0.
            let code = (value / scale).round().clamp(-limit, limit) as i8;
            error.add(value, f32::from(code) * scale);
            codes.push(code);
        }
    }
    Symmetric { codes, scales, error: error.relative() }
}

/// Sums up Σ(w - stored)² ÷ Σw².
#[derive(Default)]
pub(super) struct Error {
    lost: f64,
    all: f64,
}

impl Error {
    pub(super) fn add(&mut self, value: f32, stored: f32) {
        self.lost += f64::from(value - stored).powi(2);
        self.all += f64::from(value).powi(2);
    }

    pub(super) fn relative(&self) -> f64 {
        if self.all > 0.0 { self.lost / self.all } else { 0.0 }
    }
}

/// The largest of these, 0 of none.
pub(super) fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, node, with_body};
    use super::*;

    /// What `large_weights` says of `w`, 4 x 6 or with two more axes, read by these nodes.
    fn verdict(dims: &[i64], nodes: Vec<NodeProto>) -> Result<usize, &'static str> {
        let mut graph = graph(&["x"], &["y"], nodes);
        let count = dims.iter().product::<i64>() as usize;
        graph.initializer.push(TensorProto::new("w", dims, &vec![0.5f32; count]));
        let (found, left_out) = large_weights(&graph, 64).unwrap();
        found.first().map(|weight| weight.axis).ok_or_else(|| left_out[0].reason)
    }

    #[test]
    fn each_reader_has_its_axis() {
        let gemm = |trans: i64| node("Gemm", &["x", "w"], &["y"]).with("transB", Attribute::Int(trans));
        let gather = |axis: i64| node("Gather", &["w", "x"], &["y"]).with("axis", Attribute::Int(axis));
        let cases: [(NodeProto, &[i64], usize); 9] = [
            (node("Conv", &["x", "w"], &["y"]), &[4, 6, 3, 3], 0),
            (node("ConvTranspose", &["x", "w"], &["y"]), &[4, 6, 3, 3], 1),
            (node("MatMul", &["x", "w"], &["y"]), &[4, 6], 1),
            (node("MatMul", &["x", "w"], &["y"]), &[2, 4, 6], 2),
            (node("MatMul", &["w", "x"], &["y"]), &[4, 6], 0),
            (gemm(0), &[4, 6], 1),
            (gemm(1), &[4, 6], 0),
            (gather(0), &[4, 6], 0),
            (gather(-1), &[4, 6], 1),
        ];
        for (node, dims, axis) in cases {
            let message = format!("{} {:?}", node.op_type(), node.attribute);
            assert_eq!(verdict(dims, vec![node]), Ok(axis), "{message}");
        }
    }

    #[test]
    fn what_has_no_axis_is_left_out_and_says_why() {
        let conv = |output| node("Conv", &["x", "w"], &[output]);
        let body = graph(&[], &["t"], vec![node("Relu", &["w"], &["t"])]);
        let cases: [(Vec<NodeProto>, &[i64], &str); 6] = [
            (vec![node("Add", &["x", "w"], &["y"])], &[4, 6], "not only"),
            (vec![node("Conv", &["w", "x"], &["y"])], &[4, 6, 3, 3], "not only"),
            (vec![node("MatMul", &["w", "w"], &["y"])], &[6, 6], "not only"),
            (vec![conv("a"), node("ConvTranspose", &["a", "w"], &["y"])], &[6, 6, 1, 1], "different axes"),
            (vec![conv("y"), with_body(node("If", &["x"], &["z"]), "body", body)], &[4, 6, 1, 1], "not only"),
            (vec![conv("y")], &[30, 1, 1, 1], "scales would take"),
        ];
        for (nodes, dims, expected) in cases {
            let reason = verdict(dims, nodes).unwrap_err();
            assert!(reason.contains(expected), "{expected}: {reason}");
        }
        assert_eq!(verdict(&[4, 6], vec![node("Relu", &["x"], &["y"])]), Err("nothing reads it"));
    }

    #[test]
    fn each_channel_has_its_own_scale() {
        let values = [1.0, 100.0, -0.5, 50.0, 0.0, -100.0];
        let made = symmetric(&values, &[3, 2], 1, INT8);
        assert_eq!(made.scales, [1.0 / 127.0, 100.0 / 127.0]);
        assert_eq!(made.codes, [127, 127, -64, 64, 0, -127]);
        assert!(made.error < 1e-4);
        let made = symmetric(&values, &[3, 2], 0, 64.0);
        assert_eq!(made.scales, [100.0 / 64.0, 50.0 / 64.0, 100.0 / 64.0]);
        assert_eq!(made.codes, [1, 64, -1, 64, 0, -64]);
    }

    #[test]
    fn a_channel_of_zeros_stays_zero() {
        let made = symmetric(&[0.0, 0.0, 3.0, -3.0], &[2, 2], 0, INT8);
        assert_eq!((made.codes, made.error), (vec![0, 0, 127, -127], 0.0));
    }
}
