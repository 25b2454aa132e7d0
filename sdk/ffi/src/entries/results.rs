//! What a run gave.

use crate::guard::guarded;
use crate::memory::Place;
use crate::{Classes, Detections, Mask, Pipeline, Status, Times, handle};

/// Tells the boxes that the last run found, for a pipeline whose task is `FARSIGHT_TASK_DETECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_detections(
    pipeline: *const Pipeline,
    detections: *mut Detections,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut detections = unsafe { Place::new(detections) };
    guarded(|| handle::with(pipeline, |state| detections.fill(&state.detections()?, "detections")))
}

/// Tells the classes that the last run gave, for a pipeline whose task is `FARSIGHT_TASK_CLASSIFY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_classes(
    pipeline: *const Pipeline,
    classes: *mut Classes,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut classes = unsafe { Place::new(classes) };
    guarded(|| handle::with(pipeline, |state| classes.fill(&state.classes()?, "classes")))
}

/// Tells the mask that the last run gave, for a pipeline whose task is `FARSIGHT_TASK_SEGMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_mask(pipeline: *const Pipeline, mask: *mut Mask) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut mask = unsafe { Place::new(mask) };
    guarded(|| handle::with(pipeline, |state| mask.fill(&state.mask()?, "mask")))
}

/// Tells where the time of the last run of a frame went.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_times(pipeline: *const Pipeline, times: *mut Times) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut times = unsafe { Place::new(times) };
    guarded(|| handle::with(pipeline, |state| times.fill(&state.times()?, "times")))
}
