//! `farsight models` and `farsight targets`: what is built in.

use std::process::ExitCode;

use farsight_spec::{ModelSpec, Target};
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
        return show(&ModelSpec::find(name)?, ModelSpec::text(name)?, context);
    }
    let mut entries = Vec::new();
    for name in ModelSpec::names() {
        let spec = ModelSpec::find(name)?;
        entries.push((spec.name, spec.about, json!({"task": spec.task, "licence": spec.source.licence})));
    }
    list("models", entries, context)
}

/// `farsight targets`
pub(crate) fn targets(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    if let Some(name) = &arguments.name {
        return show(&Target::find(name)?, Target::text(name)?, context);
    }
    let mut entries = Vec::new();
    for name in Target::names() {
        let target = Target::find(name)?;
        let providers: Vec<&str> = target.providers.iter().map(|provider| provider.name.as_str()).collect();
        entries.push((target.name, target.about, json!({"triple": target.triple, "providers": providers})));
    }
    list("targets", entries, context)
}

fn show(parsed: &impl serde::Serialize, text: &str, context: &Context) -> Result<ExitCode, Failure> {
    context.output.document(parsed, || text.to_owned());
    Ok(ExitCode::SUCCESS)
}

fn list(key: &str, entries: Vec<(String, String, Value)>, context: &Context) -> Result<ExitCode, Failure> {
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
