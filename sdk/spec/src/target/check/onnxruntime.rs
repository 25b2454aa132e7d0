//! Which ONNX Runtime: versions that exist together, files that can be recognised.

use super::super::onnxruntime::version_numbers;
use super::{check_version, problem};
use crate::validate::Check;
use crate::{OrtBuild, OrtFile};

pub(super) fn check(build: &OrtBuild) -> Check {
    check_version("onnxruntime.oldest", &build.oldest)?;
    if build.oldest_minor() < 17 {
        return problem("onnxruntime.oldest", "is below 1.17, the oldest that farsight can load");
    }
    if let Some(newest) = &build.newest {
        check_version("onnxruntime.newest", newest)?;
        if build.is_past_newest(&build.oldest) {
            return problem("onnxruntime.newest", format!("is {newest}, but the oldest is {}", build.oldest));
        }
    }
    if build.from.trim().is_empty() {
        return problem("onnxruntime.from", "is empty; tell where the library comes from");
    }
    for (version, reason) in &build.known_bad {
        check_version("onnxruntime.known_bad", version)?;
        if reason.trim().is_empty() {
            return problem(
                "onnxruntime.known_bad",
                format!("gives no reason for {version}; tell what fails, and where that is written"),
            );
        }
    }
    build.files.iter().try_for_each(|file| check_file(build, file))
}

fn check_file(build: &OrtBuild, file: &OrtFile) -> Check {
    let OrtFile { version, file, sha256 } = file;
    check_version("onnxruntime.files.version", version)?;
    if file.trim().is_empty() {
        return problem("onnxruntime.files.file", "is empty; give the file's name or address");
    }
    if sha256.len() != 64
        || !sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        return problem(
            "onnxruntime.files.sha256",
            format!("of {file} is {sha256:?}; expected 64 hexadecimal digits in lower case (sha256sum FILE)"),
        );
    }
    if version_numbers(version) < version_numbers(&build.oldest) || build.is_past_newest(version) {
        return problem(
            "onnxruntime.files.version",
            format!("of {file} is {version}, which onnxruntime.oldest and newest leave out"),
        );
    }
    if let Some(reason) = build.known_bad.get(version) {
        return problem("onnxruntime.files", format!("offers {version}, which is known bad: {reason}"));
    }
    Ok(())
}
