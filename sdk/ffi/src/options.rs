//! What a caller may change.

use std::ffi::c_char;
use std::time::{Duration, Instant};

use farsight::Cache;

use crate::failure::{Failure, Result};
use crate::memory::Read;

/// What to change when opening a pipeline. All 0 but `size` changes nothing.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Options {
    /// `sizeof(farsight_options)`.
    pub size: usize,
    /// Path of the ONNX Runtime library, UTF-8; NULL: `ORT_DYLIB_PATH`, beside the program, farsight's cache, the
    /// system. A process loads one only. Read during the call.
    pub onnxruntime: *const c_char,
    /// Threads of the session; 0: as many as the bundle's target says. Never more than the process may use.
    pub threads: u32,
    /// Not 0: open a bundle that was made for another target as well.
    pub any_target: u32,
    /// Confidence threshold, above 0 to 1; 0: the bundle's.
    pub conf: f32,
    /// IoU threshold of non-maximum suppression, above 0 to 1; 0: the bundle's.
    pub iou: f32,
    /// Most boxes a frame; 0: the bundle's.
    pub max_det: u32,
    /// 0.
    pub reserved: u32,
    /// Folder of what was prepared on this device for a quick start, UTF-8; NULL: `FARSIGHT_CACHE`, else
    /// `XDG_CACHE_HOME/farsight`, else `~/.cache/farsight`. The caller's; read during the call.
    pub cache_folder: *const c_char,
    /// One of `farsight_caching`: what may be done there.
    pub caching: u32,
    /// 0.
    pub reserved_2: u32,
}

/// What may be done with what was prepared on this device (`farsight warm` does so, too).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Caching {
    /// What is there is used, and made anew where it is no good any more. Where nothing was prepared, nothing is
    /// written.
    Use = 0,
    /// Nothing prepared is looked at.
    Off = 1,
    /// As `FARSIGHT_CACHING_USE`; and what is not there is prepared and kept, which may take minutes. Where it cannot be
    /// kept, the bundle is opened all the same.
    Make = 2,
}

/// What to change in one run. All 0 but `size` changes nothing.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct RunOptions {
    /// `sizeof(farsight_run_options)`.
    pub size: usize,
    /// Microseconds after which the answer is worth nothing: the run is stopped then and returns
    /// `FARSIGHT_STATUS_TIMEOUT`. An operator at work is finished first. 0: no limit. The first run with a limit starts
    /// a thread that watches over this one and all later ones. Of a raster, the time is looked at after each window.
    pub timeout_us: u64,
}

impl Read<'_, Options> {
    pub(crate) fn to_rust(&self) -> Result<farsight::Options> {
        if self.reserved != 0 || self.reserved_2 != 0 {
            return Err(Failure::bad_argument("options.reserved is not 0: fill the struct with zeros first"));
        }
        let count = |number: u32| usize::try_from(number).ok().filter(|number| *number > 0);
        #[allow(clippy::needless_update)] // what C cannot set yet, once there is something
        Ok(farsight::Options {
            library: self.library()?.map(Into::into),
            threads: count(self.threads),
            any_target: self.any_target != 0,
            conf: fraction("conf", self.conf)?,
            iou: fraction("iou", self.iou)?,
            max_det: count(self.max_det),
            cache: Cache { caching: caching(self.caching)?, folder: self.cache_folder()?.map(Into::into) },
            ..farsight::Options::default()
        })
    }
}

fn caching(number: u32) -> Result<farsight::Caching> {
    match number {
        _ if number == Caching::Use as u32 => Ok(farsight::Caching::Use),
        _ if number == Caching::Off as u32 => Ok(farsight::Caching::Off),
        _ if number == Caching::Make as u32 => Ok(farsight::Caching::Make),
        _ => Err(Failure::bad_argument(format!(
            "options.caching is {number}, expected one of farsight_caching (0 to 2)"
        ))),
    }
}

fn fraction(name: &str, value: f32) -> Result<Option<f32>> {
    if !(0.0..=1.0).contains(&value) {
        return Err(Failure::bad_argument(format!("options.{name} is {value}, expected 0 to 1")));
    }
    Ok(Some(value).filter(|value| *value > 0.0))
}

/// When a run that starts now is to be stopped.
pub(crate) fn deadline(options: Option<Read<'_, RunOptions>>) -> Option<Instant> {
    let limit = options.map_or(0, |options| options.timeout_us);
    // A deadline that the clock cannot hold is none.
    if limit == 0 { None } else { Instant::now().checked_add(Duration::from_micros(limit)) }
}
