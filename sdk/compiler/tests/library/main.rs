//! What needs ONNX Runtime and no files: the chain of passes, facts of values, small models compiled.
//!
//! Where there is no ONNX Runtime every test shows as ignored, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod chain;
mod facts;
mod small;

use farsight_engine::{EngineError, Library};
use libtest_mimic::{Arguments, Completion, Trial};

fn main() {
    let trials = [chain::TESTS, facts::TESTS, small::TESTS].concat();
    let trials = trials.into_iter().map(|(name, test)| trial(name, test)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A test by its name.
type Test = (&'static str, fn(&'static Library));

fn trial(name: &'static str, test: fn(&'static Library)) -> Trial {
    Trial::ignorable_test(name, move || match Library::load(None) {
        Err(EngineError::NotFound { .. }) => {
            Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
        }
        library => {
            test(library?);
            Ok(Completion::Completed)
        }
    })
}
