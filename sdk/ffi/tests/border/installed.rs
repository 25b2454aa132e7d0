//! An installed folder, as `cargo xtask dist` lays it out, found by pkg-config and by CMake.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use crate::programs::{library, succeeded};

/// Lays out the folder.
fn install(into: &Path) -> Result<PathBuf, Failed> {
    let (here, prefix) = (Path::new(env!("CARGO_MANIFEST_DIR")), into.join("installed"));
    for folder in ["include", "lib/cmake/farsight", "lib/pkgconfig"] {
        fs::create_dir_all(prefix.join(folder))?;
    }
    for header in ["farsight.h", "farsight.hpp"] {
        fs::copy(here.join("include").join(header), prefix.join("include").join(header))?;
    }
    let soname = format!("libfarsight.so.{}", farsight_ffi::ABI_VERSION);
    fs::copy(library("libfarsight_ffi.so")?, prefix.join("lib").join(&soname))?;
    symlink(&soname, prefix.join("lib/libfarsight.so"))?;
    fs::copy(library("libfarsight_ffi.a")?, prefix.join("lib/libfarsight.a"))?;
    for (template, target) in [
        ("cmake/farsightConfig.cmake.in", "lib/cmake/farsight/farsightConfig.cmake"),
        ("cmake/farsightConfigVersion.cmake.in", "lib/cmake/farsight/farsightConfigVersion.cmake"),
        ("pkgconfig/farsight.pc.in", "lib/pkgconfig/farsight.pc"),
    ] {
        fs::write(prefix.join(target), fill(&fs::read_to_string(here.join(template))?)?)?;
    }
    Ok(prefix)
}

/// A template with its words replaced.
fn fill(template: &str) -> Result<String, Failed> {
    let filled = template
        .replace("@ABI_VERSION@", &farsight_ffi::ABI_VERSION.to_string())
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@VERSION_MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@VERSION_MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@POINTER_BYTES@", &size_of::<usize>().to_string());
    if filled.contains('@') { Err("a word of a template is not replaced".into()) } else { Ok(filled) }
}

/// A program that needs nothing but the library, and its version as it tells it.
const PROGRAM: &str = r#"
#include <stdio.h>
#include "farsight.h"
int main(void) { return farsight_init(FARSIGHT_ABI_VERSION) || puts(farsight_version()) < 0; }
"#;

fn says_version(program: &Path) -> Result<(), Failed> {
    let output = Command::new(program).output()?;
    succeeded(&output)?;
    assert_eq!(String::from_utf8(output.stdout)?.trim(), env!("CARGO_PKG_VERSION"));
    Ok(())
}

pub(crate) fn pkg_config(folder: &Path) -> Result<(), Failed> {
    let prefix = install(folder)?;
    let (source, program) = (folder.join("version.c"), folder.join("version"));
    fs::write(&source, PROGRAM)?;
    for (static_flag, rpath) in [(None, true), (Some("--static"), false)] {
        let output = Command::new("pkg-config")
            .args(static_flag)
            .args(["--cflags", "--libs", "farsight >= 0.1"])
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
            .output()?;
        succeeded(&output)?;
        let flags = String::from_utf8(output.stdout)?;
        let mut compiler = Command::new("cc");
        compiler.arg(&source).arg("-o").arg(&program).args(flags.split_whitespace());
        if rpath {
            compiler.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()));
        } else {
            // What `--static` adds is enough for the archive.
            fs::remove_file(prefix.join("lib/libfarsight.so"))?;
        }
        succeeded(&compiler.output()?)?;
        says_version(&program)?;
    }
    Ok(())
}

pub(crate) fn cmake(folder: &Path) -> Result<(), Failed> {
    let prefix = install(folder)?;
    fs::write(folder.join("version.c"), PROGRAM)?;
    let configure = |version: &str, build: &str| -> Result<std::process::Output, Failed> {
        let text = format!(
            "cmake_minimum_required(VERSION 3.16)\nproject(version C)\nfind_package(farsight {version} REQUIRED)\n\
             foreach(library farsight static)\nadd_executable(with_${{library}} version.c)\n\
             target_link_libraries(with_${{library}} farsight::${{library}})\nendforeach()\n"
        );
        fs::write(folder.join("CMakeLists.txt"), text)?;
        let mut cmake = Command::new("cmake");
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        Ok(cmake.arg("-S").arg(folder).arg("-B").arg(folder.join(build)).output()?)
    };
    succeeded(&configure("0.1", "good")?)?;
    succeeded(&Command::new("cmake").arg("--build").arg(folder.join("good")).output()?)?;
    for library in ["farsight", "static"] {
        says_version(&folder.join("good").join(format!("with_{library}")))?;
    }
    for version in ["0.99", "1.0"] {
        let refused = configure(version, "bad")?;
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains(env!("CARGO_PKG_VERSION")), "{version}: {text}");
    }
    Ok(())
}
