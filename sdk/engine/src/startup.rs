//! Opening a session from what was prepared on this device.
//!
//! ONNX Runtime saves the session that it has optimized (its `.ort` format, with the layouts of this CPU). Opening
//! that one is four times as fast: it is mapped, nothing is parsed or rewritten, and the weights are used where
//! they lie. What counts stays the plain model: whatever is wrong with the prepared one, the session opens.

use std::path::Path;
use std::sync::Arc;

use ort::logging::LogLevel;

use crate::cache::entry::{Entry, Files, Found};
use crate::cache::key::Key;
use crate::raw::{Graph, Mapped};
use crate::session::{builder, set};
use crate::{Cache, Caching, EngineError, Library, Model, ProviderReport, Result, Session, Settings};

const SESSIONS: &str = "sessions";
const FILE: &str = "session.ort";

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

impl Session {
    /// Opens a model that is known by its SHA-256 (`sha256`, in hexadecimal digits) from what was prepared for it
    /// on this device; where `cache` says so, prepares it. `model` is called only if the model itself is needed.
    ///
    /// Nothing about the cache makes this fail: what cannot be read, written or used is noted in the log and in
    /// [`Session::startup`], and the session is opened from the model.
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
        let (options, providers) = builder(library, settings)?;
        let used: Vec<_> = providers.iter().filter(|provider| provider.missing.is_none()).collect();
        let (Some(folder), true) = (cache.folder(), used.iter().all(|provider| provider.is_cpu())) else {
            let model = model()?;
            let model = Model::Bytes(model.as_ref());
            return Ok(Self::commit(library, model, &options, providers, settings.threads)?);
        };
        let prepared = Prepared {
            library,
            entry: Entry::new(&folder, SESSIONS, key(library, sha256, settings)),
            settings: Settings { providers: Vec::new(), ..settings.clone() },
            providers,
        };
        prepared.open(model, cache.caching)
    }
}

/// Threads, spinning and the kinds of memory are left out: they change nothing in what is saved.
fn key(library: &Library, sha256: &str, settings: &Settings) -> Key {
    let asked = [
        ("model", sha256.to_owned()),
        ("optimization", format!("{:?}", settings.optimization).to_lowercase()),
        ("providers", "CPU".to_owned()),
    ];
    Key::new(library, &asked)
}

/// A session's place in the cache, and how it is to be opened.
struct Prepared {
    library: &'static Library,
    entry: Entry,
    settings: Settings,
    providers: Vec<ProviderReport>,
}

impl Prepared {
    fn open<B: AsRef<[u8]>, E: From<EngineError>>(
        &self,
        model: impl FnOnce() -> Result<B, E>,
        caching: Caching,
    ) -> Result<Session, E> {
        let stale = match self.entry.look() {
            Found::Good(files) => match self.session(files) {
                Ok(session) => return Ok(session.started(StartUp::Cached)),
                Err(reason) => Some(reason),
            },
            Found::Bad(reason) => Some(reason),
            Found::Nothing => None,
        };
        let model = model()?;
        let model = Model::Bytes(model.as_ref());
        if let Some(reason) = &stale {
            log::warn!("{} is made anew: {reason}", self.entry.folder().display());
        } else if caching != Caching::Make {
            return Ok(Session::open(self.library, model, &self.settings)?.provided_by(&self.providers));
        }
        match self.entry.put(|folder| self.save(model, &folder.join(FILE))).and_then(|()| self.reopen()) {
            Ok(session) => Ok(session.started(match stale {
                Some(reason) => StartUp::Rebuilt { reason },
                None => StartUp::Built,
            })),
            Err(reason) => {
                // A model that is no good at all has its own error.
                let session = Session::open(self.library, model, &self.settings)?;
                log::warn!("{} cannot be made: {reason}", self.entry.folder().display());
                let reason = stale.map(|stale| format!("{stale}; ")).unwrap_or_default() + &reason;
                Ok(session.provided_by(&self.providers).started(StartUp::Unused { reason }))
            }
        }
    }

    fn reopen(&self) -> Result<Session, String> {
        match self.entry.look() {
            Found::Good(files) => self.session(files),
            Found::Bad(reason) => Err(reason),
            Found::Nothing => Err("it vanished".to_owned()),
        }
    }

    /// Lets ONNX Runtime optimize the model and save what it makes of it.
    fn save(&self, model: Model<'_>, file: &Path) -> Result<(), String> {
        let save = || {
            let (options, _) = builder(self.library, &self.settings)?;
            let options = set("where to save", options.with_optimized_model_path(file))?;
            let options = set("how to save", options.with_config_entry("session.save_model_format", "ORT"))?;
            // It warns that what it saves is for this CPU. That is what the key is for.
            let options = set("the log level", options.with_log_level(LogLevel::Error))?;
            crate::session::graph(self.library, model, &options)
        };
        save().map(drop).map_err(|error: EngineError| error.to_string())
    }

    fn session(&self, mut files: Files) -> Result<Session, String> {
        let bytes = files.remove(FILE).ok_or_else(|| format!("{FILE} is missing"))?;
        self.session_of(bytes).map_err(|error| error.to_string())
    }

    fn session_of(&self, bytes: Mapped) -> Result<Session> {
        let (mut options, _) = builder(self.library, &self.settings)?;
        for (key, value) in [
            ("session.load_model_format", "ORT"),
            ("session.use_ort_model_bytes_directly", "1"),
            ("session.use_ort_model_bytes_for_initializers", "1"),
        ] {
            options = set("a session from a prepared file", options.with_config_entry(key, value))?;
        }
        let name = self.entry.folder().join(FILE);
        let graph = Graph::from_mapped(self.library.environment(), &options, Arc::new(bytes));
        let graph =
            graph.map_err(|reason| EngineError::Model { model: name.display().to_string(), reason })?;
        Session::of_graph(graph, Model::File(&name), self.providers.clone(), self.settings.threads)
    }
}
