//! The library's log, handed to the program.

use std::cell::Cell;
use std::sync::{PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::callback::LogSink;
use crate::failure::{Failure, Result};
use crate::pipeline::c_string;

/// How grave a line of the log is. As a limit: this and everything graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// Something does not work.
    Error = 1,
    /// Something works, but not as one would like.
    Warn = 2,
    /// What happens, in few words.
    Info = 3,
    /// For whoever looks for a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// Where lines go. Locked for reading while a line is handed over, so that a sink is not in use any more once another
/// has taken its place.
static SINK: RwLock<Option<LogSink>> = RwLock::new(None);

thread_local! {
    /// This thread is inside the program's callback.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct ToSink;

impl Log for ToSink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // What a callback makes the library say would not end.
        if !self.enabled(record.metadata()) || INSIDE.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = &*sink {
            let (target, message) = (c_string(record.target()), c_string(&record.args().to_string()));
            INSIDE.set(true);
            sink.call(level_number(record.level()), &target, &message);
            INSIDE.set(false);
        }
    }

    fn flush(&self) {}
}

/// Sends lines up to `level` to `sink` from now on; none without a sink.
pub(crate) fn set(sink: Option<LogSink>, level: u32) -> Result<()> {
    if INSIDE.get() {
        return Err(Failure::bad_argument("a log callback may not call farsight"));
    }
    let limit = if sink.is_some() { limit(level)? } else { LevelFilter::Off };
    install()?;
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
    log::set_max_level(limit);
    Ok(())
}

/// Makes this the process's logger, once.
fn install() -> Result<()> {
    static INSTALLED: RwLock<bool> = RwLock::new(false);
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    if !*installed {
        log::set_logger(&ToSink).map_err(|_| {
            Failure::bad_argument(
                "this process has a logger already: a Rust program that links farsight set it",
            )
        })?;
        *installed = true;
    }
    Ok(())
}

fn level_number(level: Level) -> u32 {
    let level = match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    };
    level as u32
}

fn limit(level: u32) -> Result<LevelFilter> {
    let filters =
        [LevelFilter::Error, LevelFilter::Warn, LevelFilter::Info, LevelFilter::Debug, LevelFilter::Trace];
    let index = usize::try_from(level).ok().and_then(|level| level.checked_sub(1));
    index.and_then(|index| filters.get(index)).copied().ok_or_else(|| {
        Failure::bad_argument(format!("the log level is {level}, expected 1 (error) to 5 (trace)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_header() {
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        for (number, level) in (1..).zip(levels) {
            assert_eq!(level_number(level), number);
            assert_eq!(limit(number).unwrap(), level.to_level_filter());
        }
        assert!(limit(0).is_err() && limit(6).is_err() && limit(u32::MAX).is_err());
    }
}
