//! The library's own files, under the names that others look for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{copy, write};
use crate::workspace;

#[allow(unreachable_pub)] // public where it belongs
mod abi {
    include!("../../../sdk/ffi/src/abi.rs");
}
use abi::ABI_VERSION;

/// Copies what was built in `built`, and what goes with it, into `folder`.
pub(crate) fn copy_all(built: &Path, folder: &Path, version: &str) -> Result<()> {
    libraries(built, &folder.join("lib"))?;
    let source = workspace().join("sdk/ffi");
    folder_into(&source.join("include"), &folder.join("include"), version)?;
    folder_into(&source.join("cmake"), &folder.join("lib/cmake/farsight"), version)?;
    folder_into(&source.join("pkgconfig"), &folder.join("lib/pkgconfig"), version)?;
    folder_into(&workspace().join("targets"), &folder.join("share/farsight/targets"), version)
}

/// The soname is the file, so that one file is all that goes onto a device; the linker's name leads to it.
fn libraries(built: &Path, folder: &Path) -> Result<()> {
    let soname = format!("libfarsight.so.{ABI_VERSION}");
    copy(&built.join("libfarsight_ffi.so"), &folder.join(&soname))?;
    copy(&built.join("libfarsight_ffi.a"), &folder.join("libfarsight.a"))?;
    let link = folder.join("libfarsight.so");
    symlink(&soname, &link).with_context(|| format!("cannot make the link {}", link.display()))
}

/// Copies each file; `NAME.in` becomes `NAME` with the numbers in it.
fn folder_into(from: &Path, to: &Path, version: &str) -> Result<()> {
    let entries = from.read_dir().with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_suffix(".in") {
            Some(name) => write(&to.join(name), &filled(&path, version)?)?,
            None => copy(&path, &to.join(name))?,
        }
    }
    Ok(())
}

/// A template with its words in it. A word that nobody knows is an error.
fn filled(template: &Path, version: &str) -> Result<String> {
    let shown = template.display();
    let mut text = fs::read_to_string(template).with_context(|| format!("cannot read {shown}"))?;
    let mut numbers = version.split('.');
    let mut number = || numbers.next().unwrap_or_default().to_owned();
    let words = [
        ("@VERSION@", version.to_owned()),
        ("@VERSION_MAJOR@", number()),
        ("@VERSION_MINOR@", number()),
        ("@ABI_VERSION@", ABI_VERSION.to_string()),
        ("@POINTER_BYTES@", "8".to_owned()), // every target profile is a 64-bit machine
    ];
    for (word, value) in words {
        text = text.replace(word, &value);
    }
    ensure!(!text.contains('@'), "{shown} has a word between at-signs that cargo xtask dist does not know");
    Ok(text)
}
