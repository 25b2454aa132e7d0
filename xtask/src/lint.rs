//! `cargo xtask lint`: what is checked without running anything of ours.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::process;
use crate::test::cargo;

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("lint takes no arguments");
    }
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    process::run(
        cargo()
            .args(["clippy", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )?;
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut doc)?;
    licences()
}

/// Licences and sources of what we depend on (deny.toml). Advisories need a network, so they are not
/// asked for here: `cargo deny check advisories`.
fn licences() -> Result<()> {
    let mut probe = cargo();
    probe.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status()?.success() {
        eprintln!("cargo-deny is not installed: licences not checked (cargo install cargo-deny)");
        return Ok(());
    }
    process::run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))
}
