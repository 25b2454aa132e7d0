//! The machine's Python 3 and its pip: fetching and unpacking wheels, installing pinned requirements,
//! running the scripts in `xtask/python`.
//!
//! Only `python3` with pip is asked for. The environment is made without pip (so Debian's python3-venv
//! is not needed) and the machine's pip installs into it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{cache, process, workspace};

const OLDEST: (u32, u32) = (3, 10);

/// A Python that can fetch: [`OLDEST`] or later, with pip.
pub(crate) struct Python {
    program: PathBuf,
    version: (u32, u32),
}

impl Python {
    /// `python3` of the search path, or a versioned one where that is too old.
    pub(crate) fn find() -> Result<Python> {
        let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
        let mut too_old = None;
        for name in names {
            match Python::probe(name) {
                Some(python) if python.version >= OLDEST => return Ok(python),
                Some(python) => too_old = Some(python),
                None => {}
            }
        }
        match too_old {
            Some(Python { version: (major, minor), .. }) => {
                bail!("python3 is {major}.{minor}; 3.10 or later is needed")
            }
            None => bail!(
                "no python3 on the search path; install Python 3.10 or later with pip \
                 (Debian, Ubuntu: apt install python3 python3-pip)"
            ),
        }
    }

    /// In an active environment this is the Python below it, so that what is made outlives it.
    fn probe(name: &str) -> Option<Python> {
        let script = "import sys; print(getattr(sys, '_base_executable', sys.executable), *sys.version_info[:2], sep='\\n')";
        let output = Command::new(name).args(["-c", script]).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        let program = PathBuf::from(lines.next()?);
        Some(Python { program, version: (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?) })
    }

    /// Fetches the one wheel that `pins` (a requirements file with hashes) names into `folder`. It is
    /// always the one for Python 3.11, which all the pinned ones have, so that a pinned hash does not
    /// depend on this Python: we only unpack it. `arch` is the CPU it is for, in Rust's words.
    pub(crate) fn fetch_wheel(&self, pins: &Path, arch: &str, folder: &Path) -> Result<PathBuf> {
        let mut pip = self.pip("download")?;
        pip.args(["--no-deps", "--python-version", "3.11"]);
        // The older names, because pip does not derive them from the newer one.
        for platform in ["manylinux_2_28", "manylinux2014"] {
            pip.args(["--platform", &format!("{platform}_{arch}")]);
        }
        pip.arg("--dest").arg(folder).arg("--requirement").arg(pins);
        process::quietly(&mut pip).with_context(|| cannot_fetch(pins))?;
        let entry = folder.read_dir()?.next().context("pip downloaded nothing")?;
        Ok(entry?.path())
    }

    /// Writes the files of a wheel below `prefix` that match `patterns` into `folder`, without the prefix.
    pub(crate) fn unpack(&self, wheel: &Path, folder: &Path, prefix: &str, patterns: &[&str]) -> Result<()> {
        let mut unpack = script(&self.program, "unpack.py");
        unpack.arg(wheel).arg(folder).arg(prefix).args(patterns);
        process::quietly(&mut unpack)
    }

    /// Makes an environment with the pinned requirements in `folder`; its Python is [`interpreter`].
    pub(crate) fn environment(&self, requirements: &Path, folder: &Path) -> Result<()> {
        let mut venv = Command::new(&self.program);
        venv.args(["-m", "venv", "--without-pip"]).arg(folder);
        process::quietly(&mut venv)
            .context("Python cannot make an environment (Debian, Ubuntu: apt install python3-venv)")?;
        let (major, minor) = self.version;
        let packages = folder.join(format!("lib/python{major}.{minor}/site-packages"));
        let mut pip = self.pip("install")?;
        pip.arg("--target").arg(packages).arg("--requirement").arg(requirements);
        process::quietly(&mut pip).with_context(|| cannot_fetch(requirements))
    }

    /// What of this Python an environment depends on.
    pub(crate) fn pin(&self) -> String {
        format!("{} {}.{}", self.program.display(), self.version.0, self.version.1)
    }

    fn pip(&self, verb: &str) -> Result<Command> {
        let mut probe = Command::new(&self.program);
        probe.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            bail!(
                "{} has no pip (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip)",
                self.program.display()
            );
        }
        let mut pip = Command::new(&self.program);
        pip.args([
            "-m",
            "pip",
            verb,
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ]);
        pip.env("PIP_USER", "0").env("PIP_REQUIRE_VIRTUALENV", "0").env("PIP_ROOT_USER_ACTION", "ignore");
        Ok(pip)
    }
}

/// The Python of the environment in `folder`.
pub(crate) fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// A script of `xtask/python`, ready for its arguments.
pub(crate) fn script(interpreter: &Path, name: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(workspace().join("xtask/python").join(name)).stdin(Stdio::null());
    command
}

fn cannot_fetch(pins: &Path) -> String {
    let what = pins.file_stem().and_then(OsStr::to_str).unwrap_or("it");
    let cache = cache::folder().map_or_else(|_| "the cache".into(), |folder| folder.display().to_string());
    format!(
        "cannot fetch what {what} pins ({}). With a network, `cargo xtask setup` goes on where it stopped; \
         what is complete in {cache} stays. Without one, PIP_FIND_LINKS may name a folder that holds the wheels",
        pins.display()
    )
}
