//! Where a raster's windows come from.

use std::num::NonZeroUsize;

use farsight_spec::Band;

use super::{BandChoice, Raster, RasterError, RasterInfo, bands};
use crate::Window;

/// Where a raster's windows come from: a file ([`Raster`]), several
/// ([`RasterStack`](crate::RasterStack)), or memory ([`MemoryRaster`](crate::MemoryRaster)).
pub trait RasterSource: Send {
    /// What is known about it.
    fn info(&self) -> &RasterInfo;

    /// The bands that a model wants of each of `frames` dates, the first date's first; found as
    /// [`Raster::choose_bands`] finds them. A raster that holds several dates has all bands of the first, then of the
    /// second, ….
    ///
    /// # Errors
    /// A band is missing or its name is there twice; the raster's bands are not those of so many dates.
    fn choose_bands(&self, wanted: &[Band], frames: usize) -> Result<BandChoice, RasterError>;

    /// Says that windows of this height will be read, of so many bands, in row-major order.
    fn expect_windows(&mut self, height: usize, bands: usize);

    /// Sets how many threads decode what a window needs, where there is anything to decode.
    fn set_threads(&mut self, _threads: NonZeroUsize) {}

    /// Reads a window that may reach outside the raster, as [`Raster::read_padded`] does.
    ///
    /// # Errors
    /// A band is not there, `out` has the wrong length, or the raster is damaged there.
    fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError>;
}

impl RasterSource for Raster {
    fn info(&self) -> &RasterInfo {
        Self::info(self)
    }

    fn choose_bands(&self, wanted: &[Band], frames: usize) -> Result<BandChoice, RasterError> {
        bands::of_frames(self.path(), &Self::info(self).bands, wanted, frames)
    }

    fn expect_windows(&mut self, height: usize, bands: usize) {
        self.set_cache_bytes(self.bytes_for_windows(height, bands));
    }

    fn set_threads(&mut self, threads: NonZeroUsize) {
        Self::set_threads(self, threads);
    }

    fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        Self::read_padded(self, window, bands, scratch, out)
    }
}
