//! `farsight models`: the model specs that are built in.

use std::process::ExitCode;

use farsight_spec::ModelSpec;
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Show this one whole, as a file to start from
    name: Option<String>,
}

/// `farsight models`
pub(crate) fn models(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    if let Some(name) = &arguments.name {
        let (spec, text) = (ModelSpec::find(name)?, ModelSpec::text(name)?);
        context.output.document(&spec, || text.to_owned());
        return Ok(ExitCode::SUCCESS);
    }
    let mut entries = Vec::new();
    for name in ModelSpec::names() {
        let spec = ModelSpec::find(name)?;
        entries.push((spec.name, spec.about, json!({"task": spec.task, "licence": spec.source.licence})));
    }
    list("models", entries, context)
}

/// A list of what is built in: name, one sentence, what else machines want to know.
pub(super) fn list(
    key: &str,
    entries: Vec<(String, String, Value)>,
    context: &Context,
) -> Result<ExitCode, Failure> {
    let width = entries.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let text = entries.iter().map(|(name, about, _)| format!("{name:width$}  {about}\n")).collect();
    let documents: Vec<Value> = entries
        .into_iter()
        .map(|(name, about, mut facts)| {
            facts["name"] = name.into();
            facts["about"] = about.into();
            facts
        })
        .collect();
    context.output.document(&json!({key: documents}), || text);
    Ok(ExitCode::SUCCESS)
}
