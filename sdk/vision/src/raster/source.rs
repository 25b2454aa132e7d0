//! Where a raster's windows come from.

use std::num::NonZeroUsize;

use farsight_spec::Band;

use super::{BandChoice, Raster, RasterError, RasterInfo};
use crate::Window;

/// Where a raster's windows come from: a file ([`Raster`]), several
/// ([`RasterStack`](crate::RasterStack)), or memory ([`MemoryRaster`](crate::MemoryRaster)).
pub trait RasterSource {
    /// What is known about it.
    fn info(&self) -> &RasterInfo;

    /// The bands that a model wants, as [`Raster::choose_bands`] finds them.
    ///
    /// # Errors
    /// A band is missing or its name is there twice.
    fn choose_bands(&self, wanted: &[Band]) -> Result<BandChoice, RasterError>;

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

    fn choose_bands(&self, wanted: &[Band]) -> Result<BandChoice, RasterError> {
        Self::choose_bands(self, wanted)
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
