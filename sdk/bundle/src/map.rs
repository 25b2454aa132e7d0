//! Mapping a file into memory: the only unsafe code of this crate.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole file for reading.
///
/// The bytes were checked once, at open. If the file is cut short by another program while it is mapped, touching
/// the missing part ends the process (SIGBUS); if it is written to, the checked bytes change. Replacing the file
/// by renaming another onto it, as [`crate::write`] does, is safe: the map keeps the old one.
#[allow(unsafe_code)] // mapping a file cannot be safe: see above
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this crate. That nobody changes the file meanwhile cannot be
    // enforced; it is the condition on which the caller chose `Open::Mapped`, documented there.
    unsafe { Mmap::map(file) }
}
