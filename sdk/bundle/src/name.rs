//! Names of entries: relative paths of plain ASCII that mean the same on every system.

use crate::limits::MAX_NAME;

/// The name as text, or what is wrong with it.
pub(crate) fn check(name: &[u8]) -> Result<&str, &'static str> {
    let Ok(text) = std::str::from_utf8(name) else { return Err("it is not UTF-8") };
    let problem = [
        (text.is_empty(), "it is empty"),
        (text.len() > MAX_NAME, "it is longer than 255 bytes"),
        (text.contains('\0'), "it has a NUL byte"),
        (text.contains('\\'), "it has a backslash"),
        (text.starts_with('/'), "it is an absolute path"),
        (text.contains(':'), "it has a colon, as a drive letter has"),
        (text.ends_with('/'), "it is a folder"),
        (text.split('/').any(|part| part == ".."), "it leads out of the bundle"),
        (text.split('/').any(|part| part == "." || part.is_empty()), "it has an empty or '.' part"),
        (!text.bytes().all(is_allowed), "it has a character other than A-Z a-z 0-9 . _ - /"),
    ];
    match problem.iter().find(|(is_so, _)| *is_so) {
        Some((_, what)) => Err(what),
        None => Ok(text),
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_paths_pass() {
        for name in ["manifest.json", "self-test/input-0.bin", "a/b/c_d.9", "..a", "a..b"] {
            assert_eq!(check(name.as_bytes()), Ok(name));
        }
    }

    #[test]
    fn each_bad_name_is_told_why() {
        let long = "a".repeat(256);
        let cases: [(&[u8], &str); 16] = [
            (b"", "empty"),
            (long.as_bytes(), "longer"),
            (b"a\0b", "NUL"),
            (b"a\\b", "backslash"),
            (b"..\\b", "backslash"),
            (b"/etc/passwd", "absolute"),
            (b"C:/x", "colon"),
            (b"folder/", "folder"),
            (b"../x", "leads out"),
            (b"a/../b", "leads out"),
            (b"..", "leads out"),
            (b"./a", "'.' part"),
            (b"a//b", "'.' part"),
            (b"\xff\xfe", "UTF-8"),
            ("café".as_bytes(), "character"),
            (b"a\x1b[31m", "character"),
        ];
        for (name, expected) in cases {
            let problem = check(name).unwrap_err();
            assert!(problem.contains(expected), "{name:?}: {problem}");
        }
    }
}
