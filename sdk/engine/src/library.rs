//! The one ONNX Runtime of this process.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use farsight_spec::{OrtBuild, version_numbers};
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::find::{Surroundings, candidates};
use crate::probe::probe;
use crate::provider::short_name;
use crate::{EngineError, Place, Result, raw};

/// The ONNX Runtime of this process: found, checked and loaded.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    place: Place,
    version: String,
    providers: Vec<String>,
    environment: Environment,
}

static LIBRARY: OnceLock<Library> = OnceLock::new();
/// The path that was handed to `ort`, which takes one only. Locked while loading.
static COMMITTED: Mutex<Option<PathBuf>> = Mutex::new(None);

impl Library {
    /// Finds and loads ONNX Runtime; once it is loaded, returns it.
    ///
    /// Looks at `explicit`, then at `ORT_DYLIB_PATH`, beside the program, in the farsight cache
    /// ([`cache_folder`](crate::cache_folder)), in the system's folders. Sets `ORT_DISABLE_TELEMETRY=1` in
    /// the environment of this process.
    ///
    /// # Errors
    /// `explicit` or `ORT_DYLIB_PATH` is bad (they are never skipped), there is nothing usable
    /// anywhere, or another library than `explicit` is loaded already.
    pub fn load(explicit: Option<&Path>) -> Result<&'static Self> {
        let mut committed = COMMITTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = LIBRARY.get() {
            library.must_be(explicit)?;
            return Ok(library);
        }
        let library = Self::find(&Surroundings::of_this_process(explicit), &mut committed)?;
        Ok(LIBRARY.get_or_init(|| library))
    }

    fn must_be(&self, explicit: Option<&Path>) -> Result<()> {
        match explicit {
            Some(asked) if !same_file(asked, &self.path) => {
                Err(EngineError::AlreadyLoaded { loaded: self.path.clone(), asked: asked.to_path_buf() })
            }
            _ => Ok(()),
        }
    }

    fn find(around: &Surroundings, committed: &mut Option<PathBuf>) -> Result<Self> {
        let mut looked_at = Vec::new();
        for (place, path) in candidates(around) {
            match Self::open(place, &path, committed) {
                Ok(library) => return Ok(library),
                Err(error) if place.is_chosen() => return Err(error),
                Err(error) => {
                    log::warn!("{error}");
                    looked_at.push(format!("  {place}: {error}"));
                }
            }
        }
        if looked_at.is_empty() {
            looked_at.push(
                "  beside the program, the farsight cache, the system's libraries: nothing there".into(),
            );
        }
        Err(EngineError::NotFound { looked_at: looked_at.join("\n") })
    }

    fn open(place: Place, path: &Path, committed: &mut Option<PathBuf>) -> Result<Self> {
        let probed = probe(place, path)?;
        let failed = |reason: String| EngineError::Load { path: path.to_path_buf(), reason };
        // `ort` resolves a relative path against the program's folder, the probe did against the current one.
        let path = path.canonicalize().map_err(|error| failed(error.to_string()))?;
        if let Some(loaded) = committed.as_ref().filter(|loaded| **loaded != path) {
            return Err(EngineError::AlreadyLoaded { loaded: loaded.clone(), asked: path });
        }
        let environment = ort::init_from(&path).map_err(|error| failed(error.to_string()))?;
        *committed = Some(path.clone());
        drop(probed.loaded);
        let environment = environment
            .with_name("farsight")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, _: &str, _: &str, place: &str, message: &str| {
                forward(level, place, message);
            }))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        environment.set_log_level(wanted_level());
        let providers = raw::available_providers().map_err(failed)?;
        log::debug!("ONNX Runtime {} from {} ({place})", probed.version, path.display());
        Ok(Self {
            providers: providers.iter().map(|name| short_name(name).to_owned()).collect(),
            version: probed.version,
            path,
            place,
            environment,
        })
    }

    /// The file, with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who or what named it.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Its version, such as `"1.32.0"`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Short names of the execution providers that it was built with, in ONNX Runtime's order of
    /// preference. Whether one works here shows when a session is opened.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// Checks the version against what a target profile says of it.
    ///
    /// # Errors
    /// It is older than the profile's oldest, newer than its newest, or one of its known bad versions.
    pub fn check(&self, build: &OrtBuild) -> Result<()> {
        if let Some(reason) = build.known_bad.get(&self.version) {
            return Err(EngineError::KnownBad {
                path: self.path.clone(),
                version: self.version.clone(),
                reason: reason.clone(),
            });
        }
        if version_numbers(&self.version) < version_numbers(&build.oldest) {
            return Err(EngineError::OlderThanTarget {
                path: self.path.clone(),
                found: self.version.clone(),
                oldest: build.oldest.clone(),
            });
        }
        match &build.newest {
            Some(newest) if build.is_past_newest(&self.version) => Err(EngineError::NewerThanTarget {
                path: self.path.clone(),
                found: self.version.clone(),
                newest: newest.clone(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| a == b)
}

/// The lowest level of ONNX Runtime's messages that the program's logger would show.
pub(crate) fn wanted_level() -> LogLevel {
    match log::max_level() {
        log::LevelFilter::Trace => LogLevel::Verbose,
        log::LevelFilter::Debug => LogLevel::Info,
        log::LevelFilter::Info | log::LevelFilter::Warn => LogLevel::Warning,
        log::LevelFilter::Error | log::LevelFilter::Off => LogLevel::Error,
    }
}

/// Hands a message of ONNX Runtime to `log`. Its informative messages are about itself: debug for us.
fn forward(level: LogLevel, place: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info => log::Level::Debug,
        LogLevel::Warning => log::Level::Warn,
        LogLevel::Error | LogLevel::Fatal => log::Level::Error,
    };
    // The caller is C++: neither a logger that panics nor a thread that ends must unwind into it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if level == log::Level::Error {
            note(message);
        }
        log::log!(target: "onnxruntime", level, "{message} ({place})");
    }));
}

/// Keeps an error for [`overhear`]. A thread that ends has nobody who listens any more.
fn note(message: &str) {
    let _ = OVERHEARD.try_with(|heard| {
        if let Ok(mut heard) = heard.try_borrow_mut()
            && let Some(heard) = heard.as_mut()
        {
            message.clone_into(heard);
        }
    });
}

thread_local! {
    /// The last error that ONNX Runtime told this thread, while someone listens.
    static OVERHEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `work` gives, and the last error that ONNX Runtime told its log meanwhile: of a provider that cannot be set
/// up it tells the reason there only. Empty if it told none.
pub(crate) fn overhear<T>(work: impl FnOnce() -> T) -> (T, String) {
    OVERHEARD.set(Some(String::new()));
    let result = work();
    (result, OVERHEARD.take().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_heard_and_a_message_at_a_bad_moment_does_not_panic() {
        let ((), heard) = overhear(|| forward(LogLevel::Error, "here", "it went wrong"));
        assert_eq!(heard, "it went wrong");
        OVERHEARD.with_borrow_mut(|_| note("while somebody reads"));
        std::thread::spawn(|| {
            struct Late;
            impl Drop for Late {
                fn drop(&mut self) {
                    note("after the end");
                }
            }
            thread_local!(static LATE: Late = const { Late });
            LATE.with(|_| {});
            note("before");
        })
        .join()
        .unwrap();
    }
}
