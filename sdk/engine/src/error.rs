//! What can go wrong between here and ONNX Runtime, for the person who reads it.

use std::path::PathBuf;

use farsight_spec::ElementType;

use crate::find::Place;
use crate::probe::OLDEST_VERSION;

/// `std::result::Result` with [`EngineError`].
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// What can go wrong between here and ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No place holds a usable library.
    #[error(
        "ONNX Runtime was not found. Looked at:\n{looked_at}\nSet ORT_DYLIB_PATH to a libonnxruntime.so, \
         version {OLDEST_VERSION} or later (in a checkout, `cargo xtask setup` fetches one)"
    )]
    NotFound {
        /// One line a place: what was there and why it is no good.
        looked_at: String,
    },
    /// A path that someone named does not lead to a file.
    #[error("{} ({place}) does not exist or is no file: {reason}", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// Who named it.
        place: Place,
        /// What the system says.
        reason: String,
    },
    /// The file is not a shared library, or not ONNX Runtime.
    #[error("{} is not an ONNX Runtime library: found {found}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The library is for another kind of CPU.
    #[error("{} is built for {found}, this program runs on {expected}", path.display())]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// The CPU that it is for.
        found: String,
        /// The CPU that this program is for.
        expected: String,
    },
    /// The library is older than what farsight speaks.
    #[error("{} is ONNX Runtime {found}, farsight needs {OLDEST_VERSION} or later", path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The library is older than what the target profile is made for.
    #[error("{} is ONNX Runtime {found}, the target is made for {oldest} or later", path.display())]
    OlderThanTarget {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The oldest version that the profile names.
        oldest: String,
    },
    /// The library is newer than what the target profile is made for.
    #[error("{} is ONNX Runtime {found}, the target is made for {newest} or earlier", path.display())]
    NewerThanTarget {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The newest version that the profile names.
        newest: String,
    },
    /// The build is known not to work here.
    #[error("{} is ONNX Runtime {version}, which is known not to work here: {reason}", path.display())]
    KnownBad {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
        /// What happens with it.
        reason: String,
    },
    /// The system's loader refused the library: a missing dependency, a newer glibc, …
    #[error("{} cannot be loaded: {reason}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What the loader or ONNX Runtime said.
        reason: String,
    },
    /// Another library is loaded already; a process holds one.
    #[error("ONNX Runtime is loaded from {} already, {} cannot be loaded beside it", loaded.display(), asked.display())]
    AlreadyLoaded {
        /// What is loaded.
        loaded: PathBuf,
        /// What was asked for.
        asked: PathBuf,
    },
    /// The model cannot be opened.
    #[error("{model} cannot be opened: {reason}")]
    Model {
        /// The file, or "the model in memory" with its size.
        model: String,
        /// What is wrong, in ONNX Runtime's words.
        reason: String,
    },
    /// An input or output is of a kind that farsight does not move.
    #[error("{model}: {tensor} holds {found}; farsight takes tensors of floats, integers and booleans")]
    UnsupportedTensor {
        /// The file, or "the model in memory" with its size.
        model: String,
        /// Which input or output.
        tensor: String,
        /// What it holds.
        found: String,
    },
    /// The name of a provider is not one of those that farsight can set up.
    #[error("execution provider \"{name}\" is not known; known are {known}")]
    UnknownProvider {
        /// The name as given.
        name: String,
        /// All that are known.
        known: String,
    },
    /// A provider is missing in this build of ONNX Runtime, or does not start.
    #[error(
        "execution provider {name} cannot be used with {} ({reason}); name another one or set allow_fallback",
        library.display()
    )]
    ProviderUnavailable {
        /// The provider.
        name: String,
        /// The library that lacks it.
        library: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A setting was refused.
    #[error("ONNX Runtime refused {setting}: {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What it said.
        reason: String,
    },
    /// There is no such input or output.
    #[error("there is no {port} {index}, the model has {count}")]
    NoSuchTensor {
        /// "input" or "output".
        port: &'static str,
        /// The one asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A tensor was asked for as something else than it is.
    #[error("{tensor} holds {}, it cannot be seen as {asked}", .element.name())]
    WrongElement {
        /// Which input or output.
        tensor: String,
        /// What it holds.
        element: ElementType,
        /// The Rust type asked for.
        asked: &'static str,
    },
    /// A shape does not fit the model, or the memory.
    #[error("shape {shape:?} does not fit {tensor}: {reason}")]
    Shape {
        /// Which input or output.
        tensor: String,
        /// The shape.
        shape: Vec<usize>,
        /// Why not.
        reason: String,
    },
    /// A tensor has no content yet.
    #[error("{tensor} is empty: {reason}")]
    NotReady {
        /// Which input or output.
        tensor: String,
        /// What has to come first.
        reason: &'static str,
    },
    /// A run failed.
    #[error("the model failed to run: {reason}")]
    Run {
        /// What ONNX Runtime said.
        reason: String,
    },
    /// A run was stopped because its time was up.
    #[error("the run was stopped at its deadline")]
    Timeout,
    /// A run was stopped by [`Canceller::cancel`](crate::Canceller::cancel).
    #[error("the run was cancelled")]
    Cancelled,
    /// The profile of a run could not be written or read.
    #[error("no profile: {reason}")]
    Profile {
        /// What went wrong.
        reason: String,
    },
}

impl EngineError {
    /// A short stable name of the kind of fault, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "no-onnxruntime",
            Self::Missing { .. } => "onnxruntime-missing",
            Self::NotALibrary { .. } => "onnxruntime-not-a-library",
            Self::WrongArchitecture { .. } => "onnxruntime-architecture",
            Self::TooOld { .. } => "onnxruntime-too-old",
            Self::OlderThanTarget { .. } => "onnxruntime-too-old",
            Self::NewerThanTarget { .. } => "onnxruntime-too-new",
            Self::KnownBad { .. } => "onnxruntime-known-bad",
            Self::Load { .. } => "onnxruntime-load",
            Self::AlreadyLoaded { .. } => "onnxruntime-loaded",
            Self::Model { .. } => "model",
            Self::UnsupportedTensor { .. } => "unsupported-tensor",
            Self::UnknownProvider { .. } => "unknown-provider",
            Self::ProviderUnavailable { .. } => "provider-unavailable",
            Self::Setting { .. } => "setting",
            Self::NoSuchTensor { .. } => "no-such-tensor",
            Self::WrongElement { .. } => "wrong-element",
            Self::Shape { .. } => "shape",
            Self::NotReady { .. } => "not-ready",
            Self::Run { .. } => "run",
            Self::Profile { .. } => "profile",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}
