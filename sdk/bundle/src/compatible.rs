//! Whether a bundle was made for this device.

use crate::error::Fault;
use crate::manifest::{Manifest, TargetEntry};

/// Whether one of the bundle's targets has the architecture and the operating system of `triple`, and counts on
/// no CPU feature that is missing in `cpu_features` (spelled as in the target profiles).
///
/// # Errors
/// [`Fault::OtherPlatform`] or [`Fault::CpuFeatures`], naming both sides.
pub fn compatible(manifest: &Manifest, triple: &str, cpu_features: &[String]) -> Result<(), Fault> {
    let same_platform: Vec<&TargetEntry> =
        manifest.targets.iter().filter(|target| platform(&target.triple) == platform(triple)).collect();
    let Some(first) = same_platform.first() else {
        let made_for = manifest.targets.iter().map(|t| format!("{} ({})", t.name, t.triple));
        let made_for = made_for.collect::<Vec<_>>().join(" or ");
        return Err(Fault::OtherPlatform { made_for, device: triple.to_owned() });
    };
    if same_platform.iter().any(|target| missing(target, cpu_features).is_empty()) {
        return Ok(());
    }
    let made_for = format!("{} (CPU features {})", first.name, first.cpu_features.join(", "));
    Err(Fault::CpuFeatures { made_for, missing: missing(first, cpu_features) })
}

fn missing(target: &TargetEntry, present: &[String]) -> Vec<String> {
    target.cpu_features.iter().filter(|feature| !present.contains(feature)).cloned().collect()
}

/// Architecture and operating system of a triple. The vendor may be left out (`aarch64-linux-android`), and
/// Android calls itself an environment of Linux.
fn platform(triple: &str) -> (&str, &str) {
    let parts: Vec<&str> = triple.split('-').collect();
    let system = match parts.as_slice() {
        parts if parts.iter().any(|part| part.starts_with("android")) => "android",
        parts if parts.contains(&"linux") => "linux",
        [_, _, system, ..] | [_, system] => system,
        _ => "",
    };
    (parts.first().copied().unwrap_or_default(), system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_of_triples() {
        for (triple, expected) in [
            ("x86_64-unknown-linux-gnu", ("x86_64", "linux")),
            ("x86_64-unknown-linux-musl", ("x86_64", "linux")),
            ("armv7-unknown-linux-gnueabihf", ("armv7", "linux")),
            ("aarch64-linux-android", ("aarch64", "android")),
            ("armv7-linux-androideabi", ("armv7", "android")),
            ("aarch64-apple-darwin", ("aarch64", "darwin")),
            ("x86_64-pc-windows-msvc", ("x86_64", "windows")),
            ("wasm32-wasip1", ("wasm32", "wasip1")),
        ] {
            assert_eq!(platform(triple), expected, "{triple}");
        }
    }
}
