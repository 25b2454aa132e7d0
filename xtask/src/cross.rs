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
use crate::{glibc, process, setup};
pub(crate) use tools::Builder;

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
    match Builder::fetch(&target).and_then(|builder| Ok((builder, tools::emulator()?))) {
        Ok((builder, emulator)) => cross(&builder, &emulator, &target),
        Err(error) if if_possible => {
            eprintln!("cross aarch64: skipped, because its tools cannot be had here: {error:#}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn cross(builder: &Builder, emulator: &Path, target: &Target) -> Result<()> {
    let built = target_folder()?.join(&target.triple).join("debug");
    let packages = ["farsight-example-detect", "farsight-cli"];
    process::run(
        builder.cargo("zigbuild", target).args(packages.iter().flat_map(|name| ["--package", name])),
    )?;
    let farsight = built.join("farsight");
    run_parts(builder, emulator, target)?;
    compare(emulator, &farsight)?;
    for file in [farsight, built.join("libfarsight_example_detect.so")] {
        glibc::check(&file, target)?;
    }
    Ok(())
}

/// The parts of the device library that have code of their own for this CPU, or read what another machine wrote.
fn run_parts(builder: &Builder, emulator: &Path, target: &Target) -> Result<()> {
    let mut test = builder.cargo("test", target);
    let runner = format!("CARGO_TARGET_{}_RUNNER", target.triple.to_uppercase().replace('-', "_"));
    test.env(runner, emulator);
    test.args(["--lib", "--package", "farsight-vision", "--package", "farsight-bundle"]);
    process::run(&mut test)
}

/// Bundles compiled here, run here and there.
fn compare(emulator: &Path, farsight: &Path) -> Result<()> {
    let ready = setup::setup()?;
    let mut test = cargo();
    test.args(["test", "--package", "farsight-tests", "--", "arm::"]);
    ready.announce(&mut test);
    test.env("FARSIGHT_ARM_EMULATOR", emulator).env("FARSIGHT_ARM", farsight);
    process::run(&mut test)
}
