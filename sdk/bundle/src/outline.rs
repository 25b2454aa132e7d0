//! A bundle opened for what stands around its model: all that a start from a prepared session needs.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use farsight_spec::{ModelSpec, Target};
use memmap2::MmapMut;

use crate::bundle::{Around, Bundle, changed, model_sha256};
use crate::bytes::Backing;
use crate::container::{MAX_LOCAL_HEADER, TAIL, entry_starts, find_end, read_directory};
use crate::digest::Digest;
use crate::error::{BundleError, Fault};
use crate::layout;
use crate::manifest::Manifest;
use crate::sniff::{HEAD, open_regular};

/// A bundle of which the manifest, the spec, the target and the labels are read and checked, and the model is
/// not: whoever holds a session that was prepared for this model (by [`Outline::model_sha256`]) needs no more.
///
/// [`Outline::read`] reads the rest and checks everything, as [`Bundle::open`] does.
pub struct Outline {
    path: PathBuf,
    file: File,
    /// As large as the file; what was not read is zero and costs no memory.
    bytes: MmapMut,
    manifest: Manifest,
    around: Around,
    model_sha256: Digest,
}

impl Outline {
    /// Opens the bundle at `path`: its structure and every text in it are checked, the model is not looked at.
    ///
    /// # Errors
    /// The first [`Fault`] that is found.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        open(path).map_err(|fault| fault.at(path))
    }

    /// The file it was opened from.
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The resolved spec with its labels, as [`Bundle::spec`].
    pub fn spec(&self) -> &ModelSpec {
        &self.around.spec
    }

    /// The target it was compiled for.
    pub fn target(&self) -> &Target {
        &self.around.target
    }

    /// SHA-256 of the compiled model, as the manifest has it.
    pub fn model_sha256(&self) -> Digest {
        self.model_sha256
    }

    /// Whether the bundle was made for this device: see [`crate::compatible`].
    ///
    /// # Errors
    /// [`Fault::OtherPlatform`] or [`Fault::CpuFeatures`], naming both sides.
    pub fn compatible(&self, triple: &str, cpu_features: &[String]) -> Result<(), BundleError> {
        crate::compatible(&self.manifest, triple, cpu_features).map_err(|fault| fault.at(&self.path))
    }

    /// Reads the rest and checks the whole file, from the first byte to the last.
    ///
    /// # Errors
    /// The first [`Fault`] that is found; also if the file has changed since it was opened.
    pub fn read(self) -> Result<Bundle, BundleError> {
        let Self { path, mut file, mut bytes, manifest, .. } = self;
        let whole = 0..bytes.len();
        let read = || {
            fill(&mut file, &mut bytes, whole)?;
            let bundle = Bundle::check(Backing::Anonymous(bytes))?;
            if *bundle.manifest() == manifest { Ok(bundle) } else { Err(Fault::io("read", changed())) }
        };
        read().map(|bundle| bundle.of_file(&path)).map_err(|fault| fault.at(&path))
    }
}

impl fmt::Debug for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outline")
            .field("path", &self.path)
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

fn open(path: &Path) -> Result<Outline, Fault> {
    let (mut file, length) = open_regular(path)?;
    let length = usize::try_from(length).map_err(|_| Fault::Memory { bytes: length })?;
    if length == 0 {
        return Err(Fault::Empty);
    }
    let mut bytes = MmapMut::map_anon(length).map_err(|_| Fault::Memory { bytes: length as u64 })?;
    fill(&mut file, &mut bytes, 0..HEAD)?;
    let tail = length.saturating_sub(TAIL)..length;
    fill(&mut file, &mut bytes, tail.clone())?;
    let end = find_end(&bytes, &bytes[tail], length as u64)?;
    fill(&mut file, &mut bytes, end.directory())?;
    for start in entry_starts(&bytes, &end)? {
        fill(&mut file, &mut bytes, start..start.saturating_add(MAX_LOCAL_HEADER))?;
    }

    let mut records = read_directory(&bytes)?;
    let is_needed = |name: &str| [layout::SPEC, layout::TARGET, layout::LABELS].contains(&name);
    fill(&mut file, &mut bytes, records[0].data.clone())?;
    for record in records.iter().filter(|record| is_needed(&record.name)) {
        fill(&mut file, &mut bytes, record.data.clone())?;
    }
    let first = records.remove(0);
    let (_, manifest) = Bundle::check_manifest(&bytes, first, &records)?;
    records.retain(|record| is_needed(&record.name));
    let entries = Bundle::check_entries(&bytes, records, &manifest)?;
    let around = Around::read(&bytes, &entries, &manifest)?;
    let model_sha256 = model_sha256(&manifest)?;
    Ok(Outline { path: path.to_owned(), file, bytes, manifest, around, model_sha256 })
}

/// Reads a part of the file, as far as the file goes, to its place.
fn fill(file: &mut File, bytes: &mut MmapMut, part: Range<usize>) -> Result<(), Fault> {
    let part = part.start.min(bytes.len())..part.end.min(bytes.len());
    let mut read = || {
        file.seek(SeekFrom::Start(part.start as u64))?;
        file.read_exact(&mut bytes[part.clone()])
    };
    read().map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::io("read", changed()),
        _ => Fault::io("read", error),
    })
}
