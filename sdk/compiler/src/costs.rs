//! What a model costs: multiplications, parameters, memory of the values in between.

use std::collections::{BTreeMap, HashMap, HashSet};

use farsight_engine::Library;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Dim, Document, Fact, Facts, Links};
use half::f16;
use serde::{Deserialize, Serialize};

use crate::CompileError;
use crate::base::constants;
use crate::facts::facts;
use crate::layers::macs;
use crate::passes::{FixShapesSettings, FoldSettings, InputShape, fix_shapes, fold};
use crate::quantized::MICROSOFT;

/// Operators that multiply but have no rule here.
const NO_RULE: [&str; 12] = [
    "Attention",
    "DeformConv",
    "Einsum",
    "FusedMatMul",
    "GRU",
    "GroupQueryAttention",
    "LSTM",
    "MultiHeadAttention",
    "PackedAttention",
    "QAttention",
    "QGemm",
    "RNN",
];

/// What a model costs in one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Costs {
    /// Multiplications and additions of all layers, in pairs.
    pub macs: u64,
    /// Elements of all constants: initializers and Constant nodes, of subgraphs too.
    pub parameters: u64,
    /// Their bytes by element type (`f32`, `i8`, …).
    pub parameter_bytes: BTreeMap<String, u64>,
    /// Memory of the values that are computed.
    pub activations: Activations,
    /// The layers of the main graph, in its order.
    pub layers: Vec<LayerCost>,
    /// How often each operator occurs in the main graph; one of another domain has the domain in front.
    pub operators: BTreeMap<String, usize>,
    /// Inputs of open shape, and the shapes that were counted: `"x [N, 3, H, W] as [1, 3, 1, 1]"`.
    pub assumed: Vec<String>,
    /// What is not in the sum of the MACs: layers of open (or empty) shape, operators without a rule, bodies
    /// of control flow.
    pub not_counted: Vec<String>,
}

/// Memory of the values that nodes compute from the inputs. ONNX Runtime needs less where it fuses nodes or
/// computes in place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Activations {
    /// Bytes of all values that one run makes.
    pub bytes: u64,
    /// The most bytes that live at a time: from its maker to its last reader, in the graph's order, each value
    /// in memory of its own. Inputs and outputs live as long as the run: they are the caller's.
    pub peak_bytes: u64,
    /// Values of open shape, which are in neither.
    pub open: usize,
}

/// What a layer costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerCost {
    /// What to call it.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// `conv`, `depthwise conv`, `grouped conv`, `pointwise conv`, `conv 3d`, `transposed conv`, `gemm`,
    /// `matmul`, or `attention matmul` where both factors are computed.
    pub kind: String,
    /// Multiplications and additions, in pairs; 0 where a shape is open.
    pub macs: u64,
    /// Its share of all MACs, 0 to 1.
    pub share: f64,
    /// Elements of its weights and bias.
    pub parameters: u64,
    /// Axes of its output; `None` where a length is open.
    pub output: Vec<Option<i64>>,
}

/// What a model costs, and the facts it was counted with. Open axes of inputs count as 1; where that is too
/// small (a U-Net halves its picture), the first axis counts as 1 and the others as 64; where no session takes
/// that either, they stay open and what depends on them is not counted. Constants are folded first: shapes become
/// known that only constants decide. What no output needs costs nothing. Without a library only the shapes count
/// that the file itself declares.
pub fn costs(document: &Document, library: Option<&'static Library>) -> (Costs, Facts) {
    let declared = Facts::of(&document.graph);
    let with_facts = |settled: &GraphProto, facts: Facts, assumed: Vec<String>| {
        let mut known = declared.clone();
        known.extend(&facts);
        (whole(document, settled, &facts, assumed), known)
    };
    let mut first = None;
    let candidates = [1, 64].into_iter().filter_map(|length| with_lengths(document, length));
    let candidates = candidates.chain([(document.clone(), Vec::new())]);
    for ((candidate, assumed), library) in candidates.zip(library.into_iter().cycle()) {
        let Ok((settled, facts)) = settle(candidate, library) else { continue };
        let found = with_facts(&settled.graph, facts, assumed);
        if found.0.layers.iter().all(|layer| layer.macs > 0) {
            return found;
        }
        first.get_or_insert(found);
    }
    first.unwrap_or_else(|| with_facts(&document.graph, declared.clone(), Vec::new()))
}

/// The document with open axes of its inputs fixed: the first of each to 1, the others to `length`. With it the
/// inputs concerned; `None` if none is open.
fn with_lengths(document: &Document, length: i64) -> Option<(Document, Vec<String>)> {
    let mut shapes = Vec::new();
    let mut assumed = Vec::new();
    for input in document.graph.required_inputs() {
        let Some(shape) = input.shape().filter(|shape| !shape.iter().all(is_fixed)) else { continue };
        let axis = |(place, dim): (usize, &Dim)| match dim {
            Dim::Fixed(fixed) => *fixed,
            _ if place == 0 => 1,
            _ => length,
        };
        let axes: Vec<i64> = shape.iter().enumerate().map(axis).collect();
        assumed.push(format!("{} {} as {axes:?}", input.name(), shape_text(&shape)));
        let axes = axes.into_iter().map(Some).collect();
        shapes.push(InputShape { input: input.name().to_owned(), axes });
    }
    let mut document = document.clone();
    fix_shapes(&mut document, &FixShapesSettings { shapes }).ok()?;
    (!assumed.is_empty()).then_some((document, assumed))
}

pub(crate) fn is_fixed(dim: &Dim) -> bool {
    matches!(dim, Dim::Fixed(_))
}

pub(crate) fn shape_text(shape: &[Dim]) -> String {
    format!("[{}]", shape.iter().map(Dim::to_string).collect::<Vec<_>>().join(", "))
}

/// Folds constants and asks a session for the shapes, in turns: each lets the other know more.
fn settle(mut document: Document, library: &'static Library) -> Result<(Document, Facts), CompileError> {
    // Each round but the last folds something; a real model needs two or three.
    const ROUNDS: usize = 8;
    let failed = |error| CompileError::Pass { pass: "fold", error: Box::new(error) };
    let mut known = Facts::default();
    for round in 0..ROUNDS {
        let settings = FoldSettings { facts: known, ..FoldSettings::default() };
        let report =
            fold(&mut document, &settings, &mut |model| constants(library, model)).map_err(failed)?;
        let widened = widen_small_constants(&mut document.graph);
        document.graph.sweep();
        known = facts(&document, library)?;
        // The first round knew no shapes yet.
        if round > 0 && report.folded + widened == 0 {
            break;
        }
    }
    Ok((document, known))
}

/// Casts of small float16 constants to float32, which the fold keeps; a Resize's scales are made so. Returns
/// how many.
fn widen_small_constants(graph: &mut GraphProto) -> usize {
    let links = graph.links();
    let widened = |node: &NodeProto| {
        let small = |tensor: &&TensorProto| tensor.count().is_ok_and(|count| count <= 64);
        let tensor = links.tensor(node.input(0)?).filter(small)?;
        let is_cast = node.is("Cast") && node.int("to") == Some(DataType::Float as i64);
        let values: Vec<f32> = tensor.values::<f16>().ok()?.into_iter().map(f16::to_f32).collect();
        is_cast.then(|| TensorProto::new(&node.output[0], &tensor.dims, &values))
    };
    let made: Vec<TensorProto> = graph.node.iter().filter_map(widened).collect();
    let names: HashSet<&str> = made.iter().map(TensorProto::name).collect();
    graph.node.retain(|node| !node.output.iter().any(|name| names.contains(name.as_str())));
    graph.value_info.retain(|value| !names.contains(value.name()));
    let count = made.len();
    graph.initializer.extend(made);
    count
}

/// What `settled` costs, with the constants and operators of the document that it came from.
fn whole(document: &Document, settled: &GraphProto, facts: &Facts, assumed: Vec<String>) -> Costs {
    let mut costs = Costs { assumed, operators: operators(&document.graph), ..count(settled, facts) };
    document.graph.visit(&mut |graph| {
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        let constant = graph.node.iter().filter(|node| node.is("Constant"));
        let constant = constant.filter_map(|node| node.tensor("value"));
        for tensor in graph.initializer.iter().chain(sparse).chain(constant) {
            let (Ok(element), Ok(count)) = (tensor.element(), tensor.count()) else { continue };
            costs.parameters += count as u64;
            let bytes = tensor.byte_len().unwrap_or(0) as u64;
            *costs.parameter_bytes.entry(short_name(element)).or_default() += bytes;
        }
    });
    costs
}

fn operators(graph: &GraphProto) -> BTreeMap<String, usize> {
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(operator(node)).or_default() += 1;
    }
    operators
}

/// The operator, with its domain in front where that is not ONNX's own.
pub(crate) fn operator(node: &NodeProto) -> String {
    let domain = if node.in_default_domain() { String::new() } else { format!("{}:", node.domain()) };
    format!("{domain}{}", node.op_type())
}

/// Element types as the command writes them: `f32`, `i64`, `u8`.
fn short_name(element: DataType) -> String {
    match element {
        DataType::Float => "f32".to_owned(),
        DataType::Double => "f64".to_owned(),
        other => {
            let name = other.as_str_name().to_lowercase();
            let stems = [("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i")];
            let found = stems.iter().find_map(|(long, short)| Some((short, name.strip_prefix(long)?)));
            found.map_or(name.clone(), |(short, rest)| format!("{short}{rest}"))
        }
    }
}

/// Layers and activations of a graph.
fn count(graph: &GraphProto, facts: &Facts) -> Costs {
    let links = graph.links();
    let given: Vec<&str> = graph.required_inputs().map(|input| input.name()).collect();
    let computing = graph.downstream(&links, given.iter().copied());
    let is_computed = |name: &str| match links.producer(name) {
        Some(index) => computing.contains(&index),
        None => given.contains(&name),
    };
    let mut costs = Costs::default();
    for node in &graph.node {
        match layer(node, facts, &is_computed) {
            Some(layer) => {
                if layer.macs == 0 {
                    costs.not_counted.push(format!("{} ({})", layer.name, layer.op));
                }
                costs.layers.push(layer);
            }
            None if NO_RULE.contains(&node.op_type()) || holds_layers(node) => {
                costs.not_counted.push(format!("{} ({})", node.label(), operator(node)));
            }
            None => {}
        }
    }
    costs.macs = costs.layers.iter().map(|layer| layer.macs).fold(0, u64::saturating_add);
    for layer in costs.layers.iter_mut().filter(|layer| layer.macs > 0) {
        layer.share = layer.macs as f64 / costs.macs as f64;
    }
    costs.activations = activations(graph, &links, facts, &computing);
    costs
}

fn holds_layers(node: &NodeProto) -> bool {
    let mut found = false;
    for body in node.subgraphs() {
        body.visit(&mut |graph| found |= graph.node.iter().any(|node| plain(node).is_some()));
    }
    found
}

fn layer(node: &NodeProto, facts: &Facts, is_computed: &dyn Fn(&str) -> bool) -> Option<LayerCost> {
    let plain = plain(node)?;
    let fact = |place: usize| plain.input(place).map(|name| facts.get(name)).unwrap_or_default();
    let constant = |place: &usize| plain.input(*place).is_some_and(|name| !is_computed(name));
    let elements = |place: usize| fact(place).fixed().map_or(0, |shape| product(&shape));
    let output = facts.get(node.output.first()?);
    let (macs, parameters) = match packed_weights(node) {
        Some((terms, values)) => {
            (output.fixed().map_or(0, |shape| product(&shape)).saturating_mul(terms), values)
        }
        None => (macs(&plain, facts).unwrap_or(0), (0..3).filter(constant).map(elements).sum()),
    };
    let kind = match plain.op_type() {
        "Conv" => conv_kind(&fact(1), node.int("group").unwrap_or(1)),
        "ConvTranspose" => "transposed conv",
        "Gemm" => "gemm",
        _ if (0..2).any(|place| constant(&place)) => "matmul",
        _ => "attention matmul",
    };
    let length = |dim: &Dim| if let Dim::Fixed(length) = dim { Some(*length) } else { None };
    let output = output.shape.iter().flatten().map(length).collect();
    let (name, op, kind) = (node.label().to_owned(), operator(node), kind.to_owned());
    Some(LayerCost { name, op, kind, macs, share: 0.0, parameters, output })
}

/// The float operator that a layer stands for, with input, weights and bias in their usual places, so that one
/// rule counts all forms; `None` for a node that is no layer.
fn plain(node: &NodeProto) -> Option<NodeProto> {
    let domain = if node.in_default_domain() { "" } else { node.domain() };
    let (op, places): (_, &[usize]) = match (domain, node.op_type()) {
        ("", op @ ("Conv" | "ConvTranspose" | "Gemm" | "MatMul")) => (op, &[0, 1, 2]),
        ("", "ConvInteger") => ("Conv", &[0, 1]),
        ("", "MatMulInteger") => ("MatMul", &[0, 1]),
        ("" | MICROSOFT, "QLinearConv") => ("Conv", &[0, 3, 8]),
        ("", "QLinearMatMul") => ("MatMul", &[0, 3]),
        (MICROSOFT, "FusedConv") => ("Conv", &[0, 1, 2]),
        (MICROSOFT, "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" | "MatMulNBits") => ("MatMul", &[0, 1]),
        _ => return None,
    };
    let inputs: Vec<&str> = places.iter().map(|&place| node.input(place).unwrap_or("")).collect();
    let outputs: Vec<&str> = node.output.iter().map(String::as_str).collect();
    let mut plain = NodeProto::new(op, node.label(), &inputs, &outputs);
    plain.attribute.clone_from(&node.attribute);
    Some(plain)
}

/// MatMulNBits holds its weights packed: the terms of each dot product (K), and how many weights (K times N).
fn packed_weights(node: &NodeProto) -> Option<(u64, u64)> {
    let whole = |name| node.int(name).and_then(|value| u64::try_from(value).ok());
    let (terms, columns) = (whole("K")?, whole("N")?);
    (node.domain() == MICROSOFT).then_some((terms, terms.saturating_mul(columns)))
}

/// By the axes of the weights, `[out, in / group, kernel…]`.
fn conv_kind(weight: &Fact, group: i64) -> &'static str {
    let fixed = weight.fixed().unwrap_or_default();
    let kernel = fixed.get(2..).unwrap_or_default();
    match (weight.rank(), group) {
        (Some(5), _) => "conv 3d",
        (_, 2..) if fixed.get(1) == Some(&1) => "depthwise conv",
        (_, 2..) => "grouped conv",
        _ if !kernel.is_empty() && kernel.iter().all(|&length| length == 1) => "pointwise conv",
        _ => "conv",
    }
}

fn product(shape: &[i64]) -> u64 {
    let length = |length: &i64| u64::try_from(*length).unwrap_or(0);
    shape.iter().map(length).fold(1, u64::saturating_mul)
}

/// Bytes of a value; `None` where its type or shape is open.
fn bytes(fact: &Fact) -> Option<u64> {
    let tensor =
        TensorProto { dims: fact.fixed()?, data_type: Some(fact.element? as i32), ..TensorProto::default() };
    Some(tensor.byte_len().ok()? as u64)
}

fn activations(graph: &GraphProto, links: &Links, facts: &Facts, computing: &HashSet<usize>) -> Activations {
    let mut found = Activations::default();
    let mut size = |name: &str| {
        let size = bytes(&facts.get(name));
        found.open += usize::from(size.is_none());
        size.unwrap_or(0)
    };
    let mut live: u64 = graph.required_inputs().map(|input| size(input.name())).sum();
    let mut peak = live;
    let mut made_bytes = 0u64;
    // What goes after each node.
    let mut freed: HashMap<usize, u64> = HashMap::new();
    let outputs: HashSet<&str> = graph.output_names().collect();
    for (index, node) in graph.node.iter().enumerate().filter(|(index, _)| computing.contains(index)) {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let bytes = size(name);
            made_bytes = made_bytes.saturating_add(bytes);
            live = live.saturating_add(bytes);
            if !outputs.contains(name.as_str()) {
                let last = links.consumers(name).last().copied().unwrap_or(index);
                *freed.entry(last).or_default() += bytes;
            }
        }
        peak = peak.max(live);
        live = live.saturating_sub(freed.remove(&index).unwrap_or(0));
    }
    Activations { bytes: made_bytes, peak_bytes: peak, ..found }
}

#[cfg(test)]
mod tests {
    use farsight_graph::Attribute;
    use farsight_graph::onnx::ValueInfoProto;

    use super::*;

    fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto::new(op, "", inputs, &[output])
    }

    fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
        let shape: Vec<Dim> = shape.iter().map(|&length| Dim::Fixed(length)).collect();
        ValueInfoProto::tensor(name, DataType::Float, &shape)
    }

    fn weight(name: &str, shape: &[i64]) -> TensorProto {
        TensorProto::new(name, shape, &vec![0.5f32; product(shape) as usize])
    }

    fn of(graph: &GraphProto) -> Costs {
        whole(&Document::new(graph.clone(), 17), graph, &Facts::of(graph), Vec::new())
    }

    #[test]
    fn layers_have_their_kinds_costs_and_parameters() {
        let group = |group: i64| Attribute::Int(group);
        let mut quantized = node("QLinearConv", &["x", "s", "z", "w3", "s", "z", "s", "z", "b"], "q");
        quantized.domain = Some(String::new());
        let mut packed = node("MatMulNBits", &["m", "packed", "s"], "n");
        packed.domain = Some(MICROSOFT.to_owned());
        let packed = packed.with("K", Attribute::Int(8)).with("N", Attribute::Int(6));
        let graph = GraphProto {
            input: vec![value("x", &[1, 4, 8, 8]), value("v", &[1, 4, 2, 2, 2]), value("m", &[2, 8])],
            output: vec![],
            value_info: vec![
                value("a", &[1, 4, 8, 8]),
                value("d", &[1, 4, 8, 8]),
                value("g", &[1, 4, 8, 8]),
                value("p", &[1, 2, 8, 8]),
                value("t", &[1, 3, 16, 16]),
                value("c", &[1, 1, 2, 2, 2]),
                value("e", &[2, 5]),
                value("l", &[2, 5]),
                value("q", &[1, 4, 8, 8]),
                value("n", &[2, 6]),
            ],
            initializer: vec![
                weight("w3", &[4, 4, 3, 3]),
                weight("b", &[4]),
                weight("wd", &[4, 1, 3, 3]),
                weight("wg", &[4, 2, 3, 3]),
                weight("wp", &[2, 4, 1, 1]),
                weight("wt", &[4, 3, 2, 2]),
                weight("wc", &[1, 4, 1, 1, 1]),
                weight("wm", &[8, 5]),
                weight("wl", &[5, 8]),
                weight("packed", &[6, 1, 4]),
            ],
            node: vec![
                node("Conv", &["x", "w3", "b"], "a"),
                node("Conv", &["x", "wd"], "d").with("group", group(4)),
                node("Conv", &["x", "wg"], "g").with("group", group(2)),
                node("Conv", &["x", "wp"], "p"),
                node("ConvTranspose", &["x", "wt"], "t"),
                node("Conv", &["v", "wc"], "c"),
                node("MatMul", &["m", "wm"], "e"),
                node("Gemm", &["m", "wl"], "l").with("transB", Attribute::Int(1)),
                quantized,
                packed,
                node("Transpose", &["m"], "mt"),
                node("MatMul", &["m", "mt"], "k"),
                node("LSTM", &["m"], "h"),
            ],
            ..GraphProto::default()
        };
        let costs = of(&graph);
        let found: Vec<_> =
            costs.layers.iter().map(|layer| (layer.kind.as_str(), layer.macs, layer.parameters)).collect();
        assert_eq!(
            found,
            [
                ("conv", 256 * 36, 148),
                ("depthwise conv", 256 * 9, 36),
                ("grouped conv", 256 * 18, 72),
                ("pointwise conv", 128 * 4, 8),
                ("transposed conv", 256 * 12, 48),
                ("conv 3d", 8 * 4, 4),
                ("matmul", 10 * 8, 40),
                ("gemm", 10 * 8, 40),
                ("conv", 256 * 36, 148),
                ("matmul", 12 * 8, 48),
                ("attention matmul", 0, 0),
            ]
        );
        assert_eq!(costs.macs, found.iter().map(|layer| layer.1).sum::<u64>());
        assert!((costs.layers.iter().map(|layer| layer.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(costs.layers[4].output, [Some(1), Some(3), Some(16), Some(16)]);
        assert_eq!(costs.not_counted, ["k (MatMul)", "h (LSTM)"]);
        assert_eq!(costs.operators["com.microsoft:MatMulNBits"], 1);
        let parameters: u64 = graph.initializer.iter().map(|tensor| product(&tensor.dims)).sum();
        assert_eq!(costs.parameters, parameters);
        assert_eq!(costs.parameter_bytes, [("f32".to_owned(), parameters * 4)].into());
    }

    #[test]
    fn values_live_from_their_maker_to_their_last_reader() {
        let shape = [10];
        let graph = GraphProto {
            input: vec![value("x", &shape)],
            output: vec![value("y", &shape)],
            value_info: ["a", "b", "c", "k"].map(|name| value(name, &shape)).into(),
            initializer: vec![weight("w", &shape)],
            node: vec![
                // Made of constants alone: computed at load.
                node("Neg", &["w"], "k"),
                node("Add", &["x", "k"], "a"),
                node("Relu", &["a"], "b"),
                node("Relu", &["b"], "c"),
                node("Add", &["a", "c"], "y"),
            ],
            ..GraphProto::default()
        };
        // x, a, b and c at the third Relu; x, a, c and y at the end.
        let expected = Activations { bytes: 4 * 40, peak_bytes: 4 * 40, open: 0 };
        assert_eq!(of(&graph).activations, expected);
        let chain = GraphProto {
            node: vec![
                node("Relu", &["x"], "a"),
                node("Relu", &["a"], "b"),
                node("Relu", &["b"], "c"),
                node("Relu", &["c"], "y"),
                node("Relu", &["c"], "unknown"),
            ],
            ..graph
        };
        let expected = Activations { bytes: 4 * 40, peak_bytes: 3 * 40, open: 1 };
        assert_eq!(of(&chain).activations, expected);
    }

    #[test]
    fn open_axes_get_lengths_and_are_told() {
        let mut graph = GraphProto { input: vec![value("z", &[2])], ..GraphProto::default() };
        assert_eq!(with_lengths(&Document::new(graph.clone(), 17), 1), None);
        let open = ["N".into(), 3.into(), Dim::Open];
        graph.input.push(ValueInfoProto::tensor("x", DataType::Float, &open));
        let document = Document::new(graph, 17);
        for (length, expected) in [(1, "x [N, 3, ?] as [1, 3, 1]"), (64, "x [N, 3, ?] as [1, 3, 64]")] {
            let (closed, assumed) = with_lengths(&document, length).unwrap();
            assert_eq!(assumed, [expected]);
            assert_eq!(closed.graph.input[1].shape().unwrap(), [1.into(), 3.into(), length.into()]);
        }
        // A batch of two inputs is one batch.
        let lone = ValueInfoProto::tensor("m", DataType::Float, &["H".into(), "N".into()]);
        let mut clash = document;
        clash.graph.input.push(lone);
        assert!(with_lengths(&clash, 1).is_some() && with_lengths(&clash, 64).is_none());
    }

    #[test]
    fn small_float16_constants_are_widened() {
        let cast = |from: &str, to: &str| node("Cast", &[from], to).with("to", Attribute::Int(1));
        let mut graph = GraphProto {
            initializer: vec![
                TensorProto::new("h", &[2], &[f16::ONE; 2]),
                TensorProto::new("large", &[65], &[f16::ONE; 65]),
            ],
            node: vec![cast("h", "scales"), cast("large", "weights")],
            ..GraphProto::default()
        };
        assert_eq!((widen_small_constants(&mut graph), widen_small_constants(&mut graph)), (1, 0));
        assert_eq!(graph.tensor("scales").unwrap().values::<f32>().unwrap(), [1.0; 2]);
        assert_eq!(graph.node.len(), 1);
    }

    #[test]
    fn types_have_short_names() {
        let types = [DataType::Float, DataType::Bfloat16, DataType::Int64, DataType::Uint4, DataType::Bool];
        assert_eq!(types.map(short_name), ["f32", "bf16", "i64", "u4", "bool"]);
    }
}
