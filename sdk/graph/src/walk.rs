//! Topological walks: what a value is computed from, and what is computed from it.

use std::collections::HashSet;

use crate::Links;
use crate::onnx::GraphProto;

impl GraphProto {
    /// Places of the nodes that these values are computed from, those that make them included.
    pub fn upstream<'v>(
        &self,
        links: &Links<'_>,
        values: impl IntoIterator<Item = &'v str>,
    ) -> HashSet<usize> {
        let mut found = HashSet::new();
        let mut next: Vec<usize> = values.into_iter().filter_map(|value| links.producer(value)).collect();
        while let Some(index) = next.pop() {
            if found.insert(index) {
                self.node[index].for_each_read(&mut |name| next.extend(links.producer(name)));
            }
        }
        found
    }

    /// Places of the nodes that these values have an influence on, those that read them included.
    pub fn downstream<'v>(
        &self,
        links: &Links<'_>,
        values: impl IntoIterator<Item = &'v str>,
    ) -> HashSet<usize> {
        let mut found = HashSet::new();
        let mut next: Vec<usize> =
            values.into_iter().flat_map(|value| links.consumers(value)).copied().collect();
        while let Some(index) = next.pop() {
            if found.insert(index) {
                let made = self.node[index].output.iter().filter(|name| !name.is_empty());
                next.extend(made.flat_map(|name| links.consumers(name)));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::NodeProto;
    use crate::testing::{graph, with_body};

    #[test]
    fn walks_follow_values_both_ways_and_into_subgraphs() {
        let node = |op: &str, inputs: &[&str], output: &str| NodeProto::new(op, "", inputs, &[output]);
        let body = graph(&[], &["t"], vec![node("Mul", &["a", "k"], "t")]);
        let outer = graph(
            &["x", "c"],
            &["y"],
            vec![
                node("Relu", &["x"], "a"),
                node("Relu", &["c"], "k"),
                with_body(node("If", &["c"], "y"), "then_branch", body),
                node("Neg", &["k"], "z"),
            ],
        );
        let links = outer.links();
        let sorted = |set: std::collections::HashSet<usize>| {
            let mut list: Vec<usize> = set.into_iter().collect();
            list.sort_unstable();
            list
        };
        assert_eq!(sorted(outer.upstream(&links, ["y"])), [0, 1, 2]);
        assert_eq!(sorted(outer.upstream(&links, ["x"])), Vec::<usize>::new());
        assert_eq!(sorted(outer.downstream(&links, ["a"])), [2]);
        assert_eq!(sorted(outer.downstream(&links, ["c"])), [1, 2, 3]);
    }
}
