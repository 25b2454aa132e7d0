//! How a session is set up, and what it may use.

use serde::{Deserialize, Serialize};

/// How a session is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionRules {
    /// Threads inside an operator; 0 = as many as the affinity mask allows.
    pub threads: usize,
    /// Whether idle threads burn CPU for lower latency.
    pub spinning: bool,
    /// ONNX Runtime's graph optimization level.
    pub optimization: Optimization,
    /// Whether the CPU arena keeps freed memory.
    pub arena: bool,
    /// Whether allocations are planned ahead (fixed shapes only).
    pub memory_pattern: bool,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            threads: 0,
            spinning: false,
            optimization: Optimization::All,
            arena: true,
            memory_pattern: true,
        }
    }
}

/// ONNX Runtime's graph optimization level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimization {
    /// None at all.
    Off,
    /// Semantics-preserving rewrites only.
    Basic,
    /// Basic and node fusions.
    Extended,
    /// Everything, with layout changes for this CPU.
    All,
}

/// How much memory there is for a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The memory that the device has for a pipeline, in MB: a yardstick, no limit. `farsight inspect` tells if a model's
    /// weights and values are more, `farsight doctor` if the device has less; nothing stops a pipeline that takes more.
    /// 0 = nothing is compared.
    pub budget_mb: usize,
}
