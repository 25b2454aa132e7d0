//! A file written whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use farsight_bundle::temporary_beside;

/// Writes a file under a temporary name beside its own, brings it to the disk and renames it: a stop half-way
/// leaves what was there before.
///
/// # Errors
/// What the system says.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
