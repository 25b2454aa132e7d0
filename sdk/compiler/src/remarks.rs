//! Remarks: what is slow, wrong or unsupported in a model on a target, and what to do about it.
//!
//! Each check is a function of its own that finds the nodes concerned. Figures are ratios to the float32 model's
//! time on one thread of an x86 with AVX512-VNNI (ONNX Runtime 1.32, YOLOv8n). What is only true of ONNX
//! Runtime's CPU kernels is said only where the target's first provider is the CPU.

use std::collections::HashSet;

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Document, Facts, Links, ir_version_for};
use farsight_spec::{Target, has_vnni};
use serde::Serialize;

use crate::costs::{Costs, is_fixed, operator, shape_text};
use crate::quantize::HALF_RANGE;
use crate::quantized::{MICROSOFT, slow_nodes};

/// At most that many places are named; all are counted.
const NAMED: usize = 8;

/// Domains of operators that ONNX Runtime's CPU build may hold (`core/graph/constants.h`).
const KNOWN_DOMAINS: [&str; 8] = [
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.preview",
    MICROSOFT,
    "com.microsoft.experimental",
    "com.microsoft.nchwc",
    "com.ms.internal.nhwc",
];

/// Something that is slow, wrong or unsupported on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// A short stable name, for machines.
    pub kind: &'static str,
    /// What it is.
    pub what: String,
    /// Nodes or values concerned, the first few by name; empty where it is the whole model.
    #[serde(rename = "where")]
    pub places: Vec<String>,
    /// How many are concerned.
    pub count: usize,
    /// Why it matters.
    pub why: String,
    /// What to do.
    #[serde(rename = "do")]
    pub advice: String,
}

/// What is slow, wrong or unsupported in a model on a target. `facts` and `costs` are those of
/// [`crate::costs()`]; `target` has a real triple ([`Target::on_host`]). Where the target lists no CPU features,
/// none beyond the triple's are counted on.
pub fn remarks(document: &Document, facts: &Facts, costs: &Costs, target: &Target) -> Vec<Remark> {
    let model = Model {
        document,
        graph: &document.graph,
        links: document.graph.links(),
        facts,
        costs,
        target,
        on_cpu: target.providers.first().is_none_or(|provider| provider.name.eq_ignore_ascii_case("CPU")),
        on_x86: ["x86_64", "i686", "i586"].iter().any(|cpu| target.triple.starts_with(cpu)),
    };
    let checks = [
        new_opset,
        new_ir,
        unknown_domain,
        young_matmul_bits,
        dynamic_conv,
        weights_only,
        signed_activations,
        unsigned_weights,
        saturating_weights,
        open_conv_output,
        float16,
        float64,
        control_flow,
        open_inputs,
        memory,
    ];
    checks.iter().filter_map(|check| check(&model)).collect()
}

/// What the checks look at.
struct Model<'m> {
    document: &'m Document,
    graph: &'m GraphProto,
    links: Links<'m>,
    facts: &'m Facts,
    costs: &'m Costs,
    target: &'m Target,
    on_cpu: bool,
    on_x86: bool,
}

/// A layer whose input and weights both come out of a DequantizeLinear.
struct Quantized<'m> {
    node: &'m NodeProto,
    input: Option<DataType>,
    weight: Option<DataType>,
    /// The weights, where they are constant.
    values: Option<&'m TensorProto>,
}

impl<'m> Model<'m> {
    /// Nodes of the main graph and of all bodies.
    fn all_nodes(&self) -> Vec<&'m NodeProto> {
        let mut nodes = Vec::new();
        self.graph.visit(&mut |graph| nodes.extend(&graph.node));
        nodes
    }

    /// The DequantizeLinear that makes a value.
    fn dequantize(&self, name: Option<&str>) -> Option<&'m NodeProto> {
        let node = &self.graph.node[self.links.producer(name?)?];
        (node.op_type() == "DequantizeLinear").then_some(node)
    }

    fn element(&self, name: Option<&str>) -> Option<DataType> {
        self.facts.get(name?).element
    }

    /// Layers in the form that ONNX Runtime fuses to integer kernels.
    fn quantized(&self) -> Vec<Quantized<'m>> {
        let layers =
            self.graph.node.iter().filter(|node| ["Conv", "MatMul", "Gemm"].iter().any(|op| node.is(op)));
        let quantized = |node: &'m NodeProto| {
            let input = self.dequantize(node.input(0))?.input(0);
            let weight = self.dequantize(node.input(1))?.input(0);
            let values = weight.and_then(|name| self.links.tensor(name));
            Some(Quantized { node, input: self.element(input), weight: self.element(weight), values })
        };
        layers.filter_map(quantized).collect()
    }
}

/// A remark on these nodes; `None` if there are none.
fn on_nodes<'m>(
    kind: &'static str,
    nodes: impl IntoIterator<Item = &'m NodeProto>,
    texts: [&str; 3],
) -> Option<Remark> {
    on_places(kind, nodes.into_iter().map(|node| node.label().to_owned()).collect(), texts)
}

fn on_places(kind: &'static str, mut places: Vec<String>, [what, why, advice]: [&str; 3]) -> Option<Remark> {
    let count = places.len();
    places.truncate(NAMED);
    (count > 0).then(|| Remark { places, count, ..on_model(kind, [what, why, advice]) })
}

fn on_model(kind: &'static str, [what, why, advice]: [&str; 3]) -> Remark {
    let [what, why, advice] = [what, why, advice].map(str::to_owned);
    Remark { kind, what, places: Vec::new(), count: 1, why, advice }
}

fn new_opset(model: &Model) -> Option<Remark> {
    let opset = model.document.opset("")?;
    let why = model.target.onnxruntime.too_new(opset)?;
    let newest = model.target.onnxruntime.newest_opset();
    let advice = format!(
        "export it with opset {newest} or older, or raise onnxruntime.oldest in the target to what the device runs"
    );
    Some(on_model("opset", [&format!("opset {opset}"), &why, &advice]))
}

/// ONNX Runtime refuses a file whose IR is newer than that of the ONNX release it was built with.
fn new_ir(model: &Model) -> Option<Remark> {
    let newest = ir_version_for(model.target.onnxruntime.newest_opset());
    let found = model.document.model.ir_version();
    let why = format!(
        "ONNX Runtime {}, the oldest that the target names, reads files up to IR {newest}",
        model.target.onnxruntime.oldest
    );
    let advice = "export it with an older onnx, or set the file's ir_version lower if its opset allows it";
    (found > newest).then(|| on_model("ir", [&format!("IR version {found}"), &why, advice]))
}

fn unknown_domain(model: &Model) -> Option<Remark> {
    let functions: HashSet<&str> =
        model.document.model.functions.iter().map(|function| function.domain()).collect();
    let unknown =
        |node: &&NodeProto| !KNOWN_DOMAINS.contains(&node.domain()) && !functions.contains(node.domain());
    let nodes: Vec<&NodeProto> = model.all_nodes().into_iter().filter(unknown).collect();
    let mut operators: Vec<String> = nodes.iter().map(|node| operator(node)).collect();
    operators.sort();
    operators.dedup();
    on_nodes(
        "domain",
        nodes,
        [
            &format!("operators that ONNX Runtime does not hold: {}", operators.join(", ")),
            "they come with a library of their own, which a bundle does not carry: the model does not load",
            "export the model without them",
        ],
    )
}

fn young_matmul_bits(model: &Model) -> Option<Remark> {
    let oldest = model.target.onnxruntime.oldest_minor();
    // 4-bit kernels came with 1.17, 8-bit ones with 1.22.
    let needs = |node: &NodeProto| if node.int("bits").unwrap_or(4) == 8 { 22 } else { 17 };
    let found = |node: &&NodeProto| {
        node.domain() == MICROSOFT && node.op_type() == "MatMulNBits" && oldest < needs(node)
    };
    let nodes: Vec<&NodeProto> = model.all_nodes().into_iter().filter(found).collect();
    let newest = nodes.iter().map(|node| needs(node)).max()?;
    on_nodes(
        "matmul-bits",
        nodes,
        [
            "MatMulNBits that the oldest ONNX Runtime does not know",
            &format!(
                "it needs ONNX Runtime 1.{newest}, the target names 1.{oldest}: the model does not load there"
            ),
            "use 4 bits, or raise onnxruntime.oldest in the target to what the device runs",
        ],
    )
}

fn dynamic_conv(model: &Model) -> Option<Remark> {
    on_slow(
        "dynamic-conv",
        model,
        "ConvInteger",
        "dynamically quantized convolutions",
        "hand in the float model, or compile with --requantize",
    )
}

fn weights_only(model: &Model) -> Option<Remark> {
    on_slow(
        "weights-only",
        model,
        "Conv",
        "convolutions whose weights alone are quantized",
        "compile with --requantize, or store the weights as float16 (--precision fp16)",
    )
}

/// A remark on the slow ones among the nodes of an operator, with the reasons that `compile` gives too.
fn on_slow(kind: &'static str, model: &Model, op: &str, what: &str, advice: &str) -> Option<Remark> {
    let slow = if model.on_cpu { slow_nodes(model.graph) } else { Vec::new() };
    let (nodes, mut why): (Vec<_>, Vec<_>) = slow.into_iter().filter(|(node, _)| node.is(op)).unzip();
    why.sort_unstable();
    why.dedup();
    on_nodes(kind, nodes, [what, &why.join("; "), advice])
}

/// On x86 ONNX Runtime turns a signed Q/DQ pair into an unsigned one, but only where the quantized value has one
/// reader: a Conv beside any other stays a float convolution between DequantizeLinear and QuantizeLinear.
fn signed_activations(model: &Model) -> Option<Remark> {
    let is_stuck = |name: &str| {
        let maker = model.links.producer(name).map(|index| &model.graph.node[index]);
        let readers = model.links.consumers(name).iter().map(|&index| &model.graph.node[index]);
        let outputs = readers.filter_map(|reader| reader.output.first());
        maker.is_none_or(|node| node.op_type() != "QuantizeLinear")
            || outputs.map(|output| model.links.consumers(output).len()).sum::<usize>() > 1
    };
    let found = |layer: &Quantized| {
        let input = model.dequantize(layer.node.input(0)).and_then(|node| node.input(0));
        let output = layer.node.output.iter().flat_map(|name| model.links.consumers(name));
        let output = output.filter_map(|&index| model.graph.node[index].output.first());
        let is_signed = layer.node.is("Conv") && layer.input == Some(DataType::Int8);
        is_signed && input.into_iter().chain(output.map(String::as_str)).any(is_stuck)
    };
    on_nodes(
        "signed-activations",
        model
            .quantized()
            .into_iter()
            .filter(|layer| model.on_cpu && model.on_x86 && found(layer))
            .map(|layer| layer.node),
        [
            "quantized convolutions with signed (int8) values that several nodes read",
            "on x86 ONNX Runtime does not fuse them: a YOLO takes 1.54 times the float time, with uint8 values .43",
            "quantize activations to uint8 and weights to int8 (--requantize)",
        ],
    )
}

fn unsigned_weights(model: &Model) -> Option<Remark> {
    let found = |layer: &Quantized| {
        let unsigned = layer.input == Some(DataType::Uint8) && layer.weight == Some(DataType::Uint8);
        model.on_cpu && model.on_x86 && layer.node.is("Conv") && unsigned && layer.values.is_some()
    };
    on_nodes(
        "unsigned-weights",
        model.quantized().into_iter().filter(found).map(|layer| layer.node),
        [
            "quantized convolutions with unsigned (uint8) weights",
            "on x86 the fast kernels want int8 weights: a YOLO takes .85 of the float time, with int8 weights .43",
            "quantize weights to int8, per channel (--requantize)",
        ],
    )
}

/// Without VNNI two products are added in 16 bits (`vpmaddubsw`): 2 * 255 * 64 still fits, more does not.
fn saturating_weights(model: &Model) -> Option<Remark> {
    let large = |tensor: &TensorProto| {
        let values = tensor.values::<i8>().unwrap_or_default();
        values.iter().any(|&value| i32::from(value).abs() > HALF_RANGE)
    };
    let found = |layer: &Quantized| {
        model.on_cpu
            && model.on_x86
            && !has_vnni(&model.target.cpu_features)
            && layer.input == Some(DataType::Uint8)
            && layer.values.is_some_and(large)
    };
    on_nodes(
        "saturation",
        model.quantized().into_iter().filter(found).map(|layer| layer.node),
        [
            "int8 weights beyond -64 to 64",
            "the target does not promise VNNI: without it sums of two products saturate, and the answer is wrong (a \
             YOLO's AP fell from .681 to .610)",
            "list vnni in the target's cpu_features if the device has it, else quantize the weights \
             to 7 bits (--requantize)",
        ],
    )
}

/// ONNX Runtime takes a quantized Conv only whole: Q after it too. Without, both DequantizeLinear run and the
/// convolution is a float one. A Relu before the Q vanishes if the Q cuts at zero itself; nothing is said of Clip.
fn open_conv_output(model: &Model) -> Option<Remark> {
    let reader = |index: usize| &model.graph.node[index];
    let quantizes = |node: &NodeProto| node.op_type() == "QuantizeLinear";
    let closes = |&index: &usize| {
        let node = reader(index);
        let after =
            || node.output.iter().flat_map(|name| model.links.consumers(name)).map(|&index| reader(index));
        let cuts_at_zero = |node: &NodeProto| quantizes(node) && has_lowest_zero_point(node, &model.links);
        quantizes(node) || node.is("Clip") || node.is("Relu") && after().all(cuts_at_zero)
    };
    let found = |layer: &Quantized| {
        let output = layer.node.output.first().map(String::as_str).unwrap_or_default();
        let is_output = model.graph.output_names().any(|name| name == output);
        layer.node.is("Conv")
            && layer.values.is_some()
            && (is_output || !model.links.consumers(output).iter().all(closes))
    };
    on_nodes(
        "open-conv-output",
        model.quantized().into_iter().filter(|layer| model.on_cpu && found(layer)).map(|layer| layer.node),
        [
            "quantized convolutions without a QuantizeLinear on their output",
            "ONNX Runtime runs them in float and dequantizes before: slower than the float model (1.4 times for a \
             YOLO that is quantized so throughout)",
            "quantize the output of each convolution too (--requantize)",
        ],
    )
}

/// Whether the lowest integer of a QuantizeLinear stands for zero. Without a zero point it is uint8 and zero.
fn has_lowest_zero_point(node: &NodeProto, links: &Links) -> bool {
    let Some(zero) = node.input(2).and_then(|name| links.tensor(name)) else { return true };
    let unsigned = zero.values::<u8>().is_ok_and(|values| values.iter().all(|&value| value == u8::MIN));
    unsigned || zero.values::<i8>().is_ok_and(|values| values.iter().all(|&value| value == i8::MIN))
}

fn float16(model: &Model) -> Option<Remark> {
    let given = model.graph.required_inputs().map(|input| input.name());
    let computing = model.graph.downstream(&model.links, given);
    let found = |(index, node): &(usize, &NodeProto)| {
        let half = model.element(node.output.first().map(String::as_str)) == Some(DataType::Float16);
        computing.contains(index) && half && !node.is("Cast") && !model.target.precision.fp16_arithmetic
    };
    on_nodes(
        "float16",
        model.graph.node.iter().enumerate().filter(found).map(|(_, node)| node),
        [
            "float16 arithmetic",
            "the target names no float16 kernels (precision.fp16_arithmetic): ONNX Runtime widens the weights at load \
             and computes in float32, with Casts where a node needs float16, so float16 saves neither time nor \
             memory, only storage",
            "keep it where the file's size counts, else compile with --precision fp32",
        ],
    )
}

fn float64(model: &Model) -> Option<Remark> {
    let is_double = |name: &String| model.facts.get(name).element == Some(DataType::Double);
    let inputs = model.graph.required_inputs().map(|input| input.name().to_owned()).filter(is_double);
    let found = |node: &&NodeProto| {
        !node.is("Cast") && !node.is("Constant") && node.input.iter().chain(&node.output).any(is_double)
    };
    let nodes = model.all_nodes().into_iter().filter(found).map(|node| node.label().to_owned());
    on_places(
        "float64",
        inputs.chain(nodes).collect(),
        [
            "float64 values",
            "they take twice the memory and time of float32, and many of ONNX Runtime's operators have no kernel for \
             them",
            "export the model in float32",
        ],
    )
}

fn control_flow(model: &Model) -> Option<Remark> {
    on_nodes(
        "control-flow",
        model.all_nodes().into_iter().filter(|node| node.subgraphs().next().is_some()),
        [
            "Loop, If or Scan with bodies",
            "a body is run apart from the rest: nothing is fused across its border, its buffers are made in each run \
             where a shape is open, and its MACs are not in the sum",
            "export the model with fixed input shapes and without control flow",
        ],
    )
}

fn open_inputs(model: &Model) -> Option<Remark> {
    let open = model.graph.required_inputs().filter_map(|input| {
        let shape = input.shape().filter(|shape| !shape.iter().all(is_fixed))?;
        Some(format!("{} {}", input.name(), shape_text(&shape)))
    });
    on_places(
        "open-input",
        open.collect(),
        [
            "inputs of open shape",
            "ONNX Runtime then plans no memory ahead: buffers are made in each run",
            "compile it with a spec that fixes the size, or export it with fixed shapes",
        ],
    )
}

fn memory(model: &Model) -> Option<Remark> {
    let budget = model.target.memory.budget_mb as u64;
    let weights: u64 = model.costs.parameter_bytes.values().sum();
    let values = model.costs.activations.peak_bytes;
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    (budget > 0 && weights.saturating_add(values) > budget.saturating_mul(1_000_000)).then(|| {
        on_model(
            "memory",
            [
                &format!("{} of weights and {} of values at a time", megabytes(weights), megabytes(values)),
                &format!("the target's memory.budget_mb is {budget}"),
                "take a smaller input or a smaller model, or store the weights smaller (--precision fp16 or int8)",
            ],
        )
    })
}

#[cfg(test)]
mod tests;
