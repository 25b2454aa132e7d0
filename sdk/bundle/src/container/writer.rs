//! Writing the ZIP file in one pass: the same entries give the same bytes, always.

use std::io::{self, Write};

use super::*;

/// Writes entries one after the other, then the directory.
pub(crate) struct ZipWriter<W> {
    out: W,
    position: u64,
    central: Vec<u8>,
    entries: u64,
    /// Values from here on go into ZIP64 fields. `u32::MAX` but in tests.
    wide_from: u64,
}

/// What both headers of an entry say.
struct Entry<'a> {
    name: &'a str,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
}

impl<W: Write> ZipWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, position: 0, central: Vec::new(), entries: 0, wide_from: IN_ZIP64.into() }
    }

    /// Writes one entry. `data` are in the file as they are: `unpacked` gives their size and checksum once
    /// unpacked, where `method` is zstd.
    pub(crate) fn entry(
        &mut self,
        name: &str,
        data: &[u8],
        method: Method,
        unpacked: &[u8],
    ) -> io::Result<()> {
        let method = match method {
            Method::Stored => STORED,
            Method::Zstd => ZSTD,
        };
        let (packed, crc) = (data.len() as u64, crc32fast::hash(unpacked));
        let entry = Entry { name, method, crc, packed, unpacked: unpacked.len() as u64 };
        let offset = self.position;
        let header = self.local_header(&entry);
        self.write(&header)?;
        self.write(data)?;
        self.add_central_header(&entry, offset);
        self.entries += 1;
        Ok(())
    }

    /// Writes the directory and the end record; the number of bytes written in all.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64)> {
        let (offset, central) = (self.position, std::mem::take(&mut self.central));
        self.write(&central)?;
        let size = central.len() as u64;
        if offset.max(size) >= self.wide_from {
            let records = self.end64(offset, size);
            self.write(&records)?;
        }
        let end = self.end(offset, size);
        self.write(&end)?;
        Ok((self.out, self.position))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.position += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn local_header(&self, entry: &Entry<'_>) -> Vec<u8> {
        let is_wide = entry.packed.max(entry.unpacked) >= self.wide_from;
        let mut extra = Vec::new();
        if is_wide {
            // A local header gives both sizes or none (APPNOTE 4.5.3).
            put_u16s(&mut extra, &[ZIP64_FIELD, 16]);
            put_u64s(&mut extra, &[entry.unpacked, entry.packed]);
        }
        let unaligned = self.position + (LOCAL_BYTES + entry.name.len() + extra.len()) as u64;
        put_alignment(&mut extra, unaligned);

        let mut header = Vec::with_capacity(LOCAL_BYTES + entry.name.len() + extra.len());
        put_u32s(&mut header, &[LOCAL_SIGNATURE]);
        put_u16s(&mut header, &[version_needed(entry.method, is_wide), 0, entry.method, DOS_TIME, DOS_DATE]);
        let sizes = if is_wide { [IN_ZIP64; 2] } else { [entry.packed as u32, entry.unpacked as u32] };
        put_u32s(&mut header, &[entry.crc, sizes[0], sizes[1]]);
        put_u16s(&mut header, &[entry.name.len() as u16, extra.len() as u16]);
        header.extend_from_slice(entry.name.as_bytes());
        header.extend_from_slice(&extra);
        header
    }

    fn add_central_header(&mut self, entry: &Entry<'_>, offset: u64) {
        let mut wide = Vec::new();
        let [unpacked, packed, offset] = [entry.unpacked, entry.packed, offset].map(|value| {
            if value < self.wide_from {
                return value as u32;
            }
            wide.push(value);
            IN_ZIP64
        });
        let mut extra = Vec::new();
        if !wide.is_empty() {
            put_u16s(&mut extra, &[ZIP64_FIELD, 8 * wide.len() as u16]);
            put_u64s(&mut extra, &wide);
        }

        let version = version_needed(entry.method, !wide.is_empty());
        let out = &mut self.central;
        put_u32s(out, &[CENTRAL_SIGNATURE]);
        // "Made by" names MS-DOS as the system: no rights, no owner.
        put_u16s(out, &[version, version, 0, entry.method, DOS_TIME, DOS_DATE]);
        put_u32s(out, &[entry.crc, packed, unpacked]);
        // Lengths; then comment, disk and attributes, all of them none.
        put_u16s(out, &[entry.name.len() as u16, extra.len() as u16, 0, 0, 0]);
        put_u32s(out, &[0, offset]);
        out.extend_from_slice(entry.name.as_bytes());
        out.extend_from_slice(&extra);
    }

    fn end64(&self, offset: u64, size: u64) -> Vec<u8> {
        let version = version_needed(STORED, true);
        let mut out = Vec::with_capacity(END64_BYTES + LOCATOR64_BYTES);
        put_u32s(&mut out, &[END64_SIGNATURE]);
        put_u64s(&mut out, &[END64_BYTES as u64 - 12]);
        put_u16s(&mut out, &[version, version]);
        put_u32s(&mut out, &[0, 0]);
        put_u64s(&mut out, &[self.entries, self.entries, size, offset]);

        put_u32s(&mut out, &[LOCATOR64_SIGNATURE, 0]);
        put_u64s(&mut out, &[self.position]);
        put_u32s(&mut out, &[1]);
        out
    }

    fn end(&self, offset: u64, size: u64) -> Vec<u8> {
        let narrow = |value: u64| if value < self.wide_from { value as u32 } else { IN_ZIP64 };
        let mut out = Vec::with_capacity(END_BYTES);
        put_u32s(&mut out, &[END_SIGNATURE, 0]);
        // At most 1024 entries: they always fit.
        put_u16s(&mut out, &[self.entries as u16; 2]);
        put_u32s(&mut out, &[narrow(size), narrow(offset)]);
        put_u16s(&mut out, &[0]);
        out
    }
}

/// Fills up so that data at `position` after this field are aligned.
fn put_alignment(extra: &mut Vec<u8>, position: u64) {
    let fixed = 6; // id, length, alignment
    let padding = (position + fixed).next_multiple_of(ALIGNMENT) - (position + fixed);
    put_u16s(extra, &[ALIGNMENT_FIELD, 2 + padding as u16, ALIGNMENT as u16]);
    extra.resize(extra.len() + padding as usize, 0);
}

/// APPNOTE 4.4.3.2: 6.3 for zstd, 4.5 for ZIP64, else 2.0.
fn version_needed(method: u16, is_wide: bool) -> u16 {
    match (method, is_wide) {
        (ZSTD, _) => 63,
        (_, true) => 45,
        _ => 20,
    }
}

fn put_u16s(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_u32s(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_u64s(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::read_directory;

    /// An archive that uses ZIP64 fields from `wide_from` on, as one of more than 4 GiB does.
    fn archive(wide_from: u64) -> Vec<u8> {
        let mut writer = ZipWriter { wide_from, ..ZipWriter::new(Vec::new()) };
        for (name, data) in [(MANIFEST, &b"{}"[..]), ("a", &[1; 100]), ("b/c", &[2; 300])] {
            writer.entry(name, data, Method::Stored, data).unwrap();
        }
        let (file, bytes) = writer.finish().unwrap();
        assert_eq!(file.len() as u64, bytes);
        file
    }

    #[test]
    fn zip64_is_read_as_the_same_entries() {
        for wide_from in [0, 1, 100, 101, 300, 301, IN_ZIP64.into()] {
            let file = archive(wide_from);
            let records = read_directory(&file).unwrap();
            let found: Vec<_> =
                records.iter().map(|record| (record.name.as_str(), &file[record.data.clone()])).collect();
            assert_eq!(found, [(MANIFEST, &b"{}"[..]), ("a", &[1; 100]), ("b/c", &[2; 300])], "{wide_from}");
            assert!(records.iter().all(|record| record.data.start.is_multiple_of(64)), "{wide_from}");
        }
    }

    #[test]
    fn damaged_zip64_records_are_refused() {
        let file = archive(0);
        let records = END64_BYTES + LOCATOR64_BYTES + END_BYTES;
        // Not the two versions: they decide nothing.
        for at in (0..records - END_BYTES).filter(|at| !(12..16).contains(at)) {
            let mut damaged = file.clone();
            damaged[file.len() - records + at] ^= 0x41;
            assert!(read_directory(&damaged).is_err(), "byte {at}");
        }
    }
}
