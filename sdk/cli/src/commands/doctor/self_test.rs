//! A bundle's self-test on this device, with the time of each phase.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farsight::{Bundle, Frame, Open, Options, Pipeline};
use farsight_compiler::{fill_inputs, median, run_self_test};
use farsight_spec::Input;
use serde_json::{Value, json};

use super::note;
use crate::device::Findings;
use crate::failure::Failure;

/// A median of so many runs, or of those that fit into [`LONGEST`].
const RUNS: usize = 20;
const LONGEST: Duration = Duration::from_secs(2);

/// A bundle that was read and checked.
pub(super) struct Opened {
    pub(super) bundle: Bundle,
    path: PathBuf,
    took: Duration,
}

impl Opened {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let start = Instant::now();
        let bundle = Bundle::open(path, Open::Memory).map_err(|error| Failure::from(error).of_file(path))?;
        Ok(Self { bundle, path: path.to_path_buf(), took: start.elapsed() })
    }
}

/// The self-test of the bundle, if it could be opened.
pub(super) fn run(opened: Result<Opened, Failure>, library: Option<&Path>, findings: &mut Findings) -> Value {
    opened.and_then(|opened| try_run(&opened, library, findings)).unwrap_or_else(|failure| {
        // What the target asks for in vain was said already.
        let is_told = ["other-platform", "provider-unavailable"].contains(&failure.kind.as_str());
        if !is_told || findings.problems.is_empty() {
            note(findings, &failure);
        }
        json!({"passed": false, "error": {"kind": failure.kind, "message": failure.message}})
    })
}

fn try_run(opened: &Opened, library: Option<&Path>, findings: &mut Findings) -> Result<Value, Failure> {
    let bundle = &opened.bundle;
    let options = Options { library: library.map(Path::to_path_buf), ..Options::default() };
    let start = Instant::now();
    let mut pipeline = Pipeline::from_bundle(bundle, &options)?;
    let session = start.elapsed();
    fill_inputs(&mut pipeline, 1)?;
    let first_run = time_of_run(&mut pipeline)?;
    let result = run_self_test(bundle, &mut pipeline)?;
    let run = median_run(&mut pipeline)?;
    let decode = decode(&mut pipeline)?;
    let startup = pipeline.session().startup().name();
    let ms = json!({
        "open": milliseconds(opened.took), "session": milliseconds(session), "first_run": milliseconds(first_run),
        "run": run, "decode": decode,
    });
    let Some(result) = result else {
        return Ok(
            json!({"passed": null, "note": "this bundle carries no self-test", "startup": startup, "ms": ms}),
        );
    };
    if !result.passed() {
        let message = format!(
            "{}: the self-test does not give the expected answer on this machine; try another version of ONNX Runtime, and \
             see docs/debug-a-wrong-answer.md",
            opened.path.display()
        );
        note(findings, &Failure::new("self-test", message));
    }
    Ok(json!({
        "passed": result.passed(), "values": result.values, "outside": result.outside,
        "max_abs_error": result.max_abs_error,
        "tolerance": {"absolute": result.tolerance.absolute, "relative": result.tolerance.relative},
        "startup": startup, "ms": ms,
    }))
}

/// The session alone, on the input that is there.
fn time_of_run(pipeline: &mut Pipeline) -> Result<Duration, Failure> {
    let start = Instant::now();
    pipeline.run_session()?;
    Ok(start.elapsed())
}

fn median_run(pipeline: &mut Pipeline) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut times = Vec::with_capacity(RUNS);
    while times.len() < RUNS && (times.is_empty() || start.elapsed() < LONGEST) {
        times.push(milliseconds(time_of_run(pipeline)?));
    }
    Ok(median(&times))
}

/// Time of the decoder on a grey frame, the faster of two; `None` for what takes no frames.
fn decode(pipeline: &mut Pipeline) -> Result<Option<f64>, Failure> {
    let Input::Frame(_) = pipeline.spec().input else { return Ok(None) };
    let (width, height) = (640, 480);
    let pixels = vec![114; width * height * 3];
    let frame = Frame::rgb8(width, height, &pixels).map_err(|error| Failure::new("frame", error))?;
    let mut fastest = f64::INFINITY;
    for _ in 0..2 {
        pipeline.run(&frame)?;
        fastest = fastest.min(milliseconds(pipeline.times().post));
    }
    Ok(Some(fastest))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
