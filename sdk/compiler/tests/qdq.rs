//! Static int8 as ONNX Runtime runs it: every quantized layer becomes an integer kernel, and the answer is near that
//! of the float model.

use std::collections::HashMap;
use std::path::Path;

use farsight_bundle::{Bundle, Open};
use farsight_compiler::calibrate::{Histogram, QParams, RangeMethod, range};
use farsight_compiler::passes::{QdqSettings, qdq};
use farsight_compiler::{Job, Report, compile, npy};
use farsight_engine::{EngineError, Library, Model, Session, Settings, evaluate, profile_run};
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document};
use farsight_spec::{ActivationType, ElementType, ModelSpec, Precision, Target};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let mut trials = vec![
        whole_weights("a_network_with_whole_weights"),
        needs_library("a_network_with_half_range_weights", |library| network(library, true)),
        needs_library("what_is_only_moved_keeps_its_grid", moved),
    ];
    trials
        .extend(forms().into_iter().map(|form| needs_library(form.name, move |library| form.check(library))));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A test that needs ONNX Runtime; ignored, with the reason, where there is none.
fn needs_library(
    name: &str,
    test: impl FnOnce(&'static Library) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => test(library?).map(|()| Completion::Completed),
    })
}

/// Where kernels add pairs of products in 16 bits, weights of all 8 bits saturate: nothing can be said of the answer.
fn whole_weights(name: &str) -> Trial {
    let has_vnni = farsight_engine::cpu_features().iter().any(|feature| feature == "vnni");
    if cfg!(target_arch = "x86_64") && !has_vnni {
        return Trial::ignorable_test(name, || Ok(Completion::ignored_with("this CPU has no VNNI")));
    }
    needs_library(name, |library| network(library, false))
}

/// Compiled from file to bundle: three of the four Conv become integer kernels, the stem stays float.
fn network(library: &'static Library, half_range: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let inputs = folder.path().join("inputs");
    std::fs::create_dir(&inputs)?;
    for seed in 0..8 {
        let bytes = bytes(&numbers(3 * 16 * 16, 1.0, seed));
        npy::write(&inputs.join(format!("{seed}.npy")), ElementType::F32, &[1, 3, 16, 16], &bytes)?;
    }
    let source = small_network();
    let model = folder.path().join("model.onnx");
    source.write(&model)?;
    let (report, int8) = compiled(&model, &inputs, half_range)?;

    let conv = |op: &str| op.contains("Conv") && !op.starts_with("QLinear");
    let x = numbers(3 * 16 * 16, 1.0, 100);
    let ops = ops_run(library, &int8, &x)?;
    let integer = ops.iter().filter(|op| op.starts_with("QLinearConv")).count();
    let float = ops.iter().filter(|op| conv(op)).count();
    same((integer, float), (3, 1)).map_err(|error| format!("{error:?}: {ops:?}"))?;
    same(report.float_islands.iter().map(|island| &island.layer[..]).collect(), vec!["stem"])?;
    let unfused = report.notes.iter().find(|note| note.contains("integer kernels"));
    same(unfused, None)?;

    let greatest = int8
        .graph
        .initializer
        .iter()
        .filter(|tensor| tensor.dims.len() == 4)
        .filter_map(|tensor| tensor.values::<i8>().ok())
        .flatten()
        .map(i8::unsigned_abs)
        .max();
    same(greatest, Some(if half_range { 64 } else { 127 }))?;
    near(library, &source, &int8, &x, 0.97)
}

/// A Split and a MaxPool keep their input's grid, or they would run in float, also where SiLU reads them.
fn moved(library: &'static Library) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let inputs = folder.path().join("inputs");
    std::fs::create_dir(&inputs)?;
    for seed in 0..4 {
        let bytes = bytes(&numbers(8 * 8 * 8, 20.0, seed));
        npy::write(&inputs.join(format!("{seed}.npy")), ElementType::F32, &[1, 8, 8, 8], &bytes)?;
    }
    let pool = |input: &str, output: &str| {
        node("MaxPool", &[input], output).with("kernel_shape", Attribute::Ints(vec![2, 2]))
    };
    let nodes = vec![
        node("Conv", &["x", "w"], "a"),
        NodeProto::new("Split", "", &["a"], &["b", "c"]).with("axis", Attribute::Int(1)),
        node("Sigmoid", &["b"], "gate"),
        node("Mul", &["b", "gate"], "d"),
        pool("c", "e"),
        pool("d", "f"),
        node("Add", &["e", "f"], "g"),
        node("Conv", &["g", "v"], "y"),
    ];
    let tensors = vec![weights("w", &[8, 8, 1, 1]), weights("v", &[4, 4, 1, 1])];
    let source = model(&[1, 8, 8, 8], nodes, tensors);
    let path = folder.path().join("model.onnx");
    source.write(&path)?;
    let (_, int8) = compiled(&path, &inputs, true)?;
    let scale = |value: &str| {
        let tensor =
            int8.graph.tensor(&format!("{value}_scale")).ok_or(format!("{value} is not quantized"))?;
        Ok::<_, Failed>(tensor.values::<f32>()?)
    };
    same(scale("b")?, scale("a")?)?;
    same(scale("c")?, scale("a")?)?;
    same(scale("e")?, scale("c")?)?;
    same(scale("f")?, scale("d")?)?;
    near(library, &source, &int8, &numbers(8 * 8 * 8, 20.0, 100), 0.96)
}

/// The report and the model of an int8 compile for this machine.
fn compiled(model: &Path, inputs: &Path, half_range: bool) -> Result<(Report, Document), Failed> {
    let mut target = Target::find("host")?;
    target.precision.half_range_weights = Some(half_range);
    let output = model.with_extension("farsight");
    let job = Job {
        model: model.to_owned(),
        spec: Some(ModelSpec::find("tensors")?),
        target,
        labels: None,
        recipe: None,
        precision: Some(Precision::Int8),
        max_drop: Some(0.1),
        data: None,
        calibrate: Some(inputs.to_owned()),
        requantize: false,
        force: true,
        library: None,
        output: output.clone(),
    };
    let report = compile(&job, &mut |_| {})?;
    let bundle = Bundle::open(&output, Open::Memory)?;
    Ok((report, Document::parse(bundle.model_bytes().to_vec().into(), None)?))
}

/// A stem, SiLU, a residual Add, a Concat, a MaxPool, a depthwise and a 1×1 Conv, a Sigmoid at the end.
fn small_network() -> Document {
    let conv = |name: &str, inputs: &[&str], output: &str, pad: i64| {
        NodeProto::new("Conv", name, inputs, &[output]).with("pads", Attribute::Ints(vec![pad; 4]))
    };
    let nodes = vec![
        conv("stem", &["x", "w0", "b0"], "c0", 1),
        node("Sigmoid", &["c0"], "g0"),
        node("Mul", &["c0", "g0"], "a0"),
        conv("middle", &["a0", "w1", "b1"], "c1", 1),
        node("Sigmoid", &["c1"], "g1"),
        node("Mul", &["c1", "g1"], "a1"),
        node("Add", &["a0", "a1"], "sum"),
        node("Concat", &["a0", "sum"], "both").with("axis", Attribute::Int(1)),
        node("MaxPool", &["both"], "pooled")
            .with("kernel_shape", Attribute::Ints(vec![2, 2]))
            .with("strides", Attribute::Ints(vec![2, 2])),
        conv("depthwise", &["pooled", "w2", "b2"], "c2", 1).with("group", Attribute::Int(32)),
        node("Relu", &["c2"], "a2"),
        conv("last", &["a2", "w3", "b3"], "c3", 0),
        node("Sigmoid", &["c3"], "y"),
    ];
    let tensors = vec![
        weights("w0", &[16, 3, 3, 3]),
        weights("w1", &[16, 16, 3, 3]),
        weights("w2", &[32, 1, 3, 3]),
        weights("w3", &[8, 32, 1, 1]),
        weights("b0", &[16]),
        weights("b1", &[16]),
        weights("b2", &[32]),
        weights("b3", &[8]),
    ];
    model(&[1, 3, 16, 16], nodes, tensors)
}

/// A small graph whose nodes are all int8.
struct Form {
    name: &'static str,
    document: Document,
    /// Values that stay without a pair.
    bare: &'static [&'static str],
    activation: ActivationType,
    /// The operators that must run, apart from those at the edges: QuantizeLinear, DequantizeLinear, Transpose.
    runs: &'static [&'static str],
}

fn form(name: &'static str, document: Document, runs: &'static [&'static str]) -> Form {
    Form { name, document, bare: &[], activation: ActivationType::U8, runs }
}

fn forms() -> Vec<Form> {
    const PICTURE: [i64; 4] = [1, 8, 8, 8];
    let conv = |inputs: &[&str], output: &str| node("Conv", inputs, output);
    let w = || weights("w", &[8, 8, 1, 1]);
    let b = || weights("b", &[8]);
    let v = || weights("v", &[16, 8]);
    let six = || TensorProto::new("six", &[], &[6.0f32]);
    let zero = || TensorProto::new("zero", &[], &[0.0f32]);
    let gemm = |transposed| node("Gemm", &["x", "v", "b"], "y").with("transB", Attribute::Int(transposed));
    let one_conv = || vec![conv(&["x", "w", "b"], "y")];
    // A dead channel without a bias, and others whose bias is far larger than what is added to it.
    let odd_weights = || {
        let mut values = numbers(64, 1e-9, 3);
        values[..8].fill(0.0);
        values[8..16].fill(0.0);
        values.splice(48.., numbers(16, 1.0, 4));
        let biases = [0.0f32, 0.5, -2.0, 2.0, 1.0, -1.0, 0.1, -0.1];
        vec![TensorProto::new("w", &[8, 8, 1, 1], &values), TensorProto::new("b", &[8], &biases)]
    };
    let with_opset = |opset| {
        let mut document = model(&PICTURE, one_conv(), vec![w(), b()]);
        document.set_opset("", opset);
        document
    };
    let wide =
        |name, opset| Form { activation: ActivationType::U16, ..form(name, with_opset(opset), &["Conv"]) };
    let clipped = |last: NodeProto| {
        model(&PICTURE, vec![conv(&["x", "w", "b"], "h"), last], vec![w(), b(), six(), zero()])
    };
    let bare = |form: Form| Form { bare: &["h"], ..form };
    vec![
        form("conv", model(&PICTURE, one_conv(), vec![w(), b()]), &["QLinearConv"]),
        form("dead_channels_and_large_biases", model(&PICTURE, one_conv(), odd_weights()), &["QLinearConv"]),
        bare(form("relu_behind_conv", clipped(node("Relu", &["h"], "y")), &["QLinearConv"])),
        bare(form("relu6_behind_conv", clipped(node("Clip", &["h", "zero", "six"], "y")), &["QLinearConv"])),
        form(
            "a_weight_that_two_layers_share",
            model(
                &PICTURE,
                vec![conv(&["x", "w", "b"], "h"), conv(&["h", "w", "b"], "i"), conv(&["i", "w"], "y")],
                vec![w(), b()],
            ),
            &["QLinearConv", "QLinearConv", "QLinearConv"],
        ),
        form("gemm", model(&[4, 16], vec![gemm(0)], vec![v(), b()]), &["QGemm"]),
        form("gemm_of_rows", model(&[4, 16], vec![gemm(1)], vec![weights("v", &[8, 16]), b()]), &["QGemm"]),
        form(
            "gemm_with_one_number_as_bias",
            model(&[4, 16], vec![gemm(0)], vec![v(), weights("b", &[1])]),
            &["QGemm"],
        ),
        form(
            "matmul",
            model(&[4, 16], vec![node("MatMul", &["x", "v"], "y")], vec![v()]),
            &["QLinearMatMul"],
        ),
        form(
            "matmul_of_two_values",
            model(
                &[16, 16],
                vec![node("MatMul", &["x", "u"], "h"), node("MatMul", &["h", "x"], "y")],
                vec![weights("u", &[16, 16])],
            ),
            &["QLinearMatMul", "QLinearMatMul"],
        ),
        form(
            "constant_operands",
            model(
                &PICTURE,
                vec![
                    node("Add", &["x", "c"], "h"),
                    node("Mul", &["c", "h"], "i"),
                    node("Concat", &["i", "c"], "y").with("axis", Attribute::Int(1)),
                ],
                vec![weights("c", &[1, 8, 8, 8])],
            ),
            &["QLinearAdd", "QLinearMul", "QLinearConcat"],
        ),
        wide("activations_of_16_bits", 17),
        wide("activations_of_16_bits_in_opset_21", 21),
    ]
}

impl Form {
    fn check(self, library: &'static Library) -> Result<(), Failed> {
        let Self { document, activation, .. } = &self;
        let shape = shape(document)?;
        let x = numbers(shape.iter().product::<i64>() as usize, 1.0, 9);
        let levels = if *activation == ActivationType::U16 { 65_536 } else { 256 };
        let grid = |(name, values): (String, Vec<f32>)| {
            let mut seen = Histogram::new();
            seen.add(&values);
            (name, QParams::of(range(&seen, RangeMethod::MinMax, levels, false), *activation))
        };
        let mut values = every_value(library, document, &x)?;
        self.bare.iter().for_each(|value| drop(values.remove(*value)));
        values.insert("x".to_owned(), x.clone());
        let settings = QdqSettings {
            nodes: (0..document.graph.node.len()).collect(),
            grids: values.into_iter().map(grid).collect(),
            activation: *activation,
            weight_limit: 64,
            per_channel: true,
        };
        let mut int8 = document.clone();
        qdq(&mut int8, &settings)?;
        let mut ops = ops_run(library, &int8, &x)?;
        ops.retain(|op| !["QuantizeLinear", "DequantizeLinear", "Transpose"].contains(&&op[..]));
        same(&ops.iter().map(String::as_str).collect::<Vec<_>>()[..], self.runs)?;
        near(library, document, &int8, &x, 0.98)
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, "", inputs, &[output])
}

/// A model of opset 17 from `x` to `y`.
fn model(shape: &[i64], nodes: Vec<NodeProto>, tensors: Vec<TensorProto>) -> Document {
    let axes: Vec<Dim> = shape.iter().map(|&length| Dim::Fixed(length)).collect();
    let graph = GraphProto {
        name: Some("g".into()),
        input: vec![ValueInfoProto::tensor("x", DataType::Float, &axes)],
        output: vec![untyped("y")],
        initializer: tensors,
        node: nodes,
        ..GraphProto::default()
    };
    Document::new(graph, 17)
}

fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

/// Weights as large as training makes them: the products of a layer keep the size of its input.
fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let terms: i64 = dims[1..].iter().product();
    let count = dims.iter().product::<i64>() as usize;
    let seed = name.bytes().fold(dims.len() as u32, |seed, byte| seed * 31 + u32::from(byte));
    TensorProto::new(name, dims, &numbers(count, 1.7 / (terms as f32).sqrt(), seed))
}

/// Numbers from `-size` to `size` from the integer hash "lowbias32" (C. Wellons).
fn numbers(count: usize, size: f32, seed: u32) -> Vec<f32> {
    let number = |index: usize| {
        let mut x = (index as u32).wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        (f64::from(x ^ (x >> 16)) / 2f64.powi(31) - 1.0) as f32 * size
    };
    (0..count).map(number).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn shape(document: &Document) -> Result<Vec<i64>, Failed> {
    let shape = document.graph.input[0].shape();
    farsight_graph::Fact { element: None, shape }.fixed().ok_or_else(|| "a fixed shape".into())
}

/// What every node of a float model makes of `x`.
fn every_value(
    library: &'static Library,
    document: &Document,
    x: &[f32],
) -> Result<HashMap<String, Vec<f32>>, Failed> {
    let mut document = document.clone();
    let shape = shape(&document)?;
    document.graph.input.clear();
    document.graph.initializer.push(TensorProto::new("x", &shape, x));
    document.graph.output =
        document.graph.node.iter().flat_map(|node| &node.output).map(|name| untyped(name)).collect();
    let floats = |bytes: &[u8]| {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<f32>>()
    };
    let outputs = evaluate(library, &document.to_bytes()?)?;
    Ok(outputs.into_iter().map(|(info, bytes)| (info.name, floats(&bytes))).collect())
}

/// The operators that really run, in their order.
fn ops_run(library: &'static Library, document: &Document, x: &[f32]) -> Result<Vec<String>, Failed> {
    let bytes = document.to_bytes()?;
    let settings = Settings { threads: 1, ..Settings::default() };
    let nodes = profile_run(library, Model::Bytes(&bytes), &settings, 1, |session| {
        session.input_mut::<f32>(0)?.copy_from_slice(x);
        Ok(())
    })?;
    Ok(nodes.into_iter().map(|node| node.op).collect())
}

fn answer(library: &'static Library, document: &Document, x: &[f32]) -> Result<Vec<f32>, Failed> {
    let bytes = document.to_bytes()?;
    let mut session = Session::open(library, Model::Bytes(&bytes), &Settings::default())?;
    session.input_mut::<f32>(0)?.copy_from_slice(x);
    session.run()?;
    Ok(session.output::<f32>(0)?.to_vec())
}

/// 1 − ‖float − int8‖ ÷ ‖float − its mean‖ is at least `closeness`.
fn near(
    library: &'static Library,
    float: &Document,
    int8: &Document,
    x: &[f32],
    closeness: f32,
) -> Result<(), Failed> {
    let (float, int8) = (answer(library, float, x)?, answer(library, int8, x)?);
    same(float.len(), int8.len())?;
    let mean = float.iter().sum::<f32>() / float.len() as f32;
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    let apart = norm(&mut float.iter().zip(&int8).map(|(a, b)| a - b));
    let found = 1.0 - apart / norm(&mut float.iter().map(|value| value - mean));
    println!("closeness {found}");
    if found >= closeness { Ok(()) } else { Err(format!("closeness {found}, at least {closeness}").into()) }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}").into()) }
}
