//! `farsight targets`: the built-in target profiles; one of them, or a file, in words.

mod words;

use std::process::ExitCode;

use farsight_spec::Target;
use serde_json::json;

use crate::Context;
use crate::commands::catalogue::list;
use crate::failure::Failure;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Explain this one: a built-in name, a unique part of it, or a .toml file
    name: Option<String>,
    /// Print the built-in file as it was written, to start a new one from
    #[arg(long, requires = "name", conflicts_with = "json")]
    toml: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let Some(name) = &arguments.name else { return list("targets", entries()?, context) };
    if arguments.toml {
        let text = Target::text(name)?;
        context.output.document(&(), || text.to_owned());
        return Ok(ExitCode::SUCCESS);
    }
    let target = Target::find(name)?;
    let is_host = target.triple == "host";
    let target = resolved(target);
    context.output.document(&target, || words::explain(&target, is_host));
    Ok(ExitCode::SUCCESS)
}

fn entries() -> Result<Vec<(String, String, serde_json::Value)>, Failure> {
    let mut entries = Vec::new();
    for name in Target::names() {
        let target = Target::find(name)?;
        let providers: Vec<&str> = target.providers.iter().map(|provider| provider.name.as_str()).collect();
        let facts = json!({"triple": target.triple, "providers": providers});
        entries.push((target.name, target.about, facts));
    }
    Ok(entries)
}

/// The profile with this machine in place of `host`.
fn resolved(target: Target) -> Target {
    let is_host = target.triple == "host";
    let mut target = target.on_host(&farsight_engine::host_triple());
    if is_host && target.cpu_features.is_empty() {
        target.cpu_features = farsight_engine::cpu_features();
    }
    target
}
