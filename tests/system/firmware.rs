//! The three cameras of examples/, in Rust, C and C++: built as their READMEs say, fed with the same raw frames.
//!
//! Each drops what it has no time for, so a frame may be missing; what is there must be right, and the last one must be
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles::compile;
use crate::needs::{Need, cmake, trial};
use crate::{models, scratch};

const NEEDS: &[Need] = &[Need::Library, Need::CMake];
const ARM: &[Need] = &[Need::Library, Need::CMake, Need::Arm];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("firmware::rust_c_and_cpp_see_the_same", NEEDS, || all_see_the_same(Machine::Host)),
        trial("firmware::what_is_copied_runs_alone", NEEDS, copied),
        trial("firmware::pkg_config_says_how_to_compile", NEEDS, pkg_config),
        trial("firmware::frames_are_dropped_and_counted", NEEDS, dropped),
        trial("firmware::a_signal_ends_it", NEEDS, signalled),
        trial("firmware::what_fails_says_why", NEEDS, failing),
        trial("arm::firmware_sees_the_same", ARM, || all_see_the_same(Machine::Arm)),
    ]
}

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Host,
    /// 64-bit ARM under the emulator.
    Arm,
}

const SPEC: &str = r#"
    name = "colours"
    about = "The colour of the frame, in a box that is always the same."
    task = "detect"
    source = { reference = "this test", licence = "CC0-1.0" }

    [input]
    kind = "frame"
    size = [32, 32]
    layout = "nchw"
    channels = "rgb"
    resize = { mode = "letterbox", pad = 0, align = "center" }
    normalise = { divide = 255.0 }

    [output]
    decoder = "yolo"
    tensor = "output0"
    layout = "anchors"
    labels = ["red", "green", "blue"]
    conf = 0.25
    iou = 0.7
    max_det = 300
"#;

/// Luma, U and V of red, green and blue (BT.601, limited range).
const COLOURS: [[u8; 3]; 3] = [[81, 90, 240], [145, 54, 34], [41, 240, 110]];

/// What is printed of a frame: a line a box.
type Boxes = BTreeMap<u64, Vec<String>>;

fn all_see_the_same(machine: Machine) {
    let (bundle, frames) = (bundle(machine), frames(3));
    let c = program("c", machine, &[]);
    let arguments = ["-f", "2", bundle.to_str().unwrap(), frames.to_str().unwrap(), "64", "64"];
    let seen = [
        lines(&machine.run(&c, &arguments)),
        lines(&machine.run(&program("cpp", machine, &[]), &arguments[2..])),
        documents(
            &machine
                .run(&barn_camera(machine), &["--size", "64x64", "--fps", "2", arguments[2], arguments[3]]),
        ),
    ];
    for boxes in &seen {
        assert!(boxes.contains_key(&3), "the last frame waits until it is taken: {boxes:?}");
        for (frame, lines) in boxes {
            let colour = usize::try_from(frame - 1).unwrap();
            let (start, end) = (
                format!("{colour} "),
                format!(" 24.00 20.00 40.00 28.00 {}", ["red", "green", "blue"][colour]),
            );
            assert!(
                lines.len() == 1 && lines[0].starts_with(&start) && lines[0].ends_with(&end),
                "{boxes:?}"
            );
            let others = seen.iter().filter_map(|other| other.get(frame));
            assert!(others.clone().all(|other| other == lines), "frame {frame}: {seen:?}");
        }
    }
}

/// On a device the program lies beside the library, or has it inside; the bundle may lie anywhere.
fn copied() {
    let (bundle, frames) = (bundle(Machine::Host), frames(1));
    for name in ["c", "cpp"] {
        for inside in [false, true] {
            let device = scratch::folder("device");
            let install = format!("-DCMAKE_INSTALL_PREFIX={}", device.display());
            let options: &[&str] = if inside { &[&install, "-DFIRMWARE_STATIC=ON"] } else { &[&install] };
            let built = program(name, Machine::Host, options);
            succeeded(Command::new(cmake()).arg("--install").arg(built.parent().unwrap()));
            let program = device.join(built.file_name().unwrap());
            if !inside {
                let missing = Command::new(&program).output().unwrap();
                assert!(text(&missing.stderr).contains("libfarsight.so.1"), "{missing:?}");
                fs::copy(dist(Machine::Host).join("lib/libfarsight.so.1"), device.join("libfarsight.so.1"))
                    .unwrap();
            }
            let paths = [bundle.to_str().unwrap(), frames.to_str().unwrap()];
            let output = Machine::Host.run(&program, &[paths[0], paths[1], "64", "64"]);
            assert_eq!(lines(&output).len(), 1, "{name} {inside}: {output:?}");
        }
    }
}

fn pkg_config() {
    let Ok(output) = Command::new("pkg-config")
        .args(["--cflags", "--libs", "farsight"])
        .env("PKG_CONFIG_PATH", dist(Machine::Host).join("lib/pkgconfig"))
        .output()
    else {
        return; // a machine without pkg-config has nothing that could be wrong
    };
    assert!(output.status.success(), "{output:?}");
    let folder = scratch::folder("pkg-config");
    fs::write(
        folder.join("main.c"),
        "#include <farsight.h>\nint main(void) { return farsight_abi_version() != FARSIGHT_ABI_VERSION; }\n",
    )
    .unwrap();
    let program = folder.join("main");
    let mut cc = Command::new("cc");
    cc.arg(folder.join("main.c")).arg("-o").arg(&program).args(text(&output.stdout).split_whitespace());
    succeeded(&mut cc);
    succeeded(Command::new(program).env("LD_LIBRARY_PATH", dist(Machine::Host).join("lib")));
}

/// Read as fast as can be, most frames are overtaken.
fn dropped() {
    let (bundle, frames) = (bundle(Machine::Host), frames(500));
    let paths = [bundle.to_str().unwrap(), frames.to_str().unwrap()];
    let output =
        Machine::Host.run(&program("c", Machine::Host, &[]), &["-f", "0", paths[0], paths[1], "64", "64"]);
    let [all, run, dropped, late] = counts(&output);
    assert_eq!((all, late), (500, 0), "{output:?}");
    assert_eq!(run + dropped, 500, "{output:?}");
    let seen = lines(&output);
    assert!(seen.len() as u64 == run && seen.contains_key(&500), "{output:?}");
}

fn signalled() {
    let (bundle, frames) = (bundle(Machine::Host), frames(600));
    let start = Instant::now();
    let mut child = Command::new(program("c", Machine::Host, &[]))
        .args(["-f", "10"])
        .args([&bundle, &frames])
        .args(["64", "64"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && !first.is_empty(), "{first:?} {output:?}");
    assert!(counts(&output)[0] < 600 && start.elapsed() < Duration::from_secs(50), "{output:?}");
}

fn failing() {
    let (bundle, frames) = (bundle(Machine::Host), frames(1));
    let (bundle, frames) = (bundle.to_str().unwrap(), frames.to_str().unwrap());
    let cases: [(&[&str], i32, &str); 5] = [
        (&[bundle, frames, "64", "63"], 2, "usage"),
        (&[bundle, frames, "64"], 2, "usage"),
        (&["none.farsight", frames, "64", "64"], 1, "none.farsight"),
        (&[bundle, "none.nv12", "64", "64"], 1, "none.nv12"),
        (&[bundle, frames, "64", "62"], 0, "its last frame is cut off"),
    ];
    for name in ["c", "cpp"] {
        let program = program(name, Machine::Host, &[]);
        for (arguments, code, expected) in cases {
            let output = Command::new(&program).args(arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{name} {arguments:?}: {output:?}");
            assert!(text(&output.stderr).contains(expected), "{name} {arguments:?}: {output:?}");
        }
    }
}

fn bundle(machine: Machine) -> PathBuf {
    let spec = scratch::folder("spec").join("colours.toml");
    fs::write(&spec, SPEC).unwrap();
    let target = if machine == Machine::Arm { "aarch64-linux" } else { "host" };
    compile(&models::colours(), &["--spec", spec.to_str().unwrap(), "--target", target]).bundle
}

/// Raw NV12 frames of 64 x 64: red, green, blue, and again.
fn frames(count: usize) -> PathBuf {
    let path = scratch::folder("frames").join("colours.nv12");
    let frame = |[y, u, v]: [u8; 3]| [vec![y; 64 * 64], [u, v].repeat(32 * 32)].concat();
    fs::write(&path, COLOURS.into_iter().cycle().take(count).flat_map(frame).collect::<Vec<u8>>()).unwrap();
    path
}

impl Machine {
    /// Runs a program of this machine, which must succeed.
    fn run(self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = match self {
            Self::Host => Command::new(program),
            Self::Arm => {
                let mut command = Command::new(variable("FARSIGHT_ARM_EMULATOR"));
                command.arg(program);
                command
            }
        };
        succeeded(command.args(arguments))
    }
}

/// The folder that `cargo xtask dist` makes.
fn dist(machine: Machine) -> PathBuf {
    static HOST: OnceLock<PathBuf> = OnceLock::new();
    if machine == Machine::Arm {
        return variable("FARSIGHT_ARM_DIST");
    }
    let make = || {
        let folder = scratch::folder("dist");
        let mut cargo = cargo();
        cargo.args(["xtask", "dist", "host", "--profile", "dev", "--into"]);
        succeeded(cargo.arg(&folder));
        folder
    };
    HOST.get_or_init(make).clone()
}

/// An example in C or C++, configured with these options and built.
fn program(language: &str, machine: Machine, options: &[&str]) -> PathBuf {
    let (name, folder) = (format!("firmware-{language}"), scratch::folder("cmake"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(&name);
    let mut configure = Command::new(cmake());
    configure.arg("-S").arg(source).arg("-B").arg(&folder).args(["-DCMAKE_BUILD_TYPE=Release"]).args(options);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", dist(machine).display()));
    if machine == Machine::Arm {
        configure.args(["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"]);
        for compiler in ["C", "CXX"] {
            let path = variable(&format!("FARSIGHT_ARM_{}", if compiler == "C" { "CC" } else { "CXX" }));
            configure.arg(format!("-DCMAKE_{compiler}_COMPILER={}", path.display()));
        }
    }
    succeeded(&mut configure);
    succeeded(Command::new(cmake()).arg("--build").arg(&folder));
    folder.join(name)
}

/// The example in Rust.
fn barn_camera(machine: Machine) -> PathBuf {
    if machine == Machine::Arm {
        return variable("FARSIGHT_ARM").with_file_name("barn-camera");
    }
    example("farsight-example-barn-camera")
}

/// A program of examples/ in Rust, built by cargo.
pub(crate) fn example(package: &str) -> PathBuf {
    let output = succeeded(cargo().args([
        "build",
        "--package",
        package,
        "--message-format",
        "json-render-diagnostics",
    ]));
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>().flatten();
    let executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables.last().expect("cargo names the program that it built")
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    cargo
}

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("cargo xtask cross aarch64 sets {name}")).into()
}

pub(crate) fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", text(&output.stdout), text(&output.stderr));
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `FRAME CLASS SCORE X1 Y1 X2 Y2 LABEL`
fn lines(output: &Output) -> Boxes {
    let mut boxes = Boxes::new();
    for line in text(&output.stdout).lines() {
        let (frame, rest) = line.split_once(' ').expect("a line has words");
        boxes.entry(frame.parse().expect("a frame number")).or_default().push(rest.to_owned());
    }
    boxes
}

/// The same out of JSON lines.
fn documents(output: &Output) -> Boxes {
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    documents.map(|document| document.expect("a JSON document a frame")).map(frame_of).collect()
}

fn frame_of(document: Value) -> (u64, Vec<String>) {
    let line = |found: &Value| {
        let corners: Vec<String> =
            (0..4).map(|corner| format!("{:.2}", found["box"][corner].as_f64().unwrap())).collect();
        let (score, label) = (found["score"].as_f64().unwrap(), found["label"].as_str().unwrap());
        format!("{} {score:.4} {} {label}", found["class"], corners.join(" "))
    };
    let boxes = document["detections"].as_array().unwrap().iter().map(line).collect();
    (document["frame"].as_u64().unwrap(), boxes)
}

/// All frames, and how many were run, dropped, late: what a program says at its end.
fn counts(output: &Output) -> [u64; 4] {
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().unwrap_or_default().replace(':', " ");
    let numbers: Vec<u64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("no counts: {stderr}"))
}

#[allow(unsafe_code)] // kill is a C call
fn interrupt(process: u32) {
    // SAFETY: the process is a child that has not been waited for, so the number is its own still.
    let result = unsafe { libc::kill(libc::pid_t::try_from(process).unwrap(), libc::SIGINT) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
