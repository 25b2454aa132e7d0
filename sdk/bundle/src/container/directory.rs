//! Reading the directory: nothing in it is believed before it fits with everything else.

use std::fmt::Display;
use std::ops::Range;

use super::end::End;
use super::fields::Fields;
use super::*;
use crate::error::Fault;
use crate::limits::{MAX_MANIFEST, MAX_RATIO, MAX_UNPACKED};
use crate::name;

/// How the bytes of an entry are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Zstd,
}

/// An entry whose place is checked; its bytes are not yet.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) crc: u32,
    /// Bytes once unpacked.
    pub(crate) bytes: u64,
    /// Where the (packed) data lie in the file.
    pub(crate) data: Range<usize>,
}

/// A header as it stands in the file, in the directory or before the data.
struct Header<'a> {
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    name: &'a [u8],
    /// Where the local header is (directory), or how long it is with its name and extra fields (local).
    offset: u64,
}

/// The entries of the bundle in `file`, in their order; `manifest.json` is the first.
pub(crate) fn read_directory(file: &[u8]) -> Result<Vec<Record>, Fault> {
    let tail = &file[file.len().saturating_sub(TAIL)..];
    let end = find_end(file, tail, file.len() as u64)?;
    let headers = central_headers(file, &end)?;
    check_manifest_first(&headers)?;

    let mut records: Vec<Record> = Vec::with_capacity(headers.len());
    let mut position = 0;
    let mut unpacked = 0_u64;
    for header in &headers {
        let record = read_entry(file, header, position, end.directory.start)?;
        if records.iter().any(|other| other.name == record.name) {
            return Err(Fault::DuplicateEntry { name: record.name });
        }
        if record.method == Method::Zstd {
            unpacked = unpacked.saturating_add(record.bytes);
            check_growth(&record, unpacked)?;
        }
        position = record.data.end as u64;
        records.push(record);
    }
    check_no_gap(position, end.directory.start, || "the directory".to_owned())?;
    check_manifest_size(&records)?;
    Ok(records)
}

/// Where the entries' headers start, as the directory says: a hint what to read before [`read_directory`]
/// checks it. Only the directory itself need be in `file`.
pub(crate) fn entry_starts(file: &[u8], end: &End) -> Result<Vec<usize>, Fault> {
    let starts = central_headers(file, end)?.into_iter();
    Ok(starts.map(|header| usize::try_from(header.offset).unwrap_or(usize::MAX)).collect())
}

fn central_headers<'a>(file: &'a [u8], end: &End) -> Result<Vec<Header<'a>>, Fault> {
    let bytes = usize::try_from(end.directory.start)
        .ok()
        .zip(usize::try_from(end.directory.end).ok())
        .and_then(|(start, end)| file.get(start..end))
        .ok_or_else(|| Fault::directory("it lies outside of the file"))?;
    let mut fields = Fields(bytes);
    let mut headers = Vec::with_capacity(end.entries);
    for index in 0..end.entries {
        let header = central_header(&mut fields).ok_or_else(|| {
            Fault::directory(format!("its record {} of {} cannot be read", index + 1, end.entries))
        })?;
        headers.push(header);
    }
    if !fields.0.is_empty() {
        return Err(Fault::directory(format!("{} bytes follow its {} records", fields.0.len(), end.entries)));
    }
    Ok(headers)
}

fn central_header<'a>(fields: &mut Fields<'a>) -> Option<Header<'a>> {
    if fields.u32()? != CENTRAL_SIGNATURE {
        return None;
    }
    let _versions = fields.u32()?;
    let (flags, method, time, date) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let (crc, packed, unpacked) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name_bytes, extra_bytes, comment_bytes) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let disk = fields.u16()?;
    let _attributes = fields.bytes(6)?;
    let offset = fields.u32()?;
    let name = fields.bytes(name_bytes.into())?;
    let extra = fields.bytes(extra_bytes.into())?;
    if disk != 0 || comment_bytes != 0 {
        return None;
    }
    // The order of the values in a ZIP64 field (APPNOTE 4.5.3).
    let [unpacked, packed, offset] = resolve_zip64([unpacked, packed, offset], extra)?;
    Some(Header { flags, method, time, date, crc, packed, unpacked, name, offset })
}

fn local_header(file: &[u8], offset: u64) -> Option<Header<'_>> {
    let mut fields = Fields(file.get(usize::try_from(offset).ok()?..)?);
    if fields.u32()? != LOCAL_SIGNATURE {
        return None;
    }
    let _version = fields.u16()?;
    let (flags, method, time, date) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let (crc, packed, unpacked) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name_bytes, extra_bytes) = (fields.u16()?, fields.u16()?);
    let name = fields.bytes(name_bytes.into())?;
    let extra = fields.bytes(extra_bytes.into())?;
    let [unpacked, packed] = resolve_zip64([unpacked, packed], extra)?;
    let length = LOCAL_BYTES as u64 + u64::from(name_bytes) + u64::from(extra_bytes);
    Some(Header { flags, method, time, date, crc, packed, unpacked, name, offset: length })
}

/// Replaces values that say "see the ZIP64 field"; `None` if the extra fields are malformed or lack one.
fn resolve_zip64<const N: usize>(values: [u32; N], extra: &[u8]) -> Option<[u64; N]> {
    let mut wide = Fields(zip64_field(extra)?.unwrap_or_default());
    let mut resolved = [0; N];
    for (resolved, value) in resolved.iter_mut().zip(values) {
        *resolved = if value == IN_ZIP64 { wide.u64()? } else { value.into() };
    }
    Some(resolved)
}

/// The contents of the ZIP64 field, if there is one; the outer `None` for malformed extra fields.
fn zip64_field(extra: &[u8]) -> Option<Option<&[u8]>> {
    let mut fields = Fields(extra);
    let mut found = None;
    while !fields.0.is_empty() {
        let id = fields.u16()?;
        let length = fields.u16()?;
        let contents = fields.bytes(length.into())?;
        if id == ZIP64_FIELD && found.replace(contents).is_some() {
            return None;
        }
    }
    Some(found)
}

fn check_manifest_first(headers: &[Header<'_>]) -> Result<(), Fault> {
    match headers.iter().position(|header| header.name == MANIFEST.as_bytes()) {
        Some(0) => Ok(()),
        Some(_) => Err(Fault::ManifestNotFirst),
        None => Err(Fault::ManifestMissing),
    }
}

/// One entry of the directory, which must start at `position` and end before `limit`.
fn read_entry(file: &[u8], header: &Header<'_>, position: u64, limit: u64) -> Result<Record, Fault> {
    let name = name::check(header.name)
        .map_err(|problem| Fault::EntryName { name: readable(header.name), problem })?
        .to_owned();
    let method = method(header, &name)?;
    if header.offset < position {
        return Err(Fault::Overlap { name });
    }
    let local = local_header(file, header.offset).ok_or_else(|| {
        Fault::directory(format!("there is no header for entry {name:?} at byte {}", header.offset))
    })?;
    check_agreement(&name, &local, header)?;

    let start = header.offset + local.offset;
    let end = start.saturating_add(header.packed);
    if end > limit {
        return Err(Fault::OutOfBounds { name, end, limit });
    }
    check_no_gap(position, header.offset, || format!("entry {name:?}"))?;
    if method == Method::Stored {
        check_stored(&name, header, start)?;
    }
    // Both fit: they lie before `limit`, which lies in the file.
    let data = start as usize..end as usize;
    Ok(Record { name, method, crc: header.crc, bytes: header.unpacked, data })
}

fn method(header: &Header<'_>, name: &str) -> Result<Method, Fault> {
    let refuse = |what: String| Err(Fault::UnsupportedEntry { name: name.to_owned(), what });
    // Bit 11 says that the name is UTF-8, which all allowed names are.
    match (header.flags & !0x0800, header.method) {
        (flags, _) if flags & 1 != 0 => refuse("encrypted".to_owned()),
        (flags, _) if flags != 0 => refuse(format!("marked with flags {flags:#06x}")),
        (_, STORED) => Ok(Method::Stored),
        (_, ZSTD) => Ok(Method::Zstd),
        (_, other) => refuse(format!("compressed with method {other}")),
    }
}

fn check_agreement(name: &str, local: &Header<'_>, central: &Header<'_>) -> Result<(), Fault> {
    let mismatch = |field, local: &dyn Display, central: &dyn Display| {
        let (local, central) = (local.to_string(), central.to_string());
        Err(Fault::HeaderMismatch { name: name.to_owned(), field, local, central })
    };
    if local.name != central.name {
        return mismatch("name", &readable(local.name), &readable(central.name));
    }
    let pairs = [
        ("flags", u64::from(local.flags), u64::from(central.flags)),
        ("method", local.method.into(), central.method.into()),
        ("time", local.time.into(), central.time.into()),
        ("date", local.date.into(), central.date.into()),
        ("checksum", local.crc.into(), central.crc.into()),
        ("packed size", local.packed, central.packed),
        ("size", local.unpacked, central.unpacked),
    ];
    match pairs.iter().find(|(_, local, central)| local != central) {
        Some((field, local, central)) => mismatch(field, local, central),
        None => Ok(()),
    }
}

fn check_no_gap(position: u64, next: u64, before: impl Fn() -> String) -> Result<(), Fault> {
    match next.saturating_sub(position) {
        0 => Ok(()),
        count => Err(Fault::Gap { count, before: before() }),
    }
}

fn check_stored(name: &str, header: &Header<'_>, start: u64) -> Result<(), Fault> {
    let name = || name.to_owned();
    if header.packed != header.unpacked {
        return Err(Fault::EntrySize { name: name(), found: header.packed, expected: header.unpacked });
    }
    if !start.is_multiple_of(ALIGNMENT) {
        return Err(Fault::Misaligned { name: name(), start });
    }
    Ok(())
}

fn check_growth(record: &Record, total: u64) -> Result<(), Fault> {
    let packed = record.data.len() as u64;
    if record.bytes > packed.saturating_mul(MAX_RATIO) || total > MAX_UNPACKED {
        return Err(Fault::CompressionBomb { name: record.name.clone(), packed, unpacked: record.bytes });
    }
    Ok(())
}

fn check_manifest_size(records: &[Record]) -> Result<(), Fault> {
    let Some(manifest) = records.first() else { return Err(Fault::ManifestMissing) };
    if manifest.method != Method::Stored {
        let what = "compressed".to_owned();
        return Err(Fault::UnsupportedEntry { name: manifest.name.clone(), what });
    }
    if manifest.bytes > MAX_MANIFEST {
        return Err(Fault::TooLarge {
            name: manifest.name.clone(),
            found: manifest.bytes,
            limit: MAX_MANIFEST,
        });
    }
    Ok(())
}

/// At most 64 bytes of a name that may be anything.
fn readable(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}
