//! Opening a session from what was prepared on this device.
//!
//! ONNX Runtime saves the session that it has optimized (its `.ort` format, with the layouts of this CPU). Opening
//! that one is four times as fast: it is mapped, nothing is parsed or rewritten, and the weights are used where
//! they lie. What counts stays the plain model: whatever is wrong with the prepared one, the session opens.

mod align;
mod compiled;
mod optimized;

use crate::cache::entry::Entry;
use crate::session::builder;
use crate::startup::compiled::Compiled;
use crate::startup::optimized::Optimized;
pub(crate) use crate::startup::optimized::mapped;
use crate::{Cache, EngineError, Library, Model, Result, Session, Settings};

/// From what a session was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartUp {
    /// From the model itself: nothing was prepared, and nothing was to be.
    Plain,
    /// From what was prepared before.
    Cached,
    /// From what was prepared just now.
    Built,
    /// From what was prepared just now, in the place of one that was no good.
    Rebuilt {
        /// What was wrong with it.
        reason: String,
    },
    /// From the model itself, although something was prepared or was to be.
    Unused {
        /// Why it was not used, or could not be made.
        reason: String,
    },
}

impl StartUp {
    /// One short stable word for it, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cached => "cached",
            Self::Built => "built",
            Self::Rebuilt { .. } => "rebuilt",
            Self::Unused { .. } => "unused",
        }
    }
}

impl Session {
    /// Opens a model that is known by its SHA-256 (`sha256`, in hexadecimal digits) from what was prepared for it
    /// on this device; where `cache` says so, prepares it. `model` is called only if the model itself is needed.
    ///
    /// On the CPU that is a session that ONNX Runtime has optimized; with OpenVINO or TensorRT, what the provider
    /// compiled. Nothing about the cache makes this fail: what cannot be read, written or used is noted in the
    /// log and in [`Session::startup`], and the session is opened from the model.
    ///
    /// # Errors
    /// Those of `model`, and as for [`Session::open`].
    pub fn open_prepared<B: AsRef<[u8]>, E: From<EngineError>>(
        library: &'static Library,
        sha256: &str,
        model: impl FnOnce() -> Result<B, E>,
        settings: &Settings,
        cache: &Cache,
    ) -> Result<Self, E> {
        // Before anything else: a provider that is missing is an error, whatever was prepared.
        let (_, reports) = builder(library, settings)?;
        let used: Vec<_> = reports.iter().filter(|report| report.is_used()).collect();
        if let Some(folder) = cache.folder() {
            let caching = cache.caching;
            if used.iter().all(|report| report.is_cpu()) {
                let road = Optimized::new(library, &folder, sha256, settings, reports);
                return road.open(model, caching);
            }
            if let Some(road) = Compiled::new(library, &folder, sha256, settings, &used) {
                return Ok(road.open(Model::Bytes(model()?.as_ref()), caching)?);
            }
        }
        let model = model()?;
        Ok(Self::open(library, Model::Bytes(model.as_ref()), settings)?)
    }
}

/// The session that was just made, or why there is none; then it is opened from the model itself.
fn made(
    made: Result<Session, String>,
    stale: Option<String>,
    entry: &Entry,
    plain: impl FnOnce() -> Result<Session>,
) -> Result<Session> {
    match made {
        Ok(session) => Ok(session.started(match stale {
            Some(reason) => StartUp::Rebuilt { reason },
            None => StartUp::Built,
        })),
        Err(reason) => {
            // A model that is no good at all has its own error.
            let session = plain()?;
            log::warn!("{} cannot be made: {reason}", entry.folder().display());
            let reason = stale.map(|stale| format!("{stale}; ")).unwrap_or_default() + &reason;
            Ok(session.started(StartUp::Unused { reason }))
        }
    }
}

fn optimization(settings: &Settings) -> String {
    format!("{:?}", settings.optimization).to_lowercase()
}
