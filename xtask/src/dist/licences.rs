//! The licence texts of everything that is in the library: whoever gives it away must give them, too.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::copy;
use super::crates::Crates;
use crate::workspace;

/// How the names of such files start, in lower case.
const STARTS: [&str; 5] = ["licen", "copying", "copyright", "notice", "unlicense"];

/// One folder a crate, and farsight's own texts at the top.
pub(crate) fn copy_all(crates: &Crates, folder: &Path) -> Result<()> {
    for text in texts(&workspace())? {
        copy_into(&text, folder)?;
    }
    let others = crates.all.iter().filter(|(_, one)| !one.folder.starts_with(workspace()));
    for ((name, version), one) in others {
        let texts = texts(&one.folder)?;
        ensure!(!texts.is_empty(), "{name} {version} has no licence text in {}", one.folder.display());
        for text in texts {
            copy_into(&text, &folder.join(format!("{name}-{version}")))?;
        }
    }
    Ok(())
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    copy(file, &folder.join(file.file_name().context("a file without a name")?))
}

fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut texts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && STARTS.iter().any(|start| name.starts_with(start)) {
            texts.push(path);
        }
    }
    Ok(texts)
}
