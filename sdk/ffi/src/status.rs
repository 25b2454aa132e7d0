//! What every call returns, and which errors become which status.

use farsight::{EngineError, Error};

/// What a call returns. The numbers never change; new ones come after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is NULL, a text is not UTF-8, a number is out of range, a buffer has the wrong length.
    BadArgument = 1,
    /// A struct's `size` is none that this library knows, or a field that it does not know is set.
    BadSize = 2,
    /// The handle is NULL, closed, or never came from this library.
    BadHandle = 3,
    /// The frame: its format, sides, stride or length.
    BadFrame = 4,
    /// Another thread is inside a call with this handle.
    Busy = 5,
    /// The program's header and this library have different ABI versions.
    WrongAbi = 6,
    /// The bundle is missing, damaged, or of a format that this library does not read.
    Bundle = 7,
    /// The bundle was made for another platform or CPU.
    WrongTarget = 8,
    /// ONNX Runtime was not found, or cannot be used here.
    OnnxRuntime = 9,
    /// ONNX Runtime refuses the model, a provider is missing, or the model and its spec do not fit.
    Model = 10,
    /// The model takes no such input, or gives no such answer.
    WrongTask = 11,
    /// There is no result yet, or an input has not been set.
    NotReady = 12,
    /// The run failed.
    Run = 13,
    /// The run was stopped because its time was up.
    Timeout = 14,
    /// The run was stopped by `farsight_pipeline_cancel`.
    Cancelled = 15,
    /// The raster or its bands.
    Raster = 16,
    /// This library was built without it.
    NotBuilt = 17,
    /// A bug in the library. Close the pipeline and open it again.
    Panic = 18,
}

impl Status {
    const ALL: [Self; 19] = [
        Self::Ok,
        Self::BadArgument,
        Self::BadSize,
        Self::BadHandle,
        Self::BadFrame,
        Self::Busy,
        Self::WrongAbi,
        Self::Bundle,
        Self::WrongTarget,
        Self::OnnxRuntime,
        Self::Model,
        Self::WrongTask,
        Self::NotReady,
        Self::Run,
        Self::Timeout,
        Self::Cancelled,
        Self::Raster,
        Self::NotBuilt,
        Self::Panic,
    ];

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status as i32 == number)
    }

    /// What it means, in a few words.
    pub(crate) fn words(self) -> &'static std::ffi::CStr {
        match self {
            Self::Ok => c"done",
            Self::BadArgument => c"bad argument",
            Self::BadSize => c"bad struct size",
            Self::BadHandle => c"bad handle",
            Self::BadFrame => c"bad frame",
            Self::Busy => c"busy in another thread",
            Self::WrongAbi => c"header and library do not fit",
            Self::Bundle => c"bad bundle",
            Self::WrongTarget => c"bundle for another target",
            Self::OnnxRuntime => c"no usable ONNX Runtime",
            Self::Model => c"model not usable",
            Self::WrongTask => c"not this model's task",
            Self::NotReady => c"no result yet",
            Self::Run => c"run failed",
            Self::Timeout => c"timed out",
            Self::Cancelled => c"cancelled",
            Self::Raster => c"bad raster",
            Self::NotBuilt => c"not in this build",
            Self::Panic => c"bug in the library",
        }
    }

    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Bundle(error) => match error.kind() {
                "other-platform" | "cpu-features" => Self::WrongTarget,
                _ => Self::Bundle,
            },
            Error::Engine(error) => Self::of_engine(error),
            Error::Frame(_) | Error::Preprocess(_) => Self::BadFrame,
            Error::Decode(_) | Error::Contract(_) => Self::Model,
            Error::WrongInput { .. } | Error::WrongTask { .. } => Self::WrongTask,
            #[cfg(feature = "rasters")]
            Error::Raster(_) | Error::Tiles(_) => Self::Raster,
            // The enum may grow, and has those of rasters when anything in the build asks for them.
            _ => Self::Run,
        }
    }

    pub(crate) fn of_engine(error: &EngineError) -> Self {
        match error {
            EngineError::NotFound { .. }
            | EngineError::Missing { .. }
            | EngineError::NotALibrary { .. }
            | EngineError::WrongArchitecture { .. }
            | EngineError::TooOld { .. }
            | EngineError::OlderThanTarget { .. }
            | EngineError::NewerThanTarget { .. }
            | EngineError::KnownBad { .. }
            | EngineError::Load { .. }
            | EngineError::AlreadyLoaded { .. } => Self::OnnxRuntime,
            EngineError::NoSuchTensor { .. }
            | EngineError::WrongElement { .. }
            | EngineError::Shape { .. } => Self::BadArgument,
            EngineError::NotReady { .. } => Self::NotReady,
            EngineError::Run { .. } | EngineError::Profile { .. } => Self::Run,
            EngineError::Timeout => Self::Timeout,
            EngineError::Cancelled => Self::Cancelled,
            EngineError::Model { .. }
            | EngineError::UnsupportedTensor { .. }
            | EngineError::UnknownProvider { .. }
            | EngineError::ProviderUnavailable { .. }
            | EngineError::Setting { .. } => Self::Model,
            // The enum may grow.
            _ => Self::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_their_own_status() {
        let setting = EngineError::Setting { setting: "arena", reason: String::new() };
        let rows = [
            (Error::from(setting), Status::Model),
            (Error::Contract(String::new()), Status::Model),
            (EngineError::Profile { reason: String::new() }.into(), Status::Run),
            (Error::WrongInput { takes: "frames", given: "a raster" }, Status::WrongTask),
            #[cfg(feature = "rasters")]
            (farsight::RasterError::Memory { found: String::new() }.into(), Status::Raster),
        ];
        for (error, status) in rows {
            assert_eq!(Status::of(&error), status, "{error:?}");
        }
    }

    #[test]
    fn numbers_are_in_order_and_have_words() {
        for (number, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number);
            assert_eq!(Status::from_number(number as i32), Some(status));
            assert!(!status.words().is_empty());
        }
        assert_eq!(Status::from_number(-1), None);
        assert_eq!(Status::from_number(Status::ALL.len() as i32), None);
    }
}
