//! Raw tensors.

use crate::guard::guarded;
use crate::memory::{Given, Place};
use crate::{Pipeline, RunOptions, Status, Tensor, handle, options};

/// Tells what input `index` of the model is, and what is in it: `data` is NULL while its shape is open still. Shape and
/// data are the pipeline's own, until its next call that runs or sets something, or its close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_input(
    pipeline: *mut Pipeline,
    index: u32,
    tensor: *mut Tensor,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut tensor = unsafe { Place::new(tensor) };
    guarded(|| handle::with(pipeline, |state| tensor.fill(&state.input(index)?, "tensor")))
}

/// Copies a tensor into input `index`. Element type, shape and bytes must be the input's; an axis that the model leaves
/// open takes any length. The input keeps its content from run to run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_set_input(
    pipeline: *mut Pipeline,
    index: u32,
    tensor: *const Tensor,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let tensor = unsafe { Given::new(tensor) };
    guarded(|| handle::with(pipeline, |state| state.set_input(index, &tensor.required("tensor")?)))
}

/// Runs the model on what is in its inputs, without pre- and post-processing. `options` may be NULL. What it gave is
/// read with `farsight_pipeline_output`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_run_tensors(
    pipeline: *mut Pipeline,
    options: *const RunOptions,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let options = unsafe { Given::new(options) };
    guarded(|| {
        let deadline = options::deadline(options.optional()?);
        handle::with(pipeline, |state| state.run_tensors(deadline))
    })
}

/// Tells what output `index` of the model is, and what the last run put into it: `data` is NULL before the first run and
/// after one that failed. Shape and data are the pipeline's own, until its next run or its close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_output(
    pipeline: *mut Pipeline,
    index: u32,
    tensor: *mut Tensor,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut tensor = unsafe { Place::new(tensor) };
    guarded(|| handle::with(pipeline, |state| tensor.fill(&state.output(index)?, "tensor")))
}
