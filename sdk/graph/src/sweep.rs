//! The sweep: what no output needs is taken out of a graph and its subgraphs.

use std::collections::HashSet;

use crate::onnx::{GraphProto, NodeProto};

/// What a sweep took out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Nodes none of whose outputs was needed.
    pub nodes: usize,
    /// Initializers that nothing read.
    pub initializers: usize,
}

impl GraphProto {
    /// Takes out every node and initializer that no output needs, and what the graph says of values that are
    /// gone. Inputs stay: they are the caller's contract. ONNX operators have no side effects.
    pub fn sweep(&mut self) -> Swept {
        let mut swept = Swept::default();
        let mut needed: HashSet<String> = self.output_names().map(str::to_owned).collect();
        let mut kept = Vec::with_capacity(self.node.len());
        for mut node in std::mem::take(&mut self.node).into_iter().rev() {
            if !node.output.iter().any(|name| needed.contains(name)) {
                swept.nodes += 1;
                continue;
            }
            for graph in node.subgraphs_mut() {
                let inner = graph.sweep();
                swept.nodes += inner.nodes;
                swept.initializers += inner.initializers;
            }
            node.for_each_read(&mut |name| {
                needed.insert(name.to_owned());
            });
            kept.push(node);
        }
        kept.reverse();
        self.node = kept;
        swept.initializers += self.drop_unread(&needed);
        self.drop_stale_words();
        swept
    }

    fn drop_unread(&mut self, needed: &HashSet<String>) -> usize {
        let inputs: HashSet<&str> = self.input.iter().map(|input| input.name()).collect();
        let before = self.initializer.len() + self.sparse_initializer.len();
        let keep = |name: &str| needed.contains(name) || inputs.contains(name);
        self.initializer.retain(|tensor| keep(tensor.name()));
        self.sparse_initializer.retain(|sparse| sparse.values.as_ref().is_some_and(|it| keep(it.name())));
        before - self.initializer.len() - self.sparse_initializer.len()
    }

    /// Drops declarations of values that the graph no longer has.
    fn drop_stale_words(&mut self) {
        let made = |node: &NodeProto| node.output.clone();
        let mut defined: HashSet<String> = self.node.iter().flat_map(made).collect();
        defined.extend(self.initializers().map(str::to_owned));
        defined.extend(self.input.iter().map(|input| input.name().to_owned()));
        self.value_info.retain(|value| defined.contains(value.name()));
        self.quantization_annotation.retain(|note| defined.contains(note.tensor_name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::TensorProto;
    use crate::testing::{graph, with_body};

    #[test]
    fn only_what_an_output_needs_stays() {
        let body = graph(
            &[],
            &["t"],
            vec![
                NodeProto::new("Add", "", &["captured", "w"], &["t"]),
                NodeProto::new("Relu", "", &["unread"], &["u"]),
            ],
        );
        let mut graph = graph(
            &["x", "spare"],
            &["y"],
            vec![
                NodeProto::new("Relu", "", &["x"], &["captured"]),
                NodeProto::new("Abs", "", &["x"], &["unread"]),
                NodeProto::new("Split", "", &["x"], &["a", "b"]),
                NodeProto::new("Neg", "", &["dead_weight"], &["c"]),
                with_body(NodeProto::new("If", "", &["b"], &["y"]), "then_branch", body),
            ],
        );
        for name in ["w", "dead_weight"] {
            graph.initializer.push(TensorProto::new(name, &[1], &[1.0f32]));
        }
        let swept = graph.sweep();
        assert_eq!(swept, Swept { nodes: 3, initializers: 1 });
        let ops: Vec<_> = graph.node.iter().map(NodeProto::op_type).collect();
        assert_eq!(ops, ["Relu", "Split", "If"]);
        assert_eq!(graph.input.len(), 2);
        assert_eq!(graph.sweep(), Swept::default());
    }
}
