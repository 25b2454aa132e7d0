//! Nothing leaves the device: a session of more than 12 seconds writes no file and opens no socket
//! (ONNX Runtime 1.29 and later try to upload after about 10).
//!
//! The session runs in a process of its own with an empty home. Its sockets are watched through /proc
//! every few milliseconds and, where strace works, system call by system call.
//! `cargo test --test privacy -- --ignored` runs the control: the same without the protection. It lets
//! ONNX Runtime do what it likes, so run it where nothing can get out.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use farsight_engine::{Library, Model, Session, Settings};
use libtest_mimic::{Arguments, Failed, Trial};
use support::{needs_library, onnx};

const DURATION: Duration = Duration::from_secs(13);

fn main() {
    match support::role().as_deref() {
        Some("protected") => support::end(run_protected()),
        Some(_) => support::end(run_unprotected()),
        None => {}
    }
    let tests = vec![
        needs_library("a_session_writes_no_file_and_opens_no_socket", |library| {
            let seen = watch("protected", library.path())?;
            assert_eq!(seen, Seen::default());
            Ok(())
        }),
        Trial::test("control_without_protection_something_is_seen", || {
            let library = Library::load(None)?;
            let seen = watch("unprotected", library.path())?;
            println!("{seen:#?}");
            assert_ne!(seen, Seen::default());
            Ok(())
        })
        .with_ignored_flag(true),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// What a process left behind or opened.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    files: Vec<PathBuf>,
    sockets: Vec<String>,
    calls: Vec<String>,
}

/// Runs this program in a role, in empty folders, and looks.
fn watch(role: &str, library: &Path) -> Result<Seen, Failed> {
    let folder = tempfile::tempdir()?;
    let logs = tempfile::tempdir()?;
    let home = folder.path();
    let variables =
        ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR"];
    for variable in variables {
        std::fs::create_dir(home.join(variable))?;
    }
    let trace = logs.path().join("trace");
    let mut command = support::child(role)?;
    if strace_works() {
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-e", "trace=socket,connect,sendto,sendmsg", "-o"]).arg(&trace);
        traced.arg(command.get_program());
        traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = traced;
    }
    let status: ExitStatus = command
        .arg(logs.path().join("sockets"))
        .envs(variables.map(|variable| (variable, home.join(variable))))
        .env("ORT_DYLIB_PATH", library)
        .env_remove("ORT_DISABLE_TELEMETRY")
        .current_dir(home)
        .stdout(Stdio::null())
        .status()?;
    assert!(status.success(), "{status}");
    let ours = variables.map(|variable| home.join(variable));
    let files = everything_in(home)?.into_iter().filter(|path| !ours.contains(path)).collect();
    let lines = |path: &Path| -> Vec<String> {
        std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    Ok(Seen { files, sockets: lines(&logs.path().join("sockets")), calls: lines(&trace) })
}

/// Whether strace is there and may trace.
fn strace_works() -> bool {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Everything below a folder, folders too.
fn everything_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut everything_in(&path)?);
        }
        found.push(path);
    }
    Ok(found)
}

fn run_protected() -> Result<(), Box<dyn std::error::Error>> {
    let library = Library::load(None)?;
    let mut session = Session::open(library, Model::Bytes(&onnx::add()), &Settings::default())?;
    keep_running(|| {
        session.run()?;
        assert_eq!(session.output::<f32>(0)?, [10.0, 20.0, 30.0, 40.0]);
        Ok(())
    })
}

fn run_unprotected() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::var("ORT_DYLIB_PATH")?;
    let environment = ort::init_from(path)?.with_telemetry(false).build()?;
    let mut session = ort::session::Session::builder(&environment)?.commit_from_memory(&onnx::add())?;
    keep_running(|| {
        let input = ort::value::Tensor::from_array(([1usize, 4], vec![0f32; 4]))?;
        session.run(ort::inputs![input])?;
        Ok(())
    })
}

/// Runs for `DURATION`, and writes down every socket that this process holds meanwhile.
fn keep_running(
    mut run: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let report = std::env::args_os().nth(1).ok_or("the report's path is missing")?;
    let mut sockets = Vec::new();
    let start = Instant::now();
    while start.elapsed() < DURATION {
        run()?;
        for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            if target.starts_with("socket:") && !sockets.contains(&target) {
                sockets.push(target);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(std::fs::write(report, sockets.join("\n"))?)
}
