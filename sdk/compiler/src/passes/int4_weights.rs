//! 4-bit weights: linear layers become MatMulNBits; the other large weights are stored as int8.
//!
//! MatMulNBits is ONNX Runtime's own operator (domain `com.microsoft`), with 4 bits on its CPU from 1.17 on.
//! `accuracy_level` 4 lets it multiply in int8. This saves file size and memory, not time: with many rows at once
//! it is about as fast as float32, or slower.

use std::collections::HashMap;

use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Attribute, Document, Names};
use serde::Serialize;

use super::linear::{self, Linear};
use super::nbits::{self, Blocks};
use super::weights::{self, StoredInt8};
use super::{LeftOut, PassError, checked};

/// Which weights are stored in 4 bits, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Int4WeightsSettings {
    /// Smaller float32 initializers stay.
    pub min_bytes: usize,
    /// The error, Σ(w - stored)² ÷ Σw², that a weight may have: the coarsest of the blocks of 128, 64, 32 and
    /// 16 values within it is taken, or the finest.
    pub max_error: f64,
}

impl Default for Int4WeightsSettings {
    fn default() -> Self {
        Self { min_bytes: 1024, max_error: 0.008 }
    }
}

/// What was stored in 4 bits, and what that cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Int4WeightsReport {
    /// There are no large float32 weights.
    pub nothing_to_do: bool,
    /// Weights that have 4 bits now.
    pub packed: Vec<PackedWeight>,
    /// Weights that are int8 now.
    pub stored: Vec<StoredInt8>,
    /// Large float32 weights that stay float32.
    pub left_out: Vec<LeftOut>,
    /// Bytes by which the file is smaller.
    pub saved: usize,
    /// The largest [`PackedWeight::error`].
    pub max_error: f64,
}

/// A weight stored in 4 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackedWeight {
    /// Its name.
    pub name: String,
    /// Values that share a scale.
    pub block: usize,
    /// Whether each block has a zero point of its own.
    pub zero_points: bool,
    /// Σ(w - stored)² ÷ Σw².
    pub error: f64,
}

/// Names of the constants that a MatMulNBits reads, and their form.
struct Packed {
    inputs: Vec<String>,
    block: usize,
}

/// Makes MatMul and Gemm by a large constant matrix read 4-bit weights (MatMulNBits, and an Add for a Gemm's
/// bias), and stores the other large weights of the main graph as [`int8_weights`](super::int8_weights())
/// does.
///
/// # Errors
/// A weight whose bytes do not fit its shape.
pub fn int4_weights(
    document: &mut Document,
    settings: &Int4WeightsSettings,
) -> Result<Int4WeightsReport, PassError> {
    checked("int4_weights", document, |document| {
        let before = document.encoded_len();
        let graph = &mut document.graph;
        let mut names = Names::of(graph);
        let (found, left_out) = weights::large_weights(graph, settings.min_bytes)?;
        let mut report = Int4WeightsReport { left_out, ..Int4WeightsReport::default() };
        let layers = layers(graph);
        let mut matrices = matrices(graph, &layers);
        let mut packed = HashMap::new();
        let mut storage = Vec::new();
        for weight in found {
            if let Some(layer) = matrices.remove(&weight.index) {
                let (made, told) = pack(graph, &layer, settings.max_error, &mut names)?;
                packed.insert(weight.index, made);
                report.packed.push(told);
            } else {
                let (nodes, stored) = weights::store_int8(graph, weight, &mut names)?;
                storage.extend(nodes);
                report.stored.push(stored);
            }
        }
        replace(graph, &layers, &packed, &mut names);
        document.graph.node.splice(0..0, storage);
        if !packed.is_empty() {
            document.set_opset("com.microsoft", 1);
        }
        report.nothing_to_do =
            report.packed.is_empty() && report.stored.is_empty() && report.left_out.is_empty();
        report.saved = before.saturating_sub(document.encoded_len());
        report.max_error = weights::largest(report.packed.iter().map(|packed| packed.error));
        Ok(report)
    })
}

/// The linear layers, by the place of their node.
fn layers(graph: &GraphProto) -> HashMap<usize, Linear> {
    let constants = linear::constants(graph);
    let layer = |node| Linear::of(node, &graph.initializer, &constants).ok().flatten();
    graph.node.iter().enumerate().filter_map(|(index, node)| Some((index, layer(node)?))).collect()
}

/// The initializers that only linear layers read and that are smaller in 4 bits than as int8, each with one of
/// its layers. All layers of a weight that has one axis for its scales see it alike.
fn matrices(graph: &GraphProto, layers: &HashMap<usize, Linear>) -> HashMap<usize, Linear> {
    let links = graph.links();
    let only = |layer: &&Linear| {
        let name = graph.initializer[layer.weight].name();
        links.consumers(name).iter().all(|reader| layers.contains_key(reader))
    };
    let smaller = |layer: &&Linear| nbits::smallest(layer.k).row_bytes(layer.k) < layer.k + 4;
    layers.values().filter(only).filter(smaller).map(|layer| (layer.weight, layer.clone())).collect()
}

/// Puts the codes of a layer's weight in its place, and its scales and zero points beside it.
fn pack(
    graph: &mut GraphProto,
    layer: &Linear,
    max_error: f64,
    names: &mut Names,
) -> Result<(Packed, PackedWeight), PassError> {
    let tensor = &graph.initializer[layer.weight];
    let name = tensor.name().to_owned();
    let made = nbits::fit(&layer.by_column(tensor)?, layer.k, max_error);
    let Blocks { form, codes, scales, zero_points, error } = made;
    let count = form.count(layer.k);
    let mut fresh = |what| names.fresh(&format!("{name}_{what}"));
    let mut inputs = vec![fresh("q4"), fresh("scales")];
    let dims = [layer.n, count, form.block / 2].map(|length| length as i64);
    graph.initializer[layer.weight] = TensorProto::new(&inputs[0], &dims, &codes);
    graph.initializer.push(TensorProto::new(&inputs[1], &[scales.len() as i64], &scales));
    if form.zero_points {
        inputs.push(fresh("zero_points"));
        graph.initializer.push(TensorProto::new(&inputs[2], &[zero_points.len() as i64], &zero_points));
    }
    let told = PackedWeight { name, block: form.block, zero_points: form.zero_points, error };
    Ok((Packed { inputs, block: form.block }, told))
}

/// Puts a MatMulNBits, and an Add for a bias, in the place of every layer whose weight is packed.
fn replace(
    graph: &mut GraphProto,
    layers: &HashMap<usize, Linear>,
    packed: &HashMap<usize, Packed>,
    names: &mut Names,
) {
    let nodes = std::mem::take(&mut graph.node);
    for (index, node) in nodes.into_iter().enumerate() {
        let found = layers.get(&index).and_then(|layer| Some((layer, packed.get(&layer.weight)?)));
        let Some((layer, packed)) = found else {
            graph.node.push(node);
            continue;
        };
        let (product, bias) = linear::with_bias(&node, names);
        let mut inputs = vec![node.input[0].as_str()];
        inputs.extend(packed.inputs.iter().map(String::as_str));
        let made = NodeProto {
            domain: Some("com.microsoft".into()),
            ..NodeProto::new("MatMulNBits", node.name(), &inputs, &[&product])
        };
        let integers = [
            ("K", layer.k),
            ("N", layer.n),
            ("bits", 4),
            ("block_size", packed.block),
            ("accuracy_level", 4),
        ];
        let with = |made: NodeProto, (name, value)| made.with(name, Attribute::Int(value as i64));
        graph.node.push(integers.into_iter().fold(made, with));
        graph.node.extend(bias);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{document, graph, node, ops};
    use super::*;

    fn ramp(name: &str, dims: &[i64]) -> TensorProto {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|index| ((index * 37 % 101) as f32 - 50.0) / 50.0).collect();
        TensorProto::new(name, dims, &values)
    }

    #[test]
    fn layers_read_four_bits_and_other_weights_are_int8() {
        let nodes = vec![
            node("Conv", &["x", "kernel"], &["a"]),
            node("MatMul", &["a", "w"], &["b"]),
            node("Gemm", &["b", "v", "bias"], &["c"]).with("transB", Attribute::Int(1)),
            node("Gemm", &["c", "scaled"], &["d"]).with("alpha", Attribute::Float(0.5)),
            node("MatMul", &["d", "tied"], &["e"]),
            node("Gather", &["tied", "f"], &["g"]).with("axis", Attribute::Int(1)),
            node("MatMul", &["g", "short"], &["h"]),
            node("Add", &["e", "large"], &["y"]),
        ];
        let weights = vec![
            ramp("kernel", &[16, 4, 3, 3]),
            ramp("w", &[40, 32]),
            ramp("v", &[24, 32]),
            ramp("bias", &[24]),
            ramp("scaled", &[24, 24]),
            ramp("tied", &[24, 24]),
            ramp("short", &[3, 400]),
            ramp("large", &[20, 20]),
        ];
        let mut document = document(graph(&["x", "f"], &["y"], nodes), weights);
        let settings = Int4WeightsSettings { max_error: 0.0, ..Int4WeightsSettings::default() };
        let report = int4_weights(&mut document, &settings).unwrap();
        let names =
            |packed: &[PackedWeight]| packed.iter().map(|weight| weight.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&report.packed), ["w", "v"]);
        let stored: Vec<_> = report.stored.iter().map(|weight| weight.name.as_str()).collect();
        assert_eq!(stored, ["kernel", "scaled", "tied", "short"]);
        let left: Vec<_> = report.left_out.iter().map(|left| left.name.as_str()).collect();
        assert_eq!(left, ["large"]);
        assert!(report.packed.iter().all(|packed| packed.block == 16 && packed.error < 0.01), "{report:?}");
        assert_eq!(ops(&document)[8..12], ["Conv", "MatMulNBits", "MatMulNBits", "Add"]);
        assert_eq!(document.opset("com.microsoft"), Some(1));
        let layer = &document.graph.node[9];
        assert_eq!((layer.int("K"), layer.int("N"), layer.int("block_size")), (Some(40), Some(32), Some(16)));
        assert_eq!((layer.int("bits"), layer.int("accuracy_level")), (Some(4), Some(4)));
        let tensor = |place: usize| document.graph.tensor(&layer.input[place]).unwrap();
        assert_eq!((&tensor(1).dims[..], &tensor(2).dims[..]), (&[32, 3, 8][..], &[96][..]));
    }

    #[test]
    fn layers_of_one_weight_share_its_codes() {
        let nodes = vec![node("MatMul", &["x", "w"], &["a"]), node("Gemm", &["a", "w"], &["y"])];
        let mut document = document(graph(&["x"], &["y"], nodes), vec![ramp("w", &[32, 32])]);
        let report = int4_weights(&mut document, &Int4WeightsSettings::default()).unwrap();
        assert_eq!((report.packed.len(), ops(&document)), (1, vec!["MatMulNBits", "MatMulNBits"]));
        assert_eq!(document.graph.node[0].input[1..], document.graph.node[1].input[1..]);
    }

    #[test]
    fn without_large_weights_nothing_changes() {
        let nodes = vec![node("MatMul", &["x", "w"], &["y"])];
        let mut document = document(graph(&["x"], &["y"], nodes), vec![ramp("w", &[4, 4])]);
        let before = document.clone();
        assert!(int4_weights(&mut document, &Int4WeightsSettings::default()).unwrap().nothing_to_do);
        assert_eq!(document, before);
    }
}
