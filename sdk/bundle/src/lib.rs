//! The bundle file: written atomically, read with suspicion.
//!
//! A bundle (`*.farsight`) is an ordinary ZIP file that holds a compiled model and everything that a device needs
//! to run it. [`write()`] makes one of [`Contents`]; [`Bundle::open`] checks one and hands out what is inside
//! without copying the model; [`Outline::open`] does without reading the model at all.
//!
//! | entry | what it is |
//! |---|---|
//! | `manifest.json` | first: format, name, version, tensors, targets, SHA-256 and size of every entry ([`Manifest`]) |
//! | `manifest.sig` | place of a signature over the manifest; not listed in it, not read yet |
//! | `spec.toml` | the resolved model spec, without its recipe |
//! | `target.toml` | the target profile |
//! | `labels.txt` | names of the classes, one a line; not there where there are none |
//! | `self-test/input-N.bin`, `self-test/output-N.bin` | a small input and its raw answer, little-endian |
//! | `model.onnx` | the compiled model |
//!
//! Nothing in a bundle depends on when, where or by whom it was made: the same contents give the same bytes.
//! `container.rs` tells which part of the ZIP format is used. The reader is our own because that part is small, and
//! because a reader for all of ZIP is made to accept what this one must refuse: two entries of one name, entries
//! that share bytes, headers that disagree, bytes before, between and behind.

mod bundle;
mod bytes;
mod compatible;
mod container;
mod contents;
mod digest;
mod error;
mod labels;
mod layout;
mod limits;
mod manifest;
mod map;
mod name;
mod outline;
mod self_test;
mod sniff;
mod temporary;

pub use bundle::{Bundle, Open};
pub use compatible::compatible;
pub use contents::{Contents, write};
pub use digest::Digest;
pub use error::{BundleError, Fault};
pub use manifest::{
    EntryInfo, FORMAT, KNOWN_FEATURES, Manifest, ModelEntry, SampleEntry, SelfTestEntry, TargetEntry,
};
pub use outline::Outline;
pub use self_test::{Sample, SelfTest, Tolerance};
pub use sniff::{FileKind, sniff};
pub use temporary::temporary_beside;
