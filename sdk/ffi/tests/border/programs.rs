//! The C and C++ programs, built with the machine's own compilers and linked with the library of this very build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Failed;

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Shared,
    Static,
}

/// The source of a program, and how it is compiled.
pub(crate) struct Program {
    pub(crate) source: &'static str,
    pub(crate) compiler: &'static str,
    pub(crate) flags: &'static [&'static str],
}

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"];

pub(crate) const CASES_C: Program = Program { source: "cases.c", compiler: "cc", flags: &["-std=c11"] };
pub(crate) const CASES_CPP: Program =
    Program { source: "cases.cpp", compiler: "c++", flags: &["-std=c++17"] };
pub(crate) const CASES_CPP_QUIET: Program =
    Program { source: "cases.cpp", compiler: "c++", flags: &["-std=c++17", "-fno-exceptions", "-fno-rtti"] };
pub(crate) const MISUSE_C: Program =
    Program { source: "misuse.c", compiler: "cc", flags: &["-std=c11", "-pthread"] };
pub(crate) const SOAK_C: Program =
    Program { source: "soak.c", compiler: "cc", flags: &["-std=c11", "-D_GNU_SOURCE"] };

/// What a static library of Rust needs beside it on Linux (`rustc --print native-static-libs`).
const STATIC_NEEDS: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

impl Program {
    /// Builds it into `folder`.
    pub(crate) fn build(&self, folder: &Path, name: &str, link: Link) -> Result<PathBuf, Failed> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = folder.join(name);
        let mut command = Command::new(self.compiler);
        if cfg!(feature = "test-panic") {
            command.arg("-DFARSIGHT_TEST_PANIC");
        }
        if cfg!(feature = "rasters") {
            command.arg("-DFARSIGHT_TEST_RASTERS");
        }
        command.args(self.flags).args(WARNINGS).arg("-I").arg(here.join("include"));
        command.arg(here.join("tests/border").join(self.source)).arg("-o").arg(&built);
        match link {
            Link::Shared => {
                let library = shared(folder)?;
                command.arg(&library).arg("-Wl,-rpath,$ORIGIN");
            }
            Link::Static => {
                command.arg(library("libfarsight_ffi.a")?).args(STATIC_NEEDS);
            }
        }
        succeeded(&command.output()?)?;
        Ok(built)
    }
}

/// The shared library in `folder`, by the name that programs look for.
fn shared(folder: &Path) -> Result<PathBuf, Failed> {
    let to = folder.join(format!("libfarsight.so.{}", farsight_ffi::ABI_VERSION));
    if !to.exists() {
        fs::copy(library("libfarsight_ffi.so")?, &to)?;
    }
    Ok(to)
}

/// A library that cargo built with this test: beside the test program, or, from other versions of cargo, one folder up.
pub(crate) fn library(name: &str) -> Result<PathBuf, Failed> {
    let test = std::env::current_exe()?;
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("cargo left no {name} beside {}", test.display()).into())
}

pub(crate) fn succeeded(output: &Output) -> Result<(), Failed> {
    if output.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Err(format!("{}\n{stdout}\n{stderr}", output.status).into())
}
