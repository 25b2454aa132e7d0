//! Cloud-optimised GeoTIFFs: the order of what is inside, and what the smaller copies hold. With FARSIGHT_COGS=DIR
//! the files are left there for tests/reference/cogs.py to check with rasterio and rio-cogeo.
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_vision::{
    MaskSettings, MaskWriter, ProbabilityKind, ProbabilityWriter, Raster, RasterError, RasterInfo,
};

const GHOST: &str = "GDAL_STRUCTURAL_METADATA_SIZE=";

fn info(name: &str, size: [usize; 2]) -> RasterInfo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters").join(name);
    RasterInfo { size, ..Raster::open(path).unwrap().info().clone() }
}

/// Blobs, with some speckle.
fn class(row: usize, column: usize) -> u8 {
    match (row * 7 + column * 3) % 101 {
        0 => 2,
        _ if column < row / 5 => 255,
        _ => u8::from((row / 90 + column / 70).is_multiple_of(2)),
    }
}

fn write_mask(path: &Path, info: &RasterInfo) -> u64 {
    let settings = MaskSettings {
        nodata: Some(255),
        labels: vec!["clear".into(), "cloud".into(), "shadow".into()],
        colours: vec![[0, 0, 0], [250, 128, 3], [1, 2, 200]],
    };
    let mut mask = MaskWriter::create(path, info, &settings).unwrap();
    for y in 0..info.size[0] {
        let row: Vec<u8> = (0..info.size[1]).map(|x| class(y, x)).collect();
        mask.write_rows(&row).unwrap();
    }
    mask.finish().unwrap()
}

fn probability(class: usize, row: usize, column: usize) -> f32 {
    if column < row / 5 { f32::NAN } else { (class * 90 + row + column) as f32 % 256.0 / 255.0 }
}

fn write_probabilities(path: &Path, info: &RasterInfo, kind: ProbabilityKind) {
    let labels = ["clear", "cloud & <thick>", "shadow"].map(str::to_owned);
    let mut writer = ProbabilityWriter::create(path, info, &labels, kind).unwrap();
    for y in 0..info.size[0] {
        let plane = |class| (0..info.size[1]).map(move |x| probability(class, y, x));
        let row: Vec<f32> = (0..3).flat_map(plane).collect();
        writer.write_row(&row).unwrap();
    }
    writer.finish().unwrap();
}

fn folder(temporary: &tempfile::TempDir) -> PathBuf {
    std::env::var_os("FARSIGHT_COGS").map_or(temporary.path().to_owned(), PathBuf::from)
}

/// A directory of a classic little-endian TIFF: where it begins, its size, its tiles.
struct Directory {
    place: usize,
    size: [usize; 2],
    is_overview: bool,
    tile_size: [usize; 2],
    tiles: Vec<[usize; 2]>,
}

fn number(file: &[u8], at: usize, bytes: usize) -> usize {
    file[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn directories(file: &[u8]) -> Vec<Directory> {
    assert_eq!(&file[..4], b"II*\0");
    let mut found = Vec::new();
    let mut place = number(file, 4, 4);
    while place != 0 {
        let entries = number(file, place, 2);
        let values = |code: usize| -> Vec<usize> {
            let at = (0..entries).map(|i| place + 2 + 12 * i).find(|at| number(file, *at, 2) == code);
            let Some(at) = at else { return Vec::new() };
            let bytes = if number(file, at + 2, 2) == 3 { 2 } else { 4 };
            let count = number(file, at + 4, 4);
            let start = if count * bytes <= 4 { at + 8 } else { number(file, at + 8, 4) };
            (0..count).map(|i| number(file, start + i * bytes, bytes)).collect()
        };
        let one = |code| values(code)[0];
        found.push(Directory {
            place,
            size: [one(257), one(256)],
            is_overview: values(254).first() == Some(&1),
            tile_size: [one(323), one(322)],
            tiles: values(324).into_iter().zip(values(325)).map(|(place, bytes)| [place, bytes]).collect(),
        });
        place = number(file, place + 2 + 12 * entries, 4);
    }
    found
}

#[test]
fn directories_come_first_and_small_images_before_large_ones() {
    let temporary = tempfile::tempdir().unwrap();
    for (size, levels) in [([1, 1], 1), ([256, 256], 1), ([257, 30], 2), ([700, 1101], 4)] {
        let path = folder(&temporary).join(format!("mask-{}x{}.tif", size[0], size[1]));
        let bytes = write_mask(&path, &info("cog-u16.tif", size));
        let file = std::fs::read(&path).unwrap();
        assert_eq!(bytes, file.len() as u64);
        assert!(file[8..].starts_with(GHOST.as_bytes()));
        let length: usize = std::str::from_utf8(&file[8 + GHOST.len()..][..6]).unwrap().parse().unwrap();
        let text = std::str::from_utf8(&file[8 + GHOST.len() + "000140 bytes\n".len()..][..length]).unwrap();
        assert!(text.starts_with("LAYOUT=IFDS_BEFORE_DATA\n"), "{text:?}");
        assert!(text.ends_with("KNOWN_INCOMPATIBLE_EDITION=NO\n "), "{text:?}");

        let found = directories(&file);
        assert_eq!(found.len(), levels, "{size:?}");
        let halves = |level: usize| size.map(|side| side.div_ceil(1 << level));
        for (level, directory) in found.iter().enumerate() {
            assert_eq!((directory.size, directory.is_overview), (halves(level), level > 0));
            assert_eq!(directory.tile_size, [256, 256]);
            let across = directory.size.map(|side| side.div_ceil(256));
            assert_eq!(directory.tiles.len(), across[0] * across[1]);
        }
        assert!(found.windows(2).all(|pair| pair[0].place < pair[1].place));
        // From the end of the directories to the end of the file there is nothing but tiles, smallest image first.
        let mut place = found[levels - 1].tiles[0][0] - 4;
        assert!(place > found[levels - 1].place);
        for [offset, bytes] in found.iter().rev().flat_map(|directory| directory.tiles.iter().copied()) {
            assert_eq!(offset, place + 4);
            assert_eq!(number(&file, place, 4), bytes);
            assert_eq!(file[offset + bytes - 4..offset + bytes], file[offset + bytes..offset + bytes + 4]);
            place = offset + bytes + 4;
        }
        assert_eq!(place, file.len());
    }
}

#[test]
fn pixels_come_back() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("mask.tif");
    let size = [513, 300];
    write_mask(&path, &info("cog-u16.tif", size));
    let mut mask = Raster::open(&path).unwrap();
    let mut found = vec![0.0; size[0] * size[1]];
    mask.read_window(0, 0, size[0], size[1], &[0], &mut found).unwrap();
    assert!(found.iter().enumerate().all(|(i, v)| *v == f32::from(class(i / 300, i % 300))));
}

#[test]
fn probabilities_come_back() {
    let temporary = tempfile::tempdir().unwrap();
    let size = [300, 600];
    for (kind, name) in [(ProbabilityKind::U8, "u8"), (ProbabilityKind::F32, "f32")] {
        let path = folder(&temporary).join(format!("probabilities-{name}.tif"));
        write_probabilities(&path, &info("place-geographic.tif", size), kind);
        let mut raster = Raster::open(&path).unwrap();
        let names: Vec<_> = raster.info().bands.iter().map(|band| band.name.clone().unwrap()).collect();
        assert_eq!(names, ["clear", "cloud & <thick>", "shadow"]);
        let scale = raster.info().bands[1].scale;
        assert_eq!(raster.info().nodata.is_some_and(f64::is_nan), kind == ProbabilityKind::F32);
        let mut found = vec![0.0; size[0] * size[1]];
        for class in 0..3 {
            raster.read_window(0, 0, size[0], size[1], &[class], &mut found).unwrap();
            for (i, &value) in found.iter().enumerate() {
                let expected = probability(class, i / 600, i % 600);
                let is_same = match kind {
                    ProbabilityKind::F32 => value.to_bits() == expected.to_bits(),
                    ProbabilityKind::U8 if expected.is_nan() => value == 0.0,
                    ProbabilityKind::U8 => (f64::from(value) * scale - f64::from(expected)).abs() < 1e-6,
                };
                assert!(is_same, "{name} {class} {i}: {value} {expected}");
            }
        }
    }
}

#[test]
fn wrong_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.tif");
    let info = info("cog-u16.tif", [2, 5]);
    let labels = ["a", "b"].map(str::to_owned);
    let create = |labels| ProbabilityWriter::create(&path, &info, labels, ProbabilityKind::U8);
    assert!(create(&[]).is_err());
    let mut writer = create(&labels).unwrap();
    for wrong in [0, 5, 11, 20] {
        assert!(matches!(writer.write_row(&vec![0.5; wrong]), Err(RasterError::Write { .. })), "{wrong}");
    }
    writer.write_row(&[0.5; 10]).unwrap();
    let text = writer.finish().unwrap_err().to_string();
    assert!(text.contains("only 1 of 2 rows"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
