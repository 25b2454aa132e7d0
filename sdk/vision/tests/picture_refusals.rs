//! Files that are no sound pictures: each refused with words that help, without much memory, without a panic.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_vision::PictureError;
use farsight_vision::picture::{looks_like_picture, read};

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)).unwrap()
}

fn goldens() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".ppm"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), golden(&name))).collect()
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&header);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(header);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\x04IDATabcd\0\0\0\0");
    png
}

/// CRC-32 as PNG uses it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// A JPEG whose header says another size.
fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = golden("420.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A CMYK JPEG whose components say these sampling factors.
fn cmyk_sampled(factors: [u8; 4]) -> Vec<u8> {
    let mut jpeg = golden("cmyk.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    (0..4).for_each(|component| jpeg[frame + 11 + 3 * component] = factors[component]);
    jpeg
}

/// Most memory this process ever held, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn every_refusal_names_the_file_and_helps() {
    let folder = tempfile::tempdir().unwrap();
    let half = |name: &str| golden(name)[..golden(name).len() / 2].to_vec();
    type Case = (&'static str, Vec<u8>, fn(&PictureError) -> bool, &'static str);
    let cases: Vec<Case> = vec![
        ("empty.jpg", vec![], |e| matches!(e, PictureError::Empty { .. }), "0 bytes"),
        (
            "text.jpg",
            b"hello, world\n".to_vec(),
            |e| matches!(e, PictureError::NotAPicture { .. }),
            "found text",
        ),
        (
            "BM.bmp",
            b"BMW and other cars\n".to_vec(),
            |e| matches!(e, PictureError::NotAPicture { .. }),
            "found text",
        ),
        (
            "a.gif",
            b"GIF89a\x01\0\x01\0".to_vec(),
            |e| matches!(e, PictureError::NotAPicture { .. }),
            "found a GIF",
        ),
        ("a.npy", b"\x93NUMPY\x01\0".to_vec(), |e| matches!(e, PictureError::NotAPicture { .. }), "NumPy"),
        ("a.bin", vec![0, 1, 2], |e| matches!(e, PictureError::NotAPicture { .. }), "[00, 01, 02]"),
        (
            "huge.png",
            png_header(60_000, 60_000),
            |e| matches!(e, PictureError::TooLarge { .. }),
            "60000 x 60000",
        ),
        (
            "wide.png",
            png_header(u32::MAX >> 1, 1),
            |e| matches!(e, PictureError::TooMuchMemory { .. }),
            "memory",
        ),
        (
            "huge.jpg",
            jpeg_of(65_000, 65_000),
            |e| matches!(e, PictureError::TooLarge { .. }),
            "65000 x 65000",
        ),
        (
            "large.jpg",
            jpeg_of(11_000, 11_000),
            |e| matches!(e, PictureError::Truncated { .. }),
            "JPEG data end",
        ),
        (
            "large.png",
            png_header(11_000, 11_000),
            |e| matches!(e, PictureError::Corrupt { .. } | PictureError::Truncated { .. }),
            "PNG",
        ),
        ("half.jpg", half("444.jpg"), |e| matches!(e, PictureError::Truncated { .. }), "cut off"),
        ("half.png", half("rgb16.png"), |e| matches!(e, PictureError::Truncated { .. }), "cut off"),
        ("half.bmp", half("rgb24.bmp"), |e| matches!(e, PictureError::Truncated { .. }), "cut off"),
        ("half.tif", half("plain.tif"), |e| matches!(e, PictureError::Truncated { .. }), "cut off"),
        (
            "inks-1.jpg",
            cmyk_sampled([0x14, 0x11, 0x11, 0x11]),
            |e| matches!(e, PictureError::Unsupported { .. }),
            "four inks",
        ),
        (
            "inks-2.jpg",
            cmyk_sampled([0x11, 0x11, 0x13, 0x11]),
            |e| matches!(e, PictureError::Unsupported { .. }),
            "four inks",
        ),
        (
            "start.jpg",
            golden("420.jpg")[..3].to_vec(),
            |e| matches!(e, PictureError::Truncated { .. }),
            "cut off",
        ),
        ("zero.png", png_header(0, 5), |e| matches!(e, PictureError::Corrupt { .. }), "PNG"),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, fits, words) in cases {
        let path = written(&folder, name, &bytes);
        match read(&path) {
            Ok(picture) => wrong.push(format!("{name}: read as {:?}", picture.size())),
            Err(error) => {
                let message = error.to_string();
                let helps = message.contains(name) && message.contains(words) && message.contains(". ");
                if !fits(&error) || !helps {
                    wrong.push(format!("{error:?}\n    {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let peak = peak_mb();
    assert!(peak <= 200, "{peak} MB");
}

#[test]
fn paths_that_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read(folder.path().join("missing.png")).unwrap_err();
    assert!(
        matches!(missing, PictureError::Open { .. }) && missing.to_string().contains("missing.png"),
        "{missing}"
    );
    let itself = read(folder.path()).unwrap_err();
    assert!(matches!(itself, PictureError::Folder { .. }), "{itself}");
    let device = read("/dev/zero").unwrap_err();
    assert!(matches!(device, PictureError::NotAFile { .. }), "{device}");
    assert!(!looks_like_picture(folder.path()) && !looks_like_picture("missing.png"));
    assert!(!looks_like_picture(written(&folder, "text.png", b"text")));
}

#[test]
fn cut_pictures_are_refused_wherever_the_cut_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = Vec::new();
    for (name, bytes) in goldens() {
        for percent in [1, 10, 25, 50, 75, 90] {
            let path = written(&folder, &name, &bytes[..bytes.len() * percent / 100]);
            if read(&path).is_ok() {
                accepted.push(format!("{name} at {percent} %"));
            }
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[test]
fn damaged_pictures_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for (name, bytes) in goldens() {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            // Whether it is read or refused is the format's matter.
            if let Ok(picture) = read(written(&folder, &name, &damaged)) {
                assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
            }
        }
    }
}
