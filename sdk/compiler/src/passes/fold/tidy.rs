//! What needs no arithmetic: Constant nodes become initializers, Identity nodes go.

use std::collections::{HashMap, HashSet};

use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};

/// Turns the Constant nodes of one graph into initializers; returns how many. One that the graph gives out as
/// it is stays a node.
pub(super) fn constants(graph: &mut GraphProto) -> usize {
    let outputs: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let mut made = Vec::new();
    graph.node.retain(|node| {
        let tensor = node.output.first().filter(|name| !outputs.contains(*name)).and_then(|_| constant(node));
        let keep = tensor.is_none();
        made.extend(tensor);
        keep
    });
    let names: HashSet<&str> = made.iter().map(TensorProto::name).collect();
    graph.value_info.retain(|value| !names.contains(value.name()));
    let count = made.len();
    graph.initializer.extend(made);
    count
}

/// The tensor that a Constant node makes; `None` for another node, text and sparse tensors.
fn constant(node: &NodeProto) -> Option<TensorProto> {
    if !node.is("Constant") {
        return None;
    }
    let name = node.output.first()?;
    let attribute = node.attribute.first()?;
    Some(match attribute.name() {
        "value" => TensorProto { name: Some(name.clone()), ..attribute.t.as_deref()?.clone() },
        "value_float" => TensorProto::new(name, &[], &[attribute.f?]),
        "value_int" => TensorProto::new(name, &[], &[attribute.i?]),
        "value_floats" => TensorProto::new(name, &[attribute.floats.len() as i64], &attribute.floats),
        "value_ints" => TensorProto::new(name, &[attribute.ints.len() as i64], &attribute.ints),
        _ => return None,
    })
}

/// Takes out Identity nodes of a graph and its subgraphs; returns how many.
///
/// Readers of the copy read the original. Where the copy is an output, the node that makes the original makes
/// the output instead, unless the original is an output itself or no node of this graph makes it: an Identity
/// between a graph's input and its output stays.
pub(super) fn identities(graph: &mut GraphProto) -> usize {
    let mut count = 0;
    for node in &mut graph.node {
        count += node.subgraphs_mut().map(identities).sum::<usize>();
    }
    count + take_copies(graph) + take_output_copies(graph)
}

fn take_copies(graph: &mut GraphProto) -> usize {
    let outputs: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let mut renamed: HashMap<String, String> = HashMap::new();
    graph.node.retain(|node| match ends(node) {
        Some((from, to)) if !outputs.contains(to) => {
            let origin = renamed.get(from).cloned().unwrap_or_else(|| from.to_owned());
            renamed.insert(to.to_owned(), origin);
            false
        }
        _ => true,
    });
    graph.rename_reads(&renamed);
    graph.value_info.retain(|value| !renamed.contains_key(value.name()));
    renamed.len()
}

fn take_output_copies(graph: &mut GraphProto) -> usize {
    let mut outputs: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let mut made: HashSet<String> = HashSet::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    graph.node.retain(|node| match ends(node) {
        Some((from, to)) if made.contains(from) && !outputs.contains(from) => {
            // One original, one output: a second copy of it still needs its Identity.
            outputs.insert(from.to_owned());
            renamed.insert(from.to_owned(), to.to_owned());
            false
        }
        _ => {
            made.extend(node.output.iter().cloned());
            true
        }
    });
    for name in graph.node.iter_mut().flat_map(|node| &mut node.output) {
        if let Some(new) = renamed.get(name) {
            name.clone_from(new);
        }
    }
    graph.rename_reads(&renamed);
    graph.value_info.retain(|value| !renamed.contains_key(value.name()));
    renamed.len()
}

/// What an Identity node copies, and to where.
fn ends(node: &NodeProto) -> Option<(&str, &str)> {
    let [to] = &node.output[..] else { return None };
    node.is("Identity").then(|| node.input(0))?.map(|from| (from, to.as_str()))
}

#[cfg(test)]
mod tests {
    use farsight_graph::Attribute;

    use super::super::super::testing::{graph, node, with_body};
    use super::*;

    #[test]
    fn identities_go_where_no_name_is_promised() {
        let body = graph(&[], &["t"], vec![node("Relu", &["copy"], &["t"])]);
        let mut graph = graph(
            &["x"],
            &["out", "same", "two", "y"],
            vec![
                node("Identity", &["x"], &["copy"]),
                node("Abs", &["copy"], &["a"]),
                node("Identity", &["a"], &["out"]),
                node("Identity", &["a"], &["two"]),
                node("Identity", &["x"], &["same"]),
                with_body(node("If", &["a"], &["y"]), "then_branch", body),
            ],
        );
        assert_eq!(identities(&mut graph), 2);
        let shape = |node: &NodeProto| format!("{} {:?} {:?}", node.op_type(), node.input, node.output);
        let nodes: Vec<_> = graph.node.iter().map(shape).collect();
        assert_eq!(
            nodes,
            [
                r#"Abs ["x"] ["out"]"#,
                r#"Identity ["out"] ["two"]"#,
                r#"Identity ["x"] ["same"]"#,
                r#"If ["out"] ["y"]"#
            ]
        );
        assert_eq!(graph.node[3].subgraphs().next().unwrap().node[0].input, ["x"]);
    }

    #[test]
    fn constants_of_every_form_become_initializers() {
        let constant = |name: &str, attribute: &str, value: Attribute| {
            node("Constant", &[], &[name]).with(attribute, value)
        };
        let mut graph = graph(
            &[],
            &["kept"],
            vec![
                constant("a", "value_float", Attribute::Float(1.5)),
                constant("b", "value_ints", Attribute::Ints(vec![1, 2])),
                constant("c", "value", Attribute::Tensor(Box::new(TensorProto::new("other", &[1], &[true])))),
                constant("s", "value_string", Attribute::String("text".into())),
                constant("kept", "value_int", Attribute::Int(1)),
            ],
        );
        assert_eq!(constants(&mut graph), 3);
        assert_eq!(graph.node.len(), 2);
        assert_eq!(graph.tensor("a").unwrap().values::<f32>().unwrap(), [1.5]);
        assert_eq!(graph.tensor("b").unwrap().dims, [2]);
        assert_eq!(graph.tensor("c").unwrap().values::<bool>().unwrap(), [true]);
    }
}
