//! The document: a model file read, asked about itself, written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use crate::external::{self, ExternalError};
use crate::onnx::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::wire::{self, UnknownFields, WireError};

/// The most a protobuf file can hold: its lengths are signed 32-bit numbers.
pub const MAX_BYTES: usize = i32::MAX as usize;

/// Why a model file could not be read or written.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The file system said no.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Any error of a file's content, with the file.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<DocumentError>,
    },
    /// Nothing in it.
    #[error("empty (0 bytes); an ONNX model was expected")]
    Empty,
    /// Something else than an ONNX model.
    #[error("not an ONNX model: {found}")]
    NotOnnx {
        /// What it looks like, or what is missing.
        found: String,
    },
    /// An ONNX model, cut short or changed.
    #[error("{0}")]
    Damaged(#[from] WireError),
    /// Bytes that have the right form but hold no model: text that is no UTF-8, for one.
    #[error("damaged: {0}")]
    Content(#[from] prost::DecodeError),
    /// Beyond what protobuf can hold.
    #[error(
        "{bytes} bytes in one protobuf file, which holds {MAX_BYTES} at most; keep the weights as external data \
         or store them as float16 or int8"
    )]
    TooLarge {
        /// Bytes found or needed.
        bytes: u64,
    },
    /// Weights in other files could not be loaded.
    #[error(transparent)]
    External(#[from] ExternalError),
}

/// An ONNX model in memory. Weights are slices of the buffer that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Everything but the graph: opsets, producer, metadata, functions. Its own `graph` stays `None`.
    pub model: ModelProto,
    /// The main graph.
    pub graph: GraphProto,
    /// What the file held beyond what this version knows; [`Document::to_bytes`] cannot write it back.
    pub unknown: Option<UnknownFields>,
}

impl Document {
    /// A document around a graph, for models made in code.
    pub fn new(graph: GraphProto, opset: i64) -> Self {
        let mut model = ModelProto { producer_name: Some("farsight".into()), ..ModelProto::default() };
        model.ir_version = Some(ir_version_for(opset));
        model.opset_import.push(OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) });
        Self { model, graph, unknown: None }
    }

    /// Reads a model file, and the files beside it that hold its weights.
    ///
    /// # Errors
    /// A file that cannot be read, is no ONNX model, is damaged, or is larger than protobuf allows;
    /// external data that are missing, too short, or outside the model's folder.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let io = |source| DocumentError::Io { path: path.to_owned(), action: "read", source };
        let file = |error| DocumentError::File { path: path.to_owned(), error: Box::new(error) };
        let metadata = fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
        }
        if metadata.len() > MAX_BYTES as u64 {
            return Err(file(DocumentError::TooLarge { bytes: metadata.len() }));
        }
        let bytes = Bytes::from(fs::read(path).map_err(io)?);
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Self::parse(bytes, Some(folder)).map_err(file)
    }

    /// Takes a model from memory. `folder` is where its external data lie; without one they stay where they
    /// are, and their tensors cannot be read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(bytes: Bytes, folder: Option<&Path>) -> Result<Self, DocumentError> {
        if bytes.is_empty() {
            return Err(DocumentError::Empty);
        }
        if let Some(found) = foreign(&bytes) {
            return Err(DocumentError::NotOnnx { found: found.to_owned() });
        }
        if bytes.len() > MAX_BYTES {
            return Err(DocumentError::TooLarge { bytes: bytes.len() as u64 });
        }
        let unknown = wire::walk(&bytes)?;
        let mut model = ModelProto::decode(bytes)?;
        let missing = |what: &str| DocumentError::NotOnnx { found: format!("it has no {what}") };
        let graph = model.graph.take().ok_or_else(|| missing("graph"))?;
        if model.opset_import.is_empty() {
            return Err(missing("opset_import"));
        }
        let mut document = Self { model, graph, unknown };
        if let Some(folder) = folder {
            external::load(&mut document, folder)?;
        }
        Ok(document)
    }

    /// The file's bytes. What was read and not changed comes back byte for byte, unless [`Self::unknown`]
    /// says otherwise.
    ///
    /// # Errors
    /// More than protobuf can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        let model = ModelProto { graph: Some(self.graph.clone()), ..self.model.clone() };
        match model.encoded_len() {
            bytes if bytes > MAX_BYTES => Err(DocumentError::TooLarge { bytes: bytes as u64 }),
            _ => Ok(model.encode_to_vec()),
        }
    }

    /// How many bytes [`Self::to_bytes`] gives.
    pub fn encoded_len(&self) -> usize {
        // The graph is a length-delimited field of the model: a key of one byte, its length, itself.
        let graph = self.graph.encoded_len();
        self.model.encoded_len() + 1 + prost::length_delimiter_len(graph) + graph
    }

    /// Writes the file: beside the target first, then moved over it, so that it is never half there.
    ///
    /// # Errors
    /// As [`Self::to_bytes`], and what the file system says.
    pub fn write(&self, path: &Path) -> Result<(), DocumentError> {
        let bytes = self.to_bytes()?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(|source| {
            // The first error is the one to tell.
            let _ = fs::remove_file(&beside);
            DocumentError::Io { path: path.to_owned(), action: "write", source }
        })
    }

    /// The model's own key/value metadata.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let entries = self.model.metadata_props.iter();
        entries.map(|entry| (entry.key().to_owned(), entry.value().to_owned())).collect()
    }

    /// Sets one metadata entry.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        let new = StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        match self.model.metadata_props.iter_mut().find(|entry| entry.key() == key) {
            Some(entry) => *entry = new,
            None => self.model.metadata_props.push(new),
        }
    }

    /// The version of an operator set; `""` and `"ai.onnx"` are ONNX's own.
    pub fn opset(&self, domain: &str) -> Option<i64> {
        let plain = plain_domain(domain);
        let found = self.model.opset_import.iter().find(|set| plain_domain(set.domain()) == plain);
        found.map(OperatorSetIdProto::version)
    }

    /// Sets the version of an operator set, and raises the IR version to what that set needs.
    ///
    /// From IR 4 on an initializer that is also an input is a default which callers may replace, and ONNX
    /// Runtime folds no default. Before, it was a constant. So raising across that border drops such inputs.
    pub fn set_opset(&mut self, domain: &str, version: i64) {
        let plain = plain_domain(domain);
        match self.model.opset_import.iter_mut().find(|set| plain_domain(set.domain()) == plain) {
            Some(set) => set.version = Some(version),
            None => self
                .model
                .opset_import
                .push(OperatorSetIdProto { domain: Some(plain.to_owned()), version: Some(version) }),
        }
        if plain.is_empty() {
            self.raise_ir(ir_version_for(version));
        }
    }

    fn raise_ir(&mut self, to: i64) {
        let from = self.model.ir_version();
        if from < 4 && to >= 4 {
            self.drop_default_inputs();
        }
        self.model.ir_version = Some(from.max(to));
    }

    /// Drops inputs that only give an initializer's name, so that the initializer is a constant; returns how
    /// many. A pipeline never replaces weights.
    pub fn drop_default_inputs(&mut self) -> usize {
        let before = self.graph.input.len();
        let required: Vec<_> = self.graph.required_inputs().cloned().collect();
        self.graph.input = required;
        before - self.graph.input.len()
    }
}

/// ONNX's own domain has two names.
fn plain_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The IR version that came with an operator set, from the table in ONNX's `docs/Versioning.md`.
pub fn ir_version_for(opset: i64) -> i64 {
    match opset {
        ..=8 => 3,
        9 => 4,
        10 => 5,
        11 => 6,
        12..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        24 => 12,
        _ => 13,
    }
}

/// What other kind of file these bytes start like.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some("it is a TFLite model");
    }
    if starts(b"PK\x03\x04") {
        return Some("it is a ZIP archive (a farsight bundle or a PyTorch checkpoint is one)");
    }
    if starts(b"\x89HDF") {
        return Some("it is an HDF5 file (Keras)");
    }
    if starts(b"version https://git-lfs") {
        return Some("it is a Git LFS pointer; the model itself was not downloaded");
    }
    if starts(b"ORTM") || bytes.get(4..8) == Some(b"ORTM") {
        return Some(
            "it is a model in ONNX Runtime's own ORT format; take the .onnx file that it was made from",
        );
    }
    // A model starts with the tag of field 1 (byte 8) or another small byte; so text is told by its start.
    let start = &bytes[..bytes.len().min(64)];
    let text = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    (bytes.len() >= 4 && start.iter().all(text)).then_some("it is text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{NodeProto, TensorProto};
    use crate::testing::{document, graph};

    fn model() -> Document {
        let mut graph = graph(&["x"], &["y"], vec![NodeProto::new("Add", "add", &["x", "w"], &["y"])]);
        graph.initializer.push(TensorProto::new("w", &[256], &[0.5f32; 256]));
        document(graph)
    }

    #[test]
    fn a_document_comes_back_byte_for_byte_and_shares_its_buffer() {
        let bytes = Bytes::from(model().to_bytes().unwrap());
        let document = Document::parse(bytes.clone(), None).unwrap();
        assert_eq!(document, model());
        assert_eq!(document.to_bytes().unwrap(), bytes);
        let weights = document.graph.initializer[0].raw_data.as_ref().unwrap().as_ptr();
        assert!(bytes.as_ptr_range().contains(&weights), "the weights were copied");
    }

    #[test]
    fn what_is_no_model_is_named() {
        let whole = model().to_bytes().unwrap();
        let cases: [(&str, &[u8], &str); 8] = [
            ("nothing", b"", "0 bytes"),
            ("text", b"Thou shalt not\n", "it is text"),
            ("tflite", b"\x1c\0\0\0TFL3\0\0\0\0", "TFLite"),
            ("zip", b"PK\x03\x04\x14\0", "ZIP"),
            ("pointer", b"version https://git-lfs.github.com/spec/v1", "LFS"),
            ("zeros", &[0; 64], "no valid field of ModelProto"),
            ("no graph", &[0x08, 0x08], "no graph"),
            ("no opset", &[0x3a, 0x00], "no opset_import"),
        ];
        for (name, bytes, expected) in cases {
            let message = Document::parse(Bytes::copy_from_slice(bytes), None).unwrap_err().to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
        for cut in 1..whole.len() {
            // A cut between two fields of the document itself can leave a smaller document.
            if let Ok(document) = Document::parse(Bytes::copy_from_slice(&whole[..cut]), None) {
                assert!(document.to_bytes().unwrap().len() <= cut);
            }
        }
    }

    #[test]
    fn no_byte_turned_makes_it_panic() {
        let whole = model().to_bytes().unwrap();
        for at in 0..whole.len().min(200) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                if let Ok(document) = Document::parse(Bytes::from(bytes), None) {
                    let _ = document.check();
                    let _ =
                        document.graph.initializer.iter().map(TensorProto::values::<f32>).collect::<Vec<_>>();
                }
            }
        }
    }

    #[test]
    fn unknown_fields_are_told() {
        let mut bytes = model().to_bytes().unwrap();
        bytes.extend_from_slice(&[0xf8, 0x07, 0x01]);
        let document = Document::parse(Bytes::from(bytes), None).unwrap();
        let unknown = document.unknown.unwrap();
        assert_eq!((unknown.bytes, unknown.message, unknown.field), (3, "ModelProto", 127));
    }

    #[test]
    fn files_are_written_whole_and_errors_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        model().write(&path).unwrap();
        assert_eq!(Document::read(&path).unwrap(), model());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(&path, b"hello, I am text").unwrap();
        let message = Document::read(&path).unwrap_err().to_string();
        assert!(message.contains("m.onnx") && message.contains("text"), "{message}");
        let message = Document::read(&folder.path().join("none.onnx")).unwrap_err().to_string();
        assert!(message.contains("none.onnx: cannot read"), "{message}");
        assert!(Document::read(folder.path()).is_err());
    }

    #[test]
    fn raising_an_old_ir_turns_defaults_into_constants() {
        let mut document = model();
        document
            .graph
            .input
            .push(crate::onnx::ValueInfoProto { name: Some("w".into()), ..Default::default() });
        document.model.ir_version = Some(3);
        document.set_opset("ai.onnx", 13);
        assert_eq!((document.opset(""), document.model.ir_version()), (Some(13), 7));
        assert_eq!(document.graph.input.len(), 1);
    }

    #[test]
    fn metadata_is_read_and_set() {
        let mut document = model();
        document.set_metadata("names", "{0: 'cow'}");
        document.set_metadata("names", "{0: 'cattle'}");
        assert_eq!(document.metadata(), BTreeMap::from([("names".into(), "{0: 'cattle'}".into())]));
    }
}
