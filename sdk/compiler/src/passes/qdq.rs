//! Static int8: QuantizeLinear and DequantizeLinear around the nodes that shall compute in int8.
//!
//! The form is the one that ONNX Runtime fuses (`qdq_transformer`): one pair for each value, whatever reads it;
//! a pair behind every quantized layer, or its kernel stays float; weights as DequantizeLinear of int8, one scale
//! for each output channel (where the target takes that); biases as int32 with the scale of the products.

mod weights;

use std::collections::{HashMap, HashSet};

use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Document, Names};
use farsight_spec::ActivationType;
use serde::Serialize;

use super::{PassError, checked};
use crate::calibrate::QParams;
use crate::quantize::value_inputs;

/// What is quantized, and how.
#[derive(Debug, Clone)]
pub struct QdqSettings {
    /// Places of the nodes that shall compute in int8.
    pub nodes: HashSet<usize>,
    /// Scale and zero point of the values between them; one without stays float.
    pub grids: HashMap<String, QParams>,
    /// The type of activations.
    pub activation: ActivationType,
    /// The greatest magnitude of an int8 weight: 127, or 64 where kernels saturate.
    pub weight_limit: i32,
    /// Whether a weight has a scale for each output channel; else it has one.
    pub per_channel: bool,
}

/// What was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QdqReport {
    /// Values that have a QuantizeLinear and a DequantizeLinear now.
    pub values: usize,
    /// Weights that are int8 now.
    pub weights: usize,
    /// Biases that are int32 now.
    pub biases: usize,
}

/// Puts QuantizeLinear and DequantizeLinear around the nodes of the main graph that shall compute in int8.
/// The model must be of opset 13 or newer: scales for each channel begin there.
///
/// # Errors
/// A weight that cannot be read, or an older opset.
pub fn qdq(document: &mut Document, settings: &QdqSettings) -> Result<QdqReport, PassError> {
    checked("qdq", document, |document| {
        let opset = document.opset("").unwrap_or(0);
        if opset < OLDEST {
            return Err(PassError::TooOld { pass: "qdq", found: opset, needed: OLDEST });
        }
        // 16-bit levels are ONNX's own from opset 21 on; ONNX Runtime's domain has them earlier.
        let foreign = settings.activation == ActivationType::U16 && opset < 21;
        if foreign {
            document.set_opset("com.microsoft", 1);
        }
        let mut rewrite = Rewrite {
            settings,
            domain: if foreign { "com.microsoft" } else { "" },
            names: Names::of(&document.graph),
            nodes: Vec::new(),
            initializers: Vec::new(),
            read_as: HashMap::new(),
            weights: HashMap::new(),
            report: QdqReport::default(),
        };
        rewrite.graph(&document.graph)?;
        document.graph.node = rewrite.nodes;
        document.graph.initializer.append(&mut rewrite.initializers);
        let report = rewrite.report;
        document.graph.sweep();
        Ok(report)
    })
}

const OLDEST: i64 = 13;

struct Rewrite<'s> {
    settings: &'s QdqSettings,
    domain: &'static str,
    names: Names,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    /// What int8 nodes read in a value's place.
    read_as: HashMap<String, String>,
    /// Quantized weights by name and axis, with their scales: a weight may serve many layers.
    weights: HashMap<(String, Option<i64>), weights::Quantized>,
    report: QdqReport,
}

impl Rewrite<'_> {
    fn graph(&mut self, graph: &GraphProto) -> Result<(), PassError> {
        let links = graph.links();
        for input in &graph.input {
            self.after_float(input.name());
        }
        for (index, node) in graph.node.iter().enumerate() {
            let mut node = node.clone();
            if !self.settings.nodes.contains(&index) {
                let made = node.output.clone();
                self.nodes.push(node);
                made.iter().for_each(|value| self.after_float(value));
                continue;
            }
            let values: Vec<String> =
                value_inputs(&graph.node[index], &links).into_iter().map(str::to_owned).collect();
            let scale =
                values.first().and_then(|value| self.settings.grids.get(value)).map(|grid| grid.scale);
            self.quantize_constants(&mut node, &links, scale)?;
            for input in &mut node.input {
                if let Some(new) = values.contains(input).then(|| self.read_as.get(input)).flatten() {
                    input.clone_from(new);
                }
            }
            let pairs = self.before_pair(&mut node);
            self.nodes.push(node);
            for (raw, value) in pairs {
                self.pair(&raw, &value, Some(&value));
            }
        }
        Ok(())
    }

    /// A value that a float node makes: float nodes go on reading it, int8 nodes read it quantized.
    fn after_float(&mut self, value: &str) {
        if self.settings.grids.contains_key(value) {
            let dequantized = self.pair(value, value, None);
            self.read_as.insert(value.to_owned(), dequantized);
        }
    }

    /// The outputs of an int8 node get new names, since all readers read them quantized under the old ones.
    fn before_pair(&mut self, node: &mut NodeProto) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for output in &mut node.output {
            if self.settings.grids.contains_key(output.as_str()) {
                let raw = self.names.fresh(&format!("{output}_raw"));
                pairs.push((raw.clone(), std::mem::replace(output, raw)));
            }
        }
        pairs
    }

    /// Adds QuantizeLinear and DequantizeLinear behind `from` on the grid of `value`. Returns what to read.
    fn pair(&mut self, from: &str, value: &str, result: Option<&str>) -> String {
        let grid = self.settings.grids[value];
        let scale = self.constant(&format!("{value}_scale"), &[], &[grid.scale]);
        let zero_point = self.zero_point(value, grid.zero_point);
        let quantized = self.names.fresh(&format!("{value}_quantized"));
        let result = result.map_or_else(|| self.names.fresh(&format!("{value}_dequantized")), str::to_owned);
        self.node("QuantizeLinear", &[from, &scale, &zero_point], &quantized);
        self.node("DequantizeLinear", &[&quantized, &scale, &zero_point], &result);
        self.report.values += 1;
        result
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str) {
        let name = self.names.fresh(&format!("{output}_{op}"));
        let mut node = NodeProto::new(op, &name, inputs, &[output]);
        if !self.domain.is_empty() {
            node.domain = Some(self.domain.to_owned());
        }
        self.nodes.push(node);
    }

    fn zero_point(&mut self, value: &str, level: i32) -> String {
        let stem = format!("{value}_zero_point");
        match self.settings.activation {
            ActivationType::U8 => self.constant(&stem, &[], &[level as u8]),
            ActivationType::S8 => self.constant(&stem, &[], &[level as i8]),
            ActivationType::U16 => self.constant(&stem, &[], &[level as u16]),
        }
    }

    fn constant<T: farsight_graph::Element>(&mut self, stem: &str, dims: &[i64], values: &[T]) -> String {
        let name = self.names.fresh(stem);
        self.initializers.push(TensorProto::new(&name, dims, values));
        name
    }
}

#[cfg(test)]
mod tests;
