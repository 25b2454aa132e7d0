//! What can be wrong with a bundle, told to the person who has to do something about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::FileKind;
use crate::digest::Digest;
use crate::limits::MAX_MESSAGE;

/// A bundle that could not be read, written or used, and which file it was.
#[derive(Debug)]
pub struct BundleError {
    /// The file; `None` for bytes in memory.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub fault: Fault,
}

impl BundleError {
    /// The stable name of the fault for JSON: see [`Fault::kind`].
    pub fn kind(&self) -> &'static str {
        self.fault.kind()
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.fault),
            None => write!(f, "bundle in memory: {}", self.fault),
        }
    }
}

impl std::error::Error for BundleError {}

/// What is wrong with a bundle. Names of entries come from the file and are shown escaped.
#[derive(Debug, Error)]
pub enum Fault {
    /// There is no such file.
    #[error("there is no such file; check the path")]
    NotFound,
    /// A folder, a device or a pipe.
    #[error("this is {found}, not a file; give the .farsight file itself")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// The system refused to read or write.
    #[error("cannot {doing} it: {cause}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// There is not enough memory to hold it.
    #[error(
        "{bytes} bytes of memory are needed and could not be had; map the file instead, or use a smaller model"
    )]
    Memory {
        /// How many bytes were asked for.
        bytes: u64,
    },

    /// The file has no bytes.
    #[error("the file is empty (0 bytes); {}", FileKind::Empty.advice())]
    Empty,
    /// The file is something else.
    #[error("this is not a farsight bundle: it looks like {found}; {}", found.advice())]
    NotABundle {
        /// What it looks like.
        found: FileKind,
    },
    /// The file stops before its end record.
    #[error("the bundle is cut off: the file has {bytes} bytes and no end record; copy it again")]
    Truncated {
        /// Size of the file.
        bytes: u64,
    },
    /// Something was put before the bundle.
    #[error(
        "{count} bytes stand before the bundle; a bundle starts at the first byte of its file: copy it again"
    )]
    LeadingBytes {
        /// How many.
        count: u64,
    },
    /// Something was put after the bundle.
    #[error("{count} bytes stand after the bundle; a bundle ends with its file: copy it again")]
    TrailingBytes {
        /// How many.
        count: u64,
    },

    /// The ZIP directory contradicts itself.
    #[error("the bundle's directory is damaged: {what}; copy the file again")]
    Directory {
        /// What was found.
        what: String,
    },
    /// More entries than any bundle has.
    #[error("the bundle says it has {found} entries; at most {limit} are allowed")]
    EntryCount {
        /// How many it says.
        found: u64,
        /// How many are allowed.
        limit: usize,
    },
    /// A name that no bundle uses.
    #[error(
        "an entry has a name that is not allowed, {name:?}: {problem}; the file was not written by farsight"
    )]
    EntryName {
        /// The name, made readable.
        name: String,
        /// Why it is refused.
        problem: &'static str,
    },
    /// Two entries of one name.
    #[error("there are two entries {name:?}; the file was not written by farsight")]
    DuplicateEntry {
        /// Their name.
        name: String,
    },
    /// Two entries share bytes.
    #[error("entry {name:?} starts inside the one before it; the file was not written by farsight")]
    Overlap {
        /// The later entry.
        name: String,
    },
    /// Bytes that belong to no entry.
    #[error("{count} bytes before {before} belong to no entry; the file was not written by farsight")]
    Gap {
        /// How many.
        count: u64,
        /// What follows them.
        before: String,
    },
    /// An entry reaches past the place where entries end.
    #[error(
        "entry {name:?} reaches to byte {end}, entries end at byte {limit}; the file is damaged, copy it again"
    )]
    OutOfBounds {
        /// The entry.
        name: String,
        /// Where it would end.
        end: u64,
        /// Where it must end at the latest.
        limit: u64,
    },
    /// An entry's own header and the directory disagree.
    #[error(
        "entry {name:?}: its header says {field} {local}, the directory says {central}; the file is damaged, copy it again"
    )]
    HeaderMismatch {
        /// The entry.
        name: String,
        /// What they disagree on.
        field: &'static str,
        /// The header's value.
        local: String,
        /// The directory's value.
        central: String,
    },
    /// Compressed or encrypted in a way that bundles are not.
    #[error("entry {name:?} is {what}; entries are stored or zstd: do not repack a bundle with another tool")]
    UnsupportedEntry {
        /// The entry.
        name: String,
        /// What it is.
        what: String,
    },
    /// A stored entry that does not start at a multiple of 64 bytes.
    #[error(
        "the data of entry {name:?} start at byte {start}, not at a multiple of 64: do not repack a bundle with another tool"
    )]
    Misaligned {
        /// The entry.
        name: String,
        /// Where its data start.
        start: u64,
    },
    /// An entry has another size than it must have.
    #[error("entry {name:?} has {found} bytes, expected {expected}; the file is damaged, copy it again")]
    EntrySize {
        /// The entry.
        name: String,
        /// Bytes found.
        found: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// A text or the manifest is larger than any is.
    #[error("entry {name:?} has {found} bytes; at most {limit} are allowed")]
    TooLarge {
        /// The entry.
        name: String,
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A compressed entry that would grow beyond reason.
    #[error(
        "entry {name:?} would grow from {packed} to {unpacked} bytes; the file was not written by farsight"
    )]
    CompressionBomb {
        /// The entry.
        name: String,
        /// Bytes in the file.
        packed: u64,
        /// Bytes it would have.
        unpacked: u64,
    },
    /// A compressed entry that does not unpack.
    #[error("entry {name:?} cannot be unpacked ({message}); the file is damaged, copy it again")]
    Unpack {
        /// The entry.
        name: String,
        /// What zstd said.
        message: String,
    },
    /// The ZIP's own checksum is wrong.
    #[error(
        "the checksum (CRC-32) of entry {name:?} is {found:08x}, expected {expected:08x}; the file is damaged, copy it again"
    )]
    Checksum {
        /// The entry.
        name: String,
        /// Of the bytes that are there.
        found: u32,
        /// Of the directory.
        expected: u32,
    },
    /// The bytes are not those the manifest names.
    #[error(
        "the SHA-256 of entry {name:?} is {found}, the manifest says {expected}; the file was changed, get it again from its maker"
    )]
    Hash {
        /// The entry.
        name: String,
        /// Of the bytes that are there.
        found: Digest,
        /// Of the manifest.
        expected: Digest,
    },

    /// A ZIP file without `manifest.json`.
    #[error("this is not a farsight bundle: a ZIP archive without manifest.json; {}", FileKind::Zip.advice())]
    ManifestMissing,
    /// `manifest.json` is there, but not in the first place.
    #[error("manifest.json is not the first entry: do not repack a bundle with another tool")]
    ManifestNotFirst,
    /// `manifest.json` does not say what it must.
    #[error("manifest.json: {message}; the file was not written by farsight, or by a newer one")]
    Manifest {
        /// What was found and expected.
        message: String,
    },
    /// A format that came after this reader.
    #[error(
        "the bundle has format {found}, this farsight reads format {known}: update farsight on this device, or compile with the older one"
    )]
    Format {
        /// The bundle's.
        found: u64,
        /// The reader's.
        known: u32,
    },
    /// Features that came after this reader.
    #[error(
        "the bundle requires {}, which this farsight does not know: update farsight on this device, or compile without",
        plain(&names.join(", "))
    )]
    Requires {
        /// Those that are not known.
        names: Vec<String>,
    },
    /// An entry that the manifest does not name.
    #[error("entry {name:?} is not in the manifest; the file was changed, get it again from its maker")]
    UnlistedEntry {
        /// The entry.
        name: String,
    },
    /// An entry that the manifest names and the file lacks.
    #[error(
        "entry {name:?} is in the manifest, but not in the file; the file was changed, get it again from its maker"
    )]
    MissingEntry {
        /// The entry.
        name: String,
    },
    /// `spec.toml` cannot be read.
    #[error(
        "spec.toml (written by {tool:?}): {message}; if that is newer than this farsight, update this one"
    )]
    Spec {
        /// The tool that wrote the bundle.
        tool: String,
        /// What was found and expected.
        message: String,
    },
    /// `target.toml` cannot be read.
    #[error(
        "target.toml (written by {tool:?}): {message}; if that is newer than this farsight, update this one"
    )]
    Target {
        /// The tool that wrote the bundle.
        tool: String,
        /// What was found and expected.
        message: String,
    },
    /// `labels.txt` cannot be read.
    #[error("labels.txt: {message}; the file was not written by farsight")]
    Labels {
        /// What was found and expected.
        message: String,
    },
    /// The self-test contradicts the model or itself.
    #[error("the self-test: {message}; the file was not written by farsight")]
    SelfTest {
        /// What was found and expected.
        message: String,
    },

    /// Made for another architecture or operating system.
    #[error(
        "the bundle was made for {made_for}, this device is {device}: compile it for this device (--target)"
    )]
    OtherPlatform {
        /// The bundle's targets, with their triples.
        made_for: String,
        /// This device's triple.
        device: String,
    },
    /// The CPU lacks what the bundle counts on.
    #[error(
        "the bundle was made for {made_for}, this CPU lacks {}: compile it for this device (--target)",
        missing.join(", ")
    )]
    CpuFeatures {
        /// The bundle's target, with the features that it counts on.
        made_for: String,
        /// What is not there.
        missing: Vec<String>,
    },

    /// What was to be written makes no bundle.
    #[error("the bundle was not written: {what}")]
    Contents {
        /// What was found and expected.
        what: String,
    },
}

impl Fault {
    /// The stable name of this kind of fault, for JSON: lower case, dashes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotAFile { .. } => "not-a-file",
            Self::Io { .. } => "io",
            Self::Memory { .. } => "memory",
            Self::Empty => "empty",
            Self::NotABundle { .. } => "not-a-bundle",
            Self::Truncated { .. } => "truncated",
            Self::LeadingBytes { .. } => "leading-bytes",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::Directory { .. } => "directory",
            Self::EntryCount { .. } => "entry-count",
            Self::EntryName { .. } => "entry-name",
            Self::DuplicateEntry { .. } => "duplicate-entry",
            Self::Overlap { .. } => "overlap",
            Self::Gap { .. } => "gap",
            Self::OutOfBounds { .. } => "out-of-bounds",
            Self::HeaderMismatch { .. } => "header-mismatch",
            Self::UnsupportedEntry { .. } => "unsupported-entry",
            Self::Misaligned { .. } => "misaligned",
            Self::EntrySize { .. } => "entry-size",
            Self::TooLarge { .. } => "too-large",
            Self::CompressionBomb { .. } => "compression-bomb",
            Self::Unpack { .. } => "unpack",
            Self::Checksum { .. } => "checksum",
            Self::Hash { .. } => "hash",
            Self::ManifestMissing => "manifest-missing",
            Self::ManifestNotFirst => "manifest-not-first",
            Self::Manifest { .. } => "manifest",
            Self::Format { .. } => "format",
            Self::Requires { .. } => "requires",
            Self::UnlistedEntry { .. } => "unlisted-entry",
            Self::MissingEntry { .. } => "missing-entry",
            Self::Spec { .. } => "spec",
            Self::Target { .. } => "target",
            Self::Labels { .. } => "labels",
            Self::SelfTest { .. } => "self-test",
            Self::OtherPlatform { .. } => "other-platform",
            Self::CpuFeatures { .. } => "cpu-features",
            Self::Contents { .. } => "contents",
        }
    }

    pub(crate) fn at(self, file: &Path) -> BundleError {
        BundleError { file: Some(file.to_owned()), fault: self }
    }

    pub(crate) fn io(doing: &'static str, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io { doing, cause },
        }
    }

    pub(crate) fn directory(what: impl Into<String>) -> Self {
        Self::Directory { what: what.into() }
    }
}

/// A text that quotes a bundle, safe to print: without control characters, and cut where it gets long.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
