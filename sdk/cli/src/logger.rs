//! Log records to standard error.

use crate::output::printable;
use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let message = record.args().to_string();
        eprintln!("farsight: {}: {}", record.level().as_str().to_lowercase(), printable(&message));
    }

    fn flush(&self) {}
}

/// Warnings are always told; `-v` tells more, `-vv` everything.
pub(crate) fn start(verbose: u8) {
    log::set_max_level(match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    });
    // Only a second logger could make this fail.
    let _ = log::set_logger(&Stderr);
}
