//! A picture through the model.

use std::path::Path;

use farsight::{Answer, Frame, Pipeline};
use farsight_vision::{Picture, picture};
use serde_json::{Value, json};

use super::draw::{Classes, Mark, draw_boxes, draw_mask, save};
use super::{Failure, entry, mask_labels, name, with_suffix};

/// Runs a picture file; with `stem`, writes `STEM.png` with the answer drawn, and `STEM.mask.png` for a mask.
pub(super) fn run(pipeline: &mut Pipeline, file: &Path, stem: Option<&Path>) -> Result<Value, Failure> {
    let mut picture = picture::read(file).map_err(|error| Failure::new("picture", error))?;
    let found = infer(pipeline, &picture)?;
    let mut entry = entry(pipeline, file, picture.size(), pipeline.times());
    match found {
        Found::Detections(list, marks) => {
            entry.insert("detections".to_owned(), list);
            if let Some(stem) = stem {
                draw_boxes(&mut picture, &marks);
                entry.insert("picture".to_owned(), json!(name(&write(&picture, stem, ".png")?)));
            }
        }
        Found::Classes(list) => {
            if stem.is_some() {
                log::warn!("{}: classes are not drawn; --save writes nothing for them", file.display());
            }
            entry.insert("classes".to_owned(), list);
        }
        Found::Mask(mask, mut labels) => {
            labels["file"] = Value::Null;
            if let Some(stem) = stem {
                labels["file"] = json!(name(&write_mask(&mask, picture.size(), stem)?));
                let names = pipeline.spec().output.labels();
                let classes =
                    Classes { labels: names, clear: Some(0), nodata: Some(farsight_vision::NOT_SEEN) };
                let drawn = draw_mask(&picture, &mask, picture.size(), &classes);
                labels["picture"] = json!(name(&write(&drawn, stem, ".png")?));
            }
            entry.insert("mask".to_owned(), labels);
        }
    }
    Ok(entry.into())
}

/// An answer that no longer borrows the pipeline.
enum Found {
    Detections(Value, Vec<Mark>),
    Classes(Value),
    Mask(Vec<u8>, Value),
}

fn infer(pipeline: &mut Pipeline, picture: &Picture) -> Result<Found, Failure> {
    let frame = Frame::rgb8(picture.width, picture.height, &picture.rgb).map_err(farsight::Error::from)?;
    // Labels are looked up after the answer's borrow ends, so the answer is copied first.
    let (boxes, classes, mask) = match pipeline.run(&frame)? {
        Answer::Detections(found) => (Some(found.to_vec()), None, None),
        Answer::Classes(found) => (None, Some(found.to_vec()), None),
        Answer::Mask(mask) => (None, None, Some(mask.classes.clone())),
        Answer::Tensors => {
            return Err(Failure::new("wrong-task", "this model has no decoder: give it .npy tensors"));
        }
    };
    if let Some(found) = boxes {
        let marks =
            found.iter().map(|d| Mark::new(d.bbox, d.class, &pipeline.label(d.class), d.score)).collect();
        let list = found.iter().map(
            |d| json!({"label": pipeline.label(d.class), "class": d.class, "score": d.score, "box": d.bbox}),
        );
        return Ok(Found::Detections(list.collect(), marks));
    }
    if let Some(found) = classes {
        let list = found
            .iter()
            .map(|c| json!({"label": pipeline.label(c.class), "class": c.class, "score": c.score}));
        return Ok(Found::Classes(list.collect()));
    }
    let mask = mask.unwrap_or_default();
    let mut pixels = vec![0u64; 256];
    for class in &mask {
        pixels[usize::from(*class)] += 1;
    }
    let known = pipeline.spec().output.labels().len();
    let seen = pixels[..255].iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    pixels.truncate(known.max(seen));
    let labels = mask_labels(pipeline, &pixels, None);
    Ok(Found::Mask(mask, json!({"labels": labels})))
}

fn write(picture: &Picture, stem: &Path, suffix: &str) -> Result<std::path::PathBuf, Failure> {
    let path = with_suffix(stem, suffix);
    save(picture, &path).map_err(|error| Failure::new("write", format!("{error:#}")))?;
    Ok(path)
}

/// The mask as a grey picture whose values are class numbers.
fn write_mask(mask: &[u8], [height, width]: [usize; 2], stem: &Path) -> Result<std::path::PathBuf, Failure> {
    let path = with_suffix(stem, ".mask.png");
    super::draw::save_grey(mask, [height, width], &path)
        .map_err(|error| Failure::new("write", format!("{error:#}")))?;
    Ok(path)
}
