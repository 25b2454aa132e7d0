//! What it takes to build for 64-bit ARM and to run that here, fetched once into the cache folder.
//!
//! ```text
//! cross/zig/                Zig's C compiler and linker: it can link against any glibc
//! cross/cargo-zigbuild/     makes cargo use it
//! cross/aarch64/emulator/   qemu, the C and C++ libraries of Debian for ARM, an ARM /proc/cpuinfo, and `run`
//! cross/aarch64/onnxruntime/1.32.0/   ONNX Runtime for ARM
//! cross/rust/               Debian's Rust, where rustup cannot give the target
//! ```
//! The wheels are pinned by hash; Debian's packages are signed, and its newest are taken, because it keeps no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use farsight_spec::Target;

use super::debian::Debian;
use super::rust::Rust;
use crate::cache::{self, Cache};
use crate::python::Python;
use crate::setup::{make_executable, program};
use crate::{setup, workspace};

/// What qemu and the C++ library of ONNX Runtime need, Debian's folder for it, and the version of all this.
const PACKAGES: [&str; 4] =
    ["qemu-user-static", "libc6-arm64-cross", "libgcc-s1-arm64-cross", "libstdc++6-arm64-cross"];
const SYSTEM: &str = "usr/aarch64-linux-gnu";

/// Runs a program for ARM: `run PROGRAM ARGUMENT…`. A Cortex-A76 is what a Raspberry Pi 5 has.
const RUN: &str = r#"#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
unset ORT_DYLIB_PATH
export FARSIGHT_CACHE="$here/.."
exec "$here/usr/bin/qemu-aarch64-static" -cpu cortex-a76 -L "$here/usr/aarch64-linux-gnu" "$@"
"#;

/// What builds for another CPU or an older glibc.
pub(crate) struct Builder {
    rust: Rust,
    zig: PathBuf,
    zigbuild: PathBuf,
    /// Where Zig keeps what it made.
    work: PathBuf,
}

impl Builder {
    /// Fetches what is not there yet.
    pub(crate) fn fetch(target: &Target) -> Result<Builder> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            bail!(
                "the tools are pinned for Linux on x86_64; on 64-bit ARM, `cargo xtask test` runs everything"
            );
        }
        let cache = Cache::open()?;
        let python = Python::find()?;
        let rust = Rust::find(&cache, &target.triple)?;
        let zig = program(&cache, &python, "ziglang.txt", "cross/zig", "ziglang/", "zig")?;
        let scripts = "cargo_zigbuild-0.24.0.data/scripts/";
        let zigbuild = program(
            &cache,
            &python,
            "cargo-zigbuild.txt",
            "cross/cargo-zigbuild",
            scripts,
            "cargo-zigbuild",
        )?;
        Ok(Builder { rust, zig, zigbuild, work: cache::folder()?.join("cross/work") })
    }

    /// Cargo with this verb (`zigbuild` or `test`) for the target: what it links starts with the glibc that the
    /// profile names.
    pub(crate) fn cargo(&self, verb: &str, target: &Target) -> Command {
        let mut cargo = Command::new(&self.zigbuild);
        cargo.current_dir(workspace()).arg(verb);
        let glibc = target.glibc.iter().map(|version| format!(".{version}")).collect::<String>();
        cargo.args(["--target", &format!("{}{glibc}", target.triple)]);
        cargo.env("CARGO_ZIGBUILD_ZIG_PATH", &self.zig);
        cargo.env("CARGO_ZIGBUILD_CACHE_DIR", self.work.join("cargo-zigbuild"));
        cargo.env("ZIG_GLOBAL_CACHE_DIR", self.work.join("zig"));
        self.rust.announce(&mut cargo);
        cargo
    }

    /// A program that compiles and links C (`cc`) or C++ (`c++`) for the target, against the same glibc.
    pub(crate) fn compiler(&self, verb: &str, target: &Target) -> Result<PathBuf> {
        let glibc = target.glibc.iter().map(|version| format!(".{version}")).collect::<String>();
        let target = target.triple.replace("-unknown", "") + &glibc;
        let path = self.work.join(format!("bin/{target}-{verb}"));
        let (cache, zig) = (self.work.join("zig"), self.zig.display());
        let script = format!(
            "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR='{}'\nexec '{zig}' {verb} -target {target} \"$@\"\n",
            cache.display()
        );
        write(&path, &script)?;
        make_executable(&path)?;
        Ok(path)
    }
}

/// Fetches what runs programs for 64-bit ARM, and ONNX Runtime for them; the first is a program that takes their name
/// and arguments.
pub(crate) fn emulator() -> Result<PathBuf> {
    let cache = Cache::open()?;
    let pin = format!("{PACKAGES:?}{RUN}{}", cpuinfo());
    let folder = cache.thing("cross/aarch64/emulator", &pin, |folder| fill_emulator(&cache, folder))?;
    let onnxruntime = format!("cross/aarch64/onnxruntime/{}", setup::ORT_VERSION);
    setup::onnxruntime("aarch64", &cache, &Python::find()?, &onnxruntime)?;
    Ok(folder.join("run"))
}

fn fill_emulator(cache: &Cache, folder: &Path) -> Result<()> {
    let apt = cache.empty(".apt")?;
    Debian::open(&apt, "amd64")?.unpack(&PACKAGES, folder)?;
    cache::remove(&apt)?;
    write(&folder.join(SYSTEM).join("proc/cpuinfo"), &cpuinfo())?;
    write(&folder.join("run"), RUN)?;
    make_executable(&folder.join("run"))
}

/// What a program for ARM reads as /proc/cpuinfo. qemu 7 would show this machine's, and ONNX Runtime dies of that.
fn cpuinfo() -> String {
    let core = |number| {
        format!(
            "processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 \
             atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
             CPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n"
        )
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (0..cores).map(core).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::write(path, text)).with_context(|| format!("cannot write {}", path.display()))
}
