//! What is known of values: element type and shape, from the document and from whoever else knows.

use std::collections::{HashMap, HashSet};

use crate::onnx::GraphProto;
use crate::onnx::tensor_proto::DataType;
use crate::value::Dim;

/// What is known of one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fact {
    /// Its element type.
    pub element: Option<DataType>,
    /// Its axes; `None` where even their number is open.
    pub shape: Option<Vec<Dim>>,
}

impl Fact {
    /// How many axes.
    pub fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// The axes where all of them are fixed.
    pub fn fixed(&self) -> Option<Vec<i64>> {
        let length = |dim: &Dim| match dim {
            Dim::Fixed(length) => Some(*length),
            Dim::Named(_) | Dim::Open => None,
        };
        self.shape.as_ref()?.iter().map(length).collect()
    }
}

/// What is known of the values of a document, by name. A session knows more than a file: the compiler adds
/// what it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(HashMap<String, Fact>);

impl Facts {
    /// What the graph and its subgraphs declare: inputs, outputs, `value_info`, initializers.
    pub fn of(graph: &GraphProto) -> Self {
        let mut facts = Self::default();
        graph.visit(&mut |graph| {
            for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
                facts.add(value.name(), Fact { element: value.element(), shape: value.shape() });
            }
            for tensor in &graph.initializer {
                let shape = tensor.dims.iter().copied().map(Dim::Fixed).collect();
                facts.add(tensor.name(), Fact { element: tensor.element().ok(), shape: Some(shape) });
            }
        });
        facts
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what is known of a value; what is new fills gaps and replaces what was there.
    pub fn add(&mut self, name: &str, fact: Fact) {
        let known = self.0.entry(name.to_owned()).or_default();
        known.element = fact.element.or(known.element);
        known.shape = fact.shape.or(known.shape.take());
    }

    /// Adds all that is known elsewhere, as [`Self::add`] does.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, fact)| self.add(name, fact.clone()));
    }

    /// Forgets what is known of these values.
    pub fn forget(&mut self, names: &HashSet<String>) {
        self.0.retain(|name, _| !names.contains(name));
    }

    /// What is known of a value; nothing is a fact too.
    pub fn get(&self, name: &str) -> Fact {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{NodeProto, TensorProto};
    use crate::testing::graph;

    #[test]
    fn facts_come_from_the_graph_and_from_outside() {
        let mut graph = graph(&["x"], &["y"], vec![NodeProto::new("Add", "", &["x", "w"], &["y"])]);
        graph.initializer.push(TensorProto::new("w", &[2, 3], &[0i64; 6]));
        let mut facts = Facts::of(&graph);
        assert_eq!(facts.get("w").element, Some(DataType::Int64));
        assert_eq!(facts.get("w").fixed(), Some(vec![2, 3]));
        assert_eq!((facts.get("x").rank(), facts.get("x").fixed()), (Some(1), None));
        facts.add("x", Fact { element: None, shape: Some(vec![Dim::Fixed(4)]) });
        assert_eq!((facts.get("x").element, facts.get("x").fixed()), (Some(DataType::Float), Some(vec![4])));
        assert_eq!(facts.get("?"), Fact::default());
        facts.forget(&HashSet::from(["x".to_owned()]));
        assert_eq!((facts.get("x"), facts.get("w").rank()), (Fact::default(), Some(2)));
    }
}
