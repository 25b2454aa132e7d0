//! What a model is quantized as, before anything is done to it.
//!
//! Four forms are written by the tools of today: QuantizeLinear/DequantizeLinear around float operators,
//! operators on integers (QLinearConv), operators that quantize what they read at each run (ConvInteger), and
//! weights alone.

use std::collections::{BTreeMap, HashSet};

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use serde::Serialize;

/// The domain of ONNX Runtime's own operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";

/// A way to write a quantized model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// QuantizeLinear/DequantizeLinear around float operators.
    Qdq,
    /// Operators on integers with fixed ranges.
    QOperator,
    /// Operators on integers whose activation ranges are found at each run.
    Dynamic,
    /// Float operators, weights stored as integers.
    WeightOnly,
}

/// How many nodes, subgraphs included, are of each form; all zero for a float model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QuantizedForm {
    /// DequantizeLinear nodes of a model that dequantizes activations too.
    pub qdq: usize,
    /// QLinear… and QGemm nodes.
    pub qoperator: usize,
    /// ConvInteger, MatMulInteger and ONNX Runtime's fusions of them.
    pub dynamic: usize,
    /// DequantizeLinear nodes of a model that dequantizes nothing but constants; MatMulNBits and its kin.
    pub weight_only: usize,
    /// Operators that are slower on CPUs than their float form, one entry for each reason.
    pub slow: Vec<SlowOperator>,
}

/// An operator that is slower on CPUs than its float form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlowOperator {
    /// Its name.
    pub op: String,
    /// How many nodes.
    pub count: usize,
    /// Why.
    pub reason: &'static str,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Qdq => "QDQ",
            Self::QOperator => "QOperator",
            Self::Dynamic => "dynamic int8",
            Self::WeightOnly => "weights only",
        })
    }
}

impl QuantizedForm {
    /// The form that most quantized nodes have; `None` for a float model.
    pub fn main(&self) -> Option<Form> {
        let counts = [
            (Form::WeightOnly, self.weight_only),
            (Form::Qdq, self.qdq),
            (Form::Dynamic, self.dynamic),
            (Form::QOperator, self.qoperator),
        ];
        // Of equal counts the last wins: the form that leaves the least in float.
        counts
            .into_iter()
            .filter(|&(_, count)| count > 0)
            .max_by_key(|&(_, count)| count)
            .map(|(form, _)| form)
    }
}

/// Counts the quantized nodes of a model.
pub fn quantized_form(graph: &GraphProto) -> QuantizedForm {
    let mut form = QuantizedForm::default();
    let mut of_constants = 0;
    let mut slow: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    graph.visit(&mut |graph| {
        let places = Places::of(graph);
        for node in &graph.node {
            match kind(node) {
                Some(Kind::Dequantize) if places.is_constant(node) => of_constants += 1,
                // The end of a chain of integer operators is theirs.
                Some(Kind::Dequantize) if !places.follows_operator(node) => form.qdq += 1,
                Some(Kind::QOperator) => form.qoperator += 1,
                Some(Kind::Dynamic) => form.dynamic += 1,
                Some(Kind::WeightOnly) => form.weight_only += 1,
                _ => {}
            }
        }
    });
    for (node, reason) in slow_nodes(graph) {
        *slow.entry((node.op_type(), reason)).or_default() += 1;
    }
    *(if form.qdq > 0 { &mut form.qdq } else { &mut form.weight_only }) += of_constants;
    let named = |((op, reason), count): ((&str, _), _)| SlowOperator { op: op.to_owned(), count, reason };
    form.slow = slow.into_iter().map(named).collect();
    form
}

/// What a quantized node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// QuantizeLinear, DynamicQuantizeLinear.
    Quantize,
    /// DequantizeLinear.
    Dequantize,
    /// See [`Form::QOperator`].
    QOperator,
    /// See [`Form::Dynamic`].
    Dynamic,
    /// See [`Form::WeightOnly`].
    WeightOnly,
}

/// What a node does if it is quantized. ONNX Runtime has QuantizeLinear and DequantizeLinear of its own for
/// types that ONNX took up later.
pub(crate) fn kind(node: &NodeProto) -> Option<Kind> {
    let op = node.op_type();
    let own = node.in_default_domain();
    if !own && node.domain() != MICROSOFT {
        return None;
    }
    Some(match op {
        "QuantizeLinear" => Kind::Quantize,
        "DynamicQuantizeLinear" if own => Kind::Quantize,
        "DequantizeLinear" => Kind::Dequantize,
        "QLinearConv" => Kind::QOperator,
        "QLinearMatMul" if own => Kind::QOperator,
        "ConvInteger" | "MatMulInteger" if own => Kind::Dynamic,
        _ if own => return None,
        "QGemm" => Kind::QOperator,
        _ if op.starts_with("QLinear") => Kind::QOperator,
        "DynamicQuantizeMatMul" | "DynamicQuantizeLSTM" | "MatMulIntegerToFloat" | "MatMulInteger16" => {
            Kind::Dynamic
        }
        "QAttention" | "QEmbedLayerNormalization" => Kind::Dynamic,
        "MatMulNBits" | "MatMulBnb4" | "GatherBlockQuantized" | "QMoE" => Kind::WeightOnly,
        _ => return None,
    })
}

/// Which values of a graph are constant, which come from what.
struct Places<'g> {
    constants: HashSet<&'g str>,
    /// Constants of int8.
    signed: HashSet<&'g str>,
    from_operators: HashSet<&'g str>,
    dequantized_constants: HashSet<&'g str>,
    dequantized: HashSet<&'g str>,
}

impl<'g> Places<'g> {
    fn of(graph: &'g GraphProto) -> Self {
        let mut constants: HashSet<&str> = graph.initializers().collect();
        let made = |node: &'g NodeProto| node.output.iter().map(String::as_str);
        constants.extend(graph.node.iter().filter(|node| node.is("Constant")).flat_map(made));
        let operators = graph.node.iter().filter(|node| kind(node) == Some(Kind::QOperator));
        let dequantizers = || graph.node.iter().filter(|node| kind(node) == Some(Kind::Dequantize));
        let of_constants = |node: &&NodeProto| node.input(0).is_some_and(|name| constants.contains(name));
        let signed = graph.initializer.iter().filter(|tensor| tensor.element() == Ok(DataType::Int8));
        Self {
            signed: signed.map(TensorProto::name).collect(),
            from_operators: operators.flat_map(made).collect(),
            dequantized_constants: dequantizers().filter(of_constants).flat_map(made).collect(),
            dequantized: dequantizers().flat_map(made).collect(),
            constants,
        }
    }

    fn is_constant(&self, node: &NodeProto) -> bool {
        node.input(0).is_some_and(|name| self.constants.contains(name))
    }

    fn follows_operator(&self, node: &NodeProto) -> bool {
        node.input(0).is_some_and(|name| self.from_operators.contains(name))
    }
}

/// Nodes, subgraphs included, that are slower on CPUs than their float form, and why.
pub(crate) fn slow_nodes(graph: &GraphProto) -> Vec<(&NodeProto, &'static str)> {
    let mut slow = Vec::new();
    graph.visit(&mut |graph| {
        let places = Places::of(graph);
        slow.extend(graph.node.iter().filter_map(|node| Some((node, slow_reason(node, &places)?))));
    });
    slow
}

/// Why a node is slower on CPUs than its float form. Measured with ONNX Runtime 1.32 on x86 with AVX512-VNNI.
fn slow_reason(node: &NodeProto, places: &Places) -> Option<&'static str> {
    if node.is("ConvInteger") {
        let signed = node.input(1).is_some_and(|name| places.signed.contains(name));
        return Some(if signed {
            "no fused kernel, and none for int8 weights: 4 to 7 times as long as in float on x86"
        } else {
            "no fused kernel: about 1.5 times as long as in float on x86"
        });
    }
    let reads = |index, values: &HashSet<&str>| node.input(index).is_some_and(|name| values.contains(name));
    (node.is("Conv") && reads(1, &places.dequantized_constants) && !reads(0, &places.dequantized)).then_some(
        "no kernel for integer weights alone: made float in each run, 1.24 times as long as in float",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto::new(op, "", inputs, outputs)
    }

    fn microsoft(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto { domain: Some(MICROSOFT.into()), ..node(op, inputs, outputs) }
    }

    fn form(nodes: Vec<NodeProto>) -> QuantizedForm {
        let initializer = vec![TensorProto::new("w", &[1], &[1i8]), TensorProto::new("s", &[], &[0.5f32])];
        quantized_form(&GraphProto { node: nodes, initializer, ..GraphProto::default() })
    }

    #[test]
    fn a_float_model_has_no_form() {
        let float = form(vec![node("Conv", &["x", "k"], &["y"])]);
        assert_eq!((float.main(), float), (None, QuantizedForm::default()));
    }

    #[test]
    fn a_dequantized_weight_belongs_to_what_is_done_with_activations() {
        let weight = node("DequantizeLinear", &["w", "s"], &["k"]);
        let conv = node("Conv", &["x", "k"], &["y"]);
        let alone = form(vec![weight.clone(), conv.clone()]);
        assert_eq!((alone.main(), alone.weight_only), (Some(Form::WeightOnly), 1));
        assert_eq!((alone.slow[0].op.as_str(), alone.slow[0].count), ("Conv", 1));

        let quantize = node("QuantizeLinear", &["f", "s"], &["q"]);
        let back = node("DequantizeLinear", &["q", "s"], &["x"]);
        let both = form(vec![weight, quantize, back, conv]);
        let expected = QuantizedForm { qdq: 2, ..QuantizedForm::default() };
        assert_eq!((both.main(), both), (Some(Form::Qdq), expected));
    }

    #[test]
    fn quantize_and_dequantize_at_the_ends_of_integer_operators_are_theirs() {
        let nodes = vec![
            node("QuantizeLinear", &["x", "s"], &["q"]),
            node("QLinearMatMul", &["q", "s", "z", "w", "s", "z", "s", "z"], &["m"]),
            microsoft("QLinearSigmoid", &["m", "s", "z", "s", "z"], &["a"]),
            node("DequantizeLinear", &["a", "s"], &["y"]),
        ];
        let form = form(nodes);
        let expected = QuantizedForm { qoperator: 2, ..QuantizedForm::default() };
        assert_eq!((form.main(), form), (Some(Form::QOperator), expected));
    }

    #[test]
    fn dynamic_operators_are_counted_and_the_slow_ones_named() {
        let nodes = vec![
            node("DynamicQuantizeLinear", &["x"], &["q", "qs", "qz"]),
            node("ConvInteger", &["q", "w", "qz"], &["a"]),
            node("ConvInteger", &["q", "w", "qz"], &["b"]),
            node("ConvInteger", &["q", "unsigned", "qz"], &["u"]),
            microsoft("DynamicQuantizeMatMul", &["x", "w", "s"], &["c"]),
            microsoft("MatMulNBits", &["x", "w", "s"], &["d"]),
        ];
        let form = form(nodes);
        assert_eq!((form.main(), form.dynamic, form.weight_only), (Some(Form::Dynamic), 4, 1));
        let slow: Vec<_> = form.slow.iter().map(|slow| (&slow.op[..], slow.count)).collect();
        assert_eq!(slow, [("ConvInteger", 2), ("ConvInteger", 1)]);
        assert!(form.slow[0].reason.contains("none for int8 weights"));
    }
}
