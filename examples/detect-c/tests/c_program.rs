//! The C program, built with the machine's own compiler: boxes on the right pixels, and errors as status and text.
#![allow(missing_docs)] // a test program has no users to tell

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use farsight_bundle::{Contents, Digest, write};
use farsight_engine::{EngineError, Library, host_triple};
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document};
use farsight_spec::{ElementType, ModelSpec, Precision, Target, TensorInfo};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let tests = vec![
        Trial::ignorable_test("boxes_lie_where_the_model_says", || tested(boxes_lie_where_the_model_says)),
        Trial::ignorable_test("what_fails_says_why", || tested(what_fails_says_why)),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// Builds library and program and runs `test` with them; ignored, with the reason, where that cannot be.
fn tested(test: fn(&Program) -> Result<(), Failed>) -> Result<Completion, Failed> {
    if Command::new("cc").arg("--version").output().is_err() {
        return Ok(Completion::ignored_with("no C compiler (cc)"));
    }
    match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => test(&Program::build(library?)?).map(|()| Completion::Completed),
    }
}

/// `main.c`, linked with the library, in a folder of its own.
struct Program {
    folder: tempfile::TempDir,
    onnxruntime: PathBuf,
}

impl Program {
    fn build(onnxruntime: &Library) -> Result<Self, Failed> {
        let (folder, here) = (tempfile::tempdir()?, Path::new(env!("CARGO_MANIFEST_DIR")));
        let library = shared_library(folder.path())?;
        let output = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&folder.path().join("detect"), &here.join("main.c"), &library])
            .arg("-I")
            .arg(here.join("../../sdk/ffi/include"))
            .arg("-Wl,-rpath,$ORIGIN")
            .output()?;
        succeeded(&output)?;
        Ok(Self { folder, onnxruntime: onnxruntime.path().to_path_buf() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it on a frame of one colour.
    fn run(&self, bundle: &Path, [width, height]: [usize; 2], colour: [u8; 3]) -> Result<Output, Failed> {
        let frame = self.path("frame.rgb");
        std::fs::write(&frame, colour.repeat(width * height))?;
        let output = Command::new(self.path("detect"))
            .arg(bundle)
            .args([width.to_string(), height.to_string()])
            .arg(frame)
            .env("ORT_DYLIB_PATH", &self.onnxruntime)
            .output()?;
        Ok(output)
    }
}

/// The shared library by the name that programs look for, in `folder`. Cargo built it with this test: it lies beside
/// the test program, or, from other versions of cargo, one folder up.
fn shared_library(folder: &Path) -> Result<PathBuf, Failed> {
    let test = std::env::current_exe()?;
    let places = test.ancestors().skip(1).take(2).map(|folder| folder.join("libfarsight_ffi.so"));
    let built = places.into_iter().find(|path| path.exists()).ok_or("cargo left no libfarsight_ffi.so")?;
    let library = folder.join(format!("libfarsight.so.{}", farsight_ffi::ABI_VERSION));
    std::fs::copy(built, &library)?;
    Ok(library)
}

fn succeeded(output: &Output) -> Result<(), Failed> {
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

const SPEC: &str = r#"
    name = "colours"
    about = "The colour of the frame, in a box that is always the same."
    task = "detect"
    source = { reference = "this test", licence = "CC0-1.0" }

    [input]
    kind = "frame"
    size = [32, 32]
    layout = "nchw"
    channels = "rgb"
    resize = { mode = "letterbox", pad = 0, align = "center" }
    normalise = { divide = 255.0 }

    [output]
    decoder = "yolo"
    tensor = "out"
    layout = "anchors"
    conf = 0.25
    iou = 0.7
    max_det = 300
"#;

/// A box with its centre at (16, 12), 8 wide and 4 high; the score of class c is the mean of channel c.
fn model() -> Result<Vec<u8>, Failed> {
    let values = |name: &str, shape: &[i64]| {
        let shape: Vec<Dim> = shape.iter().map(|&length| length.into()).collect();
        vec![ValueInfoProto::tensor(name, DataType::Float, &shape)]
    };
    let graph = GraphProto {
        name: Some("colours".to_owned()),
        input: values("in", &[1, 3, 32, 32]),
        output: values("out", &[1, 7, 1]),
        initializer: vec![
            TensorProto::new("box", &[1, 4, 1], &[16f32, 12.0, 8.0, 4.0]),
            TensorProto::new("shape", &[3], &[1i64, 3, 1]),
        ],
        node: vec![
            NodeProto::new("GlobalAveragePool", "", &["in"], &["means"]),
            NodeProto::new("Reshape", "", &["means", "shape"], &["scores"]),
            NodeProto::new("Concat", "", &["box", "scores"], &["out"]).with("axis", Attribute::Int(1)),
        ],
        ..GraphProto::default()
    };
    Ok(Document::new(graph, 17).to_bytes()?)
}

fn contents(spec: &str, triple: &str) -> Result<Contents, Failed> {
    let tensor = |name: &str, shape: &[usize]| {
        let shape = shape.iter().map(|&length| Some(length)).collect();
        TensorInfo { name: name.to_owned(), element: ElementType::F32, shape }
    };
    let model = model()?;
    Ok(Contents {
        name: "colours".to_owned(),
        version: "1.0.0".to_owned(),
        tool: "test".to_owned(),
        onnxruntime: "1.17.0".to_owned(),
        precision: Precision::Keep,
        spec: toml::from_str(spec)?,
        target: Target::find("host")?.on_host(triple),
        source_sha256: Digest::of(&model),
        model,
        inputs: vec![tensor("in", &[1, 3, 32, 32])],
        outputs: vec![tensor("out", &[1, 7, 1])],
        labels: Vec::new(),
        self_test: None,
        compress: false,
    })
}

fn boxes_lie_where_the_model_says(program: &Program) -> Result<(), Failed> {
    let bundle = program.path("colours.farsight");
    write(&bundle, &contents(SPEC, &host_triple())?)?;
    // Of 64 x 64 pixels the model sees half the size. Of 64 x 32 as well, with 8 rows of nothing above and below,
    // which halve the means too.
    let cases: [([usize; 2], [u8; 3], &str); 4] = [
        ([64, 64], [51, 204, 0], "1 0.8000 24.0000 20.0000 40.0000 28.0000\n"),
        ([64, 64], [255, 51, 0], "0 1.0000 24.0000 20.0000 40.0000 28.0000\n"),
        ([64, 32], [0, 0, 255], "2 0.5000 24.0000 4.0000 40.0000 12.0000\n"),
        ([64, 64], [51, 51, 51], ""),
    ];
    for (size, colour, expected) in cases {
        let output = program.run(&bundle, size, colour)?;
        succeeded(&output)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{size:?} {colour:?}");
    }
    Ok(())
}

fn what_fails_says_why(program: &Program) -> Result<(), Failed> {
    let raw = ModelSpec::text("tensors")?;
    let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    let (tensors, elsewhere) = (program.path("tensors.farsight"), program.path("elsewhere.farsight"));
    write(&tensors, &contents(raw, &host_triple())?)?;
    write(&elsewhere, &contents(SPEC, &format!("{other}-unknown-linux-gnu"))?)?;
    let text = program.path("text.farsight");
    std::fs::write(&text, "This is no bundle.\n")?;
    let cases = [
        (program.path("none.farsight"), "there is no such file"),
        (text, "text.farsight"),
        (tensors, "finds no boxes"),
        (elsewhere, other),
    ];
    for (bundle, expected) in cases {
        let output = program.run(&bundle, [64, 64], [0, 0, 0])?;
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{expected}: {output:?}");
        assert!(message.starts_with("open: ") && message.contains(expected), "{expected}: {message}");
    }
    Ok(())
}
