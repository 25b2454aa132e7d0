//! The `farsight` command of this workspace, built for release and called with `--json`.
//!
//! Its progress goes to the terminal as it comes; its figures are read from standard output.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;
use crate::setup::Ready;
use crate::test::cargo;

pub(crate) struct Farsight<'a> {
    program: PathBuf,
    ready: &'a Ready,
}

impl<'a> Farsight<'a> {
    /// Builds it.
    pub(crate) fn build(ready: &'a Ready) -> Result<Farsight<'a>> {
        process::run(cargo().args(["build", "--release", "--package", "farsight-cli"]))?;
        let program = target_folder()?.join("release/farsight");
        Ok(Farsight { program, ready })
    }

    /// The one document that a call gives.
    pub(crate) fn call(&self, arguments: &[&dyn AsRef<OsStr>]) -> Result<Value> {
        self.call_for_each(arguments)?.pop().context("farsight printed no JSON")
    }

    /// One document for each input, as `run` gives them.
    pub(crate) fn call_for_each(&self, arguments: &[&dyn AsRef<OsStr>]) -> Result<Vec<Value>> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--json");
        self.ready.announce(&mut command);
        let text = process::output(&mut command)?;
        let documents: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_str(&text).into_iter().collect();
        documents.with_context(|| format!("farsight --json printed something else:\n{text}"))
    }
}

/// The folder that cargo builds into: this program's own is `debug` in it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(|profile| profile.parent());
    Ok(folder.context("xtask does not lie in a target folder")?.to_path_buf())
}

/// A number of a report by its JSON pointer.
pub(crate) fn number(document: &Value, pointer: &str) -> Result<f64> {
    document
        .pointer(pointer)
        .and_then(Value::as_f64)
        .with_context(|| format!("farsight reported no number at {pointer}: {document}"))
}

/// A text of a report by its JSON pointer.
pub(crate) fn text<'a>(document: &'a Value, pointer: &str) -> Result<&'a str> {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("farsight reported no text at {pointer}: {document}"))
}
