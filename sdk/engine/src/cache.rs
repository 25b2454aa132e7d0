//! What a device prepares for itself and keeps: whether, where, and under which key.
//!
//! ```text
//! CACHE_FOLDER/sessions/NAME/session.ort    a session that ONNX Runtime has optimized already
//!                            key.json       what it was made of and where, size and checksum of its files
//! CACHE_FOLDER/providers/NAME/…             what OpenVINO or TensorRT compiled and keeps, with its key.json
//! ```
//! `NAME` is a hash of what was asked for (model, options, providers). `key.json` repeats that and says on which
//! device it was made, with which library. What was made elsewhere, or is damaged, is made anew in its place.

mod checksum;
pub(crate) mod entry;
pub(crate) mod key;

use std::path::PathBuf;

/// Folders of the cache, one for each kind of thing.
pub(crate) const SESSIONS: &str = "sessions";
pub(crate) const PROVIDERS: &str = "providers";

/// What may be done with things that were prepared on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caching {
    /// Nothing prepared is looked at.
    Off,
    /// What is there is used, and made anew where it is no good any more. Where nothing was prepared, nothing is
    /// written.
    #[default]
    Use,
    /// As `Use`; and what is not there is prepared and kept.
    Make,
}

/// Where prepared things are, and what may be done with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cache {
    /// What may be done.
    pub caching: Caching,
    /// The folder; [`cache_folder`](crate::cache_folder) where it is not given.
    pub folder: Option<PathBuf>,
}

impl Cache {
    /// A cache that is filled where it is empty, in the usual folder.
    pub fn make() -> Self {
        Self { caching: Caching::Make, folder: None }
    }

    /// Removes what was prepared for other models than those with these SHA-256 (in hexadecimal digits), whoever
    /// prepared it, and what is damaged. Returns the folders that were removed, with their sizes in bytes. Sessions that
    /// are open go on.
    ///
    /// # Errors
    /// In words: a folder cannot be removed.
    pub fn prune(&self, keep: &[String]) -> Result<Vec<(PathBuf, u64)>, String> {
        let Some(folder) = self.folder() else { return Ok(Vec::new()) };
        let mut removed = entry::prune(&folder, SESSIONS, keep)?;
        removed.extend(entry::prune(&folder, PROVIDERS, keep)?);
        Ok(removed)
    }

    /// The folder to look in; `None` if nothing is to be looked at.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self.caching {
            Caching::Off => None,
            Caching::Use | Caching::Make => self.folder.clone().or_else(crate::cache_folder),
        }
    }
}
