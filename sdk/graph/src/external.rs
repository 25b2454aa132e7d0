//! External data: weights that lie in files beside the model, loaded into the document.
//!
//! A tensor names a file relative to the model, and where in it the bytes lie (ONNX's
//! `docs/ExternalData.md`). All three come from outside and are checked before anything is read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::Document;
use crate::onnx::tensor_proto::DataLocation;
use crate::onnx::{GraphProto, NodeProto, TensorProto};
use crate::tensor::TensorError;

/// External data of one model that are taken at most; a compile holds them in memory.
const MAX_TOTAL: u64 = 16 << 30;

/// Why weights in other files could not be loaded.
#[derive(Debug, Error)]
pub enum ExternalError {
    /// The tensor does not say which file.
    #[error("tensor {tensor:?}: external data without a location")]
    NoLocation {
        /// The tensor's name.
        tensor: String,
    },
    /// A path that leads out of the model's folder, or might.
    #[error(
        "tensor {tensor:?}: external data at {location:?}; only a file inside the model's folder is taken"
    )]
    Outside {
        /// The tensor's name.
        tensor: String,
        /// The path as written.
        location: String,
    },
    /// An offset or length that is no number.
    #[error("tensor {tensor:?}: external {key} is {found:?}, a number of bytes was expected")]
    NotANumber {
        /// The tensor's name.
        tensor: String,
        /// `offset` or `length`.
        key: &'static str,
        /// The text as written.
        found: String,
    },
    /// The length is not what type and shape need.
    #[error("tensor {tensor:?}: external length is {found} bytes, its type and shape need {expected}")]
    Length {
        /// The tensor's name.
        tensor: String,
        /// Bytes as written.
        found: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// The file ends too early.
    #[error(
        "tensor {tensor:?}: needs bytes {offset} to {end} of {}, which has {size}; was it copied whole?",
        path.display()
    )]
    Short {
        /// The tensor's name.
        tensor: String,
        /// The file.
        path: PathBuf,
        /// First byte needed.
        offset: u64,
        /// End of the bytes needed.
        end: u64,
        /// Bytes the file has.
        size: u64,
    },
    /// More than a compile can hold.
    #[error("more than {MAX_TOTAL} bytes of external data, which is more than can be compiled here")]
    TooMuch,
    /// The file system said no.
    #[error("tensor {tensor:?}: cannot read external data {}: {source}", path.display())]
    Io {
        /// The tensor's name.
        tensor: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tensor's own type or shape is wrong.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Loads all external data from files inside `folder`.
pub(crate) fn load(document: &mut Document, folder: &Path) -> Result<(), ExternalError> {
    let mut loader = Loader { folder, files: HashMap::new(), total: 0 };
    loader.graph(&mut document.graph)?;
    for function in &mut document.model.functions {
        loader.nodes(&mut function.node)?;
    }
    Ok(())
}

struct Loader<'f> {
    folder: &'f Path,
    files: HashMap<String, Opened>,
    total: u64,
}

struct Opened {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Loader<'_> {
    fn graph(&mut self, graph: &mut GraphProto) -> Result<(), ExternalError> {
        let sparse =
            graph.sparse_initializer.iter_mut().flat_map(|it| it.values.iter_mut().chain(&mut it.indices));
        graph.initializer.iter_mut().chain(sparse).try_for_each(|tensor| self.tensor(tensor))?;
        self.nodes(&mut graph.node)
    }

    fn nodes(&mut self, nodes: &mut [NodeProto]) -> Result<(), ExternalError> {
        for attribute in nodes.iter_mut().flat_map(|node| &mut node.attribute) {
            attribute
                .t
                .as_deref_mut()
                .into_iter()
                .chain(&mut attribute.tensors)
                .try_for_each(|tensor| self.tensor(tensor))?;
            attribute
                .g
                .as_deref_mut()
                .into_iter()
                .chain(&mut attribute.graphs)
                .try_for_each(|graph| self.graph(graph))?;
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &mut TensorProto) -> Result<(), ExternalError> {
        if !tensor.is_external() {
            return Ok(());
        }
        let name = tensor.name().to_owned();
        let entry = |key: &str| {
            tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned())
        };
        let location = entry("location").ok_or_else(|| ExternalError::NoLocation { tensor: name.clone() })?;
        let offset = number(&name, "offset", entry("offset"))?.unwrap_or(0);
        let expected = tensor.byte_len()? as u64;
        match number(&name, "length", entry("length"))? {
            Some(found) if found != expected => {
                return Err(ExternalError::Length { tensor: name, found, expected });
            }
            _ => {}
        }
        self.total = self.total.saturating_add(expected);
        if self.total > MAX_TOTAL {
            return Err(ExternalError::TooMuch);
        }
        tensor.raw_data = Some(self.slice(&name, &location, offset, expected)?);
        tensor.external_data.clear();
        tensor.data_location = Some(DataLocation::Default as i32);
        Ok(())
    }

    fn slice(
        &mut self,
        tensor: &str,
        location: &str,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, ExternalError> {
        let opened = match self.files.entry(location.to_owned()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(open(self.folder, tensor, location)?)
            }
        };
        let end = offset.saturating_add(length);
        if end > opened.size {
            let (path, size) = (opened.path.clone(), opened.size);
            return Err(ExternalError::Short { tensor: tensor.to_owned(), path, offset, end, size });
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| ExternalError::TooMuch)?];
        let read = opened.file.seek(SeekFrom::Start(offset)).and_then(|_| opened.file.read_exact(&mut bytes));
        read.map_err(|source| ExternalError::Io {
            tensor: tensor.to_owned(),
            path: opened.path.clone(),
            source,
        })?;
        Ok(Bytes::from(bytes))
    }
}

fn number(tensor: &str, key: &'static str, text: Option<String>) -> Result<Option<u64>, ExternalError> {
    let parse = |text: String| {
        text.parse().map_err(|_| ExternalError::NotANumber { tensor: tensor.to_owned(), key, found: text })
    };
    text.map(parse).transpose()
}

/// Opens a file whose path, links followed, lies inside `folder`.
fn open(folder: &Path, tensor: &str, location: &str) -> Result<Opened, ExternalError> {
    let outside = || ExternalError::Outside { tensor: tensor.to_owned(), location: location.to_owned() };
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || location.contains('\\') || !Path::new(location).components().all(plain) {
        return Err(outside());
    }
    let path = folder.join(location);
    let io = |source| ExternalError::Io { tensor: tensor.to_owned(), path: path.clone(), source };
    let real = fs::canonicalize(&path).map_err(io)?;
    if !real.starts_with(fs::canonicalize(folder).map_err(io)?) {
        return Err(outside());
    }
    let metadata = fs::metadata(&real).map_err(io)?;
    if !metadata.is_file() {
        return Err(outside());
    }
    let file = File::open(&real).map_err(io)?;
    Ok(Opened { file, size: metadata.len(), path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DocumentError;
    use crate::onnx::StringStringEntryProto;
    use crate::testing::{document, graph};

    fn external(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut tensor = TensorProto::new("w", &[2], &[0.0f32; 2]);
        tensor.raw_data = None;
        tensor.data_location = Some(DataLocation::External as i32);
        tensor.external_data = entries
            .iter()
            .map(|(key, value)| StringStringEntryProto {
                key: Some((*key).into()),
                value: Some((*value).into()),
            })
            .collect();
        let mut graph = graph(&["x"], &["y"], vec![NodeProto::new("Add", "", &["x", "w"], &["y"])]);
        graph.initializer.push(tensor);
        document(graph).to_bytes().unwrap()
    }

    #[test]
    fn weights_beside_the_model_are_loaded_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let data: Vec<u8> = [9.0f32, 1.5, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(folder.path().join("w.bin"), data).unwrap();
        let path = folder.path().join("m.onnx");
        fs::write(&path, external(&[("location", "w.bin"), ("offset", "4"), ("length", "8")])).unwrap();
        let document = Document::read(&path).unwrap();
        assert_eq!(document.graph.initializer[0].values::<f32>().unwrap(), [1.5, -2.0]);
        let one_file = Document::parse(document.to_bytes().unwrap().into(), None).unwrap();
        assert_eq!(one_file.graph.initializer[0].values::<f32>().unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn what_leads_elsewhere_or_does_not_fit_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("model");
        fs::create_dir(&folder).unwrap();
        fs::write(outer.path().join("secret"), [0; 64]).unwrap();
        fs::write(folder.join("w.bin"), [0; 8]).unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link")).unwrap();
        let secret = outer.path().join("secret");
        let cases: [(&[(&str, &str)], &str); 10] = [
            (&[], "without a location"),
            (&[("location", "../secret")], "only a file inside"),
            (&[("location", secret.to_str().unwrap())], "only a file inside"),
            (&[("location", "link")], "only a file inside"),
            (&[("location", "")], "only a file inside"),
            (&[("location", "missing.bin")], "missing.bin"),
            (&[("location", "w.bin"), ("offset", "4")], "needs bytes 4 to 12"),
            (&[("location", "w.bin"), ("offset", "18446744073709551615")], "which has 8"),
            (&[("location", "w.bin"), ("offset", "-1")], "a number of bytes"),
            (&[("location", "w.bin"), ("length", "7")], "is 7 bytes, its type and shape need 8"),
        ];
        for (entries, expected) in cases {
            let error = Document::parse(external(entries).into(), Some(&folder)).unwrap_err();
            assert!(matches!(error, DocumentError::External(_)));
            assert!(error.to_string().contains(expected), "{entries:?}: {error}");
        }
    }

    #[test]
    fn without_a_folder_the_data_stay_where_they_are() {
        let bytes = external(&[("location", "w.bin")]);
        let document = Document::parse(bytes.clone().into(), None).unwrap();
        assert!(document.graph.initializer[0].values::<f32>().is_err());
        assert_eq!(document.to_bytes().unwrap(), bytes);
    }
}
