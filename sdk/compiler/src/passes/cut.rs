//! The cut: outputs that nobody reads go, with everything that only fed them.

use farsight_graph::Document;
use serde::Serialize;

use super::{PassError, checked};

/// Which outputs stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutSettings {
    /// Names of the outputs to keep; the model's own order stays.
    pub keep: Vec<String>,
}

/// What was cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CutReport {
    /// Outputs that went.
    pub outputs: Vec<String>,
    /// Nodes that only fed them.
    pub nodes: usize,
    /// Initializers that only fed them.
    pub initializers: usize,
    /// Inputs that nothing reads any more; they stay, since the caller gives them.
    pub idle_inputs: Vec<String>,
}

/// Keeps the named outputs; takes out the others and everything that only fed them. With nothing to cut the
/// document is not touched.
///
/// # Errors
/// An output that the model does not have, or none to keep.
pub fn cut(document: &mut Document, settings: &CutSettings) -> Result<CutReport, PassError> {
    checked("cut", document, |document| {
        let graph = &mut document.graph;
        let known: Vec<String> = graph.output_names().map(str::to_owned).collect();
        if settings.keep.is_empty() {
            return Err(PassError::NoOutputs { known });
        }
        if let Some(name) = settings.keep.iter().find(|name| !known.contains(name)) {
            return Err(PassError::Unknown { what: "output", name: name.clone(), known });
        }
        let outputs: Vec<String> = known.into_iter().filter(|name| !settings.keep.contains(name)).collect();
        if outputs.is_empty() {
            return Ok(CutReport::default());
        }
        graph.output.retain(|output| !outputs.iter().any(|name| name == output.name()));
        let swept = graph.sweep();
        let links = graph.links();
        let idle = graph.required_inputs().map(|input| input.name()).filter(|name| !links.is_used(name));
        let idle_inputs = idle.map(str::to_owned).collect();
        Ok(CutReport { outputs, nodes: swept.nodes, initializers: swept.initializers, idle_inputs })
    })
}

#[cfg(test)]
mod tests {
    use farsight_graph::onnx::TensorProto;

    use super::super::testing::{document, graph, node, ops, with_body};
    use super::*;

    fn keep(names: &[&str]) -> CutSettings {
        CutSettings { keep: names.iter().map(|&name| name.to_owned()).collect() }
    }

    fn two_heads() -> Document {
        let body = graph(&[], &["t"], vec![node("Relu", &["shared"], &["t"])]);
        let nodes = vec![
            node("Abs", &["x"], &["shared"]),
            node("Mul", &["z", "w"], &["raw_half"]),
            node("Add", &["raw_half", "shared"], &["raw"]),
            with_body(node("If", &["x"], &["y"]), "then_branch", body),
        ];
        let weights = vec![TensorProto::new("w", &[1], &[2.0f32])];
        document(graph(&["x", "z"], &["raw", "y"], nodes), weights)
    }

    #[test]
    fn what_only_fed_other_outputs_goes_and_what_a_subgraph_reads_stays() {
        let mut document = two_heads();
        let report = cut(&mut document, &keep(&["y"])).unwrap();
        assert_eq!(
            report,
            CutReport {
                outputs: vec!["raw".into()],
                nodes: 2,
                initializers: 1,
                idle_inputs: vec!["z".into()]
            }
        );
        assert_eq!(ops(&document), ["Abs", "If"]);
        assert_eq!(cut(&mut document, &keep(&["y"])).unwrap(), CutReport::default());
    }

    #[test]
    fn an_output_that_another_node_reads_keeps_its_node() {
        let nodes = vec![node("Relu", &["x"], &["a"]), node("Abs", &["a"], &["b"])];
        let mut document = document(graph(&["x"], &["a", "b"], nodes), vec![]);
        assert_eq!(cut(&mut document, &keep(&["b"])).unwrap().nodes, 0);
        assert_eq!(document.graph.output.len(), 1);
    }

    #[test]
    fn wrong_names_are_told_with_the_right_ones() {
        for (names, expected) in [(&["Y"][..], "no output \"Y\"; it has raw, y"), (&[], "has raw, y")] {
            let mut document = two_heads();
            let message = cut(&mut document, &keep(names)).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert_eq!(document, two_heads());
        }
    }
}
