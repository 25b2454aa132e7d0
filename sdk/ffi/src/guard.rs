//! Around every call: panics stop here, and a failure's reason is kept for `farsight_last_error`.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Status;
use crate::failure::{Failure, Result};

/// The reason of the last call that failed.
#[derive(Default)]
struct Reason {
    text: CString,
    kind: CString,
}

thread_local! {
    static LAST: RefCell<Reason> = RefCell::default();
}

/// Runs `work`; a failure's reason is kept for [`last_text`], and a panic ends here.
///
/// What a panic leaves half-done is the state of one pipeline. That is behind a lock, which the panic poisons, so
/// that nothing but closing works with it afterwards.
pub(crate) fn guarded(work: impl FnOnce() -> Result<()>) -> Status {
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = format!("a bug in farsight: {}", message(&*panic));
            // What a panic carries may panic when it is dropped; what that one carries is left where it is.
            if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(another);
            }
            Failure::new(Status::Panic, "panic", text)
        }
    };
    keep(&failure);
    failure.status
}

/// Like [`guarded`], for the few calls that return something else than a status.
pub(crate) fn guarded_or<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

fn keep(failure: &Failure) {
    let c_string = |text: &str| CString::new(text.replace('\0', "?")).unwrap_or_default();
    let reason = Reason { text: c_string(&failure.text), kind: c_string(failure.kind) };
    // While a thread ends its texts are gone already; the status still tells.
    let _ = LAST.try_with(|last| last.replace(reason));
}

/// Why the last call on this thread that failed did. Valid until the next one fails or the thread ends.
pub(crate) fn last_text() -> *const c_char {
    last(|reason| &reason.text)
}

/// The kind of that fault, by its short stable name.
pub(crate) fn last_kind() -> *const c_char {
    last(|reason| &reason.kind)
}

fn last(pick: fn(&Reason) -> &CStr) -> *const c_char {
    LAST.try_with(|last| pick(&last.borrow()).as_ptr()).unwrap_or(c"".as_ptr())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
