//! Dead code: nodes and weights that no output needs.

use farsight_graph::Document;
use serde::Serialize;

use super::{PassError, checked};

/// What was taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeadReport {
    /// Nodes.
    pub nodes: usize,
    /// Initializers.
    pub initializers: usize,
}

/// Takes out every node and initializer that no output needs, in subgraphs too.
///
/// # Errors
/// A graph that was not valid before.
pub fn dead(document: &mut Document) -> Result<DeadReport, PassError> {
    checked("dead", document, |document| {
        let swept = document.graph.sweep();
        Ok(DeadReport { nodes: swept.nodes, initializers: swept.initializers })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{document, graph, node, ops};
    use super::*;

    #[test]
    fn what_nobody_reads_goes_and_the_second_time_nothing_does() {
        let nodes = vec![node("Relu", &["x"], &["y"]), node("Abs", &["x"], &["unread"])];
        let mut document = document(graph(&["x"], &["y"], nodes), vec![]);
        assert_eq!(dead(&mut document).unwrap(), DeadReport { nodes: 1, initializers: 0 });
        assert_eq!(ops(&document), ["Relu"]);
        assert_eq!(dead(&mut document).unwrap(), DeadReport::default());
    }
}
