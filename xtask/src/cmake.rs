//! CMake, which the examples in C and C++ are built with: the machine's own, else the one of its wheel.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cache::Cache;
use crate::process;
use crate::python::Python;
use crate::setup::program;

/// The program, fetched if it is not there.
pub(crate) fn find(cache: &Cache, python: &Python) -> Result<PathBuf> {
    if process::silently(Command::new("cmake").arg("--version")).is_ok() {
        return Ok("cmake".into());
    }
    program(cache, python, "cmake.txt", "cmake", "cmake/data/", "bin/cmake")
}
