//! One verb, one file.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod compile;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod inspect;
pub(crate) mod run;
pub(crate) mod targets;
pub(crate) mod warm;

use std::path::Path;

use farsight::{Bundle, Library, Open, Options, Pipeline, Session};
use farsight_bundle::{FileKind, sniff};
use farsight_compiler::Source;
use farsight_engine::ProviderReport;
use farsight_spec::{ModelSpec, Target};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Opens a bundle, or a model that another one is compared with: it is read by the other's spec.
fn open_any(
    path: &Path,
    spec: Option<&ModelSpec>,
    target: &Target,
    options: &Options,
) -> Result<Pipeline, Failure> {
    if sniff(path)? == FileKind::Bundle {
        return Ok(Pipeline::from_bundle(&Bundle::open(path, Open::Memory)?, options)?);
    }
    let library = Library::load(options.library.as_deref())?;
    let labels = spec.map(|spec| spec.output.labels().to_vec()).filter(|labels| !labels.is_empty());
    let spec = spec.cloned().map(forget_the_file);
    Ok(Source::read(path, library)?.pipeline(spec, labels.as_deref(), target, options)?)
}

/// What became of each execution provider that the target names: `missing` says why one is not used.
fn provider_reports(session: &Session) -> Vec<Value> {
    let report = |provider: &ProviderReport| json!({"name": provider.name, "missing": provider.missing});
    session.providers().iter().map(report).collect()
}

/// What a resolved spec knows of its own file does not hold for another one.
fn forget_the_file(mut spec: ModelSpec) -> ModelSpec {
    use farsight_spec::{Input, Output};
    match &mut spec.output {
        Output::Yolo(output) | Output::Yolox(output) => (output.tensor, output.layout) = (None, None),
        Output::Classes(output) => output.tensor = None,
        Output::Mask(output) => (output.tensor, output.layout) = (None, None),
        Output::Tensors => {}
    }
    if let Input::Frame(frame) = &mut spec.input {
        (frame.size, frame.layout) = (None, None);
    }
    spec
}
