//! Where the bytes of an open bundle live: in an aligned buffer, in a map, or with the caller.

use std::borrow::Cow;
use std::io::Read;

use memmap2::{Mmap, MmapMut};

use crate::container::ALIGNMENT;
use crate::error::Fault;

/// The bytes of a whole bundle file.
pub(crate) enum Backing {
    Memory(AlignedBytes),
    Mapped(Mmap),
    /// Memory straight from the system, filled in parts.
    Anonymous(MmapMut),
    Given(Cow<'static, [u8]>),
}

impl Backing {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes.as_slice(),
            Self::Mapped(map) => map,
            Self::Anonymous(map) => map,
            Self::Given(bytes) => bytes,
        }
    }
}

/// Bytes whose first one lies at a multiple of 64.
pub(crate) struct AlignedBytes {
    /// Up to 63 bytes of filling, then the bytes themselves. Never grows after it was filled.
    buffer: Vec<u8>,
    start: usize,
}

impl AlignedBytes {
    /// Reads until `reader` ends, but at most `expected + 1` bytes: more than `expected` means that there is
    /// more. Memory is asked for once; that there is not enough is an error.
    pub(crate) fn read(reader: impl Read, expected: u64) -> Result<Self, ReadError> {
        let no_memory = || ReadError::Memory(Fault::Memory { bytes: expected });
        let capacity =
            usize::try_from(expected).ok().and_then(|size| size.checked_add(1 + ALIGNMENT as usize));
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(capacity.ok_or_else(no_memory)?).map_err(|_| no_memory())?;

        let address: *const u8 = buffer.as_ptr();
        let start = address.align_offset(ALIGNMENT as usize).min(ALIGNMENT as usize);
        buffer.resize(start, 0);
        reader.take(expected.saturating_add(1)).read_to_end(&mut buffer).map_err(ReadError::Io)?;
        Ok(Self { buffer, start })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

/// Why bytes could not be had.
pub(crate) enum ReadError {
    Memory(Fault),
    Io(std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_and_cut_one_beyond_what_is_expected() {
        let source: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for expected in [0, 1, 63, 64, 65, 4999, 5000, 6000] {
            let Ok(read) = AlignedBytes::read(&source[..], expected) else { panic!("read {expected}") };
            let bytes = read.as_slice();
            assert_eq!(bytes, &source[..(expected as usize + 1).min(5000)]);
            assert!((bytes.as_ptr() as usize).is_multiple_of(64), "{expected}");
        }
    }

    #[test]
    fn absurd_sizes_are_an_error() {
        for expected in [u64::MAX, i64::MAX as u64] {
            assert!(matches!(AlignedBytes::read(&[0_u8; 4][..], expected), Err(ReadError::Memory(_))));
        }
    }
}
