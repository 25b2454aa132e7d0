//! A file written whole or not at all.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file under a temporary name beside its own, brings it to the disk and renames it: a stop half-way
/// leaves what was there before.
///
/// # Errors
/// What the system says.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".farsight-").suffix(".tmp");
    #[cfg(unix)]
    {
        // Temporary files are private; a finished one is as public as the umask says.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
