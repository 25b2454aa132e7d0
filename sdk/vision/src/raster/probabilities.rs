//! Writing the probabilities of a mask's classes.

use std::path::Path;

use tiff_core::{Predictor, Tag, TagValue};

use super::cog::{CogSettings, CogWriter};
use super::gdal_metadata::{self, Item};
use super::mask::{GDAL_METADATA, GDAL_NODATA, failed};
use super::{RasterError, RasterInfo};

/// Stands for probability 1 in a file of bytes.
const ONE: f32 = 255.0;

/// How probabilities are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbabilityKind {
    /// A byte: `round(255 p)`; the file says that the scale is 1/255. No data is 0 in every band.
    U8,
    /// A 32-bit float; no data is NaN.
    F32,
}

/// Writes probabilities row by row, one band a class: same size and georeference as the raster they belong to.
///
/// As [`MaskWriter`](crate::MaskWriter) writes masks; the pixels of the smaller copies are means, and bands are named
/// for the labels. Memory: two rows of tiles, `512 * width * classes` values.
#[derive(Debug)]
pub struct ProbabilityWriter {
    cog: Cog,
    classes: usize,
    width: usize,
}

#[derive(Debug)]
enum Cog {
    U8(CogWriter<u8>, Vec<u8>),
    F32(CogWriter<f32>, Vec<f32>),
}

impl ProbabilityWriter {
    /// Begins a file to be called `path` when it is finished, with one band for each label.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to; no labels, or more than 65535.
    pub fn create(
        path: impl AsRef<Path>,
        raster: &RasterInfo,
        labels: &[String],
        kind: ProbabilityKind,
    ) -> Result<Self, RasterError> {
        let path = path.as_ref();
        let settings = settings(raster, labels, kind);
        let [classes, width] = [labels.len(), raster.size[1]];
        let cog = match kind {
            ProbabilityKind::U8 => {
                CogWriter::create(path, &settings, mean_u8).map(|cog| Cog::U8(cog, Vec::new()))
            }
            ProbabilityKind::F32 => {
                CogWriter::create(path, &settings, mean_f32).map(|cog| Cog::F32(cog, Vec::new()))
            }
        };
        Ok(Self { cog: cog.map_err(|found| failed(path, found))?, classes, width })
    }

    /// Adds the next row, `[classes, width]` from 0 to 1; NaN in all classes where there is no data.
    ///
    /// # Errors
    /// The row does not fit, there are more than the raster has, or the disk is full.
    pub fn write_row(&mut self, values: &[f32]) -> Result<(), RasterError> {
        let (classes, width) = (self.classes, self.width);
        // A row of another length is refused below.
        let fits = values.len() == classes * width;
        let pixels = (0..if fits { width } else { 0 })
            .flat_map(|column| (0..classes).map(move |class| values[class * width + column]));
        let (written, path) = match &mut self.cog {
            Cog::U8(cog, row) => {
                row.clear();
                // NaN becomes 0.
                row.extend(pixels.map(|value| (value.clamp(0.0, 1.0) * ONE).round() as u8));
                (cog.write_row(row), cog.path())
            }
            Cog::F32(cog, row) => {
                row.clear();
                row.extend(pixels);
                (cog.write_row(row), cog.path())
            }
        };
        written.map_err(|found| failed(path, found))
    }

    /// Completes the file, makes sure that it is on the disk, and gives it its name. Returns its size in bytes.
    ///
    /// # Errors
    /// Rows are missing, or the disk is full; then nothing of that name appears or changes.
    pub fn finish(self) -> Result<u64, RasterError> {
        let (path, written) = match self.cog {
            Cog::U8(cog, _) => (cog.path().to_owned(), cog.finish()),
            Cog::F32(cog, _) => (cog.path().to_owned(), cog.finish()),
        };
        written.map_err(|found| failed(&path, found))
    }
}

fn settings(raster: &RasterInfo, labels: &[String], kind: ProbabilityKind) -> CogSettings {
    let names = labels.iter().enumerate();
    let mut items: Vec<_> =
        names.map(|(band, label)| Item::of_band(band, "DESCRIPTION", "description", label)).collect();
    let (predictor, nodata) = match kind {
        ProbabilityKind::U8 => {
            let scale = (1.0 / f64::from(ONE)).to_string();
            items.extend((0..labels.len()).map(|band| Item::of_band(band, "SCALE", "scale", &scale)));
            (Predictor::Horizontal, None)
        }
        ProbabilityKind::F32 => {
            (Predictor::FloatingPoint, Some(Tag::new(GDAL_NODATA, TagValue::Ascii("nan".to_owned()))))
        }
    };
    let mut tags = raster.georeference.tags().to_vec();
    tags.push(Tag::new(GDAL_METADATA, TagValue::Ascii(gdal_metadata::write(&items))));
    CogSettings {
        size: raster.size,
        bands: labels.len(),
        predictor,
        tags,
        tags_of_all: nodata.into_iter().collect(),
        colour_map: None,
    }
}

fn mean_u8(values: [u8; 4]) -> u8 {
    ((values.map(u16::from).iter().sum::<u16>() + 2) / 4) as u8
}

/// The mean of those that are there.
fn mean_f32(values: [f32; 4]) -> f32 {
    let there = values.iter().filter(|value| !value.is_nan());
    let count = there.clone().count();
    if count == 0 { f32::NAN } else { there.sum::<f32>() / count as f32 }
}
