//! COCO's JSON: `images`, `annotations` and `categories`; segmentations and key points are passed over.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::class_names::Names;
use super::{DataError, DetectionSample, Found, LabelForm, Samples, TruthBox, TruthRect, files};

/// Pixels that a box may lie outside of its picture: tools round in different ways.
const TOLERANCE: f64 = 1.0;

#[derive(Deserialize)]
struct Coco {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: f64,
    height: f64,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// The JSON that lies in a folder, or in its `annotations/`.
///
/// # Errors
/// If there are several.
pub(super) fn file_in(folder: &Path) -> Result<Option<PathBuf>, DataError> {
    let mut found = files::with_extension(folder, "json")?;
    let annotations = folder.join("annotations");
    if found.is_empty() && annotations.is_dir() {
        found = files::with_extension(&annotations, "json")?;
    }
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        several => Err(DataError::Several {
            path: folder.into(),
            names: several.iter().map(|path| path.display().to_string()).collect(),
        }),
    }
}

/// Pictures and boxes of a COCO JSON.
///
/// Categories become classes by name where each name is one of `labels`; else by the order of their ids, if
/// there are no labels or as many as categories.
pub(super) fn read(json: &Path, labels: &[String]) -> Result<(Samples, Found), DataError> {
    let file = File::open(json).map_err(|source| DataError::io(json, source))?;
    let coco: Coco = serde_json::from_reader(BufReader::new(file))
        .map_err(|e| DataError::coco(json, e.to_string(), "a COCO JSON (images, annotations, categories)"))?;
    let classes = classes(json, &coco, labels)?;
    let mut found = Found { labels: Some(LabelForm::Coco), ..Found::default() };
    found.classes = names_in_order(&coco.categories);
    let mut boxes = boxes_by_image(json, &coco, &classes, &mut found)?;
    let mut samples = Vec::new();
    for image in &coco.images {
        let boxes = boxes.remove(&image.id).unwrap_or_default();
        found.empty += usize::from(boxes.is_empty());
        samples.push(DetectionSample { picture: picture(json, &image.file_name)?, boxes });
    }
    samples.sort_by(|a, b| a.picture.cmp(&b.picture));
    Ok((Samples::Detect(samples), found))
}

fn names_in_order(categories: &[Category]) -> Vec<String> {
    let mut sorted: Vec<_> = categories.iter().collect();
    sorted.sort_by_key(|category| category.id);
    sorted.iter().map(|category| category.name.clone()).collect()
}

/// Class of each category id.
fn classes(json: &Path, coco: &Coco, labels: &[String]) -> Result<HashMap<u64, usize>, DataError> {
    let used: std::collections::HashSet<_> = coco.annotations.iter().map(|a| a.category_id).collect();
    let names = Names::of(labels);
    let by_name: HashMap<_, _> =
        coco.categories.iter().filter_map(|c| Some((c.id, names.only(&c.name)?))).collect();
    if !labels.is_empty() && used.iter().all(|id| by_name.contains_key(id)) {
        return Ok(by_name);
    }
    let mut ids: Vec<_> = coco.categories.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != coco.categories.len() {
        return Err(DataError::coco(json, "two categories of one id", "an id for each category"));
    }
    if !labels.is_empty() && ids.len() != labels.len() {
        let strange = coco.categories.iter().find(|c| used.contains(&c.id) && !by_name.contains_key(&c.id));
        let name = strange.map_or_else(String::new, |c| format!("{:?}", c.name));
        return Err(DataError::class(json.display().to_string(), name, labels));
    }
    Ok(ids.into_iter().zip(0..).collect())
}

fn boxes_by_image(
    json: &Path,
    coco: &Coco,
    classes: &HashMap<u64, usize>,
    found: &mut Found,
) -> Result<HashMap<u64, Vec<TruthBox>>, DataError> {
    let images: HashMap<_, _> = coco.images.iter().map(|image| (image.id, image)).collect();
    if images.len() != coco.images.len() {
        return Err(DataError::coco(json, "two images of one id", "an id for each image"));
    }
    let mut boxes: HashMap<u64, Vec<TruthBox>> = HashMap::new();
    for annotation in &coco.annotations {
        let wrong = |what: String, expected: &str| {
            DataError::coco(json, format!("annotation {} with {what}", annotation.id), expected)
        };
        let Annotation { image_id, category_id, bbox, .. } = *annotation;
        let image = images
            .get(&image_id)
            .ok_or_else(|| wrong(format!("image_id {image_id}"), "an image of this id"))?;
        let class = *classes
            .get(&category_id)
            .ok_or_else(|| wrong(format!("category_id {category_id}"), "a category of this id"))?;
        if !lies_in(bbox, image) {
            let size = format!("a box [x, y, w, h] inside of {} x {} pixels", image.width, image.height);
            return Err(wrong(format!("the box {bbox:?}"), &size));
        }
        if bbox[2] == 0.0 || bbox[3] == 0.0 {
            found.flat_boxes += 1;
            continue;
        }
        found.boxes += 1;
        let truth = TruthBox { class, rect: TruthRect::Pixels(bbox), crowd: annotation.iscrowd != 0 };
        boxes.entry(image_id).or_default().push(truth);
    }
    Ok(boxes)
}

fn lies_in([x, y, w, h]: [f64; 4], image: &Image) -> bool {
    // A comparison with NaN is false.
    x >= -TOLERANCE
        && y >= -TOLERANCE
        && w >= 0.0
        && h >= 0.0
        && x + w <= image.width + TOLERANCE
        && y + h <= image.height + TOLERANCE
}

/// The picture of an image entry: beside the JSON, in `images/`, or in the layout of COCO's own archives
/// (`annotations/instances_NAME.json` with `NAME/` or `images/NAME/`).
fn picture(json: &Path, name: &str) -> Result<PathBuf, DataError> {
    let relative = Path::new(name);
    if relative.as_os_str().is_empty()
        || !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
    {
        return Err(DataError::coco(
            json,
            format!("the file_name {name:?}"),
            "a path inside of the data set",
        ));
    }
    let folder = json.parent().unwrap_or(Path::new(""));
    let stem = files::stem(json);
    let split = stem.split_once('_').map_or("", |(_, split)| split);
    let mut folders = vec![folder.to_owned(), folder.join("images")];
    if let Some(above) = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_owned)) {
        folders.extend([above.join(split), above.join("images").join(split), above.join("images"), above]);
    }
    folders.iter().map(|folder| folder.join(relative)).find(|path| path.is_file()).ok_or_else(|| {
        DataError::MissingFile {
            place: json.display().to_string(),
            name: name.to_owned(),
            looked_in: folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
        }
    })
}
