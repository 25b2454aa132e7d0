//! Labels for classification: one folder a class, a CSV, or file names that start with a WordNet id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::class_names::Names;
use super::{ClassSample, DataError, Found, LabelForm, Labelled, MultiLabelSample, Samples, csv, files};

/// A CSV of more bytes is none.
const MAX_CSV: u64 = 1 << 30;

/// Names a header line gives to the column of files.
const FILE_COLUMNS: [&str; 7] = ["file", "filename", "file_name", "image", "picture", "path", "name"];

/// Samples under a folder or of a CSV; `None` where nothing says a class.
pub(super) fn find(path: &Path, is_folder: bool, labels: &[String]) -> Result<Labelled, DataError> {
    if !is_folder {
        return if files::has_extension(path, "csv") { from_csv(path, labels).map(Some) } else { Ok(None) };
    }
    match files::with_extension(path, "csv")?.as_slice() {
        [] => {}
        [only] => return from_csv(only, labels).map(Some),
        several => {
            let names = several.iter().map(|path| path.display().to_string()).collect();
            return Err(DataError::Several { path: path.into(), names });
        }
    }
    match from_folders(path, labels)? {
        None => from_wordnet(path, labels),
        found => Ok(found),
    }
}

/// One folder a class. With labels, folders are matched by name, by the words after a WordNet id, or by number;
/// 1000 folders that are bare WordNet ids are ImageNet's classes in the order of the ids. Without labels the
/// sorted folders are the classes.
fn from_folders(root: &Path, labels: &[String]) -> Result<Labelled, DataError> {
    let mut folders = Vec::new();
    for folder in files::entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let pictures = files::pictures(&folder)?;
        if !pictures.is_empty() {
            folders.push((folder, pictures));
        }
    }
    // A lone `images/` says no class.
    if folders.len() < 2 {
        return Ok(None);
    }
    let names: Vec<_> = folders.iter().map(|(folder, _)| file_name(folder)).collect();
    let classes = classes_of_folders(root, &names, labels)?;
    let mut samples = Vec::new();
    for ((_, pictures), class) in folders.into_iter().zip(classes) {
        samples.extend(pictures.into_iter().map(|picture| ClassSample { picture, class }));
    }
    let mut found = Found { labels: Some(LabelForm::Folders), ..Found::default() };
    found.unlabelled =
        files::entries(root)?.iter().filter(|path| path.is_file() && files::is_picture(path)).count();
    found.classes = names;
    Ok(Some((Samples::Classify(samples), found)))
}

fn classes_of_folders(root: &Path, names: &[String], labels: &[String]) -> Result<Vec<usize>, DataError> {
    if labels.is_empty() {
        return Ok((0..names.len()).collect());
    }
    let bare_ids = names.iter().all(|name| matches!(wordnet(name), Some((_, ""))));
    if bare_ids && names.len() == 1000 && matches!(labels.len(), 1000 | 1001) {
        return Ok((labels.len() - 1000..labels.len()).collect());
    }
    let known = Names::of(labels);
    names.iter().map(|name| class_of(&root.join(name).display().to_string(), name, &known, labels)).collect()
}

/// The class that a text means: a label, the words after a WordNet id, or a number.
fn class_of(place: &str, text: &str, known: &Names, labels: &[String]) -> Result<usize, DataError> {
    let words = wordnet(text).map_or(text, |(_, words)| words);
    let matches = match known.all(text) {
        [] => known.all(words),
        matches => matches,
    };
    match (matches, text.parse::<usize>()) {
        ([class], _) => Ok(*class),
        ([], Ok(class)) if class < labels.len() || labels.is_empty() => Ok(class),
        ([], _) => Err(DataError::class(place.to_owned(), format!("{text:?}"), labels)),
        (several, _) => Err(DataError::Ambiguous {
            place: place.to_owned(),
            class: text.to_owned(),
            matches: several.to_vec(),
        }),
    }
}

/// A CSV of file and label (a header line is passed over, further columns are not looked at). Files lie beside
/// the CSV; a label is a name or a number. A file that stands on several lines has several labels, and so has each
/// under a header `labels`, where a field holds them with `;` or `|` between (nothing: none is there).
fn from_csv(csv_file: &Path, labels: &[String]) -> Result<(Samples, Found), DataError> {
    let text = files::text(csv_file, MAX_CSV)?;
    let text = text.trim_start_matches('\u{feff}');
    let separator = csv::separator(text.lines().next().unwrap_or_default());
    let known = Names::of(labels);
    let folder = csv_file.parent().unwrap_or(Path::new(""));
    let mut samples: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    let mut is_multi_label = false;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields = csv::fields(line, separator);
        let [name, label, ..] = fields.as_slice() else {
            return Err(DataError::line(csv_file, index + 1, "one field", "a file and its label"));
        };
        if index == 0 && FILE_COLUMNS.contains(&name.to_lowercase().as_str()) {
            is_multi_label = label.eq_ignore_ascii_case("labels");
            continue;
        }
        let place = format!("{}, line {}", csv_file.display(), index + 1);
        let picture = folder.join(name);
        if name.is_empty() || !picture.exists() {
            let looked_in = folder.display().to_string();
            return Err(DataError::MissingFile { place, name: name.clone(), looked_in });
        }
        let among = if is_multi_label { [';', '|'].as_slice() } else { &[] };
        let classes = samples.entry(picture).or_default();
        for label in label.split(among).filter(|label| !is_multi_label || !label.trim().is_empty()) {
            let class = class_of(&place, label.trim(), &known, labels)?;
            if classes.contains(&class) {
                return Err(DataError::line(
                    csv_file,
                    index + 1,
                    format!("{name:?} as {label:?} again"),
                    "each once",
                ));
            }
            classes.push(class);
        }
    }
    is_multi_label |= samples.values().any(|classes| classes.len() != 1);
    let found = Found { labels: Some(LabelForm::Csv), ..Found::default() };
    Ok((if is_multi_label { several(samples) } else { one_each(samples) }, found))
}

fn several(samples: BTreeMap<PathBuf, Vec<usize>>) -> Samples {
    let sample = |(picture, mut classes): (PathBuf, Vec<usize>)| {
        classes.sort_unstable();
        MultiLabelSample { picture, classes }
    };
    Samples::MultiLabel(samples.into_iter().map(sample).collect())
}

fn one_each(samples: BTreeMap<PathBuf, Vec<usize>>) -> Samples {
    let sample = |(picture, classes): (PathBuf, Vec<usize>)| {
        classes.into_iter().map(move |class| ClassSample { picture: picture.clone(), class })
    };
    Samples::Classify(samples.into_iter().flat_map(sample).collect())
}

/// Files called `n01440764_tench.JPEG`. Without labels nothing can be said; a name that two labels carry
/// (ImageNet has two cranes) is told by the order of the ids, which is the order of the labels.
fn from_wordnet(root: &Path, labels: &[String]) -> Result<Labelled, DataError> {
    let known = Names::of(labels);
    let mut candidates = Vec::new();
    let mut found = Found { labels: Some(LabelForm::WordNet), ..Found::default() };
    for picture in files::pictures(root)? {
        let name = files::stem(&picture);
        let Some((id, words)) = wordnet(&name).filter(|(_, words)| !words.is_empty()) else {
            found.unlabelled += 1;
            continue;
        };
        let classes = known.all(words).to_vec();
        if classes.is_empty() && !labels.is_empty() {
            return Err(DataError::class(picture.display().to_string(), format!("{words:?}"), labels));
        }
        candidates.push((id, picture, classes));
    }
    if candidates.is_empty() || labels.is_empty() {
        return Ok(None);
    }
    let sure: Vec<_> = candidates.iter().filter(|c| c.2.len() == 1).map(|c| (c.0, c.2[0])).collect();
    let mut samples = Vec::new();
    for (id, picture, classes) in candidates {
        let class = by_order(id, &classes, &sure).ok_or_else(|| DataError::Ambiguous {
            place: picture.display().to_string(),
            class: files::stem(&picture),
            matches: classes,
        })?;
        samples.push(ClassSample { picture, class });
    }
    Ok(Some((Samples::Classify(samples), found)))
}

/// The one class that lies between those of the neighbouring ids.
fn by_order(id: u32, classes: &[usize], sure: &[(u32, usize)]) -> Option<usize> {
    if let [only] = classes {
        return Some(*only);
    }
    let fits = |class: usize| sure.iter().all(|&(other, its)| id.cmp(&other) == class.cmp(&its));
    let mut fitting = classes.iter().copied().filter(|&class| fits(class));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// A WordNet id (`n` and eight digits) at the start of a name, and what follows it.
fn wordnet(name: &str) -> Option<(u32, &str)> {
    let (digits, rest) = name.strip_prefix('n')?.split_at_checked(8)?;
    let id = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    match rest.strip_prefix(['_', '-', ' ']) {
        Some(words) => Some((id, words)),
        None => rest.is_empty().then_some((id, "")),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
