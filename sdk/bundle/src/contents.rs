//! Writing a bundle: what goes in, and how it gets to its final name whole or not at all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use farsight_spec::{ModelSpec, Precision, Target, TensorInfo};
use serde::Serialize;

use crate::container::{MANIFEST, Method, ZipWriter};
use crate::digest::Digest;
use crate::error::{BundleError, Fault};
use crate::limits::{MAX_ENTRIES, MAX_LABELS_TEXT, MAX_MANIFEST, MAX_RATIO, MAX_TOML};
use crate::manifest::{EntryInfo, FORMAT, Manifest, ModelEntry, SampleEntry, SelfTestEntry, TargetEntry};
use crate::self_test::{Sample, SelfTest, byte_count};
use crate::temporary::temporary_beside;
use crate::{labels, layout};

/// Everything that a bundle holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The bundle's name: letters, digits, `.`, `_` and `-`. Not a file name of the user's.
    pub name: String,
    /// The bundle's version after semver.org 2.0.0.
    pub version: String,
    /// Name and version of the tool: `"farsight 0.1.0"`.
    pub tool: String,
    /// Version of the ONNX Runtime that compiled the model.
    pub onnxruntime: String,
    /// The compiled model's arithmetic and storage.
    pub precision: Precision,
    /// The resolved spec. Its recipe has been applied and stays out: an older device need not know newer ones.
    pub spec: ModelSpec,
    /// The target it was compiled for; its triple is a real one, not `host`.
    pub target: Target,
    /// The compiled model, an ONNX file.
    pub model: Vec<u8>,
    /// SHA-256 of the model that the user handed to `compile`.
    pub source_sha256: Digest,
    /// What goes into the compiled model, in its order.
    pub inputs: Vec<TensorInfo>,
    /// What comes out of it, in its order.
    pub outputs: Vec<TensorInfo>,
    /// Names of the classes in order; empty where there are none. The spec has the same, or none.
    pub labels: Vec<String>,
    /// A small input and its raw answer.
    pub self_test: Option<SelfTest<'static>>,
    /// Whether the model is compressed (zstd). The file is smaller to send, but opening it takes longer, and the
    /// model's memory comes on top of the file's.
    pub compress: bool,
}

/// An entry on its way into the file.
struct Entry<'a> {
    name: String,
    bytes: Cow<'a, [u8]>,
    compress: bool,
}

/// Writes a bundle and returns its size in bytes. The same contents give the same bytes.
///
/// The file appears under its final name whole or not at all: it is written beside it under a temporary name,
/// brought to the disk, renamed, and the folder is brought to the disk too.
///
/// # Errors
/// [`Fault::Contents`], [`Fault::Manifest`] or [`Fault::SelfTest`] for contents that make no bundle; nothing is
/// written then. [`Fault::Io`] with what the system said.
pub fn write(path: &Path, contents: &Contents) -> Result<u64, BundleError> {
    write_file(path, contents).map_err(|fault| fault.at(path))
}

fn write_file(path: &Path, contents: &Contents) -> Result<u64, Fault> {
    let entries = entries(contents)?;
    let manifest = manifest(contents, &entries)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(Fault::NotAFile { found: "a folder" });
    }
    let temporary = temporary_beside(path).map_err(|e| Fault::io("create a temporary file beside", e))?;
    let out = ZipWriter::new(BufWriter::new(temporary.as_file()));
    let bytes = write_entries(out, &manifest, &entries)?;
    temporary.as_file().sync_all().map_err(|e| Fault::io("write", e))?;
    temporary.persist(path).map_err(|e| Fault::io("rename the finished file to", e.error))?;
    sync_folder(folder)?;
    Ok(bytes)
}

/// Makes a rename durable. Windows has no such call for folders.
fn sync_folder(folder: &Path) -> Result<(), Fault> {
    if cfg!(unix) {
        let sync = || File::open(folder)?.sync_all();
        sync().map_err(|e| Fault::io("bring to the disk the folder of", e))?;
    }
    Ok(())
}

fn write_entries<W: Write>(
    mut out: ZipWriter<W>,
    manifest: &[u8],
    entries: &[Entry<'_>],
) -> Result<u64, Fault> {
    let failed = |e| Fault::io("write", e);
    out.entry(MANIFEST, manifest, Method::Stored, manifest).map_err(failed)?;
    for Entry { name, bytes, compress } in entries {
        match if *compress { smaller(bytes)? } else { None } {
            Some(packed) => out.entry(name, &packed, Method::Zstd, bytes),
            None => out.entry(name, bytes, Method::Stored, bytes),
        }
        .map_err(failed)?;
    }
    let (mut file, bytes) = out.finish().map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(bytes)
}

/// zstd, if that pays and a reader will believe the ratio. Level 9: its window of 4 MiB is within what readers
/// allocate, and weights gain little beyond.
fn smaller(bytes: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let packed = zstd::bulk::compress(bytes, 9).map_err(|e| Fault::io("compress the model for", e))?;
    let pays = packed.len() < bytes.len();
    let is_believable = bytes.len() as u64 <= (packed.len() as u64).saturating_mul(MAX_RATIO);
    Ok((pays && is_believable).then_some(packed))
}

/// All entries but the manifest, in their order: small ones first, so that a bundle that is being received can be
/// judged early.
fn entries(contents: &Contents) -> Result<Vec<Entry<'_>>, Fault> {
    let mut entries = vec![
        text_entry(layout::SPEC, spec_text(contents)?, MAX_TOML)?,
        text_entry(layout::TARGET, toml_text(layout::TARGET, &contents.target)?, MAX_TOML)?,
    ];
    if !contents.labels.is_empty() {
        let text = labels::to_text(&contents.labels).map_err(|what| Fault::Contents { what })?;
        entries.push(text_entry(layout::LABELS, text, MAX_LABELS_TEXT)?);
    }
    if let Some(test) = &contents.self_test {
        entries.extend(sample_entries(layout::self_test_input, &test.inputs)?);
        entries.extend(sample_entries(layout::self_test_output, &test.outputs)?);
    }
    let model = Cow::Borrowed(contents.model.as_slice());
    entries.push(Entry { name: layout::MODEL.to_owned(), bytes: model, compress: contents.compress });
    if entries.len() >= MAX_ENTRIES {
        let what = format!("it would have {} entries, at most {MAX_ENTRIES} are allowed", entries.len() + 1);
        return Err(Fault::Contents { what });
    }
    Ok(entries)
}

fn text_entry(name: &str, text: String, limit: u64) -> Result<Entry<'_>, Fault> {
    check_size(name, text.len(), limit)?;
    Ok(Entry { name: name.to_owned(), bytes: Cow::Owned(text.into_bytes()), compress: false })
}

fn sample_entries<'a>(
    name: fn(usize) -> String,
    samples: &'a [Sample<'static>],
) -> Result<Vec<Entry<'a>>, Fault> {
    let entry = |(index, sample): (usize, &'a Sample<'static>)| {
        byte_count(&sample.info).map_err(|message| Fault::SelfTest { message })?;
        Ok(Entry { name: name(index), bytes: Cow::Borrowed(&*sample.bytes), compress: true })
    };
    samples.iter().enumerate().map(entry).collect()
}

fn spec_text(contents: &Contents) -> Result<String, Fault> {
    let mut spec = contents.spec.clone();
    layout::take_labels(&mut spec, &contents.labels).map_err(|what| Fault::Contents { what })?;
    let mut table = toml::Table::try_from(spec).map_err(|e| unwritable(layout::SPEC, &e))?;
    table.remove("recipe");
    toml_text(layout::SPEC, &table)
}

fn toml_text(name: &str, value: &impl Serialize) -> Result<String, Fault> {
    toml::to_string_pretty(value).map_err(|error| unwritable(name, &error))
}

fn unwritable(name: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault::Contents { what: format!("{name}: {error}") }
}

fn manifest(contents: &Contents, entries: &[Entry<'_>]) -> Result<Vec<u8>, Fault> {
    let info = |entry: &Entry<'_>| {
        let info = EntryInfo { sha256: Digest::of(&entry.bytes), bytes: entry.bytes.len() as u64 };
        (entry.name.clone(), info)
    };
    let target = &contents.target;
    let manifest = Manifest {
        format: FORMAT,
        requires: Vec::new(),
        name: contents.name.clone(),
        version: contents.version.clone(),
        tool: contents.tool.clone(),
        onnxruntime: contents.onnxruntime.clone(),
        precision: contents.precision.name().to_owned(),
        models: vec![ModelEntry {
            entry: layout::MODEL.to_owned(),
            source_sha256: contents.source_sha256,
            inputs: contents.inputs.clone(),
            outputs: contents.outputs.clone(),
        }],
        targets: vec![TargetEntry {
            name: target.name.clone(),
            triple: target.triple.clone(),
            cpu_features: target.cpu_features.clone(),
        }],
        self_test: contents.self_test.as_ref().map(self_test_entry),
        entries: entries.iter().map(info).collect::<BTreeMap<_, _>>(),
    };
    manifest.check()?;
    let json = manifest.to_json()?;
    check_size(MANIFEST, json.len(), MAX_MANIFEST)?;
    Ok(json)
}

fn self_test_entry(test: &SelfTest<'_>) -> SelfTestEntry {
    let describe = |name: fn(usize) -> String, samples: &[Sample<'_>]| {
        let entry = |(index, sample): (usize, &Sample<'_>)| SampleEntry {
            info: sample.info.clone(),
            entry: name(index),
        };
        samples.iter().enumerate().map(entry).collect()
    };
    SelfTestEntry {
        inputs: describe(layout::self_test_input, &test.inputs),
        outputs: describe(layout::self_test_output, &test.outputs),
        tolerance: test.tolerance,
    }
}

fn check_size(name: &str, found: usize, limit: u64) -> Result<(), Fault> {
    if found as u64 <= limit {
        return Ok(());
    }
    Err(Fault::TooLarge { name: name.to_owned(), found: found as u64, limit })
}
