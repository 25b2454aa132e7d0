//! `cargo xtask cross aarch64`: built here for 64-bit ARM and run here, under qemu, with a real ONNX Runtime for ARM.
//!
//! Arithmetic is 300 to 750 times slower under qemu: what runs there is small.

mod debian;
mod rust;
mod tools;

use std::path::Path;

use anyhow::{Result, bail};
use farsight_spec::Target;

use crate::farsight::target_folder;
use crate::test::cargo;
use crate::{dist, glibc, process, setup};
pub(crate) use tools::Builder;

/// Tests that take minutes under qemu and have nothing to do with the CPU: the SIMD that they compare is x86's.
const SLOW: [&str; 2] = ["portable_and_simd_agree", "over_the_last_tensor_is_as_afresh"];
/// The cargo profile that compiles fastest.
const PROFILE: [&str; 2] = ["--profile", "cross"];
const USAGE: &str = "call it as: cargo xtask cross aarch64 [--if-possible]";

/// `cargo xtask cross aarch64`; with `--if-possible` it is no failure that the tools cannot be had.
pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let if_possible = match arguments[..] {
        ["aarch64"] => false,
        ["aarch64", "--if-possible"] => true,
        _ => bail!(USAGE),
    };
    let target = Target::find("aarch64-linux")?;
    match tools::emulator().and_then(|emulator| Ok((emulator, Builder::fetch(&target)?))) {
        Ok((emulator, builder)) => cross(&builder, &emulator, &target),
        Err(error) if if_possible => {
            eprintln!("cross aarch64: skipped, because its tools cannot be had here: {error:#}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn cross(builder: &Builder, emulator: &Path, target: &Target) -> Result<()> {
    process::run(builder.cargo("zigbuild", target).args(PROFILE).args([
        "--package",
        "farsight-example-barn-camera",
        "--package",
        "farsight-cli",
    ]))?;
    let built = target_folder()?.join(&target.triple).join("cross");
    run_parts(builder, emulator, target)?;
    let library = built.join("dist");
    dist::make(&dist::Call::of(target, PROFILE[1]), &library)?;
    compare(builder, emulator, target, &library)?;
    glibc::check(&built.join("farsight"), target)
}

/// The parts of the device library that have code of their own for this CPU, or read what another machine wrote.
fn run_parts(builder: &Builder, emulator: &Path, target: &Target) -> Result<()> {
    let mut test = builder.cargo("test", target);
    let runner = format!("CARGO_TARGET_{}_RUNNER", target.triple.to_uppercase().replace('-', "_"));
    test.args(PROFILE).env(runner, emulator);
    test.args(["--package", "farsight-vision", "--package", "farsight-bundle"]);
    test.args(["--lib", "--test", "pictures"]);
    test.args(["--features", "farsight-vision/pictures,farsight-vision/rasters", "--"]);
    test.args(SLOW.iter().flat_map(|name| ["--skip", name]));
    process::run(&mut test)
}

/// Bundles compiled here, run here and there. Built as `cargo xtask test` builds, so that nothing is built twice.
fn compare(builder: &Builder, emulator: &Path, target: &Target, library: &Path) -> Result<()> {
    let ready = setup::setup()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--all-features", "--test", "system", "--", "arm::"]);
    ready.announce(&mut test);
    test.env("FARSIGHT_ARM_EMULATOR", emulator).env("FARSIGHT_ARM", library.with_file_name("farsight"));
    test.env("FARSIGHT_ARM_DIST", library);
    test.env("FARSIGHT_ARM_CC", builder.compiler("cc", target)?);
    test.env("FARSIGHT_ARM_CXX", builder.compiler("c++", target)?);
    process::run(&mut test)
}
