//! How a session is set up on this device.

use std::num::NonZero;
use std::thread::available_parallelism;

use farsight_spec::{Optimization, Provider, SessionRules, Target};

/// How a session is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads inside an operator, at least 1. ONNX Runtime pins none of them to a core.
    pub threads: usize,
    /// Whether idle threads burn CPU for lower latency.
    pub spinning: bool,
    /// ONNX Runtime's graph optimization level.
    pub optimization: Optimization,
    /// Whether the CPU arena keeps freed memory.
    pub arena: bool,
    /// Whether allocations are planned ahead (fixed shapes only).
    pub memory_pattern: bool,
    /// Execution providers; the first that takes a node runs it. Nodes that none of them takes run on
    /// the CPU if it is listed or `allow_fallback` is set; otherwise the model is refused. Empty: the CPU.
    pub providers: Vec<Provider>,
    /// Whether a provider that is missing in the library is left out, with a warning and a note in
    /// [`Session::providers`](crate::Session::providers).
    pub allow_fallback: bool,
}

impl Default for Settings {
    /// The CPU, with every thread that this process may use.
    fn default() -> Self {
        Self::new(&SessionRules::default(), None)
    }
}

impl Settings {
    /// What a target profile asks for, within what this process may use. `threads` overrides the
    /// profile's number, not the limit.
    pub fn from_target(target: &Target, threads: Option<usize>) -> Self {
        Self {
            providers: target.providers.clone(),
            allow_fallback: target.allow_fallback,
            ..Self::new(&target.session, threads)
        }
    }

    fn new(rules: &SessionRules, threads: Option<usize>) -> Self {
        Self {
            threads: within(threads.unwrap_or(rules.threads), allowed_threads()),
            spinning: rules.spinning,
            optimization: rules.optimization,
            arena: rules.arena,
            memory_pattern: rules.memory_pattern,
            providers: Vec::new(),
            allow_fallback: false,
        }
    }
}

/// As many threads as asked for (0: all), within the limit.
fn within(asked: usize, limit: usize) -> usize {
    if asked == 0 { limit } else { asked.min(limit) }
}

/// How many threads this process may keep busy: the CPUs of its affinity mask (`sched_getaffinity`),
/// less if a cgroup's CPU quota allows less. The standard library looks at both.
fn allowed_threads() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_stay_within_what_is_allowed() {
        for (asked, limit, used) in [(0, 4, 4), (1, 4, 1), (3, 4, 3), (8, 4, 4), (8, 1, 1), (0, 1, 1)] {
            assert_eq!(within(asked, limit), used, "{asked} of {limit}");
        }
    }
}
