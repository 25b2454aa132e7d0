//! Writing a mask beside the raster it was made from.

use std::path::{Path, PathBuf};

use tiff_core::{ColorMap, Predictor, Tag, TagValue};

use super::cog::{CogSettings, CogWriter};
use super::gdal_metadata::{self, Item};
use super::{RasterError, RasterInfo};

pub(super) const GDAL_METADATA: u16 = 42112;
pub(super) const GDAL_NODATA: u16 = 42113;

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

/// Writes a mask row by row: same size and georeference as the raster it is made from.
///
/// The file is a cloud-optimised GeoTIFF of bytes: tiles of 256 by 256, deflate, with smaller copies whose pixels are
/// the most frequent class of the four they stand for (the first of equals). What is written goes to temporary files
/// in the target's folder; [`MaskWriter::finish`] gives it its name. Dropped before that, it
/// leaves nothing. Memory: two rows of tiles, `512 * width` bytes.
#[derive(Debug)]
pub struct MaskWriter {
    cog: CogWriter<u8>,
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
        let path = path.as_ref();
        let cog = cog_settings(raster, settings).and_then(|cog| CogWriter::create(path, &cog, most_frequent));
        let cog = cog.map_err(|found| failed(path, found))?;
        Ok(Self { cog })
    }

    /// Adds rows below those written so far: whole rows, one byte a pixel.
    ///
    /// # Errors
    /// Not whole rows, more rows than the raster has, or the disk is full.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), RasterError> {
        let ([height, width], before) = (self.cog.size(), self.cog.rows());
        if !rows.len().is_multiple_of(width) || rows.len() / width > height - before {
            let found = format!(
                "{} pixels given after row {before}, expected whole rows of {width} up to row {height}",
                rows.len(),
            );
            return Err(failed(self.cog.path(), found));
        }
        for row in rows.chunks_exact(width) {
            self.cog.write_row(row).map_err(|found| failed(self.cog.path(), found))?;
        }
        Ok(())
    }

    /// Completes the file, makes sure that it is on the disk, and gives it its name. Returns its size in bytes.
    ///
    /// # Errors
    /// Rows are missing, or the disk is full; then nothing of that name appears or changes.
    pub fn finish(self) -> Result<u64, RasterError> {
        let path = self.cog.path().to_owned();
        self.cog.finish().map_err(|found| failed(&path, found))
    }
}

pub(super) fn failed(path: &Path, found: String) -> RasterError {
    RasterError::Write { path: PathBuf::from(path), found }
}

/// The class that most of four pixels have; the first of equals.
fn most_frequent([a, b, c, d]: [u8; 4]) -> u8 {
    match () {
        () if a == b || a == c || a == d => a,
        () if b == c || b == d => b,
        () if c == d => c,
        () => a,
    }
}

/// The mask's tags.
fn cog_settings(raster: &RasterInfo, settings: &MaskSettings) -> Result<CogSettings, String> {
    if settings.labels.len() > 256 || settings.colours.len() > 256 {
        return Err("a mask of bytes has at most 256 classes".into());
    }
    let mut tags = raster.georeference.tags().to_vec();
    if !settings.labels.is_empty() {
        let names = settings.labels.iter().enumerate();
        let items: Vec<_> = names.map(|(class, label)| Item::new(&format!("CLASS_{class}"), label)).collect();
        tags.push(Tag::new(GDAL_METADATA, TagValue::Ascii(gdal_metadata::write(&items))));
    }
    let nodata = settings.nodata.map(|value| Tag::new(GDAL_NODATA, TagValue::Ascii(value.to_string())));
    let colours = (!settings.colours.is_empty()).then(|| colour_map(&settings.colours)).transpose()?;
    Ok(CogSettings {
        size: raster.size,
        bands: 1,
        predictor: Predictor::None,
        tags,
        tags_of_all: nodata.into_iter().collect(),
        colour_map: colours,
    })
}

/// TIFF's palette: 256 entries of 16 bits a channel; classes without a colour are black.
fn colour_map(colours: &[[u8; 3]]) -> Result<ColorMap, String> {
    let channel = |channel: usize| {
        let value = |class: usize| colours.get(class).map_or(0, |rgb| u16::from(rgb[channel]) * 257);
        (0..256).map(value).collect()
    };
    ColorMap::new(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_copies_show_what_most_pixels_are() {
        for (pixels, expected) in [
            ([1, 1, 1, 1], 1),
            ([1, 2, 3, 4], 1),
            ([1, 2, 2, 3], 2),
            ([1, 2, 3, 2], 2),
            ([1, 2, 3, 3], 3),
            ([2, 1, 1, 2], 2),
            ([1, 2, 2, 2], 2),
        ] {
            assert_eq!(most_frequent(pixels), expected, "{pixels:?}");
        }
    }
}
