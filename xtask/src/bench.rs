//! `cargo xtask bench`: what farsight adds to the bare session, for every model that is there.
//!
//! Each row is one run of `farsight bench`, which measures both interleaved; arguments go to it. Times are medians,
//! `overhead` is the median over the pairs of total ÷ bare session.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::farsight::{Farsight, number, target_folder};
use crate::setup::{self, Ready};
use crate::{assets, process, python};

const SIZES: [&str; 2] = ["1920x1080", "1337x753"];

struct Model {
    name: &'static str,
    file: PathBuf,
    /// What `compile` needs to know beside the file.
    options: &'static [&'static str],
    /// The files it is measured with.
    inputs: Vec<PathBuf>,
}

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let ready = setup::setup()?;
    let farsight = Farsight::build(&ready)?;
    let folder = target_folder()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut rows = Vec::new();
    for model in models(&ready, &folder)? {
        let bundle = folder.join(format!("{}.farsight", model.name));
        let mut compile: Vec<&dyn AsRef<OsStr>> = vec![&"compile", &model.file, &"-o", &bundle];
        compile.extend(model.options.iter().map(|option| option as &dyn AsRef<OsStr>));
        farsight.call(&compile)?;
        for input in &model.inputs {
            rows.push(measure(&farsight, model.name, &bundle, input, arguments)?);
        }
    }
    println!(
        "\n{:<20} {:<14} {:>7} {:>5} {:>9} {:>9} {:>9}",
        "model", "input", "threads", "runs", "bare ms", "total ms", "overhead"
    );
    println!("{}", rows.join("\n"));
    Ok(())
}

/// A row of the table. One thread, unless the arguments say otherwise.
fn measure(
    farsight: &Farsight,
    name: &str,
    bundle: &Path,
    input: &Path,
    arguments: &[String],
) -> Result<String> {
    let mut call: Vec<&dyn AsRef<OsStr>> = vec![&"bench", &bundle, &"--input", &input];
    if !arguments.iter().any(|argument| argument.starts_with("--threads")) {
        call.extend([&"--threads" as &dyn AsRef<OsStr>, &"1"]);
    }
    call.extend(arguments.iter().map(|argument| argument as &dyn AsRef<OsStr>));
    let report = farsight.call(&call)?;
    let input = input.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    Ok(format!(
        "{name:<20} {input:<14} {:>7} {:>5} {:>9.2} {:>9.2} {:>9.4}",
        number(&report, "/threads")?,
        number(&report, "/runs")?,
        number(&report, "/bare_session_ms/p50")?,
        number(&report, "/ms/total/p50")?,
        number(&report, "/overhead")?
    ))
}

/// The cloud mask, and with assets the detectors and frames for them.
fn models(ready: &Ready, folder: &Path) -> Result<Vec<Model>> {
    let mut models = vec![Model {
        name: "csmask-6b-l2a",
        file: ready.csmask.join("model_6b_l2a.onnx"),
        options: &["--spec", "csmask-6b-l2a"],
        inputs: vec![ready.patches.clone()],
    }];
    let Some(assets) = assets() else {
        eprintln!("no assets (FARSIGHT_ASSETS, ../shared/assets): the cloud mask only");
        return Ok(models);
    };
    let frames: Vec<PathBuf> = SIZES.iter().map(|size| folder.join(format!("{size}.png"))).collect();
    models.push(Model {
        name: "coco_yolov8n_640",
        file: assets.join("detect/coco_yolov8n_640.onnx"),
        options: &["--spec", "yolo"],
        inputs: frames.clone(),
    });
    models.push(Model {
        name: "cattle_yolov8n_416",
        file: assets.join("detect/cattle_yolov8n_416.onnx"),
        options: &["--spec", "yolo", "--labels", "cow"],
        inputs: frames.clone(),
    });
    let picture = first_jpeg(&assets.join("photos"))?;
    process::quietly(python::script(&ready.python, "frames.py").arg(picture).arg(folder).args(SIZES))?;
    Ok(models)
}

fn first_jpeg(folder: &Path) -> Result<PathBuf> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let jpegs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    jpegs.min().with_context(|| format!("no .jpg in {}", folder.display()))
}
