//! Why a call failed: a status for the program, a text for its developer.

use farsight::{BundleError, EngineError, Error, FrameError};

use crate::Status;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// A short stable name of the kind of fault, as `Error::kind` gives it.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(status: Status, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    pub(crate) fn bad_argument(text: impl Into<String>) -> Self {
        Self::new(Status::BadArgument, "bad-argument", text)
    }

    pub(crate) fn null(what: &str) -> Self {
        Self::bad_argument(format!("{what} is NULL"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Status::of(&error), error.kind(), error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Error::from(error).into()
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Error::from(error).into()
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Error::from(error).into()
    }
}
