//! Reading windows of a raster file.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use farsight_spec::{Band, ElementType};
use tiff_reader::{Ifd, OpenOptions, ParseBudgets, RasterLayout, TiffError, TiffFile};

use super::blocks::{Block, Cache, Grid};
use super::decode::{Decoded, Decoder};
use super::{BandChoice, RasterError, RasterInfo, bands};
use crate::{TileError, Window, read_padded_window};

/// A decoded strip or tile may not be larger: it must be decoded whole to read one pixel of it.
const MAX_BLOCK_BYTES: usize = 64 << 20;
/// What is read of a file's tags at most, all together; 4 million blocks' places fit.
const MAX_TAG_BYTES: usize = 64 << 20;
/// Pages (overviews, masks) a file may have.
const MAX_PAGES: usize = 256;
/// Bands a file may have; hyperspectral cameras have a few hundred.
const MAX_BANDS: usize = 4096;
/// Decoded blocks kept, unless the caller says otherwise.
const CACHE_BYTES: usize = 64 << 20;
/// Blocks decoded by several threads at once, at least one a thread.
const BATCH_BYTES: usize = 4 << 20;

/// A raster file (GeoTIFF), read in windows.
///
/// Strips and tiles, chunky and planar, classic and BigTIFF of either byte order; u8, i8, u16, i16, u32, i32,
/// f32 and f64; uncompressed, deflate, LZW, PackBits and Zstandard, with predictors 2 and 3. The first page is
/// the raster. Values come as stored: no scale, no offset, no colours; blocks that the file leaves out are 0.
///
/// Decoded blocks are kept in a cache of bounded size (64 MB at first). [`Raster::bytes_for_windows`] tells
/// how much it takes for windows in row-major order to decode every block once.
pub struct Raster {
    path: PathBuf,
    decoder: Decoder,
    info: RasterInfo,
    grid: Grid,
    cache: Cache,
    threads: NonZeroUsize,
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raster").field("path", &self.path).field("info", &self.info).finish_non_exhaustive()
    }
}

impl Raster {
    /// Opens a file and reads its header; no pixels yet.
    ///
    /// # Errors
    /// The file is missing, is no TIFF, contradicts itself, or is of a kind that is not read here. Sizes are
    /// checked before anything is allocated for them.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RasterError> {
        let path = path.as_ref().to_owned();
        check_is_file(&path)?;
        let options = OpenOptions {
            block_cache_bytes: 0,
            block_cache_slots: 0,
            parse_budgets: ParseBudgets {
                max_ifds: MAX_PAGES,
                max_tag_value_bytes: MAX_TAG_BYTES,
                max_metadata_value_bytes: MAX_TAG_BYTES,
                ..ParseBudgets::default()
            },
            decode_output_bytes: MAX_BLOCK_BYTES,
        };
        let file = TiffFile::open_with_options(&path, options).map_err(|e| not_tiff(&path, e))?;
        let ifd = file.ifd(0).map_err(|_| format(&path, "it has no picture"))?;
        let (info, grid, layout) = describe(&path, ifd)?;
        let decoder = Decoder::new(file, grid.clone(), &layout);
        let threads = NonZeroUsize::MIN;
        Ok(Self { path, info, grid, decoder, cache: Cache::new(CACHE_BYTES), threads })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says about itself.
    pub fn info(&self) -> &RasterInfo {
        &self.info
    }

    /// The bands that a model wants, found by name or alias whatever their case; or all of them in the file's
    /// order, if the file names none and has as many as are wanted.
    ///
    /// # Errors
    /// A band is missing or its name is there twice; the error lists the bands of the file.
    pub fn choose_bands(&self, wanted: &[Band]) -> Result<BandChoice, RasterError> {
        bands::by_name(&self.path, &self.info.bands, wanted)
    }

    /// Bands by their numbers, which count from 1 as GDAL's do.
    ///
    /// # Errors
    /// The file has no such band; the error lists those it has.
    pub fn choose_band_numbers(&self, numbers: &[usize]) -> Result<BandChoice, RasterError> {
        bands::by_number(&self.path, &self.info.bands, numbers)
    }

    /// Sets how many bytes of decoded blocks are kept.
    pub fn set_cache_bytes(&mut self, bytes: usize) {
        self.cache.set_budget(bytes);
    }

    /// Bytes of cache with which windows of this height, in row-major order, decode every block once.
    /// With less they are read correctly, only slower.
    pub fn bytes_for_windows(&self, window_height: usize, bands: usize) -> usize {
        self.grid.row_bytes(window_height, bands)
    }

    /// Sets how many threads decode the blocks of a window; 1 unless set. They live no longer than the call.
    pub fn set_threads(&mut self, threads: NonZeroUsize) {
        self.threads = threads;
    }

    /// Reads a window inside the raster into `out`, `[bands, height, width]`. `bands` counts from 0.
    /// Values that f32 cannot hold exactly (of u32, i32, f64) are rounded to it.
    ///
    /// # Errors
    /// The window is not inside the raster, a band is not there, `out` has the wrong length, or the file is
    /// damaged there.
    pub fn read_window(
        &mut self,
        row: usize,
        column: usize,
        height: usize,
        width: usize,
        bands: &[usize],
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        self.check_window([row, column], [height, width], bands, out.len())?;
        let target = Target { start: [row, column], size: [height, width] };
        let mut missing = Vec::new();
        for plane in planes(self.is_chunky(), bands) {
            for block in self.grid.touching(plane, row..row + height, column..column + width) {
                match self.cache.get(&block) {
                    Some(data) => self.copy(&target, &block, &data, bands, out),
                    None => missing.push(block),
                }
            }
        }
        for blocks in missing.chunks(self.batch()) {
            for (block, data) in blocks.iter().zip(self.decoder.decode_all(blocks, self.threads)) {
                let data = data.map_err(|error| self.damaged(block, &error))?;
                self.copy(&target, block, &data, bands, out);
                self.cache.insert(*block, data);
            }
        }
        Ok(())
    }

    /// Reads a window that may reach outside the raster, filled as its padding says
    /// ([`read_padded_window`]). `scratch` is kept by the caller between windows.
    ///
    /// # Errors
    /// As [`Raster::read_window`].
    pub fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        let raster = self.info.size;
        read_padded_window(raster, window, bands.len(), scratch, out, |row, column, height, width, values| {
            self.read_window(row, column, height, width, bands, values)
        })
    }

    fn check_window(
        &self,
        start: [usize; 2],
        size: [usize; 2],
        bands: &[usize],
        length: usize,
    ) -> Result<(), RasterError> {
        let raster = self.info.size;
        let inside = |axis: usize| start[axis].checked_add(size[axis]).is_some_and(|end| end <= raster[axis]);
        if size.contains(&0) || !inside(0) || !inside(1) {
            return Err(RasterError::Window { path: self.path.clone(), start, size, raster });
        }
        if let Some(band) = bands.iter().find(|band| **band >= self.info.bands.len()) {
            bands::by_number(&self.path, &self.info.bands, &[band.saturating_add(1)])?;
        }
        let expected = bands.len().saturating_mul(size[0] * size[1]);
        if length != expected {
            return Err(TileError::Length { what: "window buffer", found: length, expected }.into());
        }
        Ok(())
    }

    /// Copies what a block holds of a window.
    fn copy(&self, target: &Target, block: &Block, data: &Decoded, bands: &[usize], out: &mut [f32]) {
        let pixels = target.size[0] * target.size[1];
        let chunky = self.is_chunky();
        for (&band, out) in bands.iter().zip(out.chunks_exact_mut(pixels)) {
            if chunky || band == block.plane {
                let sample = if chunky { band } else { 0 };
                target.copy(data, block, &self.grid, self.info.element, sample, out);
            }
        }
    }

    /// Whether a block holds all bands.
    fn is_chunky(&self) -> bool {
        self.grid.samples > 1 || self.info.bands.len() == 1
    }

    /// How many blocks are decoded before they are copied: enough to keep the threads busy, in a few MB.
    fn batch(&self) -> usize {
        match self.threads.get() {
            1 => 1,
            threads => threads.max(BATCH_BYTES / self.grid.block_bytes().unwrap_or(BATCH_BYTES).max(1)),
        }
    }

    fn damaged(&self, block: &Block, error: &TiffError) -> RasterError {
        let [row, column] = block.start;
        RasterError::Block { path: self.path.clone(), row, column, found: error.to_string() }
    }
}

/// The planes whose blocks must be read: one that holds all bands, or each wanted band once.
fn planes(chunky: bool, bands: &[usize]) -> Vec<usize> {
    if chunky {
        return vec![0];
    }
    let mut planes = bands.to_vec();
    planes.sort_unstable();
    planes.dedup();
    planes
}

fn check_is_file(path: &Path) -> Result<(), RasterError> {
    let open = |source| RasterError::Open { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(open)?;
    if !metadata.is_file() {
        return Err(open(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
    }
    if metadata.len() == 0 {
        return Err(format(path, "it is empty"));
    }
    Ok(())
}

/// Why a file is no TIFF; Sentinel-2's own files are JPEG 2000.
fn not_tiff(path: &Path, error: TiffError) -> RasterError {
    /// Signature box of JP2 files (ISO/IEC 15444-1 annex I).
    const JPEG_2000: &[u8; 8] = b"\0\0\0\x0cjP  ";
    let mut start = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    if read.is_ok() && start == *JPEG_2000 {
        let found = "a JPEG 2000 file, which is not read here".to_owned();
        return RasterError::Unsupported { path: path.to_owned(), found };
    }
    format(path, error)
}

fn format(path: &Path, found: impl ToString) -> RasterError {
    RasterError::Format { path: path.to_owned(), found: found.to_string() }
}

/// Everything about the file that decides whether and how it is read.
fn describe(path: &Path, ifd: &Ifd) -> Result<(RasterInfo, Grid, RasterLayout), RasterError> {
    let unsupported = |found| RasterError::Unsupported { path: path.to_owned(), found };
    let layout = ifd.raster_layout().map_err(|e| format(path, e))?;
    if layout.samples_per_pixel > MAX_BANDS {
        return Err(unsupported(format!("{} bands, at most {MAX_BANDS} are read", layout.samples_per_pixel)));
    }
    if let Some(name) = refused_compression(ifd.compression()) {
        return Err(unsupported(format!("compressed with {name}, which is not read here")));
    }
    let info = RasterInfo::of(ifd, &layout).ok_or_else(|| {
        unsupported(format!("{}-bit samples of format {}", layout.bits_per_sample, layout.sample_format))
    })?;
    let grid = Grid::of(ifd, &layout).ok_or_else(|| format(path, "its strips or tiles have no size"))?;
    check_blocks(path, ifd, &info, &grid)?;
    Ok((info, grid, layout))
}

fn check_blocks(path: &Path, ifd: &Ifd, info: &RasterInfo, grid: &Grid) -> Result<(), RasterError> {
    let bytes = grid.block_bytes().unwrap_or(usize::MAX);
    if bytes > MAX_BLOCK_BYTES {
        let (mb, most) = (bytes >> 20, MAX_BLOCK_BYTES >> 20);
        let found = format!("stored in blocks of {mb} MB, at most {most} MB are read at once");
        return Err(RasterError::Unsupported { path: path.to_owned(), found });
    }
    let (offsets, counts) = if ifd.is_tiled() {
        (ifd.tile_offsets(), ifd.tile_byte_counts())
    } else {
        (ifd.strip_offsets(), ifd.strip_byte_counts())
    };
    let length = |values: Option<Vec<u64>>| values.map_or(0, |values| values.len());
    let (offsets, counts) = (length(offsets), length(counts));
    let expected = grid.blocks(info.bands.len()).unwrap_or(usize::MAX);
    if offsets != expected || counts != expected {
        let [height, width] = info.size;
        return Err(format(
            path,
            format!(
                "{height} x {width} pixels need {expected} blocks, it lists {offsets} places and {counts} sizes"
            ),
        ));
    }
    Ok(())
}

/// The name of a compression that is not read, for the TIFF code in the file.
fn refused_compression(code: u16) -> Option<String> {
    match code {
        1 | 5 | 8 | 32773 | 32946 | 50000 => None,
        6 | 7 => Some("JPEG".into()),
        34887 => Some("LERC".into()),
        34925 => Some("LZMA".into()),
        50001 => Some("WebP".into()),
        50002 => Some("JPEG XL".into()),
        code => Some(format!("method {code}")),
    }
}

/// The window that blocks are copied into.
struct Target {
    start: [usize; 2],
    size: [usize; 2],
}

impl Target {
    /// Copies one sample of every pixel that block and window share into `out`, `[height, width]`.
    fn copy(
        &self,
        data: &Decoded,
        block: &Block,
        grid: &Grid,
        element: ElementType,
        sample: usize,
        out: &mut [f32],
    ) {
        let first = [0, 1].map(|axis| self.start[axis].max(block.start[axis]));
        let end =
            [0, 1].map(|axis| (self.start[axis] + self.size[axis]).min(block.start[axis] + block.size[axis]));
        let pixel = grid.samples * grid.sample_bytes;
        let width = end[1] - first[1];
        for row in first[0]..end[0] {
            let skipped = (row - block.start[0]) * data.width + first[1] - block.start[1];
            let line = &data.samples[skipped * pixel + sample * grid.sample_bytes..];
            let line = &line[..(width - 1) * pixel + grid.sample_bytes];
            let out = &mut out[(row - self.start[0]) * self.size[1] + first[1] - self.start[1]..][..width];
            convert(element, line, pixel, out);
        }
    }
}

/// Samples that lie `stride` bytes apart, in this machine's byte order, as f32.
pub(super) fn convert(element: ElementType, line: &[u8], stride: usize, out: &mut [f32]) {
    match element {
        ElementType::U8 => samples(line, stride, out, |[byte]| f32::from(byte)),
        ElementType::I8 => samples(line, stride, out, |bytes| f32::from(i8::from_ne_bytes(bytes))),
        ElementType::U16 => samples(line, stride, out, |bytes| f32::from(u16::from_ne_bytes(bytes))),
        ElementType::I16 => samples(line, stride, out, |bytes| f32::from(i16::from_ne_bytes(bytes))),
        ElementType::U32 => samples(line, stride, out, |bytes| u32::from_ne_bytes(bytes) as f32),
        ElementType::I32 => samples(line, stride, out, |bytes| i32::from_ne_bytes(bytes) as f32),
        ElementType::F32 => samples(line, stride, out, f32::from_ne_bytes),
        ElementType::F64 => samples(line, stride, out, |bytes| f64::from_ne_bytes(bytes) as f32),
        // `RasterInfo` admits no other.
        ElementType::F16 | ElementType::I64 | ElementType::U64 | ElementType::Bool => {}
    }
}

fn samples<const N: usize>(line: &[u8], stride: usize, out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    if stride == N {
        for (out, bytes) in out.iter_mut().zip(line.as_chunks::<N>().0) {
            *out = value(*bytes);
        }
        return;
    }
    for (out, pixel) in out.iter_mut().zip(line.chunks(stride)) {
        if let Some(bytes) = pixel.first_chunk::<N>() {
            *out = value(*bytes);
        }
    }
}
