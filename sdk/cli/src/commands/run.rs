//! `farsight run`: a bundle on pictures, folders, rasters or tensors; one bad input does not stop the others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use farsight::{Options, Pipeline, Times};
use farsight_spec::Input;
use serde_json::{Map, Value, json};

use crate::Context;
use crate::failure::Failure;
use crate::progress::Bar;
use crate::{draw, inputs};

mod classes;
mod frame;
mod raster;
mod scenes;
mod tensors;

#[derive(clap::Args)]
#[command(after_help = "Example:
  farsight run cows.farsight barn/*.jpg --save out/
  farsight run clouds.farsight scene.tif --save out/ --json
  farsight run reben.farsight S2A_patch/ --json
        a folder of one-band files is one raster; --stack makes one of all inputs
  farsight run crops.farsight may.tif july.tif september.tif --save out/
        as many rasters as the model takes dates
  farsight run clouds.farsight scene.tif --save out/ --polygons --min-area 1000 --simplify 10
        out/scene.mask.tif (a cloud-optimised GeoTIFF), out/scene.geojson, out/scene.png to look at")]
pub(crate) struct Arguments {
    /// The bundle
    bundle: PathBuf,
    /// Pictures, folders, rasters (GeoTIFF) or tensors (.npy), as the model takes them
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Write pictures with the answers drawn, masks and tensors into this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Keep boxes that score more than this, 0 to 1
    #[arg(long, value_name = "X", value_parser = share)]
    conf: Option<f32>,
    /// NMS drops a box that overlaps a better one by more than this, 0 to 1
    #[arg(long, value_name = "X", value_parser = share)]
    iou: Option<f32>,
    /// Threads of the session
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Run a bundle that was made for another target
    #[arg(long)]
    any_target: bool,
    #[command(flatten)]
    outputs: raster::Outputs,
    #[command(flatten)]
    scenes: scenes::SceneArguments,
}

/// A threshold between 0 and 1.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// `farsight run`: exit status 1 if any input failed.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let options = Options {
        library: context.onnxruntime.clone(),
        threads: arguments.threads.map(|threads| threads as usize),
        any_target: arguments.any_target,
        conf: arguments.conf,
        iou: arguments.iou,
        ..Options::default()
    };
    let mut pipeline = Pipeline::open_with(&arguments.bundle, &options).map_err(mention_any_target)?;
    let for_rasters = arguments.outputs.are_asked() || arguments.scenes.are_given();
    if for_rasters && !matches!(pipeline.spec().input, Input::Raster(_)) {
        return Err(Failure::usage(
            "--polygons, --probabilities, --stack, --dates, --bands, --scale and --offset are for models that take rasters; \
             this one does not",
        ));
    }
    let given = match &pipeline.spec().input {
        Input::Raster(input) => Given::Rasters(scenes::gather(&arguments.inputs, input, &arguments.scenes)?),
        input => Given::Files(inputs::expand(&arguments.inputs, input)?),
    };
    let files = given.paths();
    if let Some(folder) = &arguments.save {
        std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, error))?;
    }
    let names = SaveNames::new(arguments.save.as_deref(), &files, pipeline.session().outputs().len())?;
    let mut failed = 0;
    for (index, file) in files.iter().enumerate() {
        match given.run(index, &mut pipeline, names.of(index).as_deref(), &arguments) {
            Ok(entry) => {
                let text = entry_text(&entry);
                context.output.entry(entry, || text);
            }
            Err(failure) => {
                failed += 1;
                let failure = failure.of_file(file);
                eprintln!("farsight: {}", failure.message);
                if context.output.json {
                    let error = json!({"kind": failure.kind, "message": failure.message});
                    context.output.entry(json!({"input": name(file), "error": error}), String::new);
                }
            }
        }
    }
    if failed > 0 && files.len() > 1 {
        eprintln!("farsight: {failed} of {} inputs failed", files.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn mention_any_target(error: farsight::Error) -> Failure {
    let mut failure = Failure::from(error);
    if matches!(failure.kind.as_str(), "other-platform" | "cpu-features") {
        failure.message.push_str("; --any-target runs it all the same");
    }
    failure
}

/// What the command was called with.
enum Given {
    Files(Vec<PathBuf>),
    Rasters(Vec<scenes::Files>),
}

impl Given {
    /// What each input is called.
    fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Files(files) => files.clone(),
            Self::Rasters(rasters) => rasters.iter().map(|raster| raster.path().to_owned()).collect(),
        }
    }

    fn run(
        &self,
        index: usize,
        pipeline: &mut Pipeline,
        save: Option<&Path>,
        arguments: &Arguments,
    ) -> Result<Value, Failure> {
        match (self, &pipeline.spec().input) {
            (Self::Rasters(rasters), _) => {
                raster::run(pipeline, &rasters[index], save, &arguments.outputs, &arguments.scenes)
            }
            (Self::Files(files), Input::Frame(_)) => frame::run(pipeline, &files[index], save),
            (Self::Files(files), _) => tensors::run(pipeline, &files[index], save),
        }
    }
}

/// A path as text; what is not Unicode in it is replaced.
fn name(path: &Path) -> String {
    path.display().to_string()
}

/// What every entry begins with.
fn entry(pipeline: &Pipeline, file: &Path, [height, width]: [usize; 2], times: Times) -> Map<String, Value> {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let mut entry = Map::new();
    entry.insert("input".to_owned(), json!(name(file)));
    entry.insert("task".to_owned(), json!(pipeline.task()));
    entry.insert("width".to_owned(), json!(width));
    entry.insert("height".to_owned(), json!(height));
    entry.insert(
        "ms".to_owned(),
        json!({"pre": ms(times.pre), "infer": ms(times.infer), "post": ms(times.post), "total": ms(times.total())}),
    );
    entry
}

/// Labels of a mask with their pixels, and their area where a pixel has one.
fn mask_labels(pipeline: &Pipeline, pixels: &[u64], pixel_area: Option<f64>) -> Vec<Value> {
    pixels
        .iter()
        .enumerate()
        .map(|(class, &pixels)| {
            let mut label = json!({"label": pipeline.label(class), "class": class, "pixels": pixels});
            if let Some(area) = pixel_area {
                label["area_m2"] = json!(area * pixels as f64);
            }
            label
        })
        .collect()
}

/// Where the results of each input go: `DIR/STEM`, with a number where two inputs share a stem.
struct SaveNames(Vec<Option<PathBuf>>);

impl SaveNames {
    /// `outputs` is the number of tensors that a model without a decoder gives.
    ///
    /// # Errors
    /// If a result would take the place of an input.
    fn new(folder: Option<&Path>, files: &[PathBuf], outputs: usize) -> Result<Self, Failure> {
        let Some(folder) = folder else { return Ok(Self(vec![None; files.len()])) };
        let suffixes: Vec<String> =
            [".png", ".mask.png", ".mask.tif", ".geojson", ".probabilities.tif", ".csv"]
                .map(str::to_owned)
                .into_iter()
                .chain((0..outputs).map(|index| format!(".{index}.npy")))
                .collect();
        let results =
            |stem: &Path| -> Vec<PathBuf> { suffixes.iter().map(|s| with_suffix(stem, s)).collect() };
        let mut taken = std::collections::HashSet::new();
        let mut stems = Vec::new();
        for file in files {
            let name = file.file_stem().unwrap_or_default();
            let mut stem = folder.join(name);
            let mut number = 1;
            while results(&stem).iter().any(|result| taken.contains(result)) {
                number += 1;
                let mut numbered = name.to_owned();
                numbered.push(format!("-{number}"));
                stem = folder.join(numbered);
            }
            taken.extend(results(&stem));
            stems.push(Some(stem));
        }
        let inputs: std::collections::HashSet<PathBuf> =
            files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        match taken.iter().find(|result| result.canonicalize().is_ok_and(|result| inputs.contains(&result))) {
            Some(result) => Err(Failure::usage(format!(
                "{}: this input would be overwritten by a result; give another folder with --save",
                result.display()
            ))),
            None => Ok(Self(stems)),
        }
    }

    fn of(&self, index: usize) -> Option<PathBuf> {
        self.0.get(index).cloned().flatten()
    }
}

/// `STEM` + `.mask.tif`, whatever dots the stem has.
fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn entry_text(entry: &Value) -> String {
    let mut text = format!(
        "{} ({}x{}, {:.1} ms)",
        entry["input"].as_str().unwrap_or_default(),
        entry["width"],
        entry["height"],
        entry["ms"]["total"].as_f64().unwrap_or(0.0)
    );
    let list = |key: &str| entry[key].as_array().cloned();
    if let Some(found) = list("detections") {
        text.push_str(&format!(": {} found", found.len()));
        for d in found {
            let corners: Vec<String> = d["box"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|v| format!("{:.1}", v.as_f64().unwrap_or(0.0)))
                .collect();
            text.push_str(&format!(
                "\n  {} {:.3} [{}]",
                d["label"].as_str().unwrap_or_default(),
                d["score"].as_f64().unwrap_or(0.0),
                corners.join(", ")
            ));
        }
    }
    for class in list("classes").unwrap_or_default() {
        text.push_str(&format!(
            "\n  {} {:.4}",
            class["label"].as_str().unwrap_or_default(),
            class["score"].as_f64().unwrap_or(0.0)
        ));
    }
    let labels = entry["mask"]["labels"].as_array().cloned().unwrap_or_default();
    let all: f64 = labels.iter().filter_map(|label| label["pixels"].as_f64()).sum();
    for label in &labels {
        let pixels = label["pixels"].as_f64().unwrap_or(0.0);
        if pixels > 0.0 {
            let area =
                label["area_m2"].as_f64().map(|m2| format!(", {:.2} km²", m2 / 1e6)).unwrap_or_default();
            text.push_str(&format!(
                "\n  {} {:.2} %{area}",
                label["label"].as_str().unwrap_or_default(),
                100.0 * pixels / all
            ));
        }
    }
    for key in ["picture", "file", "polygons", "probabilities"] {
        for file in [&entry[key], &entry["mask"][key]] {
            if let Some(file) = file.as_str() {
                text.push_str(&format!("\n  → {file}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_the_same_name_do_not_overwrite_each_other() {
        let files: Vec<PathBuf> =
            ["a/x.jpg", "b/x.png", "c/x-2.jpg", "d/x.mask.png", "e/y.v2.jpg"].map(PathBuf::from).into();
        let names = SaveNames::new(Some(Path::new("out")), &files, 1).unwrap();
        let found: Vec<PathBuf> = (0..5).filter_map(|index| names.of(index)).collect();
        assert_eq!(found, ["out/x", "out/x-2", "out/x-2-2", "out/x.mask-2", "out/y.v2"].map(PathBuf::from));
        assert_eq!(with_suffix(&found[4], ".png"), PathBuf::from("out/y.v2.png"));
    }
    #[test]
    fn a_result_never_takes_the_place_of_an_input() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("x.png");
        std::fs::write(&picture, "").unwrap();
        assert!(SaveNames::new(Some(folder.path()), std::slice::from_ref(&picture), 0).is_err());
        assert!(SaveNames::new(None, &[picture], 0).is_ok());
    }
}
