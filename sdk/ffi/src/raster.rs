//! Rasters that lie in the caller's memory.

use std::ffi::{c_char, c_void};

/// A georeferenced grid of bands in the caller's memory, which is read during the call only.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Raster {
    /// `sizeof(farsight_raster)`.
    pub size: usize,
    /// The samples, in this machine's byte order.
    pub samples: *const c_void,
    /// How many bytes may be read there.
    pub bytes: usize,
    /// One of `farsight_element`: U8, I8, U16, I16, U32, I32, F32 or F64.
    pub element: u32,
    /// How many bands.
    pub bands: u32,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bytes from a pixel to the next; 0: the size of a sample.
    pub pixel_stride: usize,
    /// Bytes from a row to the next; 0: rows without gaps.
    pub row_stride: usize,
    /// Bytes from a band to the next; 0: band after band without gaps.
    pub band_stride: usize,
    /// Names of the bands, one each, UTF-8, by which the model finds those it takes; NULL: they have none, and the
    /// model takes them in their order if they are as many as it wants.
    pub band_names: *const *const c_char,
    /// The value that means "no data here", if `has_nodata` is not 0; else the bundle's holds.
    pub nodata: f64,
    /// See `nodata`.
    pub has_nodata: u32,
    /// 0.
    pub reserved: u32,
}

/// What a raster gave beside its mask.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct RasterResult {
    /// `sizeof(farsight_raster_result)`, set by the caller.
    pub size: usize,
    /// How many windows were run.
    pub windows: u64,
    /// Pixels of each class, as many as `classes` says. The pipeline's own, until its next run or its close.
    pub pixels: *const u64,
    /// How many classes the model has.
    pub classes: u32,
    /// 1: the bands have no names and were taken in their order. A wrong order gives a wrong answer without an error.
    pub in_order: u32,
    /// Pixels without data; 255 in the mask.
    pub nodata_pixels: u64,
}

#[cfg(feature = "rasters")]
mod built {
    use std::time::Instant;

    use farsight::{
        BandInfo, BandMatch, ElementType, EngineError, Error, Georeference, MemoryRaster, RasterAnswer,
    };
    use farsight::{RasterError, RasterInfo, RasterProgress, Strides};

    use super::{Raster, RasterResult};
    use crate::failure::{Failure, Result};
    use crate::memory::{Read, Room};
    use crate::tensor::Element;

    impl<'a> Read<'a, Raster> {
        pub(crate) fn to_rust(&self) -> Result<MemoryRaster<'a>> {
            if self.reserved != 0 {
                return Err(Failure::bad_argument(
                    "raster.reserved is not 0: fill the struct with zeros first",
                ));
            }
            let element = element(self.element)?;
            let [height, width] = [self.height, self.width].map(crate::pipeline::place);
            let tight = Strides::planar([height, width], element);
            let or = |stride: usize, tight: usize| if stride == 0 { tight } else { stride };
            let pixel = or(self.pixel_stride, tight.pixel);
            let row = or(self.row_stride, pixel.saturating_mul(width));
            let strides = Strides { pixel, row, band: or(self.band_stride, row.saturating_mul(height)) };
            let samples = self.samples()?;
            let info = RasterInfo {
                size: [height, width],
                bands: self.band_infos(samples.len())?,
                element,
                georeference: Georeference::default(),
                nodata: (self.has_nodata != 0).then_some(self.nodata),
            };
            Ok(MemoryRaster::new(info, samples, strides).map_err(Error::from)?)
        }

        fn band_infos(&self, bytes: usize) -> Result<Vec<BandInfo>> {
            let count = crate::pipeline::place(self.bands);
            // Each has a byte at least; checked before memory is taken for them.
            if count > bytes || count > MOST_BANDS {
                let found = format!("it has {bytes} bytes and {count} bands ({MOST_BANDS} at most)");
                return Err(Error::from(RasterError::Memory { found }).into());
            }
            match self.names(count)? {
                None => Ok(vec![BandInfo::default(); count]),
                Some(names) => Ok(names.into_iter().map(named).collect()),
            }
        }
    }

    /// No sensor has more.
    const MOST_BANDS: usize = 65_535;

    fn named(name: &str) -> BandInfo {
        BandInfo { name: Some(name.to_owned()).filter(|name| !name.trim().is_empty()), ..BandInfo::default() }
    }

    fn element(number: u32) -> Result<ElementType> {
        use ElementType::{F32, F64, I8, I16, I32, U8, U16, U32};
        let known = [U8, I8, U16, I16, U32, I32, F32, F64];
        known.into_iter().find(|element| Element::from(*element) as u32 == number).ok_or_else(|| {
            Failure::bad_argument(format!("raster.element is {number}; rasters hold U8 to I32, F32 or F64"))
        })
    }

    /// Runs a raster; its mask goes into `mask`.
    pub(crate) fn run(
        pipeline: &mut farsight::Pipeline,
        raster: &mut MemoryRaster<'_>,
        deadline: Option<Instant>,
        mask: &mut Room<'_>,
    ) -> Result<RasterAnswer> {
        let is_late = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        let mut at = 0;
        let mut rows = |row: &[u8]| {
            if is_late() {
                return Err(EngineError::Timeout.into());
            }
            // As large as the raster: checked before the run.
            mask.write(at, row);
            at += row.len();
            Ok(())
        };
        // Rows are finished with the last window of a line only: after each other one, the next is cancelled.
        let canceller = pipeline.canceller();
        let mut was_late = false;
        let mut progress = |progress: RasterProgress| {
            if progress.done < progress.total && is_late() {
                was_late = true;
                canceller.cancel();
            }
        };
        match pipeline.run_raster(raster, &mut rows, &mut progress) {
            Err(Error::Engine(EngineError::Cancelled)) if was_late => {
                Err(Error::from(EngineError::Timeout).into())
            }
            done => Ok(done?),
        }
    }

    impl RasterResult {
        pub(crate) fn new(answer: &RasterAnswer, pixels: &[u64]) -> Self {
            Self {
                size: 0,
                windows: u64::try_from(answer.windows).unwrap_or(u64::MAX),
                pixels: pixels.as_ptr(),
                classes: crate::pipeline::number(pixels.len()),
                in_order: u32::from(answer.bands.matched == BandMatch::InOrder),
                nodata_pixels: answer.nodata_pixels,
            }
        }
    }
}

#[cfg(feature = "rasters")]
pub(crate) use built::run;
