//! What a session knows of a document's values: it infers what the file leaves open.

use farsight_engine::{Library, describe};
use farsight_graph::onnx::ValueInfoProto;
use farsight_graph::{Dim, Document, Fact, Facts};

use crate::CompileError;
use crate::element::data_type;

/// Types and shapes of every value of the main graph. Nothing is run, and no buffers are made.
///
/// # Errors
/// If ONNX Runtime cannot load the document, or a value is no tensor of numbers.
pub fn facts(document: &Document, library: &'static Library) -> Result<Facts, CompileError> {
    let mut facts = Facts::of(&document.graph);
    let (_, outputs) = describe(library, &with_every_value(document).to_bytes()?)?;
    for output in outputs {
        let axis = |length: &Option<usize>| length.map_or(Dim::Open, |length| Dim::Fixed(length as i64));
        let shape = Some(output.shape.iter().map(axis).collect());
        facts.add(&output.name, Fact { element: Some(data_type(output.element)), shape });
    }
    Ok(facts)
}

/// The document with every value an output. An output without a type gets the one that ONNX Runtime infers.
fn with_every_value(document: &Document) -> Document {
    let mut document = document.clone();
    let graph = &mut document.graph;
    // ONNX Runtime would warn of each weight that nothing reads.
    graph.sweep();
    let declared: std::collections::HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let made = graph.node.iter().flat_map(|node| &node.output);
    let new = made.filter(|name| !name.is_empty() && !declared.contains(*name));
    let untyped = |name: &String| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() };
    let new: Vec<ValueInfoProto> = new.map(untyped).collect();
    graph.output.extend(new);
    document
}
