//! How much memory there is, how much of it is free, and how much of it a container may use.

use std::path::Path;

use serde::Serialize;

use super::{cgroup, files};

const MB: u64 = 1 << 20;

/// Memory, all in MB (2^20 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    pub(crate) total_mb: Option<u64>,
    /// What programs can still get without swapping.
    pub(crate) available_mb: Option<u64>,
    pub(crate) swap_total_mb: Option<u64>,
    pub(crate) swap_free_mb: Option<u64>,
    /// A control group's limit below `total_mb`.
    pub(crate) limit_mb: Option<u64>,
    /// What is left below that limit.
    pub(crate) limit_left_mb: Option<u64>,
}

impl Memory {
    pub(crate) fn read(root: &Path) -> Self {
        let text = files::text(&root.join("proc/meminfo")).unwrap_or_default();
        let mb = |key: &str| files::value(&text, key).map(|kib| kib / 1024);
        let total_mb = mb("MemTotal:");
        let limit = cgroup::limit(root).filter(|limit| total_mb.is_none_or(|total| limit.bytes / MB < total));
        Self {
            total_mb,
            available_mb: mb("MemAvailable:"),
            swap_total_mb: mb("SwapTotal:"),
            swap_free_mb: mb("SwapFree:"),
            limit_mb: limit.map(|limit| limit.bytes / MB),
            limit_left_mb: limit.and_then(|limit| limit.left).map(|left| left / MB),
        }
    }

    /// What this process could have if nothing else ran.
    pub(crate) fn ceiling_mb(&self) -> Option<u64> {
        least(self.total_mb, self.limit_mb)
    }

    /// What it can have now.
    pub(crate) fn free_mb(&self) -> Option<u64> {
        least(self.available_mb, self.limit_left_mb)
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
