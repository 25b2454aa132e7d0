//! A scene through a segmentation model: rows of the mask go to a cloud-optimised GeoTIFF, and to GeoJSON if wanted, as
//! soon as they are finished. Memory stays that of a row of windows, however large the scene is.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Parser;
use farsight::{
    BandMatch, Error, MASK_NODATA, MaskSettings, MaskWriter, Pipeline, PolygonSettings, PolygonWriter,
    RasterAnswer, RasterInfo, RasterProgress, RasterRow, Scene, Task,
};
use farsight_vision::open_raster;

/// A mask of a satellite scene, with its coordinates.
#[derive(Parser)]
struct Arguments {
    /// The bundle, made by `farsight compile`; its model segments rasters.
    bundle: PathBuf,
    /// A GeoTIFF, or a folder with the bands of one scene, a GeoTIFF each.
    scene: PathBuf,
    /// The mask to be written: a byte a pixel, 255 where there is no data.
    mask: PathBuf,
    /// The outlines of the classes to be written, as GeoJSON in WGS84.
    polygons: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut pipeline = Pipeline::open(&arguments.bundle)?;
    if pipeline.task() != Task::Segment {
        bail!("{}: this model makes no masks", arguments.bundle.display());
    }
    let mut raster = open_raster(&arguments.scene)?;
    let labels = pipeline.spec().output.labels().to_vec();
    let mut files = Files::create(&arguments, raster.info(), &labels)?;

    // Where the polygons fail, their own reason is told, not that the rows were stopped.
    let mut refused = None;
    let mut rows = |row: RasterRow<'_>| {
        files.mask.write_rows(row.classes)?;
        match files.polygons.as_mut().map_or(Ok(()), |polygons| polygons.write_rows(row.classes)) {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::Scene(refused.insert(error).to_string())),
        }
    };
    // Values are taken as they are stored; `Scene` says where that is wrong (scale, offset, band numbers, dates).
    let answer = pipeline.run_raster_rows(raster.as_mut(), &Scene::default(), &mut rows, &mut show_progress);
    if let Some(error) = refused {
        return Err(error.into());
    }
    let answer = answer?;
    files.finish(&arguments)?;
    warn(&arguments.scene, &answer);
    show_classes(&pipeline, &answer);
    Ok(())
}

/// What is being written. Nothing of it is there before it is finished.
struct Files {
    mask: MaskWriter,
    polygons: Option<PolygonWriter>,
}

impl Files {
    fn create(arguments: &Arguments, info: &RasterInfo, labels: &[String]) -> Result<Self> {
        let labels = labels.to_vec();
        let settings =
            MaskSettings { nodata: Some(MASK_NODATA), labels: labels.clone(), ..MaskSettings::default() };
        let mask = MaskWriter::create(&arguments.mask, info, &settings)?;
        let settings = PolygonSettings { labels, skip: vec![MASK_NODATA], min_area_m2: 0.0, simplify_m: 0.0 };
        let create = |path| PolygonWriter::create(path, info, &settings);
        let polygons = arguments.polygons.as_ref().map(create).transpose()?;
        Ok(Self { mask, polygons })
    }

    fn finish(self, arguments: &Arguments) -> Result<()> {
        let bytes = self.mask.finish()?;
        eprintln!("{}: {bytes} bytes", arguments.mask.display());
        if let (Some(writer), Some(path)) = (self.polygons, &arguments.polygons) {
            let written = writer.finish()?;
            eprintln!("{}: {} polygons, {} bytes", path.display(), written.polygons, written.bytes);
        }
        Ok(())
    }
}

/// A line for every tenth of the windows.
fn show_progress(RasterProgress { done, total, .. }: RasterProgress) {
    let tenth = |done: usize| done * 10 / total;
    if tenth(done) > tenth(done - 1) {
        eprintln!("{done} of {total} windows");
    }
}

/// What may be wrong although a mask came out.
fn warn(scene: &Path, answer: &RasterAnswer) {
    if answer.bands.matched == BandMatch::InOrder {
        eprintln!("{}: names no bands; they were taken in the model's order", scene.display());
    }
    if let Some(doubt) = &answer.doubt {
        eprintln!("{}: {doubt}", scene.display());
    }
}

/// `LABEL SHARE AREA`, a line a class; shares are of the pixels that hold data.
fn show_classes(pipeline: &Pipeline, answer: &RasterAnswer) {
    let all = answer.pixels.iter().sum::<u64>().max(1) as f64;
    for (class, &pixels) in answer.pixels.iter().enumerate() {
        let pixels = pixels as f64;
        let area =
            answer.pixel_area_m2.map(|m2| format!("  {:.2} km²", pixels * m2 / 1e6)).unwrap_or_default();
        println!("{}  {:.2} %{area}", pipeline.label(class), 100.0 * pixels / all);
    }
}
