//! `cargo xtask dist TARGET`: the device library as a folder that programs in C and C++ build against.
//!
//! ```text
//! include/                farsight.h, farsight.hpp
//! lib/                    libfarsight.so.N (its soname), libfarsight.so for the linker, libfarsight.a
//! lib/cmake/farsight/     find_package(farsight)
//! lib/pkgconfig/          pkg-config farsight
//! share/farsight/         targets/, licences/ of everything inside, sbom.cdx.json (CycloneDX)
//! ```
//! The folder may be moved: nothing in it knows where it lies.

mod call;
mod crates;
mod files;
mod licences;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cross::Builder;
use crate::farsight::target_folder;
use crate::test::cargo;
use crate::{cache, glibc, process};
pub(crate) use call::Call;
use crates::Crates;

/// The crate whose files are given away.
const PACKAGE: &str = "farsight-ffi";

pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let call = Call::parse(arguments)?;
    let folder = match &call.into {
        Some(folder) => folder.clone(),
        None => target_folder()?.join("dist").join(&call.target.name),
    };
    make(&call, &folder)?;
    println!("{}", folder.display());
    Ok(())
}

/// Builds the library and puts everything into `folder`; what was there goes, if it was such a folder.
pub(crate) fn make(call: &Call, folder: &Path) -> Result<()> {
    let mut build = build(call)?;
    process::run(&mut build)?;
    let built = built(call)?;
    if call.crosses() {
        glibc::check(&built.join("libfarsight_ffi.so"), &call.target)?;
    }

    let partial = partial(folder)?;
    let crates = Crates::find(call)?;
    files::copy_all(&built, &partial, &crates.version)?;
    let share = partial.join("share/farsight");
    licences::copy_all(&crates, &share.join("licences"))?;
    let compiler = compiler_version(&build)?;
    write(&share.join("sbom.cdx.json"), &sbom::document(&crates, call, &compiler)?)?;
    replace(&partial, folder)
}

/// Cargo, about to build the library: for this machine as ever, for others against the glibc of the profile.
fn build(call: &Call) -> Result<Command> {
    let mut build = match call.crosses() {
        true => Builder::fetch(&call.target)?.cargo("zigbuild", &call.target),
        false => {
            let mut cargo = cargo();
            cargo.arg("build");
            cargo
        }
    };
    build.args(["--package", PACKAGE, "--profile", &call.profile]);
    build.args(call.features.iter().map(|names| format!("--features={names}")));
    Ok(build)
}

/// The folder that cargo puts the files into.
fn built(call: &Call) -> Result<PathBuf> {
    let mut folder = target_folder()?;
    if call.crosses() {
        folder.push(&call.target.triple);
    }
    // The profile `dev` has a folder with another name.
    folder.push(if call.profile == "dev" { "debug" } else { &call.profile });
    Ok(folder)
}

/// The version of the compiler that a build uses: its standard library is in the files, too.
fn compiler_version(build: &Command) -> Result<String> {
    let set = |name| build.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
    let mut rustc = Command::new(set("RUSTC").unwrap_or("rustc".as_ref()));
    rustc.envs(set("LD_LIBRARY_PATH").map(|value| ("LD_LIBRARY_PATH", value)));
    let text = process::silently(rustc.arg("-vV"))?;
    let release = text.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc -vV names no release")?.to_owned())
}

/// An empty folder beside the one to be made, so that an interrupted call leaves that one whole.
fn partial(folder: &Path) -> Result<PathBuf> {
    let is_ours = folder.join("include/farsight.h").exists();
    let is_empty = folder.read_dir().map_or(true, |mut entries| entries.next().is_none());
    anyhow::ensure!(
        is_ours || is_empty,
        "{} holds something else; name a new folder, or one that `cargo xtask dist` made",
        folder.display()
    );
    let mut name = folder.file_name().context("--into names no folder")?.to_owned();
    name.push(".partial");
    let partial = folder.with_file_name(name);
    cache::remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    Ok(partial)
}

fn replace(partial: &Path, folder: &Path) -> Result<()> {
    cache::remove(folder)?;
    fs::rename(partial, folder).with_context(|| format!("cannot move {} into place", folder.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::write(path, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// Copies a file to a path whose folders are made.
fn copy(from: &Path, to: &Path) -> Result<()> {
    to.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .with_context(|| format!("cannot make {}", to.display()))?;
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
