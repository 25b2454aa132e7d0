//! Execution providers: an order in which each can get a node.

use super::problem;
use crate::validate::Check;
use crate::{Provider, Target};

/// Parts of the names of options that hold a path, a library to load, or the address of an object in memory (ONNX
/// Runtime's documentation of its providers). A profile travels in a bundle, and a bundle may come from anyone.
const OF_THE_PROCESS: [&str; 14] = [
    "alloc",
    "bytestream",
    "cache",
    "config",
    "context",
    "dir",
    "file",
    "folder",
    "lib",
    "libs",
    "object",
    "path",
    "paths",
    "plugin",
];

pub(super) fn check(target: &Target) -> Check {
    if target.providers.is_empty() {
        return problem("providers", "is empty; name at least CPU");
    }
    for (index, provider) in target.providers.iter().enumerate() {
        let name = provider.name.as_str();
        if target.providers[..index].iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
            return problem("providers", format!("names {name} twice"));
        }
        if provider.is("CPU") && index + 1 < target.providers.len() {
            return problem(
                "providers",
                format!(
                    "names {} after CPU, which leaves no node to it; put CPU last",
                    target.providers[index + 1].name
                ),
            );
        }
        if provider.is("CPU") && !provider.options.is_empty() {
            return problem("providers.options", "of CPU are given; it takes none ([session] sets it up)");
        }
        if provider.is("ACL") && target.triple != "host" && !target.triple.starts_with("aarch64") {
            return problem(
                "providers",
                format!("names ACL, which is for 64-bit ARM, not {}", target.triple),
            );
        }
    }
    target.providers.iter().try_for_each(check_options)
}

fn check_options(provider: &Provider) -> Check {
    for key in provider.options.keys() {
        let of_the_process = |part: &str| OF_THE_PROCESS.contains(&part.to_ascii_lowercase().as_str());
        if key.split(['_', '.']).any(of_the_process) && !key.ends_with("_enable")
            || key.ends_with("compute_stream")
        {
            return problem(
                "providers.options",
                format!(
                    "sets {key} of {}, which names a file, a library or memory of the process that runs it; a profile may \
                     not (where a provider keeps its cache, farsight says itself)",
                    provider.name
                ),
            );
        }
    }
    Ok(())
}
