//! Bundles for the cases: small models built here, and real ones where there are assets.

use std::fs;
use std::path::{Path, PathBuf};

use farsight::{Library, Model, ModelSpec, Options, Pipeline, Target, TensorInfo};
use farsight_bundle::{Contents, Digest, write};
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document};
use libtest_mimic::Failed;

/// A folder of bundles.
pub(crate) struct Bundles {
    folder: PathBuf,
}

const HEAD: &str = r#"
    name = "NAME"
    about = "For tests of the C border."
    source = { reference = "this test", licence = "CC0-1.0" }
"#;

const FRAME: &str = r#"
    [input]
    kind = "frame"
    size = [32, 32]
    layout = "nchw"
    channels = "rgb"
    resize = { mode = "letterbox", pad = 114, align = "center" }
    normalise = { divide = 255.0 }
"#;

const BOXES: &str = r#"
    [output]
    decoder = "yolo"
    tensor = "out"
    layout = "anchors"
    labels = ["red", "green", "blue \u00fc"]
    conf = 0.25
    iou = 0.4
    max_det = 10
"#;

impl Bundles {
    /// Writes the small ones into `folder`.
    pub(crate) fn write(folder: &Path) -> Result<Self, Failed> {
        let bundles = Self { folder: folder.to_path_buf() };
        let host = farsight_engine::host_triple();
        let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
        bundles.one("boxes", "detect", FRAME, BOXES, boxes()?, &host)?;
        bundles.one("elsewhere", "detect", FRAME, BOXES, boxes()?, &format!("{other}-unknown-linux-gnu"))?;
        bundles.one("classes", "classify", FRAME, CLASSES, classes()?, &host)?;
        bundles.one("mask", "segment", FRAME, MASK, mask()?, &host)?;
        bundles.one("mirror", "tensors", FRAME, RAW, mirror(DataType::Float)?, &host)?;
        bundles.one("mirror16", "tensors", FRAME, RAW, mirror(DataType::Float16)?, &host)?;
        bundles.one("tensors", "tensors", "[input]\nkind = \"tensors\"", RAW, sums()?, &host)?;
        bundles.one("slow", "tensors", "[input]\nkind = \"tensors\"", RAW, slow()?, &host)?;
        #[cfg(feature = "rasters")]
        bundles.one("raster", "segment", RASTER, MASK_OF_RASTER, mask_of_raster()?, &host)?;
        fs::write(bundles.path("text"), "This is no bundle.\n")?;
        let whole = fs::read(bundles.path("boxes"))?;
        fs::write(bundles.path("cut"), &whole[..whole.len() / 2])?;
        Ok(bundles)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.farsight"))
    }

    /// Writes one, of a spec in parts that is resolved already.
    pub(crate) fn one(
        &self,
        name: &str,
        task: &str,
        input: &str,
        output: &str,
        model: Vec<u8>,
        triple: &str,
    ) -> Result<(), Failed> {
        let text = format!("{}\ntask = \"{task}\"\n{input}\n{output}", HEAD.replace("NAME", name));
        let spec = ModelSpec::parse(&text, name)?;
        let (inputs, outputs) = tensors(&model)?;
        let contents = Contents {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            tool: "test".to_owned(),
            onnxruntime: "1.17.0".to_owned(),
            precision: farsight_spec::Precision::Keep,
            labels: spec.output.labels().to_vec(),
            spec,
            target: Target::find("host")?.on_host(triple),
            source_sha256: Digest::of(&model),
            model,
            inputs,
            outputs,
            self_test: None,
            compress: false,
        };
        write(&self.path(name), &contents)?;
        Ok(())
    }
}

/// A model's inputs and outputs, as ONNX Runtime tells them.
fn tensors(model: &[u8]) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>), Failed> {
    let spec = ModelSpec::parse(ModelSpec::text("tensors")?, "tensors")?;
    let pipeline =
        Pipeline::from_parts(Model::Bytes(model), &spec, &Target::find("host")?, &Options::default())?;
    Ok((pipeline.session().inputs().to_vec(), pipeline.session().outputs().to_vec()))
}

fn values(name: &str, element: DataType, shape: &[i64]) -> ValueInfoProto {
    let axis = |(place, &length): (usize, &i64)| match length {
        -1 => Dim::from(["n", "m", "k"][place % 3]),
        length => Dim::from(length),
    };
    let shape: Vec<Dim> = shape.iter().enumerate().map(axis).collect();
    ValueInfoProto::tensor(name, element, &shape)
}

fn document(
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    constants: Vec<TensorProto>,
    nodes: Vec<NodeProto>,
) -> Result<Vec<u8>, Failed> {
    let graph = GraphProto {
        name: Some("case".to_owned()),
        input: inputs,
        output: outputs,
        initializer: constants,
        node: nodes,
        ..GraphProto::default()
    };
    Ok(Document::new(graph, 17).to_bytes()?)
}

/// Sixteen boxes that overlap, one a cell of 8 x 8 pixels; the score of class c is the mean of channel c there.
fn boxes() -> Result<Vec<u8>, Failed> {
    let mut corners = Vec::new();
    for row in
        [|cell: i64| (cell % 4) * 7 + 5, |cell| (cell / 4) * 6 + 6, |cell| 8 + cell % 3, |cell| 5 + cell % 5]
    {
        corners.extend((0..16).map(|cell| row(cell) as f32));
    }
    document(
        vec![values("in", DataType::Float, &[1, 3, 32, 32])],
        vec![values("out", DataType::Float, &[1, 7, 16])],
        vec![
            TensorProto::new("boxes", &[1, 4, 16], &corners),
            TensorProto::new("shape", &[3], &[1i64, 3, 16]),
        ],
        vec![
            NodeProto::new("AveragePool", "", &["in"], &["means"])
                .with("kernel_shape", Attribute::Ints(vec![8, 8]))
                .with("strides", Attribute::Ints(vec![8, 8])),
            NodeProto::new("Reshape", "", &["means", "shape"], &["scores"]),
            NodeProto::new("Concat", "", &["boxes", "scores"], &["out"]).with("axis", Attribute::Int(1)),
        ],
    )
}

const CLASSES: &str = r#"
    [output]
    decoder = "classes"
    labels = ["a", "b", "c", "d", "e", "f", "g"]
    top = 5
    activation = "softmax"
"#;

/// Seven scores, each a sum of the channels' means.
fn classes() -> Result<Vec<u8>, Failed> {
    let weights: Vec<f32> = (0..21).map(|i| ((i * 5) % 7) as f32 - 3.0).collect();
    document(
        vec![values("in", DataType::Float, &[1, 3, 32, 32])],
        vec![values("out", DataType::Float, &[1, 7])],
        vec![TensorProto::new("weights", &[3, 7], &weights)],
        vec![
            NodeProto::new("GlobalAveragePool", "", &["in"], &["means"]),
            NodeProto::new("Flatten", "", &["means"], &["flat"]),
            NodeProto::new("MatMul", "", &["flat", "weights"], &["out"]),
        ],
    )
}

const MASK: &str = r#"
    [output]
    decoder = "mask"
    activation = "none"
    labels = ["ground", "one", "two", "three"]
"#;

/// Four classes a pixel, each a sum of the channels.
fn mask() -> Result<Vec<u8>, Failed> {
    scores(3, 32, 4)
}

/// `classes` scores a pixel, each a sum of the channels.
fn scores(channels: i64, side: i64, classes: i64) -> Result<Vec<u8>, Failed> {
    let weights: Vec<f32> = (0..channels * classes).map(|i| ((i * 5) % 7) as f32 - 3.0).collect();
    let bias: Vec<f32> = (0..classes).map(|class| class as f32 / 4.0).collect();
    document(
        vec![values("in", DataType::Float, &[1, channels, side, side])],
        vec![values("out", DataType::Float, &[1, classes, side, side])],
        vec![
            TensorProto::new("weights", &[classes, channels, 1, 1], &weights),
            TensorProto::new("bias", &[classes], &bias),
        ],
        vec![NodeProto::new("Conv", "", &["in", "weights", "bias"], &["out"])],
    )
}

const RAW: &str = r#"
    [output]
    decoder = "tensors"
"#;

/// The input as output: what pre-processing makes of a frame.
fn mirror(element: DataType) -> Result<Vec<u8>, Failed> {
    document(
        vec![values("in", element, &[1, 3, 32, 32])],
        vec![values("out", element, &[1, 3, 32, 32])],
        Vec::new(),
        vec![NodeProto::new("Identity", "", &["in"], &["out"])],
    )
}

/// Two inputs, one of them of open length; a sum, and where it is not zero.
fn sums() -> Result<Vec<u8>, Failed> {
    document(
        vec![values("a", DataType::Float, &[-1, 4]), values("b", DataType::Float, &[4])],
        vec![values("sum", DataType::Float, &[-1, 4]), values("where", DataType::Int64, &[2, -1])],
        Vec::new(),
        vec![
            NodeProto::new("Add", "", &["a", "b"], &["sum"]),
            NodeProto::new("NonZero", "", &["sum"], &["where"]),
        ],
    )
}

/// A run of it takes long enough to be stopped.
fn slow() -> Result<Vec<u8>, Failed> {
    const LAYERS: usize = 400;
    let name = |layer: usize| if layer == LAYERS { "out".to_owned() } else { format!("x{layer}") };
    let nodes = (0..LAYERS).map(|layer| {
        let input = if layer == 0 { "in".to_owned() } else { name(layer) };
        NodeProto::new("MatMul", "", &[&input, "in"], &[&name(layer + 1)])
    });
    document(
        vec![values("in", DataType::Float, &[512, 512])],
        vec![values("out", DataType::Float, &[512, 512])],
        Vec::new(),
        nodes.collect(),
    )
}

#[cfg(feature = "rasters")]
const RASTER: &str = r#"
    [input]
    kind = "raster"
    bands = [{ name = "red", aliases = ["B04"] }, { name = "nir" }]
    nodata = 0.0
    normalise = { divide = 10000.0 }
    tiling = { window = [32, 32], overlap = 0.5, blend = "ukis-csmask" }
"#;

#[cfg(feature = "rasters")]
const MASK_OF_RASTER: &str = r#"
    [output]
    decoder = "mask"
    activation = "softmax"
    labels = ["ground", "cloud", "water"]
"#;

#[cfg(feature = "rasters")]
fn mask_of_raster() -> Result<Vec<u8>, Failed> {
    scores(2, 32, 3)
}

/// ONNX Runtime, or `None` where there is none.
pub(crate) fn onnxruntime() -> Result<Option<&'static Library>, Failed> {
    match Library::load(None) {
        Err(farsight::EngineError::NotFound { .. }) => Ok(None),
        library => Ok(Some(library?)),
    }
}
