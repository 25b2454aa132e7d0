//! A provider for real: OpenVINO out of PyPI's `onnxruntime-openvino` (`cargo xtask setup --openvino`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use farsight_engine::{
    Cache, Caching, EngineError, Library, Model, Session, Settings, StartUp, cache_folder,
};
use farsight_spec::Provider;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use support::{assets, expect_error};

fn main() {
    let tests: [(&str, Test); 8] = [
        ("the_library_has_it", the_library_has_it),
        ("first_come_first_served", first_come_first_served),
        ("a_wrong_option_is_told_in_its_own_words", a_wrong_option_is_told_in_its_own_words),
        ("a_missing_provider", a_missing_provider),
        ("a_device_that_is_not_there", a_device_that_is_not_there),
        ("one_that_does_not_start", one_that_does_not_start),
        ("same_answer_as_the_cpu", same_answer_as_the_cpu),
        ("what_it_keeps_is_used_or_not_kept", what_it_keeps_is_used_or_not_kept),
    ];
    let tests = tests.into_iter().map(|(name, test)| {
        Trial::ignorable_test(name, move || match library()? {
            Ok(library) => test(library).map(|()| Completion::Completed),
            Err(reason) => Ok(Completion::ignored_with(reason)),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), tests.collect()).exit();
}

type Test = fn(Lib) -> Outcome;
type Outcome = Result<(), Failed>;
type Lib = &'static Library;

/// The library that setup fetched, or why there is none.
fn library() -> Result<Result<Lib, String>, Failed> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let folder = cache_folder()?.join("openvino");
        let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        files.into_iter().find(|path| path.to_string_lossy().contains("/libonnxruntime.so"))
    });
    let Some(path) = found else {
        return Ok(Err("no OpenVINO (cargo xtask setup --openvino, on x86-64 only)".to_owned()));
    };
    if !assets().join(MODEL).is_file() {
        return Ok(Err(format!("no {} (set FARSIGHT_ASSETS)", assets().join(MODEL).display())));
    }
    Ok(Ok(Library::load(Some(path))?))
}

const MODEL: &str = "detect/cattle_yolov8n_416.onnx";
const SHA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn provider(name: &str, options: &[(&str, &str)]) -> Provider {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Provider { name: name.to_owned(), options: options.iter().map(own).collect() }
}

fn settings(providers: &[Provider], allow_fallback: bool) -> Settings {
    Settings { providers: providers.to_vec(), allow_fallback, threads: 2, ..Settings::default() }
}

fn open(library: Lib, settings: &Settings) -> Result<Session, EngineError> {
    Session::open(library, Model::File(&assets().join(MODEL)), settings)
}

/// Runs the model on a fixed input.
fn answer(session: &mut Session) -> Result<Vec<f32>, Failed> {
    for (i, value) in session.input_mut::<f32>(0)?.iter_mut().enumerate() {
        *value = (i % 251) as f32 / 250.0;
    }
    session.run()?;
    Ok(session.output::<f32>(0)?.to_vec())
}

fn the_library_has_it(library: Lib) -> Outcome {
    assert_eq!(library.providers(), ["OpenVINO", "CPU"]);
    Ok(())
}

/// Providers take nodes in the order in which they are named.
#[cfg(feature = "profile")]
fn first_come_first_served(library: Lib) -> Outcome {
    use farsight_engine::{nodes_by_provider, profile_run};
    let bytes = fs::read(assets().join(MODEL))?;
    let cpu = provider("CPU", &[]);
    let openvino = provider("OpenVINO", &[("device_type", "CPU")]);
    for (providers, first) in [(vec![openvino, cpu.clone()], "OpenVINO"), (vec![cpu], "CPU")] {
        let settings = settings(&providers, false);
        let nodes = profile_run(library, Model::Bytes(&bytes), &settings, 1, |_| Ok(()))?;
        let counts = nodes_by_provider(&nodes);
        assert_eq!(counts.keys().collect::<Vec<_>>(), [first], "{counts:?}");
    }
    Ok(())
}

#[cfg(not(feature = "profile"))]
fn first_come_first_served(_: Lib) -> Outcome {
    Ok(())
}

fn a_wrong_option_is_told_in_its_own_words(library: Lib) -> Outcome {
    let rows = [
        (("num_of_threads", "abc"), "Number of threads should be a number"),
        (("precision", "FP64"), "Unsupported inference precision"),
        (("no_such_option", "1"), "no_such_option"),
    ];
    for (option, expected) in rows {
        let error = expect_error(open(library, &settings(&[provider("OpenVINO", &[option])], false)))?;
        let message = error.to_string();
        assert!(matches!(error, EngineError::ProviderUnavailable { .. }), "{error:?}");
        assert!(message.contains(expected), "{option:?}: {message}");
    }
    Ok(())
}

fn a_missing_provider(library: Lib) -> Outcome {
    let providers = [provider("TensorRT", &[]), provider("OpenVINO", &[]), provider("CPU", &[])];
    let message = expect_error(open(library, &settings(&providers, false)))?.to_string();
    assert!(message.contains("execution provider TensorRT cannot be used"), "{message}");
    assert!(message.contains("it was built with OpenVINO, CPU only"), "{message}");
    let session = open(library, &settings(&providers, true))?;
    let missing: Vec<bool> = session.providers().iter().map(|report| report.missing.is_some()).collect();
    assert_eq!(missing, [true, false, false]);
    Ok(())
}

/// It is in the library, and the device that it is to use is not in the machine.
fn a_device_that_is_not_there(library: Lib) -> Outcome {
    let providers = [provider("OpenVINO", &[("device_type", "NPU")]), provider("CPU", &[])];
    let message = expect_error(open(library, &settings(&providers, false)))?.to_string();
    assert!(message.contains("NPU"), "{message}");
    let mut session = open(library, &settings(&providers, true))?;
    let report = &session.providers()[0];
    assert_eq!(report.name, "OpenVINO");
    assert!(report.missing.as_ref().is_some_and(|reason| reason.contains("NPU")), "{report:?}");
    assert!(session.providers()[1].missing.is_none());
    answer(&mut session)?;
    Ok(())
}

/// It takes its options, and fails when the session is made.
fn one_that_does_not_start(library: Lib) -> Outcome {
    let options = [("device_type", "CPU"), ("load_config", "{\"CPU\": {\"NUM_STREAMS\": \"many\"}}")];
    let providers = [provider("OpenVINO", &options), provider("CPU", &[])];
    let error = expect_error(open(library, &settings(&providers, false)))?;
    assert!(matches!(&error, EngineError::Model { reason, .. } if !reason.is_empty()), "{error:?}");
    let mut session = open(library, &settings(&providers, true))?;
    let missing: Vec<_> =
        session.providers().iter().map(|r| (r.name.as_str(), r.missing.is_some())).collect();
    assert_eq!(missing, [("OpenVINO", true), ("CPU", false)]);
    answer(&mut session)?;
    // What is prepared then is a session for the CPU, or nothing; never an error.
    let folder = tempfile::tempdir()?;
    let make = Cache { caching: Caching::Make, folder: Some(folder.path().to_path_buf()) };
    let bytes = fs::read(assets().join(MODEL))?;
    let model = || Ok::<_, EngineError>(&bytes);
    let mut session = Session::open_prepared(library, SHA, model, &settings(&providers, true), &make)?;
    answer(&mut session)?;
    Ok(())
}

fn same_answer_as_the_cpu(library: Lib) -> Outcome {
    // Where the CPU has bf16, OpenVINO would use it.
    let options = [("device_type", "CPU"), ("precision", "FP32")];
    let there = answer(&mut open(library, &settings(&[provider("OpenVINO", &options)], false))?)?;
    let here = answer(&mut open(library, &settings(&[], false))?)?;
    assert_eq!(there.len(), here.len());
    let off = there.iter().zip(&here).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Boxes are in pixels, up to 416.
    assert!(off < 0.05, "{off}");
    Ok(())
}

fn open_prepared(library: Lib, options: &[(&str, &str)], cache: &Cache) -> Result<Session, Failed> {
    let bytes = fs::read(assets().join(MODEL))?;
    let settings = settings(&[provider("OpenVINO", options)], false);
    Ok(Session::open_prepared(library, SHA, || Ok::<_, EngineError>(&bytes), &settings, cache)?)
}

/// PyPI's wheel lacks the part of OpenVINO that reads what it keeps: then nothing stays behind, and nothing is
/// written at every start. Where the part is there, what is kept is used, and made anew when it is damaged.
fn what_it_keeps_is_used_or_not_kept(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let make = Cache { caching: Caching::Make, folder: Some(folder.path().to_path_buf()) };
    let place = folder.path().join("providers");
    let mut session = open_prepared(library, &[], &make)?;
    answer(&mut session)?;
    if let StartUp::Unused { reason } = session.startup() {
        assert!(reason.contains("does not take back what it keeps"), "{reason}");
        assert!(reason.contains("libopenvino_ir_frontend.so"), "{reason}");
        assert_eq!(fs::read_dir(&place)?.count(), 0);
        return Ok(());
    }
    assert_eq!(session.startup(), &StartUp::Built);
    assert_eq!(open_prepared(library, &[], &make)?.startup(), &StartUp::Cached);
    let entry = one(&place)?;
    for file in fs::read_dir(&entry)?.flatten().filter(|file| file.file_name() != "key.json") {
        fs::write(file.path(), "damaged")?;
    }
    let mut session = open_prepared(library, &[], &make)?;
    assert!(matches!(session.startup(), StartUp::Rebuilt { .. }), "{:?}", session.startup());
    answer(&mut session)?;
    assert_eq!(open_prepared(library, &[], &make)?.startup(), &StartUp::Cached);
    Ok(())
}

fn one(folder: &Path) -> Result<PathBuf, Failed> {
    let mut entries = fs::read_dir(folder)?;
    Ok(entries.next().ok_or("nothing there")??.path())
}
