//! Where the time of a run went.

use std::time::{Duration, Instant};

/// Where the time of a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// From pixels to the input tensor.
    pub pre: Duration,
    /// The session.
    pub infer: Duration,
    /// From raw tensors to the answer.
    pub post: Duration,
}

impl Times {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.pre + self.infer + self.post
    }
}

impl std::ops::AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        self.pre += other.pre;
        self.infer += other.infer;
        self.post += other.post;
    }
}

/// Takes the time since the last lap.
pub(crate) struct Laps(Instant);

impl Laps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.0;
        self.0 = now;
        lap
    }
}
