//! A barn's camera: frames come from a folder of pictures or a file of raw NV12 frames, boxes go out as JSON lines.
//!
//! One thread captures at the camera's pace, this one runs the model on the latest frame there is. A frame that is
//! overtaken by the next one is dropped and counted; a run that takes longer than the deadline is given up.

mod latest;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use farsight::{Answer, EngineError, Error, Options, Pipeline, Task};
use serde_json::{Value, json};

use latest::Latest;
use source::{Shot, Source};

/// Boxes in a camera's frames, a JSON line a frame.
#[derive(Parser)]
struct Arguments {
    /// The bundle, made by `farsight compile`; its model finds boxes.
    bundle: PathBuf,
    /// A folder of pictures, taken in the order of their names, or a file of raw NV12 frames.
    source: PathBuf,
    /// Size of a raw frame, such as 1920x1080.
    #[arg(long, value_parser = size)]
    size: Option<[usize; 2]>,
    /// Frames a second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    fps: u32,
    /// Milliseconds after its capture from which on a frame's boxes are worth nothing.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline_ms: Option<u64>,
    /// Threads inside an operator, in place of the target's.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = Options { threads: arguments.threads, ..Options::default() };
    let mut pipeline = Pipeline::open_with(&arguments.bundle, &options)?;
    if pipeline.task() != Task::Detect {
        bail!("{}: this model finds no boxes", arguments.bundle.display());
    }
    let source = Source::open(&arguments.source, arguments.size)?;
    let latest = Arc::new(Latest::default());

    let (slot, period) = (Arc::clone(&latest), Duration::from_secs(1) / arguments.fps);
    let capture = thread::spawn(move || {
        // Whatever ends the capture, the other side must hear of it.
        let captured = capture(source, period, &slot);
        slot.end();
        captured
    });
    let limit = arguments.deadline_ms.map(Duration::from_millis);
    let counts = look(&mut pipeline, &latest, limit)?;
    let captured = capture.join().ok().context("the capturing thread panicked")??;
    eprintln!("{captured} frames: {} run, {} dropped, {} late", counts.run, latest.dropped(), counts.late);
    Ok(())
}

/// Reads frames at the camera's pace; how many there were.
fn capture(source: Source, period: Duration, latest: &Latest) -> Result<u64> {
    let mut captured = 0;
    let mut due = Instant::now();
    for shot in source {
        let mut shot = shot?;
        due += period;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        captured += 1;
        shot.number = captured;
        shot.captured = Instant::now();
        latest.put(shot);
    }
    Ok(captured)
}

#[derive(Default)]
struct Counts {
    run: u64,
    late: u64,
}

/// Runs every frame that can be had until there are no more.
fn look(pipeline: &mut Pipeline, latest: &Latest, limit: Option<Duration>) -> Result<Counts> {
    let mut counts = Counts::default();
    while let Some(shot) = latest.take() {
        match boxes(pipeline, &shot, limit) {
            Ok(boxes) => {
                counts.run += 1;
                let ms = pipeline.times().total().as_secs_f64() * 1e3;
                let line = json!({
                    "frame": shot.number, "name": shot.name, "dropped": latest.dropped(), "ms": ms,
                    "detections": boxes,
                });
                println!("{line}");
            }
            Err(Error::Engine(EngineError::Timeout)) => counts.late += 1,
            Err(error) => return Err(error).with_context(|| shot.name.clone()),
        }
    }
    Ok(counts)
}

fn boxes(pipeline: &mut Pipeline, shot: &Shot, limit: Option<Duration>) -> Result<Vec<Value>, Error> {
    let frame = shot.frame()?;
    let answer = match limit {
        Some(limit) => pipeline.run_until(&frame, shot.captured + limit)?,
        None => pipeline.run(&frame)?,
    };
    let Answer::Detections(found) = answer else { return Ok(Vec::new()) };
    let found = found.to_vec(); // the answer is borrowed from the pipeline, which knows the labels
    let boxes = found.iter().map(|found| {
        let label = pipeline.label(found.class);
        json!({ "label": label, "class": found.class, "score": found.score, "box": found.bbox })
    });
    Ok(boxes.collect())
}

/// `1920x1080`
fn size(text: &str) -> Result<[usize; 2], String> {
    let numbers =
        text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    numbers
        .filter(|size: &[usize; 2]| size.iter().all(|side| (2..=65534).contains(side) && side % 2 == 0))
        .ok_or_else(|| "a size is two even numbers of pixels, such as 1920x1080".to_owned())
}
