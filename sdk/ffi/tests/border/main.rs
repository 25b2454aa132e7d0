//! One list of cases goes through Rust, C and C++ and gives the same bytes; what C does wrong comes back as a status.
#![allow(missing_docs)] // a test program has no users to tell

mod bundles;
mod cases;
mod installed;
mod programs;
#[cfg(feature = "rasters")]
mod rasters;
mod rust_side;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bundles::{Bundles, onnxruntime};
use cases::Case;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use programs::{
    CASES_C, CASES_CPP, CASES_CPP_QUIET, Link, MISUSE_C, Program, SOAK_C, has, library, succeeded,
};

fn main() {
    let trial = |name: &str, needs: &'static [&'static str], test: fn(&Place) -> Result<(), Failed>| {
        Trial::ignorable_test(name, move || tested(needs, test))
    };
    let mut tests = vec![
        trial("c_gives_what_rust_gives", &["cc"], |place| same(place, &CASES_C, Link::Shared)),
        trial("c_linked_statically_gives_what_rust_gives", &["cc"], |place| {
            same(place, &CASES_C, Link::Static)
        }),
        trial("cpp_gives_what_rust_gives", &["c++"], |place| same(place, &CASES_CPP, Link::Shared)),
        trial("cpp_without_exceptions_gives_what_rust_gives", &["c++"], |place| {
            same(place, &CASES_CPP_QUIET, Link::Shared)
        }),
        trial("misuse_is_a_status", &["cc"], misuse),
        trial("cases_have_no_error_and_no_leak", &["cc", "valgrind"], |place| checked(place, &CASES_C)),
        trial("misuse_has_no_error_and_no_leak", &["cc", "valgrind"], |place| checked(place, &MISUSE_C)),
        trial("ten_thousand_runs_leave_nothing", &["cc"], soak),
        trial("pkg_config_finds_what_is_installed", &["cc", "pkg-config"], |place| {
            installed::pkg_config(place.folder.path())
        }),
        trial("cmake_finds_what_is_installed", &["cc", "cmake"], |place| {
            installed::cmake(place.folder.path())
        }),
        trial("only_the_header_is_exported", &["nm"], exports),
    ];
    tests.push(Trial::ignorable_test("real_models_give_what_rust_gives", || {
        match std::env::var_os("FARSIGHT_ASSETS").map(PathBuf::from) {
            Some(assets) => tested(&["cc", "c++"], move |place| real_models(place, &assets)),
            None => Ok(Completion::ignored_with("no assets (set FARSIGHT_ASSETS)")),
        }
    }));
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// Runs `test`; ignored, with the reason, where something is missing.
fn tested(needs: &[&str], test: impl FnOnce(&Place) -> Result<(), Failed>) -> Result<Completion, Failed> {
    if let Some(missing) = needs.iter().find(|program| !has(program)) {
        return Ok(Completion::ignored_with(format!("no {missing}")));
    }
    let Some(onnxruntime) = onnxruntime()? else {
        return Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"));
    };
    let place = Place::new(onnxruntime.path().to_path_buf())?;
    test(&place).map(|()| Completion::Completed)
}

/// What a test works with: a folder of its own with the bundles, and the list of cases.
struct Place {
    folder: tempfile::TempDir,
    bundles: Bundles,
    cases: Vec<Case>,
    onnxruntime: PathBuf,
}

impl Place {
    fn new(onnxruntime: PathBuf) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let bundles = Bundles::write(folder.path())?;
        let cases = cases::small(&bundles);
        Ok(Self { folder, bundles, cases, onnxruntime })
    }

    /// Runs a program, with this machine's ONNX Runtime.
    fn run(&self, program: &Path, arguments: &[&Path]) -> Result<Output, Failed> {
        Ok(Command::new(program).args(arguments).env("ORT_DYLIB_PATH", &self.onnxruntime).output()?)
    }

    /// Writes the list that the programs read.
    fn list(&self, cases: &[Case]) -> Result<PathBuf, Failed> {
        let path = self.folder.path().join("cases.txt");
        std::fs::write(&path, cases::list(cases))?;
        Ok(path)
    }
}

fn same(place: &Place, program: &Program, link: Link) -> Result<(), Failed> {
    let built = program.build(place.folder.path(), "cases", link)?;
    compare(place, &built, &place.cases)
}

fn compare(place: &Place, program: &Path, cases: &[Case]) -> Result<(), Failed> {
    let output = place.run(program, &[&place.list(cases)?])?;
    succeeded(&output)?;
    let (found, expected) = (String::from_utf8(output.stdout)?, rust_side::run(cases));
    let mut case = "";
    for (found, expected) in found.lines().zip(expected.lines()) {
        if let Some(name) = expected.strip_prefix("case ") {
            case = name;
        }
        if found != expected {
            return Err(format!("{case}: the program says\n{found}\nand Rust says\n{expected}").into());
        }
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    Ok(())
}

fn real_models(place: &Place, assets: &Path) -> Result<(), Failed> {
    let cases = cases::real(&place.bundles, place.folder.path(), assets)?;
    for (program, name) in [(CASES_C, "c"), (CASES_CPP, "cpp")] {
        compare(place, &program.build(place.folder.path(), name, Link::Shared)?, &cases)?;
    }
    let boxes = rust_side::run(&cases).lines().filter(|line| line.starts_with("box ")).count();
    assert!(boxes > cases.len(), "{boxes} boxes say little");
    Ok(())
}

fn misuse(place: &Place) -> Result<(), Failed> {
    let built = MISUSE_C.build(place.folder.path(), "misuse", Link::Shared)?;
    succeeded(&place.run(&built, &[place.folder.path()])?)
}

fn soak(place: &Place) -> Result<(), Failed> {
    let built = SOAK_C.build(place.folder.path(), "soak", Link::Shared)?;
    succeeded(&place.run(&built, &[&place.bundles.path("boxes")])?)
}

/// Runs a program under valgrind: nothing read or written that is not ours, and nothing lost.
fn checked(place: &Place, program: &Program) -> Result<(), Failed> {
    let built = program.build(place.folder.path(), "checked", Link::Shared)?;
    let argument = if program.source == MISUSE_C.source {
        place.folder.path().to_path_buf()
    } else {
        place.list(&place.cases)?
    };
    let suppressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/border/onnxruntime.supp");
    let output = Command::new("valgrind")
        .args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
        ])
        .arg(format!("--suppressions={}", suppressions.display()))
        .arg(&built)
        .arg(&argument)
        // The backtrace of the panic on purpose would be looked up for a minute.
        .env("RUST_BACKTRACE", "0")
        .env("ORT_DYLIB_PATH", &place.onnxruntime)
        .output()?;
    succeeded(&output)
}

/// The library exports what the header declares, and nothing else.
fn exports(_: &Place) -> Result<(), Failed> {
    let output =
        Command::new("nm").args(["-D", "--defined-only"]).arg(library("libfarsight_ffi.so")?).output()?;
    succeeded(&output)?;
    let listed = String::from_utf8(output.stdout)?;
    let mut found: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    found.retain(|name| *name != "farsight_test_panic");
    found.sort_unstable();
    let header = include_str!("../../include/farsight.h");
    let mut declared: Vec<&str> = header.lines().filter_map(declaration).collect();
    declared.sort_unstable();
    assert_eq!(found, declared);
    Ok(())
}

/// The function that a line of the header declares.
fn declaration(line: &str) -> Option<&str> {
    let (before, _) = line.split_once('(')?;
    let name = before.rsplit([' ', '*']).next()?;
    let is_code = !line.starts_with("//") && !line.starts_with("typedef");
    (is_code && name.starts_with("farsight_") && before != name).then_some(name)
}
