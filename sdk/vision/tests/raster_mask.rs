//! Masks: written row by row, read back with the place of the raster they were made from.
//! With FARSIGHT_MASKS=DIR they are left there for tests/reference/rasters.py to check with rasterio.
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_spec::ElementType;
use farsight_vision::{Georeference, MaskSettings, MaskWriter, Raster, RasterError, RasterInfo};

fn rasters() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "tif")).collect()
}

fn settings() -> MaskSettings {
    MaskSettings {
        nodata: Some(255),
        labels: vec!["clear".into(), "cloud & <thick>".into()],
        colours: vec![[0, 0, 0], [250, 128, 3]],
    }
}

fn plain(size: [usize; 2]) -> RasterInfo {
    RasterInfo {
        size,
        bands: Vec::new(),
        element: ElementType::U8,
        georeference: Georeference::default(),
        nodata: None,
    }
}

fn pixel(row: usize, column: usize) -> u8 {
    ((row * 31 + column * 7) % 4) as u8
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_mask_lies_where_its_raster_lies() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("FARSIGHT_MASKS").map_or(temporary.path().to_owned(), PathBuf::from);
    for path in rasters() {
        let source = Raster::open(&path).unwrap();
        let [height, width] = source.info().size;
        let target = folder.join(path.file_name().unwrap());
        let mut mask = MaskWriter::create(&target, source.info(), &settings()).unwrap();
        for rows in [0..1, 1..1, 1..8, 8..height] {
            let rows: Vec<u8> = rows.flat_map(|y| (0..width).map(move |x| pixel(y, x))).collect();
            mask.write_rows(&rows).unwrap();
        }
        mask.finish().unwrap();

        let mut mask = Raster::open(&target).unwrap();
        assert_eq!(mask.info().georeference, source.info().georeference, "{path:?}");
        assert_eq!((mask.info().size, mask.info().nodata), ([height, width], Some(255.0)));
        assert_eq!(mask.info().element, ElementType::U8);
        let mut out = vec![0.0; height * width];
        mask.read_window(0, 0, height, width, &[0], &mut out).unwrap();
        for (i, found) in out.iter().enumerate() {
            assert_eq!(*found, f32::from(pixel(i / width, i % width)), "{path:?} {i}");
        }
    }
    assert_eq!(files_in(&folder), rasters().len());
}

#[test]
fn masks_of_many_strips_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("mask.tif");
    for [height, width] in [[1, 1], [1, 300_000], [300_000, 1], [1000, 777]] {
        let mut mask =
            MaskWriter::create(&target, &plain([height, width]), &MaskSettings::default()).unwrap();
        let mut row = vec![0; width];
        for y in 0..height {
            row.iter_mut().enumerate().for_each(|(x, value)| *value = pixel(y, x));
            mask.write_rows(&row).unwrap();
        }
        mask.finish().unwrap();
        let mut mask = Raster::open(&target).unwrap();
        assert_eq!((mask.info().size, mask.info().nodata), ([height, width], None));
        let mut out = vec![0.0; width];
        for y in [0, height / 2, height - 1] {
            mask.read_window(y, 0, 1, width, &[0], &mut out).unwrap();
            assert!(
                out.iter().enumerate().all(|(x, v)| *v == f32::from(pixel(y, x))),
                "{height} {width} {y}"
            );
        }
    }
}

#[test]
fn an_unfinished_mask_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("mask.tif");
    std::fs::write(&target, "the mask of yesterday").unwrap();

    let mut dropped = MaskWriter::create(&target, &plain([4, 5]), &settings()).unwrap();
    dropped.write_rows(&[1; 10]).unwrap();
    assert_eq!(files_in(folder.path()), 2);
    drop(dropped);

    let mut short = MaskWriter::create(&target, &plain([4, 5]), &settings()).unwrap();
    short.write_rows(&[1; 15]).unwrap();
    let text = short.finish().unwrap_err().to_string();
    assert!(text.contains("only 3 of 4 rows"), "{text}");

    assert_eq!(files_in(folder.path()), 1);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "the mask of yesterday");
}

#[test]
fn wrong_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("mask.tif");
    let mut mask = MaskWriter::create(&target, &plain([2, 5]), &settings()).unwrap();
    for wrong in [&[0; 7][..], &[0; 15]] {
        assert!(matches!(mask.write_rows(wrong), Err(RasterError::Write { .. })));
    }
    let nowhere = folder.path().join("no/such/folder/mask.tif");
    assert!(MaskWriter::create(nowhere, &plain([2, 5]), &settings()).is_err());
    assert!(MaskWriter::create(folder.path(), &plain([2, 5]), &settings()).is_err());
    assert!(MaskWriter::create(&target, &plain([0, 5]), &settings()).is_err());
    let many = MaskSettings { colours: vec![[0; 3]; 257], ..settings() };
    assert!(MaskWriter::create(&target, &plain([2, 5]), &many).is_err());
}

#[test]
#[cfg(unix)]
fn a_mask_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let other = folder.path().join("other");
    std::fs::write(&other, "").unwrap();
    let target = folder.path().join("mask.tif");
    let mut mask = MaskWriter::create(&target, &plain([1, 1]), &settings()).unwrap();
    mask.write_rows(&[0]).unwrap();
    mask.finish().unwrap();
    assert_eq!(mode(&target), mode(&other));
}
