//! Folding: what depends on constants only is computed once, here, and kept as a constant.
//!
//! The arithmetic is the caller's evaluator, an ONNX Runtime session; this file decides what may be folded.
//! Only operators that move values, compute in integers, or are exact in IEEE float32 and float64 (the
//! correctly rounded + − × ÷ √ and comparisons) are: a fold on this machine then gives the bits that the
//! device would have computed. float16 arithmetic stays where it is, since ONNX Runtime computes it in
//! float32 and where it rounds depends on the neighbours. So do QuantizeLinear and DequantizeLinear (folded
//! they would undo a quantization) and a Cast from float16 (it would undo float16 storage).

mod bound;
mod tidy;

use std::collections::{HashMap, HashSet};

use farsight_graph::onnx::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Document, Fact, Facts, Links};
use serde::Serialize;

use super::{PassError, checked};

/// Rounds at most: a chain of constants longer than that is not one a real model holds.
const MAX_ROUNDS: usize = 64;

/// Bytes that all folded results together may add.
const MAX_GROWTH: usize = 64 << 20;

/// Runs a model without inputs: its file's bytes in, one tensor for each output out, in their order.
pub type Evaluate<'e> = dyn FnMut(&[u8]) -> Result<Vec<TensorProto>, String> + 'e;

/// What may be folded.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldSettings {
    /// A larger result is folded only where it replaces inputs that are no smaller.
    pub max_bytes: usize,
    /// Shapes that follow from the inputs, as a session reported; a `Shape` of a value with a fixed one is a
    /// constant. What the file itself says of values in between is not believed.
    pub facts: Facts,
}

impl Default for FoldSettings {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, facts: Facts::default() }
    }
}

/// What was folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FoldReport {
    /// Inputs that only gave a weight's name; the weights are constants now.
    pub default_inputs: usize,
    /// Constant nodes that became initializers.
    pub constants: usize,
    /// Identity nodes that went.
    pub identities: usize,
    /// Nodes computed here.
    pub folded: usize,
    /// Models the evaluator was asked for.
    pub rounds: usize,
}

/// Folds constants of the main graph; Constant and Identity nodes go in subgraphs too. A second time it finds
/// nothing. Weights that only fed folded nodes stay for [`super::dead()`] to take.
///
/// # Errors
/// What the evaluator says, and results from it that are not what was asked for.
pub fn fold(
    document: &mut Document,
    settings: &FoldSettings,
    evaluate: &mut Evaluate,
) -> Result<FoldReport, PassError> {
    checked("fold", document, |document| {
        let mut report =
            FoldReport { default_inputs: document.drop_default_inputs(), ..FoldReport::default() };
        document.graph.visit_mut(&mut |graph| report.constants += tidy::constants(graph));
        report.identities = tidy::identities(&mut document.graph);
        let mut budget = MAX_GROWTH;
        for _ in 0..MAX_ROUNDS {
            let shapes = fold_shapes(&mut document.graph, &settings.facts);
            let nodes = foldable(&document.graph, settings, &mut budget);
            if nodes.is_empty() && shapes == 0 {
                break;
            }
            report.folded += shapes + nodes.len();
            if !nodes.is_empty() {
                report.rounds += 1;
                compute(document, &nodes, evaluate)?;
            }
        }
        Ok(report)
    })
}

/// Places of the nodes that can be computed now: all they read is constant.
fn foldable(graph: &GraphProto, settings: &FoldSettings, budget: &mut usize) -> HashSet<usize> {
    let links = graph.links();
    let outputs: HashSet<&str> = graph.output_names().collect();
    let fits = |node: &NodeProto, budget: &mut usize| {
        if node.output.iter().any(|name| outputs.contains(name.as_str())) {
            return false;
        }
        let Some(bytes) = bound::result_bytes(node, &links) else { return false };
        if bytes > settings.max_bytes {
            return replaces_its_inputs(node, &links, bytes);
        }
        let left = budget.checked_sub(bytes);
        left.inspect(|&left| *budget = left).is_some()
    };
    graph.node.iter().enumerate().filter(|(_, node)| fits(node, budget)).map(|(index, _)| index).collect()
}

/// Whether inputs of at least that size have no other reader, so that the result takes their place.
fn replaces_its_inputs(node: &NodeProto, links: &Links, bytes: usize) -> bool {
    let own = node.input.iter().filter(|name| links.consumers(name).len() == 1);
    let freed: usize = own.filter_map(|name| links.tensor(name)?.byte_len().ok()).sum();
    bytes <= freed
}

/// Asks the evaluator for the outputs of these nodes and puts them in the nodes' place.
fn compute(
    document: &mut Document,
    nodes: &HashSet<usize>,
    evaluate: &mut Evaluate,
) -> Result<(), PassError> {
    let asked = asked_outputs(&document.graph, nodes);
    let bytes = constant_model(document, nodes, &asked).to_bytes()?;
    let results = evaluate(&bytes).map_err(PassError::Evaluate)?;
    if results.len() != asked.len() {
        let (found, expected) = (results.len(), asked.len());
        return Err(PassError::Evaluate(format!("{found} results came back, {expected} were asked for")));
    }
    for (name, mut tensor) in asked.into_iter().zip(results) {
        let (found, expected) = (tensor.raw_data.as_ref().map_or(0, |raw| raw.len()), tensor.byte_len()?);
        if found != expected {
            return Err(PassError::Evaluate(format!("{name:?} came back with {found} bytes of {expected}")));
        }
        tensor.name = Some(name);
        document.graph.initializer.push(tensor);
    }
    let mut index = 0;
    document.graph.node.retain(|_| {
        index += 1;
        !nodes.contains(&(index - 1))
    });
    let graph = &mut document.graph;
    let made: HashSet<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    graph.value_info.retain(|value| !made.contains(value.name()));
    Ok(())
}

fn asked_outputs(graph: &GraphProto, nodes: &HashSet<usize>) -> Vec<String> {
    let places = (0..graph.node.len()).filter(|index| nodes.contains(index));
    let outputs = places.flat_map(|index| &graph.node[index].output);
    outputs.filter(|name| !name.is_empty()).cloned().collect()
}

/// A model of these nodes alone, with the constants they read and every output given out. The outputs have no
/// type: a session finds it.
fn constant_model(document: &Document, nodes: &HashSet<usize>, outputs: &[String]) -> Document {
    let graph = &document.graph;
    let node: Vec<NodeProto> = (0..graph.node.len())
        .filter(|index| nodes.contains(index))
        .map(|index| graph.node[index].clone())
        .collect();
    let read: HashSet<&str> = node.iter().flat_map(|node| node.input.iter().map(String::as_str)).collect();
    let initializer =
        graph.initializer.iter().filter(|tensor| read.contains(tensor.name())).cloned().collect();
    let output = outputs
        .iter()
        .map(|name| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() })
        .collect();
    let model = ModelProto {
        // Initializers without an input of their name need IR 4.
        ir_version: Some(document.model.ir_version().max(4)),
        opset_import: document.model.opset_import.clone(),
        ..ModelProto::default()
    };
    let name = Some("constants".to_owned());
    let graph = GraphProto { name, node, initializer, output, ..GraphProto::default() };
    Document { model, graph, unknown: None }
}

/// Shape nodes of values whose shape is fixed become constants; returns how many.
fn fold_shapes(graph: &mut GraphProto, facts: &Facts) -> usize {
    let mut shapes: HashMap<String, Vec<i64>> = HashMap::new();
    let outputs: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    for node in graph.node.iter().filter(|node| node.is("Shape") && !outputs.contains(&node.output[0])) {
        let Some(name) = node.input(0) else { continue };
        let declared = graph.input.iter().find(|input| input.name() == name);
        let declared = declared.map(|input| Fact { element: None, shape: input.shape() });
        if let Some(shape) = declared.unwrap_or_else(|| facts.get(name)).fixed() {
            let range = shape_range(node, shape.len());
            shapes.insert(node.output[0].clone(), shape[range].to_vec());
        }
    }
    graph.node.retain(|node| !node.is("Shape") || !shapes.contains_key(&node.output[0]));
    graph.value_info.retain(|value| !shapes.contains_key(value.name()));
    let mut made: Vec<_> = shapes.into_iter().collect();
    made.sort();
    let count = made.len();
    let tensor = |(name, shape): (String, Vec<i64>)| TensorProto::new(&name, &[shape.len() as i64], &shape);
    graph.initializer.extend(made.into_iter().map(tensor));
    count
}

/// The axes that a Shape node gives (`start` and `end` came with opset 15), clamped as ONNX says.
fn shape_range(node: &NodeProto, rank: usize) -> std::ops::Range<usize> {
    let rank = rank as i64;
    let clamp = |axis: i64| (if axis < 0 { axis.saturating_add(rank) } else { axis }).clamp(0, rank) as usize;
    let start = clamp(node.int("start").unwrap_or(0));
    let end = clamp(node.int("end").unwrap_or(rank));
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use farsight_graph::{Attribute, Dim};
    use half::f16;

    use super::super::testing::{document, graph, node, ops, value, with_body};
    use super::*;

    /// Answers a model of Neg, Transpose and Concat nodes over float32 as ONNX defines them; nothing else.
    fn evaluator(bytes: &[u8]) -> Result<Vec<TensorProto>, String> {
        let model = Document::parse(bytes.to_vec().into(), None).map_err(|error| error.to_string())?;
        let read = |name: &String| model.graph.tensor(name).unwrap().values::<f32>().unwrap();
        let answer = |node: &NodeProto| {
            let values: Vec<f32> = match node.op_type() {
                "Neg" => read(&node.input[0]).iter().map(|value| -value).collect(),
                "Concat" => node.input.iter().flat_map(read).collect(),
                other => return Err(format!("{other} was not expected")),
            };
            Ok(TensorProto::new("any", &[values.len() as i64], &values))
        };
        model.graph.node.iter().map(answer).collect()
    }

    fn f32s(name: &str, values: &[f32]) -> TensorProto {
        TensorProto::new(name, &[values.len() as i64], values)
    }

    #[test]
    fn constants_are_computed_round_by_round_until_nothing_is_left() {
        let constant =
            node("Constant", &[], &["k"]).with("value", Attribute::Tensor(Box::new(f32s("", &[4.0]))));
        let nodes = vec![
            constant,
            node("Identity", &["k"], &["k2"]),
            node("Neg", &["k2"], &["n"]),
            node("Concat", &["n", "w"], &["c"]).with("axis", Attribute::Int(0)),
            node("Add", &["x", "c"], &["y"]),
        ];
        let mut document = document(graph(&["x"], &["y"], nodes), vec![f32s("w", &[1.0])]);
        let report = fold(&mut document, &FoldSettings::default(), &mut evaluator).unwrap();
        let expected = FoldReport { default_inputs: 0, constants: 1, identities: 1, folded: 2, rounds: 2 };
        assert_eq!(report, expected);
        assert_eq!(ops(&document), ["Add"]);
        assert_eq!(document.graph.tensor("c").unwrap().values::<f32>().unwrap(), [-4.0, 1.0]);
        let again = fold(&mut document, &FoldSettings::default(), &mut evaluator).unwrap();
        assert_eq!(again, FoldReport::default());
    }

    #[test]
    fn what_could_change_an_answer_or_a_size_is_left() {
        let body = graph(&[], &["t"], vec![node("Relu", &["w"], &["t"])]);
        let half = TensorProto::new("h", &[1], &[f16::ONE]);
        let huge = TensorProto::new("huge", &[1], &[1i64 << 40]);
        let cases: [(&str, NodeProto); 10] = [
            ("random", node("RandomNormalLike", &["w"], &["c"])),
            ("control flow", with_body(node("If", &["w"], &["c"]), "then_branch", body)),
            ("float16 arithmetic", node("Add", &["h", "h"], &["c"])),
            ("a widening cast", node("Cast", &["h"], &["c"]).with("to", Attribute::Int(1))),
            ("dequantization", node("DequantizeLinear", &["w", "w"], &["c"])),
            ("not exact everywhere", node("Exp", &["w"], &["c"])),
            ("another domain", NodeProto { domain: Some("x.y".into()), ..node("Neg", &["w"], &["c"]) }),
            ("too large", node("ConstantOfShape", &["huge"], &["c"])),
            ("too large by broadcast", node("Add", &["row", "column"], &["c"])),
            ("no constant", node("Neg", &["x"], &["c"])),
        ];
        for (what, candidate) in cases {
            let op = candidate.op_type().to_owned();
            let nodes = vec![candidate, node("Add", &["x", "c"], &["y"])];
            let mut document = document(
                graph(&["x"], &["y"], nodes),
                vec![
                    f32s("w", &[1.0]),
                    half.clone(),
                    huge.clone(),
                    TensorProto::new("row", &[1, 1024], &[0.0f32; 1024]),
                    TensorProto::new("column", &[1024, 1], &[0.0f32; 1024]),
                ],
            );
            document.set_opset("x.y", 1);
            let report = fold(&mut document, &FoldSettings::default(), &mut evaluator).unwrap();
            assert_eq!(report.folded, 0, "{what}");
            assert_eq!(ops(&document), [&op, "Add"], "{what}");
        }
    }

    #[test]
    fn a_large_result_must_take_the_place_of_its_inputs() {
        let weights = vec![0.5f32; 1 << 19];
        for (extra, folded) in [(vec![], 1), (vec![node("Add", &["b", "big"], &["z"])], 0)] {
            let mut nodes = vec![node("Neg", &["big"], &["n"]), node("Add", &["x", "n"], &["b"])];
            let last = if extra.is_empty() { "b" } else { "z" };
            nodes.extend(extra);
            let mut document = document(graph(&["x"], &[last], nodes), vec![f32s("big", &weights)]);
            let report = fold(&mut document, &FoldSettings::default(), &mut evaluator).unwrap();
            assert_eq!(report.folded, folded);
        }
    }

    #[test]
    fn a_shape_that_is_fixed_is_a_constant() {
        let nodes = vec![
            node("Shape", &["x"], &["a"]),
            node("Shape", &["x"], &["b"]).with("start", Attribute::Int(-1)),
            node("Shape", &["open"], &["c"]),
            node("Concat", &["a", "b", "c"], &["y"]).with("axis", Attribute::Int(0)),
        ];
        let mut document = document(graph(&["x", "open"], &["y"], nodes), vec![]);
        document.graph.input[0] = value("x", &[Dim::Fixed(1), Dim::Fixed(3), Dim::Fixed(8)]);
        let report = fold(&mut document, &FoldSettings::default(), &mut evaluator).unwrap();
        assert_eq!(report.folded, 2);
        assert_eq!(ops(&document), ["Shape", "Concat"]);
        assert_eq!(document.graph.tensor("a").unwrap().values::<i64>().unwrap(), [1, 3, 8]);
        assert_eq!(document.graph.tensor("b").unwrap().values::<i64>().unwrap(), [8]);
    }

    #[test]
    fn an_evaluator_that_fails_or_lies_is_an_error() {
        type Answer = fn(&[u8]) -> Result<Vec<TensorProto>, String>;
        let cases: [(Answer, &str); 3] = [
            (|_| Err("no session".into()), "no session"),
            (|_| Ok(vec![]), "0 results came back, 1 were asked for"),
            (|_| Ok(vec![TensorProto { raw_data: None, ..f32s("n", &[1.0]) }]), "0 bytes of 4"),
        ];
        for (mut answer, expected) in cases {
            let nodes = vec![node("Neg", &["w"], &["n"]), node("Add", &["x", "n"], &["y"])];
            let mut document = document(graph(&["x"], &["y"], nodes), vec![f32s("w", &[1.0])]);
            let error = fold(&mut document, &FoldSettings::default(), &mut answer).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
