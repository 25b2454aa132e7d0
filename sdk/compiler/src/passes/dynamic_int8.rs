//! Dynamic int8: linear layers multiply in int8, their inputs quantized anew in each run; no calibration.
//!
//! MatMul and Gemm by a constant matrix become DynamicQuantizeLinear, MatMulInteger, Cast and Mul, which ONNX
//! Runtime fuses into one or two nodes a layer (DynamicQuantizeMatMul; MatMulIntegerToFloat where layers share
//! an activation) at the level extended and above. A vision transformer took half the time of float32 (1.32,
//! one thread, AVX512-VNNI). Activations are uint8, weights int8. Products of two activations stay in float32.

use std::collections::{HashMap, HashSet};

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Attribute, Document, Names};
use serde::Serialize;

use super::linear::{self, Linear};
use super::weights::{self, INT8};
use super::{LeftOut, PassError, checked};
use crate::quantize::HALF_RANGE;

/// The opset that brought DynamicQuantizeLinear.
const OPSET: i64 = 11;

/// Which layers multiply in int8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicInt8Settings {
    /// Keeps weights within ±64: on x86 without VNNI the kernels add pairs of products in 16 bits, and would
    /// saturate. It costs one bit of every weight.
    pub half_range: bool,
    /// Layers of fewer weights (K · N) stay in float32: quantizing their input costs more than they save. With
    /// 197 rows a layer of 64 x 64 lost 7 %, one of 96 x 96 won 30 % (ONNX Runtime 1.32, AVX512-VNNI).
    pub min_weights: usize,
}

impl Default for DynamicInt8Settings {
    fn default() -> Self {
        Self { half_range: false, min_weights: 8192 }
    }
}

/// What multiplies in int8 now, and what that cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DynamicInt8Report {
    /// There are no linear layers in float32.
    pub nothing_to_do: bool,
    /// Layers that multiply in int8.
    pub layers: Vec<DynamicLayer>,
    /// Layers that stay in float32.
    pub left_out: Vec<LeftOut>,
    /// Activations that are quantized; layers that read the same share it.
    pub activations: usize,
    /// Bytes by which the file is smaller.
    pub saved: usize,
    /// The largest [`DynamicLayer::error`].
    pub max_error: f64,
}

/// A layer that multiplies in int8.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DynamicLayer {
    /// Its node.
    pub name: String,
    /// Multiplications for each row of its input.
    pub weights: usize,
    /// Σ(w - stored)² ÷ Σw² of its weights.
    pub error: f64,
}

/// A weight as MatMulInteger reads it.
#[derive(Clone)]
struct Codes {
    codes: String,
    scales: String,
    error: f64,
}

/// An activation as MatMulInteger reads it.
#[derive(Clone)]
struct Quantized {
    codes: String,
    scale: String,
    zero_point: String,
}

/// What is made on the way.
struct Rewrite<'r> {
    settings: &'r DynamicInt8Settings,
    names: Names,
    /// By initializer and whether it is transposed.
    weights: HashMap<(usize, bool), Codes>,
    /// By the float32 value.
    activations: HashMap<String, Quantized>,
    /// Names of float32 weights that a layer no longer reads.
    replaced: HashSet<String>,
    report: DynamicInt8Report,
}

/// Makes MatMul and Gemm by a constant matrix, in the main graph, multiply in int8. Weights have a scale for
/// each column; each activation is quantized once.
///
/// # Errors
/// An opset below 11; a weight whose bytes do not fit its shape.
pub fn dynamic_int8(
    document: &mut Document,
    settings: &DynamicInt8Settings,
) -> Result<DynamicInt8Report, PassError> {
    checked("dynamic_int8", document, |document| {
        if let Some(found) = document.opset("").filter(|&opset| opset < OPSET) {
            return Err(PassError::TooOld { pass: "dynamic_int8", found, needed: OPSET });
        }
        let before = document.encoded_len();
        let graph = &mut document.graph;
        let mut rewrite = Rewrite {
            settings,
            names: Names::of(graph),
            weights: HashMap::new(),
            activations: HashMap::new(),
            replaced: HashSet::new(),
            report: DynamicInt8Report::default(),
        };
        rewrite.graph(graph)?;
        linear::drop_unread(graph, &rewrite.replaced);
        let mut report = rewrite.report;
        report.nothing_to_do = report.layers.is_empty() && report.left_out.is_empty();
        report.activations = rewrite.activations.len();
        report.saved = before.saturating_sub(document.encoded_len());
        report.max_error = weights::largest(report.layers.iter().map(|layer| layer.error));
        Ok(report)
    })
}

impl Rewrite<'_> {
    fn graph(&mut self, graph: &mut GraphProto) -> Result<(), PassError> {
        let constants = linear::constants(graph);
        for node in std::mem::take(&mut graph.node) {
            let codes = match Linear::of(&node, &graph.initializer, &constants) {
                Ok(None) => None,
                Ok(Some(layer)) => self.weight(graph, &node, &layer)?,
                Err(reason) => self.leave(&node, reason),
            };
            match codes {
                Some(codes) => self.layer(&node, &codes, &mut graph.node),
                None => graph.node.push(node),
            }
        }
        Ok(())
    }

    /// The codes of a layer's weight, made with the first layer that reads it; `None` where the layer stays.
    fn weight(
        &mut self,
        graph: &mut GraphProto,
        node: &NodeProto,
        layer: &Linear,
    ) -> Result<Option<Codes>, PassError> {
        if layer.k * layer.n < self.settings.min_weights {
            return Ok(self.leave(node, "it is too small"));
        }
        let key = (layer.weight, layer.transposed);
        if !self.weights.contains_key(&key) {
            let tensor = &graph.initializer[layer.weight];
            let values = layer.by_row(tensor)?;
            if !weights::is_finite(&values) {
                return Ok(self.leave(node, weights::NOT_FINITE));
            }
            let name = tensor.name().to_owned();
            let dims = [layer.k as i64, layer.n as i64];
            let limit = if self.settings.half_range { HALF_RANGE as f32 } else { INT8 };
            let made = weights::symmetric(&values, &dims, 1, limit);
            let [codes, scales] = ["i8", "scales"].map(|what| self.names.fresh(&format!("{name}_{what}")));
            graph.initializer.push(TensorProto::new(&codes, &dims, &made.codes));
            graph.initializer.push(TensorProto::new(&scales, &dims[1..], &made.scales));
            self.weights.insert(key, Codes { codes, scales, error: made.error });
            self.replaced.insert(name);
        }
        let codes = self.weights[&key].clone();
        let told =
            DynamicLayer { name: node.label().to_owned(), weights: layer.k * layer.n, error: codes.error };
        self.report.layers.push(told);
        Ok(Some(codes))
    }

    fn leave(&mut self, node: &NodeProto, reason: &'static str) -> Option<Codes> {
        self.report.left_out.push(LeftOut { name: node.label().to_owned(), reason });
        None
    }

    /// Writes the nodes of a layer. ONNX Runtime's fusions look for this form and order.
    fn layer(&mut self, node: &NodeProto, weight: &Codes, nodes: &mut Vec<NodeProto>) {
        let x = self.activation(&node.input[0], nodes);
        let output = &node.output[0];
        let [sums, float, scale] =
            ["sums", "float", "scale"].map(|what| self.names.fresh(&format!("{output}_{what}")));
        let (product, bias) = linear::with_bias(node, &mut self.names);
        let mut name = |what| self.names.fresh(&format!("{}_{what}", node.label()));
        nodes.extend([
            NodeProto::new("MatMulInteger", node.name(), &[&x.codes, &weight.codes, &x.zero_point], &[&sums]),
            NodeProto::new("Cast", &name("cast"), &[&sums], &[&float])
                .with("to", Attribute::Int(DataType::Float as i64)),
            NodeProto::new("Mul", &name("scale"), &[&x.scale, &weight.scales], &[&scale]),
            NodeProto::new("Mul", &name("rescale"), &[&float, &scale], &[&product]),
        ]);
        nodes.extend(bias);
    }

    /// An activation's codes, made before the first layer that reads it.
    fn activation(&mut self, name: &str, nodes: &mut Vec<NodeProto>) -> Quantized {
        if let Some(known) = self.activations.get(name) {
            return known.clone();
        }
        let [codes, scale, zero_point] =
            ["u8", "u8_scale", "u8_zero"].map(|what| self.names.fresh(&format!("{name}_{what}")));
        let node_name = self.names.fresh(&format!("{name}_quantize"));
        let outputs = [codes.as_str(), &scale, &zero_point];
        nodes.push(NodeProto::new("DynamicQuantizeLinear", &node_name, &[name], &outputs));
        let made = Quantized { codes, scale, zero_point };
        self.activations.insert(name.to_owned(), made.clone());
        made
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{document, graph, node, ops};
    use super::*;

    fn weight(name: &str, dims: &[i64]) -> TensorProto {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|index| (index % 7) as f32 - 3.0).collect();
        TensorProto::new(name, dims, &values)
    }

    fn settings(min_weights: usize) -> DynamicInt8Settings {
        DynamicInt8Settings { min_weights, ..DynamicInt8Settings::default() }
    }

    #[test]
    fn layers_of_one_activation_share_its_codes() {
        let nodes = vec![
            node("MatMul", &["x", "w"], &["a"]),
            node("Gemm", &["x", "v", "bias"], &["b"]).with("transB", Attribute::Int(1)),
            node("MatMul", &["a", "b"], &["y"]),
        ];
        let weights = vec![weight("w", &[4, 6]), weight("v", &[6, 4]), weight("bias", &[6])];
        let mut document = document(graph(&["x"], &["y"], nodes), weights);
        let report = dynamic_int8(&mut document, &settings(1)).unwrap();
        assert_eq!((report.layers.len(), report.activations), (2, 1));
        let layer = ["MatMulInteger", "Cast", "Mul", "Mul"];
        let expected = [&["DynamicQuantizeLinear"][..], &layer, &layer, &["Add", "MatMul"]].concat();
        assert_eq!(ops(&document), expected);
        let names: Vec<_> = document.graph.initializers().collect();
        assert_eq!(names, ["bias", "w_i8", "w_scales", "v_i8", "v_scales"]);
        assert_eq!(document.graph.tensor("v_i8").unwrap().dims, [4, 6]);
        assert_eq!(document.graph.tensor("v_scales").unwrap().dims, [6]);
    }

    #[test]
    fn weights_keep_within_half_the_range_where_asked() {
        for (half_range, largest) in [(false, 127), (true, 64)] {
            let nodes = vec![node("MatMul", &["x", "w"], &["y"])];
            let mut document = document(graph(&["x"], &["y"], nodes), vec![weight("w", &[4, 7])]);
            dynamic_int8(&mut document, &DynamicInt8Settings { half_range, ..settings(1) }).unwrap();
            let codes = document.graph.tensor("w_i8").unwrap().values::<i8>().unwrap();
            assert_eq!(codes.iter().map(|code| code.unsigned_abs()).max(), Some(largest));
        }
    }

    #[test]
    fn what_stays_says_why_and_keeps_its_weight() {
        let nodes = vec![
            node("MatMul", &["x", "w"], &["b"]),
            node("MatMul", &["b", "small"], &["c"]),
            node("MatMul", &["c", "nan"], &["d"]),
            node("Gemm", &["d", "w"], &["y"]).with("alpha", Attribute::Float(2.0)),
        ];
        let weights = vec![
            weight("w", &[4, 4]),
            weight("small", &[2, 2]),
            TensorProto::new("nan", &[4, 4], &[f32::NAN; 16]),
        ];
        let mut document = document(graph(&["x"], &["y"], nodes), weights);
        let report = dynamic_int8(&mut document, &settings(16)).unwrap();
        assert_eq!(report.layers.iter().map(|layer| &layer.name[..]).collect::<Vec<_>>(), ["b"]);
        let left: Vec<_> = report.left_out.iter().map(|left| (&left.name[..], left.reason)).collect();
        let expected = [("c", "it is too small"), ("d", weights::NOT_FINITE), ("y", linear::SCALED)];
        assert_eq!(left, expected);
        assert!(document.graph.tensor("w").is_some());
    }

    #[test]
    fn an_old_opset_is_refused() {
        let mut document = document(graph(&["x"], &["x"], vec![]), vec![]);
        document.set_opset("", 10);
        let message = dynamic_int8(&mut document, &settings(1)).unwrap_err().to_string();
        assert!(message.contains("opset 10") && message.contains("opset pass comes first"), "{message}");
    }
}
