//! Masks for segmentation: folders `images/` and `masks/`, or names that belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{DataError, Found, LabelForm, Labelled, MaskSample, Samples, files};

/// What a mask's name has after the picture's.
const SUFFIXES: [&str; 3] = ["_mask", "-mask", "_label"];

/// Pictures with their masks; `None` where nothing looks like a mask.
pub(super) fn find(root: &Path) -> Result<Labelled, DataError> {
    let (images, masks) = (root.join("images"), root.join("masks"));
    let pairs = if images.is_dir() && masks.is_dir() {
        in_folders(&images, &masks)?
    } else {
        by_name(files::pictures(root)?)
    };
    if pairs.samples.is_empty() {
        return Ok(None);
    }
    let found = Found { labels: Some(LabelForm::Masks), unlabelled: pairs.alone, ..Found::default() };
    Ok(Some((Samples::Segment(pairs.samples), found)))
}

/// Pictures with a mask, and how many have none.
#[derive(Default)]
struct Pairs {
    samples: Vec<MaskSample>,
    alone: usize,
}

impl Pairs {
    fn add(&mut self, picture: PathBuf, mask: Option<PathBuf>) {
        match mask {
            Some(mask) => self.samples.push(MaskSample { picture, mask }),
            None => self.alone += 1,
        }
    }
}

/// `images/a/NAME.jpg` with `masks/a/NAME.png` or `masks/a/NAME_mask.png`.
fn in_folders(images: &Path, masks: &Path) -> Result<Pairs, DataError> {
    let by_key: BTreeMap<_, _> =
        files::pictures(masks)?.into_iter().map(|mask| (key(masks, &mask), mask)).collect();
    let mut pairs = Pairs::default();
    for picture in files::pictures(images)? {
        let mask = by_key.get(&key(images, &picture)).cloned();
        pairs.add(picture, mask);
    }
    Ok(pairs)
}

/// What a picture and its mask have in common: the path inside of `root`, without extension and suffix.
fn key(root: &Path, file: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).with_file_name(without_suffix(&files::stem(file)))
}

/// `NAME.jpg` with `NAME_mask.*`, else with `NAME.png` (as Pascal VOC's classes, stored without loss).
fn by_name(files: Vec<PathBuf>) -> Pairs {
    let mut groups: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        groups.entry(key(Path::new(""), &file)).or_default().push(file);
    }
    let mut pairs = Pairs::default();
    for (_, mut group) in groups {
        let is_mask = |file: &PathBuf| without_suffix(&files::stem(file)) != files::stem(file);
        let mask = group.iter().position(is_mask).or_else(|| {
            let png = group.iter().position(|file| files::has_extension(file, "png"));
            png.filter(|_| group.len() == 2)
        });
        let mask = mask.map(|at| group.remove(at));
        for picture in group {
            pairs.add(picture, mask.clone());
        }
    }
    pairs
}

fn without_suffix(name: &str) -> &str {
    SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name)
}
