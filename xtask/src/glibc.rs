//! `cargo xtask glibc`: whether a program or a shared library starts on a device with an older glibc.
//!
//! The loader refuses a file that asks for a symbol version which the device's glibc does not have, and the version
//! comes from the machine that links. So every file is held against the `glibc` of its target profile.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use farsight_spec::Target;
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Sym};

/// `cargo xtask glibc TARGET FILE…`
pub(crate) fn habit(arguments: &[String]) -> Result<()> {
    let [target, files @ ..] = arguments else { bail!("call it as: cargo xtask glibc TARGET FILE…") };
    if files.is_empty() {
        bail!("no file to check; call it as: cargo xtask glibc TARGET FILE…");
    }
    let target = Target::find(target)?;
    files.iter().try_for_each(|file| check(Path::new(file), &target))
}

/// Fails if `file` asks for a newer glibc than the profile allows; else says what it asks for.
pub(crate) fn check(file: &Path, target: &Target) -> Result<()> {
    let (profile, shown) = (&target.name, file.display());
    let allowed = target.glibc.as_deref().with_context(|| format!("target {profile} names no glibc"))?;
    let needs = needs(&fs::read(file).with_context(|| format!("cannot read {shown}"))?)
        .with_context(|| format!("{shown} is no 64-bit ELF program or shared library"))?;
    let newest = newest(&needs, allowed).map_err(|worst| {
        anyhow::anyhow!(
            "{shown} asks for `{}` of {}, but target {profile} allows glibc {allowed} at most: it would not start \
             there. Link it against glibc {allowed}: cargo zigbuild --target {}.{allowed}",
            worst.symbol,
            worst.version,
            target.triple
        )
    })?;
    let newest = newest.map_or("no version of glibc", |need| &need.version);
    println!("  glibc    {shown}: {newest}, {profile} allows {allowed}");
    Ok(())
}

/// A symbol of glibc that a file asks for.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    symbol: String,
    /// `GLIBC_2.34`
    version: String,
}

/// The newest need, or the newest of those that `allowed` (`"2.28"`) does not cover.
fn newest<'a>(needs: &'a [Need], allowed: &str) -> Result<Option<&'a Need>, &'a Need> {
    let newest = needs.iter().max_by_key(|need| number(&need.version));
    match newest {
        Some(need) if number(&need.version) > number(allowed) => Err(need),
        newest => Ok(newest),
    }
}

/// `GLIBC_2.34` and `2.34` as [2, 34]. A name without a number (`GLIBC_PRIVATE`) is newer than all: no profile can
/// promise it.
fn number(version: &str) -> Vec<u32> {
    let digits = match version {
        "GLIBC_ABI_DT_RELR" => "2.36", // compact relocations came with it
        version => version.trim_start_matches("GLIBC_"),
    };
    digits.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

/// The versions of glibc that the file asks for, each with a symbol that it comes with.
fn needs(file: &[u8]) -> object::read::Result<Vec<Need>> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let symbols = sections.symbols(endian, file, elf::SHT_DYNSYM)?;
    let (Some(marks), Some((libraries, strings))) =
        (sections.versions(endian, file)?, sections.gnu_verneed(endian, file)?)
    else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, file, strings)?;

    let mut needs = Vec::new();
    for library in libraries {
        for version in library?.1 {
            let version = version?;
            let marked =
                |index| marks.version_index(endian, index).index() == version.vna_other(endian).index();
            let symbol = symbols.enumerate().find(|(index, _)| marked(*index));
            let symbol = symbol.map_or(Ok(&b""[..]), |(_, symbol)| symbol.name(endian, symbols.strings()))?;
            needs.push(Need { symbol: text(symbol), version: text(version.name(endian, strings)?) });
        }
    }
    needs.retain(|need| need.version.starts_with("GLIBC_"));
    Ok(needs)
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(glibc: &str) -> Target {
        let glibc = Some(glibc.to_owned());
        Target { glibc, ..Target::find("aarch64-linux").unwrap() }
    }

    /// This program: it asks for whatever the machine that built it has.
    fn own() -> std::path::PathBuf {
        std::env::current_exe().unwrap()
    }

    #[test]
    fn what_the_profile_allows_passes() {
        check(&own(), &target("9.99")).unwrap();
    }

    #[test]
    fn what_is_newer_fails_and_the_message_says_what_and_where() {
        let message = format!("{:#}", check(&own(), &target("2.0")).unwrap_err());
        let needs = needs(&fs::read(own()).unwrap()).unwrap();
        let newest = newest(&needs, "2.0").unwrap_err();
        assert!(!newest.symbol.is_empty() && newest.version.starts_with("GLIBC_2."), "{newest:?}");
        for part in
            [&own().display().to_string(), &newest.symbol, &newest.version, "aarch64-linux", "glibc 2.0"]
        {
            assert!(message.contains(part), "no {part} in {message}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        let need = |version: &str| Need { symbol: "f".to_owned(), version: version.to_owned() };
        let needs = ["GLIBC_2.17", "GLIBC_2.4", "GLIBC_2.2.5"].map(need);
        assert_eq!(newest(&needs, "2.17"), Ok(Some(&needs[0])));
        assert_eq!(newest(&needs, "2.16"), Err(&needs[0]));
        assert_eq!(newest(&[], "2.17"), Ok(None));
        newest(&[need("GLIBC_ABI_DT_RELR")], "2.36").unwrap();
        newest(&[need("GLIBC_ABI_DT_RELR")], "2.35").unwrap_err();
        newest(&[need("GLIBC_PRIVATE")], "2.99").unwrap_err();
    }

    #[test]
    fn another_kind_of_file_is_an_error() {
        let text = crate::workspace().join("Cargo.toml");
        let message = format!("{:#}", check(&text, &target("2.28")).unwrap_err());
        assert!(message.contains("Cargo.toml is no 64-bit ELF"), "{message}");
    }
}
