//! float32 arithmetic: a float16 graph becomes a float32 one.
//!
//! Where a CPU has no float16 kernels, ONNX Runtime computes a float16 graph in float32, with Casts where it
//! cannot do without. Every float16 value is a float32 one too, so constants keep their exact values; what is
//! computed is no longer rounded to float16 in between. It is not measurably faster (ONNX Runtime 1.32, x86, a
//! U-Net); but what ONNX Runtime folds into weights is folded in float32, and other passes find weights they know.

use std::collections::{HashMap, HashSet};

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::type_proto::Value as Kind;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto};
use farsight_graph::{Attribute, Document, Facts, Names};
use half::f16;
use serde::Serialize;

use super::{PassError, checked};

/// Attributes that name the element type of a result.
const TYPE_ATTRIBUTES: [&str; 5] = ["to", "dtype", "output_dtype", "output_datatype", "softmax_precision"];

const HALF: i64 = DataType::Float16 as i64;
const SINGLE: i64 = DataType::Float as i64;

/// What is known beyond the graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fp32Settings {
    /// Types that a session reported of the graph as it is; a Cast goes only where the type of its input is known.
    pub facts: Facts,
}

/// What became float32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Fp32Report {
    /// Constants that became float32: initializers, and tensors in attributes.
    pub tensors: usize,
    /// Casts between float16 and float32 that went.
    pub casts: usize,
    /// Casts that were added where an input or output of the model is float16.
    pub border: usize,
    /// Bytes of the constants before.
    pub bytes_before: usize,
    /// Bytes of the constants now.
    pub bytes_after: usize,
}

/// Makes every float16 value of the graph, its bodies and the model's own functions float32. Inputs and outputs
/// of the model keep their types, with a Cast where they are float16. A model without float16 stays as it is.
///
/// # Errors
/// A constant whose bytes do not fit its shape.
pub fn fp32(document: &mut Document, settings: &Fp32Settings) -> Result<Fp32Report, PassError> {
    checked("fp32", document, |document| {
        let mut facts = Facts::of(&document.graph);
        facts.extend(&settings.facts);
        let mut report = Fp32Report::default();
        let mut changed = document.clone();
        facts.forget(&document.graph.defined_twice());
        take_casts(&mut changed.graph, &facts, &mut report);
        widen_graph(&mut changed.graph, &mut report)?;
        for function in &mut changed.model.functions {
            function.node.iter_mut().try_for_each(|node| widen_node(node, &mut report))?;
            function.value_info.iter_mut().for_each(widen_value);
        }
        keep_border(&mut changed.graph, &document.graph, &mut report);
        *document = changed;
        Ok(report)
    })
}

fn widen_graph(graph: &mut GraphProto, report: &mut Fp32Report) -> Result<(), PassError> {
    graph.initializer.iter_mut().try_for_each(|tensor| widen_tensor(tensor, report))?;
    let sparse = graph.sparse_initializer.iter_mut().filter_map(|sparse| sparse.values.as_mut());
    for tensor in sparse {
        widen_tensor(tensor, report)?;
    }
    graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info).for_each(widen_value);
    graph.node.iter_mut().try_for_each(|node| widen_node(node, report))
}

fn widen_node(node: &mut NodeProto, report: &mut Fp32Report) -> Result<(), PassError> {
    for attribute in &mut node.attribute {
        if TYPE_ATTRIBUTES.contains(&attribute.name()) && attribute.i == Some(HALF) {
            attribute.i = Some(SINGLE);
        }
        for tensor in attribute.t.as_deref_mut().into_iter().chain(&mut attribute.tensors) {
            widen_tensor(tensor, report)?;
        }
        let sparse = attribute.sparse_tensor.as_deref_mut().into_iter().chain(&mut attribute.sparse_tensors);
        for tensor in sparse.filter_map(|sparse| sparse.values.as_mut()) {
            widen_tensor(tensor, report)?;
        }
        attribute.tp.as_deref_mut().into_iter().chain(&mut attribute.type_protos).for_each(widen_type);
    }
    node.subgraphs_mut().try_for_each(|graph| widen_graph(graph, report))
}

fn widen_tensor(tensor: &mut TensorProto, report: &mut Fp32Report) -> Result<(), PassError> {
    if tensor.data_type() != DataType::Float16 as i32 {
        return Ok(());
    }
    let wide: Vec<f32> = tensor.values::<f16>()?.into_iter().map(f16::to_f32).collect();
    report.tensors += 1;
    report.bytes_before += wide.len() * 2;
    report.bytes_after += wide.len() * 4;
    let made = TensorProto::new(tensor.name(), &tensor.dims, &wide);
    *tensor = TensorProto { name: tensor.name.take(), doc_string: tensor.doc_string.take(), ..made };
    Ok(())
}

fn widen_value(value: &mut ValueInfoProto) {
    value.r#type.iter_mut().for_each(widen_type);
}

fn widen_type(r#type: &mut TypeProto) {
    let widen = |element: &mut Option<i32>| {
        if *element == Some(DataType::Float16 as i32) {
            *element = Some(DataType::Float as i32);
        }
    };
    match &mut r#type.value {
        Some(Kind::TensorType(tensor)) => widen(&mut tensor.elem_type),
        Some(Kind::SparseTensorType(tensor)) => widen(&mut tensor.elem_type),
        Some(Kind::SequenceType(sequence)) => {
            sequence.elem_type.as_deref_mut().into_iter().for_each(widen_type)
        }
        Some(Kind::OptionalType(optional)) => {
            optional.elem_type.as_deref_mut().into_iter().for_each(widen_type)
        }
        Some(Kind::MapType(map)) => map.value_type.as_deref_mut().into_iter().for_each(widen_type),
        _ => {}
    }
}

/// Takes out Casts from float16 to float32 and back, while the graph still says which is which.
fn take_casts(graph: &mut GraphProto, facts: &Facts, report: &mut Fp32Report) {
    // Bodies first: they read by the names that the facts know.
    for node in &mut graph.node {
        node.subgraphs_mut().for_each(|graph| take_casts(graph, facts, report));
    }
    let outputs: HashSet<String> = graph.output_names().map(str::to_owned).collect();
    let goes = |node: &NodeProto, from: &str| {
        let from = facts.get(from).element.map(|element| element as i64);
        let ends = (from, node.int("to"));
        let half = ends.0 == Some(HALF) || ends.1 == Some(HALF);
        let known = |end: Option<i64>| end == Some(HALF) || end == Some(SINGLE);
        node.is("Cast") && half && known(ends.0) && known(ends.1)
    };
    let mut renamed: HashMap<String, String> = HashMap::new();
    graph.node.retain(|node| {
        let (Some(from), [to]) = (node.input(0), &node.output[..]) else { return true };
        if !goes(node, from) || outputs.contains(to) {
            return true;
        }
        let origin = renamed.get(from).cloned().unwrap_or_else(|| from.to_owned());
        renamed.insert(to.clone(), origin);
        false
    });
    report.casts += renamed.len();
    graph.rename_reads(&renamed);
    graph.value_info.retain(|value| !renamed.contains_key(value.name()));
}

/// Gives inputs and outputs of the model the types that they had, with Casts behind and before them.
fn keep_border(graph: &mut GraphProto, before: &GraphProto, report: &mut Fp32Report) {
    let mut names = Names::of(graph);
    let is_half = |value: &&ValueInfoProto| value.element() == Some(DataType::Float16);
    let half = |values: &[ValueInfoProto]| -> Vec<String> {
        values.iter().filter(is_half).map(|value| value.name().to_owned()).collect()
    };
    let initializers: HashSet<&str> = before.initializers().collect();
    let inputs: Vec<String> =
        half(&before.input).into_iter().filter(|name| !initializers.contains(name.as_str())).collect();
    let outputs: Vec<String> =
        half(&before.output).into_iter().filter(|name| !inputs.contains(name)).collect();
    let wide: HashMap<String, String> = inputs
        .iter()
        .chain(&outputs)
        .map(|name| (name.clone(), names.fresh(&format!("{name}_f32"))))
        .collect();
    let mut cast = |from: &str, to: &str, element: i64| {
        NodeProto::new("Cast", &names.fresh(&format!("{to}_cast")), &[from], &[to])
            .with("to", Attribute::Int(element))
    };
    let behind: Vec<NodeProto> = inputs.iter().map(|name| cast(name, &wide[name], SINGLE)).collect();
    let ahead: Vec<NodeProto> = outputs.iter().map(|name| cast(&wide[name], name, HALF)).collect();
    report.border = behind.len() + ahead.len();

    graph.rename_reads(&wide);
    let made = graph.node.iter_mut().flat_map(|node| &mut node.output);
    for name in made.chain(graph.initializer.iter_mut().filter_map(|tensor| tensor.name.as_mut())) {
        if let Some(new) = wide.get(name) {
            name.clone_from(new);
        }
    }
    graph.value_info.retain(|value| !wide.contains_key(value.name()));
    graph.node.splice(0..0, behind);
    graph.node.extend(ahead);
    restore(&mut graph.input, &before.input, &inputs);
    restore(&mut graph.output, &before.output, &[&inputs[..], &outputs].concat());
}

/// Puts back what the graph said of these values.
fn restore(values: &mut [ValueInfoProto], before: &[ValueInfoProto], names: &[String]) {
    for (value, before) in values.iter_mut().zip(before) {
        if names.iter().any(|name| name == value.name()) {
            value.clone_from(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use farsight_graph::Dim;

    use super::super::testing::{document, graph, node, ops, with_body};
    use super::*;

    fn half(name: &str) -> ValueInfoProto {
        ValueInfoProto::tensor(name, DataType::Float16, &[Dim::from("n")])
    }

    fn cast(from: &str, to: &str, element: i64) -> NodeProto {
        node("Cast", &[from], &[to]).with("to", Attribute::Int(element))
    }

    fn tensor(name: &str) -> TensorProto {
        TensorProto::new(name, &[2], &[f16::from_f32(1.5), f16::MIN_POSITIVE_SUBNORMAL])
    }

    fn has_half(document: &Document) -> bool {
        format!("{document:?}").contains("data_type: Some(10)")
            || format!("{document:?}").contains("elem_type: Some(10)")
    }

    #[test]
    fn constants_casts_and_bodies_become_float32() {
        let value = |tensor| Attribute::Tensor(Box::new(tensor));
        let body = graph(
            &[],
            &["t"],
            vec![cast("h", "s", SINGLE), cast("s", "n", HALF), node("Mul", &["n", "b"], &["t"])],
        );
        let mut model = document(
            graph(
                &["x"],
                &["y"],
                vec![
                    cast("x", "h", HALF),
                    node("Constant", &[], &["k"]).with("value", value(tensor(""))),
                    node("ConstantOfShape", &["shape"], &["z"])
                        .with("value", value(TensorProto::new("", &[1], &[f16::ONE]))),
                    node("RandomNormalLike", &["h"], &["r"]).with("dtype", Attribute::Int(HALF)),
                    with_body(node("If", &["c"], &["i"]), "then_branch", body),
                    node("Sum", &["h", "k", "z", "r", "i", "w"], &["sum"]),
                    cast("sum", "y", SINGLE),
                ],
            ),
            vec![
                tensor("w"),
                tensor("b"),
                TensorProto::new("c", &[], &[true]),
                TensorProto::new("shape", &[1], &[2i64]),
            ],
        );
        model.graph.node[4].subgraphs_mut().for_each(|body| {
            body.output = vec![half("t")];
            let single = ValueInfoProto::tensor("s", DataType::Float, &[Dim::Open]);
            body.value_info = vec![half("n"), single];
        });
        model.graph.value_info = vec![half("h"), half("sum")];
        let report = fp32(&mut model, &Fp32Settings::default()).unwrap();
        // h, and s and n in the body; y is the model's own output.
        let expected = Fp32Report { tensors: 4, casts: 3, border: 0, bytes_before: 14, bytes_after: 28 };
        assert_eq!(report, expected);
        assert!(!has_half(&model), "{model:?}");
        assert_eq!(ops(&model), ["Constant", "ConstantOfShape", "RandomNormalLike", "If", "Sum", "Cast"]);
        assert_eq!(model.graph.node[2].int("dtype"), Some(SINGLE));
        assert_eq!(model.graph.node[4].input[0], "x");
        let body = model.graph.node[3].subgraphs().next().unwrap();
        assert_eq!((body.node.len(), &body.node[0].input[..]), (1, &["x".to_owned(), "b".to_owned()][..]));
        assert_eq!(model.graph.tensor("w").unwrap().values::<f32>().unwrap(), [1.5, 2f32.powi(-24)]);
        assert_eq!(fp32(&mut model, &Fp32Settings::default()).unwrap().tensors, 0);
    }

    #[test]
    fn a_cast_of_what_is_not_known_stays() {
        let nodes = vec![node("Neg", &["x"], &["a"]), cast("a", "b", HALF), node("Abs", &["b"], &["y"])];
        let mut model = document(graph(&["x"], &["y"], nodes), vec![]);
        let known = |element| {
            let mut facts = Facts::default();
            facts.add("a", farsight_graph::Fact { element: Some(element), shape: None });
            Fp32Settings { facts }
        };
        for settings in [Fp32Settings::default(), known(DataType::Int64)] {
            let mut model = model.clone();
            assert_eq!(fp32(&mut model, &settings).unwrap().casts, 0);
            assert_eq!(model.graph.node[1].int("to"), Some(SINGLE));
        }
        assert_eq!(fp32(&mut model, &known(DataType::Float)).unwrap().casts, 1);
        assert_eq!(ops(&model), ["Neg", "Abs"]);
    }

    #[test]
    fn facts_of_a_name_that_two_branches_use_are_not_believed() {
        let branch = |element: DataType| {
            let nodes = vec![node("Neg", &["x"], &["v"]), cast("v", "c", HALF), node("Neg", &["c"], &["t"])];
            let body = graph(&[], &["t"], nodes);
            let value = ValueInfoProto::tensor("v", element, &[Dim::Open]);
            GraphProto { value_info: vec![value], ..body }
        };
        let branches = with_body(node("If", &["x"], &["y"]), "then_branch", branch(DataType::Int64));
        let branches = with_body(branches, "else_branch", branch(DataType::Float));
        let mut model = document(graph(&["x"], &["y"], vec![branches]), vec![]);
        assert_eq!(fp32(&mut model, &Fp32Settings::default()).unwrap().casts, 0);
    }

    #[test]
    fn inputs_and_outputs_keep_their_types() {
        let nodes = vec![node("Add", &["x", "w"], &["y"]), node("Neg", &["y"], &["z"])];
        let mut model = document(graph(&["x"], &["y", "z", "w", "x"], nodes), vec![tensor("w")]);
        let border = ["y", "z", "w", "x"].map(half);
        model.graph.input = vec![half("x")];
        model.graph.output = border.to_vec();
        let report = fp32(&mut model, &Fp32Settings::default()).unwrap();
        assert_eq!((report.tensors, report.border), (1, 4));
        assert_eq!((&model.graph.input[..], &model.graph.output[..]), (&[half("x")][..], &border[..]));
        let shape =
            |node: &NodeProto| format!("{} {} {}", node.op_type(), node.input.join(" "), node.output[0]);
        let nodes: Vec<String> = model.graph.node.iter().map(shape).collect();
        assert_eq!(
            nodes,
            [
                "Cast x x_f32",
                "Add x_f32 w_f32 y_f32",
                "Neg y_f32 z_f32",
                "Cast y_f32 y",
                "Cast z_f32 z",
                "Cast w_f32 w"
            ]
        );
        let to: Vec<_> = model.graph.node.iter().filter_map(|node| node.int("to")).collect();
        assert_eq!(to, [SINGLE, HALF, HALF, HALF]);
    }

    #[test]
    fn a_float32_graph_is_left_as_it_is() {
        let nodes = vec![node("Add", &["x", "w"], &["y"])];
        let mut model = document(graph(&["x"], &["y"], nodes), vec![TensorProto::new("w", &[1], &[1.0f32])]);
        let before = model.clone();
        assert_eq!(fp32(&mut model, &Fp32Settings::default()).unwrap(), Fp32Report::default());
        assert_eq!(model, before);
    }
}
