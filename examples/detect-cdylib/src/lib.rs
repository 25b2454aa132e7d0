//! Boxes out of frames for firmware in C: a bundle is opened, a frame goes in, boxes come out.
//!
//! `detect.h` is what a C program sees, `main.c` is such a program. Every entry checks its pointers, and a panic
//! stops here: it comes back as a status, so that it cannot take the firmware down.
#![allow(unsafe_code)] // the C border: pointers come in, symbols go out

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

use farsight::{Answer, Detection, Frame, Pipeline, Task};

/// What every call returns; the numbers stand in `detect.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A null pointer, a path that is not UTF-8, a size that cannot be.
    BadArgument = 1,
    /// The bundle, ONNX Runtime or the run.
    Failed = 2,
    /// A bug in the library.
    Panic = 3,
}

/// An open bundle. One thread at a time may use it.
pub struct Detector {
    pipeline: Pipeline,
}

/// An object that was found, in pixels of the frame.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DetectBox {
    /// Left, top, right, bottom.
    pub corners: [f32; 4],
    /// 0 to 1.
    pub score: f32,
    /// Index of the class.
    pub class: u32,
}

impl From<&Detection> for DetectBox {
    fn from(found: &Detection) -> Self {
        let class = u32::try_from(found.class).unwrap_or(u32::MAX);
        Self { corners: found.bbox, score: found.score, class }
    }
}

/// Opens the bundle at `path` (UTF-8) and puts the detector into `*out`; null goes there on failure.
///
/// # Safety
/// `path` is null or ends in a zero byte; `out` is null or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn detect_open(path: *const c_char, out: *mut *mut Detector) -> Status {
    guarded(|| {
        // SAFETY: null or writable, as the caller promises.
        let out = unsafe { out.as_mut() }.ok_or_else(|| null("out"))?;
        *out = ptr::null_mut();
        if path.is_null() {
            return Err(null("path"));
        }
        // SAFETY: not null, and it ends in a zero byte, as the caller promises.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| bad_argument("path is not UTF-8"))?;
        *out = Box::into_raw(Box::new(open(path)?));
        Ok(())
    })
}

/// Finds objects in a frame of `width * height * 3` RGB bytes, row by row without gaps. Up to `capacity` boxes go
/// into `boxes`, best first; `*count` is how many were found, which may be more.
///
/// # Safety
/// `detector` is null or comes from [`detect_open`], is not closed, and no other thread uses it; `rgb` is null or
/// has that many bytes; `boxes` is null or has room for `capacity` boxes; `count` is null or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn detect_run(
    detector: *mut Detector,
    rgb: *const u8,
    width: usize,
    height: usize,
    boxes: *mut DetectBox,
    capacity: usize,
    count: *mut usize,
) -> Status {
    guarded(|| {
        // SAFETY: null or writable, as the caller promises.
        let count = unsafe { count.as_mut() }.ok_or_else(|| null("count"))?;
        *count = 0;
        // SAFETY: null or a detector that nobody else uses, as the caller promises.
        let detector = unsafe { detector.as_mut() }.ok_or_else(|| null("detector"))?;
        let bytes = frame_bytes(width, height)?;
        if rgb.is_null() {
            return Err(null("rgb"));
        }
        // SAFETY: not null, and it has `bytes` bytes, at most `isize::MAX`, as the caller promises.
        let pixels = unsafe { slice::from_raw_parts(rgb, bytes) };
        let found = run(detector, width, height, pixels)?;
        *count = found.len();
        if boxes.is_null() && capacity > 0 {
            return Err(null("boxes"));
        }
        for (index, found) in found.iter().take(capacity).enumerate() {
            // SAFETY: `index` is below `capacity`, for which there is room, as the caller promises. What lies there
            // may be uninitialized, so it is written and not assigned to.
            unsafe { boxes.add(index).write(found.into()) };
        }
        Ok(())
    })
}

/// Closes a detector; null is fine.
///
/// # Safety
/// `detector` is null or comes from [`detect_open`], and is never used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn detect_close(detector: *mut Detector) {
    guarded(|| {
        if !detector.is_null() {
            // SAFETY: it came out of `Box::into_raw` in `detect_open` and is handed back once.
            drop(unsafe { Box::from_raw(detector) });
        }
        Ok(())
    });
}

/// Why the last call on this thread failed, never null. Valid until the next call on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn detect_last_error() -> *const c_char {
    LAST_ERROR.try_with(|text| text.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// A status with its reason.
type Failure = (Status, String);

fn open(path: &str) -> Result<Detector, Failure> {
    let pipeline = Pipeline::open(path).map_err(failed)?;
    match pipeline.task() {
        Task::Detect => Ok(Detector { pipeline }),
        other => Err((Status::Failed, format!("{path}: its task is {other:?}; boxes come from Detect"))),
    }
}

fn run<'a>(
    detector: &'a mut Detector,
    width: usize,
    height: usize,
    pixels: &[u8],
) -> Result<&'a [Detection], Failure> {
    let frame = Frame::rgb8(width, height, pixels).map_err(|error| bad_argument(&error.to_string()))?;
    match detector.pipeline.run(&frame).map_err(failed)? {
        Answer::Detections(found) => Ok(found),
        _ => Err((Status::Failed, "the bundle gives no boxes".to_owned())),
    }
}

fn frame_bytes(width: usize, height: usize) -> Result<usize, Failure> {
    let bytes = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
    bytes
        .filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())
        .ok_or_else(|| bad_argument(&format!("no frame has {width} x {height} pixels")))
}

fn null(what: &str) -> Failure {
    bad_argument(&format!("{what} is NULL"))
}

fn bad_argument(what: &str) -> Failure {
    (Status::BadArgument, what.to_owned())
}

fn failed(error: farsight::Error) -> Failure {
    (Status::Failed, error.to_string())
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs `work`; a failure's reason is kept for [`detect_last_error`], and a panic ends here.
///
/// After a panic nothing of `work` is looked at but the detector, and each run of it fills its buffers anew.
fn guarded(work: impl FnOnce() -> Result<(), Failure>) -> Status {
    let (status, reason) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => (Status::Panic, format!("a bug in farsight: {}", message(&*panic))),
    };
    let text = CString::new(reason.replace('\0', "?")).unwrap_or_default();
    // While a thread ends its texts are gone already; the status still tells.
    let _ = LAST_ERROR.try_with(|last| last.replace(text));
    status
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
