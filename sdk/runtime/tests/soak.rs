//! Ten thousand runs: memory, open files and threads stay what they were.

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use farsight::{Cache, Caching, Options, Pipeline};
use libtest_mimic::{Arguments, Failed};
use support::{bundle, frame, plain, trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // One after the other: what is counted is the whole process's.
    arguments.test_threads = Some(1);
    let tests =
        vec![trial("ten_thousand_runs", ten_thousand_runs), trial("three_hundred_openings", openings)];
    libtest_mimic::run(&arguments, tests).exit();
}

type Outcome = Result<(), Failed>;

/// What the system says of this process.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Held {
    /// Memory that is not shared with files, in KiB.
    kib: i64,
    files: usize,
    threads: usize,
}

fn held() -> Result<Held, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line("RssAnon:").and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    Ok(Held {
        kib: kib.ok_or("no RssAnon in /proc/self/status")?,
        files: fs::read_dir("/proc/self/fd")?.count(),
        threads: fs::read_dir("/proc/self/task")?.count(),
    })
}

/// No more files and threads; memory within what the allocators round up to.
fn check(before: Held, after: Held, kib: i64) {
    assert_eq!((after.files, after.threads), (before.files, before.threads), "{before:?} {after:?}");
    assert!(after.kib - before.kib <= kib, "{before:?} {after:?}");
}

fn options(folder: &Path, caching: Caching) -> Options {
    Options { cache: Cache { caching, folder: Some(folder.join("cache")) }, ..Options::default() }
}

fn ten_thousand_runs() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    for caching in [Caching::Off, Caching::Make] {
        let mut pipeline = Pipeline::open_with(&path, &options(folder.path(), caching))?;
        let pixels = [plain([250, 3, 4]), plain([5, 6, 250])];
        let mut runs = |count: usize| -> Outcome {
            for run in 0..count {
                let frame = frame(&pixels[run % 2])?;
                if run % 4 == 3 {
                    pipeline.run_until(&frame, Instant::now() + Duration::from_secs(60))?;
                } else {
                    pipeline.run(&frame)?;
                }
            }
            Ok(())
        };
        runs(1000)?;
        let before = held()?;
        runs(10_000)?;
        check(before, held()?, 64);
    }
    Ok(())
}

/// Opening and closing, from the model and from a prepared session.
fn openings() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    for caching in [Caching::Off, Caching::Make] {
        let options = options(folder.path(), caching);
        let open = |count: usize| -> Outcome {
            for _ in 0..count {
                let pixels = plain([1, 2, 3]);
                let mut pipeline = Pipeline::open_with(&path, &options)?;
                pipeline.run_until(&frame(&pixels)?, Instant::now() + Duration::from_secs(60))?;
            }
            Ok(())
        };
        open(50)?;
        let before = held()?;
        open(300)?;
        check(before, held()?, 1024);
    }
    Ok(())
}
