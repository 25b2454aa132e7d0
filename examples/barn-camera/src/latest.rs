//! Hands frames from one thread to another: only the latest one waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::source::Shot;

/// Room for one frame. One that nobody took when the next one comes is dropped and counted.
#[derive(Default)]
pub(crate) struct Latest {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Option<Shot>,
    ended: bool,
    dropped: u64,
}

impl Latest {
    pub(crate) fn put(&self, shot: Shot) {
        let mut state = self.lock();
        let overtaken = state.waiting.replace(shot);
        state.dropped += u64::from(overtaken.is_some());
        self.changed.notify_one();
    }

    /// Says that no more will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// Waits for a frame; `None` if no more will come.
    pub(crate) fn take(&self) -> Option<Shot> {
        let waits = |state: &mut State| state.waiting.is_none() && !state.ended;
        let state = self.changed.wait_while(self.lock(), waits);
        state.unwrap_or_else(PoisonError::into_inner).waiting.take()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// A thread that panicked leaves a state that is still true.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
