//! With providers that compile a model for their device: what they keep of it, in a folder that they fill.
//!
//! A provider is never believed to use what it keeps: it is opened a second time, and if it writes again, the folder
//! is thrown away. (OpenVINO out of PyPI's wheel writes and cannot read: it would write at every start.)

use std::path::Path;

use super::{StartUp, made, optimization};
use crate::cache::entry::{Entry, Found};
use crate::cache::key::Key;
use crate::provider::{self, with_own_options};
use crate::{Caching, Library, Model, ProviderReport, Result, Session, Settings, machine};

const PROVIDERS: &str = "providers";

/// The place in the cache for what providers keep, and how a session is opened with it.
pub(super) struct Compiled<'a> {
    library: &'static Library,
    entry: Entry,
    settings: &'a Settings,
}

impl<'a> Compiled<'a> {
    /// `None` if none of the providers that are used keeps anything.
    pub(super) fn new(
        library: &'static Library,
        cache: &Path,
        sha256: &str,
        settings: &'a Settings,
        used: &[&ProviderReport],
    ) -> Option<Self> {
        let is_used = |name: &str| used.iter().any(|report| report.name == name);
        let own = with_own_options(settings);
        own.iter().find(|own| is_used(&own.name) && provider::keeping(own, cache).is_some())?;
        let asked: Vec<String> = own
            .iter()
            .filter(|own| is_used(&own.name))
            .map(|own| format!("{} {:?}", own.name, own.options))
            .collect();
        let asked = [
            ("model", sha256.to_owned()),
            ("optimization", optimization(settings)),
            ("providers", asked.join(", ")),
        ];
        let mut device: Vec<_> = own.iter().flat_map(|own| provider::identity(&own.name, library)).collect();
        device.push(("accelerator".to_owned(), machine::accelerator_identity()));
        let entry = Entry::new(cache, PROVIDERS, Key::new(library, &asked, device));
        Some(Self { library, entry, settings })
    }

    pub(super) fn open(&self, model: Model<'_>, caching: Caching) -> Result<Session> {
        let stale = match self.entry.look() {
            Found::Good(_) => match self.session(model, self.entry.folder()) {
                Ok(session) if matches!(self.entry.look(), Found::Good(_)) => {
                    return Ok(session.prepared_in(self.entry.folder()).started(StartUp::Cached));
                }
                Ok(_) => Some("the provider did not take it and wrote another one".to_owned()),
                Err(reason) => Some(reason),
            },
            Found::Bad(reason) => Some(reason),
            Found::Nothing => None,
        };
        if let Some(reason) = &stale {
            log::warn!("{} is made anew: {reason}", self.entry.folder().display());
        } else if caching != Caching::Make {
            return Session::open(self.library, model, self.settings);
        }
        let session = self
            .entry
            .put(|folder| self.fill(model, folder))
            .and_then(|()| self.session(model, self.entry.folder()))
            .map(|session| session.prepared_in(self.entry.folder()));
        made(session, stale, &self.entry, || Session::open(self.library, model, self.settings))
    }

    fn fill(&self, model: Model<'_>, folder: &Path) -> Result<(), String> {
        let state = || Entry::seen(folder);
        drop(self.session(model, folder)?);
        let kept = state()?;
        if kept.is_empty() {
            return Err("the provider kept nothing".to_owned());
        }
        drop(self.session(model, folder)?);
        if state()? == kept { Ok(()) } else { Err(self.not_taken()) }
    }

    fn not_taken(&self) -> String {
        let lacks_reader =
            self.settings.providers.iter().any(|own| own.name.eq_ignore_ascii_case("OpenVINO"))
                && !crate::find::entries(self.library.path().parent().unwrap_or(Path::new("."))).any(
                    |path| {
                        path.file_name()
                            .is_some_and(|name| name.to_string_lossy().starts_with("libopenvino_ir_frontend"))
                    },
                );
        let why = if lacks_reader {
            ": libopenvino_ir_frontend.so, which reads it, is not beside the library (PyPI's wheel lacks it)"
        } else {
            ""
        };
        format!("the provider does not take back what it keeps{why}")
    }

    /// A session whose providers keep their things in `folder`.
    fn session(&self, model: Model<'_>, folder: &Path) -> Result<Session, String> {
        let keeping =
            |own: &farsight_spec::Provider| provider::keeping(own, folder).unwrap_or_else(|| own.clone());
        let settings = Settings {
            providers: self.settings.providers.iter().map(keeping).collect(),
            ..self.settings.clone()
        };
        Session::open(self.library, model, &settings).map_err(|error| error.to_string())
    }
}
