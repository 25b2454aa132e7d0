//! Files that lie, are cut off or are something else: each its own clear error, no panic, no large allocation.
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::path::Path;

use farsight_vision::{Raster, RasterError};

/// Opens a file and reads its first and last pixel.
fn read(path: &Path) -> Result<(), RasterError> {
    let mut raster = Raster::open(path)?;
    let [height, width] = raster.info().size;
    raster.read_window(0, 0, 1, 1, &[0], &mut [0.0])?;
    raster.read_window(height - 1, width - 1, 1, 1, &[0], &mut [0.0])
}

fn error(bytes: &[u8]) -> RasterError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.tif");
    std::fs::write(&path, bytes).unwrap();
    read(&path).unwrap_err()
}

/// A little-endian classic TIFF: tags as (code, type, count, value or offset), then data at byte 1000.
fn tiff(tags: &[(u16, u16, u32, u32)], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (code, kind, count, value) in tags {
        bytes.extend(code.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.resize(1000, 0);
    bytes.extend(data);
    bytes
}

const SHORT: u16 = 3;
const LONG: u16 = 4;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_COUNTS: u16 = 279;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_COUNTS: u16 = 325;

/// The tags of a sound 4 x 4 file of one strip, with some replaced, added or (type 0) left out.
fn with(changes: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut tags = vec![
        (WIDTH, LONG, 1, 4),
        (HEIGHT, LONG, 1, 4),
        (BITS, SHORT, 1, 8),
        (COMPRESSION, SHORT, 1, 1),
        (262, SHORT, 1, 1),
        (STRIP_OFFSETS, LONG, 1, 1000),
        (SAMPLES, SHORT, 1, 1),
        (ROWS_PER_STRIP, LONG, 1, 4),
        (STRIP_COUNTS, LONG, 1, 16),
    ];
    for change in changes {
        tags.retain(|tag| tag.0 != change.0);
        if change.1 != 0 {
            tags.push(*change);
        }
    }
    tags.sort_unstable();
    tiff(&tags, &[7; 16])
}

fn without_strips(changes: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let strips = [STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_COUNTS].map(|code| (code, 0, 0, 0));
    with(&[&strips, changes].concat())
}

#[test]
fn lying_headers_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.tif");
    std::fs::write(&sound, with(&[])).unwrap();
    read(&sound).unwrap();

    let rows: &[(&str, Vec<u8>, &str)] = &[
        ("empty", vec![], "it is empty"),
        ("text", b"II but this is a letter".to_vec(), "not a readable GeoTIFF"),
        ("png", b"\x89PNG\r\n\x1a\n0000000000".to_vec(), "not a readable GeoTIFF"),
        ("only a header", b"II\x2a\0\x08\0\0\0".to_vec(), "not a readable GeoTIFF"),
        ("no page", b"II\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "it has no picture"),
        (
            "one strip of 60000 x 60000",
            with(&[(WIDTH, LONG, 1, 60000), (HEIGHT, LONG, 1, 60000), (ROWS_PER_STRIP, LONG, 1, 60000)]),
            "blocks of 3433 MB",
        ),
        (
            "60000 strips, one listed",
            with(&[(WIDTH, LONG, 1, 60000), (HEIGHT, LONG, 1, 60000), (ROWS_PER_STRIP, LONG, 1, 1)]),
            "need 60000 blocks, it lists 1",
        ),
        (
            "2^32-1 squared",
            with(&[
                (WIDTH, LONG, 1, u32::MAX),
                (HEIGHT, LONG, 1, u32::MAX),
                (ROWS_PER_STRIP, LONG, 1, u32::MAX),
            ]),
            "at most 64 MB",
        ),
        ("no width", with(&[(WIDTH, LONG, 1, 0)]), "dimensions must be positive"),
        ("no strips", with(&[(STRIP_OFFSETS, 0, 0, 0), (STRIP_COUNTS, 0, 0, 0)]), "it lists 0 places"),
        ("strips without rows", with(&[(ROWS_PER_STRIP, LONG, 1, 0)]), "not a readable GeoTIFF"),
        ("places past the end", with(&[(STRIP_OFFSETS, LONG, 100_000, 900)]), "not a readable GeoTIFF"),
        ("4 billion places", with(&[(STRIP_OFFSETS, LONG, u32::MAX, 900)]), "not a readable GeoTIFF"),
        ("strip past the end", with(&[(STRIP_OFFSETS, LONG, 1, 5000)]), "row 0, column 0"),
        ("strip too short", with(&[(STRIP_COUNTS, LONG, 1, 15)]), "row 0, column 0"),
        (
            "tiles of no size",
            without_strips(&[
                (TILE_WIDTH, LONG, 1, 0),
                (TILE_HEIGHT, LONG, 1, 16),
                (TILE_OFFSETS, LONG, 1, 1000),
                (TILE_COUNTS, LONG, 1, 16),
            ]),
            "no size",
        ),
        (
            "tiles of 2^31",
            without_strips(&[
                (TILE_WIDTH, LONG, 1, 1 << 31),
                (TILE_HEIGHT, LONG, 1, 1 << 31),
                (TILE_OFFSETS, LONG, 1, 1000),
                (TILE_COUNTS, LONG, 1, 16),
            ]),
            "at most 64 MB",
        ),
        ("not really deflate", with(&[(COMPRESSION, SHORT, 1, 8)]), "row 0, column 0"),
        ("not really LZW", with(&[(COMPRESSION, SHORT, 1, 5)]), "row 0, column 0"),
        ("not really Zstandard", with(&[(COMPRESSION, SHORT, 1, 50000)]), "row 0, column 0"),
        (
            "JPEG",
            with(&[(COMPRESSION, SHORT, 1, 7)]),
            "compressed with JPEG, which is not read here; convert it",
        ),
        ("unknown compression", with(&[(COMPRESSION, SHORT, 1, 4711)]), "method 4711"),
        (
            "predictor 3 on bytes",
            with(&[(COMPRESSION, SHORT, 1, 8), (PREDICTOR, SHORT, 1, 3)]),
            "hostile.tif",
        ),
        ("predictor 77", with(&[(PREDICTOR, SHORT, 1, 77)]), "predictor: 77"),
        ("64-bit samples", with(&[(BITS, SHORT, 1, 64)]), "64-bit samples"),
        ("no samples", with(&[(SAMPLES, SHORT, 1, 0)]), "not a readable GeoTIFF"),
        ("65535 bands", with(&[(SAMPLES, SHORT, 1, 65535)]), "hostile.tif"),
    ];
    for (name, bytes, part) in rows {
        let text = error(bytes).to_string();
        assert!(text.contains("hostile.tif") && text.contains(part), "{name}: {text}");
    }
}

/// A zlib stream of so many bytes of 7, longer than any block of the files here.
fn deflated(bytes: usize) -> Vec<u8> {
    // Stored blocks (RFC 1951, 3.2.4), the last one marked, then Adler-32.
    let mut stream = vec![0x78, 0x01];
    let data = vec![7; bytes];
    let blocks = data.chunks(60_000);
    let last = blocks.len() - 1;
    for (i, block) in blocks.enumerate() {
        stream.push(u8::from(i == last));
        stream.extend((block.len() as u16).to_le_bytes());
        stream.extend((!(block.len() as u16)).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for byte in &data {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

#[test]
fn deflate_streams_that_lie_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.tif");
    let write = |stream: &[u8], listed: usize| {
        let mut bytes = with(&[(COMPRESSION, SHORT, 1, 8), (STRIP_COUNTS, LONG, 1, listed as u32)]);
        bytes.truncate(1000);
        bytes.extend(stream);
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    };
    let sound = deflated(16);
    write(&sound, sound.len()).unwrap();
    let mut wrong_sum = sound.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let (short, long) = (deflated(15), deflated(1_000_000));
    for (name, stream, listed) in [
        ("fewer bytes", &short, short.len()),
        ("more bytes", &long, long.len()),
        ("wrong checksum", &wrong_sum, sound.len()),
        ("cut off", &sound, sound.len() - 9),
        ("4 GB", &sound, u32::MAX as usize),
    ] {
        let text = write(stream, listed).unwrap_err().to_string();
        assert!(text.contains("row 0, column 0"), "{name}: {text}");
    }
}

#[test]
fn values_that_are_no_numbers_are_read_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.tif");
    let mut bytes = with(&[(BITS, SHORT, 1, 32), (339, SHORT, 1, 3), (STRIP_COUNTS, LONG, 1, 64)]);
    bytes.truncate(1000);
    bytes.extend(f32::NAN.to_le_bytes().repeat(16));
    std::fs::write(&path, bytes).unwrap();
    let mut out = [0.0; 16];
    Raster::open(&path).unwrap().read_window(0, 0, 4, 4, &[0], &mut out).unwrap();
    assert!(out.iter().all(|value| value.is_nan()));
}

#[test]
fn a_page_that_follows_itself_ends() {
    let mut bytes = with(&[]);
    let tags = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    bytes[10 + 12 * tags..][..4].copy_from_slice(&8u32.to_le_bytes());
    assert!(error(&bytes).to_string().contains("loop"));
}

#[test]
fn cut_anywhere_no_kind_panics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters");
    let cut = tempfile::tempdir().unwrap();
    let path = cut.path().join("cut.tif");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "tif") {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        for part in 0..40 {
            std::fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
            let _ = read(&path); // an error, or the pixels that are still there
        }
    }
}

#[test]
fn damaged_anywhere_no_kind_panics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters");
    let damaged = tempfile::tempdir().unwrap();
    let path = damaged.path().join("damaged.tif");
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "tif") {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        for _ in 0..60 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random() % 4 {
                let reach = if random() % 2 == 0 { bytes.len() } else { bytes.len().min(400) };
                let at = random() % reach;
                bytes[at] = random() as u8;
            }
            std::fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
        }
    }
}

#[test]
fn what_is_no_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.tif"), folder.path().to_owned()] {
        let found = read(&path).unwrap_err();
        assert!(matches!(found, RasterError::Open { .. }), "{found}");
    }
}
