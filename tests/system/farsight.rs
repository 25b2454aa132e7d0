//! The `farsight` command itself: built once, called as a user would, its memory measured.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::scratch;

/// What a call left behind.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit status; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory it held, megabytes (10⁶ bytes).
    pub(crate) peak_mb: f64,
}

/// Calls `farsight` and waits for its end.
pub(crate) fn call(arguments: &[&dyn AsRef<OsStr>]) -> Answer {
    wait(command(arguments))
}

/// A call that must succeed, with `--json`: its one document.
pub(crate) fn document(arguments: &[&dyn AsRef<OsStr>]) -> Value {
    let answer = call_json(arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer.document()
}

/// A call with `--json`.
pub(crate) fn call_json(arguments: &[&dyn AsRef<OsStr>]) -> Answer {
    let mut command = command(arguments);
    command.arg("--json");
    wait(command)
}

/// The same on 64-bit ARM, under the emulator.
pub(crate) fn arm_document(arguments: &[&dyn AsRef<OsStr>]) -> Value {
    let [emulator, program] = arm().expect("a test says that it needs it");
    let mut command = Command::new(emulator);
    command.arg(program).args(arguments).arg("--json").stdin(Stdio::null());
    let answer = wait(command);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer.document()
}

/// What runs programs for 64-bit ARM here, and the command built for that.
pub(crate) fn arm() -> Option<[OsString; 2]> {
    Some([std::env::var_os("FARSIGHT_ARM_EMULATOR")?, std::env::var_os("FARSIGHT_ARM")?])
}

/// The command, not yet started. Nothing of what it writes shows.
pub(crate) fn command(arguments: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Answer {
    /// Standard output, which must be one JSON document and nothing else.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{}", self.stdout))
    }

    /// Standard output, which must be one JSON document a line and nothing else.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Runs a command with its output going to files, so that a full pipe cannot stop it.
pub(crate) fn wait(mut command: Command) -> Answer {
    let folder = scratch::folder("call");
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.join(name));
    command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    let (code, peak_mb) = reap(command.spawn().expect("farsight starts"));
    let read = |path: &Path| String::from_utf8(fs::read(path).unwrap()).expect("farsight writes UTF-8");
    Answer { code, peak_mb, stdout: read(&stdout), stderr: read(&stderr) }
}

/// Waits for a child: its exit status (`None` after a signal) and the most memory it held.
///
/// `std` waits, too, but does not tell the memory.
#[allow(unsafe_code)] // wait4 is a C call
fn reap(child: Child) -> (Option<i32>, f64) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let mut status = 0;
    // SAFETY: `status` and `usage` are valid for writes and outlive the call; a `rusage` of zeros is valid.
    // The child is ours and `child`, which is not waited for elsewhere, keeps its number from being reused.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &mut status, 0, &mut usage), usage)
    };
    assert_eq!(waited, pid, "{}", std::io::Error::last_os_error());
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    (code, usage.ru_maxrss as f64 * 1024.0 / 1e6)
}

/// The program, built by cargo in the profile of these tests if it is not fresh.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--package", "farsight-cli", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo build: {}", output.status);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "farsight")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program that it built")
}
