//! int8 storage: large float32 weights are kept as int8 with a scale a channel, made float32 again at load.
//!
//! A Cast and a Mul make the old name. Both read constants only, so ONNX Runtime computes them while it loads
//! (seen with 1.32 at the levels basic and all, and no session option: no Cast or Mul is left in its graph,
//! and Conv, ConvTranspose, Gemm, MatMul and Gather read plain float32 initializers). A DequantizeLinear
//! would stay and run each time. At level off both run each time, too. The arithmetic of the model, and so
//! its speed, is that of float32.

use farsight_graph::{Document, Names};
use serde::Serialize;

use super::weights::{self, StoredInt8};
use super::{LeftOut, PassError, checked};

/// Which weights are stored as int8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int8WeightsSettings {
    /// Smaller float32 initializers stay: a Cast and a Mul cost more than they do.
    pub min_bytes: usize,
}

impl Default for Int8WeightsSettings {
    fn default() -> Self {
        Self { min_bytes: 1024 }
    }
}

/// What was stored as int8, and what that cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Int8WeightsReport {
    /// There are no large float32 weights.
    pub nothing_to_do: bool,
    /// Weights that are int8 now.
    pub stored: Vec<StoredInt8>,
    /// Large float32 weights that stay float32.
    pub left_out: Vec<LeftOut>,
    /// Bytes by which the file is smaller.
    pub saved: usize,
    /// The largest [`StoredInt8::error`].
    pub max_error: f64,
}

/// Stores large float32 initializers of the main graph that are weights of Conv, ConvTranspose, Gemm or
/// MatMul, or tables of Gather, as int8. The codes are symmetric within ±127; there is a scale for each output
/// channel, or for each row of a table. No reader changes.
///
/// # Errors
/// A weight whose bytes do not fit its shape.
pub fn int8_weights(
    document: &mut Document,
    settings: &Int8WeightsSettings,
) -> Result<Int8WeightsReport, PassError> {
    checked("int8_weights", document, |document| {
        let before = document.encoded_len();
        let mut names = Names::of(&document.graph);
        let (found, left_out) = weights::large_weights(&document.graph, settings.min_bytes)?;
        let mut report = Int8WeightsReport { left_out, ..Int8WeightsReport::default() };
        let mut nodes = Vec::new();
        for weight in found {
            let (made, stored) = weights::store_int8(&mut document.graph, weight, &mut names)?;
            nodes.extend(made);
            report.stored.push(stored);
        }
        document.graph.node.splice(0..0, nodes);
        report.nothing_to_do = report.stored.is_empty() && report.left_out.is_empty();
        report.saved = before.saturating_sub(document.encoded_len());
        report.max_error = weights::largest(report.stored.iter().map(|stored| stored.error));
        Ok(report)
    })
}

#[cfg(test)]
mod tests {
    use farsight_graph::onnx::{NodeProto, TensorProto};

    use super::super::testing::{document, graph, node, ops};
    use super::*;

    #[test]
    fn a_weight_becomes_codes_a_cast_and_a_product() {
        let nodes = vec![
            node("MatMul", &["x", "w"], &["a"]),
            node("MatMul", &["a", "small"], &["b"]),
            node("MatMul", &["b", "nan"], &["c"]),
            node("Add", &["c", "table"], &["y"]),
        ];
        let values: Vec<f32> = (0..512).map(|index| (index % 16) as f32 - 8.0).collect();
        let mut document = document(
            graph(&["x"], &["y"], nodes),
            vec![
                TensorProto::new("w", &[32, 16], &values),
                TensorProto::new("small", &[16, 15], &[1.0f32; 240]),
                TensorProto::new("nan", &[16, 16], &[f32::NAN; 256]),
                TensorProto::new("table", &[16, 16], &[1.0f32; 256]),
            ],
        );
        let report = int8_weights(&mut document, &Int8WeightsSettings::default()).unwrap();
        assert_eq!((report.stored.len(), &report.stored[0].name[..], report.stored[0].axis), (1, "w", 1));
        // A column holds one magnitude.
        assert!(report.max_error < 1e-12, "{}", report.max_error);
        assert!((1200..1500).contains(&report.saved), "{}", report.saved);
        let left: Vec<_> = report.left_out.iter().map(|left| left.name.as_str()).collect();
        assert_eq!(left, ["nan", "table"]);
        assert_eq!(ops(&document), ["Cast", "Mul", "MatMul", "MatMul", "MatMul", "Add"]);
        let [cast, mul] = [0, 1].map(|index: usize| -> &NodeProto { &document.graph.node[index] });
        assert_eq!(
            (&cast.input, &mul.input[0], &mul.output[0][..]),
            (&vec!["w_i8".into()], &cast.output[0], "w")
        );
        assert_eq!(document.graph.tensor("w_i8").unwrap().dims, [32, 16]);
        assert_eq!(document.graph.tensor(&mul.input[1]).unwrap().dims, [1, 16]);
    }

    #[test]
    fn the_second_time_there_is_nothing_to_do() {
        let weights = vec![TensorProto::new("w", &[32, 16], &[1.0f32; 512])];
        let mut document =
            document(graph(&["x"], &["y"], vec![node("MatMul", &["x", "w"], &["y"])]), weights);
        assert!(!int8_weights(&mut document, &Int8WeightsSettings::default()).unwrap().nothing_to_do);
        let before = document.clone();
        assert!(int8_weights(&mut document, &Int8WeightsSettings::default()).unwrap().nothing_to_do);
        assert_eq!(document, before);
    }
}
