//! A raster through the model: a mask with the raster's coordinates, polygons, probabilities, and a quick look.

use std::path::{Path, PathBuf};

use farsight::{MASK_NODATA, Pipeline, RasterAnswer, RasterRow, Scene};
use farsight_compiler::Progress;
use farsight_spec::{Input, Output};
use farsight_vision::{
    BandMatch, MaskSettings, MaskWriter, Padding, PolygonError, PolygonSettings, PolygonWriter,
    ProbabilityKind, ProbabilityWriter, RasterError, RasterInfo, RasterSource, Window,
};
use serde_json::{Map, Value, json};

use super::draw::{self, Classes, Quicklook};
use super::{Bar, Failure, classes, entry, mask_labels, name, scenes, with_suffix};

/// Longest side of the quick look, pixels.
const QUICKLOOK: usize = 2000;

/// What else is written of a raster.
#[derive(Debug, clap::Args)]
pub(crate) struct Outputs {
    /// Write the outlines of a raster's classes as GeoJSON (WGS84); needs the raster's coordinate system
    #[arg(long, requires = "save")]
    polygons: bool,
    /// Leave out polygons below this many square metres, and fill such holes
    #[arg(long, value_name = "M2", requires = "polygons", default_value_t = 0.0, value_parser = measure)]
    min_area: f64,
    /// Straighten outlines by up to this many metres; neighbours may then overlap or leave gaps
    #[arg(long, value_name = "M", requires = "polygons", default_value_t = 0.0, value_parser = measure)]
    simplify: f64,
    /// Write the probabilities of a raster's classes, a band each, as bytes (255: certain) or floats
    #[arg(long, value_name = "TYPE", requires = "save")]
    probabilities: Option<Kind>,
}

impl Outputs {
    /// Whether something was asked for that only rasters have.
    pub(super) fn are_asked(&self) -> bool {
        self.polygons || self.probabilities.is_some()
    }
}

/// How probabilities are stored.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    U8,
    F32,
}

fn measure(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number of at least 0".to_owned()),
    }
}

/// The files of a raster that are being written.
#[derive(Default)]
struct Files {
    mask: Option<(PathBuf, MaskWriter)>,
    polygons: Option<(PathBuf, PolygonWriter)>,
    probabilities: Option<(PathBuf, ProbabilityWriter)>,
    /// A row's probabilities.
    row: Vec<f32>,
}

impl Files {
    /// `STEM.mask.tif`, and what else was asked for. What cannot be written is told before the model runs.
    fn create(stem: &Path, info: &RasterInfo, labels: &[String], outputs: &Outputs) -> Result<Self, Failure> {
        let path = |suffix| with_suffix(stem, suffix);
        let settings = MaskSettings {
            nodata: Some(MASK_NODATA),
            labels: labels.to_vec(),
            colours: (0..labels.len()).map(draw::class_color).collect(),
        };
        let mask = path(".mask.tif");
        let writer = MaskWriter::create(&mask, info, &settings).map_err(raster_failure)?;
        let mut files = Self { mask: Some((mask, writer)), ..Self::default() };
        if outputs.polygons {
            let settings = PolygonSettings {
                labels: labels.to_vec(),
                skip: vec![MASK_NODATA],
                min_area_m2: outputs.min_area,
                simplify_m: outputs.simplify,
            };
            let path = path(".geojson");
            let writer = PolygonWriter::create(&path, info, &settings).map_err(polygon_failure)?;
            files.polygons = Some((path, writer));
        }
        if let Some(kind) = outputs.probabilities {
            let kind = match kind {
                Kind::U8 => ProbabilityKind::U8,
                Kind::F32 => ProbabilityKind::F32,
            };
            let path = path(".probabilities.tif");
            let writer = ProbabilityWriter::create(&path, info, labels, kind).map_err(raster_failure)?;
            files.probabilities = Some((path, writer));
        }
        Ok(files)
    }

    fn write(&mut self, row: RasterRow<'_>) -> Result<(), Failure> {
        if let Some((_, mask)) = &mut self.mask {
            mask.write_rows(row.classes).map_err(raster_failure)?;
        }
        if let Some((_, polygons)) = &mut self.polygons {
            polygons.write_rows(row.classes).map_err(polygon_failure)?;
        }
        if let Some((_, probabilities)) = &mut self.probabilities {
            row.probabilities(&mut self.row)?;
            probabilities.write_row(&self.row).map_err(raster_failure)?;
        }
        Ok(())
    }

    /// Gives the files their names; the entry gets them, and their sizes.
    fn finish(self, entry: &mut Map<String, Value>) -> Result<(), Failure> {
        let mut bytes = Map::new();
        if let Some((path, mask)) = self.mask {
            bytes.insert("mask".to_owned(), json!(mask.finish().map_err(raster_failure)?));
            entry["mask"]["file"] = json!(name(&path));
        }
        if let Some((path, polygons)) = self.polygons {
            let written = polygons.finish().map_err(polygon_failure)?;
            bytes.insert("polygons".to_owned(), json!(written.bytes));
            entry.insert("polygons".to_owned(), json!(name(&path)));
        }
        if let Some((path, probabilities)) = self.probabilities {
            bytes.insert("probabilities".to_owned(), json!(probabilities.finish().map_err(raster_failure)?));
            entry.insert("probabilities".to_owned(), json!(name(&path)));
        }
        entry.insert("bytes".to_owned(), bytes.into());
        Ok(())
    }
}

pub(super) fn raster_failure(error: RasterError) -> Failure {
    farsight::Error::from(error).into()
}

pub(super) fn polygon_failure(error: PolygonError) -> Failure {
    Failure::new("polygons", error)
}

/// Runs a raster; with `stem`, writes its results beside each other.
pub(super) fn run(
    pipeline: &mut Pipeline,
    files: &scenes::Files,
    stem: Option<&Path>,
    outputs: &Outputs,
    arguments: &scenes::SceneArguments,
) -> Result<Value, Failure> {
    let mut raster = files.open().map_err(raster_failure)?;
    let scene = match &pipeline.spec().input {
        Input::Raster(input) => files.scene(input, arguments),
        _ => Scene::default(),
    };
    let (file, raster) = (files.path(), raster.as_mut());
    match pipeline.spec().output {
        Output::Classes(_) if outputs.are_asked() => {
            Err(Failure::usage("--polygons and --probabilities are for masks; this model gives classes"))
        }
        Output::Classes(_) => classes::run(pipeline, file, raster, &scene, stem),
        _ => mask(pipeline, file, raster, &scene, stem, outputs),
    }
}

/// Tells what may be wrong although the answer looks right.
pub(super) fn warn(pipeline: &Pipeline, file: &Path, answer: &RasterAnswer) {
    if answer.bands.matched == BandMatch::InOrder {
        log::warn!(
            "{}: the file names no bands; they were taken in the model's order, {}",
            file.display(),
            band_names(pipeline).join(", ")
        );
    }
    if let Some(doubt) = &answer.doubt {
        log::warn!("{}: {doubt} (--scale, --offset)", file.display());
    }
}

/// Writes `STEM.mask.tif`, the quick look `STEM.png`, and what `outputs` asks for.
fn mask(
    pipeline: &mut Pipeline,
    file: &Path,
    raster: &mut dyn RasterSource,
    scene: &Scene,
    stem: Option<&Path>,
    outputs: &Outputs,
) -> Result<Value, Failure> {
    let info = raster.info().clone();
    let labels = pipeline.spec().output.labels().to_vec();
    let mut files = match stem {
        Some(stem) => Files::create(stem, &info, &labels, outputs)?,
        None => Files::default(),
    };
    let mut quicklook = stem.map(|_| Quicklook::new(info.size, QUICKLOOK));
    let mut bar = Bar::new();
    let mut number = 0;
    let mut failure = None;
    let mut sink = |row: RasterRow<'_>| {
        if let Some(quicklook) = &mut quicklook {
            quicklook.add_mask_rows(number, row.classes);
        }
        number += 1;
        files.write(row).map_err(|found| {
            let message = found.message.clone();
            failure = Some(found);
            farsight::Error::Contract(message)
        })
    };
    let answer = pipeline.run_raster_rows(raster, scene, &mut sink, &mut |progress| {
        bar.show(Progress { step: "running windows", done: progress.done, total: progress.total });
    });
    bar.finish();
    if let Some(failure) = failure {
        return Err(failure);
    }
    let answer = answer?;
    warn(pipeline, file, &answer);
    let mut entry = entry(pipeline, file, answer.size, answer.times);
    entry.insert("windows".to_owned(), json!(answer.windows));
    entry.insert(
        "mask".to_owned(),
        json!({
            "file": null,
            "picture": null,
            "labels": mask_labels(pipeline, &answer.pixels, answer.pixel_area_m2),
            "nodata_pixels": answer.nodata_pixels,
        }),
    );
    if let (Some(quicklook), Some(stem)) = (quicklook, stem) {
        files.finish(&mut entry)?;
        let picture = with_bands(quicklook, raster, &answer.bands.bands, pipeline)?.finish(&Classes {
            labels: &labels,
            clear: Some(0),
            nodata: Some(MASK_NODATA),
        });
        let path = with_suffix(stem, ".png");
        draw::save(&picture, &path).map_err(|error| Failure::new("write", format!("{error:#}")))?;
        let bytes = std::fs::metadata(&path).map_err(|error| Failure::io(&path, error))?.len();
        entry["bytes"]["picture"] = json!(bytes);
        entry["mask"]["picture"] = json!(name(&path));
    }
    Ok(entry.into())
}

fn band_names(pipeline: &Pipeline) -> Vec<String> {
    match &pipeline.spec().input {
        Input::Raster(input) => input.bands.iter().map(|band| band.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Red, green and blue where the model has bands of these names, else its first band as grey.
fn with_bands(
    mut quicklook: Quicklook,
    raster: &mut dyn RasterSource,
    bands: &[usize],
    pipeline: &Pipeline,
) -> Result<Quicklook, Failure> {
    let Input::Raster(input) = &pipeline.spec().input else { return Ok(quicklook) };
    let place = |name: &str| input.bands.iter().position(|band| band.name == name).map(|i| bands[i]);
    let colours = match (place("red"), place("green"), place("blue")) {
        (Some(red), Some(green), Some(blue)) => [red, green, blue],
        _ => [bands[0]; 3],
    };
    let width = raster.info().size[1];
    let nodata = raster.info().nodata.or(input.nodata);
    let (mut row, mut scratch) = (vec![0.0; width], Vec::new());
    for y in quicklook.rows() {
        for (channel, band) in colours.into_iter().enumerate() {
            let window =
                Window { index: 0, start: [y as i64, 0], size: [1, width], padding: Padding::Symmetric };
            raster.read_padded(&window, &[band], &mut scratch, &mut row).map_err(raster_failure)?;
            for value in &mut row {
                if nodata.is_some_and(|nodata| f64::from(*value) == nodata) {
                    *value = f32::NAN;
                }
            }
            quicklook.add_band_rows(channel, y, &row);
        }
    }
    Ok(quicklook)
}
