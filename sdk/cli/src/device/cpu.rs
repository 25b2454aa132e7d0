//! The CPU's name, and whether it has the features that a profile requires.

use std::path::Path;

use super::files;

/// The CPU as /proc/cpuinfo shows it. Its features come from `farsight_engine::cpu_features`, which asks the CPU
/// itself: that is what opening a bundle goes by.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// `"Cortex-A76"`; of several kinds each: `"Cortex-A55 + Cortex-A76"`.
    pub(crate) name: Option<String>,
    /// How many there are, whether or not this process may use them.
    pub(crate) cores: Option<usize>,
}

impl Cpu {
    pub(crate) fn read(root: &Path) -> Self {
        let text = files::text(&root.join("proc/cpuinfo")).unwrap_or_default();
        let cores = values(&text, "processor").filter(|number| number.parse::<u32>().is_ok()).count();
        Self { name: name(&text), cores: (cores > 0).then_some(cores) }
    }
}

/// The features of a profile that this CPU lacks.
pub(crate) fn missing(required: &[String], found: &[String]) -> Vec<String> {
    required.iter().filter(|feature| !found.contains(feature)).cloned().collect()
}

/// ARM's kernels name the part by its numbers only (`model name` is "ARMv8 Processor rev 1" for all of them).
fn name(cpuinfo: &str) -> Option<String> {
    let implementers = values(cpuinfo, "CPU implementer");
    let mut parts: Vec<&str> =
        implementers.zip(values(cpuinfo, "CPU part")).filter_map(|(by, part)| arm_part(by, part)).collect();
    parts.sort_unstable();
    parts.dedup();
    if !parts.is_empty() {
        return Some(parts.join(" + "));
    }
    values(cpuinfo, "model name").find(|name| files::is_readable(name)).map(str::to_owned)
}

/// The values of every line `key : value`.
fn values<'a>(cpuinfo: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(move |(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// Implementer and part number → name (Linux, arch/arm64/include/asm/cputype.h).
fn arm_part(implementer: &str, part: &str) -> Option<&'static str> {
    PARTS.iter().find(|row| row.0 == implementer && row.1 == part).map(|row| row.2)
}

const PARTS: &[(&str, &str, &str)] = &[
    ("0x41", "0xd03", "Cortex-A53"),
    ("0x41", "0xd04", "Cortex-A35"),
    ("0x41", "0xd05", "Cortex-A55"),
    ("0x41", "0xd07", "Cortex-A57"),
    ("0x41", "0xd08", "Cortex-A72"),
    ("0x41", "0xd09", "Cortex-A73"),
    ("0x41", "0xd0a", "Cortex-A75"),
    ("0x41", "0xd0b", "Cortex-A76"),
    ("0x41", "0xd0c", "Neoverse-N1"),
    ("0x41", "0xd0d", "Cortex-A77"),
    ("0x41", "0xd40", "Neoverse-V1"),
    ("0x41", "0xd41", "Cortex-A78"),
    ("0x41", "0xd42", "Cortex-A78AE"),
    ("0x41", "0xd46", "Cortex-A510"),
    ("0x41", "0xd49", "Neoverse-N2"),
    ("0x41", "0xd4b", "Cortex-A78C"),
    ("0x4e", "0x003", "Denver 2"),
    ("0x4e", "0x004", "Carmel"),
];
