//! A raster through the model: a mask with the raster's coordinates, and a quick look.

use std::path::Path;

use farsight::{MASK_NODATA, Pipeline};
use farsight_compiler::Progress;
use farsight_vision::{BandMatch, MaskSettings, MaskWriter, Raster};
use serde_json::{Value, json};

use super::draw::{self, Classes, Quicklook};
use super::{Bar, Failure, entry, mask_labels, name, with_suffix};

/// Longest side of the quick look, pixels.
const QUICKLOOK: usize = 2000;

/// Runs a raster; with `stem`, writes `STEM.mask.tif` and the quick look `STEM.png`.
pub(super) fn run(pipeline: &mut Pipeline, file: &Path, stem: Option<&Path>) -> Result<Value, Failure> {
    let mut raster = Raster::open(file).map_err(farsight::Error::from)?;
    let info = raster.info().clone();
    let labels = pipeline.spec().output.labels().to_vec();
    let paths = stem.map(|stem| (with_suffix(stem, ".mask.tif"), with_suffix(stem, ".png")));
    let settings = MaskSettings {
        nodata: Some(MASK_NODATA),
        labels: labels.clone(),
        colours: (0..labels.len()).map(draw::class_color).collect(),
    };
    let mut writer = match &paths {
        Some((mask, _)) => Some(MaskWriter::create(mask, &info, &settings).map_err(farsight::Error::from)?),
        None => None,
    };
    let mut quicklook = paths.is_some().then(|| Quicklook::new(info.size, QUICKLOOK));
    let mut bar = Bar::new();
    let mut row = 0;
    let mut sink = |rows: &[u8]| {
        if let Some(writer) = &mut writer {
            writer.write_rows(rows)?;
        }
        if let Some(quicklook) = &mut quicklook {
            quicklook.add_mask_rows(row, rows);
        }
        row += rows.len() / info.size[1];
        Ok(())
    };
    let answer = pipeline.run_raster(&mut raster, &mut sink, &mut |progress| {
        bar.show(Progress { step: "running windows", done: progress.done, total: progress.total });
    });
    bar.finish();
    let answer = answer?;
    if let Some(writer) = writer {
        writer.finish().map_err(farsight::Error::from)?;
    }
    if answer.bands == BandMatch::InOrder {
        log::warn!(
            "{}: the file names no bands; they were taken in the model's order, {}",
            file.display(),
            band_names(pipeline).join(", ")
        );
    }
    if let (Some(quicklook), Some((_, path))) = (quicklook, &paths) {
        let picture = with_bands(quicklook, &mut raster, pipeline)?.finish(&Classes {
            labels: &labels,
            clear: Some(0),
            nodata: Some(MASK_NODATA),
        });
        draw::save(&picture, path).map_err(|error| Failure::new("write", format!("{error:#}")))?;
    }
    let mut entry = entry(pipeline, file, answer.size, answer.times);
    entry.insert("windows".to_owned(), json!(answer.windows));
    entry.insert(
        "mask".to_owned(),
        json!({
            "file": paths.as_ref().map(|(mask, _)| name(mask)),
            "picture": paths.as_ref().map(|(_, picture)| name(picture)),
            "labels": mask_labels(pipeline, &answer.pixels, answer.pixel_area_m2),
            "nodata_pixels": answer.nodata_pixels,
        }),
    );
    Ok(entry.into())
}

fn band_names(pipeline: &Pipeline) -> Vec<String> {
    match &pipeline.spec().input {
        farsight_spec::Input::Raster(input) => input.bands.iter().map(|band| band.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Red, green and blue where the model has bands of these names, else its first band as grey.
fn with_bands(
    mut quicklook: Quicklook,
    raster: &mut Raster,
    pipeline: &Pipeline,
) -> Result<Quicklook, Failure> {
    let farsight_spec::Input::Raster(input) = &pipeline.spec().input else { return Ok(quicklook) };
    let choice = raster.choose_bands(&input.bands).map_err(farsight::Error::from)?;
    let place = |name: &str| input.bands.iter().position(|band| band.name == name).map(|i| choice.bands[i]);
    let colours = match (place("red"), place("green"), place("blue")) {
        (Some(red), Some(green), Some(blue)) => [red, green, blue],
        _ => [choice.bands[0]; 3],
    };
    let [height, width] = raster.info().size;
    let nodata = raster.info().nodata.or(input.nodata);
    let mut row = vec![0.0; width];
    for y in 0..height {
        for (channel, band) in colours.into_iter().enumerate() {
            raster.read_window(y, 0, 1, width, &[band], &mut row).map_err(farsight::Error::from)?;
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
