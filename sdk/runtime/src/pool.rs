//! Several pipelines of one bundle, for throughput: each has one thread, so that none waits for another.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use farsight_bundle::{Bundle, Open};
use farsight_engine::EngineError;
use farsight_vision::Frame;

use crate::{Answer, Error, Options, Pipeline};

/// Several pipelines of one bundle, each with one thread. `Sync`: any number of threads may call [`Pool::run`].
///
/// On two cores two pipelines with a thread each finish more frames than one pipeline with two threads; a single
/// frame takes longer. So: a [`Pipeline`] for the shortest delay, a pool for most frames a second.
///
/// A session that was prepared on this device (`farsight warm`) is mapped once, and all pipelines use its weights;
/// without one, each has its own copy.
pub struct Pool {
    pipelines: Vec<Mutex<Pipeline>>,
    /// Numbers of the pipelines that nobody uses.
    free: Mutex<Vec<usize>>,
    returned: Condvar,
}

const _: fn() = || {
    fn is_sync<T: Send + Sync>() {}
    is_sync::<Pool>();
};

impl Pool {
    /// Opens a bundle `pipelines` times (at least once) with everything as it says, but for the threads.
    ///
    /// # Errors
    /// As [`Pipeline::open`].
    pub fn open(path: impl AsRef<Path>, pipelines: usize) -> Result<Self, Error> {
        Self::open_with(path, pipelines, &Options::default())
    }

    /// Opens a bundle `pipelines` times (at least once) with some things changed. `options.threads` are those of
    /// each pipeline, one where it is not given.
    ///
    /// # Errors
    /// As [`Pipeline::open_with`].
    pub fn open_with(path: impl AsRef<Path>, pipelines: usize, options: &Options) -> Result<Self, Error> {
        let options = Options { threads: options.threads.or(Some(1)), ..options.clone() };
        let first = Pipeline::open_with(&path, &options)?;
        let mut opened = match pipelines {
            0 | 1 => vec![first],
            _ => match first.another(&options)? {
                Some(second) => vec![first, second],
                // Nothing is prepared. The file is read once for all: it may be replaced at any time, and they must
                // be one model.
                None => {
                    drop(first);
                    let bundle = Bundle::open(path.as_ref(), Open::Memory)?;
                    let opened: Result<_, Error> =
                        (0..pipelines).map(|_| Pipeline::from_bundle(&bundle, &options)).collect();
                    opened?
                }
            },
        };
        while opened.len() < pipelines {
            match opened[0].another(&options)? {
                Some(pipeline) => opened.push(pipeline),
                None => break,
            }
        }
        let free = Mutex::new((0..opened.len()).collect());
        let pipelines = opened.into_iter().map(Mutex::new).collect();
        Ok(Self { pipelines, free, returned: Condvar::new() })
    }

    /// How many pipelines there are, busy or free.
    pub fn size(&self) -> usize {
        self.pipelines.len()
    }

    /// The pipelines themselves, for a program that gives each of its threads one.
    pub fn into_pipelines(self) -> Vec<Pipeline> {
        self.pipelines
            .into_iter()
            .map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    /// Runs a frame on a free pipeline, after waiting for one if all are busy, and hands its answer to `take`; the
    /// pipeline is busy until `take` returns. (Calling the pool from within `take` may wait for ever.)
    ///
    /// # Errors
    /// As [`Pipeline::run`]; the pipeline stays in the pool.
    pub fn run<T>(&self, frame: &Frame<'_>, take: impl FnOnce(Answer<'_>) -> T) -> Result<T, Error> {
        self.with(|pipeline| pipeline.run(frame).map(take))
    }

    /// Like [`Pool::run`], for a frame that is worth nothing after `deadline`: waiting for a pipeline counts.
    ///
    /// # Errors
    /// As [`Pipeline::run_until`].
    pub fn run_until<T>(
        &self,
        frame: &Frame<'_>,
        deadline: Instant,
        take: impl FnOnce(Answer<'_>) -> T,
    ) -> Result<T, Error> {
        let turn = self.turn_until(deadline).ok_or(EngineError::Timeout)?;
        turn.pipeline().run_until(frame, deadline).map(take)
    }

    /// Borrows a pipeline, after waiting for one if all are busy: for rasters, tensors and the spec.
    pub fn with<T>(&self, work: impl FnOnce(&mut Pipeline) -> T) -> T {
        work(&mut self.turn().pipeline())
    }

    fn turn(&self) -> Turn<'_> {
        let mut free = lock(&self.free);
        loop {
            match free.pop() {
                Some(number) => return Turn { pool: self, number },
                None => free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn turn_until(&self, deadline: Instant) -> Option<Turn<'_>> {
        let mut free = lock(&self.free);
        loop {
            if let Some(number) = free.pop() {
                return Some(Turn { pool: self, number });
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            free = self.returned.wait_timeout(free, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One pipeline for one caller; it is free again when this is dropped, also by a panic.
struct Turn<'a> {
    pool: &'a Pool,
    number: usize,
}

impl Turn<'_> {
    fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        lock(&self.pool.pipelines[self.number])
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.pool.free).push(self.number);
        self.pool.returned.notify_one();
    }
}

/// A pipeline is as good after a panic as before: each run starts anew.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
