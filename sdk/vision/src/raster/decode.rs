//! Decoding blocks: the usual kinds straight into their buffer, the others by `tiff-reader`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::{Decompress, FlushDecompress, Status};
use tiff_core::{ByteOrder, Compression, Predictor};
use tiff_reader::{Ifd, RasterLayout, TiffError, TiffFile};

use super::blocks::{Block, Grid};

/// Decoded samples of one block, in this machine's byte order.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) samples: Vec<u8>,
    /// Pixels of a row; a tile at the raster's edge may come with those outside.
    pub(crate) width: usize,
}

/// Reads and decodes blocks of a file.
pub(crate) struct Decoder {
    file: TiffFile,
    grid: Grid,
    plain: Option<Plain>,
}

/// Blocks of whole samples in this machine's byte order, uncompressed or deflate, and where they are.
struct Plain {
    deflate: bool,
    differences: bool,
    tiled: bool,
    offsets: Vec<u64>,
    sizes: Vec<u64>,
}

impl Decoder {
    pub(crate) fn new(file: TiffFile, grid: Grid, layout: &RasterLayout) -> Self {
        let plain = file.ifd(0).ok().and_then(|ifd| Plain::of(ifd, layout, file.byte_order()));
        Self { file, grid, plain }
    }

    pub(crate) fn decode(&self, block: &Block) -> Result<Decoded, TiffError> {
        // What does not come out as expected, `tiff-reader` judges.
        if let Some(decoded) =
            self.plain.as_ref().and_then(|plain| plain.decode(&self.file, &self.grid, block))
        {
            return Ok(decoded);
        }
        let ifd = self.file.ifd(0)?;
        let Block { plane, start: [row, column], size: [height, width] } = *block;
        let samples = if self.grid.samples > 1 {
            self.file.read_window_bytes_from_ifd(ifd, row, column, height, width)?
        } else {
            self.file.read_band_window_bytes_from_ifd(ifd, plane, row, column, height, width)?
        };
        Ok(Decoded { samples, width })
    }

    /// Decodes blocks on so many threads, in order.
    pub(crate) fn decode_all(
        &self,
        blocks: &[Block],
        threads: NonZeroUsize,
    ) -> Vec<Result<Arc<Decoded>, TiffError>> {
        let decode = |block: &Block| self.decode(block).map(Arc::new);
        let threads = threads.get().min(blocks.len());
        if threads <= 1 {
            return blocks.iter().map(decode).collect();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Relaxed);
                let Some(block) = blocks.get(place) else { return done };
                done.push((place, decode(block)));
            }
        };
        let mut done: Vec<_> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

impl Plain {
    fn of(ifd: &Ifd, layout: &RasterLayout, order: ByteOrder) -> Option<Self> {
        let deflate = match Compression::from_code(ifd.compression())? {
            Compression::None => false,
            Compression::Deflate | Compression::DeflateOld => true,
            _ => return None,
        };
        let differences = match Predictor::from_code(layout.predictor)? {
            Predictor::None => false,
            Predictor::Horizontal => true,
            Predictor::FloatingPoint => return None,
        };
        let native =
            order == if cfg!(target_endian = "big") { ByteOrder::BigEndian } else { ByteOrder::LittleEndian };
        let whole = usize::from(layout.bits_per_sample) == layout.bytes_per_sample * 8;
        if !whole || !(native || layout.bytes_per_sample == 1) || ifd.fill_order() != 1 {
            return None;
        }
        let tiled = ifd.is_tiled();
        let (offsets, sizes) = if tiled {
            (ifd.tile_offsets()?, ifd.tile_byte_counts()?)
        } else {
            (ifd.strip_offsets()?, ifd.strip_byte_counts()?)
        };
        Some(Self { deflate, differences, tiled, offsets, sizes })
    }

    /// `None` where the block is not stored, or not as it should be.
    fn decode(&self, file: &TiffFile, grid: &Grid, block: &Block) -> Option<Decoded> {
        let index = grid.index(block);
        let (offset, size) = (*self.offsets.get(index)?, usize::try_from(*self.sizes.get(index)?).ok()?);
        let [height, width] = if self.tiled { grid.block_size() } else { block.size };
        let row_bytes = width * grid.samples * grid.sample_bytes;
        let expected = height * row_bytes;
        // As much as deflate's worst case, so that a lie does not allocate more.
        let most = if self.deflate { expected + expected / 8 + 1024 } else { expected };
        if offset == 0 || size == 0 || size > most {
            return None;
        }
        let stored = file.source().read_exact_at(offset, size).ok()?;
        let mut samples = if self.deflate { inflate(&stored, expected)? } else { stored };
        if samples.len() != expected {
            return None;
        }
        if self.differences {
            samples.chunks_exact_mut(row_bytes).for_each(|row| add_up(row, grid.samples, grid.sample_bytes));
        }
        Some(Decoded { samples, width })
    }
}

/// A zlib stream (RFC 1950) of so many bytes.
fn inflate(stored: &[u8], expected: usize) -> Option<Vec<u8>> {
    let (&[method, flags], stream) = stored.split_first_chunk::<2>()?;
    let has_dictionary = flags & 0x20 != 0;
    if method & 15 != 8 || u16::from_be_bytes([method, flags]) % 31 != 0 || has_dictionary {
        return None;
    }
    let mut out = Vec::with_capacity(expected);
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress_vec(stream, &mut out, FlushDecompress::Finish).ok()?;
    let end = stream.get(usize::try_from(inflater.total_in()).ok()?..)?;
    let sum = u32::from_be_bytes(*end.first_chunk()?);
    // The checksum here and not in `flate2`, whose own is not vectorised: a tenth of the time.
    (status == Status::StreamEnd && simd_adler32::adler32(&out.as_slice()) == sum).then_some(out)
}

/// Undoes TIFF's predictor 2: every sample is the difference to that of the pixel before it.
fn add_up(row: &mut [u8], samples: usize, sample_bytes: usize) {
    match sample_bytes {
        1 => add_samples(row, samples, |[a], [b]| [a.wrapping_add(b)]),
        2 => add_samples(row, samples, |a, b| {
            u16::from_ne_bytes(a).wrapping_add(u16::from_ne_bytes(b)).to_ne_bytes()
        }),
        4 => add_samples(row, samples, |a, b| {
            u32::from_ne_bytes(a).wrapping_add(u32::from_ne_bytes(b)).to_ne_bytes()
        }),
        _ => add_samples(row, samples, |a, b| {
            u64::from_ne_bytes(a).wrapping_add(u64::from_ne_bytes(b)).to_ne_bytes()
        }),
    }
}

fn add_samples<const N: usize>(row: &mut [u8], samples: usize, add: impl Fn([u8; N], [u8; N]) -> [u8; N]) {
    let row = row.as_chunks_mut::<N>().0;
    if samples == 1 {
        let mut sum = [0; N];
        for value in row {
            sum = add(sum, *value);
            *value = sum;
        }
        return;
    }
    for i in samples..row.len() {
        row[i] = add(row[i], row[i - samples]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_differences_of_every_width() {
        let mut bytes = [250, 1, 10, 255];
        add_up(&mut bytes, 1, 1);
        assert_eq!(bytes, [250, 251, 5, 4]);
        let mut bytes = [250, 1, 10, 255];
        add_up(&mut bytes, 2, 1);
        assert_eq!(bytes, [250, 1, 4, 0]);
        for width in [2, 4, 8] {
            let mut row = vec![0; width * 4];
            row.iter_mut()
                .step_by(width)
                .for_each(|byte| *byte = if cfg!(target_endian = "big") { 0 } else { 200 });
            add_up(&mut row, 2, width);
            let low = u16::from_le_bytes([row[width * 2], row[width * 2 + 1]]);
            assert!(cfg!(target_endian = "big") || low == 400, "{width}");
        }
    }

    #[test]
    fn damaged_streams_are_left_to_the_other_decoder() {
        // zlib.compress(b"farsight" * 4)
        let whole = [
            0x78, 0x9c, 0x4b, 0x4b, 0x2c, 0x2a, 0xce, 0x4c, 0xcf, 0x28, 0x49, 0xc3, 0x41, 0x03, 0x00, 0xdc,
            0x1c, 0x0d, 0x61,
        ];
        assert_eq!(inflate(&whole, 32).as_deref(), Some(b"farsight".repeat(4).as_slice()));
        for length in 0..whole.len() {
            assert_eq!(inflate(&whole[..length], 32), None, "{length}");
        }
        for (at, byte) in [(0, 0x79), (1, 0x9d), (1, 0xbc), (whole.len() - 1, 0)] {
            let mut damaged = whole;
            damaged[at] = byte;
            assert_eq!(inflate(&damaged, 32), None, "{at}");
        }
        assert_eq!(inflate(&whole, 31), None);
    }
}
