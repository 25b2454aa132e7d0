//! Opening, running, closing.

use std::ffi::c_char;

use crate::failure::Failure;
use crate::guard::guarded;
use crate::memory::{Bytes, Given, Place, Places, Text};
use crate::pipeline::State;
use crate::{Frame, Info, Options, Pipeline, RunOptions, Status, handle, init, options};

/// Opens the bundle at `path` (UTF-8) and puts a handle into `*pipeline`; NULL goes there on failure. The caller gives
/// it back with `farsight_pipeline_close`.
///
/// `abi_version` is `FARSIGHT_ABI_VERSION`. `options` may be NULL. Takes from milliseconds to seconds; the first one in a
/// process loads ONNX Runtime. What `farsight warm` prepared on this device is used; it and the file must not be
/// written to while a pipeline is open (replaced by another file they may be).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_open(
    abi_version: u32,
    path: *const c_char,
    options: *const Options,
    pipeline: *mut *mut Pipeline,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let (path, options, mut pipeline) =
        unsafe { (Text::new(path), Given::new(options), Place::new(pipeline)) };
    guarded(|| {
        pipeline.put(std::ptr::null_mut(), "pipeline")?;
        init::check_abi(abi_version)?;
        let state = State::open(path.required("path")?, options.optional()?)?;
        pipeline.put(handle::add(state), "pipeline")
    })
}

/// No pool has more pipelines.
const MOST_IN_POOL: usize = 1024;

/// Opens the bundle at `path` `count` times, for most frames a second: a pipeline for each thread of the program, each
/// with one thread of its own unless `options` say otherwise. They go into `pipelines[0]` to `pipelines[count - 1]`, and
/// each is closed for itself; on failure NULL goes everywhere and none is open.
///
/// A session that `farsight warm` prepared is mapped once, and all of them use its weights; without one, each has its
/// own copy. `count` is 1 to 1024. Else as `farsight_pipeline_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_open_pool(
    abi_version: u32,
    path: *const c_char,
    options: *const Options,
    count: usize,
    pipelines: *mut *mut Pipeline,
) -> Status {
    let places = if count <= MOST_IN_POOL { count } else { 0 };
    // SAFETY: as the header makes the caller promise.
    let (path, options, mut pipelines) =
        unsafe { (Text::new(path), Given::new(options), Places::new(pipelines, places)) };
    guarded(|| {
        pipelines.put_all(std::ptr::null_mut, "pipelines")?;
        init::check_abi(abi_version)?;
        if places == 0 {
            return Err(Failure::bad_argument(format!("count is {count}, expected 1 to {MOST_IN_POOL}")));
        }
        let mut states = State::open_pool(path.required("path")?, options.optional()?, count)?.into_iter();
        pipelines.put_all(|| states.next().map_or(std::ptr::null_mut(), handle::add), "pipelines")
    })
}

/// Opens a bundle of `bytes` bytes in memory, such as one that is linked into the firmware. They are the caller's and
/// not needed afterwards. Else as `farsight_pipeline_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_open_memory(
    abi_version: u32,
    bundle: *const u8,
    bytes: usize,
    options: *const Options,
    pipeline: *mut *mut Pipeline,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let (bundle, options, mut pipeline) =
        unsafe { (Bytes::new(bundle, bytes), Given::new(options), Place::new(pipeline)) };
    guarded(|| {
        pipeline.put(std::ptr::null_mut(), "pipeline")?;
        init::check_abi(abi_version)?;
        let state = State::parse(bundle.read("bundle")?, options.optional()?)?;
        pipeline.put(handle::add(state), "pipeline")
    })
}

/// Closes a pipeline and frees what it lent. NULL is fine. While another thread is inside a call with it, it stays open
/// and `FARSIGHT_STATUS_BUSY` comes back. Closed twice: `FARSIGHT_STATUS_BAD_HANDLE`, and no harm done.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_pipeline_close(pipeline: *mut Pipeline) -> Status {
    guarded(|| if pipeline.is_null() { Ok(()) } else { handle::close(pipeline) })
}

/// Tells what a pipeline is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_info(pipeline: *const Pipeline, info: *mut Info) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut info = unsafe { Place::new(info) };
    guarded(|| handle::with(pipeline, |state| info.fill(&state.info(), "info")))
}

/// Puts the name of a class into `*label`. The pipeline's own text, until its close. Where the bundle names no such
/// class, "" goes there and `FARSIGHT_STATUS_BAD_ARGUMENT` comes back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_label(
    pipeline: *const Pipeline,
    class_id: u32,
    label: *mut *const c_char,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let mut label = unsafe { Place::new(label) };
    guarded(|| {
        label.put(c"".as_ptr(), "label")?;
        handle::with(pipeline, |state| label.put(state.label(class_id)?, "label"))
    })
}

/// Runs a frame. `options` may be NULL. What it gave is read with `farsight_pipeline_detections`, `_classes`, `_mask` or
/// `_output`, after the model's task; what the run before gave is gone, whether this one succeeds or not.
///
/// After the first frame of a size, a run that succeeds allocates nothing of farsight's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_pipeline_run(
    pipeline: *mut Pipeline,
    frame: *const Frame,
    options: *const RunOptions,
) -> Status {
    // SAFETY: as the header makes the caller promise.
    let (frame, options) = unsafe { (Given::new(frame), Given::new(options)) };
    guarded(|| {
        let deadline = options::deadline(options.optional()?);
        handle::with(pipeline, |state| state.run(&frame.required("frame")?.to_rust()?, deadline))
    })
}

/// Stops the pipeline's run that is in progress, which then returns `FARSIGHT_STATUS_CANCELLED`; if there is none, the
/// next one. From any thread, at any time, also while another is inside a call with the pipeline.
///
/// ONNX Runtime looks between two operators: one that is at work is finished first.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_pipeline_cancel(pipeline: *const Pipeline) -> Status {
    guarded(|| {
        handle::find(pipeline)?.canceller.cancel();
        Ok(())
    })
}
