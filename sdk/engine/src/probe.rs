//! Looking at a library before it is trusted: what the file is, for which CPU, which version.
//!
//! Most is read from the file's ELF tables; only what looks like an ONNX Runtime for this CPU is loaded
//! to ask its version.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use farsight_spec::version_numbers;
use object::elf::{self, Machine};
use object::read::elf::{FileHeader, SectionTable, Sym};
use object::read::{ReadCache, ReadRef};

use crate::find::Place;
use crate::raw::{self, Loaded};
use crate::{EngineError, Result};

/// The oldest ONNX Runtime that works: farsight uses its C interface of version 17.
pub const OLDEST_VERSION: &str = "1.17";

const OLDEST: [u32; 2] = [1, 17];

/// Builds that are refused: version, the CPU concerned, and what happens.
const KNOWN_BAD: &[(&str, &str, &str)] = &[(
    "1.21.0",
    "aarch64",
    "it dies with an illegal instruction on CPUs such as the Raspberry Pi 4's (onnxruntime issue 23957); \
     use 1.20, or 1.22 and later",
)];

/// A library that may be loaded for good.
#[derive(Debug)]
pub(crate) struct Probed {
    /// `"1.32.0"`
    pub(crate) version: String,
    /// Keeps it in memory until `ort` holds it too.
    pub(crate) loaded: Loaded,
}

/// Checks the file and asks its version. Telemetry is off before any of its code runs.
pub(crate) fn probe(place: Place, path: &Path) -> Result<Probed> {
    let written_version = check_file(place, path)?;
    if let Some(version) = &written_version {
        check_version(path, version)?;
    }
    let loaded = raw::load(path)?;
    let version = raw::version(&loaded, path)?;
    check_version(path, &version)?;
    raw::check_interface(&loaded, path, &version)?;
    Ok(Probed { version, loaded })
}

/// Refuses what is not a shared library of ONNX Runtime for this CPU. Returns the version that its
/// symbols are marked with, if they are.
fn check_file(place: Place, path: &Path) -> Result<Option<String>> {
    let missing = |reason: String| EngineError::Missing { path: path.to_path_buf(), place, reason };
    let no_library = |found: String| EngineError::NotALibrary { path: path.to_path_buf(), found };

    // Asked before opening: opening a pipe would wait for its other end.
    let metadata = path.metadata().map_err(|error| missing(error.to_string()))?;
    if !metadata.is_file() {
        return Err(missing("it is a folder or a device".into()));
    }
    let mut file = File::open(path).map_err(|error| missing(error.to_string()))?;
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start).map_err(|error| missing(error.to_string()))?;

    let cache = ReadCache::new(file);
    let facts = match start.get(..5) {
        Some([0x7f, b'E', b'L', b'F', class]) if *class == elf::ELFCLASS64.0 => {
            read_elf::<elf::FileHeader64<object::Endianness>, _>(&cache)
        }
        Some([0x7f, b'E', b'L', b'F', _]) => read_elf::<elf::FileHeader32<object::Endianness>, _>(&cache),
        _ => return Err(no_library(describe(&start))),
    };
    let facts = facts.map_err(|error| no_library(format!("a damaged ELF file ({error})")))?;

    let expected = std::env::consts::ARCH;
    let found = machine_name(facts.machine);
    if found != expected {
        return Err(EngineError::WrongArchitecture {
            path: path.to_path_buf(),
            found,
            expected: expected.to_owned(),
        });
    }
    if !facts.shared {
        return Err(no_library("an ELF file that is no shared library".into()));
    }
    if facts.has_entry == Some(false) {
        return Err(no_library("a shared library without OrtGetApiBase".into()));
    }
    Ok(facts.version)
}

/// What an ELF file says of itself.
struct ElfFacts {
    machine: Machine,
    shared: bool,
    /// Whether it exports `OrtGetApiBase`; `None` if its section table was stripped.
    has_entry: Option<bool>,
    /// From the name of its symbol version, `VERS_1.32.0`.
    version: Option<String>,
}

fn read_elf<'data, Elf, R>(data: R) -> object::read::Result<ElfFacts>
where
    Elf: FileHeader<Endian = object::Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    Ok(ElfFacts {
        machine: header.e_machine(endian),
        shared: header.e_type(endian) == elf::ET_DYN,
        has_entry: (!sections.is_empty()).then(|| exports_entry(&sections, endian, data)).transpose()?,
        version: symbol_version(&sections, endian, data)?,
    })
}

fn exports_entry<'data, Elf, R>(
    sections: &SectionTable<'data, Elf, R>,
    endian: object::Endianness,
    data: R,
) -> object::read::Result<bool>
where
    Elf: FileHeader<Endian = object::Endianness>,
    R: ReadRef<'data>,
{
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    Ok(symbols.iter().any(|symbol| {
        !symbol.is_undefined(endian)
            && symbol.name(endian, symbols.strings()).is_ok_and(|name| name == b"OrtGetApiBase")
    }))
}

fn symbol_version<'data, Elf, R>(
    sections: &SectionTable<'data, Elf, R>,
    endian: object::Endianness,
    data: R,
) -> object::read::Result<Option<String>>
where
    Elf: FileHeader<Endian = object::Endianness>,
    R: ReadRef<'data>,
{
    let Some((definitions, strings)) = sections.gnu_verdef(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, strings)?;
    for definition in definitions {
        for name in definition?.1 {
            let name = String::from_utf8_lossy(name?.name(endian, strings)?).into_owned();
            if let Some(version) = name.strip_prefix("VERS_") {
                return Ok(Some(version.to_owned()));
            }
        }
    }
    Ok(None)
}

/// The CPU in Rust's words, so that it compares with `std::env::consts::ARCH`.
fn machine_name(machine: Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_386 => "x86".into(),
        elf::EM_RISCV => "riscv64".into(),
        other => format!("ELF machine {}", other.0),
    }
}

/// What a file is whose first bytes are not those of an ELF file.
fn describe(start: &[u8]) -> String {
    match start {
        [] => "an empty file".into(),
        [b'P', b'K', 3, 4, ..] => "a ZIP file (a wheel? the library is inside)".into(),
        [b'M', b'Z', ..] => "a Windows library".into(),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS library".into(),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => {
            "a Git LFS pointer or another text file".into()
        }
        text if text.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "a text file".into()
        }
        _ => "no ELF file".into(),
    }
}

fn check_version(path: &Path, version: &str) -> Result<()> {
    let parts = version_numbers(version);
    if parts.len() < 2 || parts.as_slice() < OLDEST.as_slice() {
        return Err(EngineError::TooOld { path: path.to_path_buf(), found: version.to_owned() });
    }
    match known_bad(version, std::env::consts::ARCH) {
        Some(reason) => Err(EngineError::KnownBad {
            path: path.to_path_buf(),
            version: version.to_owned(),
            reason: reason.to_owned(),
        }),
        None => Ok(()),
    }
}

fn known_bad(version: &str, arch: &str) -> Option<&'static str> {
    KNOWN_BAD.iter().find(|bad| bad.0 == version && bad.1 == arch).map(|bad| bad.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_17_on_are_taken() {
        let rows = [
            ("1.17.0", true),
            ("1.17", true),
            ("1.32.0", true),
            ("2.0.0", true),
            ("1.22.0-rc1", true),
            ("1.16.3", false),
            ("0.9", false),
            ("1", false),
            ("", false),
            ("next", false),
        ];
        for (version, taken) in rows {
            assert_eq!(check_version(Path::new("x"), version).is_ok(), taken, "{version:?}");
        }
    }

    #[test]
    fn known_bad_builds_are_bad_on_their_cpu_only() {
        assert!(known_bad("1.21.0", "aarch64").is_some_and(|reason| reason.contains("23957")));
        assert_eq!(known_bad("1.21.0", "x86_64"), None);
        assert_eq!(known_bad("1.21.1", "aarch64"), None);
    }

    #[test]
    fn a_file_that_is_no_library_is_named_by_its_kind() {
        let rows: [(&[u8], &str); 6] = [
            (b"", "an empty file"),
            (b"hello\nworld", "a text file"),
            (b"PK\x03\x04....", "a ZIP file (a wheel? the library is inside)"),
            (b"MZ\x90\x00", "a Windows library"),
            (b"\xcf\xfa\xed\xfe", "a macOS library"),
            (b"\x00\x01\x02", "no ELF file"),
        ];
        for (start, kind) in rows {
            assert_eq!(describe(start), kind);
        }
    }
}
