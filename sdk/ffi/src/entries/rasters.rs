//! Rasters.

use crate::guard::guarded;
use crate::memory::{Given, Place, Room};
use crate::{Pipeline, Raster, RasterResult, RunOptions, Status, handle, options};

/// Runs a raster window by window and writes a class a pixel into `mask`, row by row without gaps: `width * height` of
/// `mask_bytes` bytes, 255 where there are no data. `options` and `result` may be NULL. The mask's memory is not that of
/// the samples, which are read until the last row is written.
///
/// It takes memory for a row of windows beside the raster and its mask. On failure some of the mask is written.
/// `FARSIGHT_STATUS_NOT_BUILT` if the library was built without rasters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_run_raster(
    pipeline: *mut Pipeline,
    raster: *const Raster,
    options: *const RunOptions,
    mask: *mut u8,
    mask_bytes: usize,
    result: *mut RasterResult,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let (raster, options, mask, result) =
        unsafe { (Given::new(raster), Given::new(options), Room::new(mask, mask_bytes), Place::new(result)) };
    guarded(|| {
        let deadline = options::deadline(options.optional()?);
        handle::with(pipeline, |state| state.run_raster(&raster.required("raster")?, deadline, mask, result))
    })
}
