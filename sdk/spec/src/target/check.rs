//! Small named checks: a profile that parses may still make no sense.

mod onnxruntime;
mod precision;
mod provider;
mod words;

use super::onnxruntime::version_numbers;
use super::{Build, Extent, Shapes};
use crate::Target;
use crate::error::SpecError;
use crate::parse::parse;
use crate::validate::{Check, check_name, locate, problem};

/// The oldest glibc that Rust's standard library runs on
/// (<https://doc.rust-lang.org/rustc/platform-support.html>).
const OLDEST_GLIBC: [u32; 2] = [2, 17];

/// Less than this holds no ONNX Runtime, more than this no device has.
const BUDGET_MB: std::ops::RangeInclusive<usize> = 64..=1 << 20;

impl Target {
    /// Parses and validates a profile; `origin` (a file name, say) stands in every message. Names of providers and CPU
    /// features that this version does not know are refused here only: a bundle may be newer.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SpecError> {
        let target: Self = parse(text, origin)?;
        target.validate(origin)?;
        words::check(&target).map_err(locate(origin))?;
        Ok(target)
    }

    /// Whether the values make sense, for a profile that was not read by [`Target::parse`].
    ///
    /// # Errors
    /// The first key that makes none.
    pub fn validate(&self, origin: &str) -> Result<(), SpecError> {
        self.check().map_err(locate(origin))
    }

    /// The profile as TOML. What is written parses to the same profile.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Check {
        check_name(&self.name)?;
        check_triple(&self.triple)?;
        check_glibc(self)?;
        onnxruntime::check(&self.onnxruntime)?;
        provider::check(self)?;
        precision::check(self)?;
        check_shapes(self)?;
        if self.session.threads > 1024 {
            return problem("session.threads", format!("is {}; at most 1024, 0 = all", self.session.threads));
        }
        check_budget(self.memory.budget_mb)?;
        check_build(self, &self.build)
    }
}

fn check_triple(triple: &str) -> Check {
    if triple != "host" && triple.split('-').count() < 3 {
        return problem("triple", format!("is {triple:?}; expected a Rust target triple or \"host\""));
    }
    Ok(())
}

fn check_glibc(target: &Target) -> Check {
    let Some(glibc) = &target.glibc else { return Ok(()) };
    check_version("glibc", glibc)?;
    if target.triple != "host" && !target.triple.contains("gnu") {
        return problem("glibc", format!("is given, but {} has none", target.triple));
    }
    if version_numbers(glibc).as_slice() < OLDEST_GLIBC.as_slice() || !glibc.starts_with("2.") {
        return problem(
            "glibc",
            format!("is {glibc:?}; expected 2.17 (the oldest that Rust runs on) or newer, such as \"2.31\""),
        );
    }
    Ok(())
}

fn check_shapes(target: &Target) -> Check {
    let Shapes::Range { batch, height, width } = target.shapes else { return Ok(()) };
    let extents = [("batch", batch, 1024), ("height", height, 16_384), ("width", width, 16_384)];
    if extents.iter().all(|(_, extent, _)| extent.is_none()) {
        return problem(
            "shapes",
            "is a range without bounds; give batch, height or width, or kind = \"fixed\"",
        );
    }
    for (name, extent, most) in extents {
        let Some(Extent { min, opt, max }) = extent else { continue };
        if min < 1 || max > most || !(min <= opt && opt <= max) {
            return problem(
                format!("shapes.{name}"),
                format!("is {min}, {opt}, {max}; expected 1 <= min <= opt <= max <= {most}"),
            );
        }
    }
    if target.session.memory_pattern {
        return problem(
            "session.memory_pattern",
            "is true (so it is if not said), but plans are kept for every shape and memory grows; set it to false, \
             or shapes.kind to \"fixed\"",
        );
    }
    Ok(())
}

fn check_budget(megabytes: usize) -> Check {
    if megabytes != 0 && !BUDGET_MB.contains(&megabytes) {
        return problem(
            "memory.budget_mb",
            format!(
                "is {megabytes}; expected {} to {} MB, or 0 = nothing is compared",
                BUDGET_MB.start(),
                BUDGET_MB.end()
            ),
        );
    }
    Ok(())
}

fn check_build(target: &Target, build: &Build) -> Check {
    let is_word = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
    if !is_word(&build.profile) {
        return problem(
            "build.profile",
            format!("is {:?}; expected the name of a cargo profile", build.profile),
        );
    }
    if let Some(cpu) = build.target_cpu.as_ref().filter(|cpu| !is_word(cpu)) {
        return problem(
            "build.target_cpu",
            format!("is {cpu:?}; expected a name of `rustc --print target-cpus`"),
        );
    }
    if let Some(flag) = build.rustflags.iter().find(|flag| !is_word(flag)) {
        return problem(
            "build.rustflags",
            format!("holds {flag:?}; expected one word each, such as \"-Clink-arg=-s\""),
        );
    }
    if build.target_cpu.is_some() && build.rustflags.iter().any(|flag| flag.contains("target-cpu")) {
        return problem("build.rustflags", "sets target-cpu, and build.target_cpu does; keep one");
    }
    build.zig.as_ref().map_or(Ok(()), |zig| check_zig(target, zig))
}

/// `zig` is the triple and a glibc that is not newer than the device's.
fn check_zig(target: &Target, zig: &str) -> Check {
    let wanted = || match &target.glibc {
        Some(glibc) => format!("is {zig:?}; expected \"{}.{glibc}\"", target.triple),
        None => format!("is {zig:?}; expected the triple and a glibc, which the profile must name, too"),
    };
    let linked = zig.strip_prefix(&target.triple).and_then(|rest| rest.strip_prefix('.'));
    match (linked, &target.glibc) {
        (Some(linked), Some(glibc)) if check_version("build.zig", linked).is_ok() => {
            if version_numbers(linked) > version_numbers(glibc) {
                return problem(
                    "build.zig",
                    format!("links with glibc {linked}, but the device has {glibc}"),
                );
            }
            Ok(())
        }
        _ => problem("build.zig", wanted()),
    }
}

/// A version of two or three numbers.
fn check_version(key: &str, version: &str) -> Check {
    let parts: Vec<&str> = version.split('.').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|p| p.parse::<u32>().is_err()) {
        return problem(key, format!("is {version:?}; expected a version such as \"1.17\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
