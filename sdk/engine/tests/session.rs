//! Sessions: tensors in and out, shapes, providers, cancelling, deadlines, bad models.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farsight_engine::{EngineError, Library, Model, Session, Settings, describe, evaluate};
use farsight_spec::{ElementType, Provider, TensorInfo};
use half::f16;
use libtest_mimic::{Arguments, Failed};
use support::onnx::{self, BOOL, Constant, FLOAT, FLOAT16, INT64, Node, STRING, Value, floats, model};
use support::{expect_error, needs_library, needs_model};

fn main() {
    if support::role().is_some() {
        support::end(run_with_ort());
    }
    let tests = vec![
        needs_library("adds", adds),
        needs_library("many_runs_keep_buffers", many_runs_keep_buffers),
        needs_library("float16_is_accessible", float16_is_accessible),
        needs_library("booleans_are_bytes", booleans_are_bytes),
        needs_library("open_input_takes_a_shape", open_input_takes_a_shape),
        needs_library("output_of_changing_shape", output_of_changing_shape),
        needs_library("input_handed_through", input_handed_through),
        needs_library("constant_as_output", constant_as_output),
        needs_library("empty_tensors", empty_tensors),
        needs_library("a_lie_about_the_output_shape_is_caught", a_lie_about_the_output_shape_is_caught),
        needs_library("wrong_access_is_an_error", wrong_access_is_an_error),
        needs_library("bad_models_are_errors", bad_models_are_errors),
        needs_library("unsupported_tensors_are_named", unsupported_tensors_are_named),
        needs_library("missing_provider", missing_provider),
        needs_library("describes_and_evaluates", describes_and_evaluates),
        needs_library("cancel_before_a_run_stops_it", cancel_before_a_run_stops_it),
        needs_library("settings_are_taken", settings_are_taken),
        needs_library("hostile_bytes_do_not_panic", hostile_bytes_do_not_panic),
        needs_model("deadline_stops_a_run", COCO, deadline_stops_a_run),
        needs_model("cancel_stops_a_run", COCO, cancel_stops_a_run),
        needs_model("sessions_move_between_threads", COCO, sessions_move_between_threads),
        needs_model("same_answer_as_ort", COCO, same_answer_as_ort),
        #[cfg(feature = "profile")]
        needs_model("profile_tells_nodes_and_providers", COCO, profile_tells_nodes_and_providers),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

const COCO: &str = "detect/coco_yolov8n_640.onnx";

type Outcome = Result<(), Failed>;
type Lib = &'static Library;

fn open(library: Lib, model: &[u8]) -> Result<Session, EngineError> {
    Session::open(library, Model::Bytes(model), &Settings::default())
}

fn adds(library: Lib) -> Outcome {
    let mut session = open(library, &onnx::add())?;
    let info = |name: &str| TensorInfo {
        name: name.into(),
        element: ElementType::F32,
        shape: vec![Some(1), Some(4)],
    };
    assert_eq!(session.inputs(), [info("X")]);
    assert_eq!(session.outputs(), [info("Y")]);
    assert_eq!(session.input_mut::<f32>(0)?, [0.0; 4]);
    session.input_mut::<f32>(0)?.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
    session.run()?;
    assert_eq!(session.output::<f32>(0)?, [11.0, 22.0, 33.0, 44.0]);
    assert_eq!(session.output_shape(0)?, [1, 4]);
    assert_eq!(session.output_bytes(0)?, floats(&[11.0, 22.0, 33.0, 44.0]));
    Ok(())
}

fn many_runs_keep_buffers(library: Lib) -> Outcome {
    let mut session = open(library, &onnx::add())?;
    session.run()?;
    let place = session.output::<f32>(0)?.as_ptr();
    assert_eq!(place as usize % 64, 0);
    for i in 0..100 {
        session.input_mut::<f32>(0)?[0] = i as f32;
        session.run()?;
        assert_eq!(session.output::<f32>(0)?[0], 10.0 + i as f32);
        assert_eq!(session.output::<f32>(0)?.as_ptr(), place);
    }
    Ok(())
}

fn float16_is_accessible(library: Lib) -> Outcome {
    let shape = [Some(3)];
    let negate = model(
        &[Node("Neg", &["X"], &["Y"])],
        &[Value("X", FLOAT16, &shape)],
        &[Value("Y", FLOAT16, &shape)],
        &[],
    );
    let mut session = open(library, &negate)?;
    let values = [1.5, -2.0, 65504.0].map(f16::from_f32);
    session.input_mut::<f16>(0)?.copy_from_slice(&values);
    session.run()?;
    assert_eq!(session.output::<f16>(0)?, values.map(|value| -value));
    Ok(())
}

fn booleans_are_bytes(library: Lib) -> Outcome {
    let shape = [Some(3)];
    let compare = model(
        &[Node("Greater", &["X", "Zero"], &["Y"])],
        &[Value("X", FLOAT, &shape)],
        &[Value("Y", BOOL, &shape)],
        &[Constant("Zero", FLOAT, &[], floats(&[0.0]))],
    );
    let mut session = open(library, &compare)?;
    session.input_mut::<f32>(0)?.copy_from_slice(&[1.0, -1.0, 2.0]);
    session.run()?;
    assert_eq!(session.outputs()[0].element, ElementType::Bool);
    assert_eq!(session.output::<u8>(0)?, [1, 0, 1]);
    Ok(())
}

fn relu() -> Vec<u8> {
    let shape = [None, Some(3)];
    model(&[Node("Relu", &["X"], &["Y"])], &[Value("X", FLOAT, &shape)], &[Value("Y", FLOAT, &shape)], &[])
}

fn open_input_takes_a_shape(library: Lib) -> Outcome {
    let mut session = open(library, &relu())?;
    assert_eq!(session.inputs()[0].shape, [None, Some(3)]);
    assert_eq!(session.input_shape(0)?, None);
    let too_early = "input 0 \"X\" is empty: its shape is open, set_input_shape must come first";
    assert_eq!(expect_error(session.run())?.to_string(), too_early);
    assert_eq!(expect_error(session.input_mut::<f32>(0).map(|_| ()))?.to_string(), too_early);
    assert!(matches!(expect_error(session.output::<f32>(0))?, EngineError::NotReady { .. }));
    for rows in [2usize, 5, 1] {
        session.set_input_shape(0, &[rows, 3])?;
        session.input_mut::<f32>(0)?.fill(-1.0);
        session.input_mut::<f32>(0)?[0] = 7.0;
        session.set_input_shape(0, &[rows, 3])?;
        session.run()?;
        assert_eq!(session.output_shape(0)?, [rows, 3]);
        assert_eq!(session.output::<f32>(0)?.iter().sum::<f32>(), 7.0);
    }
    let wrong = [
        (vec![2, 4], "the model takes [?, 3]"),
        (vec![2], "the model takes [?, 3]"),
        (vec![usize::MAX, 3], "it has more bytes than can be counted"),
        (vec![1 << 59, 3], "cannot be allocated"),
    ];
    for (shape, reason) in wrong {
        let message = expect_error(session.set_input_shape(0, &shape))?.to_string();
        assert!(message.contains(reason), "{message}");
    }
    session.run()?;
    Ok(())
}

fn output_of_changing_shape(library: Lib) -> Outcome {
    let where_not_zero = model(
        &[Node("NonZero", &["X"], &["Y"])],
        &[Value("X", FLOAT, &[Some(4)])],
        &[Value("Y", INT64, &[Some(1), None])],
        &[],
    );
    let mut session = open(library, &where_not_zero)?;
    let rows: [(&[f32], &[i64]); 4] = [
        (&[0.0, 1.0, 0.0, 1.0], &[1, 3]),
        (&[0.0; 4], &[]),
        (&[1.0; 4], &[0, 1, 2, 3]),
        (&[0.0, 0.0, 5.0, 0.0], &[2]),
    ];
    for (input, places) in rows {
        session.input_mut::<f32>(0)?.copy_from_slice(input);
        session.run()?;
        assert_eq!(session.output::<i64>(0)?, places);
        assert_eq!(session.output_shape(0)?, [1, places.len()]);
    }
    Ok(())
}

fn input_handed_through(library: Lib) -> Outcome {
    let shape = [Some(2)];
    let through = model(
        &[Node("Neg", &["X"], &["Y"]), Node("Identity", &["X"], &["Z"])],
        &[Value("X", FLOAT, &shape)],
        &[Value("Y", FLOAT, &shape), Value("X", FLOAT, &shape), Value("Z", FLOAT, &shape)],
        &[],
    );
    let mut session = open(library, &through)?;
    for value in [1.0, 2.0] {
        session.input_mut::<f32>(0)?.fill(value);
        session.run()?;
        assert_eq!(session.output::<f32>(0)?, [-value; 2]);
        assert_eq!(session.output::<f32>(1)?, [value; 2]);
        assert_eq!(session.output::<f32>(2)?, [value; 2]);
    }
    // Of open shape, the output is the input's own memory: it is gone when the input gets another.
    let open_shape = [None];
    let through = model(
        &[Node("Neg", &["X"], &["Y"])],
        &[Value("X", FLOAT, &open_shape)],
        &[Value("Y", FLOAT, &open_shape), Value("X", FLOAT, &open_shape)],
        &[],
    );
    let mut session = open(library, &through)?;
    session.set_input_shape(0, &[2])?;
    session.input_mut::<f32>(0)?.fill(3.0);
    session.run()?;
    assert_eq!(session.output::<f32>(1)?, [3.0; 2]);
    session.set_input_shape(0, &[100_000])?;
    assert!(matches!(expect_error(session.output::<f32>(1))?, EngineError::NotReady { .. }));
    session.run()?;
    assert_eq!(session.output::<f32>(1)?.len(), 100_000);
    Ok(())
}

fn constant_as_output(library: Lib) -> Outcome {
    let constants = model(
        &[Node("Identity", &["B"], &["C"])],
        &[],
        &[Value("B", FLOAT, &[Some(2)]), Value("C", FLOAT, &[Some(2)])],
        &[Constant("B", FLOAT, &[2], floats(&[1.0, 2.0]))],
    );
    let mut session = open(library, &constants)?;
    session.run()?;
    session.run()?;
    assert_eq!(session.output::<f32>(0)?, [1.0, 2.0]);
    assert_eq!(session.output::<f32>(1)?, [1.0, 2.0]);
    Ok(())
}

fn empty_tensors(library: Lib) -> Outcome {
    let shape = [Some(0), Some(3)];
    let nothing = model(
        &[Node("Relu", &["X"], &["Y"])],
        &[Value("X", FLOAT, &shape)],
        &[Value("Y", FLOAT, &shape)],
        &[],
    );
    let mut session = open(library, &nothing)?;
    session.run()?;
    assert_eq!(session.input_mut::<f32>(0)?, [0f32; 0]);
    assert_eq!(session.output::<f32>(0)?, [0f32; 0]);
    assert_eq!(session.output_shape(0)?, [0, 3]);
    Ok(())
}

/// The output announces two elements and gets as many as the input says: never written past its end.
fn a_lie_about_the_output_shape_is_caught(library: Lib) -> Outcome {
    let lie = model(
        &[Node("Expand", &["One", "Shape"], &["Y"])],
        &[Value("Shape", INT64, &[Some(1)])],
        &[Value("Y", FLOAT, &[Some(2)])],
        &[Constant("One", FLOAT, &[1], floats(&[1.0]))],
    );
    let mut session = open(library, &lie)?;
    session.input_mut::<i64>(0)?[0] = 1_000_000;
    assert!(matches!(expect_error(session.run())?, EngineError::Run { .. }));
    session.input_mut::<i64>(0)?[0] = 2;
    session.run()?;
    assert_eq!(session.output::<f32>(0)?, [1.0, 1.0]);
    Ok(())
}

fn wrong_access_is_an_error(library: Lib) -> Outcome {
    let mut session = open(library, &onnx::add())?;
    let rows = [
        (session.input_mut::<u8>(0).map(|_| ()), "input 0 \"X\" holds f32, it cannot be seen as u8"),
        (session.output::<i64>(0).map(|_| ()), "output 0 \"Y\" holds f32, it cannot be seen as i64"),
        (session.input_mut::<f32>(1).map(|_| ()), "there is no input 1, the model has 1"),
        (session.output::<f32>(7).map(|_| ()), "there is no output 7, the model has 1"),
        (session.output_shape(1).map(|_| ()), "there is no output 1, the model has 1"),
        (session.set_input_shape(3, &[]), "there is no input 3, the model has 1"),
        (
            session.set_input_shape(0, &[1, 5]),
            "shape [1, 5] does not fit input 0 \"X\": the model takes [1, 4]",
        ),
    ];
    for (result, message) in rows {
        assert_eq!(expect_error(result)?.to_string(), message);
    }
    Ok(())
}

fn bad_models_are_errors(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let good = onnx::add();
    let files: [(&str, &[u8], &str); 4] = [
        ("text.onnx", b"this is a text file\n", "rotobuf"),
        ("truncated.onnx", &good[..good.len() / 2], ""),
        ("empty.onnx", b"", "it is empty"),
        ("zeros.onnx", &[0; 100], ""),
    ];
    for (name, content, reason) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, content)?;
        for (model, subject) in [
            (Model::File(&path), path.display().to_string()),
            (Model::Bytes(content), format!("the model in memory ({} bytes)", content.len())),
        ] {
            let error = expect_error(Session::open(library, model, &Settings::default()))?;
            assert!(matches!(error, EngineError::Model { .. }), "{name}: {error:?}");
            let message = error.to_string();
            assert!(message.starts_with(&format!("{subject} cannot be opened: ")), "{message}");
            assert!(message.contains(reason), "{message}");
        }
    }
    for (path, reason) in
        [(folder.path(), "it is no file"), (Path::new("/no/such/model.onnx"), "No such file")]
    {
        let error = expect_error(Session::open(library, Model::File(path), &Settings::default()))?;
        assert!(error.to_string().contains(reason), "{error}");
    }
    let unknown = model(
        &[Node("NoSuchOperator", &["X"], &["Y"])],
        &[Value("X", FLOAT, &[Some(1)])],
        &[Value("Y", FLOAT, &[Some(1)])],
        &[],
    );
    let message = expect_error(open(library, &unknown))?.to_string();
    assert!(message.contains("NoSuchOperator"), "{message}");
    Ok(())
}

fn unsupported_tensors_are_named(library: Lib) -> Outcome {
    let shape = [Some(1)];
    let strings = model(
        &[Node("Identity", &["X"], &["Y"])],
        &[Value("X", STRING, &shape)],
        &[Value("Y", STRING, &shape)],
        &[],
    );
    let message = expect_error(open(library, &strings))?.to_string();
    assert!(message.contains("input \"X\" holds a tensor of strings"), "{message}");
    let sequence = model(
        &[Node("SequenceConstruct", &["X"], &["Y"])],
        &[Value("X", FLOAT, &shape)],
        &[Value("Y", FLOAT, &shape)],
        &[],
    );
    expect_error(open(library, &sequence))?;
    Ok(())
}

fn provider(name: &str) -> Provider {
    Provider { name: name.into(), options: Default::default() }
}

fn missing_provider(library: Lib) -> Outcome {
    let mut settings = Settings { providers: vec![provider("QNN"), provider("CPU")], ..Settings::default() };
    let add = onnx::add();
    if library.providers().iter().any(|name| name == "QNN") {
        return Ok(());
    }
    let error = expect_error(Session::open(library, Model::Bytes(&add), &settings))?;
    assert!(matches!(error, EngineError::ProviderUnavailable { .. }), "{error:?}");
    settings.allow_fallback = true;
    let mut session = Session::open(library, Model::Bytes(&add), &settings)?;
    let used: Vec<_> = session.providers().iter().map(|p| (p.name.as_str(), p.missing.is_none())).collect();
    assert_eq!(used, [("QNN", false), ("CPU", true)]);
    session.run()?;

    settings.providers = vec![provider("QNN")];
    let session = Session::open(library, Model::Bytes(&add), &settings)?;
    assert_eq!(session.providers().last().map(|p| p.name.as_str()), Some("CPU"));

    settings.providers = vec![provider("Abacus")];
    let message = expect_error(Session::open(library, Model::Bytes(&add), &settings))?.to_string();
    let expected = "execution provider \"Abacus\" is not known; known are CPU, XNNPACK, ACL, OpenVINO, CUDA, TensorRT, QNN";
    assert_eq!(message, expected);
    Ok(())
}

fn describes_and_evaluates(library: Lib) -> Outcome {
    let (inputs, outputs) = describe(library, &onnx::add())?;
    assert_eq!((inputs[0].name.as_str(), outputs[0].name.as_str()), ("X", "Y"));
    let sum = model(
        &[Node("Add", &["A", "B"], &["Y"]), Node("NonZero", &["Y"], &["Z"])],
        &[],
        &[Value("Y", FLOAT, &[Some(2)]), Value("Z", INT64, &[None, None])],
        &[Constant("A", FLOAT, &[2], floats(&[1.0, -2.0])), Constant("B", FLOAT, &[2], floats(&[10.0, 2.0]))],
    );
    let values = evaluate(library, &sum)?;
    assert_eq!(values[0].1, floats(&[11.0, 0.0]));
    assert_eq!(values[1].0.shape, [Some(1), Some(1)]);
    assert_eq!(values[1].1, 0i64.to_le_bytes());
    let message = expect_error(evaluate(library, &onnx::add()))?.to_string();
    assert!(message.contains("it takes an input, \"X\""), "{message}");
    Ok(())
}

fn cancel_before_a_run_stops_it(library: Lib) -> Outcome {
    let mut session = open(library, &onnx::add())?;
    let canceller = session.canceller();
    canceller.clone().cancel();
    assert_eq!(expect_error(session.run())?, EngineError::Cancelled);
    session.run()?;
    assert_eq!(expect_error(session.run_until(Instant::now()))?, EngineError::Timeout);
    session.run_until(Instant::now() + Duration::from_secs(60))?;
    session.run()?;
    drop(session);
    canceller.cancel();
    Ok(())
}

fn settings_are_taken(library: Lib) -> Outcome {
    let settings = Settings {
        threads: 2,
        spinning: true,
        arena: false,
        memory_pattern: false,
        providers: vec![provider("cpu")],
        ..Settings::default()
    };
    let add = onnx::add();
    for optimization in [
        farsight_spec::Optimization::Off,
        farsight_spec::Optimization::Basic,
        farsight_spec::Optimization::Extended,
        farsight_spec::Optimization::All,
    ] {
        let settings = Settings { optimization, ..settings.clone() };
        let mut session = Session::open(library, Model::Bytes(&add), &settings)?;
        session.run()?;
        assert_eq!(session.output::<f32>(0)?, [10.0, 20.0, 30.0, 40.0]);
    }
    Ok(())
}

/// Every single byte of a small model replaced: whatever comes out, it is an error or an answer.
fn hostile_bytes_do_not_panic(library: Lib) -> Outcome {
    let good = onnx::add();
    for i in 0..good.len() {
        for byte in [0x00, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[i] = byte;
            if let Ok(mut session) = open(library, &bad) {
                let _ = session.run();
            }
        }
        let _ = open(library, &good[..i]);
    }
    Ok(())
}

/// On a busy machine a run may get through before the watchdog wakes: the best of several tells.
fn deadline_stops_a_run(library: Lib, path: PathBuf) -> Outcome {
    let mut session = Session::open(library, Model::File(&path), &Settings::default())?;
    session.run()?;
    let (mut whole, mut stopped) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        session.run_until(start + Duration::from_secs(60))?;
        whole = whole.min(start.elapsed());

        let start = Instant::now();
        match session.run_until(start + Duration::from_millis(5)) {
            Err(EngineError::Timeout) => stopped = stopped.min(start.elapsed()),
            Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    assert!(stopped < whole, "stopped after {stopped:?}, a whole run takes {whole:?}");
    session.run()?;
    Ok(())
}

/// As above: a cancel that comes too late stops the next run, before it starts.
fn cancel_stops_a_run(library: Lib, path: PathBuf) -> Outcome {
    let mut session = Session::open(library, Model::File(&path), &Settings::default())?;
    session.run()?;
    let mut stopped_inside = false;
    for _ in 0..5 {
        let canceller = session.canceller();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            canceller.cancel();
        });
        match session.run() {
            Err(EngineError::Cancelled) => stopped_inside = true,
            Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
        thread.join().map_err(|_| "the cancelling thread died")?;
        let _ = session.run();
        session.run()?;
    }
    assert!(stopped_inside);
    Ok(())
}

fn sessions_move_between_threads(library: Lib, path: PathBuf) -> Outcome {
    let settings = Settings { threads: 1, ..Settings::default() };
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let session = Session::open(library, Model::File(&path), &settings);
            std::thread::spawn(move || -> Result<Vec<u8>, EngineError> {
                let mut session = session?;
                session.input_mut::<f32>(0)?.fill(0.5);
                session.run()?;
                Ok(session.output_bytes(0)?.to_vec())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for thread in threads {
        answers.push(thread.join().map_err(|_| "a thread died")??);
    }
    assert_eq!(answers[0], answers[1]);
    Ok(())
}

/// The same answer as through `ort`'s own session and run, in a process of its own (`ort` allows one
/// environment a process).
fn same_answer_as_ort(library: Lib, path: PathBuf) -> Outcome {
    let settings = Settings { threads: 1, ..Settings::default() };
    let mut session = Session::open(library, Model::File(&path), &settings)?;
    let mut state = 1u32;
    for value in session.input_mut::<f32>(0)? {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 8) as f32 / (1 << 24) as f32;
    }
    session.run()?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("input"), session.input_bytes_mut(0)?)?;
    let done = support::child("ort")?
        .args([library.path(), &path, folder.path()])
        .env("ORT_DISABLE_TELEMETRY", "1")
        .status()?;
    assert!(done.success(), "{done}");
    assert_eq!(std::fs::read(folder.path().join("output"))?, session.output_bytes(0)?);
    Ok(())
}

/// The other side of it: library, model, and the folder of the input and the output.
fn run_with_ort() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [library, model, folder] = arguments.as_slice() else { return Err("three arguments".into()) };
    let environment = ort::init_from(library)?.build()?;
    let mut session =
        ort::session::Session::builder(&environment)?.with_intra_threads(1)?.commit_from_file(model)?;
    let input = std::fs::read(folder.join("input"))?;
    let input: Vec<f32> = bytemuck::pod_collect_to_vec(&input);
    let input = ort::value::Tensor::from_array(([1usize, 3, 640, 640], input))?;
    let outputs = session.run(ort::inputs![input])?;
    let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
    std::fs::write(folder.join("output"), bytemuck::cast_slice(values))?;
    Ok(())
}

#[cfg(feature = "profile")]
fn profile_tells_nodes_and_providers(library: Lib, path: PathBuf) -> Outcome {
    let settings = Settings { threads: 1, ..Settings::default() };
    let nodes = farsight_engine::profile_run(library, Model::File(&path), &settings, 2, |_| Ok(()))?;
    let convolutions = nodes.iter().filter(|node| node.op == "Conv").count();
    assert!(convolutions >= 60, "YOLOv8n has 64 convolutions, {convolutions} were seen");
    assert!(nodes.iter().all(|node| node.microseconds >= 0.0 && !node.name.is_empty()));
    assert!(nodes.iter().map(|node| node.microseconds).sum::<f64>() > 1000.0);
    let counts = farsight_engine::nodes_by_provider(&nodes);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("CPU".to_owned(), nodes.len())]);
    Ok(())
}
