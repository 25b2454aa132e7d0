//! What the engine's tests share: the library and real models where there are any, tiny models built in
//! code, and child processes.
#![allow(dead_code, unreachable_pub)] // each test uses its part

pub mod onnx;

use std::path::{Path, PathBuf};
use std::process::Command;

use farsight_engine::{EngineError, Library};
use libtest_mimic::{Completion, Failed, Trial};

/// A test that needs ONNX Runtime; ignored, with the reason, where there is none.
pub fn needs_library(
    name: &str,
    test: impl FnOnce(&'static Library) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => test(library?).map(|()| Completion::Completed),
    })
}

/// A test that needs ONNX Runtime and a real model, such as `detect/coco_yolov8n_640.onnx`.
pub fn needs_model(
    name: &str,
    model: &str,
    test: impl FnOnce(&'static Library, PathBuf) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let path = assets().join(model);
    if path.is_file() {
        return needs_library(name, move |library| test(library, path));
    }
    Trial::ignorable_test(name, move || {
        Ok(Completion::ignored_with(format!("no {} (set FARSIGHT_ASSETS)", path.display())))
    })
}

/// Real models: `FARSIGHT_ASSETS`, else `shared/assets` beside the checkout.
pub fn assets() -> PathBuf {
    std::env::var_os("FARSIGHT_ASSETS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/assets"), PathBuf::from)
}

/// The error that was expected, or a failure.
pub fn expect_error<T>(result: Result<T, EngineError>) -> Result<EngineError, Failed> {
    match result {
        Ok(_) => Err("an error was expected".into()),
        Err(error) => Ok(error),
    }
}

/// This test program again as a process of its own, in the part of `role`.
pub fn child(role: &str) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(ROLE, role);
    Ok(command)
}

/// A shell that runs `script` and hands the part of `role` on to what it starts.
pub fn shell(role: &str, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.env(ROLE, role).arg("-c").arg(script);
    command
}

/// The part that this process was started for; `None` for the tests themselves.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Ends a child process after its part.
pub fn end(part: Result<(), Box<dyn std::error::Error>>) -> ! {
    if let Err(error) = &part {
        eprintln!("{error}");
    }
    std::process::exit(i32::from(part.is_err()))
}

const ROLE: &str = "FARSIGHT_TEST_ROLE";
