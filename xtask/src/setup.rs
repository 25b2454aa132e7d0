//! `cargo xtask setup`: what the other habits need, fetched once into the cache folder.
//!
//! ```text
//! onnxruntime/1.32.0/libonnxruntime.so.1.32.0   ONNX Runtime out of its wheel
//! csmask/                                       the cloud-mask models, and the package that is their reference
//! benv2/                                        BigEarthNet v2 patches (Sentinel-1 and -2) in an LMDB
//! venv-HASH/                                    Python with tests/reference/requirements.txt
//! cmake/                                        CMake, where the machine has none
//! demo/patches.tif                              the Sentinel-2 patches side by side
//! openvino/                                     with --openvino: an ONNX Runtime with that execution provider
//! ```
//! Everything is pinned by version and hash; when all is there, nothing is asked of the network.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Cache};
use crate::python::{self, Python};
use crate::{cmake, openvino, process, workspace};

pub(crate) const ORT_VERSION: &str = "1.32.0";

/// Where the things lie.
pub(crate) struct Ready {
    /// The cache folder.
    pub(crate) cache: PathBuf,
    /// ONNX Runtime's shared library.
    pub(crate) onnxruntime: PathBuf,
    /// The folder of the cloud-mask models.
    pub(crate) csmask: PathBuf,
    /// The Sentinel-2 patches as one GeoTIFF.
    pub(crate) patches: PathBuf,
    /// A Python with the requirements of the reference scripts.
    pub(crate) python: PathBuf,
    /// CMake.
    pub(crate) cmake: PathBuf,
}

impl Ready {
    /// Tells a program where the things lie, by the variables that it looks for.
    pub(crate) fn announce(&self, command: &mut Command) {
        command
            .env("FARSIGHT_CACHE", &self.cache)
            .env("FARSIGHT_CMAKE", &self.cmake)
            .env("FARSIGHT_PYTHON", &self.python)
            .env("ORT_DYLIB_PATH", &self.onnxruntime);
    }
}

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => setup().map(drop),
        ["--openvino"] => setup().and_then(|_| openvino::setup()).map(drop),
        _ => bail!("setup takes no argument but --openvino"),
    }
}

/// Fetches what is not there yet.
pub(crate) fn setup() -> Result<Ready> {
    if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        bail!("ONNX Runtime is pinned for Linux on x86_64 and aarch64 only");
    }
    eprintln!("setup (in {})", cache::folder()?.display());
    let cache = Cache::open()?;
    let python = Python::find()?;

    let onnxruntime =
        onnxruntime(std::env::consts::ARCH, &cache, &python, &format!("onnxruntime/{ORT_VERSION}"))?;
    let csmask = wheel(&cache, &python, "ukis-csmask.txt", "csmask", |wheel, folder| {
        python.unpack(wheel, folder, "ukis_csmask/", &["*.py", "*.onnx", "*.json"])
    })?;
    let benv2 = wheel(&cache, &python, "configilm.txt", "benv2", |wheel, folder| {
        python.unpack(wheel, folder, "configilm/extra/mock_data/BENv2/", &["*"])
    })?;
    let interpreter = environment(&cache, &python)?;
    let demo = patches(&cache, &interpreter, &benv2)?;
    let cmake = cmake::find(&cache, &python)?;

    Ok(Ready {
        cache: cache::folder()?,
        onnxruntime,
        csmask,
        patches: demo.join("patches.tif"),
        python: interpreter,
        cmake,
    })
}

/// ONNX Runtime's shared library for the CPU `arch`, in the folder `name` of the cache.
pub(crate) fn onnxruntime(arch: &str, cache: &Cache, python: &Python, name: &str) -> Result<PathBuf> {
    let folder = wheel_for(arch, cache, python, "onnxruntime.txt", name, |wheel, folder| {
        python.unpack(wheel, folder, "onnxruntime/capi/", &["libonnxruntime.so.[0-9]*"])
    })?;
    Ok(folder.join(format!("libonnxruntime.so.{ORT_VERSION}")))
}

/// What `unpack` takes out of this machine's wheel that a file of `xtask/python/wheels` pins.
pub(crate) fn wheel(
    cache: &Cache,
    python: &Python,
    pins: &str,
    name: &str,
    unpack: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    wheel_for(std::env::consts::ARCH, cache, python, pins, name, unpack)
}

/// What `unpack` takes out of the wheel for the CPU `arch`; the wheel itself goes.
fn wheel_for(
    arch: &str,
    cache: &Cache,
    python: &Python,
    pins: &str,
    name: &str,
    unpack: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let pins = workspace().join("xtask/python/wheels").join(pins);
    let pin = format!("{arch}{}", read(&pins)?);
    cache.thing(name, &pin, |folder| {
        let download = cache.empty(".download")?;
        let wheel = python.fetch_wheel(&pins, arch, &download)?;
        unpack(&wheel, folder)?;
        cache::remove(&download)
    })
}

/// A program out of its wheel, with all that lies below `prefix` in it.
pub(crate) fn program(
    cache: &Cache,
    python: &Python,
    pins: &str,
    name: &str,
    prefix: &str,
    program: &str,
) -> Result<PathBuf> {
    let folder = wheel(cache, python, pins, name, |wheel, folder| {
        python.unpack(wheel, folder, prefix, &["*"])?;
        make_executable(&folder.join(program))
    })?;
    Ok(folder.join(program))
}

pub(crate) fn make_executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))
}

/// The Python of an environment with the requirements of the reference scripts. Its folder is named for
/// them, so that two checkouts that differ do not take it from each other.
fn environment(cache: &Cache, python: &Python) -> Result<PathBuf> {
    let requirements = workspace().join("tests/reference/requirements.txt");
    let pin = format!("{}\n{}", python.pin(), read(&requirements)?);
    let name = format!("venv-{:016x}", fnv1a(pin.as_bytes()));
    let folder = cache.thing(&name, &pin, |folder| python.environment(&requirements, folder))?;
    Ok(python::interpreter(&folder))
}

fn patches(cache: &Cache, interpreter: &Path, benv2: &Path) -> Result<PathBuf> {
    let pin = [
        read(&workspace().join("xtask/python/wheels/configilm.txt"))?,
        read(&workspace().join("xtask/python/patches.py"))?,
    ];
    cache.thing("demo", &pin.concat(), |folder| {
        let mut script = python::script(interpreter, "patches.py");
        process::quietly(script.arg(benv2.join("BigEarthNet-V2-LMDB")).arg(folder.join("patches.tif")))
    })
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// FNV-1a of 64 bits: a short name for a long text, no protection.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_has_a_version_and_hashes() {
        for (file, version) in [
            ("onnxruntime", ORT_VERSION),
            ("onnxruntime-openvino", "1.24.1"),
            ("ukis-csmask", "1.0.0"),
            ("configilm", "0.7.1"),
            ("ziglang", "0.17.1"),
            ("cargo-zigbuild", "0.24.0"),
        ] {
            let text = read(&workspace().join(format!("xtask/python/wheels/{file}.txt"))).unwrap();
            assert!(text.contains(&format!("{file}=={version} ")), "{file}");
            assert!(text.contains("--hash=sha256:"), "{file}");
        }
    }

    // The values are those of the FNV authors' test suite.
    #[test]
    fn fnv1a_gives_the_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
