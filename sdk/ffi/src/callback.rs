//! Functions that C handed over, called.

use std::ffi::{CStr, c_char, c_void};

/// Takes a line of the log. `target` says who speaks (`onnxruntime`, `farsight_engine`, …); both texts are the
/// library's, for the time of the call. It may be called from any thread, several at once. It must return (no
/// exception, no `longjmp`) and may not call farsight.
pub type LogCallback = Option<
    unsafe extern "C" fn(user: *mut c_void, level: u32, target: *const c_char, message: *const c_char),
>;

/// A function of C that takes lines of the log, with what it wants to be told.
pub(crate) struct LogSink {
    function: unsafe extern "C" fn(*mut c_void, u32, *const c_char, *const c_char),
    user: *mut c_void,
}

// SAFETY: `LogSink::new` was promised that any thread may call the function with `user`.
unsafe impl Send for LogSink {}
// SAFETY: as above.
unsafe impl Sync for LogSink {}

impl LogSink {
    /// # Safety
    /// `function`, if there is one, may be called with `user` from any thread until the sink is dropped.
    pub(crate) unsafe fn new(function: LogCallback, user: *mut c_void) -> Option<Self> {
        function.map(|function| Self { function, user })
    }

    pub(crate) fn call(&self, level: u32, target: &CStr, message: &CStr) {
        // SAFETY: callable from any thread, as `LogSink::new` was promised; both texts live until it returns.
        unsafe { (self.function)(self.user, level, target.as_ptr(), message.as_ptr()) };
    }
}
