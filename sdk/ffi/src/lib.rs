//! The device library for C and C++: one header, one library.
//!
//! `include/farsight.h` is what a C program sees. It is written by cbindgen from the comments and types here, and a
//! test says when it is not current. `include/farsight.hpp` wraps it for C++17.
//!
//! In the order of a call:
//! - `entries`: the exported functions; each wraps its pointers and hands them on.
//! - `memory`: the caller's pointers, checked and followed.
//! - `guard`: runs the work, keeps a failure's reason for `farsight_last_error`, stops panics.
//! - `handle`: the table of open pipelines, so that a stale handle is noticed and never followed.
//! - `pipeline`, `frame`, `tensor`, `results`, `raster`, `log`: the work itself, in safe code.
//!
//! Unsafe code is in `entries`, `memory` and `callback` only.

mod abi;
#[allow(unsafe_code)] // calls functions that C handed over
mod callback;
#[allow(unsafe_code)] // the exported symbols
mod entries;
mod failure;
mod frame;
mod guard;
mod handle;
mod init;
mod log;
#[allow(unsafe_code)] // follows pointers that C handed over
mod memory;
mod options;
mod pipeline;
mod raster;
mod results;
mod status;
mod tensor;

pub use abi::ABI_VERSION;
pub use callback::LogCallback;
pub use entries::*;
pub use frame::{Frame, PixelFormat, Yuv};
pub use handle::Pipeline;
pub use log::LogLevel;
pub use options::{Caching, Options, RunOptions};
pub use pipeline::{Info, InputKind, Task};
pub use raster::{Raster, RasterResult};
pub use results::{ClassScore, Classes, Detection, Detections, Mask, Times};
pub use status::Status;
pub use tensor::{Element, Tensor};
