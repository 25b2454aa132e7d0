//! A small bundle made in code: a frame's mean red, green and blue as three classes.
#![allow(dead_code, unreachable_pub)] // each test uses its part

use std::path::{Path, PathBuf};

use farsight::{EngineError, Frame, Library, ModelSpec, Target};
use farsight_bundle::{Contents, Digest};
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Dim, Document};
use farsight_spec::{ElementType, Precision, TensorInfo};
use libtest_mimic::{Completion, Failed, Trial};

/// A test that needs ONNX Runtime; ignored, with the reason, where there is none.
pub fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    Trial::ignorable_test(name, move || match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => library.map_err(Failed::from).and_then(|_| test()).map(|()| Completion::Completed),
    })
}

const SPEC: &str = r#"
    name = "colours"
    about = "Mean red, green and blue"
    task = "classify"
    source = { reference = "none", licence = "none" }
    [input]
    kind = "frame"
    size = [32, 32]
    layout = "nchw"
    channels = "rgb"
    resize = { mode = "letterbox", pad = 114, align = "center" }
    normalise = { divide = 255.0 }
    [output]
    decoder = "classes"
    labels = ["red", "green", "blue"]
    activation = "none"
    top = 3
"#;

const SHAPE: [i64; 4] = [1, 3, 32, 32];

/// Writes the bundle into `folder`.
pub fn bundle(folder: &Path) -> Result<PathBuf, Failed> {
    let model = model()?;
    let path = folder.join("colours.farsight");
    let contents = Contents {
        name: "colours".to_owned(),
        version: "1.0.0".to_owned(),
        tool: "test 0".to_owned(),
        onnxruntime: Library::load(None)?.version().to_owned(),
        precision: Precision::Keep,
        spec: ModelSpec::parse(SPEC, "colours.toml")?,
        target: Target::find("host")?.on_host(&farsight_engine::host_triple()),
        source_sha256: Digest::of(&model),
        model,
        inputs: vec![info("x", &SHAPE)],
        outputs: vec![info("y", &[1, 3])],
        labels: ["red", "green", "blue"].map(str::to_owned).to_vec(),
        self_test: None,
        compress: false,
    };
    farsight_bundle::write(&path, &contents)?;
    Ok(path)
}

fn info(name: &str, shape: &[i64]) -> TensorInfo {
    let shape = shape.iter().map(|&axis| usize::try_from(axis).ok()).collect();
    TensorInfo { name: name.to_owned(), element: ElementType::F32, shape }
}

/// A convolution that hands each channel on, so that there are weights to lay out; then the mean.
fn model() -> Result<Vec<u8>, Failed> {
    let dims = |shape: &[i64]| shape.iter().map(|&axis| Dim::from(axis)).collect::<Vec<_>>();
    let weights: Vec<f32> = (0..9).map(|i| if i % 4 == 0 { 1.0 } else { 0.0 }).collect();
    let graph = GraphProto {
        name: Some("colours".to_owned()),
        node: vec![
            NodeProto::new("Conv", "conv", &["x", "w"], &["same"]),
            NodeProto::new("GlobalAveragePool", "mean", &["same"], &["mean_out"]),
            NodeProto::new("Flatten", "flat", &["mean_out"], &["y"]),
        ],
        initializer: vec![TensorProto::new("w", &[3, 3, 1, 1], &weights)],
        input: vec![ValueInfoProto::tensor("x", DataType::Float, &dims(&SHAPE))],
        output: vec![ValueInfoProto::tensor("y", DataType::Float, &dims(&[1, 3]))],
        ..GraphProto::default()
    };
    Ok(Document::new(graph, 17).to_bytes()?)
}

/// The pixels of a frame of one colour, of the size of the input.
pub fn plain(colour: [u8; 3]) -> Vec<u8> {
    colour.repeat(32 * 32)
}

/// A frame of such pixels.
pub fn frame(pixels: &[u8]) -> Result<Frame<'_>, Failed> {
    Ok(Frame::rgb8(32, 32, pixels)?)
}
