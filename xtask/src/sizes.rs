//! `cargo xtask sizes`: how large the device library is, stripped, and what each cargo feature adds to it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use farsight_spec::Target;

use crate::cross::Builder;
use crate::farsight::target_folder;
use crate::{glibc, process};

/// What a library without features may weigh, in bytes.
const MOST: u64 = 3_000_000;

/// A shared library for devices, and its features that are measured.
struct Library {
    package: &'static str,
    features: &'static [&'static str],
}

const LIBRARIES: [Library; 1] = [Library { package: "farsight-ffi", features: &["rasters"] }];

/// `cargo xtask sizes [TARGET…]`: a table in Markdown.
pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let names: Vec<&str> = match arguments {
        [] => vec!["x86_64-linux", "aarch64-linux"],
        names => names.iter().map(String::as_str).collect(),
    };
    let targets = names.into_iter().map(Target::find).collect::<Result<Vec<_>, _>>()?;
    let builders = targets.iter().map(Builder::fetch).collect::<Result<Vec<_>>>()?;

    let mut rows = Vec::new();
    for library in &LIBRARIES {
        let mut plain = Vec::new();
        for (builder, target) in builders.iter().zip(&targets) {
            plain.push(size(builder, target, library.package, None)?);
        }
        rows.push(row(library.package, plain.iter().map(|&size| mb(size as f64))));
        for feature in library.features {
            let mut added = Vec::new();
            for ((builder, target), plain) in builders.iter().zip(&targets).zip(&plain) {
                let with = size(builder, target, library.package, Some(feature))?;
                added.push(format!("+ {}", mb(with as f64 - *plain as f64)));
            }
            rows.push(row(&format!("with `{feature}`"), added.into_iter()));
        }
        if let Some(size) = plain.iter().find(|&&size| size > MOST) {
            bail!(
                "{} has {}; {} is the most it may have",
                library.package,
                mb(*size as f64),
                mb(MOST as f64)
            );
        }
    }
    println!("\n{}", row("library", targets.iter().map(|target| target.name.clone())));
    println!("|---|{}\n{}", "---:|".repeat(targets.len()), rows.join("\n"));
    Ok(())
}

/// Bytes of a library as it goes onto the device.
fn size(builder: &Builder, target: &Target, package: &str, feature: Option<&str>) -> Result<u64> {
    let mut build = builder.cargo("zigbuild", target);
    build
        .args(["--profile", "device", "--package", package])
        .args(feature.map(|name| format!("--features={name}")));
    process::run(&mut build)?;
    let file = library(target, package)?;
    glibc::check(&file, target)?;
    Ok(file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len())
}

/// Where cargo puts it.
fn library(target: &Target, package: &str) -> Result<PathBuf> {
    let name = format!("lib{}.so", package.replace('-', "_"));
    Ok(target_folder()?.join(&target.triple).join("device").join(name))
}

fn mb(bytes: f64) -> String {
    format!("{:.2} MB", bytes / 1e6)
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {name} | {} |", cells.join(" | "))
}
