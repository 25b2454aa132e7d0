//! Walks over a graph: who makes a value, who reads it, what a subgraph takes from outside.

use std::collections::{HashMap, HashSet};

use crate::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

impl GraphProto {
    /// The inputs a caller must give: those without an initializer of the same name.
    pub fn required_inputs(&self) -> impl Iterator<Item = &ValueInfoProto> {
        let given: HashSet<&str> = self.initializers().collect();
        self.input.iter().filter(move |input| !given.contains(input.name()))
    }

    /// Names of the initializers, dense and sparse.
    pub fn initializers(&self) -> impl Iterator<Item = &str> {
        let sparse = self.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        self.initializer.iter().chain(sparse).map(TensorProto::name)
    }

    /// The initializer of this name. A scan: take [`Links`] for many.
    pub fn tensor(&self, name: &str) -> Option<&TensorProto> {
        self.initializer.iter().find(|tensor| tensor.name() == name)
    }

    /// What the graph says of a value: an input, an output or one in between.
    pub fn declared(&self, name: &str) -> Option<&ValueInfoProto> {
        self.input.iter().chain(&self.output).chain(&self.value_info).find(|value| value.name() == name)
    }

    /// Names of the outputs.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.output.iter().map(ValueInfoProto::name)
    }

    /// Every name the graph itself gives a value: inputs, initializers, node outputs.
    pub fn defined(&self) -> impl Iterator<Item = &str> {
        let made = self.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
        let inputs = self.input.iter().map(ValueInfoProto::name);
        inputs.chain(self.initializers()).chain(made).filter(|name| !name.is_empty())
    }

    /// Who makes and who reads each value.
    pub fn links(&self) -> Links<'_> {
        Links::of(self)
    }

    /// Names that the graph takes from the graphs around it.
    pub fn captures(&self) -> HashSet<&str> {
        let mut reads: HashSet<&str> = self.output_names().collect();
        self.node.iter().for_each(|node| {
            node.for_each_read(&mut |name| {
                reads.insert(name);
            })
        });
        self.defined().for_each(|name| {
            reads.remove(name);
        });
        reads
    }

    /// Names that several of these graphs, this one and those inside it, give a value of their own: the two
    /// branches of an If may. What is known of such a name by itself may be true of the other value.
    pub fn defined_twice(&self) -> HashSet<String> {
        let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
        self.visit(&mut |graph| {
            let own: HashSet<&str> = graph.defined().collect();
            twice.extend(own.into_iter().filter(|&name| !seen.insert(name)).map(str::to_owned));
        });
        twice
    }

    /// Calls `visit` for the graph and for every graph inside it, the outer one first.
    pub fn visit<'g>(&'g self, visit: &mut impl FnMut(&'g GraphProto)) {
        visit(self);
        self.node.iter().flat_map(NodeProto::subgraphs).for_each(|graph| graph.visit(visit));
    }

    /// As [`Self::visit`], to change them.
    pub fn visit_mut(&mut self, visit: &mut impl FnMut(&mut GraphProto)) {
        visit(self);
        self.node.iter_mut().flat_map(NodeProto::subgraphs_mut).for_each(|graph| graph.visit_mut(visit));
    }

    /// Makes every node, here and in subgraphs, that reads a renamed value read the new name.
    /// Outputs keep their names. A subgraph that gives a name of its own is left alone with it.
    pub fn rename_reads(&mut self, renamed: &HashMap<String, String>) {
        for node in &mut self.node {
            for input in &mut node.input {
                if let Some(new) = renamed.get(input) {
                    input.clone_from(new);
                }
            }
            for graph in node.subgraphs_mut() {
                let hidden: HashSet<String> =
                    graph.defined().filter(|&name| renamed.contains_key(name)).map(str::to_owned).collect();
                if hidden.is_empty() {
                    graph.rename_reads(renamed);
                } else {
                    let mut visible = renamed.clone();
                    visible.retain(|name, _| !hidden.contains(name));
                    graph.rename_reads(&visible);
                }
            }
        }
    }
}

impl NodeProto {
    /// Calls `visit` for every value the node reads: its inputs and what its subgraphs take from outside.
    pub fn for_each_read<'n>(&'n self, visit: &mut dyn FnMut(&'n str)) {
        self.input.iter().filter(|name| !name.is_empty()).for_each(|name| visit(name));
        self.subgraphs().flat_map(GraphProto::captures).for_each(visit);
    }
}

/// Who makes and who reads each value of one graph. Nodes are given by their place in `graph.node`; a node
/// whose subgraph reads a value counts as a reader.
#[derive(Debug, Default)]
pub struct Links<'g> {
    producers: HashMap<&'g str, usize>,
    consumers: HashMap<&'g str, Vec<usize>>,
    tensors: HashMap<&'g str, &'g TensorProto>,
    outputs: HashSet<&'g str>,
}

impl<'g> Links<'g> {
    fn of(graph: &'g GraphProto) -> Self {
        let mut links = Self { outputs: graph.output_names().collect(), ..Self::default() };
        links.tensors = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        for (index, node) in graph.node.iter().enumerate() {
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                links.producers.insert(name, index);
            }
            node.for_each_read(&mut |name| {
                let readers = links.consumers.entry(name).or_default();
                if readers.last() != Some(&index) {
                    readers.push(index);
                }
            });
        }
        links
    }

    /// The node that makes this value; `None` for inputs, initializers and captured names.
    pub fn producer(&self, name: &str) -> Option<usize> {
        self.producers.get(name).copied()
    }

    /// The nodes that read this value, in graph order.
    pub fn consumers(&self, name: &str) -> &[usize] {
        self.consumers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The initializer of this name.
    pub fn tensor(&self, name: &str) -> Option<&'g TensorProto> {
        self.tensors.get(name).copied()
    }

    /// Whether a node reads this value or the graph gives it out.
    pub fn is_used(&self, name: &str) -> bool {
        self.outputs.contains(name) || !self.consumers(name).is_empty()
    }
}

/// All names in a graph and its subgraphs, so that a new one clashes with none.
#[derive(Debug, Clone, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// The names of all values and nodes.
    pub fn of(graph: &GraphProto) -> Self {
        let mut names = HashSet::new();
        graph.visit(&mut |graph| {
            names.extend(graph.defined().map(str::to_owned));
            names.extend(graph.output_names().map(str::to_owned));
            names.extend(graph.node.iter().map(|node| node.name().to_owned()));
            names.extend(graph.node.iter().flat_map(|node| node.input.iter().cloned()));
        });
        Self(names)
    }

    /// `stem`, or `stem_1`, `stem_2`, … where that is taken; taken itself from now on.
    pub fn fresh(&mut self, stem: &str) -> String {
        let mut name = stem.to_owned();
        let mut number = 0u64;
        while name.is_empty() || !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{stem}_{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::tensor_proto::DataType;
    use crate::testing::{graph, with_body};

    #[test]
    fn initializers_are_no_inputs() {
        let mut graph = graph(&["x", "w"], &["y"], vec![NodeProto::new("Add", "", &["x", "w"], &["y"])]);
        graph.initializer.push(TensorProto::new("w", &[1], &[1.0f32]));
        assert_eq!(graph.required_inputs().map(ValueInfoProto::name).collect::<Vec<_>>(), ["x"]);
        assert_eq!(graph.declared("x").and_then(ValueInfoProto::element), Some(DataType::Float));
    }

    #[test]
    fn a_subgraph_reads_names_from_outside() {
        let body = graph(&[], &["z"], vec![NodeProto::new("Mul", "", &["x", "k"], &["z"])]);
        let outer = graph(
            &["c", "x"],
            &["y"],
            vec![
                NodeProto::new("Relu", "", &["x"], &["k"]),
                with_body(NodeProto::new("If", "", &["c"], &["y"]), "then_branch", body),
            ],
        );
        let links = outer.links();
        assert_eq!(links.consumers("x"), [0, 1]);
        assert_eq!(links.consumers("k"), [1]);
        assert_eq!(links.producer("y"), Some(1));
        assert!(links.is_used("y") && !links.is_used("nobody"));
    }

    #[test]
    fn renaming_reaches_into_subgraphs_but_not_behind_an_equal_name() {
        let reads = graph(&[], &["z"], vec![NodeProto::new("Relu", "", &["a"], &["z"])]);
        let hides = graph(&["a"], &["w"], vec![NodeProto::new("Relu", "", &["a"], &["w"])]);
        let mut outer = graph(
            &["a", "b"],
            &["y"],
            vec![
                with_body(NodeProto::new("If", "", &["a"], &["y"]), "then_branch", reads),
                with_body(NodeProto::new("Loop", "", &[], &["v"]), "body", hides),
            ],
        );
        outer.rename_reads(&HashMap::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(outer.node[0].input, ["b"]);
        assert_eq!(outer.node[0].subgraphs().next().unwrap().node[0].input, ["b"]);
        assert_eq!(outer.node[1].subgraphs().next().unwrap().node[0].input, ["a"]);
    }

    #[test]
    fn fresh_names_clash_with_none() {
        let graph = graph(&["x"], &["x_1"], vec![NodeProto::new("Relu", "r", &["x"], &["x_1"])]);
        let mut names = Names::of(&graph);
        assert_eq!(
            [names.fresh("x"), names.fresh("x"), names.fresh("r"), names.fresh("new")],
            ["x_2", "x_3", "r_1", "new"]
        );
    }
}
