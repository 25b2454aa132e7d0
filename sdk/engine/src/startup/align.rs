//! Large weights of a prepared session, moved to where the CPU reads them fast.
//!
//! ONNX Runtime writes the weights of an `.ort` file at multiples of 4 bytes. Used where they lie in the mapped file,
//! nearly every wide load then touches two cache lines: YOLOv8n 640 ran 1.12 times as long as from the model itself
//! (AVX-512, ONNX Runtime 1.32). So weights are moved behind everything else, to multiples of 64 bytes; what pointed
//! to them points there. Where they lay is left as a hole, which takes no place on the disk.
//!
//! An `.ort` file is a FlatBuffer (`ort.fbs` in ONNX Runtime): a table knows its fields by numbers that later versions
//! keep, and a field points forward to where its value is.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

/// Bytes that come from memory at once.
const CACHE_LINE: usize = 64;
/// Smaller weights stay where they are.
const MIN_BYTES: usize = 256;
/// A FlatBuffer is smaller than this.
const MAX_FILE: usize = i32::MAX as usize;

/// `InferenceSession.model`, `Model.graph`, `Graph.initializers` and `Tensor.raw_data`.
const MODEL: usize = 1;
const GRAPH: usize = 7;
const INITIALIZERS: usize = 0;
const RAW_DATA: usize = 4;

/// Moves the weights of the main graph of an `.ort` file.
///
/// # Errors
/// Where the file is no `.ort` file, or cannot be read or written.
pub(super) fn align_weights(file: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    let mut bytes = fs::read(file).map_err(failed)?;
    let weights =
        weights(&bytes).ok_or_else(|| format!("{}: not a file that ONNX Runtime saves", file.display()))?;
    let moves = moves(&weights, bytes.len());
    for Move { weight, to } in &moves {
        let distance = (to - weight.field) as u32;
        bytes[weight.field..weight.field + 4].copy_from_slice(&distance.to_le_bytes());
    }
    let temporary = file.with_extension("aligned");
    write(&bytes, &moves, &temporary).and_then(|()| fs::rename(&temporary, file)).map_err(failed)
}

/// Values of an initializer.
struct Weight {
    /// Where the distance to the values stands.
    field: usize,
    /// The values, the four bytes of their length in front.
    values: Range<usize>,
}

struct Move<'w> {
    weight: &'w Weight,
    /// Where the four bytes of the length go.
    to: usize,
}

/// The large weights, from first to last; `None` for what is no `.ort` file.
fn weights(bytes: &[u8]) -> Option<Vec<Weight>> {
    let buffer = Buffer(bytes);
    if bytes.get(4..8)? != b"ORTM" {
        return None;
    }
    let session = buffer.pointed(0)?;
    let model = buffer.pointed(buffer.field(session, MODEL)?)?;
    let graph = buffer.pointed(buffer.field(model, GRAPH)?)?;
    let Some(initializers) = buffer.field(graph, INITIALIZERS) else { return Some(Vec::new()) };
    let initializers = buffer.pointed(initializers)?;
    let mut weights = Vec::new();
    for i in 0..buffer.u32(initializers)? {
        let tensor = buffer.pointed(initializers.checked_add(4 * (i + 1))?)?;
        // A tensor of strings has none.
        let Some(field) = buffer.field(tensor, RAW_DATA) else { continue };
        let start = buffer.pointed(field)?;
        let values = start..start.checked_add(4)?.checked_add(buffer.u32(start)?)?;
        bytes.get(values.clone())?;
        if values.len() >= MIN_BYTES {
            weights.push(Weight { field, values });
        }
    }
    weights.sort_by_key(|weight| weight.values.start);
    Some(weights)
}

/// Where each goes, behind `end`. What two share, or what would make the file too large, stays.
fn moves(weights: &[Weight], mut end: usize) -> Vec<Move<'_>> {
    let mut moves: Vec<Move<'_>> = Vec::new();
    for weight in weights {
        let to = (end + 4).next_multiple_of(CACHE_LINE) - 4;
        let overlaps = moves.last().is_some_and(|last| last.weight.values.end > weight.values.start);
        if !overlaps && to + weight.values.len() < MAX_FILE {
            end = to + weight.values.len();
            moves.push(Move { weight, to });
        }
    }
    moves
}

/// Writes `bytes` without what is moved, then that.
fn write(bytes: &[u8], moves: &[Move<'_>], file: &Path) -> io::Result<()> {
    let mut out = File::create(file)?;
    let mut kept = 0;
    for Move { weight, .. } in moves {
        out.write_all(&bytes[kept..weight.values.start])?;
        out.seek(SeekFrom::Start(weight.values.end as u64))?;
        kept = weight.values.end;
    }
    out.write_all(&bytes[kept..])?;
    for Move { weight, to } in moves {
        out.seek(SeekFrom::Start(*to as u64))?;
        out.write_all(&bytes[weight.values.clone()])?;
    }
    Ok(())
}

/// A FlatBuffer; positions are checked.
struct Buffer<'a>(&'a [u8]);

impl Buffer<'_> {
    fn u16(&self, at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(self.0.get(at..)?.first_chunk().copied()?).into())
    }

    fn u32(&self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.0.get(at..)?.first_chunk().copied()?)).ok()
    }

    /// Where the value is that the field at `at` points to.
    fn pointed(&self, at: usize) -> Option<usize> {
        at.checked_add(self.u32(at)?)
    }

    /// Where a table keeps field number `id`, if it has it. Its first four bytes say how far before it (signed) the
    /// list of its fields is; that begins with its own length and the table's.
    fn field(&self, table: usize, id: usize) -> Option<usize> {
        let distance = i32::from_le_bytes(self.0.get(table..)?.first_chunk().copied()?);
        let fields = usize::try_from(i64::try_from(table).ok()? - i64::from(distance)).ok()?;
        let entry = 4 + 2 * id;
        if entry + 2 > self.u16(fields)? {
            return None;
        }
        match self.u16(fields.checked_add(entry)?)? {
            0 => None,
            offset => table.checked_add(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ort_file_is_refused() {
        for bytes in [
            &b""[..],
            b"ORTM",
            &[0; 64],
            &[255; 64],
            b"\x08\0\0\0ORTM\xf0\xff\xff\x7f",
            b"\xff\xff\xff\xffORTM1234",
        ] {
            assert!(weights(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn places_are_aligned_and_apart() {
        let at = |start: usize, length| Weight { field: start, values: start..start + length };
        let weights = [at(100, 300), at(250, 400), at(700, 1000), at(1700, 256)];
        let moves = moves(&weights, 2001);
        assert_eq!(moves.iter().map(|one| one.weight.field).collect::<Vec<_>>(), [100, 700, 1700]);
        let mut end = 2001;
        for Move { weight, to } in moves {
            assert_eq!((to + 4) % CACHE_LINE, 0);
            assert!(to >= end);
            end = to + weight.values.len();
        }
    }
}
