//! What a raster file says about itself.

use farsight_spec::ElementType;
use tiff_reader::{Ifd, RasterLayout};

use super::Georeference;
use super::gdal_metadata;

const GDAL_METADATA: u16 = 42112;
const GDAL_NODATA: u16 = 42113;

/// What a raster file says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterInfo {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// The bands, in the file's order.
    pub bands: Vec<BandInfo>,
    /// Type of the stored values.
    pub element: ElementType,
    /// Where it lies.
    pub georeference: Georeference,
    /// The value that means "no data here" in every band (GDAL's tag 42113); may be NaN.
    pub nodata: Option<f64>,
}

/// What a raster file says about one of its bands.
#[derive(Debug, Clone, PartialEq)]
pub struct BandInfo {
    /// Its name (GDAL's band description).
    pub name: Option<String>,
    /// Real value = stored value * scale + offset. Not applied when pixels are read.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// The value that means "no data here" in this band; files of one scene may each have their own.
    pub nodata: Option<f64>,
}

impl Default for BandInfo {
    fn default() -> Self {
        Self { name: None, scale: 1.0, offset: 0.0, nodata: None }
    }
}

impl RasterInfo {
    pub(crate) fn of(ifd: &Ifd, layout: &RasterLayout) -> Option<Self> {
        let nodata = text(ifd, GDAL_NODATA).and_then(|text| text.trim().parse().ok());
        Some(Self {
            size: [layout.height, layout.width],
            bands: bands(text(ifd, GDAL_METADATA), layout.samples_per_pixel, nodata),
            element: element(layout)?,
            georeference: Georeference::of(ifd),
            nodata,
        })
    }
}

fn text(ifd: &Ifd, code: u16) -> Option<&str> {
    ifd.tag(code)?.value.as_str()
}

fn bands(metadata: Option<&str>, count: usize, nodata: Option<f64>) -> Vec<BandInfo> {
    let mut bands = vec![BandInfo { nodata, ..BandInfo::default() }; count];
    for item in gdal_metadata::parse(metadata.unwrap_or_default()) {
        let Some(band) = item.sample.and_then(|sample| bands.get_mut(sample)) else { continue };
        match item.role.as_str() {
            "description" => band.name = Some(item.value).filter(|name| !name.trim().is_empty()),
            "scale" => band.scale = item.value.trim().parse().unwrap_or(band.scale),
            "offset" => band.offset = item.value.trim().parse().unwrap_or(band.offset),
            _ => {}
        }
    }
    bands
}

/// The element type of stored values; `None` for what is not read here. Packed samples of less than a byte
/// (or of 9 to 15 bits) come unpacked.
fn element(layout: &RasterLayout) -> Option<ElementType> {
    match (layout.sample_format, layout.bits_per_sample) {
        (1, ..=8) => Some(ElementType::U8),
        (1, 9..=16) => Some(ElementType::U16),
        (1, 32) => Some(ElementType::U32),
        (2, 8) => Some(ElementType::I8),
        (2, 16) => Some(ElementType::I16),
        (2, 32) => Some(ElementType::I32),
        (3, 32) => Some(ElementType::F32),
        (3, 64) => Some(ElementType::F64),
        _ => None,
    }
}
