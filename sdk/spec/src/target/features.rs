//! The CPU features that a profile may require, by architecture: those that `farsight_engine::cpu_features` looks for.

/// The features of a triple's architecture that a device can be asked for; none where farsight looks for none.
/// `host` may be either machine.
pub fn known_cpu_features(triple: &str) -> Vec<&'static str> {
    match triple.split('-').next() {
        Some("x86_64") => X86_64.to_vec(),
        Some("aarch64") => AARCH64.to_vec(),
        Some("host") => [X86_64, AARCH64].concat(),
        _ => Vec::new(),
    }
}

/// `vnni` is either of its two forms.
const X86_64: &[&str] = &[
    "sse4.2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avxvnni",
    "avx512f",
    "avx512bw",
    "avx512vnni",
    "vnni",
    "avx512bf16",
    "avx512fp16",
];

const AARCH64: &[&str] = &["neon", "fp16", "dotprod", "i8mm", "bf16", "sve", "sve2"];

/// Whether an x86 CPU of these features adds products of bytes in 32 bits: AVX512-VNNI and AVX-VNNI do, `vnni`
/// stands for either.
pub fn has_vnni(features: &[String]) -> bool {
    features.iter().any(|feature| ["vnni", "avx512vnni", "avxvnni"].contains(&feature.as_str()))
}
