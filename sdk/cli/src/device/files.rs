//! Small reads that odd files cannot upset: only regular files, bounded, only readable text.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No file of /proc or /sys that is read here is longer.
const LONGEST: u64 = 1 << 20;

/// A name or a number is not longer than this.
const LONGEST_LINE: usize = 256;

/// The first `limit` bytes of a regular file. It is asked for its kind first: opening a pipe would wait.
pub(super) fn bytes(path: &Path, limit: u64) -> Option<Vec<u8>> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A whole text.
pub(super) fn text(path: &Path) -> Option<String> {
    String::from_utf8(bytes(path, LONGEST)?).ok()
}

/// A file of one line, without the space or zero byte at its ends.
pub(super) fn line(path: &Path) -> Option<String> {
    let text = text(path)?;
    let line = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    is_readable(line).then(|| line.to_owned())
}

/// Whether a text can be shown: neither empty, nor long, nor full of control characters.
pub(super) fn is_readable(line: &str) -> bool {
    !line.is_empty() && line.len() <= LONGEST_LINE && !line.contains(char::is_control)
}

/// A file that holds one number.
pub(super) fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    line(path)?.parse().ok()
}

/// The entries `prefix0`, `prefix1`, … of a folder, in the order of their numbers.
pub(super) fn numbered(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// The number after a key that starts a line: 12 of `MemTotal:       12 kB` for `MemTotal:`.
pub(super) fn value(text: &str, key: &str) -> Option<u64> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.first() == Some(&key)).find_map(|words| words.get(1)?.parse().ok())
}
