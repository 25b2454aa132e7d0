//! What a session knows of a document's values: it infers what the file leaves open.

use std::collections::HashSet;

use farsight_engine::{Library, describe};
use farsight_graph::onnx::{GraphProto, ValueInfoProto};
use farsight_graph::{Dim, Document, Fact, Facts};

use crate::CompileError;
use crate::element::data_type;

/// Types and shapes of the values of the main graph, as far as they follow from its inputs. Nothing is run, and no
/// buffers are made. Nothing is known of what is no tensor of numbers (sequences, text).
///
/// # Errors
/// If ONNX Runtime cannot load the document.
pub fn facts(document: &Document, library: &'static Library) -> Result<Facts, CompileError> {
    let mut document = document.clone();
    forget_shapes(&mut document.graph);
    let mut facts = Facts::of(&document.graph);
    give_all_out(&mut document.graph);
    let (_, outputs) = describe(library, &document.to_bytes()?)?;
    for output in outputs {
        let axis = |length: &Option<usize>| length.map_or(Dim::Open, |length| Dim::Fixed(length as i64));
        // Of a value whose number of axes it does not know, ONNX Runtime says the same as of a single number.
        let shape = (!output.shape.is_empty()).then(|| output.shape.iter().map(axis).collect());
        facts.add(&output.name, Fact { element: Some(data_type(output.element)), shape });
    }
    Ok(facts)
}

/// Takes out what the file says of shapes behind the inputs: it may be true of other inputs than those that come.
/// ONNX Runtime would repeat it where it infers nothing.
fn forget_shapes(graph: &mut GraphProto) {
    graph.visit_mut(&mut |graph| {
        graph.value_info.iter_mut().chain(&mut graph.output).for_each(ValueInfoProto::open_shape);
    });
}

/// Makes every value an output. One without a type gets that which ONNX Runtime infers.
fn give_all_out(graph: &mut GraphProto) {
    // ONNX Runtime would warn of each weight that nothing reads.
    graph.sweep();
    let declared: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let made = graph.node.iter().flat_map(|node| &node.output);
    let new = made.filter(|name| !name.is_empty() && !declared.contains(*name));
    let untyped = |name: &String| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() };
    let new: Vec<ValueInfoProto> = new.map(untyped).collect();
    graph.output.extend(new);
}
