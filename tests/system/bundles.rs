//! Bundles that several tests use, each compiled once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::farsight;
use crate::needs::{assets, csmask};
use crate::{models, scratch};

/// A target that this machine is not. What is compiled for it runs here with `--any-target`, and nothing is
/// spent on measuring latency.
pub(crate) const OTHER_TARGET: &str =
    if cfg!(target_arch = "aarch64") { "x86_64-linux" } else { "aarch64-linux" };

pub(crate) struct Compiled {
    pub(crate) bundle: PathBuf,
    /// What `compile --json` told.
    pub(crate) report: Value,
}

/// Compiles a model with these options. Chance must not decide a test, so a slower bundle is written, too.
pub(crate) fn compile(model: &Path, options: &[&str]) -> Compiled {
    let stem = model.file_stem().expect("a file name");
    let bundle = scratch::folder("bundle").join(stem).with_extension("farsight");
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"compile", &model, &"--force", &"-o", &bundle];
    arguments.extend(options.iter().map(|option| option as &dyn AsRef<std::ffi::OsStr>));
    let report = farsight::document(&arguments);
    Compiled { bundle, report }
}

macro_rules! compiled_once {
    ($($(#[$text:meta])* $name:ident: $model:expr, $options:expr;)*) => {$(
        $(#[$text])*
        pub(crate) fn $name() -> &'static Compiled {
            static ONCE: OnceLock<Compiled> = OnceLock::new();
            ONCE.get_or_init(|| compile(&$model, &$options))
        }
    )*};
}

compiled_once! {
    /// Cattle, YOLOv8n 416, for this machine.
    cattle: assets().join("detect/cattle_yolov8n_416.onnx"), ["--spec", "yolo", "--labels", "cow"];
    /// COCO, YOLOv8n 640, spec from the metadata.
    coco: assets().join("detect/coco_yolov8n_640.onnx"), ["--target", OTHER_TARGET];
    /// The same, weights in int8.
    coco_int8: assets().join("detect/coco_yolov8n_640_dynamic_int8.onnx"), ["--target", OTHER_TARGET];
    /// COCO, YOLOX nano 416.
    yolox: assets().join("detect/coco_yolox_nano_416.onnx"), ["--spec", "yolox", "--target", OTHER_TARGET];
    /// Clouds, 6 bands, surface reflectance.
    clouds6: csmask("model_6b_l2a.onnx"), ["--spec", "csmask-6b-l2a", "--target", OTHER_TARGET];
    /// Clouds, 4 bands, surface reflectance.
    clouds4: csmask("model_4b_l2a.onnx"), ["--spec", "csmask-4b-l2a", "--target", OTHER_TARGET];
    /// [`models::detector`] for this machine.
    detector: models::detector(), ["--spec", "yolo", "--labels", "cow,dog"];
    /// [`models::segmenter`].
    segmenter: models::segmenter(), ["--spec", "deeplab"];
    /// [`models::line`], without a spec.
    line: models::line(), [];
}
