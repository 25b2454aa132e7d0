//! What lies outside of the repository: where it is, and tests that are ignored without it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Completion, Trial};
use serde_json::Value;

use crate::farsight;

/// Something that a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// ONNX Runtime, where farsight itself finds it.
    Library,
    /// Real models and pictures.
    Assets,
    /// The cloud masks of the cache.
    Clouds,
    /// The demo's raster in the cache.
    Patches,
    /// Patches of BigEarthNet v2 in the cache.
    BigEarthNet,
    /// A Python with the packages of tests/reference/requirements.txt.
    Python,
    /// The command for 64-bit ARM and what runs it here.
    Arm,
    /// A compiler for C and C++, make and CMake.
    CMake,
    /// A small disk of one's own, without being root.
    Mount,
}

/// A test that is ignored, with the reason, where one of its needs is not met.
pub(crate) fn trial(name: &'static str, needs: &'static [Need], test: fn()) -> Trial {
    Trial::ignorable_test(name, move || match needs.iter().find_map(|need| need.missing()) {
        Some(reason) => Ok(Completion::ignored_with(reason)),
        None => {
            test();
            Ok(Completion::Completed)
        }
    })
}

impl Need {
    fn missing(self) -> Option<String> {
        let lacks = |path: PathBuf, advice: &str| {
            (!path.exists()).then(|| format!("no {} ({advice})", path.display()))
        };
        match self {
            Self::Library => (!has_library()).then(|| "no ONNX Runtime (set ORT_DYLIB_PATH)".to_owned()),
            Self::Assets => lacks(assets().join("detect"), "set FARSIGHT_ASSETS"),
            Self::Clouds => lacks(csmask("model_6b_l2a.onnx"), "cargo xtask setup, or set FARSIGHT_CACHE"),
            Self::Patches => lacks(patches(), "cargo xtask setup, or set FARSIGHT_CACHE"),
            Self::BigEarthNet => lacks(benv2(), "cargo xtask setup, or set FARSIGHT_CACHE"),
            Self::Arm => farsight::arm().is_none().then(|| {
                "no command for ARM (cargo xtask cross aarch64 sets FARSIGHT_ARM and FARSIGHT_ARM_EMULATOR)".to_owned()
            }),
            Self::CMake => {
                ["cc", "c++", "make"].map(Path::new).into_iter().chain([cmake().as_path()]).find(|program| !starts(program)).map(
                    |program| format!("no {} (cargo xtask setup has CMake, the system's packages have the others)", program.display()),
                )
            }
            Self::Mount => (!can_mount()).then(|| "unshare and mount are not allowed here".to_owned()),
            Self::Python => (!has_python()).then(|| {
                "no Python with the packages of tests/reference/requirements.txt (set FARSIGHT_PYTHON)"
                    .to_owned()
            }),
        }
    }
}

/// `FARSIGHT_ASSETS`, else `shared/assets` beside the checkout.
pub(crate) fn assets() -> PathBuf {
    std::env::var_os("FARSIGHT_ASSETS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/assets"), PathBuf::from)
}

/// A file of the cloud masks' package.
pub(crate) fn csmask(file: &str) -> PathBuf {
    cache().join("csmask").join(file)
}

/// Sentinel-2 patches, side by side, as GeoTIFF.
pub(crate) fn patches() -> PathBuf {
    cache().join("demo/patches.tif")
}

/// Patches of BigEarthNet v2, both sensors, in an LMDB.
pub(crate) fn benv2() -> PathBuf {
    cache().join("benv2")
}

/// Runs a script of tests/reference; what it prints is one JSON document.
pub(crate) fn python(script: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference").join(script);
    let output = Command::new(interpreter()).arg(path).args(arguments).output().expect("Python starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{script}: {error}\n{stderr}"))
}

fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("FARSIGHT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("farsight")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/farsight")))
        .unwrap_or_default()
}

fn has_library() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| farsight::call_json(&[&"doctor"]).document()["onnxruntime"]["path"].is_string())
}

/// `FARSIGHT_CMAKE`, else the one of the search path.
pub(crate) fn cmake() -> PathBuf {
    std::env::var_os("FARSIGHT_CMAKE").map_or_else(|| "cmake".into(), PathBuf::from)
}

fn starts(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn can_mount() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let script = "mount -t tmpfs none /tmp";
    *FOUND.get_or_init(|| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

fn has_python() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let import = "import cv2, numpy, onnxruntime, pycocotools, rasterio, scipy";
    *FOUND.get_or_init(|| {
        Command::new(interpreter())
            .args(["-c", import])
            .env("ORT_DISABLE_TELEMETRY", "1")
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

fn interpreter() -> PathBuf {
    std::env::var_os("FARSIGHT_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}
