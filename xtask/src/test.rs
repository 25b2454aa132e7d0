//! `cargo xtask test`: every test of the workspace, documentation examples too.

use std::process::Command;

use anyhow::Result;

use crate::{assets, process, setup, workspace};

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let ready = setup::setup()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--all-features"]).args(arguments);
    ready.announce(&mut test);
    match assets() {
        Some(folder) => drop(test.env("FARSIGHT_ASSETS", folder)),
        None => {
            eprintln!("no assets (FARSIGHT_ASSETS, ../shared/assets): tests that need them show as ignored")
        }
    }
    process::run(&mut test)
}

/// Cargo in the folder of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}
