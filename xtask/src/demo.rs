//! `cargo xtask demo`: the main job on real input, from model file to mask, and cows where there are any.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::farsight::{Farsight, number, target_folder, text};
use crate::setup::{self, Ready};
use crate::{assets, cache, workspace};

/// Pictures of the pasture to draw boxes on.
const PICTURES: usize = 6;

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("demo takes no arguments");
    }
    let ready = setup::setup()?;
    let farsight = Farsight::build(&ready)?;
    let folder = target_folder()?.join("demo");
    cache::remove(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut report = clouds(&farsight, &ready, &folder)?;
    match assets() {
        Some(assets) => report.push_str(&cows(&farsight, &assets, &folder)?),
        None => report.push_str("\nCattle: no assets (FARSIGHT_ASSETS, ../shared/assets), left out\n"),
    }
    println!("\n{report}");
    Ok(())
}

/// The cloud mask of the Sentinel-2 patches.
fn clouds(farsight: &Farsight, ready: &Ready, folder: &Path) -> Result<String> {
    let bundle = folder.join("csmask.farsight");
    let saved = folder.join("clouds");
    let compiled = farsight.call(&[
        &"compile",
        &ready.csmask.join("model_6b_l2a.onnx"),
        &"--spec",
        &"csmask-6b-l2a",
        &"-o",
        &bundle,
    ])?;
    let run = farsight.call(&[&"run", &bundle, &ready.patches, &"--save", &saved])?;
    let bench = farsight.call(&[&"bench", &bundle, &"--input", &ready.patches])?;

    Ok([
        format!("Clouds over {} ({} x {} pixels)\n", text(&run, "/input")?, run["width"], run["height"]),
        compile_line(&compiled)?,
        format!(
            "  run         pre {:.0} ms, infer {:.0} ms, post {:.0} ms, total {:.0} ms\n",
            number(&run, "/ms/pre")?,
            number(&run, "/ms/infer")?,
            number(&run, "/ms/post")?,
            number(&run, "/ms/total")?
        ),
        overhead_line(&bench)?,
        share_lines(&run)?,
        format!("  files       {}\n", files(&saved)?),
    ]
    .concat())
}

/// Boxes around cattle, and how many of them are right.
fn cows(farsight: &Farsight, assets: &Path, folder: &Path) -> Result<String> {
    let bundle = folder.join("cattle.farsight");
    let saved = folder.join("cows");
    let val = assets.join("cattle/val");
    let compiled = farsight.call(&[
        &"compile",
        &assets.join("detect/cattle_yolov8n_416.onnx"),
        &"--spec",
        &"yolo",
        &"--labels",
        &"cow",
        &"--data",
        &val,
        &"-o",
        &bundle,
    ])?;

    let pictures = pictures(&val)?;
    let mut call: Vec<&dyn AsRef<OsStr>> = vec![&"run", &bundle, &"--save", &saved];
    call.extend(pictures.iter().map(|picture| picture as &dyn AsRef<OsStr>));
    let runs = farsight.call_for_each(&call)?;
    let boxes: usize = runs.iter().filter_map(|run| run["detections"].as_array()).map(Vec::len).sum();

    let eval = farsight.call(&[&"eval", &bundle, &"--data", &val, &"--conf", &".001", &"--iou", &".7"])?;
    let bench = farsight.call(&[&"bench", &bundle])?;

    Ok([
        "\nCattle on a pasture\n".to_owned(),
        compile_line(&compiled)?,
        format!("  run         {boxes} cows in {} pictures\n", runs.len()),
        format!(
            "  eval        AP50-95 {:.3}, AP50 {:.3} on {} pictures\n",
            number(&eval, "/ap50_95")?,
            number(&eval, "/ap50")?,
            number(&eval, "/samples")?
        ),
        overhead_line(&bench)?,
        format!("  files       {}\n", files(&saved)?),
    ]
    .concat())
}

fn compile_line(compiled: &Value) -> Result<String> {
    Ok(format!(
        "  compile     {:.1} s, {:.1} MB from {:.1} MB, precision {}\n",
        number(compiled, "/seconds")?,
        number(compiled, "/bytes")? / 1e6,
        number(compiled, "/source_bytes")? / 1e6,
        text(compiled, "/precision")?
    ))
}

fn overhead_line(bench: &Value) -> Result<String> {
    Ok(format!(
        "  overhead    {:.3} times the bare session's {:.2} ms ({} threads)\n",
        number(bench, "/overhead")?,
        number(bench, "/bare_session_ms/p50")?,
        number(bench, "/threads")?
    ))
}

/// Each label's share of the pixels that have one.
fn share_lines(run: &Value) -> Result<String> {
    let labels = run["mask"]["labels"].as_array().context("farsight reported no mask labels")?;
    let pixels = labels.iter().map(|label| number(label, "/pixels")).collect::<Result<Vec<f64>>>()?;
    let all: f64 = pixels.iter().sum();
    let line = |(label, pixels): (&Value, &f64)| {
        Ok(format!("  {:<11} {:5.1} %\n", text(label, "/label")?, 100.0 * pixels / all))
    };
    labels.iter().zip(&pixels).map(line).collect()
}

/// Some pictures from over the whole of a folder.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = list(folder)?;
    all.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    Ok(all.iter().step_by(all.len().div_ceil(PICTURES).max(1)).cloned().collect())
}

/// The files of a folder, one a line, as seen from the workspace.
fn files(folder: &Path) -> Result<String> {
    let workspace = workspace();
    let seen = |path: &PathBuf| path.strip_prefix(&workspace).unwrap_or(path).display().to_string();
    let files: Vec<String> = list(folder)?.iter().map(seen).collect();
    Ok(files.join("\n              "))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
