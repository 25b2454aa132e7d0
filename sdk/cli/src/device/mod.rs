//! What the system shows of the device: read from the files of a root folder, so that a test can lay one out.
//!
//! What is not there, or makes no sense, is `None`: nothing is guessed. Of names only those of models, systems and
//! parts are read, never the user's or the host's.

mod cgroup;
mod check;
mod conditions;
mod cpu;
mod files;
mod glibc;
mod memory;
mod power;
pub(crate) mod private;
mod system;
#[cfg(test)]
mod tests;
mod thermal;

use std::path::Path;

pub(crate) use check::{Findings, missing_features};
pub(crate) use conditions::Conditions;
use cpu::Cpu;
use memory::Memory;
use power::Power;
use system::System;
use thermal::Zone;

/// A device as its files show it.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) system: System,
    pub(crate) cpu: Cpu,
    /// Version of the C library, `"2.36"`.
    pub(crate) glibc: Option<String>,
    pub(crate) power: Power,
    pub(crate) thermal: Vec<Zone>,
    pub(crate) memory: Memory,
}

impl Device {
    /// Reads the files under `root`, which is `/` except in tests.
    pub(crate) fn read(root: &Path) -> Self {
        let system = System::read(root);
        Self {
            cpu: Cpu::read(root),
            glibc: glibc::version(root),
            power: Power::read(root),
            thermal: thermal::read(root, system.model.as_deref()),
            memory: Memory::read(root),
            system,
        }
    }
}
