//! A command that failed: the kind for machines, the message for people, the exit status.

use std::path::Path;
use std::process::ExitCode;

use farsight::EngineError;
use farsight_bundle::BundleError;
use farsight_compiler::CompileError;
use farsight_compiler::npy::NpyError;
use farsight_spec::SpecError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A short stable name.
    pub(crate) kind: String,
    /// One message with file, what was found, what was expected.
    pub(crate) message: String,
    /// Whether the call itself was wrong (exit status 2) rather than the work (1).
    pub(crate) usage: bool,
}

impl Failure {
    pub(crate) fn new(kind: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self { kind: kind.into(), message: message.to_string(), usage: false }
    }

    /// The call was wrong.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self { kind: "usage".to_owned(), message: message.to_string(), usage: true }
    }

    /// A file that cannot be read or written.
    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        Self::new("io", format!("{}: {error}", path.display()))
    }

    /// The same fault, with the file it happened to in front.
    pub(crate) fn of_file(mut self, path: &Path) -> Self {
        let name = path.display().to_string();
        if !self.message.starts_with(&name) {
            self.message = format!("{name}: {}", self.message);
        }
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl From<farsight::Error> for Failure {
    fn from(error: farsight::Error) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<NpyError> for Failure {
    fn from(error: NpyError) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// A spec or profile is named on the command line: a wrong name is a wrong call, a wrong file is failed work.
impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        match error {
            SpecError::NotFound { .. } | SpecError::Ambiguous { .. } => Self::usage(error),
            _ => Self::new("spec", error),
        }
    }
}
