//! A frame's answer does not depend on what was in the input before it.

use std::time::Instant;

use farsight::{EngineError, Frame, Library, Model, ModelSpec, Options, Pipeline, Target};
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, ValueInfoProto};
use farsight_graph::{Dim, Document};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let tests = [("float32", DataType::Float), ("float16", DataType::Float16)].map(|(name, element)| {
        [
            trial(format!("{name}::after_others_wrote"), move || after_others_wrote(element)),
            trial(format!("{name}::after_frames_of_other_sizes"), move || {
                after_frames_of_other_sizes(element)
            }),
            trial(format!("{name}::after_a_run_that_was_stopped"), move || {
                after_a_run_that_was_stopped(element)
            }),
            trial(format!("{name}::the_session_alone"), move || the_session_alone(element)),
        ]
    });
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().flatten().collect()).exit();
}

/// A test that needs ONNX Runtime; ignored, with the reason, where there is none.
fn trial(name: String, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => library.map_err(Failed::from).and_then(|_| test()).map(|()| Completion::Completed),
    })
}

const SPEC: &str = r#"
    name = "mirror"
    about = "The input as output"
    task = "tensors"
    source = { reference = "none", licence = "none" }
    [input]
    kind = "frame"
    size = [32, 32]
    layout = "nchw"
    channels = "rgb"
    resize = { mode = "letterbox", pad = 114, align = "center" }
    normalise = { divide = 255.0 }
    [output]
    decoder = "tensors"
"#;

/// A pipeline whose answer is its input tensor.
fn mirror(element: DataType) -> Result<Pipeline, Failed> {
    let shape: [Dim; 4] = [1, 3, 32, 32].map(Dim::from);
    let graph = GraphProto {
        name: Some("mirror".to_owned()),
        node: vec![NodeProto::new("Identity", "mirror", &["x"], &["y"])],
        input: vec![ValueInfoProto::tensor("x", element, &shape)],
        output: vec![ValueInfoProto::tensor("y", element, &shape)],
        ..GraphProto::default()
    };
    let bytes = Document::new(graph, 17).to_bytes()?;
    let spec = ModelSpec::parse(SPEC, "mirror.toml")?;
    Ok(Pipeline::from_parts(Model::Bytes(&bytes), &spec, &Target::find("host")?, &Options::default())?)
}

/// A frame whose letterbox has rows above and below for a wide one, columns beside for a high one.
fn run(pipeline: &mut Pipeline, [width, height]: [usize; 2]) -> Result<Vec<u8>, Failed> {
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 7) as u8).collect();
    pipeline.run(&Frame::rgb8(width, height, &pixels)?)?;
    Ok(pipeline.session().output_bytes(0)?.to_vec())
}

const WIDE: [usize; 2] = [64, 36];
const HIGH: [usize; 2] = [36, 64];

fn after_others_wrote(element: DataType) -> Result<(), Failed> {
    let mut pipeline = mirror(element)?;
    let expected = run(&mut pipeline, WIDE)?;
    assert_eq!(run(&mut pipeline, WIDE)?, expected);
    pipeline.session_mut().input_bytes_mut(0)?.fill(0x3c);
    assert_eq!(run(&mut pipeline, WIDE)?, expected);
    Ok(())
}

fn after_frames_of_other_sizes(element: DataType) -> Result<(), Failed> {
    let mut pipeline = mirror(element)?;
    for size in [WIDE, HIGH, HIGH, [50, 50], WIDE, WIDE] {
        assert_eq!(run(&mut pipeline, size)?, run(&mut mirror(element)?, size)?, "{size:?}");
    }
    Ok(())
}

fn after_a_run_that_was_stopped(element: DataType) -> Result<(), Failed> {
    let mut pipeline = mirror(element)?;
    let expected = run(&mut pipeline, WIDE)?;
    let [width, height] = HIGH;
    let pixels = vec![9; width * height * 3];
    let late = pipeline.run_until(&Frame::rgb8(width, height, &pixels)?, Instant::now());
    assert!(matches!(late, Err(farsight::Error::Engine(EngineError::Timeout))), "{late:?}");
    assert_eq!(run(&mut pipeline, WIDE)?, expected);

    pipeline.canceller().cancel();
    assert!(run(&mut pipeline, HIGH).is_err());
    assert_eq!(run(&mut pipeline, HIGH)?, run(&mut mirror(element)?, HIGH)?);
    Ok(())
}

fn the_session_alone(element: DataType) -> Result<(), Failed> {
    let mut pipeline = mirror(element)?;
    let expected = run(&mut pipeline, WIDE)?;
    let times = pipeline.times();
    pipeline.run_session()?;
    assert_eq!(pipeline.session().output_bytes(0)?, expected);
    assert_eq!(pipeline.times(), times);
    assert_eq!(run(&mut pipeline, WIDE)?, expected);
    Ok(())
}
