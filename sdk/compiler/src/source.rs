//! The source model: the document, what a session says of it, and the spec it resolves to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use farsight::{Options, Pipeline};
use farsight_bundle::{Digest, FileKind, sniff};
use farsight_engine::{Library, Model, Session, Settings, describe};
use farsight_graph::onnx::NodeProto;
use farsight_graph::onnx::tensor_shape_proto::dimension::Value as Length;
use farsight_graph::{Document, DocumentError};
use farsight_spec::{Metadata, MetadataError, ModelSpec, Output, Target, TensorInfo};

use crate::CompileError;
use crate::movers::is_mover;
use crate::passes::{FixShapesSettings, InputShape, fix_shapes};
use crate::report::PassEntry;
use crate::resolve::{Said, resolve_input, resolve_output, spec_of_metadata};

/// The source model: what the user handed in. Every loss is measured against it.
pub struct Source {
    /// Its file.
    pub path: PathBuf,
    /// The document, external data loaded.
    pub document: Document,
    /// Bytes of the file and of its external data.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// The metadata written into it.
    pub properties: BTreeMap<String, String>,
    /// What an Ultralytics export says of itself.
    /// An error counts only where the metadata is used: other tools write properties of the same names.
    pub metadata: Result<Option<Metadata>, MetadataError>,
    /// What goes in, as a session says.
    pub inputs: Vec<TensorInfo>,
    /// What comes out, as a session says.
    pub outputs: Vec<TensorInfo>,
}

/// A source model with a spec that leaves nothing open.
pub(crate) struct Resolved {
    pub(crate) spec: ModelSpec,
    /// The document with its input shapes fixed, nothing else changed.
    pub(crate) document: Document,
    /// Outputs that are read; empty for all.
    pub(crate) outputs: Vec<String>,
    pub(crate) fix_shapes: PassEntry,
}

impl Source {
    /// Reads a model.
    ///
    /// # Errors
    /// If the file is no ONNX model, is no valid graph, holds fields that this version would lose, or ONNX Runtime cannot load it.
    pub fn read(path: &Path, library: &'static Library) -> Result<Self, CompileError> {
        let document = read_whole(path)?;
        let bytes = document_bytes(path, &document)?;
        let failed =
            |error: std::io::Error| CompileError::Write { path: path.to_owned(), reason: error.to_string() };
        let sha256 = Digest::of_reader(std::fs::File::open(path).map_err(failed)?).map_err(failed)?;
        let session = Session::open(library, Model::File(path), &Settings::default())?;
        let (inputs, outputs) = (session.inputs().to_vec(), session.outputs().to_vec());
        drop(session);
        let properties = document.metadata();
        let metadata = Metadata::read(&properties);
        Ok(Self { path: path.to_owned(), document, bytes, sha256, properties, metadata, inputs, outputs })
    }

    /// The spec that the file resolves to: the one given, or the family its metadata tells.
    pub(crate) fn resolve(
        &self,
        library: &'static Library,
        spec: Option<ModelSpec>,
        labels: Option<&[String]>,
    ) -> Result<Resolved, CompileError> {
        self.try_resolve(library, spec, labels).map_err(|error| match error {
            CompileError::Unresolved(message) => {
                CompileError::Unresolved(format!("{}: {message}", self.path.display()))
            }
            other => other,
        })
    }

    fn try_resolve(
        &self,
        library: &'static Library,
        spec: Option<ModelSpec>,
        labels: Option<&[String]>,
    ) -> Result<Resolved, CompileError> {
        let mut spec = match spec {
            Some(spec) => spec,
            None => spec_of_metadata(self.metadata.clone()?.as_ref())?,
        };
        let metadata = match spec.output {
            Output::Tensors => None,
            _ => self.metadata.clone()?,
        };
        let said = Said {
            metadata,
            labels: labels.map(<[String]>::to_vec),
            softmax_outputs: softmax_outputs(&self.document),
        };
        let shapes = resolve_input(&mut spec, &self.inputs, &said)?;
        let start = Instant::now();
        let mut document = self.document.clone();
        let was_open = self.inputs.iter().any(|input| input.shape.contains(&None)) && !shapes.is_empty();
        let shapes = shapes.into_iter().map(|(input, axes)| InputShape {
            input,
            axes: axes.into_iter().map(|length| i64::try_from(length).ok()).collect(),
        });
        let fixed = fix_shapes(&mut document, &FixShapesSettings { shapes: shapes.collect() })
            .map_err(|error| CompileError::Pass { pass: "fix-shapes", error: Box::new(error) })?;
        let summary = format!("{} open axes fixed", fixed.axes);
        let entry = PassEntry::new("fix-shapes", summary, start, &document);
        let outputs = if was_open {
            let (_, outputs) = describe(library, &document.to_bytes()?)?;
            declare_outputs(&mut document, &outputs);
            outputs
        } else {
            self.outputs.clone()
        };
        let outputs = resolve_output(&mut spec, &outputs, &said)?;
        Ok(Resolved { spec, document, outputs, fix_shapes: entry })
    }

    /// The source model as a pipeline: the file as it is.
    pub(crate) fn open(
        &self,
        resolved: &Resolved,
        target: &Target,
        options: &Options,
    ) -> Result<Pipeline, CompileError> {
        Ok(Pipeline::from_parts(Model::File(&self.path), &resolved.spec, target, options)?)
    }

    /// Resolves a model's spec and opens it without compiling, for evaluation.
    pub fn pipeline(
        &self,
        spec: Option<ModelSpec>,
        labels: Option<&[String]>,
        target: &Target,
        options: &Options,
    ) -> Result<Pipeline, CompileError> {
        let library = Library::load(options.library.as_deref())?;
        let resolved = self.resolve(library, spec, labels)?;
        self.open(&resolved, target, options)
    }
}

impl PassEntry {
    /// The entry of a pass that began at `start` and has just ended.
    pub(crate) fn new(name: &'static str, summary: String, start: Instant, document: &Document) -> Self {
        let nodes = document.graph.node.len();
        let bytes = document.encoded_len() as u64;
        Self { name, summary, ms: start.elapsed().as_secs_f64() * 1e3, nodes, bytes, closeness: None }
    }
}

/// Writes into the document what a session says of its outputs.
fn declare_outputs(document: &mut Document, outputs: &[TensorInfo]) {
    for declared in &mut document.graph.output {
        let Some(said) = outputs.iter().find(|said| said.name == declared.name()) else { continue };
        for (axis, length) in declared.axes_mut().into_iter().flatten().zip(&said.shape) {
            if let (None, Some(length)) = (&axis.value, length) {
                axis.value = Some(Length::DimValue(*length as i64));
            }
        }
    }
}

/// Reads a document that is valid and of which nothing is lost when it is written again. ONNX Runtime would find
/// out too whether it is valid, but takes far more memory before it does.
fn read_whole(path: &Path) -> Result<Document, CompileError> {
    let document = Document::read(path).map_err(|error| explain(path, error))?;
    if let Some(unknown) = document.unknown {
        return Err(CompileError::Unknown { path: path.to_owned(), unknown });
    }
    document.check().map_err(|error| CompileError::Graph { path: path.to_owned(), error })?;
    Ok(document)
}

/// A file that is something else altogether is called by its name.
fn explain(path: &Path, error: DocumentError) -> CompileError {
    match sniff(path) {
        Ok(FileKind::Onnx | FileKind::Unknown) | Err(_) => error.into(),
        Ok(found) => CompileError::NotOnnx { path: path.to_owned(), found },
    }
}

/// Bytes of the model file and of what lies beside it.
fn document_bytes(path: &Path, document: &Document) -> Result<u64, CompileError> {
    let file = std::fs::metadata(path)
        .map_err(|error| CompileError::Write { path: path.to_owned(), reason: error.to_string() })?;
    Ok(file.len().max(document.encoded_len() as u64))
}

/// Outputs whose values come straight out of a Softmax, possibly through nodes that only move them.
fn softmax_outputs(document: &Document) -> Vec<String> {
    let graph = &document.graph;
    let links = graph.links();
    let moves = |node: &NodeProto| node.is("Cast") || is_mover(node);
    let is_softmax = |output: &str| {
        let mut value = output;
        // A chain longer than this is not "straight out of".
        for _ in 0..8 {
            let Some(node) = links.producer(value).map(|index| &graph.node[index]) else { return false };
            if node.is("Softmax") {
                return true;
            }
            match node.input(0) {
                Some(input) if moves(node) => value = input,
                _ => return false,
            }
        }
        false
    };
    graph.output_names().filter(|name| is_softmax(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use farsight_graph::onnx::{GraphProto, ValueInfoProto};

    use super::*;

    #[test]
    fn what_would_be_lost_and_what_is_not_valid_are_errors() {
        let graph = GraphProto {
            node: vec![NodeProto::new("Identity", "", &["x"], &["y"])],
            input: vec![ValueInfoProto { name: Some("x".to_owned()), ..ValueInfoProto::default() }],
            ..GraphProto::default()
        };
        let unmade = GraphProto { input: Vec::new(), ..graph.clone() };
        let known = Document::new(graph, 17).to_bytes().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newer.onnx");
        std::fs::write(&path, &known).unwrap();
        assert!(read_whole(&path).is_ok());
        // Field 127, a varint.
        std::fs::write(&path, [&known[..], &[0xf8, 0x07, 0x01]].concat()).unwrap();
        let message = read_whole(&path).unwrap_err().to_string();
        for part in ["newer.onnx", "field 127 of ModelProto", "export it again"] {
            assert!(message.contains(part), "{message}");
        }
        std::fs::write(&path, Document::new(unmade, 17).to_bytes().unwrap()).unwrap();
        let message = read_whole(&path).unwrap_err().to_string();
        assert!(message.contains("newer.onnx: not a valid ONNX graph"), "{message}");
    }
}
