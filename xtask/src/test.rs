//! `cargo xtask test`: every test of the workspace, documentation examples too.

use std::process::Command;

use anyhow::Result;

use crate::{assets, process, setup, workspace};

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let ready = setup::setup()?;
    let mut test = cargo();
    test.args(["test", "--all-features", "--no-fail-fast"]);
    if !names_a_package(arguments) {
        test.arg("--workspace");
    }
    test.args(arguments);
    ready.announce(&mut test);
    match assets() {
        Some(folder) => drop(test.env("FARSIGHT_ASSETS", folder)),
        None => {
            eprintln!("no assets (FARSIGHT_ASSETS, ../shared/assets): tests that need them show as ignored")
        }
    }
    process::run(&mut test)
}

/// Whether what goes to cargo chooses packages itself (not what comes after `--`).
fn names_a_package(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

/// Cargo in the folder of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_seen_before_the_dashes_only() {
        let cases: [(&[&str], bool); 5] = [
            (&[], false),
            (&["-p", "farsight-vision"], true),
            (&["--package=farsight-vision"], true),
            (&["nms", "--release"], false),
            (&["--", "-p"], false),
        ];
        for (arguments, expected) in cases {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert_eq!(names_a_package(&arguments), expected, "{arguments:?}");
        }
    }
}
