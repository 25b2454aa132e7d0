//! Opset upgrade: each operator is taken from one version to the next by a small adapter.
//!
//! Most changes only add: types, or attributes whose default is the old behaviour. Those that need work are in
//! [`tables::ADAPTERS`]; a node that its adapter cannot take is refused by name. The reference is
//! `onnx.version_converter`; where ONNX Runtime shows that it is wrong (Resize 10 to 11, GroupNormalization
//! 20 to 21), the runtime is.

mod group_normalization;
mod inputs;
mod ranks;
mod renamed;
mod softmax;
mod tables;

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use crate::onnx::tensor_proto::DataType;
use crate::onnx::{GraphProto, NodeProto, TensorProto};
use crate::{Document, Element, Facts, Names};

/// The oldest opset that is taken up.
const OLDEST: i64 = 9;

/// The newest opset that [`Document::upgrade_opset`] reaches.
pub const NEWEST_OPSET: i64 = 21;

/// Why a model cannot be taken to a newer opset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpsetError {
    /// A node that no adapter takes to the next opset.
    #[error("node {node:?} ({op}): cannot be taken from opset {from} to {to}: {reason}")]
    Node {
        /// The operator.
        op: String,
        /// The node.
        node: String,
        /// The opset it is written for.
        from: i64,
        /// The next one.
        to: i64,
        /// What is in the way.
        reason: String,
    },
    /// A model or a target outside what the upgrade knows.
    #[error("opset {from} cannot be taken to {to}: {reason}")]
    Range {
        /// The model's opset.
        from: i64,
        /// The opset asked for.
        to: i64,
        /// What is in the way.
        reason: &'static str,
    },
}

/// What was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpsetReport {
    /// The model's opset before.
    pub from: i64,
    /// Its opset now.
    pub to: i64,
    /// Nodes that an adapter changed.
    pub adapted: usize,
}

impl Document {
    /// Takes the model to opset `to`, subgraphs too; one that is there already stays as it is. `facts` are types
    /// and shapes that a session reported: they save the adapters from the general form.
    ///
    /// # Errors
    /// A node that no adapter takes further, named with its operator and the two versions; an opset outside 9 to
    /// 21; functions of the model's own. The model is then as it was.
    pub fn upgrade_opset(&mut self, to: i64, facts: &Facts) -> Result<OpsetReport, OpsetError> {
        let from = self.opset("").unwrap_or(to);
        if from >= to {
            return Ok(OpsetReport { from, to: from, adapted: 0 });
        }
        let refuse = |reason| Err(OpsetError::Range { from, to, reason });
        if from < OLDEST {
            return refuse("the oldest that is taken up is 9; export it again");
        }
        if to > NEWEST_OPSET {
            return refuse("the newest that is written is 21");
        }
        if !self.model.functions.is_empty() {
            return refuse("it holds functions of its own, which have opsets of their own");
        }
        let mut graph = self.graph.clone();
        let mut upgrade = Upgrade::new(&graph, from, to, facts);
        upgrade.graph(&mut graph)?;
        let adapted = upgrade.adapted;
        self.graph = graph;
        self.set_opset("", to);
        Ok(OpsetReport { from, to, adapted })
    }
}

/// An adapter: changes one node from the version before to this one, or says why it cannot.
type Adapter = fn(&mut NodeProto, &mut Step) -> Result<(), String>;

/// What an adapter knows of the model, and what it adds around its node.
struct Step<'u> {
    known: &'u Known,
    names: &'u mut Names,
    before: Vec<NodeProto>,
    after: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

/// What is known of the whole model before it is changed; nothing of names that several graphs define.
struct Known {
    facts: Facts,
    ranks: HashMap<String, usize>,
    /// Small constants, by the value's name.
    constants: HashMap<String, TensorProto>,
    /// Values that something reads.
    read: HashSet<String>,
    /// Whether any declared value or constant is of a float type other than float32.
    other_floats: bool,
}

impl Step<'_> {
    /// Adds a constant and returns its name.
    fn constant<T: Element>(&mut self, stem: &str, dims: &[i64], values: &[T]) -> String {
        let name = self.names.fresh(stem);
        self.initializers.push(TensorProto::new(&name, dims, values));
        name
    }

    /// Adds a node in front, that makes one value, and returns that value's name.
    fn add_before(&mut self, stem: &str, mut node: NodeProto) -> String {
        let name = self.names.fresh(stem);
        node.name = Some(name.clone());
        node.output = vec![name.clone()];
        self.before.push(node);
        name
    }

    /// The element type of a value.
    fn element(&self, name: &str) -> Result<DataType, String> {
        let known = self.known.facts.get(name).element;
        let only = (!self.known.other_floats).then_some(DataType::Float);
        known.or(only).ok_or_else(|| format!("the element type of {name:?} is not known"))
    }

    /// Adds a scalar constant of the element type that `like` has.
    fn float_like(&mut self, stem: &str, like: &str, value: f32) -> Result<String, String> {
        match self.element(like)? {
            DataType::Float => Ok(self.constant(stem, &[], &[value])),
            DataType::Float16 => Ok(self.constant(stem, &[], &[half::f16::from_f32(value)])),
            DataType::Double => Ok(self.constant(stem, &[], &[f64::from(value)])),
            other => Err(format!("it works on {}", other.as_str_name())),
        }
    }
}

struct Upgrade {
    from: i64,
    to: i64,
    known: Known,
    names: Names,
    adapted: usize,
}

impl Upgrade {
    fn new(graph: &GraphProto, from: i64, to: i64, reported: &Facts) -> Self {
        let unsure = graph.defined_twice();
        let mut facts = Facts::of(graph);
        facts.extend(reported);
        facts.forget(&unsure);
        let mut constants = small_constants(graph);
        constants.retain(|name, _| !unsure.contains(name));
        let known = Known {
            ranks: ranks::infer(graph, &facts, &constants, &unsure),
            read: read_names(graph),
            other_floats: has_other_floats(graph),
            constants,
            facts,
        };
        Self { from, to, known, names: Names::of(graph), adapted: 0 }
    }

    fn graph(&mut self, graph: &mut GraphProto) -> Result<(), OpsetError> {
        for mut node in std::mem::take(&mut graph.node) {
            for inner in node.subgraphs_mut() {
                self.graph(inner)?;
            }
            if !node.in_default_domain() {
                graph.node.push(node);
                continue;
            }
            let mut step = Step {
                known: &self.known,
                names: &mut self.names,
                before: Vec::new(),
                after: Vec::new(),
                initializers: Vec::new(),
            };
            let old = node.clone();
            for to in self.from + 1..=self.to {
                adapt(&mut node, to, &mut step).map_err(|reason| OpsetError::Node {
                    op: node.op_type().to_owned(),
                    node: node.label().to_owned(),
                    from: to - 1,
                    to,
                    reason,
                })?;
            }
            self.adapted += usize::from(node != old);
            graph.node.append(&mut step.before);
            graph.node.push(node);
            graph.node.append(&mut step.after);
            graph.initializer.append(&mut step.initializers);
        }
        Ok(())
    }
}

fn adapt(node: &mut NodeProto, to: i64, step: &mut Step) -> Result<(), String> {
    let found = tables::ADAPTERS.iter().find(|(at, op, _)| *at == to && *op == node.op_type());
    found.map_or(Ok(()), |(_, _, adapter)| adapter(node, step))
}

/// Constants of at most 64 elements, from initializers and Constant nodes of all graphs.
fn small_constants(graph: &GraphProto) -> HashMap<String, TensorProto> {
    let mut constants = HashMap::new();
    let small = |tensor: &TensorProto| tensor.count().is_ok_and(|count| count <= 64);
    graph.visit(&mut |graph| {
        for tensor in graph.initializer.iter().filter(|tensor| small(tensor)) {
            constants.insert(tensor.name().to_owned(), tensor.clone());
        }
        for node in graph.node.iter().filter(|node| node.is("Constant")) {
            if let (Some(name), Some(tensor)) = (node.output.first(), node.tensor("value"))
                && small(tensor)
            {
                constants.insert(name.clone(), tensor.clone());
            }
        }
    });
    constants
}

fn read_names(graph: &GraphProto) -> HashSet<String> {
    let mut read = HashSet::new();
    graph.visit(&mut |graph| {
        read.extend(graph.output_names().map(str::to_owned));
        read.extend(graph.node.iter().flat_map(|node| node.input.iter().cloned()));
    });
    read
}

fn has_other_floats(graph: &GraphProto) -> bool {
    let other = |element: Option<DataType>| {
        matches!(element, Some(DataType::Float16 | DataType::Double | DataType::Bfloat16))
    };
    let mut found = false;
    graph.visit(&mut |graph| {
        let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
        found |= values.map(|value| value.element()).any(other);
        found |= graph.initializer.iter().map(|tensor| tensor.element().ok()).any(other);
        let constants = graph.node.iter().filter_map(|node| node.tensor("value"));
        found |= constants.map(|tensor| tensor.element().ok()).any(other);
        let casts = graph.node.iter().filter(|node| node.is("Cast")).filter_map(|node| node.int("to"));
        found |= casts.map(|to| DataType::try_from(i32::try_from(to).unwrap_or(0)).ok()).any(other);
    });
    found
}

#[cfg(test)]
mod tests;
