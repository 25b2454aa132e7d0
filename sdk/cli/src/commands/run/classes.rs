//! A raster through a classifier: the classes of each window, as a table and as footprints.

use std::path::Path;

use farsight::{Pipeline, Scene};
use farsight_compiler::Progress;
use farsight_vision::{ClassScore, FootprintWriter, RasterInfo, RasterSource, ScoresWriter};
use serde_json::{Map, Value, json};

use super::raster::{polygon_failure, raster_failure, warn};
use super::{Bar, Failure, entry, name, with_suffix};

/// One window and its classes.
struct Found {
    /// `[row, column]` of its first pixel, and of the one behind its last.
    corners: [[usize; 2]; 2],
    classes: Vec<ClassScore>,
}

/// With `stem`, writes `STEM.csv` and, where the raster's place is known, `STEM.geojson`.
pub(super) fn run(
    pipeline: &mut Pipeline,
    file: &Path,
    raster: &mut dyn RasterSource,
    scene: &Scene,
    stem: Option<&Path>,
) -> Result<Value, Failure> {
    let info = raster.info().clone();
    let mut bar = Bar::new();
    let mut found = Vec::new();
    let answer = pipeline.classify_raster(
        raster,
        scene,
        &mut |window, classes| {
            let inside = |axis: usize, at: i64| at.clamp(0, info.size[axis] as i64) as usize;
            let corner =
                |side: [usize; 2]| [0, 1].map(|axis| inside(axis, window.start[axis] + side[axis] as i64));
            found.push(Found { corners: [corner([0, 0]), corner(window.size)], classes: classes.to_vec() });
            Ok(())
        },
        &mut |progress| {
            bar.show(Progress { step: "running windows", done: progress.done, total: progress.total });
        },
    );
    bar.finish();
    let answer = answer?;
    warn(pipeline, file, &answer);
    let mut entry = entry(pipeline, file, answer.size, answer.times);
    let list = |classes: &[ClassScore]| -> Vec<Value> {
        let value = |one: &ClassScore| json!({"label": pipeline.label(one.class), "class": one.class, "score": one.score});
        classes.iter().map(value).collect()
    };
    match found.as_slice() {
        [one] => entry.insert("classes".to_owned(), json!(list(&one.classes))),
        several => {
            let window = |one: &Found| {
                let [[row, column], [end_row, end_column]] = one.corners;
                json!({"row": row, "column": column, "height": end_row - row, "width": end_column - column,
                       "classes": list(&one.classes)})
            };
            entry.insert("windows".to_owned(), several.iter().map(window).collect())
        }
    };
    if let Some(stem) = stem {
        save(pipeline, file, &info, &found, stem, &mut entry)?;
    }
    Ok(entry.into())
}

fn save(
    pipeline: &Pipeline,
    file: &Path,
    info: &RasterInfo,
    found: &[Found],
    stem: &Path,
    entry: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let path = with_suffix(stem, ".csv");
    let mut table = ScoresWriter::create(&path).map_err(raster_failure)?;
    let labelled = |one: &Found| -> Vec<(String, f32)> {
        one.classes.iter().map(|class| (pipeline.label(class.class).to_string(), class.score)).collect()
    };
    for one in found {
        let labels = labelled(one);
        let labels: Vec<(&str, f32)> = labels.iter().map(|(label, score)| (label.as_str(), *score)).collect();
        table.write(&window_name(file, one, found.len()), &labels).map_err(raster_failure)?;
    }
    let mut bytes = json!({"table": table.finish().map_err(raster_failure)?});
    entry.insert("table".to_owned(), json!(name(&path)));
    if !info.georeference.is_empty() {
        let path = with_suffix(stem, ".geojson");
        let mut footprints = FootprintWriter::create(&path).map_err(polygon_failure)?;
        for one in found {
            let labels = labelled(one);
            let labels: Vec<(&str, f32)> =
                labels.iter().map(|(label, score)| (label.as_str(), *score)).collect();
            let name = window_name(file, one, found.len());
            footprints.write(&name, info, one.corners, &labels).map_err(polygon_failure)?;
        }
        bytes["polygons"] = json!(footprints.finish().map_err(polygon_failure)?.bytes);
        entry.insert("polygons".to_owned(), json!(name(&path)));
    }
    entry.insert("bytes".to_owned(), bytes);
    Ok(())
}

/// The file, and which window of it where there are several.
fn window_name(file: &Path, found: &Found, windows: usize) -> String {
    let [[row, column], _] = found.corners;
    if windows == 1 { name(file) } else { format!("{}#{row},{column}", name(file)) }
}
