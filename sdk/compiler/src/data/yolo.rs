//! YOLO label files: `NAME.txt` beside `NAME.jpg`, or in the sister folder `labels/` of `images/`.
//!
//! The rules of ultralytics 8.4.190 `data/utils.py: verify_image_label`: values up to 1 % outside of 0..=1 are
//! rounding errors, a line of more coordinates is a polygon and counts as the box around it, a line that is
//! there twice counts once, a picture without a label file shows no object.

use std::path::{Path, PathBuf};

use super::{DataError, DetectionSample, Found, LabelForm, Labelled, Samples, TruthBox, TruthRect, files};

/// A label file of more bytes is none.
const MAX_BYTES: u64 = 16 << 20;

/// What a coordinate may exceed 0..=1 by.
const TOLERANCE: f64 = 0.01;

/// Pictures under a folder with their label files; `None` if not one picture has any.
pub(super) fn find(folder: &Path, labels: &[String]) -> Result<Labelled, DataError> {
    let mut found = Found { labels: Some(LabelForm::Yolo), ..Found::default() };
    let mut samples = Vec::new();
    for picture in files::pictures(folder)? {
        let boxes = match label_file(&picture) {
            None => {
                found.unlabelled += 1;
                Vec::new()
            }
            Some(file) => {
                let boxes = parse(&file, &files::text(&file, MAX_BYTES)?, labels)?;
                found.empty += usize::from(boxes.is_empty());
                boxes
            }
        };
        let all = boxes.len();
        let boxes: Vec<_> = boxes.into_iter().filter(|b| b.rect.extent().iter().all(|&v| v > 0.0)).collect();
        found.flat_boxes += all - boxes.len();
        found.boxes += boxes.len();
        samples.push(DetectionSample { picture, boxes });
    }
    let labelled = found.unlabelled < samples.len();
    Ok(labelled.then_some((Samples::Detect(samples), found)))
}

/// The label file of a picture, if there is one.
fn label_file(picture: &Path) -> Option<PathBuf> {
    let beside = picture.with_extension("txt");
    in_sister_folder(&beside).into_iter().chain([beside]).find(|file| file.is_file())
}

/// The path with its last folder called `images` replaced by `labels`.
fn in_sister_folder(path: &Path) -> Option<PathBuf> {
    let images =
        path.ancestors().skip(1).find(|folder| folder.file_name().is_some_and(|name| name == "images"))?;
    Some(images.with_file_name("labels").join(path.strip_prefix(images).ok()?))
}

fn parse(file: &Path, text: &str, labels: &[String]) -> Result<Vec<TruthBox>, DataError> {
    let mut boxes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let found = parse_line(file, index + 1, line, labels)?;
        if !boxes.contains(&found) {
            boxes.push(found);
        }
    }
    Ok(boxes)
}

fn parse_line(file: &Path, number: usize, line: &str, labels: &[String]) -> Result<TruthBox, DataError> {
    let wrong = |found: String, expected: &str| DataError::line(file, number, found, expected);
    let mut values = Vec::new();
    for field in line.split_ascii_whitespace() {
        let value: f64 = field.parse().map_err(|_| wrong(format!("{}", Quoted(field)), "a number"))?;
        values.push(value);
    }
    let (&class, coordinates) = values.split_first().unwrap_or((&f64::NAN, &[]));
    if !(class >= 0.0 && class.fract() == 0.0 && class <= f64::from(u32::MAX)) {
        return Err(wrong(format!("the class {class}"), "a whole number from 0"));
    }
    let class = class as usize;
    if !labels.is_empty() && class >= labels.len() {
        return Err(DataError::class(format!("{}, line {number}", file.display()), class, labels));
    }
    let outside = |v: &&f64| !(-TOLERANCE..=1.0 + TOLERANCE).contains(*v);
    if let Some(value) = coordinates.iter().find(outside) {
        return Err(wrong(format!("the coordinate {value}"), "parts of the picture, 0 to 1"));
    }
    let rect = match *coordinates {
        [_, _, w, h] if w < 0.0 || h < 0.0 => return Err(wrong(format!("a size of {w} x {h}"), "0 or more")),
        [cx, cy, w, h] => [cx, cy, w, h],
        ref polygon if polygon.len() >= 6 && polygon.len() % 2 == 0 => around(polygon),
        ref other => {
            return Err(wrong(
                format!("{} values", other.len() + 1),
                "5 (class cx cy w h) or a polygon (class x1 y1 x2 y2 x3 y3 …)",
            ));
        }
    };
    Ok(TruthBox { class, rect: TruthRect::Parts(rect), crowd: false })
}

/// The box around a polygon `x1 y1 x2 y2 …`, as centre and size.
fn around(polygon: &[f64]) -> [f64; 4] {
    let range = |axis: usize| {
        let values = || polygon.iter().skip(axis).step_by(2).copied();
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((x1, x2), (y1, y2)) = (range(0), range(1));
    [(x1 + x2) / 2.0, (y1 + y2) / 2.0, x2 - x1, y2 - y1]
}

/// A field of a hostile file, cut to what a message can hold.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0.chars().take(40).collect::<String>())
    }
}
