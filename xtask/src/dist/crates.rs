//! The crates whose code is in the device library, as cargo resolves them for one target and its features.
//!
//! `cargo tree` says which ones these are: `cargo metadata` alone joins the features that all members of the workspace
//! ask for. What only runs while building (build scripts, macros) is not in the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Call, PACKAGE};
use crate::test::cargo;
use crate::{process, workspace};

/// Name and version.
pub(crate) type Id = (String, String);

/// What is in the library.
pub(crate) struct Crates {
    /// The library's own version.
    pub(crate) version: String,
    /// Each crate once, by name and version; the library's own is among them.
    pub(crate) all: BTreeMap<Id, Crate>,
}

/// One of them.
pub(crate) struct Crate {
    /// As SPDX writes it.
    pub(crate) licence: String,
    pub(crate) about: Option<String>,
    pub(crate) repository: Option<String>,
    /// SHA-256 of what the registry gave; `None` for a crate of this workspace.
    pub(crate) sha256: Option<String>,
    /// Its sources on this machine.
    pub(crate) folder: PathBuf,
    /// The crates it uses.
    pub(crate) uses: Vec<Id>,
}

impl Crates {
    pub(crate) fn find(call: &Call) -> Result<Crates> {
        let (tree, metadata, lock) = (tree(call)?, metadata()?, checksums()?);
        let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
        let mut all = BTreeMap::new();
        for (id, uses) in edges(&tree)? {
            let package = packages
                .iter()
                .find(|package| package["name"] == id.0.as_str() && package["version"] == id.1.as_str())
                .with_context(|| format!("cargo metadata does not know {} {}", id.0, id.1))?;
            let sha256 = lock.get(&id).cloned();
            all.insert(id, Crate::read(package, sha256, uses)?);
        }
        let own = all.keys().find(|(name, _)| name == PACKAGE).context("cargo tree has no root")?;
        Ok(Crates { version: own.1.clone(), all })
    }
}

impl Crate {
    fn read(package: &Value, sha256: Option<String>, uses: Vec<Id>) -> Result<Crate> {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let manifest = text("manifest_path").context("a package without a manifest")?;
        Ok(Crate {
            // Old crates write a slash where SPDX has OR.
            licence: text("license").unwrap_or_default().replace('/', " OR "),
            about: text("description").map(|about| about.split_whitespace().collect::<Vec<_>>().join(" ")),
            repository: text("repository"),
            sha256,
            folder: Path::new(&manifest).parent().context("a manifest without a folder")?.to_path_buf(),
            uses,
        })
    }
}

fn tree(call: &Call) -> Result<String> {
    let mut tree = cargo();
    tree.args(["tree", "--package", PACKAGE, "--edges", "normal,no-proc-macro", "--prefix", "depth"]);
    if call.crosses() {
        tree.args(["--target", &call.target.triple]);
    }
    tree.args(call.features.iter().map(|names| format!("--features={names}")));
    process::silently(&mut tree)
}

fn metadata() -> Result<Value> {
    let mut metadata: Command = cargo();
    let text = process::silently(metadata.args(["metadata", "--format-version", "1", "--locked"]))?;
    serde_json::from_str(&text).context("cargo metadata printed no JSON")
}

/// Cargo.lock.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn checksums() -> Result<BTreeMap<Id, String>> {
    let path = workspace().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("{} is no lock file", path.display()))?;
    let checksum = |locked: Locked| Some(((locked.name, locked.version), locked.checksum?));
    Ok(lock.package.into_iter().filter_map(checksum).collect())
}

/// Who uses whom, from lines such as `2serde v1.0.229 (*)`: the depth, the name, the version, and for one that was
/// there before a star in place of what it uses.
fn edges(tree: &str) -> Result<BTreeMap<Id, Vec<Id>>> {
    let mut edges: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, id) = parse(line).with_context(|| format!("cargo tree printed `{line}`"))?;
        anyhow::ensure!(depth <= above.len(), "cargo tree printed `{line}` out of order");
        above.truncate(depth);
        edges.entry(id.clone()).or_default();
        if let Some(user) = above.last() {
            let uses = edges.entry(user.clone()).or_default();
            if !uses.contains(&id) {
                uses.push(id.clone());
            }
        }
        above.push(id);
    }
    Ok(edges)
}

fn parse(line: &str) -> Option<(usize, Id)> {
    let name = line.find(|letter: char| !letter.is_ascii_digit())?;
    let mut words = line[name..].split(' ');
    let id = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
    Some((line[..name].parse().ok()?, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn edges_follow_the_depth() {
        let tree =
            "0own v0.1.0 (/somewhere)\n1a v1.0.0\n2b v2.0.0+x\n1c v3.0.0\n2a v1.0.0 (*)\n1b v2.0.0+x\n";
        let [own, a, b, c] = [id("own", "0.1.0"), id("a", "1.0.0"), id("b", "2.0.0+x"), id("c", "3.0.0")];
        let expected = BTreeMap::from([
            (own, vec![a.clone(), c.clone(), b.clone()]),
            (a.clone(), vec![b.clone()]),
            (b, vec![]),
            (c, vec![a]),
        ]);
        assert_eq!(edges(tree).unwrap(), expected);
    }

    #[test]
    fn another_text_is_an_error() {
        for tree in ["error", "0own", "0own 0.1.0", "0own v0.1.0\n2a v1.0.0"] {
            assert!(edges(tree).is_err(), "{tree}");
        }
    }

    #[test]
    fn every_crate_has_a_licence_and_nothing_of_the_desk_is_inside() {
        let call = Call::parse(&["host".to_owned()]).unwrap();
        let crates = Crates::find(&call).unwrap();
        for ((name, version), one) in &crates.all {
            assert!(!one.licence.is_empty(), "{name} {version}");
            assert!(one.folder.is_dir(), "{}", one.folder.display());
            assert_eq!(one.sha256.is_none(), name.starts_with("farsight"), "{name} {version}");
        }
        let has = |wanted: &str| crates.all.keys().any(|(name, _)| name == wanted);
        assert!(has("farsight") && has("ort"));
        for desk in ["farsight-compiler", "farsight-graph", "clap", "serde_derive", "cc", "tiff-reader"] {
            assert!(!has(desk), "{desk}");
        }
    }
}
