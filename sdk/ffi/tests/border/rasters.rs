//! Rasters in memory, through the Rust library itself.

use std::fmt::Write as _;

use farsight::{
    BandInfo, BandMatch, ElementType, Error, Georeference, MemoryRaster, Pipeline, RasterInfo, Strides,
};

use crate::cases::{RasterCase, sample};
use crate::rust_side::hex;

/// What a raster gives, as text.
pub(crate) fn run(pipeline: &mut Pipeline, case: &RasterCase) -> Result<String, Error> {
    let size = [case.height, case.width];
    let count = case.width * case.height * case.bands;
    let samples: Vec<u8> =
        (0..).take(count).flat_map(|index| sample(index, case.seed).to_ne_bytes()).collect();
    let name = |band: usize| case.names.as_ref().map(|names| names[band].to_owned());
    let info = RasterInfo {
        size,
        bands: (0..case.bands).map(|band| BandInfo { name: name(band), ..BandInfo::default() }).collect(),
        element: ElementType::U16,
        georeference: Georeference::default(),
        nodata: None,
    };
    let mut raster = MemoryRaster::new(info, &samples, Strides::planar(size, ElementType::U16))?;
    let mut mask = Vec::new();
    let mut rows = |row: &[u8]| {
        mask.extend_from_slice(row);
        Ok(())
    };
    let answer = pipeline.run_raster(&mut raster, &mut rows, &mut |_| {})?;
    let in_order = u32::from(answer.bands.matched == BandMatch::InOrder);
    let mut told = format!("raster {} {} {in_order}", answer.windows, answer.nodata_pixels);
    for pixels in &answer.pixels {
        let _ = write!(told, " {pixels}");
    }
    Ok(told + "\n" + &hex(&mask) + "\n")
}
