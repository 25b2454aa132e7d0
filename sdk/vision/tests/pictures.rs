//! Every kind of picture file against what OpenCV makes of it (goldens: tests/reference/pictures.py).
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_vision::Picture;
use farsight_vision::picture::{looks_like_picture, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures")
}

fn pictures() -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e != "ppm"));
    paths.sort();
    paths
}

/// The reference: a binary PPM (`P6 width height 255`, then RGB).
fn golden(path: &Path) -> Picture {
    let bytes = std::fs::read(format!("{}.ppm", path.display())).unwrap();
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let header = std::str::from_utf8(&bytes[..end]).unwrap();
    let fields: Vec<_> = header.split(' ').collect();
    let [width, height] = [1, 2].map(|i| fields[i].parse().unwrap());
    Picture { width, height, rgb: bytes[end + 1..].to_vec() }
}

#[test]
fn reads_what_opencv_reads() {
    let mut wrong = Vec::new();
    for path in pictures() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = golden(&path);
        match read(&path) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(found) if found.size() != expected.size() => {
                wrong.push(format!("{name}: size {:?}, expected {:?}", found.size(), expected.size()))
            }
            Ok(found) => {
                let pairs = || found.rgb.iter().zip(&expected.rgb);
                let differ = pairs().filter(|(a, b)| a != b).count();
                let most = pairs().map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                if differ > 0 {
                    wrong.push(format!(
                        "{name}: {differ} of {} bytes differ, by up to {most}",
                        found.rgb.len()
                    ));
                }
            }
        }
        assert!(looks_like_picture(&path), "{name}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
