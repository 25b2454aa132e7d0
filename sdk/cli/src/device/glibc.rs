//! Version of the C library that this machine's programs load.

use std::env::consts::ARCH;
use std::path::Path;

use super::files;

/// No libc.so.6 is longer.
const LONGEST: u64 = 32 << 20;

/// What the library says of itself: "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36."
const BANNER: &[u8] = b"GNU C Library ";
const VERSION: &str = " release version ";

/// `"2.36"`; `None` where there is no glibc (musl), or none in the usual folders.
pub(crate) fn version(root: &Path) -> Option<String> {
    let multiarch = format!("{ARCH}-linux-gnu");
    let folders = [
        format!("lib/{multiarch}"),
        format!("usr/lib/{multiarch}"),
        "lib64".to_owned(),
        "usr/lib64".to_owned(),
        "lib".to_owned(),
        "usr/lib".to_owned(),
    ];
    folders.iter().find_map(|folder| {
        let library = root.join(folder).join("libc.so.6");
        from_link(&library).or_else(|| from_banner(&files::bytes(&library, LONGEST)?))
    })
}

/// Up to 2.33 the name was a link to `libc-2.31.so`.
fn from_link(library: &Path) -> Option<String> {
    let target = library.read_link().ok()?;
    leading_version(target.file_name()?.to_str()?.strip_prefix("libc-")?)
}

fn from_banner(library: &[u8]) -> Option<String> {
    let start = library.windows(BANNER.len()).position(|bytes| bytes == BANNER)?;
    let banner = library.get(start..)?.split(|byte| *byte == b'\n').next()?;
    let banner = std::str::from_utf8(banner.get(..200).unwrap_or(banner)).ok()?;
    leading_version(banner.split_once(VERSION)?.1)
}

/// `"2.36.\n"` and `"2.31.so"` → `"2.36"` and `"2.31"`.
fn leading_version(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let version = text.get(..end)?.trim_matches('.');
    let is_version = version.contains('.') && version.split('.').all(|part| part.parse::<u32>().is_ok());
    is_version.then(|| version.to_owned())
}
