//! With providers that compile a model for their device: what they keep of it, in a folder that they fill.
//!
//! A provider is never believed to use what it keeps: it is opened a second time, and if it writes again, the folder
//! is thrown away. (OpenVINO out of PyPI's wheel writes and cannot read: it would write at every start.)

use std::path::Path;

use farsight_spec::Provider;

use super::{StartUp, made, optimization};
use crate::cache::PROVIDERS;
use crate::cache::entry::{Entry, Found};
use crate::cache::key::Key;
use crate::provider::{self, with_own_options};
use crate::{Caching, Library, Model, ProviderReport, Result, Session, Settings, machine};

const NOT_TAKEN: &str = "the provider does not take back what it keeps";

/// How something was opened that keeps files in a folder.
enum Opened<T> {
    /// Not at all: nothing was kept, and nothing was to be.
    Nothing,
    /// From what it had kept.
    Cached(T),
    /// From what it has just kept, after what was there had proved to be `stale`; or why it keeps nothing.
    Made { session: Result<T, String>, stale: Option<String> },
}

/// Opens, with `session`, something that keeps files in the folder it is given.
fn open_with<T>(entry: &Entry, caching: Caching, session: impl Fn(&Path) -> Result<T, String>) -> Opened<T> {
    let stale = match entry.look() {
        Found::Good(_) => match session(entry.folder()) {
            Ok(session) if matches!(entry.look(), Found::Good(_)) => return Opened::Cached(session),
            Ok(_) => Some("the provider did not take it and wrote another one".to_owned()),
            Err(reason) => Some(reason),
        },
        Found::Bad(reason) => Some(reason),
        Found::Nothing => None,
    };
    if let Some(reason) = &stale {
        log::warn!("{} is made anew: {reason}", entry.folder().display());
    } else if caching != Caching::Make {
        return Opened::Nothing;
    }
    let made = entry.put(|folder| fill(folder, &session)).and_then(|()| session(entry.folder()));
    Opened::Made { session: made, stale }
}

/// Lets `session` fill a folder, and makes sure that it uses what it finds there the next time.
fn fill<T>(folder: &Path, session: &impl Fn(&Path) -> Result<T, String>) -> Result<(), String> {
    drop(session(folder)?);
    let kept = Entry::seen(folder)?;
    if kept.is_empty() {
        return Err("the provider kept nothing".to_owned());
    }
    drop(session(folder)?);
    if Entry::seen(folder)? == kept { Ok(()) } else { Err(NOT_TAKEN.to_owned()) }
}

/// The place in the cache for what providers keep, and how a session is opened with it.
pub(super) struct Compiled<'a> {
    library: &'static Library,
    entry: Entry,
    settings: &'a Settings,
    /// The providers that keep something.
    keepers: Vec<String>,
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
        let keeps = |own: &&Provider| is_used(&own.name) && provider::keeping(own, cache).is_some();
        let keepers: Vec<String> = own.iter().filter(keeps).map(|own| own.name.clone()).collect();
        if keepers.is_empty() {
            return None;
        }
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
        Some(Self { library, entry, settings, keepers })
    }

    pub(super) fn open(&self, model: Model<'_>, caching: Caching) -> Result<Session> {
        let plain = || Session::open(self.library, model, self.settings);
        let place = |session: Session| session.prepared_in(self.entry.folder());
        match open_with(&self.entry, caching, |folder| self.session(model, folder)) {
            Opened::Nothing => plain(),
            Opened::Cached(session) => Ok(place(session).started(StartUp::Cached)),
            Opened::Made { session, stale } => {
                let session = session.map_err(|reason| match reason.as_str() {
                    NOT_TAKEN => self.not_taken(),
                    _ => reason,
                });
                made(session.map(place), stale, &self.entry, plain)
            }
        }
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
        format!("{NOT_TAKEN}{why}")
    }

    /// A session whose providers keep their things in `folder`. One without them, where the settings allow such a
    /// fallback, is none: it would count as prepared and run on the CPU.
    fn session(&self, model: Model<'_>, folder: &Path) -> Result<Session, String> {
        let keeping = |own: &Provider| provider::keeping(own, folder).unwrap_or_else(|| own.clone());
        let settings = Settings {
            providers: self.settings.providers.iter().map(keeping).collect(),
            ..self.settings.clone()
        };
        let session = Session::open(self.library, model, &settings).map_err(|error| error.to_string())?;
        match left_out(session.providers(), &self.keepers) {
            Some(reason) => Err(reason),
            None => Ok(session),
        }
    }
}

/// The first of the providers that keep something which a session runs without, and why.
fn left_out(reports: &[ProviderReport], keepers: &[String]) -> Option<String> {
    let keeper = |report: &&ProviderReport| keepers.contains(&report.name);
    reports.iter().filter(keeper).find_map(|report| {
        Some(format!("{} did not start with what it keeps: {}", report.name, report.missing.as_ref()?))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    /// A provider that compiles into a file, takes it back if it is whole, and counts how often it had to compile.
    fn provider(count: &Cell<usize>) -> impl Fn(&Path) -> Result<(), String> + '_ {
        |folder| {
            let file = folder.join("model.blob");
            if fs::read(&file).is_ok_and(|bytes| bytes == b"compiled") {
                return Ok(());
            }
            count.set(count.get() + 1);
            fs::write(file, "compiled").map_err(|error| error.to_string())
        }
    }

    fn entry(folder: &Path, driver: &str) -> Entry {
        let facts = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let key = Key { asked: facts("model", "m"), device: facts("driver", driver) };
        Entry::new(folder, PROVIDERS, key)
    }

    fn stale<T>(opened: Opened<T>) -> Option<String> {
        match opened {
            Opened::Made { session: Ok(_), stale } => Some(stale.unwrap_or_default()),
            _ => None,
        }
    }

    #[test]
    fn what_is_kept_is_used_and_made_anew_when_it_is_stale_or_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let count = Cell::new(0);
        let session = provider(&count);
        let old = entry(folder.path(), "1");
        assert!(matches!(open_with(&old, Caching::Use, &session), Opened::Nothing));
        assert_eq!(stale(open_with(&old, Caching::Make, &session)).as_deref(), Some(""));
        for _ in 0..3 {
            assert!(matches!(open_with(&old, Caching::Use, &session), Opened::Cached(())));
        }
        assert_eq!(count.get(), 1);

        let new = entry(folder.path(), "2");
        let reason = stale(open_with(&new, Caching::Use, &session)).unwrap();
        assert_eq!(reason, "it was made for driver \"1\", this is \"2\"");
        assert_eq!(count.get(), 2);
        for damage in [&b"damaged!"[..], b"comp", b""] {
            fs::write(new.folder().join("model.blob"), damage).unwrap();
            assert!(stale(open_with(&new, Caching::Use, &session)).unwrap().contains("model.blob"));
            assert!(matches!(open_with(&new, Caching::Use, &session), Opened::Cached(())));
        }
        assert_eq!(count.get(), 5);
    }

    #[test]
    fn a_provider_that_does_not_take_back_what_it_keeps_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path(), "1");
        let count = Cell::new(0_u8);
        let writes = |folder: &Path| {
            count.set(count.get() + 1);
            fs::write(folder.join("model.blob"), [count.get()]).map_err(|error| error.to_string())
        };
        let fails = |_: &Path| Err::<(), _>("no such device".to_owned());
        let rests = |_: &Path| Ok(());
        for (opened, expected) in [
            (open_with(&entry, Caching::Make, writes), NOT_TAKEN),
            (open_with(&entry, Caching::Make, fails), "no such device"),
            (open_with(&entry, Caching::Make, rests), "the provider kept nothing"),
        ] {
            match opened {
                Opened::Made { session: Err(reason), stale: None } => assert_eq!(reason, expected),
                _ => panic!("{expected} was expected"),
            }
            assert_eq!(fs::read_dir(folder.path().join(PROVIDERS)).unwrap().count(), 0);
        }
    }

    /// It worked when it was made; a change that the key does not know makes the provider write again.
    #[test]
    fn one_that_is_no_longer_taken_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path(), "1");
        let version = Cell::new(1_u8);
        let session = |folder: &Path| {
            let file = folder.join("model.blob");
            if fs::read(&file).is_ok_and(|bytes| bytes == [version.get()]) {
                return Ok(());
            }
            fs::write(file, [version.get()]).map_err(|error| error.to_string())
        };
        assert!(stale(open_with(&entry, Caching::Make, session)).is_some());
        version.set(2);
        let reason = stale(open_with(&entry, Caching::Use, session)).unwrap();
        assert_eq!(reason, "the provider did not take it and wrote another one");
        assert!(matches!(open_with(&entry, Caching::Use, session), Opened::Cached(())));
    }

    /// Where a fallback is allowed, a provider that throws leaves a session on the CPU behind.
    #[test]
    fn a_session_that_fell_back_is_not_one_that_is_kept() {
        let report = |name: &str, missing: Option<&str>| ProviderReport {
            name: name.to_owned(),
            missing: missing.map(str::to_owned),
        };
        let keepers = ["OpenVINO".to_owned()];
        assert_eq!(left_out(&[report("OpenVINO", None), report("CUDA", Some("no GPU"))], &keepers), None);
        let reason =
            left_out(&[report("OpenVINO", Some("bad blob")), report("CPU", None)], &keepers).unwrap();
        assert_eq!(reason, "OpenVINO did not start with what it keeps: bad blob");
    }
}
