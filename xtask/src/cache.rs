//! The cache folder: each thing in it is a folder made once, whole or not there at all.
//!
//! A thing is filled under a temporary name and renamed when it is complete. Inside lies its pin, the
//! text that decides what it holds (name, version and hashes); a thing whose pin differs is made anew.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PIN: &str = ".pin";

/// The cache folder, locked against other setups for as long as this value lives.
pub(crate) struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    /// The cache at [`folder`], made if need be. Waits for another setup that is at work in it.
    pub(crate) fn open() -> Result<Cache> {
        Cache::at(folder()?)
    }

    fn at(folder: PathBuf) -> Result<Cache> {
        let lock = (|| {
            fs::create_dir_all(&folder)?;
            let lock = File::create(folder.join(".lock"))?;
            lock.lock()?;
            Ok::<_, std::io::Error>(lock)
        })()
        .with_context(|| {
            format!("the cache folder {} cannot be written; FARSIGHT_CACHE names another", folder.display())
        })?;
        Ok(Cache { folder, _lock: lock })
    }

    /// The folder `name` with what `pin` stands for, which `fill` writes into an empty folder if it is
    /// not there yet. Says what it does.
    pub(crate) fn thing(
        &self,
        name: &str,
        pin: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.folder.join(name);
        if fs::read_to_string(place.join(PIN)).is_ok_and(|found| found == pin) {
            eprintln!("  there    {}", place.display());
            return Ok(place);
        }
        eprintln!("  making   {}", place.display());
        let partial = self.empty(".partial")?;
        fill(&partial)?;
        fs::write(partial.join(PIN), pin).with_context(|| format!("cannot write {}", partial.display()))?;
        self.replace(&partial, &place)?;
        Ok(place)
    }

    /// An empty folder for what is on its way; what an interrupted setup left in it goes.
    pub(crate) fn empty(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        remove(&folder)?;
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    fn replace(&self, partial: &Path, place: &Path) -> Result<()> {
        remove(place)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::rename(partial, place).with_context(|| format!("cannot move {} into place", place.display()))
    }
}

/// `$FARSIGHT_CACHE`, else `$XDG_CACHE_HOME/farsight`, else `~/.cache/farsight`; absolute.
pub(crate) fn folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("FARSIGHT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("farsight")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/farsight")))
        .context("neither FARSIGHT_CACHE nor XDG_CACHE_HOME nor HOME says where the cache folder is")?;
    Ok(std::path::absolute(folder)?)
}

pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty_cache(name: &str) -> Cache {
        let folder = std::env::temp_dir().join(format!("farsight-xtask-{}-{name}", std::process::id()));
        remove(&folder).unwrap();
        Cache::at(folder).unwrap()
    }

    fn write(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |folder| Ok(fs::write(folder.join("text"), text)?)
    }

    #[test]
    fn a_thing_is_made_once_for_each_pin() {
        let cache = empty_cache("once");
        let place = cache.thing("a/1", "pin 1", write("first")).unwrap();
        cache.thing("a/1", "pin 1", |_| panic!("made twice")).unwrap();
        assert_eq!(fs::read_to_string(place.join("text")).unwrap(), "first");

        cache.thing("a/1", "pin 2", write("second")).unwrap();
        assert_eq!(fs::read_to_string(place.join("text")).unwrap(), "second");
        remove(&cache.folder).unwrap();
    }

    #[test]
    fn a_failed_thing_is_not_there_and_leaves_nothing_to_the_next() {
        let cache = empty_cache("failed");
        cache
            .thing("a", "pin", |folder| {
                fs::write(folder.join("half"), "half")?;
                anyhow::bail!("interrupted")
            })
            .unwrap_err();
        assert!(!cache.folder.join("a").exists());

        let place = cache.thing("a", "pin", write("whole")).unwrap();
        assert!(!place.join("half").exists());
        remove(&cache.folder).unwrap();
    }
}
