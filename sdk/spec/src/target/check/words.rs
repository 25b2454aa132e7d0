//! Words of a file that people write: those that are known, spelled as they are.

use super::problem;
use crate::error::nearest;
use crate::validate::Check;
use crate::{KNOWN_PROVIDERS, Target, known_cpu_features};

pub(super) fn check(target: &Target) -> Check {
    let names = target.providers.iter().map(|provider| provider.name.as_str());
    check_known("providers", names, KNOWN_PROVIDERS)?;
    let features = known_cpu_features(&target.triple);
    if features.is_empty() && !target.cpu_features.is_empty() {
        return problem(
            "cpu_features",
            format!("is given, but farsight can look for none on {}; leave it out", target.triple),
        );
    }
    check_known("cpu_features", target.cpu_features.iter().map(String::as_str), &features)?;
    for (index, feature) in target.cpu_features.iter().enumerate() {
        if target.cpu_features[..index].contains(feature) {
            return problem("cpu_features", format!("names {feature} twice"));
        }
    }
    Ok(())
}

fn check_known<'n>(key: &str, mut names: impl Iterator<Item = &'n str>, known: &[&str]) -> Check {
    let Some(name) = names.find(|name| !known.contains(name)) else { return Ok(()) };
    // `CPUExecutionProvider` is what ONNX Runtime calls `CPU`.
    let hint = nearest(name.strip_suffix("ExecutionProvider").unwrap_or(name), known.iter().copied())
        .map_or_else(String::new, |nearest| format!("did you mean {nearest:?}? "));
    problem(key, format!("names {name:?}; {hint}known there: {}", known.join(", ")))
}
