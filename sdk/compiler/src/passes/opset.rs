//! The opset upgrade as a pass: [`Document::upgrade_opset`] does the work.

use farsight_graph::{Document, Facts, NEWEST_OPSET, OpsetReport};

use super::{PassError, checked};

/// Where to.
#[derive(Debug, Clone, PartialEq)]
pub struct OpsetSettings {
    /// The opset to reach. A model that is there already stays as it is.
    pub to: i64,
    /// Types and shapes a session reported; they save the adapters from the general form.
    pub facts: Facts,
}

impl Default for OpsetSettings {
    fn default() -> Self {
        Self { to: NEWEST_OPSET, facts: Facts::default() }
    }
}

/// Takes a model to a newer opset, subgraphs too.
///
/// # Errors
/// As [`Document::upgrade_opset`]; a graph that is not valid.
pub fn opset(document: &mut Document, settings: &OpsetSettings) -> Result<OpsetReport, PassError> {
    checked("opset", document, |document| Ok(document.upgrade_opset(settings.to, &settings.facts)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::testing::{document, graph, node};

    #[test]
    fn a_refused_node_is_named_and_a_broken_source_blamed() {
        let mut old = document(graph(&["x"], &["y"], vec![node("Unsqueeze", &["x"], &["y"])]), vec![]);
        old.model.opset_import[0].version = Some(11);
        let message = opset(&mut old, &OpsetSettings::default()).unwrap_err().to_string();
        assert!(message.contains("node \"y\" (Unsqueeze)"), "{message}");
        old.graph.node.clear();
        let message = opset(&mut old, &OpsetSettings::default()).unwrap_err().to_string();
        assert!(message.contains("before pass opset"), "{message}");
    }
}
