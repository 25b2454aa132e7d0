//! Execution providers: their names, how each is added to a session, and where each keeps what it prepares.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use farsight_spec::Provider;
use ort::session::builder::SessionBuilder;

use crate::cache::key::file_identity;
use crate::find::{entries, system_folders};
use crate::library::overhear;
use crate::raw::{self, Append};
use crate::{EngineError, Library, Result, Settings};

/// What became of a provider that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReport {
    /// Its short name, `CPU` or `CUDA`.
    pub name: String,
    /// Why it is not used; `None` if it is.
    pub missing: Option<String>,
}

impl ProviderReport {
    pub(crate) fn is_used(&self) -> bool {
        self.missing.is_none()
    }

    pub(crate) fn is_cpu(&self) -> bool {
        self.name.eq_ignore_ascii_case("CPU")
    }
}

/// A provider that farsight can set up.
struct Known {
    /// What profiles call it.
    name: &'static str,
    /// What ONNX Runtime calls it in the list of available ones.
    full: &'static str,
    /// How it is added; the CPU is always there.
    append: Option<Append>,
    /// The library beside ONNX Runtime's own that holds it, where there is one.
    library: Option<&'static str>,
    /// How the file names of the library begin that does its work: another version of it is another provider.
    worker: Option<&'static str>,
    /// Its option for the number of threads.
    threads: Option<&'static str>,
    /// Its options for a folder in which it keeps what it prepares; `{}` stands for the folder.
    keeps: &'static [(&'static str, &'static str)],
    /// Where to get what it needs.
    advice: &'static str,
}

/// A provider without anything special.
const PLAIN: Known = Known {
    name: "",
    full: "",
    append: None,
    library: None,
    worker: None,
    threads: None,
    keeps: &[],
    advice: "take a build of ONNX Runtime that has it",
};

const PROVIDERS: &[Known] = &[
    Known { name: "CPU", full: "CPUExecutionProvider", ..PLAIN },
    Known {
        name: "XNNPACK",
        full: "XnnpackExecutionProvider",
        append: Some(Append::Named(c"XNNPACK")),
        threads: Some("intra_op_num_threads"),
        advice: "Debian 13 (libonnxruntime1.21) has it, or build ONNX Runtime with --use_xnnpack",
        ..PLAIN
    },
    Known {
        name: "ACL",
        full: "ACLExecutionProvider",
        append: Some(Append::Acl),
        advice: "build ONNX Runtime with --use_acl (Arm Compute Library)",
        ..PLAIN
    },
    Known {
        name: "OpenVINO",
        full: "OpenVINOExecutionProvider",
        append: Some(Append::Named(c"OpenVINO")),
        library: Some("libonnxruntime_providers_openvino.so"),
        worker: Some("libopenvino.so"),
        threads: Some("num_of_threads"),
        keeps: &[("cache_dir", "{}")],
        advice: "take the library out of PyPI's onnxruntime-openvino, with all the others beside it",
    },
    Known {
        name: "CUDA",
        full: "CUDAExecutionProvider",
        append: Some(Append::Cuda),
        library: Some("libonnxruntime_providers_cuda.so"),
        worker: Some("libcudnn.so"),
        advice: "PyPI's onnxruntime-gpu has it for x86-64, NVIDIA's JetPack wheel for Jetson",
        ..PLAIN
    },
    Known {
        name: "TensorRT",
        full: "TensorrtExecutionProvider",
        append: Some(Append::TensorRt),
        library: Some("libonnxruntime_providers_tensorrt.so"),
        worker: Some("libnvinfer.so"),
        keeps: &[
            ("trt_engine_cache_enable", "1"),
            ("trt_engine_cache_path", "{}"),
            ("trt_timing_cache_enable", "1"),
            ("trt_timing_cache_path", "{}"),
        ],
        advice: "PyPI's onnxruntime-gpu has it for x86-64, NVIDIA's JetPack wheel for Jetson",
        ..PLAIN
    },
    Known { name: "QNN", full: "QNNExecutionProvider", append: Some(Append::Named(c"QNN")), ..PLAIN },
];

/// What to install for a library that is missing, by how its name begins.
const MISSING: &[(&str, &str)] = &[
    ("libcuda.so", "the NVIDIA driver"),
    ("libcudnn", "cuDNN"),
    ("libcu", "the CUDA toolkit"),
    ("libnvrtc", "the CUDA toolkit"),
    ("libnvinfer", "TensorRT"),
    ("libnvonnxparser", "TensorRT"),
    ("libnvdla", "JetPack's DLA libraries"),
    ("libopenvino", "the OpenVINO libraries of the same wheel"),
    ("libtbb", "the TBB libraries of the same wheel"),
];

/// Short names of the providers that farsight can set up, whether or not this machine has them.
pub fn known_providers() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|known| known.name)
}

/// The short name for ONNX Runtime's own: `CPUExecutionProvider` → `CPU`. Others lose their ending.
pub(crate) fn short_name(full: &str) -> &str {
    PROVIDERS
        .iter()
        .find(|known| known.full == full)
        .map_or_else(|| full.strip_suffix("ExecutionProvider").unwrap_or(full), |known| known.name)
}

fn known(name: &str) -> Option<&'static Known> {
    PROVIDERS.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The providers with the options that follow from other settings: those with threads of their own get the
/// session's number, where the profile names none and the work is done by the CPU.
pub(crate) fn with_own_options(settings: &Settings) -> Vec<Provider> {
    let own = |provider: &Provider| {
        let mut provider = provider.clone();
        let device = provider.options.get("device_type").map_or("CPU", String::as_str);
        if let Some(key) = known(&provider.name).and_then(|known| known.threads)
            && device.starts_with("CPU")
        {
            provider.options.entry(key.to_owned()).or_insert_with(|| settings.threads.max(1).to_string());
        }
        provider
    };
    settings.providers.iter().map(own).collect()
}

/// The provider with its options for a folder in which it keeps what it prepares; `None` if it keeps nothing, or
/// the profile sets one of these options itself.
pub(crate) fn keeping(provider: &Provider, folder: &Path) -> Option<Provider> {
    let keeps = known(&provider.name)?.keeps;
    if keeps.is_empty() || keeps.iter().any(|(key, _)| provider.options.contains_key(*key)) {
        return None;
    }
    let mut provider = provider.clone();
    for (key, value) in keeps {
        provider.options.insert((*key).to_owned(), value.replace("{}", folder.to_str()?));
    }
    Some(provider)
}

/// What a provider's preparations depend on beyond ONNX Runtime's own library: the provider's, and the one that does
/// its work.
pub(crate) fn identity(name: &str, library: &Library) -> Vec<(String, String)> {
    let Some(known) = known(name) else { return Vec::new() };
    let folder = library.path().parent().unwrap_or(Path::new("."));
    let mut facts = Vec::new();
    if let Some(file) = known.library {
        facts.push((format!("{} provider", known.name), file_identity(&folder.join(file))));
    }
    if let Some(start) = known.worker {
        facts.push((format!("{} library", known.name), worker(start, folder)));
    }
    facts
}

/// Names, sizes and times of the files whose names begin like the worker's, where the loader would look.
fn worker(start: &str, beside: &Path) -> String {
    let folders = std::iter::once(beside.to_path_buf()).chain(system_folders());
    let mut found: Vec<(String, PathBuf)> = folders
        .flat_map(|folder| entries(&folder).collect::<Vec<_>>())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            name.starts_with(start).then(|| (name, path.canonicalize().unwrap_or(path)))
        })
        .collect();
    found.sort();
    found.dedup_by(|a, b| a.1 == b.1);
    let facts: Vec<String> =
        found.iter().map(|(name, path)| format!("{name} {}", file_identity(path))).collect();
    if facts.is_empty() { "not found".to_owned() } else { facts.join(", ") }
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
    if !reports.iter().any(ProviderReport::is_used) {
        reports.push(ProviderReport { name: "CPU".into(), missing: None });
    }
    Ok(reports)
}

fn append_one(builder: &mut SessionBuilder, library: &Library, provider: &Provider) -> Result<()> {
    let Some(known) = known(&provider.name) else {
        return Err(EngineError::UnknownProvider {
            name: provider.name.clone(),
            known: known_providers().collect::<Vec<_>>().join(", "),
        });
    };
    let unavailable = |reason: String| EngineError::ProviderUnavailable {
        name: known.name.to_owned(),
        library: library.path().to_path_buf(),
        reason,
    };
    let Some(way) = known.append else {
        return match provider.options.keys().next() {
            Some(key) => Err(EngineError::Setting {
                setting: "the options of provider CPU",
                reason: format!("it takes none, {key:?} was given"),
            }),
            None => Ok(()),
        };
    };
    if !library.providers().iter().any(|available| available == known.name) {
        let built = library.providers().join(", ");
        return Err(unavailable(format!("it was built with {built} only; {}", known.advice)));
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
    let (done, heard) = overhear(|| raw::append_provider(builder, way, &options));
    done.map_err(|said| unavailable(explain(known, library, &said, &heard)))
}

/// Why a provider cannot be set up, from what ONNX Runtime said and what it told its log.
fn explain(known: &Known, library: &Library, said: &str, heard: &str) -> String {
    if let Some(name) = known.library
        && let Some(absent) = absent_file(name, &library.path().with_file_name(name), said, heard)
    {
        return format!("{absent}; {}", known.advice);
    }
    if let Some(missing) = missing_library(said).or_else(|| missing_library(heard)) {
        let what = MISSING.iter().find(|(start, _)| missing.starts_with(start));
        let install = what.map(|(_, what)| format!(": install {what}")).unwrap_or_default();
        return format!("it needs {missing}, which is not on this machine{install}");
    }
    // "/path/file.cc:141 function(arguments) [ERROR] [OpenVINO] Device NPU is not available"
    let heard = heard.rsplit("[ERROR] ").next().unwrap_or_default().trim();
    if heard.is_empty() { said.to_owned() } else { format!("{said}: {heard}") }
}

/// That a provider's own library cannot be read, unless what was told is about something else.
fn absent_file(name: &str, file: &Path, said: &str, heard: &str) -> Option<String> {
    let error = std::fs::File::open(file).err()?;
    let is_meant = heard.is_empty() || [said, heard].iter().any(|told| told.contains(name));
    is_meant.then(|| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{} is not there", file.display()),
        _ => format!("{} cannot be read ({error})", file.display()),
    })
}

/// The library that the system's loader did not find.
fn missing_library(heard: &str) -> Option<&str> {
    let before = heard.split_once(": cannot open shared object file")?.0;
    before.rsplit([' ', '\n']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_become_short_ones() {
        for (full, short) in [
            ("CPUExecutionProvider", "CPU"),
            ("XnnpackExecutionProvider", "XNNPACK"),
            ("ACLExecutionProvider", "ACL"),
            ("TensorrtExecutionProvider", "TensorRT"),
            ("AzureExecutionProvider", "Azure"),
            ("Odd", "Odd"),
        ] {
            assert_eq!(short_name(full), short);
        }
    }

    fn provider(name: &str, options: &[(&str, &str)]) -> Provider {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Provider { name: name.to_owned(), options: options.iter().map(own).collect() }
    }

    #[test]
    fn providers_with_threads_of_their_own_get_the_sessions_number() {
        let rows = [
            (provider("CPU", &[]), None),
            (provider("openvino", &[]), Some(("num_of_threads", "3"))),
            (provider("OpenVINO", &[("device_type", "CPU_FP32")]), Some(("num_of_threads", "3"))),
            (provider("OpenVINO", &[("device_type", "GPU")]), None),
            (provider("OpenVINO", &[("num_of_threads", "1")]), Some(("num_of_threads", "1"))),
            (provider("XNNPACK", &[]), Some(("intra_op_num_threads", "3"))),
            (provider("CUDA", &[]), None),
        ];
        for (given, expected) in rows {
            let settings = Settings { threads: 3, providers: vec![given.clone()], ..Settings::default() };
            let own = with_own_options(&settings).remove(0);
            let threads = own.options.iter().find(|(key, _)| key.contains("threads"));
            let threads = threads.map(|(key, value)| (key.as_str(), value.as_str()));
            assert_eq!(threads, expected, "{given:?}");
        }
    }

    #[test]
    fn a_folder_is_given_to_those_who_keep_something() {
        let folder = Path::new("/cache/x");
        let kept = keeping(&provider("OpenVINO", &[("device_type", "CPU")]), folder).unwrap();
        assert_eq!(kept, provider("OpenVINO", &[("cache_dir", "/cache/x"), ("device_type", "CPU")]));
        let kept = keeping(&provider("TensorRT", &[]), folder).unwrap();
        assert_eq!(kept.options["trt_engine_cache_path"], "/cache/x");
        assert_eq!(kept.options["trt_timing_cache_path"], "/cache/x");
        assert_eq!(kept.options["trt_engine_cache_enable"], "1");
        for other in [
            provider("CPU", &[]),
            provider("CUDA", &[]),
            provider("OpenVINO", &[("cache_dir", "mine")]),
            provider("Unheard", &[]),
        ] {
            assert_eq!(keeping(&other, folder), None);
        }
    }

    #[test]
    fn the_missing_library_is_found_in_what_the_loader_says() {
        let heard = "/onnxruntime/provider_bridge_ort.cc:2251 TryGetProviderInfo_CUDA() [ONNXRuntimeError] : 1 : FAIL : \
                     Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open \
                     shared object file: No such file or directory";
        assert_eq!(missing_library(heard), Some("libcublasLt.so.12"));
        assert_eq!(missing_library("something else"), None);
    }

    #[test]
    fn a_providers_own_library_is_blamed_for_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        let name = "libonnxruntime_providers_cuda.so";
        let file = folder.path().join(name);
        let absent = |said: &str, heard: &str| absent_file(name, &file, said, heard);
        let expected = format!("{} is not there", file.display());
        assert_eq!(absent("it failed", "").as_ref(), Some(&expected));
        assert_eq!(absent("it failed", &format!("Failed to load library {name}")).as_ref(), Some(&expected));
        assert_eq!(absent("it failed", "unknown option device_idd"), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(absent("it failed", ""), None);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(name, &file).unwrap();
        assert!(absent("it failed", "").unwrap().contains("cannot be read"));
    }
}
