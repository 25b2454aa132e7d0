//! Execution providers: their names, and how each is added to a session.

use std::ffi::CString;

use farsight_spec::Provider;
use ort::session::builder::SessionBuilder;

use crate::raw::{self, Append};
use crate::{EngineError, Library, Result};

/// What became of a provider that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReport {
    /// Its short name, `CPU` or `CUDA`.
    pub name: String,
    /// Why it is not used; `None` if it is.
    pub missing: Option<String>,
}

impl ProviderReport {
    pub(crate) fn is_cpu(&self) -> bool {
        self.name.eq_ignore_ascii_case("CPU")
    }
}

/// The providers that farsight can set up: the short name, ONNX Runtime's name for it in the list of
/// available ones, and the way to add it (the CPU is always there).
const PROVIDERS: &[(&str, &str, Option<Append>)] = &[
    ("CPU", "CPUExecutionProvider", None),
    ("XNNPACK", "XnnpackExecutionProvider", Some(Append::Named(c"XNNPACK"))),
    ("OpenVINO", "OpenVINOExecutionProvider", Some(Append::Named(c"OpenVINO"))),
    ("CUDA", "CUDAExecutionProvider", Some(Append::Cuda)),
    ("TensorRT", "TensorrtExecutionProvider", Some(Append::TensorRt)),
    ("QNN", "QNNExecutionProvider", Some(Append::Named(c"QNN"))),
];

/// Short names of the providers that farsight can set up, whether or not this machine has them.
pub fn known_providers() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|row| row.0)
}

/// The short name for ONNX Runtime's own: `CPUExecutionProvider` → `CPU`. Others lose their ending.
pub(crate) fn short_name(full: &str) -> &str {
    PROVIDERS
        .iter()
        .find(|row| row.1 == full)
        .map_or_else(|| full.strip_suffix("ExecutionProvider").unwrap_or(full), |row| row.0)
}

/// Adds the providers in their order. Those that are missing are an error, or are reported if a fallback
/// is allowed.
pub(crate) fn append(
    builder: &mut SessionBuilder,
    library: &Library,
    providers: &[Provider],
    allow_fallback: bool,
) -> Result<Vec<ProviderReport>> {
    let mut reports = Vec::new();
    for provider in providers {
        let missing = match append_one(builder, library, provider) {
            Err(EngineError::ProviderUnavailable { reason, .. }) if allow_fallback => {
                log::warn!("execution provider {} is left out: {reason}", provider.name);
                Some(reason)
            }
            done => done.map(|()| None)?,
        };
        reports.push(ProviderReport { name: provider.name.clone(), missing });
    }
    if reports.iter().all(|report| report.missing.is_some()) {
        reports.push(ProviderReport { name: "CPU".into(), missing: None });
    }
    Ok(reports)
}

fn append_one(builder: &mut SessionBuilder, library: &Library, provider: &Provider) -> Result<()> {
    let Some((name, _, way)) = PROVIDERS.iter().find(|row| row.0.eq_ignore_ascii_case(&provider.name)) else {
        return Err(EngineError::UnknownProvider {
            name: provider.name.clone(),
            known: known_providers().collect::<Vec<_>>().join(", "),
        });
    };
    let unavailable = |reason: String| EngineError::ProviderUnavailable {
        name: (*name).to_owned(),
        library: library.path().to_path_buf(),
        reason,
    };
    let Some(way) = way else {
        return match provider.options.keys().next() {
            Some(key) => Err(EngineError::Setting {
                setting: "the options of provider CPU",
                reason: format!("it takes none, {key:?} was given"),
            }),
            None => Ok(()),
        };
    };
    if !library.providers().iter().any(|available| available == name) {
        return Err(unavailable(format!("it was built with {} only", library.providers().join(", "))));
    }
    let options = provider
        .options
        .iter()
        .map(|(key, value)| Ok((CString::new(key.as_str())?, CString::new(value.as_str())?)))
        .collect::<std::result::Result<Vec<_>, std::ffi::NulError>>()
        .map_err(|error| EngineError::Setting {
            setting: "a provider's option",
            reason: error.to_string(),
        })?;
    raw::append_provider(builder, *way, &options).map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_become_short_ones() {
        for (full, short) in [
            ("CPUExecutionProvider", "CPU"),
            ("XnnpackExecutionProvider", "XNNPACK"),
            ("TensorrtExecutionProvider", "TensorRT"),
            ("AzureExecutionProvider", "Azure"),
            ("Odd", "Odd"),
        ] {
            assert_eq!(short_name(full), short);
        }
    }
}
