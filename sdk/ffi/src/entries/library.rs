//! What belongs to the whole library.

use std::ffi::{c_char, c_void};

use crate::callback::LogSink;
use crate::guard::{guarded, guarded_or, last_kind, last_text};
use crate::{ABI_VERSION, LogCallback, Status, handle, init, log};

/// The ABI version of the library, to be compared with the header's `FARSIGHT_ABI_VERSION`. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_abi_version() -> u32 {
    ABI_VERSION
}

/// The library's version, such as "0.1.0". The library's own text, forever. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Prepares the process: call it first, before other threads are started.
///
/// It sets `ORT_DISABLE_TELEMETRY=1` in the environment, so that ONNX Runtime sends and writes nothing of its own.
/// Opening a pipeline does so too, but a thread that reads the environment at that moment would be in danger.
///
/// `abi_version` is `FARSIGHT_ABI_VERSION`. Calling it again changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_init(abi_version: u32) -> Status {
    guarded(|| {
        init::check_abi(abi_version)?;
        if std::env::var_os(farsight::NO_TELEMETRY).is_none_or(|value| value != "1") {
            // SAFETY: Rust's own readers and writers of the environment hold a lock, and the header tells the caller to
            // have no other threads yet.
            unsafe { std::env::set_var(farsight::NO_TELEMETRY, "1") };
        }
        Ok(())
    })
}

/// Why the last call on this thread that failed did, for people; "" if none has. The library's text, until the next
/// call on this thread fails or the thread ends. Never NULL, never fails.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_last_error() -> *const c_char {
    guarded_or(c"".as_ptr(), last_text)
}

/// The kind of that fault as a short stable name, such as "not-found" or "checksum"; finer than the status. The
/// library's text, as long as that of `farsight_last_error`. Never NULL, never fails.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_last_error_kind() -> *const c_char {
    guarded_or(c"".as_ptr(), last_kind)
}

/// What a status means, in a few words; "unknown status" for other numbers. The library's own text, forever.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_status_text(status: i32) -> *const c_char {
    Status::from_number(status).map_or(c"unknown status", Status::words).as_ptr()
}

/// Sends the library's log to `callback` from now on, with `user` as its first argument. NULL ends that.
///
/// `level`, one of `farsight_log_level`, is the limit. Set it before the first pipeline is opened: ONNX Runtime looks
/// at it then. Once a call returns, the callback of before is in use no more. Writing a line allocates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farsight_set_log(callback: LogCallback, user: *mut c_void, level: u32) -> Status {
    // SAFETY: as the header makes the caller promise.
    let sink = unsafe { LogSink::new(callback, user) };
    guarded(|| log::set(sink, level))
}

/// How many pipelines are open: 0 when a program has closed all of them. Never fails.
#[unsafe(no_mangle)]
pub extern "C" fn farsight_open_pipelines() -> usize {
    guarded_or(0, handle::count)
}

/// Panics, to see that a panic stops here. Not in the header.
///
/// cbindgen:ignore
#[cfg(feature = "test-panic")]
#[unsafe(no_mangle)]
pub extern "C" fn farsight_test_panic(pipeline: *const crate::Pipeline) -> Status {
    guarded(|| {
        if pipeline.is_null() {
            return deliberate();
        }
        handle::with(pipeline, |_| deliberate())
    })
}

#[cfg(feature = "test-panic")]
#[allow(clippy::panic)] // what it is for
fn deliberate() -> crate::failure::Result<()> {
    panic!("on purpose")
}
