//! The inputs of `run`: files as they are given, folders by what the model takes.

use std::path::{Path, PathBuf};

use farsight_spec::Input;
use farsight_vision::picture::{EXTENSIONS, looks_like_picture};

use crate::failure::Failure;

/// Files as they are given; of a folder those that the model takes, sorted.
pub(crate) fn expand(given: &[PathBuf], input: &Input) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let found = files_of(path, input)?;
            if found.is_empty() {
                return Err(Failure::new(
                    "no-input",
                    format!("{}: this folder holds no {}", path.display(), what(input)),
                ));
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn files_of(folder: &Path, input: &Input) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Failure::io(folder, error))? {
        let path = entry.map_err(|error| Failure::io(folder, error))?.path();
        let is_taken = match input {
            // A damaged file that is called a picture is reported by whoever reads it, not left out in silence.
            Input::Frame(_) => has_extension(&path, &EXTENSIONS) || looks_like_picture(&path),
            Input::Raster(_) => has_extension(&path, &["tif", "tiff"]),
            Input::Tensors => has_extension(&path, &["npy"]),
        };
        if path.is_file() && is_taken {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| known.iter().any(|k| e.eq_ignore_ascii_case(k)))
}

fn what(input: &Input) -> &'static str {
    match input {
        Input::Frame(_) => "pictures",
        Input::Raster(_) => "GeoTIFF files (.tif, .tiff)",
        Input::Tensors => ".npy files",
    }
}
