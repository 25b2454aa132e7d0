//! The habits of this repository: `cargo xtask` lists them, `cargo xtask NAME` runs one.

mod bench;
mod cache;
mod cmake;
mod cross;
mod demo;
mod dist;
mod farsight;
mod glibc;
mod lint;
mod openvino;
mod process;
mod python;
mod setup;
mod sizes;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

struct Habit {
    name: &'static str,
    what: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const HABITS: [Habit; 9] = [
    Habit { name: "setup", what: "fetches what the others need, once, into the cache", run: setup::habit },
    Habit {
        name: "demo",
        what: "compiles real models, runs them on real input, shows the figures",
        run: demo::habit,
    },
    Habit { name: "test", what: "runs every test; what follows goes to cargo test", run: test::habit },
    Habit { name: "lint", what: "checks format, clippy, documentation and licences", run: lint::habit },
    Habit { name: "cross", what: "builds for 64-bit ARM and runs that here, under qemu", run: cross::habit },
    Habit { name: "glibc", what: "checks that a file starts on a target's glibc", run: glibc::habit },
    Habit { name: "dist", what: "makes the folder that C and C++ programs build against", run: dist::habit },
    Habit { name: "sizes", what: "measures the device library and its features", run: sizes::habit },
    Habit { name: "bench", what: "measures what farsight adds to the bare session", run: bench::habit },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", list());
        return ExitCode::SUCCESS;
    };
    let Some(habit) = HABITS.iter().find(|habit| habit.name == name) else {
        eprintln!("cargo xtask has no habit named `{name}`.\n{}", list());
        return ExitCode::from(2);
    };
    match (habit.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> String {
    let lines: Vec<String> =
        HABITS.iter().map(|habit| format!("  cargo xtask {:<6} {}", habit.name, habit.what)).collect();
    lines.join("\n")
}

/// The folder of the workspace.
fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The folder of real models and data, where there is one: `FARSIGHT_ASSETS`, else `../shared/assets`.
fn assets() -> Option<PathBuf> {
    let folder = match std::env::var_os("FARSIGHT_ASSETS") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().join("../shared/assets"),
    };
    folder.canonicalize().ok().filter(|folder| folder.is_dir())
}
