//! Stopping a run: by hand from another thread, or at a deadline.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use ort::session::RunOptions;

use crate::{EngineError, Result};

/// Stops a session's run from any thread. Clones stop the same session.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<Control>);

impl Canceller {
    /// Stops the run in progress, which then returns [`EngineError::Cancelled`]. Without one, the next
    /// run is stopped instead, so that a cancel that comes a moment early is not lost.
    ///
    /// ONNX Runtime looks between two operators: one that is at work is finished first.
    pub fn cancel(&self) {
        let mut state = self.0.lock();
        state.cancelled = true;
        self.0.terminate();
    }
}

/// What a session, its cancellers and its watchdog share.
pub(crate) struct Control {
    options: RunOptions,
    state: Mutex<State>,
    changed: Condvar,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("state", &self.state).finish_non_exhaustive()
    }
}

/// ONNX Runtime's flag is set if one of these says so; both change under one lock.
#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    timed_out: bool,
    /// When the watchdog should stop the run in progress.
    deadline: Option<Instant>,
    /// The session is gone.
    closed: bool,
}

impl Control {
    pub(crate) fn new() -> std::result::Result<Arc<Self>, String> {
        let options = RunOptions::new().map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { options, state: Mutex::default(), changed: Condvar::new() }))
    }

    pub(crate) fn canceller(self: &Arc<Self>) -> Canceller {
        Canceller(Arc::clone(self))
    }

    pub(crate) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// Before a run: takes note of its deadline. An error if it need not start at all.
    pub(crate) fn begin(&self, deadline: Option<Instant>) -> Result<()> {
        let mut state = self.lock();
        if state.cancelled {
            self.clear(&mut state);
            return Err(EngineError::Cancelled);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(EngineError::Timeout);
        }
        if deadline.is_some() {
            state.deadline = deadline;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// After a run: why it failed, if it did. A run that got through counts even if it was late.
    pub(crate) fn end(&self, done: std::result::Result<(), String>) -> Result<()> {
        let mut state = self.lock();
        state.deadline = None;
        let (cancelled, timed_out) = (state.cancelled, state.timed_out);
        match done {
            Ok(()) => {
                // A cancel that came too late for this run stays for the next one.
                state.timed_out = false;
                if timed_out && !cancelled {
                    self.clear(&mut state);
                }
                Ok(())
            }
            Err(reason) => {
                self.clear(&mut state);
                Err(match (cancelled, timed_out) {
                    (true, _) => EngineError::Cancelled,
                    (_, true) => EngineError::Timeout,
                    _ => EngineError::Run { reason },
                })
            }
        }
    }

    fn clear(&self, state: &mut State) {
        state.cancelled = false;
        state.timed_out = false;
        if let Err(error) = self.options.unterminate() {
            log::error!("a stopped session cannot be freed: {error}");
        }
    }

    fn terminate(&self) {
        if let Err(error) = self.options.terminate() {
            log::error!("a run cannot be stopped: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watchdog's life: waits for a deadline, stops the run if it is still there by then.
    fn watch(&self) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            state = match state.deadline {
                Some(deadline) if deadline <= now => {
                    state.deadline = None;
                    state.timed_out = true;
                    self.terminate();
                    state
                }
                Some(deadline) => {
                    let waited = self.changed.wait_timeout(state, deadline - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// The thread that stops late runs; made by the first run with a deadline, ended with the session.
#[derive(Debug)]
pub(crate) struct Watchdog {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(crate) fn start(control: &Arc<Control>) -> std::io::Result<Self> {
        let watched = Arc::clone(control);
        let thread = std::thread::Builder::new()
            .name("farsight-deadline".into())
            .stack_size(64 * 1024)
            .spawn(move || watched.watch())?;
        Ok(Self { control: Arc::clone(control), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.control.lock().closed = true;
        self.control.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
