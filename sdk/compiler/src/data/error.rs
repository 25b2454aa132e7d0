//! What can be wrong with a data set, told to the person who made it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named for what they hold
pub enum DataError {
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}. Check the path and the permissions", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The folder holds nothing that a model could take.
    #[error(
        "{}: found no pictures, rasters or .npy tensors, expected at least one. Give the folder that holds them",
        path.display()
    )]
    Nothing { path: PathBuf },
    /// A line of a label file does not hold.
    #[error("{}, line {line}: found {found}, expected {expected}. Correct the line or remove it", file.display())]
    Line { file: PathBuf, line: usize, found: String, expected: String },
    /// A COCO JSON does not hold together.
    #[error("{}: {found}, expected {expected}. Export the annotations again", file.display())]
    Coco { file: PathBuf, found: String, expected: String },
    /// A class that the model does not know.
    #[error(
        "{}: found class {class}, expected one of the model's {known}. Give the labels that belong to the model and \
         the data (--labels)",
        place
    )]
    Class { place: String, class: String, known: String },
    /// A label that several classes carry.
    #[error(
        "{}: the label {class:?} belongs to classes {} of the model, expected one. Give the class as a number in a CSV",
        place,
        matches.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ")
    )]
    Ambiguous { place: String, class: String, matches: Vec<usize> },
    /// Several annotation files, and no way to tell which one is meant.
    #[error(
        "{}: found several annotation files ({}), expected one. Give the one that is meant instead of the folder",
        path.display(),
        names.join(", ")
    )]
    Several { path: PathBuf, names: Vec<String> },
    /// Labels name a file that is not there.
    #[error(
        "{place}: names the file {name:?}, which is not in {looked_in}. Give the pictures beside the labels"
    )]
    MissingFile { place: String, name: String, looked_in: String },
}

impl DataError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(super) fn line(
        file: &Path,
        line: usize,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Line { file: file.into(), line, found: found.into(), expected: expected.into() }
    }

    pub(super) fn coco(file: &Path, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Coco { file: file.into(), found: found.into(), expected: expected.into() }
    }

    /// A class number beyond the labels.
    pub(super) fn class(place: String, class: impl ToString, labels: &[String]) -> Self {
        let known = match labels {
            [only] => format!("1 class (0 = {only})"),
            _ => format!("{} classes (0 to {})", labels.len(), labels.len().saturating_sub(1)),
        };
        Self::Class { place, class: class.to_string(), known }
    }
}
