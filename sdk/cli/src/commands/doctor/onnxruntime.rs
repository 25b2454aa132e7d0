//! ONNX Runtime and its execution providers, as a target asks for them.

use std::path::Path;

use farsight::{Library, Model, Session};
use farsight_engine::Settings;
use farsight_graph::Document;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, ValueInfoProto};
use farsight_spec::Target;
use serde_json::{Value, json};

use super::note;
use crate::device::Findings;
use crate::failure::Failure;

/// Loads the library and holds it against what the target says of it.
pub(super) fn load(
    explicit: Option<&Path>,
    target: &Target,
    findings: &mut Findings,
) -> Option<&'static Library> {
    let library = match Library::load(explicit) {
        Ok(library) => library,
        Err(error) => {
            note(findings, &error.into());
            return None;
        }
    };
    if let Err(error) = library.check(&target.onnxruntime) {
        let advice = format!("{error}; take the one that the target names: {}", target.onnxruntime.from);
        note(findings, &Failure::new(error.kind(), advice));
    }
    Some(library)
}

/// Every library in reach, and what is wrong with it. To be called before one is loaded for good.
pub(super) fn candidates(explicit: Option<&Path>) -> Vec<Value> {
    let candidates = farsight_engine::search(explicit).into_iter();
    let row = candidates.map(|candidate| {
        let (version, fault) = match &candidate.verdict {
            Ok(version) => (Some(version.clone()), None),
            Err(error) => (None, Some(error.to_string())),
        };
        json!({
            "place": candidate.place.to_string(), "path": candidate.path.display().to_string(), "version": version, "fault": fault,
        })
    });
    row.collect()
}

/// What was loaded.
pub(super) fn document(library: Option<&Library>, candidates: Vec<Value>) -> Value {
    match library {
        Some(library) => json!({
            "path": library.path().display().to_string(), "version": library.version(), "providers": library.providers(),
            "candidates": candidates,
        }),
        None => json!({"path": null, "candidates": candidates}),
    }
}

/// The target's providers, each tried with a model of one node: a library lists those that it was built with, and
/// whether one starts here shows only then. Null without a library, or if no session opens.
pub(super) fn providers(
    library: Option<&'static Library>,
    target: &Target,
    findings: &mut Findings,
) -> Value {
    let Some(library) = library else { return Value::Null };
    match try_providers(library, target) {
        Ok(tried) => {
            for (name, reason) in tried.iter().filter_map(|(name, missing)| Some((name, missing.as_ref()?))) {
                tell(name, reason, library, target, findings);
            }
            tried.into_iter().map(|(name, missing)| json!({"name": name, "missing": missing})).collect()
        }
        Err(failure) => {
            note(findings, &failure);
            Value::Null
        }
    }
}

fn tell(name: &str, reason: &str, library: &Library, target: &Target, findings: &mut Findings) {
    let what = format!(
        "execution provider {name} of target {} cannot be used with ONNX Runtime {}: {reason}",
        target.name,
        library.version()
    );
    if target.allow_fallback {
        findings.advice.push(format!("{what}; the target allows to go on without it"));
    } else {
        let message =
            format!("{what}; install the library that the target names: {}", target.onnxruntime.from);
        note(findings, &Failure::new("provider-unavailable", message));
    }
}

/// Names, and why one cannot be used. Every provider is tried, whatever the target says of a missing one.
fn try_providers(
    library: &'static Library,
    target: &Target,
) -> Result<Vec<(String, Option<String>)>, Failure> {
    let settings = Settings { allow_fallback: true, ..Settings::from_target(target, Some(1)) };
    let model = one_node().to_bytes().map_err(|error| Failure::new("model", error))?;
    let session = Session::open(library, Model::Bytes(&model), &settings)?;
    let tried = session.providers().iter().take(target.providers.len());
    Ok(tried.map(|provider| (provider.name.clone(), provider.missing.clone())).collect())
}

/// y = -x, of an opset that every version knows.
fn one_node() -> Document {
    let value = |name: &str| ValueInfoProto::tensor(name, DataType::Float, &[1.into(), 4.into()]);
    let graph = GraphProto {
        name: Some("doctor".into()),
        input: vec![value("x")],
        output: vec![value("y")],
        node: vec![NodeProto::new("Neg", "", &["x"], &["y"])],
        ..GraphProto::default()
    };
    Document::new(graph, 13)
}
