//! How programs are built for a device.

use serde::{Deserialize, Serialize};

/// How programs are built for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Cargo's profile: `device` is small and still unwinds.
    pub profile: String,
    /// The CPU that rustc may use every instruction of (`-C target-cpu`), as `rustc --print target-cpus` spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_cpu: Option<String>,
    /// More flags for rustc, one word each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rustflags: Vec<String>,
    /// The target of `cargo zigbuild`: the triple and the glibc to link with, `aarch64-unknown-linux-gnu.2.31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zig: Option<String>,
}

impl Default for Build {
    fn default() -> Self {
        Self { profile: "device".to_owned(), target_cpu: None, rustflags: Vec::new(), zig: None }
    }
}

impl Build {
    /// What rustc is given: the flags, then the CPU.
    pub fn rustflags(&self) -> String {
        let cpu = self.target_cpu.iter().map(|cpu| format!("-Ctarget-cpu={cpu}"));
        self.rustflags.iter().cloned().chain(cpu).collect::<Vec<_>>().join(" ")
    }
}
