//! What machine this is.

use std::env::consts::{ARCH, OS};
use std::path::Path;

use crate::find::entries;

/// The Rust target triple of the machine this runs on: `x86_64-unknown-linux-gnu`.
pub fn host_triple() -> String {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{ARCH}-unknown-{OS}-{environment}")
}

/// CPU features that kernels choose by, as target profiles spell them.
pub fn cpu_features() -> Vec<String> {
    detected().into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<(&'static str, bool)> {
    use std::arch::is_x86_feature_detected as has;
    vec![
        ("sse4.2", has!("sse4.2")),
        ("avx", has!("avx")),
        ("avx2", has!("avx2")),
        ("fma", has!("fma")),
        ("f16c", has!("f16c")),
        ("avxvnni", has!("avxvnni")),
        ("avx512f", has!("avx512f")),
        ("avx512bw", has!("avx512bw")),
        ("avx512vnni", has!("avx512vnni")),
        // Either form multiplies bytes without saturating: what int8 weights of full range count on.
        ("vnni", has!("avxvnni") || has!("avx512vnni")),
        ("avx512bf16", has!("avx512bf16")),
        ("avx512fp16", has!("avx512fp16")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Vec<(&'static str, bool)> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![
        ("neon", has!("neon")),
        ("fp16", has!("fp16")),
        ("dotprod", has!("dotprod")),
        ("i8mm", has!("i8mm")),
        ("bf16", has!("bf16")),
        ("sve", has!("sve")),
        ("sve2", has!("sve2")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// The CPU by its name, where the system tells.
pub fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':')).map(str::trim)
    };
    value("model name").or_else(|| value("Model")).map(str::to_owned)
}

/// All that tells this CPU from another one to which kernels and layouts would be cut differently: name, model
/// numbers, and its flags.
pub(crate) fn cpu_identity() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    identity(&text).unwrap_or_else(|| ARCH.to_owned())
}

/// The lines of `/proc/cpuinfo` that say what kind each core is, each once.
fn identity(cpuinfo: &str) -> Option<String> {
    const KINDS: [&str; 10] = [
        "model name",
        "vendor_id",
        "cpu family",
        "model",
        "stepping",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
    ];
    let mut found: Vec<String> = Vec::new();
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) else {
            continue;
        };
        let fact = match key {
            "flags" | "Features" => format!("flags {:08x}", crc32fast::hash(value.as_bytes())),
            _ if KINDS.contains(&key) => format!("{key} {value}"),
            _ => continue,
        };
        if !found.contains(&fact) {
            found.push(fact);
        }
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// What tells this machine's accelerators and their driver apart, as far as the system shows them.
pub(crate) fn accelerator_identity() -> String {
    let first_line = |path: &Path| {
        let text = std::fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&text);
        Some(text.lines().next()?.trim_end_matches('\0').trim().to_owned())
    };
    let files = ["/proc/driver/nvidia/version", "/etc/nv_tegra_release", "/proc/device-tree/model"];
    let mut facts: Vec<String> = files.iter().filter_map(|file| first_line(Path::new(file))).collect();
    let mut gpus: Vec<_> = entries(Path::new("/proc/driver/nvidia/gpus"))
        .filter_map(|gpu| first_line(&gpu.join("information")))
        .collect();
    gpus.sort();
    facts.append(&mut gpus);
    if facts.is_empty() { "none known".to_owned() } else { facts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_what_profiles_may_name() {
        let looked_for: Vec<&str> = detected().into_iter().map(|(name, _)| name).collect();
        assert_eq!(farsight_spec::known_cpu_features(&host_triple()), looked_for);
    }

    #[test]
    fn this_machine_has_a_triple() {
        assert_eq!(host_triple().split('-').count(), 4);
        assert!(host_triple().starts_with(ARCH));
    }

    #[test]
    fn a_cpu_is_told_by_its_numbers_and_flags() {
        let big_little = "processor : 0\nBogoMIPS : 48.0\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd03\n\n\
                          processor : 1\nBogoMIPS : 48.0\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd08\n";
        let expected = format!(
            "flags {:08x}, CPU implementer 0x41, CPU part 0xd03, CPU part 0xd08",
            crc32fast::hash(b"fp asimd")
        );
        assert_eq!(identity(big_little), Some(expected));
        let other = big_little.replace("asimd", "asimd asimddp");
        assert_ne!(identity(&other), identity(big_little));
        // What changes from moment to moment is no part of it.
        assert_eq!(identity(&big_little.replace("48.0", "49.1")), identity(big_little));
        assert_eq!(identity("processor : 0\n"), None);
    }
}
