//! The end record: where the directory is, and whether the file ends where the bundle does.

use std::ops::Range;

use super::fields::Fields;
use super::*;
use crate::error::Fault;
use crate::limits::MAX_ENTRIES;
use crate::sniff::{FileKind, HEAD};

/// Bytes of a file's end that can hold the end records: with the longest comment that ZIP allows, so that
/// bytes added behind a bundle are told from a bundle cut off.
pub(crate) const TAIL: usize = END_BYTES + u16::MAX as usize + LOCATOR64_BYTES + END64_BYTES;

/// What the end records say.
#[derive(Debug)]
pub(crate) struct End {
    pub(super) entries: usize,
    /// Where the directory lies.
    pub(super) directory: Range<u64>,
}

impl End {
    /// Where the directory lies.
    pub(crate) fn directory(&self) -> Range<usize> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        place(self.directory.start)..place(self.directory.end)
    }
}

/// Reads the end records from a file's first bytes, its last (up to [`TAIL`]) and its size.
pub(crate) fn find_end(head: &[u8], tail: &[u8], file_bytes: u64) -> Result<End, Fault> {
    let head = &head[..head.len().min(HEAD)];
    let kind = FileKind::of(head);
    let is_zip = matches!(kind, FileKind::Bundle | FileKind::Zip);
    let at = find_record(tail);
    match (at, is_zip) {
        (_, _) if file_bytes == 0 => Err(Fault::Empty),
        (None, true) => Err(Fault::Truncated { bytes: file_bytes }),
        (None, false) => Err(Fault::NotABundle { found: kind }),
        (Some(at), _) => {
            let behind = (tail.len() - at - END_BYTES) as u64;
            let end = read_records(tail, at, file_bytes, is_zip)?;
            if behind > 0 { Err(Fault::TrailingBytes { count: behind }) } else { Ok(end) }
        }
    }
}

/// The last place in `tail` that looks like an end record of a file in one piece.
fn find_record(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_BYTES)?;
    (0..=last).rev().find(|&at| {
        let mut fields = Fields(&tail[at..]);
        fields.u32() == Some(END_SIGNATURE) && fields.u32() == Some(0) && fields.u16() == fields.u16()
    })
}

fn read_records(tail: &[u8], at: usize, file_bytes: u64, is_zip: bool) -> Result<End, Fault> {
    let tail_start = file_bytes - tail.len() as u64;
    let (entries, size, offset, records_at) = match end64(tail, at, tail_start) {
        Some(found) => found?,
        None => end32(tail, at).ok_or(Fault::Truncated { bytes: file_bytes })?,
    };
    let records_start = tail_start + records_at as u64;
    let Some(directory_end) = offset.checked_add(size).filter(|end| *end <= records_start) else {
        return Err(Fault::directory(format!(
            "it has {size} bytes from byte {offset} on, the end record starts at byte {records_start}"
        )));
    };
    match records_start - directory_end {
        0 => {}
        count if !is_zip => return Err(Fault::LeadingBytes { count }),
        count => return Err(Fault::directory(format!("{count} bytes stand between it and the end record"))),
    }
    if entries > MAX_ENTRIES as u64 {
        return Err(Fault::EntryCount { found: entries, limit: MAX_ENTRIES });
    }
    Ok(End { entries: entries as usize, directory: offset..directory_end })
}

/// Entries, directory's size and offset, and where the records start in `tail`.
type Found = (u64, u64, u64, usize);

fn end32(tail: &[u8], at: usize) -> Option<Found> {
    let mut fields = Fields(tail.get(at + 10..)?);
    Some((fields.u16()?.into(), fields.u32()?.into(), fields.u32()?.into(), at))
}

/// The ZIP64 records, if their locator stands before the end record.
fn end64(tail: &[u8], at: usize, tail_start: u64) -> Option<Result<Found, Fault>> {
    let locator_at = at.checked_sub(LOCATOR64_BYTES)?;
    let mut locator = Fields(&tail[locator_at..]);
    if locator.u32() != Some(LOCATOR64_SIGNATURE) {
        return None;
    }
    let refused = || Fault::directory("its ZIP64 end record is not where it belongs, or contradicts itself");
    Some(read64(tail, locator_at, locator, tail_start).ok_or_else(refused))
}

fn read64(tail: &[u8], locator_at: usize, mut locator: Fields<'_>, tail_start: u64) -> Option<Found> {
    let start = locator_at.checked_sub(END64_BYTES)?;
    let (disk, position, disks) = (locator.u32()?, locator.u64()?, locator.u32()?);
    if (disk, position, disks) != (0, tail_start + start as u64, 1) {
        return None;
    }
    let mut fields = Fields(&tail[start..]);
    let is_record = fields.u32()? == END64_SIGNATURE && fields.u64()? == END64_BYTES as u64 - 12;
    let _versions = fields.u32()?;
    let is_one_piece = fields.u64()? == 0;
    let (here, entries, size, offset) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
    (is_record && is_one_piece && here == entries).then_some((entries, size, offset, start))
}
