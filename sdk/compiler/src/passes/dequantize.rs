//! Dequantizing: a quantized model becomes the float model it stands for.
//!
//! One walk over the main graph in its order. An integer value that is made from a float one has that as its
//! *twin*; whoever dequantizes it reads the twin instead, and operators on integers become the float operators
//! between twins. Constants get the values their integers stand for.
//!
//! Rounding goes, but not what quantizing did besides: tools take a Relu or a Clip out where the range of the
//! integers that follow begins at 0. A twin of such a range is clipped to it, unless it cannot be negative.
//! Bounds elsewhere (a Clip to −1..1) cannot be told from calibrated ranges and are lost.

mod blocks;
mod constants;
mod dynamic;
mod linear;
mod operators;
#[cfg(test)]
mod tests;
mod twins;

use std::collections::{BTreeMap, HashMap, HashSet};

use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Document, Links, Names};
use serde::Serialize;

use super::{PassError, checked};
use crate::quantized::{Kind, kind};
use twins::{Params, Twin};

/// What became float.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DequantizeReport {
    /// Quantized constants that are float now.
    pub constants: usize,
    /// DequantizeLinear nodes whose readers read the float value that had been quantized.
    pub pairs: usize,
    /// Operators on integers that are float operators now.
    pub operators: usize,
    /// Clips put where a range of integers had held back negative values.
    pub clips: usize,
    /// QuantizeLinear and DequantizeLinear nodes at the model's own inputs and outputs; they stay.
    pub border: usize,
    /// Quantized nodes that stay.
    pub kept: Vec<KeptNode>,
}

/// A quantized node that could not be turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptNode {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it stays.
    pub reason: String,
}

impl DequantizeReport {
    /// What stays quantized, in words: a line for each operator and reason.
    pub fn kept_in_words(&self) -> Vec<String> {
        let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for kept in &self.kept {
            groups.entry((&kept.op, &kept.reason)).or_default().push(&kept.node);
        }
        let told = |((op, reason), nodes): ((&str, &str), Vec<&str>)| {
            let named = nodes.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = nodes.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{op} stays quantized: {reason} (nodes: {named}{more})")
        };
        groups.into_iter().map(told).collect()
    }
}

/// At most that many nodes are named in a line; all are counted.
const NAMED: usize = 8;

/// Turns quantized nodes of the main graph into float ones and takes out what nothing reads then. Weights that
/// also are inputs are no constants here (`fold` makes them so). float16 scales make float16 weights. A
/// DequantizeLinear that gave an output becomes an Identity, for `fold` to take.
///
/// # Errors
/// A graph that was not valid before. What cannot be turned back is no error: it stays and is reported.
pub fn dequantize(document: &mut Document) -> Result<DequantizeReport, PassError> {
    checked("dequantize", document, |document| {
        let source = document.graph.clone();
        let mut walk = Walk::new(&source, document.opset("").unwrap_or(0));
        source.node.iter().for_each(|node| walk.node(node));
        let Walk { nodes, initializers, same, mut report, reasons, .. } = walk;
        document.graph.node = nodes;
        document.graph.initializer.extend(initializers);
        document.graph.rename_reads(&same);
        document.graph.sweep();
        tell_kept(&document.graph, &reasons, &mut report);
        Ok(report)
    })
}

/// What is known on the way through the graph.
struct Walk<'g> {
    opset: i64,
    links: Links<'g>,
    source: &'g GraphProto,
    outputs: HashSet<&'g str>,
    constants: HashMap<&'g str, &'g TensorProto>,
    names: Names,
    /// Float values behind integer values.
    twins: HashMap<String, Twin>,
    /// Values that are gone, and what their readers read.
    same: HashMap<String, String>,
    /// What was dequantized already: the integers, how they were made, and the float value.
    made: HashMap<(String, Params), String>,
    /// Values that a node computes, not only moves.
    computed: HashSet<String>,
    /// Float values that cannot be negative.
    positive: HashSet<String>,
    /// Convolutions made from integer ones that have no bias yet: their output, and place in `nodes`.
    bare_convs: HashMap<String, usize>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    report: DequantizeReport,
    /// Why a node stays, by its first output.
    reasons: HashMap<String, String>,
}

/// What was done with a node: others are in its place (or it is taken already), or it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Replaced,
    Kept,
}

impl<'g> Walk<'g> {
    fn new(source: &'g GraphProto, opset: i64) -> Self {
        let inputs: HashSet<&str> = source.input.iter().map(|input| input.name()).collect();
        let weights = source.initializer.iter().map(|tensor| (tensor.name(), tensor));
        let mut constants: HashMap<_, _> = weights.filter(|(name, _)| !inputs.contains(name)).collect();
        for node in source.node.iter().filter(|node| node.is("Constant")) {
            if let (Some(name), Some(tensor)) = (node.output.first(), node.tensor("value")) {
                constants.insert(name, tensor);
            }
        }
        Self {
            opset,
            links: source.links(),
            source,
            outputs: source.output_names().collect(),
            constants,
            names: Names::of(source),
            twins: HashMap::new(),
            same: HashMap::new(),
            made: HashMap::new(),
            computed: HashSet::new(),
            positive: HashSet::new(),
            bare_convs: HashMap::new(),
            nodes: Vec::new(),
            initializers: Vec::new(),
            report: DequantizeReport::default(),
            reasons: HashMap::new(),
        }
    }

    /// Takes the next node: by the form it has, else as it is.
    fn node(&mut self, node: &'g NodeProto) {
        let turned = match kind(node) {
            // Nothing reads what has no name.
            _ if node.output.first().is_none_or(String::is_empty) => Ok(Turn::Kept),
            Some(Kind::Quantize) => self.quantize(node),
            Some(Kind::Dequantize) => self.dequantize(node),
            Some(Kind::QOperator) => self.integer_operator(node),
            Some(Kind::Dynamic) => self.dynamic(node),
            Some(Kind::WeightOnly) => self.weight_only(node),
            None if node.is("Mul") => self.scaled_product(node),
            None if node.is("Add") => self.bias(node),
            None => self.mover(node),
        };
        match turned {
            Ok(Turn::Replaced) => {}
            Ok(Turn::Kept) => self.push(node.clone()),
            Err(reason) => {
                self.push(node.clone());
                self.reasons.insert(node.output.first().cloned().unwrap_or_default(), reason);
            }
        }
    }

    /// The name a value has now.
    fn now(&self, name: &str) -> String {
        self.same.get(name).map_or(name, String::as_str).to_owned()
    }

    /// Readers of `old` read `new`. An output keeps its name: it becomes a copy.
    fn replace(&mut self, old: &str, new: &str) {
        if self.outputs.contains(old) {
            self.push(NodeProto::new("Identity", "", &[new], &[old]));
        } else {
            self.same.insert(old.to_owned(), new.to_owned());
        }
    }

    /// A constant tensor of the source.
    fn constant(&self, name: Option<&str>) -> Option<&'g TensorProto> {
        self.constants.get(name?).copied()
    }

    /// Adds a node, and notes whether it computes and whether its outputs cannot be negative.
    fn push(&mut self, node: NodeProto) {
        let is_positive = |name: &String| self.positive.contains(name.as_str());
        let now: Vec<String> = node.input.iter().map(|name| self.now(name)).collect();
        let moves = node.in_default_domain() && linear::is_mover(node.op_type());
        let moved = now.first().filter(|_| moves);
        if moved.is_none_or(|input| self.computed.contains(input)) {
            self.computed.extend(node.output.iter().cloned());
        }
        let positive = node.in_default_domain()
            && match node.op_type() {
                "Relu" | "Sigmoid" | "HardSigmoid" | "Softmax" | "Abs" | "Exp" | "Sqrt" | "Softplus" => true,
                "Clip" => self.lower_bound(&node).is_some_and(|bound| bound >= 0.0),
                "Add" | "Mul" | "Div" | "Concat" | "Max" => now.iter().all(is_positive),
                "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMean" | "Pow" => {
                    now.first().is_some_and(is_positive)
                }
                _ => moved.is_some_and(is_positive),
            };
        if positive {
            self.positive.extend(node.output.iter().cloned());
        }
        self.nodes.push(node);
    }

    fn lower_bound(&self, node: &NodeProto) -> Option<f32> {
        let input = || constants::floats(self.constant(node.input(1))?).ok()?.first().copied();
        node.float("min").or_else(input)
    }
}

/// Tells of the quantized nodes that are left.
fn tell_kept(graph: &GraphProto, reasons: &HashMap<String, String>, report: &mut DequantizeReport) {
    let inputs: HashSet<&str> = graph.input.iter().map(|input| input.name()).collect();
    let outputs: HashSet<&str> = graph.output_names().collect();
    let links = graph.links();
    for node in graph.node.iter().filter(|node| kind(node).is_some()) {
        let first = node.output.first().map_or("", String::as_str);
        let at_border = match kind(node) {
            Some(Kind::Quantize) => outputs.contains(first),
            Some(Kind::Dequantize) => node.input(0).is_some_and(|name| inputs.contains(name)),
            _ => false,
        };
        if at_border && !reasons.contains_key(first) {
            report.border += 1;
            continue;
        }
        let neighbour = || match kind(node) {
            Some(Kind::Quantize) => links.consumers(first).first().copied(),
            _ => node.input(0).and_then(|name| links.producer(name)),
        };
        let reason = reasons.get(first).cloned().unwrap_or_else(|| match neighbour() {
            Some(place) => format!("its integers belong to {}, which stays", graph.node[place].op_type()),
            None => "its integers come from outside".to_owned(),
        });
        report.kept.push(kept(node, reason));
    }
    let inner = graph.node.iter().flat_map(NodeProto::subgraphs);
    inner.for_each(|graph| {
        graph.visit(&mut |graph| {
            let quantized = graph.node.iter().filter(|node| kind(node).is_some());
            report.kept.extend(quantized.map(|node| kept(node, "it lies in a subgraph".to_owned())));
        });
    });
}

fn kept(node: &NodeProto, reason: String) -> KeptNode {
    KeptNode { node: node.label().to_owned(), op: node.op_type().to_owned(), reason }
}
