//! What machine this is.

use std::env::consts::{ARCH, OS};

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
}
