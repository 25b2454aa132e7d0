//! Writing a mask beside the raster it was made from.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tiff_core::{ColorMap, Compression, PhotometricInterpretation, Tag, TagValue};
use tiff_writer::{ImageBuilder, ImageHandle, TiffWriter, WriteOptions};

use super::{RasterError, RasterInfo, gdal_metadata};

const GDAL_METADATA: u16 = 42112;
const GDAL_NODATA: u16 = 42113;
/// Bytes of a strip before compression, as far as whole rows allow.
const STRIP_BYTES: usize = 128 << 10;

/// How a mask is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MaskSettings {
    /// The class number that means "no data here".
    pub nodata: Option<u8>,
    /// Names of the classes, kept as GDAL metadata `CLASS_0`, `CLASS_1`, …
    pub labels: Vec<String>,
    /// `[red, green, blue]` of the classes, for viewers; none: shades of grey.
    pub colours: Vec<[u8; 3]>,
}

/// Writes a mask (u8 GeoTIFF, deflate) row by row: same size and georeference as the raster it is made from.
///
/// What is written goes to a temporary file in the target's folder; [`MaskWriter::finish`] gives it its name.
/// Dropped before that, it leaves nothing. Memory: one strip of about 128 KB, and two numbers a strip.
pub struct MaskWriter {
    path: PathBuf,
    writer: TiffWriter<BufWriter<NamedTempFile>>,
    image: ImageHandle,
    size: [usize; 2],
    rows_per_strip: usize,
    /// Rows of the strip that is not full yet.
    strip: Vec<u8>,
    strips: usize,
    rows: usize,
}

impl std::fmt::Debug for MaskWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MaskWriter")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl MaskWriter {
    /// Begins a mask for `raster`, to be called `path` when it is finished. A file of that name is replaced
    /// then, not before.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to; more than 256 colours or labels.
    pub fn create(
        path: impl AsRef<Path>,
        raster: &RasterInfo,
        settings: &MaskSettings,
    ) -> Result<Self, RasterError> {
        let path = path.as_ref().to_owned();
        let failed = |found: String| RasterError::Write { path: path.clone(), found };
        let [height, width] = raster.size;
        let rows_per_strip = (STRIP_BYTES / width.max(1)).clamp(1, height.max(1));
        let builder = builder(raster, settings, rows_per_strip).map_err(failed)?;
        if path.is_dir() {
            return Err(failed("there is a folder of that name".into()));
        }
        let temporary = temporary_beside(&path).map_err(|e| failed(e.to_string()))?;
        let mut writer = TiffWriter::new(BufWriter::new(temporary), WriteOptions::default())
            .map_err(|e| failed(e.to_string()))?;
        let image = writer.add_image(builder).map_err(|e| failed(e.to_string()))?;
        let strip = Vec::with_capacity(rows_per_strip * width);
        Ok(Self { path, writer, image, size: [height, width], rows_per_strip, strip, strips: 0, rows: 0 })
    }

    /// Adds rows below those written so far: whole rows, one byte a pixel.
    ///
    /// # Errors
    /// Not whole rows, more rows than the raster has, or the disk is full.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), RasterError> {
        let [height, width] = self.size;
        if !rows.len().is_multiple_of(width) || rows.len() / width > height - self.rows {
            let found = format!(
                "{} pixels given after row {}, expected whole rows of {width} up to row {height}",
                rows.len(),
                self.rows
            );
            return Err(self.failed(found));
        }
        for row in rows.chunks_exact(width) {
            self.strip.extend_from_slice(row);
            self.rows += 1;
            if self.strip.len() == self.rows_per_strip * width || self.rows == height {
                self.write_strip()?;
            }
        }
        Ok(())
    }

    /// Completes the file, makes sure that it is on the disk, and gives it its name.
    ///
    /// # Errors
    /// Rows are missing, or the disk is full; then nothing of that name appears or changes.
    pub fn finish(self) -> Result<(), RasterError> {
        let Self { path, writer, size, rows, .. } = self;
        let failed = |found: String| RasterError::Write { path: path.clone(), found };
        if rows != size[0] {
            return Err(failed(format!("only {rows} of {} rows were given", size[0])));
        }
        let buffered = writer.finish().map_err(|e| failed(e.to_string()))?;
        let temporary = buffered.into_inner().map_err(|e| failed(e.to_string()))?;
        temporary.as_file().sync_all().map_err(|e| failed(e.to_string()))?;
        temporary.persist(&path).map_err(|e| failed(e.error.to_string()))?;
        // The new name itself reaches the disk with its folder; where folders cannot be synced, nothing is
        // lost but that.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn write_strip(&mut self) -> Result<(), RasterError> {
        let written = self.writer.write_block(&self.image, self.strips, &self.strip);
        written.map_err(|e| self.failed(e.to_string()))?;
        self.strip.clear();
        self.strips += 1;
        Ok(())
    }

    fn failed(&self, found: String) -> RasterError {
        RasterError::Write { path: self.path.clone(), found }
    }
}

/// The mask's tags.
fn builder(
    raster: &RasterInfo,
    settings: &MaskSettings,
    rows_per_strip: usize,
) -> Result<ImageBuilder, String> {
    let [height, width] = raster.size.map(u32::try_from);
    let too_large = |_| format!("{:?} pixels are more than a TIFF can hold", raster.size);
    let (height, width) = (height.map_err(too_large)?, width.map_err(too_large)?);
    if settings.labels.len() > 256 || settings.colours.len() > 256 {
        return Err("a mask of bytes has at most 256 classes".into());
    }
    let mut builder = ImageBuilder::new(width, height)
        .sample_type::<u8>()
        .compression(Compression::Deflate)
        .strips(rows_per_strip as u32);
    for tag in raster.georeference.tags() {
        builder = builder.tag(tag.clone());
    }
    if let Some(nodata) = settings.nodata {
        builder = builder.tag(Tag::new(GDAL_NODATA, TagValue::Ascii(nodata.to_string())));
    }
    if !settings.labels.is_empty() {
        let names = settings.labels.iter().enumerate();
        let items: Vec<_> = names.map(|(class, label)| (format!("CLASS_{class}"), label.as_str())).collect();
        builder = builder.tag(Tag::new(GDAL_METADATA, TagValue::Ascii(gdal_metadata::write(&items))));
    }
    if !settings.colours.is_empty() {
        let colour_map = colour_map(&settings.colours)?;
        builder = builder.photometric(PhotometricInterpretation::Palette).color_map(colour_map);
    }
    Ok(builder)
}

/// TIFF's palette: 256 entries of 16 bits a channel; classes without a colour are black.
fn colour_map(colours: &[[u8; 3]]) -> Result<ColorMap, String> {
    let channel = |channel: usize| {
        let value = |class: usize| colours.get(class).map_or(0, |rgb| u16::from(rgb[channel]) * 257);
        (0..256).map(value).collect()
    };
    ColorMap::new(channel(0), channel(1), channel(2))
}

/// A new file in the target's folder, so that renaming it cannot cross a disk, with the permissions that any
/// new file gets.
fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mask-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
