//! Opening a bundle: everything is checked once, then handed out without copies.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use farsight_spec::{ModelSpec, Target};
use serde::de::DeserializeOwned;

use crate::bytes::{AlignedBytes, Backing, ReadError};
use crate::container::{Method, Record, TAIL, find_end, read_directory};
use crate::digest::Digest;
use crate::error::{BundleError, Fault, plain};
use crate::limits::{MAX_LABELS_TEXT, MAX_TOML, MAX_ZSTD_WINDOW};
use crate::manifest::{EntryInfo, Manifest, SampleEntry};
use crate::self_test::{Sample, SelfTest};
use crate::sniff::{HEAD, open_regular};
use crate::{labels, layout, map};

/// How a bundle's file is held while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Open {
    /// Read into memory once; the file may then change or vanish.
    #[default]
    Memory,
    /// Mapped: pages come from the file when they are touched and cost no memory of the process's own.
    ///
    /// **The file must not change while the bundle is open**: if another program cuts it short, the next access
    /// to the missing part ends the process. To replace a mapped bundle, rename the new file onto it.
    Mapped,
}

/// An open bundle, checked from the first byte to the last.
pub struct Bundle {
    file: Option<PathBuf>,
    backing: Backing,
    entries: Vec<Entry>,
    manifest: Manifest,
    around: Around,
    /// Which entry holds the model.
    model: usize,
    model_sha256: Digest,
}

/// What stands around the model.
pub(crate) struct Around {
    pub(crate) spec: ModelSpec,
    pub(crate) target: Target,
    labels: Vec<String>,
}

impl Around {
    /// Reads and checks the texts; their entries are checked already.
    pub(crate) fn read(file: &[u8], entries: &[Entry], manifest: &Manifest) -> Result<Self, Fault> {
        let texts = Texts { file, entries };
        let mut spec = texts.spec(&manifest.tool)?;
        let target = texts.target(&manifest.tool)?;
        let labels = texts.labels()?;
        layout::give_labels(&mut spec, &labels).map_err(|message| Fault::Labels { message })?;
        Ok(Self { spec, target, labels })
    }
}

/// An entry whose bytes are checked.
pub(crate) struct Entry {
    record: Record,
    /// The bytes of a compressed entry.
    unpacked: Option<AlignedBytes>,
}

impl Entry {
    fn bytes<'a>(&'a self, file: &'a [u8]) -> &'a [u8] {
        self.unpacked.as_ref().map_or_else(|| &file[self.record.data.clone()], AlignedBytes::as_slice)
    }
}

impl Bundle {
    /// Opens and checks the bundle at `path`: structure, names, sizes, checksums, hashes, and every text in it.
    ///
    /// # Errors
    /// The first [`Fault`] that is found.
    pub fn open(path: &Path, how: Open) -> Result<Self, BundleError> {
        let opened = load(path, how).and_then(Self::check);
        opened.map(|bundle| bundle.of_file(path)).map_err(|fault| fault.at(path))
    }

    /// Checks a bundle that is in memory already, for example linked into the firmware. Nothing is copied: data
    /// are aligned to 64 bytes if `bytes` are.
    ///
    /// # Errors
    /// The first [`Fault`] that is found.
    pub fn parse(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, BundleError> {
        Self::check(Backing::Given(bytes.into())).map_err(|fault| BundleError { file: None, fault })
    }

    /// The file it was opened from; `None` if it was in memory.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The resolved spec with its labels (and with the default recipe: the real one has been applied and is in the report).
    pub fn spec(&self) -> &ModelSpec {
        &self.around.spec
    }

    /// The target it was compiled for.
    pub fn target(&self) -> &Target {
        &self.around.target
    }

    /// Names of the classes in order; empty where there are none.
    pub fn labels(&self) -> &[String] {
        &self.around.labels
    }

    /// The compiled model, an ONNX file. Not a copy: the bytes of the file itself, or, if the entry is
    /// compressed, those unpacked at open. Aligned to 64 bytes (but see [`Bundle::parse`]).
    pub fn model_bytes(&self) -> &[u8] {
        self.entries[self.model].bytes(self.backing.as_slice())
    }

    /// SHA-256 of the compiled model.
    pub fn model_sha256(&self) -> Digest {
        self.model_sha256
    }

    /// The bytes of any entry, aligned as the model's are.
    pub fn entry(&self, name: &str) -> Option<&[u8]> {
        let entry = self.entries.iter().find(|entry| entry.record.name == name)?;
        Some(entry.bytes(self.backing.as_slice()))
    }

    /// A small input and its raw answer, borrowed from the bundle.
    pub fn self_test(&self) -> Option<SelfTest<'_>> {
        let test = self.manifest.self_test.as_ref()?;
        let samples = |entries: &[SampleEntry]| {
            let sample = |entry: &SampleEntry| {
                let bytes = Cow::Borrowed(self.entry(&entry.entry)?);
                Some(Sample { info: entry.info.clone(), bytes })
            };
            entries.iter().map(sample).collect::<Option<Vec<_>>>()
        };
        let (inputs, outputs) = (samples(&test.inputs)?, samples(&test.outputs)?);
        Some(SelfTest { inputs, outputs, tolerance: test.tolerance })
    }

    /// Whether the bundle was made for this device: see [`crate::compatible`].
    ///
    /// # Errors
    /// [`Fault::OtherPlatform`] or [`Fault::CpuFeatures`], naming both sides.
    pub fn compatible(&self, triple: &str, cpu_features: &[String]) -> Result<(), BundleError> {
        crate::compatible(&self.manifest, triple, cpu_features)
            .map_err(|fault| BundleError { file: self.file.clone(), fault })
    }

    pub(crate) fn check(backing: Backing) -> Result<Self, Fault> {
        let file = backing.as_slice();
        let mut records = read_directory(file)?;
        let first = records.remove(0);
        let (first, manifest) = Self::check_manifest(file, first, &records)?;
        let mut entries = vec![first];
        entries.append(&mut Self::check_entries(file, records, &manifest)?);
        let around = Around::read(file, &entries, &manifest)?;
        let name = &manifest.model().entry;
        let model = entries.iter().position(|entry| entry.record.name == *name);
        let model = model.ok_or_else(|| Fault::MissingEntry { name: name.clone() })?;
        let model_sha256 = model_sha256(&manifest)?;
        Ok(Self { file: None, entries, manifest, around, model, model_sha256, backing })
    }

    /// The first entry, and whether the others are what it lists.
    pub(crate) fn check_manifest(
        file: &[u8],
        first: Record,
        others: &[Record],
    ) -> Result<(Entry, Manifest), Fault> {
        let first = check_entry(file, first, None)?;
        let manifest = Manifest::parse(first.bytes(file))?;
        check_listing(others, &manifest)?;
        Ok((first, manifest))
    }

    /// Every entry's bytes against what the manifest says of them.
    pub(crate) fn check_entries(
        file: &[u8],
        records: Vec<Record>,
        manifest: &Manifest,
    ) -> Result<Vec<Entry>, Fault> {
        let check = |record: Record| {
            let expected = manifest.entries.get(&record.name);
            check_entry(file, record, expected)
        };
        records.into_iter().map(check).collect()
    }

    pub(crate) fn of_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("file", &self.file)
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

/// Both ends of the file are looked at before memory is asked for.
fn load(path: &Path, how: Open) -> Result<Backing, Fault> {
    let failed = |e| Fault::io("read", e);
    let (mut file, bytes) = open_regular(path)?;
    let head = read_part(&mut file, 0, HEAD).map_err(failed)?;
    let tail = read_part(&mut file, bytes.saturating_sub(TAIL as u64), TAIL).map_err(failed)?;
    if tail.len() as u64 != bytes.min(TAIL as u64) {
        return Err(failed(changed()));
    }
    find_end(&head, &tail, bytes)?;
    drop(tail);

    let backing = match how {
        Open::Mapped => Backing::Mapped(map::map(&file).map_err(|e| Fault::io("map", e))?),
        Open::Memory => {
            file.rewind().map_err(failed)?;
            Backing::Memory(AlignedBytes::read(file, bytes).map_err(|error| match error {
                ReadError::Memory(fault) => fault,
                ReadError::Io(cause) => failed(cause),
            })?)
        }
    };
    if backing.as_slice().len() as u64 != bytes {
        return Err(failed(changed()));
    }
    Ok(backing)
}

fn read_part(file: &mut std::fs::File, start: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(count as u64).read_to_end(&mut part)?;
    Ok(part)
}

pub(crate) fn changed() -> io::Error {
    io::Error::other("it changed while it was read; try again")
}

/// The file and the manifest must name the same entries, of the same sizes.
fn check_listing(records: &[Record], manifest: &Manifest) -> Result<(), Fault> {
    for record in records.iter().filter(|record| record.name != layout::SIGNATURE) {
        let Some(listed) = manifest.entries.get(&record.name) else {
            return Err(Fault::UnlistedEntry { name: record.name.clone() });
        };
        if listed.bytes != record.bytes {
            return Err(Fault::EntrySize {
                name: record.name.clone(),
                found: record.bytes,
                expected: listed.bytes,
            });
        }
    }
    let is_there = |name: &str| records.iter().any(|record| record.name == name);
    match manifest.entries.keys().find(|name| !is_there(name)) {
        Some(name) => Err(Fault::MissingEntry { name: name.clone() }),
        None => Ok(()),
    }
}

/// What the manifest says of the model's entry.
pub(crate) fn model_sha256(manifest: &Manifest) -> Result<Digest, Fault> {
    let name = &manifest.model().entry;
    let listed = manifest.entries.get(name).ok_or_else(|| Fault::MissingEntry { name: name.clone() })?;
    Ok(listed.sha256)
}

/// Unpacks an entry if it is compressed, and compares its size, checksum and (if listed) hash.
fn check_entry(file: &[u8], record: Record, listed: Option<&EntryInfo>) -> Result<Entry, Fault> {
    let unpacked = match record.method {
        Method::Stored => None,
        Method::Zstd => Some(unpack(&file[record.data.clone()], &record)?),
    };
    let entry = Entry { record, unpacked };
    let (bytes, record) = (entry.bytes(file), &entry.record);
    let crc = crc32fast::hash(bytes);
    if crc != record.crc {
        return Err(Fault::Checksum { name: record.name.clone(), found: crc, expected: record.crc });
    }
    if let Some(EntryInfo { sha256, .. }) = listed {
        let found = Digest::of(bytes);
        if found != *sha256 {
            return Err(Fault::Hash { name: record.name.clone(), found, expected: *sha256 });
        }
    }
    Ok(entry)
}

fn unpack(packed: &[u8], record: &Record) -> Result<AlignedBytes, Fault> {
    let failed = |error: io::Error| Fault::Unpack { name: record.name.clone(), message: error.to_string() };
    let mut decoder = zstd::Decoder::with_buffer(packed).map_err(failed)?;
    decoder.window_log_max(MAX_ZSTD_WINDOW).map_err(failed)?;
    let unpacked = AlignedBytes::read(decoder, record.bytes).map_err(|error| match error {
        ReadError::Memory(fault) => fault,
        ReadError::Io(cause) => failed(cause),
    })?;
    let found = unpacked.as_slice().len() as u64;
    if found != record.bytes {
        return Err(Fault::EntrySize { name: record.name.clone(), found, expected: record.bytes });
    }
    Ok(unpacked)
}

/// The small entries that are read at open.
struct Texts<'a> {
    file: &'a [u8],
    entries: &'a [Entry],
}

impl Texts<'_> {
    fn spec(&self, tool: &str) -> Result<ModelSpec, Fault> {
        let check = |spec: ModelSpec| match spec.validate(layout::SPEC) {
            Ok(()) => Ok(spec),
            Err(error) => Err(plain(&error.to_string())),
        };
        self.toml(layout::SPEC)?
            .and_then(check)
            .map_err(|message| Fault::Spec { tool: tool.to_owned(), message })
    }

    fn target(&self, tool: &str) -> Result<Target, Fault> {
        let check = |target: Target| match target.validate(layout::TARGET) {
            Ok(()) => Ok(target),
            Err(error) => Err(plain(&error.to_string())),
        };
        self.toml(layout::TARGET)?
            .and_then(check)
            .map_err(|message| Fault::Target { tool: tool.to_owned(), message })
    }

    fn labels(&self) -> Result<Vec<String>, Fault> {
        if self.find(layout::LABELS).is_none() {
            return Ok(Vec::new());
        }
        let text = self.text(layout::LABELS, MAX_LABELS_TEXT)?;
        labels::parse(text).map_err(|message| Fault::Labels { message })
    }

    /// The outer error is one of the entry, the inner one of its text.
    fn toml<T: DeserializeOwned>(&self, name: &str) -> Result<Result<T, String>, Fault> {
        let text = self.text(name, MAX_TOML)?;
        Ok(std::str::from_utf8(text)
            .map_err(|error| format!("it is not UTF-8: {error}"))
            .and_then(|text| toml::from_str(text).map_err(|error| plain(error.message()))))
    }

    fn text(&self, name: &str, limit: u64) -> Result<&[u8], Fault> {
        let entry = &self.entries[self.position(name)?];
        if entry.record.bytes > limit {
            return Err(Fault::TooLarge { name: name.to_owned(), found: entry.record.bytes, limit });
        }
        Ok(entry.bytes(self.file))
    }

    fn position(&self, name: &str) -> Result<usize, Fault> {
        self.find(name).ok_or_else(|| Fault::MissingEntry { name: name.to_owned() })
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.record.name == name)
    }
}
