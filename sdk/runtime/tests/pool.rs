//! A pool gives every thread its own frame's answer, from one prepared file or from none.
#![allow(clippy::unwrap_used)] // a thread of a test fails by panicking

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farsight::{Answer, Cache, Caching, EngineError, Error, Options, Pipeline, Pool, StartUp};
use libtest_mimic::{Arguments, Failed};
use support::{bundle, frame, plain, trial};

fn main() {
    let tests = vec![
        trial("every_thread_gets_its_own_answer", every_thread_gets_its_own_answer),
        trial("a_prepared_file_is_mapped_once", a_prepared_file_is_mapped_once),
        trial("a_warmed_bundle_is_opened_without_its_model", a_warmed_bundle_is_opened_without_its_model),
        trial("an_error_leaves_the_pool_whole", an_error_leaves_the_pool_whole),
        trial("a_deadline_counts_the_wait", a_deadline_counts_the_wait),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

type Outcome = Result<(), Failed>;

fn cached(folder: &Path, caching: Caching) -> Options {
    Options { cache: Cache { caching, folder: Some(folder.join("cache")) }, ..Options::default() }
}

/// The best class of a frame in which one colour is strongest, and its score.
fn best(answer: Answer<'_>) -> Option<(usize, f32)> {
    match answer {
        Answer::Classes(classes) => classes.first().map(|best| (best.class, best.score)),
        _ => None,
    }
}

/// 8 threads on 3 pipelines, each with a colour of its own.
fn every_thread_gets_its_own_answer() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    for caching in [Caching::Off, Caching::Make, Caching::Use] {
        let pool = Pool::open_with(&path, 3, &cached(folder.path(), caching))?;
        assert_eq!(pool.size(), 3);
        let right = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let (pool, right) = (&pool, &right);
                scope.spawn(move || {
                    for turn in 0..50_u8 {
                        let class = usize::from((number + turn) % 3);
                        let mut colour = [0; 3];
                        colour[class] = 100 + number * 10;
                        let expected = (class, f32::from(colour[class]) / 255.0);
                        let found = pool.run(&frame(&plain(colour)).unwrap(), best).unwrap().unwrap();
                        let is_right = found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-4;
                        right.fetch_add(usize::from(is_right), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(right.into_inner(), 400, "{caching:?}");
    }
    Ok(())
}

fn a_prepared_file_is_mapped_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    let pool = Pool::open_with(&path, 4, &cached(folder.path(), Caching::Make))?;
    let ways: Vec<StartUp> =
        (0..pool.size()).map(|_| pool.with(|pipeline| pipeline.session().startup().clone())).collect();
    assert!(ways.iter().all(|way| matches!(way, StartUp::Built | StartUp::Cached)), "{ways:?}");
    pool.with(|pipeline| assert_eq!(pipeline.session().threads(), 1));
    if let Ok(maps) = fs::read_to_string("/proc/self/maps") {
        let own = folder.path().join("cache").display().to_string();
        assert_eq!(maps.lines().filter(|line| line.contains(&own)).count(), 1, "{maps}");
    }
    Ok(())
}

/// With a prepared session the model in the bundle is not looked at; without one, damage to it is found.
fn a_warmed_bundle_is_opened_without_its_model() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    let warm = Pipeline::open_with(&path, &cached(folder.path(), Caching::Make))?;
    assert_eq!(warm.session().startup(), &StartUp::Built);
    let mut bytes = fs::read(&path)?;
    let name = bytes.windows(4).rposition(|part| part == b"mean").ok_or("no node")?;
    bytes[name] = b'M';
    fs::write(&path, bytes)?;
    let mut pipeline = Pipeline::open_with(&path, &cached(folder.path(), Caching::Use))?;
    assert_eq!(pipeline.session().startup(), &StartUp::Cached);
    assert_eq!(pipeline.label(2), "blue");
    assert_eq!(best(pipeline.run(&frame(&plain([0, 0, 255]))?)?), Some((2, 1.0)));
    let refused = Pipeline::open_with(&path, &cached(folder.path(), Caching::Off)).map(|_| ());
    assert!(matches!(&refused, Err(Error::Bundle(error)) if error.kind() == "checksum"), "{refused:?}");
    Ok(())
}

fn an_error_leaves_the_pool_whole() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    let pool = Pool::open_with(&path, 0, &cached(folder.path(), Caching::Off))?;
    assert_eq!(pool.size(), 1);
    let pixels = plain([0, 255, 0]);
    let late = pool.run_until(&frame(&pixels)?, Instant::now(), best);
    assert!(matches!(late, Err(Error::Engine(EngineError::Timeout))), "{late:?}");
    let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = pool.run(&frame(&pixels).unwrap(), |_| std::panic::resume_unwind(Box::new("thrown")));
    }));
    assert!(thrown.is_err());
    assert_eq!(pool.run(&frame(&pixels)?, best)?, Some((1, 1.0)));
    Ok(())
}

fn a_deadline_counts_the_wait() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = bundle(folder.path())?;
    let pool = Pool::open_with(&path, 1, &cached(folder.path(), Caching::Off))?;
    let pixels = plain([255, 0, 0]);
    std::thread::scope(|scope| -> Outcome {
        let (start, started) = std::sync::mpsc::channel();
        let pool = &pool;
        scope.spawn(move || {
            pool.with(|_| {
                let _ = start.send(());
                std::thread::sleep(Duration::from_millis(400));
            });
        });
        started.recv()?;
        let begin = Instant::now();
        let late = pool.run_until(&frame(&pixels)?, begin + Duration::from_millis(50), best);
        assert!(matches!(late, Err(Error::Engine(EngineError::Timeout))), "{late:?}");
        assert!(begin.elapsed() < Duration::from_millis(350));
        assert_eq!(pool.run_until(&frame(&pixels)?, begin + Duration::from_secs(60), best)?, Some((0, 1.0)));
        Ok(())
    })
}
