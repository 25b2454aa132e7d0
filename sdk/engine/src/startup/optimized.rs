//! On the CPU: the session that ONNX Runtime has optimized, in one file that is mapped.

use std::path::Path;
use std::sync::Arc;

use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;

use super::align::align_weights;
use super::{StartUp, made, optimization};
use crate::cache::SESSIONS;
use crate::cache::entry::{Entry, Files, Found};
use crate::cache::key::Key;
use crate::raw::{self, Graph, Mapped};
use crate::session::{builder, set};
use crate::{Caching, EngineError, Library, Model, ProviderReport, Result, Session, Settings};

const FILE: &str = "session.ort";

/// A session's place in the cache, and how it is opened.
pub(super) struct Optimized {
    library: &'static Library,
    entry: Entry,
    settings: Settings,
    providers: Vec<ProviderReport>,
}

impl Optimized {
    pub(super) fn new(
        library: &'static Library,
        cache: &Path,
        sha256: &str,
        settings: &Settings,
        providers: Vec<ProviderReport>,
    ) -> Self {
        // Threads, spinning and the kinds of memory are left out: they change nothing in what is saved.
        let asked = [
            ("model", sha256.to_owned()),
            ("optimization", optimization(settings)),
            ("providers", "CPU".to_owned()),
        ];
        Self {
            library,
            entry: Entry::new(cache, SESSIONS, Key::new(library, &asked, Vec::new())),
            // Others than the CPU are missing here, which `providers` tells.
            settings: Settings { providers: Vec::new(), ..settings.clone() },
            providers,
        }
    }

    pub(super) fn open<B: AsRef<[u8]>, E: From<EngineError>>(
        &self,
        model: impl FnOnce() -> Result<B, E>,
        caching: Caching,
    ) -> Result<Session, E> {
        let stale = match self.entry.look() {
            Found::Good(files) => match self.session(files) {
                Ok(session) => return Ok(session),
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
            return Ok(self.plain(model)?);
        }
        let saved = self.entry.put(|folder| self.save(model, &folder.join(FILE)));
        Ok(made(saved.and_then(|()| self.reopen()), stale, &self.entry, || self.plain(model))?)
    }

    fn plain(&self, model: Model<'_>) -> Result<Session> {
        Ok(Session::open(self.library, model, &self.settings)?.provided_by(&self.providers))
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
        save().map(drop).map_err(|error: EngineError| match error {
            EngineError::Model { reason, .. } => format!("ONNX Runtime did not save it: {reason}"),
            other => other.to_string(),
        })?;
        align_weights(file)
    }

    fn session(&self, mut files: Files) -> Result<Session, String> {
        let file = files.remove(FILE).ok_or_else(|| format!("{FILE} is missing"))?;
        let bytes = raw::map(&file).map_err(|error| format!("{FILE} cannot be mapped: {error}"))?;
        let providers = self.providers.clone();
        mapped(self.library, &self.settings, providers, self.entry.folder(), Arc::new(bytes))
            .map_err(|error| error.to_string())
    }
}

/// A session on the prepared file of a folder.
pub(crate) fn mapped(
    library: &'static Library,
    settings: &Settings,
    providers: Vec<ProviderReport>,
    folder: &Path,
    bytes: Arc<Mapped>,
) -> Result<Session> {
    let name = folder.join(FILE);
    let graph = mapped_graph(library, settings, bytes);
    let graph = graph.map_err(|reason| EngineError::Model { model: name.display().to_string(), reason })?;
    let session = Session::of_graph(graph, Model::File(&name), providers, settings.threads)?;
    let session = session.started(StartUp::Cached);
    Ok(session.prepared_in(folder).lives_on_a_map(library, settings))
}

fn mapped_graph(library: &'static Library, settings: &Settings, bytes: Arc<Mapped>) -> Result<Graph, String> {
    let options = || -> Result<SessionBuilder> {
        let (mut options, _) = builder(library, settings)?;
        for (key, value) in [
            ("session.load_model_format", "ORT"),
            ("session.use_ort_model_bytes_directly", "1"),
            ("session.use_ort_model_bytes_for_initializers", "1"),
        ] {
            options = set("a session from a prepared file", options.with_config_entry(key, value))?;
        }
        Ok(options)
    };
    Graph::from_mapped(library.environment(), &options().map_err(|error| error.to_string())?, bytes)
}
