//! ONNX Runtime: found, checked, loaded, and run without allocating. The only crate that names `ort`.
//!
//! In the order of use:
//! - [`Library`]: looks for ONNX Runtime ([`search`] tells where), probes it before it is trusted, loads
//!   it once a process.
//! - [`Settings`]: threads, execution providers and memory, from a target profile.
//! - [`Session`]: a model in memory; its buffers are made at open, a run allocates nothing of ours.
//!   [`Canceller`] stops it from another thread, [`Session::run_until`] at a deadline.
//! - [`Session::open_prepared`]: the same from what was prepared on this device ([`Cache`]), for a quick start.
//! - [`evaluate`] and [`describe`]: one-off uses for tools.
//! - `profile_run` (feature `profile`): times and providers, node by node.
//!
//! Nothing leaves the device: ONNX Runtime's telemetry is switched off before it is loaded.

mod cache;
mod control;
mod element;
mod error;
mod evaluate;
mod find;
mod library;
mod machine;
mod probe;
#[cfg(feature = "profile")]
mod profile;
mod provider;
#[allow(unsafe_code)] // the one file that may
mod raw;
mod session;
mod settings;
mod startup;

pub use cache::{Cache, Caching};
pub use control::Canceller;
pub use element::Element;
pub use error::{EngineError, Result};
pub use evaluate::{describe, evaluate};
pub use find::{Candidate, Place, cache_folder, search};
pub use library::Library;
pub use machine::{cpu_features, cpu_name, host_triple};
pub use probe::OLDEST_VERSION;
#[cfg(feature = "profile")]
pub use profile::{NodeTime, nodes_by_provider, profile_run};
pub use provider::{ProviderReport, known_providers};
pub use raw::NO_TELEMETRY;
pub use session::{Model, Session};
pub use settings::Settings;
pub use startup::StartUp;
