//! Finding and checking the library: good and bad ones, from every place, each error its own.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use farsight_engine::{EngineError, Library, Place, search};
use farsight_spec::OrtBuild;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use support::{expect_error, needs_library};

fn main() {
    if support::role().is_some() {
        return load_and_tell();
    }
    let tests = vec![
        Trial::test("bad_files_have_their_own_errors", bad_files_have_their_own_errors),
        Trial::ignorable_test("libraries_of_other_kinds", libraries_of_other_kinds),
        Trial::test("a_bad_path_in_the_environment_is_an_error", a_bad_path_in_the_environment_is_an_error),
        Trial::test("nothing_anywhere_is_an_error", nothing_anywhere_is_an_error),
        needs_library("found_in_the_cache", found_in_the_cache),
        needs_library("a_given_path_beats_the_environment", a_given_path_beats_the_environment),
        needs_library("loads_once", loads_once),
        needs_library("loads_after_failures", loads_after_failures),
        needs_library("telemetry_is_forced_off", telemetry_is_forced_off),
        needs_library("checked_against_a_target", checked_against_a_target),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// In a process of its own: loads what the environment names, or one path after the other, and prints
/// what came of it.
fn load_and_tell() {
    let given: Vec<Option<PathBuf>> = std::env::args_os().skip(1).map(|path| Some(path.into())).collect();
    for path in if given.is_empty() { vec![None] } else { given } {
        match Library::load(path.as_deref()) {
            Ok(library) => println!(
                "{:?} {} telemetry {:?}",
                library.place(),
                library.path().display(),
                std::env::var("ORT_DISABLE_TELEMETRY")
            ),
            Err(error) => println!("error: {error}"),
        }
    }
}

/// What a process says that loads with this environment only.
fn told(given: &[&Path], environment: &[(&str, &Path)]) -> Result<String, Failed> {
    let output = support::child("load")?
        .args(given)
        .env_remove("ORT_DYLIB_PATH")
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("ORT_DISABLE_TELEMETRY")
        .env("FARSIGHT_CACHE", "/nonexistent")
        .envs(environment.iter().copied())
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The start of an ELF file without sections, for a machine by its ELF number.
fn elf_header(kind: u16, machine: u16) -> Vec<u8> {
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    header.resize(16, 0);
    header.extend(kind.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.resize(52, 0);
    header.extend(64u16.to_le_bytes());
    header.resize(64, 0);
    header
}

const SHARED: u16 = 3;
const PROGRAM: u16 = 2;

/// ELF numbers of this CPU and of another one.
fn machines() -> (u16, u16, &'static str) {
    match std::env::consts::ARCH {
        "aarch64" => (183, 62, "x86_64"),
        _ => (62, 183, "aarch64"),
    }
}

/// Writes `content` to a file and gives back the error of loading it, which must come soon.
fn error_of(path: &Path, content: &[u8]) -> Result<EngineError, Failed> {
    std::fs::write(path, content)?;
    let start = Instant::now();
    let error = expect_error(Library::load(Some(path)).map(|_| ()).or_else(not_loaded_before(path)))?;
    assert!(start.elapsed() < Duration::from_secs(5));
    let found = search(Some(path)).into_iter().find(|candidate| candidate.place == Place::Given);
    assert_eq!(found.ok_or("search did not look at it")?.verdict, Err(error.clone()));
    Ok(error)
}

/// Another test may have loaded the real library into this process already: then the probe tells.
fn not_loaded_before(path: &Path) -> impl FnOnce(EngineError) -> Result<(), EngineError> {
    let path = path.to_path_buf();
    move |error| match error {
        EngineError::AlreadyLoaded { .. } => match search(Some(&path)).remove(0).verdict {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        },
        error => Err(error),
    }
}

fn bad_files_have_their_own_errors() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("libonnxruntime.so");
    let (here, elsewhere, name) = machines();

    let missing = folder.path().join("missing.so");
    let error = expect_error(Library::load(Some(&missing)).map(|_| ()).or_else(not_loaded_before(&missing)))?;
    assert!(matches!(error, EngineError::Missing { place: Place::Given, .. }), "{error:?}");

    let rows: [(&[u8], &str); 5] = [
        (b"", "an empty file"),
        (b"not a library\n", "a text file"),
        (b"PK\x03\x04", "a ZIP file (a wheel? the library is inside)"),
        (&elf_header(PROGRAM, here), "an ELF file that is no shared library"),
        (b"\x7fELF\x02\x01\x01", "a damaged ELF file (Invalid ELF header size or alignment)"),
    ];
    for (content, kind) in rows {
        let expected = EngineError::NotALibrary { path: file.clone(), found: kind.into() };
        assert_eq!(error_of(&file, content)?, expected);
    }
    let error = error_of(&file, &elf_header(SHARED, elsewhere))?;
    let message =
        format!("{} is built for {name}, this program runs on {}", file.display(), std::env::consts::ARCH);
    assert_eq!(error.to_string(), message);
    // An ELF file for this CPU with nothing in it: the loader itself says no.
    let error = error_of(&file, &elf_header(SHARED, here))?;
    assert!(matches!(error, EngineError::Load { .. }), "{error:?}");

    // A pipe that nobody writes to must not be waited for.
    let pipe = folder.path().join("pipe.so");
    if Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
        let verdict = search(Some(&pipe)).remove(0).verdict;
        assert!(matches!(verdict, Err(EngineError::Missing { .. })), "{verdict:?}");
    }
    Ok(())
}

/// Libraries compiled here: too old, marked as too old, known to be something else.
fn libraries_of_other_kinds() -> Result<Completion, Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("libonnxruntime.so");
    let too_old = |found: &str| EngineError::TooOld { path: file.clone(), found: found.into() };
    let runtime = |version: &str, marker: &str| {
        format!(
            "#include <stddef.h>\n\
             static const void* api(unsigned v) {{ (void)v; return NULL; }}\n\
             static const char* version(void) {{ return {version}; }}\n\
             static const struct {{ const void* (*a)(unsigned); const char* (*v)(void); }} base = {{api, version}};\n\
             {marker}\n\
             const void* OrtGetApiBase(void) {{ return &base; }}\n"
        )
    };
    let crash = "__attribute__((constructor)) static void crash(void) { __builtin_trap(); }";
    let no_library = |found: &str| EngineError::NotALibrary { path: file.clone(), found: found.into() };
    let rows = [
        (runtime("\"1.16.3\"", ""), None, too_old("1.16.3")),
        (runtime("\"\"", ""), None, too_old("")),
        (runtime("\"1.99.0\"", ""), None, too_old("1.99.0")),
        (runtime("NULL", ""), None, no_library("a library that does not tell its version")),
        // Its marker is enough: no code of it runs.
        (runtime("\"1.16.3\"", crash), Some("VERS_1.16.3"), too_old("1.16.3")),
        (
            format!("{crash}\nint something_else(void) {{ return 1; }}\n"),
            None,
            no_library("a shared library without OrtGetApiBase"),
        ),
        (
            "const void* OrtGetApiBase(void) { return 0; }\n".into(),
            None,
            no_library("OrtGetApiBase returns nothing"),
        ),
    ];
    for (source, marker, expected) in rows {
        let built = folder.path().join("built.so");
        if let Some(reason) = compile(&source, marker, &built)? {
            return Ok(Completion::ignored_with(reason));
        }
        assert_eq!(error_of(&file, &std::fs::read(&built)?)?, expected);
        // A loaded library is known by its inode: the next row needs another one.
        std::fs::remove_file(&file)?;
    }
    Ok(Completion::Completed)
}

/// Compiles a shared library; the reason if there is no compiler.
fn compile(source: &str, marker: Option<&str>, out: &Path) -> Result<Option<String>, Failed> {
    let code = out.with_extension("c");
    std::fs::write(&code, source)?;
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(out).arg(&code);
    if let Some(marker) = marker {
        let script = out.with_extension("map");
        std::fs::write(&script, format!("{marker} {{ global: OrtGetApiBase; local: *; }};"))?;
        command.arg(format!("-Wl,--version-script={}", script.display()));
    }
    match command.output() {
        Err(error) => Ok(Some(format!("no C compiler: {error}"))),
        Ok(output) if output.status.success() => Ok(None),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

fn a_bad_path_in_the_environment_is_an_error() -> Result<(), Failed> {
    let said = told(&[], &[("ORT_DYLIB_PATH", Path::new("/no/such/libonnxruntime.so"))])?;
    let expected = "error: /no/such/libonnxruntime.so (ORT_DYLIB_PATH) does not exist or is no file";
    assert!(said.starts_with(expected), "{said}");
    Ok(())
}

fn nothing_anywhere_is_an_error() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let folder = cache.path().join("onnxruntime/1.32.0");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("libonnxruntime.so.1.32.0"), "text")?;
    let said = told(&[], &[("FARSIGHT_CACHE", cache.path())])?;
    if said.starts_with("System") {
        return Ok(()); // this machine has one installed
    }
    assert!(said.starts_with("error: ONNX Runtime was not found"), "{said}");
    assert!(
        said.contains("libonnxruntime.so.1.32.0 is not an ONNX Runtime library: found a text file"),
        "{said}"
    );
    Ok(())
}

/// The bad newer one is passed over, the good older one is taken.
fn found_in_the_cache(library: &'static Library) -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    for (version, good) in [("9.0.0", false), ("1.20.0", true), ("1.9.0", true)] {
        let folder = cache.path().join("onnxruntime").join(version);
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("libonnxruntime.so.{version}"));
        if good {
            std::os::unix::fs::symlink(library.path(), file)?;
        } else {
            std::fs::write(file, "text")?;
        }
    }
    let said = told(&[], &[("FARSIGHT_CACHE", cache.path())])?;
    assert!(said.starts_with(&format!("Cache {}", library.path().display())), "{said}");
    Ok(())
}

fn a_given_path_beats_the_environment(library: &'static Library) -> Result<(), Failed> {
    let bad = Path::new("/no/such/libonnxruntime.so");
    let said = told(&[library.path()], &[("ORT_DYLIB_PATH", bad)])?;
    assert!(said.starts_with("Given"), "{said}");
    let said = told(&[bad], &[("ORT_DYLIB_PATH", library.path())])?;
    assert!(said.starts_with("error: /no/such/libonnxruntime.so (the path given)"), "{said}");
    Ok(())
}

fn loads_once(library: &'static Library) -> Result<(), Failed> {
    assert!(std::ptr::eq(library, Library::load(Some(library.path()))?));
    assert!(library.version().starts_with("1."), "{}", library.version());
    assert!(library.providers().contains(&"CPU".to_owned()), "{:?}", library.providers());
    let error = expect_error(Library::load(Some(Path::new("/other.so"))))?;
    assert!(matches!(error, EngineError::AlreadyLoaded { .. }), "{error:?}");
    let threads: Vec<_> =
        (0..8).map(|_| std::thread::spawn(|| Library::load(None).map(Library::path))).collect();
    for thread in threads {
        assert_eq!(thread.join().map_err(|_| "a thread died")??, library.path());
    }
    Ok(())
}

/// A failure does not spoil the process: the next good path loads.
fn loads_after_failures(library: &'static Library) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "text")?;
    let said = told(&[Path::new("/no/such.so"), &text, library.path()], &[])?;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("does not exist"), "{said}");
    assert!(lines[1].ends_with("found a text file"), "{said}");
    assert!(lines[2].starts_with("Given"), "{said}");
    assert_eq!(search(Some(library.path()))[0].verdict.as_deref(), Ok(library.version()));
    Ok(())
}

fn telemetry_is_forced_off(library: &'static Library) -> Result<(), Failed> {
    for before in [None, Some("0"), Some("1")] {
        let mut environment = vec![("ORT_DYLIB_PATH", library.path())];
        environment.extend(before.map(|value| ("ORT_DISABLE_TELEMETRY", Path::new(value))));
        let said = told(&[], &environment)?;
        assert!(said.trim_end().ends_with("telemetry Ok(\"1\")"), "{said}");
    }
    Ok(())
}

fn checked_against_a_target(library: &'static Library) -> Result<(), Failed> {
    let mut build = OrtBuild {
        oldest: "1.17".into(),
        newest: None,
        from: "pypi".into(),
        files: Vec::new(),
        known_bad: Default::default(),
    };
    library.check(&build)?;
    build.oldest = "99.0".into();
    assert!(matches!(expect_error(library.check(&build))?, EngineError::OlderThanTarget { .. }));
    build.oldest = "1.17".into();
    build.newest = Some("1.17".into());
    assert!(matches!(expect_error(library.check(&build))?, EngineError::NewerThanTarget { .. }));
    build.newest = Some(library.version().into());
    library.check(&build)?;
    build.known_bad.insert(library.version().into(), "it is slow".into());
    assert!(expect_error(library.check(&build))?.to_string().ends_with("known not to work here: it is slow"));
    Ok(())
}
