//! The exported functions. Their comments are the header's.
//!
//! Each wraps its pointers, and with that passes on what the header's first page makes the caller promise; the rest is
//! safe code.
#![allow(clippy::missing_safety_doc)] // the same for all: the header's first page says it

mod library;
mod pipeline;
mod rasters;
mod results;
mod tensors;

pub use library::*;
pub use pipeline::*;
pub use rasters::*;
pub use results::*;
pub use tensors::*;
