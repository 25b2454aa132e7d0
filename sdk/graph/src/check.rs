//! The structural check: what every valid graph keeps to, and every pass must leave behind.

use std::collections::HashSet;

use thiserror::Error;

use crate::Document;
use crate::onnx::{GraphProto, NodeProto};

/// What makes a graph invalid. `graph` is its name, empty for an unnamed one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// An operator of a set that the model does not import.
    #[error("node {node:?} ({op}): the model imports no opset for domain {domain:?}")]
    NoOpset {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// Its domain.
        domain: String,
    },
    /// A node that makes nothing or names no operator.
    #[error("node {node:?} in graph {graph:?}: {what}")]
    Node {
        /// The graph's name.
        graph: String,
        /// The node.
        node: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Two values of one name.
    #[error("value {name:?} is defined twice in graph {graph:?}, or again inside a subgraph")]
    Twice {
        /// The graph's name.
        graph: String,
        /// The value.
        name: String,
    },
    /// A value read before anything makes it.
    #[error("node {node:?} in graph {graph:?} reads {name:?}, which {reason}")]
    Undefined {
        /// The graph's name.
        graph: String,
        /// The node.
        node: String,
        /// The value.
        name: String,
        /// Nothing makes it, or only a later node does.
        reason: &'static str,
    },
    /// An output that nothing makes.
    #[error("output {name:?} of graph {graph:?} is made by nothing")]
    NoOutput {
        /// The graph's name.
        graph: String,
        /// The output.
        name: String,
    },
}

/// Names visible in a graph: its own and those of the graphs around it.
struct Scope<'s> {
    names: HashSet<&'s str>,
    outer: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    fn sees(&self, name: &str) -> bool {
        self.names.contains(name) || self.outer.is_some_and(|outer| outer.sees(name))
    }
}

impl Document {
    /// Checks that every operator's set is imported, every value is defined once and before it is read, and
    /// every output is made; in subgraphs too.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), CheckError> {
        self.check_graph(&self.graph, None)
    }

    fn check_graph(&self, graph: &GraphProto, outer: Option<&Scope>) -> Result<(), CheckError> {
        let mut scope = Scope { names: HashSet::new(), outer };
        let inputs: HashSet<&str> = graph.input.iter().map(|input| input.name()).collect();
        for input in &graph.input {
            define(graph, &mut scope, input.name())?;
        }
        let mut initializers = HashSet::new();
        for name in graph.initializers() {
            // An initializer may give an input its default.
            if !initializers.insert(name) {
                return Err(CheckError::Twice { graph: graph.name().to_owned(), name: name.to_owned() });
            }
            if !inputs.contains(name) {
                define(graph, &mut scope, name)?;
            }
        }
        for node in &graph.node {
            self.check_node(graph, node, &scope)?;
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                define(graph, &mut scope, name)?;
            }
        }
        match graph.output_names().find(|name| !scope.sees(name)) {
            Some(name) => Err(CheckError::NoOutput { graph: graph.name().to_owned(), name: name.to_owned() }),
            None => Ok(()),
        }
    }

    fn check_node(&self, graph: &GraphProto, node: &NodeProto, scope: &Scope) -> Result<(), CheckError> {
        let wrong =
            |what| CheckError::Node { graph: graph.name().to_owned(), node: node.label().to_owned(), what };
        if node.op_type().is_empty() {
            return Err(wrong("it names no operator"));
        }
        if node.output.iter().all(String::is_empty) {
            return Err(wrong("it makes no value"));
        }
        let local = self.model.functions.iter().any(|function| function.domain() == node.domain());
        if self.opset(node.domain()).is_none() && !local {
            return Err(CheckError::NoOpset {
                node: node.label().to_owned(),
                op: node.op_type().to_owned(),
                domain: node.domain().to_owned(),
            });
        }
        if let Some(name) = node.input.iter().find(|name| !name.is_empty() && !scope.sees(name)) {
            let later = graph.node.iter().any(|other| other.output.contains(name));
            return Err(CheckError::Undefined {
                graph: graph.name().to_owned(),
                node: node.label().to_owned(),
                name: name.clone(),
                reason: if later { "only a later node makes" } else { "nothing makes" },
            });
        }
        node.subgraphs().try_for_each(|inner| self.check_graph(inner, Some(scope)))
    }
}

fn define<'s>(graph: &GraphProto, scope: &mut Scope<'s>, name: &'s str) -> Result<(), CheckError> {
    if scope.sees(name) {
        return Err(CheckError::Twice { graph: graph.name().to_owned(), name: name.to_owned() });
    }
    scope.names.insert(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::TensorProto;
    use crate::testing::{document, graph, with_body};

    fn relu(input: &str, output: &str) -> NodeProto {
        NodeProto::new("Relu", "", &[input], &[output])
    }

    #[test]
    fn valid_graphs_pass() {
        let body = graph(&[], &["t"], vec![relu("x", "t")]);
        let mut graph = graph(
            &["x", "w"],
            &["y", "x"],
            vec![
                NodeProto::new("Clip", "", &["x", "", "w"], &["y"]),
                with_body(NodeProto::new("If", "", &["x"], &["z"]), "then_branch", body),
            ],
        );
        graph.initializer.push(TensorProto::new("w", &[], &[1.0f32]));
        assert_eq!(document(graph).check(), Ok(()));
    }

    #[test]
    fn each_fault_is_named() {
        let inner = |body| vec![with_body(NodeProto::new("If", "", &["x"], &["y"]), "then_branch", body)];
        let foreign = NodeProto { domain: Some("com.microsoft".into()), ..relu("x", "y") };
        let cases = [
            (graph(&["x"], &["y"], vec![]), "output \"y\""),
            (graph(&["x"], &["y"], vec![relu("a", "y")]), "reads \"a\", which nothing makes"),
            (graph(&["x"], &["y"], vec![relu("a", "y"), relu("x", "a")]), "only a later node makes"),
            (graph(&["x"], &["y"], vec![relu("x", "y"), relu("x", "y")]), "\"y\" is defined twice"),
            (graph(&["x", "x"], &["x"], vec![]), "\"x\" is defined twice"),
            (graph(&["x"], &["y"], vec![foreign]), "no opset for domain \"com.microsoft\""),
            (graph(&["x"], &["x"], vec![relu("x", "")]), "makes no value"),
            (graph(&["x"], &["x"], vec![NodeProto::new("", "", &["x"], &["y"])]), "no operator"),
            (
                graph(&["x"], &["y"], inner(graph(&[], &["x"], vec![relu("x", "x")]))),
                "\"x\" is defined twice",
            ),
            (graph(&["x"], &["y"], inner(graph(&[], &["t"], vec![relu("u", "t")]))), "reads \"u\""),
        ];
        for (graph, expected) in cases {
            let message = document(graph).check().unwrap_err().to_string();
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }
}
