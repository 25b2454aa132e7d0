//! Cloud-optimised GeoTIFFs: written row by row in bounded memory, smaller copies (overviews) among them.
//!
//! The layout is that of GDAL's COG driver (gdal.org/drivers/raster/cog.html): header, a text about the layout,
//! the directories from the largest image to the smallest, then tiles from the smallest image to the largest, each
//! between its size and its last four bytes again. Compressed tiles wait in a scratch file beside the
//! target until all sizes are known, and are then copied in that order.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tiff_core::{ByteOrder, Compression, Predictor, Tag, TagValue};
use tiff_writer::compress::{BlockEncodingOptions, compress_block};
use tiff_writer::{ImageBuilder, TiffWriteSample, encoder};

use super::whole_file::{WholeFile, scratch_beside};

/// Side of a tile in pixels; images are halved until they fit into one.
pub(super) const TILE: usize = 256;

const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;

/// What GDAL's driver says about such a file; readers then trust the order and need not look for sizes.
const LAYOUT: &str = "LAYOUT=IFDS_BEFORE_DATA
BLOCK_ORDER=ROW_MAJOR
BLOCK_LEADER=SIZE_AS_UINT4
BLOCK_TRAILER=LAST_4_BYTES_REPEATED
KNOWN_INCOMPATIBLE_EDITION=NO
 ";

/// What is in the file, beside its pixels.
#[derive(Debug, Clone)]
pub(super) struct CogSettings {
    /// `[height, width]` in pixels.
    pub(super) size: [usize; 2],
    /// Values of a pixel, beside each other in the file.
    pub(super) bands: usize,
    pub(super) predictor: Predictor,
    /// Tags of the image itself.
    pub(super) tags: Vec<Tag>,
    /// Tags of the image and of its smaller copies.
    pub(super) tags_of_all: Vec<Tag>,
    pub(super) colour_map: Option<tiff_core::ColorMap>,
}

/// Writes a GeoTIFF row by row.
///
/// Memory: a row of tiles, and half of that for all smaller copies together.
#[derive(Debug)]
pub(super) struct CogWriter<T> {
    file: WholeFile,
    scratch: Scratch,
    levels: Vec<Level<T>>,
    /// The value of four pixels that become one.
    shrink: fn([T; 4]) -> T,
    size: [usize; 2],
    bands: usize,
    predictor: Predictor,
    rows: usize,
}

/// The image itself, or one of its smaller copies.
#[derive(Debug)]
struct Level<T> {
    builder: ImageBuilder,
    size: [usize; 2],
    /// Rows of the tiles that are not full yet, pixel by pixel.
    strip: Vec<T>,
    rows: usize,
    /// The upper of two rows that become one in the next level.
    upper: Vec<T>,
    tiles: Vec<Piece>,
}

/// A tile in the scratch file.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: u64,
    bytes: u32,
}

#[derive(Debug)]
struct Scratch {
    file: BufWriter<File>,
    end: u64,
}

impl<T: TiffWriteSample + Default> CogWriter<T> {
    /// Begins a file to be called `path`.
    ///
    /// # Errors
    /// In words: the folder cannot be written to, or the settings make no TIFF.
    pub(super) fn create(
        path: &Path,
        settings: &CogSettings,
        shrink: fn([T; 4]) -> T,
    ) -> Result<Self, String> {
        let mut levels = vec![Level::new(settings, settings.size, false)?];
        let mut size = settings.size;
        while size[0].max(size[1]) > TILE {
            size = size.map(|side| side.div_ceil(2));
            levels.push(Level::new(settings, size, true)?);
        }
        let file = WholeFile::create(path)?;
        let scratch = scratch_beside(path).map_err(|e| e.to_string())?;
        let scratch = Scratch { file: BufWriter::new(scratch), end: 0 };
        let CogSettings { size, bands, predictor, .. } = *settings;
        Ok(Self { file, scratch, levels, shrink, size, bands, predictor, rows: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Rows written so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// `[height, width]` in pixels.
    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Adds the next row: `width * bands` values, pixel by pixel.
    ///
    /// # Errors
    /// In words: the row does not fit, or the disk is full.
    pub(super) fn write_row(&mut self, row: &[T]) -> Result<(), String> {
        let [height, width] = self.size;
        if row.len() != width * self.bands || self.rows == height {
            return Err(format!(
                "{} values given after row {}, expected {} a row up to row {height}",
                row.len(),
                self.rows,
                width * self.bands
            ));
        }
        self.rows += 1;
        let mut row = row.to_vec();
        for level in &mut self.levels {
            level.add(&row, self.bands, self.predictor, &mut self.scratch)?;
            let Some(smaller) = level.halve(row, self.bands, self.shrink) else { break };
            row = smaller;
        }
        Ok(())
    }

    /// Completes the file and gives it its name; returns its bytes.
    ///
    /// # Errors
    /// In words: rows are missing, or the disk is full.
    pub(super) fn finish(mut self) -> Result<u64, String> {
        if self.rows != self.size[0] {
            return Err(format!("only {} of {} rows were given", self.rows, self.size[0]));
        }
        let levels: Vec<_> = self.levels.iter().map(|level| (&level.builder, &level.tiles[..])).collect();
        let scratch = self.scratch.file.into_inner().map_err(|e| e.to_string())?;
        assemble(&levels, scratch, &mut self.file).map_err(|e| e.to_string())?;
        self.file.finish()
    }
}

impl<T: TiffWriteSample + Default> Level<T> {
    fn new(settings: &CogSettings, size: [usize; 2], is_overview: bool) -> Result<Self, String> {
        let too_large = |_| format!("{size:?} pixels are more than a TIFF can hold");
        let height = u32::try_from(size[0]).map_err(too_large)?;
        let width = u32::try_from(size[1]).map_err(too_large)?;
        let bands =
            u16::try_from(settings.bands).map_err(|_| format!("{} bands are too many", settings.bands))?;
        let mut builder = ImageBuilder::new(width, height)
            .sample_type::<T>()
            .samples_per_pixel(bands)
            .compression(Compression::Deflate)
            .predictor(settings.predictor)
            .tiles(TILE as u32, TILE as u32);
        if let Some(map) = &settings.colour_map {
            builder =
                builder.photometric(tiff_core::PhotometricInterpretation::Palette).color_map(map.clone());
        }
        if is_overview {
            builder = builder.overview();
        }
        let own = settings.tags.iter().filter(|_| !is_overview);
        for tag in own.chain(&settings.tags_of_all) {
            builder = builder.tag(tag.clone());
        }
        builder.validate().map_err(|e| e.to_string())?;
        Ok(Self { builder, size, strip: Vec::new(), rows: 0, upper: Vec::new(), tiles: Vec::new() })
    }

    fn add(
        &mut self,
        row: &[T],
        bands: usize,
        predictor: Predictor,
        scratch: &mut Scratch,
    ) -> Result<(), String> {
        self.strip.extend_from_slice(row);
        self.rows += 1;
        if !self.rows.is_multiple_of(TILE) && self.rows != self.size[0] {
            return Ok(());
        }
        let options = BlockEncodingOptions {
            byte_order: ByteOrder::LittleEndian,
            compression: Compression::Deflate,
            predictor,
            samples_per_pixel: bands as u16,
            row_width_pixels: TILE,
            jpeg_options: None,
            jpeg_sampling: None,
            deflate_level: None,
        };
        let width = self.size[1];
        let mut tile = vec![T::default(); TILE * TILE * bands];
        for left in (0..width).step_by(TILE) {
            let (first, end) = (left * bands, (left + TILE).min(width) * bands);
            let targets = tile.chunks_exact_mut(TILE * bands);
            for (target, row) in targets.zip(self.strip.chunks_exact(width * bands)) {
                target[..end - first].copy_from_slice(&row[first..end]);
                // Beyond the edge the last tile's own pixels would remain: they compress worse than none.
                target[end - first..].fill(T::default());
            }
            let bytes = compress_block(&tile, options, self.tiles.len()).map_err(|e| e.to_string())?;
            self.tiles.push(scratch.add(&bytes)?);
        }
        self.strip.clear();
        Ok(())
    }

    /// The next level's row, once two rows of this one are there (or one, at the lower edge).
    fn halve(&mut self, row: Vec<T>, bands: usize, shrink: fn([T; 4]) -> T) -> Option<Vec<T>> {
        let is_upper = !self.rows.is_multiple_of(2);
        if is_upper && self.rows != self.size[0] {
            self.upper = row;
            return None;
        }
        let upper = if is_upper { &row } else { &self.upper };
        let width = self.size[1];
        let mut smaller = Vec::with_capacity(width.div_ceil(2) * bands);
        for left in (0..width).step_by(2) {
            let right = (left + 1).min(width - 1);
            for band in 0..bands {
                let [a, b] = [left, right].map(|column| column * bands + band);
                smaller.push(shrink([upper[a], upper[b], row[a], row[b]]));
            }
        }
        Some(smaller)
    }
}

impl Scratch {
    fn add(&mut self, bytes: &[u8]) -> Result<Piece, String> {
        self.file.write_all(bytes).map_err(|e| e.to_string())?;
        let count = u32::try_from(bytes.len()).map_err(|_| "a tile is larger than 4 GB".to_owned())?;
        let piece = Piece { offset: self.end, bytes: count };
        self.end += u64::from(count);
        Ok(piece)
    }
}

/// Writes the file from its levels, the image itself first, and their tiles.
fn assemble(
    levels: &[(&ImageBuilder, &[Piece])],
    mut scratch: File,
    out: &mut WholeFile,
) -> Result<(), tiff_writer::Error> {
    let plan = match Plan::new(levels, false)? {
        plan if plan.end <= u64::from(u32::MAX) => plan,
        _ => Plan::new(levels, true)?,
    };
    let order = ByteOrder::LittleEndian;
    encoder::write_header(out, order, plan.is_big)?;
    out.write_all(ghost().as_bytes())?;
    let mut links = Vec::new();
    for ((tags, offset), (_, tiles)) in plan.tags.iter().zip(&plan.directories).zip(levels) {
        pad_to(out, *offset)?;
        let written =
            encoder::write_ifd(out, order, plan.is_big, tags, TILE_OFFSETS, TILE_BYTE_COUNTS, tiles.len())?;
        links.push(written.next_ifd_pointer_offset);
    }
    pad_to(out, plan.data)?;
    let mut tile = Vec::new();
    for piece in levels.iter().rev().flat_map(|(_, tiles)| *tiles) {
        tile.resize(piece.bytes as usize, 0);
        scratch.seek(SeekFrom::Start(piece.offset))?;
        scratch.read_exact(&mut tile)?;
        out.write_all(&piece.bytes.to_le_bytes())?;
        out.write_all(&tile)?;
        out.write_all(&trailer(&tile))?;
    }
    encoder::patch_first_ifd(out, 0, order, plan.is_big, plan.directories[0])?;
    for (link, next) in links.iter().zip(&plan.directories[1..]) {
        encoder::patch_next_ifd(out, order, plan.is_big, *link, *next)?;
    }
    out.flush()?;
    Ok(())
}

/// A tile's last four bytes: whoever reads them twice knows that the tile is whole.
fn trailer(tile: &[u8]) -> [u8; 4] {
    let mut last = [0; 4];
    let count = tile.len().min(4);
    last[4 - count..].copy_from_slice(&tile[tile.len() - count..]);
    last
}

fn ghost() -> String {
    format!("GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{LAYOUT}", LAYOUT.len())
}

fn pad_to(out: &mut WholeFile, offset: u64) -> std::io::Result<()> {
    let here = out.stream_position()?;
    out.write_all(&vec![0; offset.saturating_sub(here) as usize])
}

/// Where everything goes.
struct Plan {
    is_big: bool,
    /// Where each directory begins, and its tags.
    directories: Vec<u64>,
    tags: Vec<Vec<Tag>>,
    /// Where the tiles begin and end.
    data: u64,
    end: u64,
}

impl Plan {
    fn new(levels: &[(&ImageBuilder, &[Piece])], is_big: bool) -> Result<Self, tiff_writer::Error> {
        // Directories begin at even places.
        let even = |offset: u64| offset.next_multiple_of(2);
        let mut place = even(encoder::header_len(is_big) + ghost().len() as u64);
        let (mut directories, mut tags) = (Vec::new(), Vec::new());
        for (builder, _) in levels {
            let own = builder.checked_build_tags(is_big)?;
            directories.push(place);
            place = even(place + encoder::estimate_ifd_size(ByteOrder::LittleEndian, is_big, &own)?);
            tags.push(own);
        }
        let data = place;
        for ((_, tiles), tags) in levels.iter().zip(&mut tags).rev() {
            let mut offsets = Vec::with_capacity(tiles.len());
            for piece in *tiles {
                offsets.push(place + 4);
                place += u64::from(piece.bytes) + 8;
            }
            set(tags, TILE_OFFSETS, offsets.into_iter());
            set(tags, TILE_BYTE_COUNTS, tiles.iter().map(|piece| piece.bytes.into()));
        }
        Ok(Self { is_big, directories, tags, data, end: place })
    }
}

/// Puts numbers into a tag that has place for them. (What does not fit into a classic file's numbers is
/// cut off: that plan is dropped for its length.)
fn set(tags: &mut [Tag], code: u16, numbers: impl Iterator<Item = u64>) {
    match tags.iter_mut().find(|tag| tag.code == code).map(|tag| &mut tag.value) {
        Some(TagValue::Long(values)) => values.iter_mut().zip(numbers).for_each(|(v, n)| *v = n as u32),
        Some(TagValue::Long8(values)) => values.iter_mut().zip(numbers).for_each(|(v, n)| *v = n),
        _ => {}
    }
}
