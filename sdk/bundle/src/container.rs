//! The ZIP file underneath: its records, as PKWARE's APPNOTE 6.3.10 lays them out.
//!
//! A bundle uses a narrow part of the format, and a reader insists on it:
//! - the first byte of the file is the first entry's header, entries follow each other without a gap, then the
//!   directory in the same order, then the end record, which is the end of the file;
//! - sizes and checksum stand in the header before the data (no data descriptors), the directory repeats them;
//! - entries are stored (method 0) or zstd (method 93), not encrypted, all times are 1980-01-01 00:00;
//! - the data of every entry start at a multiple of 64 bytes. What fills the way there is an extra field of the
//!   local header, id 0xa11e (APPNOTE 4.6.1, "Data Stream Alignment"): the alignment as u16, then zero bytes;
//! - ZIP64 fields appear only where a value does not fit in 32 bits.

mod directory;
mod end;
mod fields;
mod writer;

pub(crate) use directory::{Method, Record, entry_starts, read_directory};
pub(crate) use end::{TAIL, find_end};
pub(crate) use writer::ZipWriter;

/// The entry that comes first and names all others.
pub(crate) const MANIFEST: &str = "manifest.json";

/// What the data of entries are aligned to: a cache line, and the widest vector.
pub(crate) const ALIGNMENT: u64 = 64;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;

const LOCAL_BYTES: usize = 30;
/// The longest header before an entry's data: name and extra fields have up to 65535 bytes each.
pub(crate) const MAX_LOCAL_HEADER: usize = LOCAL_BYTES + 2 * u16::MAX as usize;
const END_BYTES: usize = 22;
const END64_BYTES: usize = 56;
const LOCATOR64_BYTES: usize = 20;

const STORED: u16 = 0;
const ZSTD: u16 = 93;

/// Extra field with the 64-bit values of a header.
const ZIP64_FIELD: u16 = 0x0001;
/// Extra field that fills the way to the alignment.
const ALIGNMENT_FIELD: u16 = 0xa11e;

/// Stands where the value is in a ZIP64 field.
const IN_ZIP64: u32 = u32::MAX;

/// 1980-01-01, the first day that a DOS date can name.
const DOS_DATE: u16 = 0x0021;
const DOS_TIME: u16 = 0;
