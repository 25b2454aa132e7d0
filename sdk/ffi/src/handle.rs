//! The table of open pipelines.
//!
//! A handle that C holds is a number made to look like a pointer: it is looked up and never followed, and no number is
//! given out twice. So a handle that is stale, freed twice or rubbish is told apart from a good one every time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use farsight::Canceller;

use crate::Status;
use crate::failure::{Failure, Result};
use crate::pipeline::State;

/// An open pipeline.
///
/// One thread at a time: a call that comes while another thread is inside one returns `FARSIGHT_STATUS_BUSY`. Which
/// thread that is may change from call to call.
pub struct Pipeline {
    _number: u8,
}

/// What stands behind a handle.
pub(crate) struct Entry {
    /// `None` once it is closed.
    state: Mutex<Option<State>>,
    pub(crate) canceller: Canceller,
}

/// The pipelines that are open, in the order of their numbers.
struct Table {
    last: usize,
    open: Vec<(usize, Arc<Entry>)>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { last: 0, open: Vec::new() });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a handle for `state`.
pub(crate) fn add(state: State) -> *mut Pipeline {
    let canceller = state.canceller();
    let entry = Arc::new(Entry { state: Mutex::new(Some(state)), canceller });
    let mut table = table();
    table.last += 1;
    let number = table.last;
    table.open.push((number, entry));
    std::ptr::without_provenance_mut(number)
}

/// How many are open.
pub(crate) fn count() -> usize {
    table().open.len()
}

/// What stands behind a handle.
pub(crate) fn find(handle: *const Pipeline) -> Result<Arc<Entry>> {
    let number = handle.addr();
    let table = table();
    match table.open.binary_search_by_key(&number, |(number, _)| *number) {
        Ok(index) => Ok(Arc::clone(&table.open[index].1)),
        Err(_) => Err(bad_handle(number, table.last)),
    }
}

fn bad_handle(number: usize, last: usize) -> Failure {
    let text = match number {
        0 => "the pipeline is NULL",
        number if number <= last => "the pipeline has been closed already",
        _ => "this is no pipeline: it never came from farsight_pipeline_open",
    };
    Failure::new(Status::BadHandle, "bad-handle", text)
}

/// Works with a pipeline, alone.
pub(crate) fn with<T>(handle: *const Pipeline, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
    let entry = find(handle)?;
    let mut state = match entry.state.try_lock() {
        Ok(state) => state,
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Poisoned(_)) => return Err(broken()),
    };
    // It was closed between finding and locking it.
    let state = state.as_mut().ok_or_else(|| bad_handle(handle.addr(), handle.addr()))?;
    work(state)
}

/// Closes a pipeline, unless a thread is inside a call with it.
pub(crate) fn close(handle: *const Pipeline) -> Result<()> {
    let entry = find(handle)?;
    let state = match entry.state.try_lock() {
        Ok(mut state) => state.take(),
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
    };
    let mut table = table();
    table.open.retain(|(number, _)| *number != handle.addr());
    if table.open.is_empty() {
        table.open = Vec::new();
    }
    drop(table);
    // None: another thread closed it between finding and locking it.
    state.map(drop).ok_or_else(|| bad_handle(handle.addr(), handle.addr()))
}

fn busy() -> Failure {
    let text = "another thread is inside a call with this pipeline; use one at a time, or open one pipeline a thread";
    Failure::new(Status::Busy, "busy", text)
}

fn broken() -> Failure {
    let text = "an earlier call with this pipeline ended in a bug; close it and open it again";
    Failure::new(Status::Panic, "panic", text)
}
