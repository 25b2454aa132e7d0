//! Several files as one raster against numpy and rasterio (tests/reference/rasters.py wrote golden/stacks), and
//! files that do not belong together.
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use farsight_spec::{Band, ElementType};
use farsight_vision::{
    BandInfo, Georeference, MaskSettings, MaskWriter, Raster, RasterError, RasterInfo, RasterSource,
    RasterStack, Resample, Window, open_raster,
};
use serde_json::Value;

const SIZE: [usize; 2] = [18, 24];

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

fn stacks() -> Vec<(String, RasterStack, Vec<Value>)> {
    let text = std::fs::read_to_string(golden("stacks/expected.json")).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let stack = |folder: &str| {
        let bands: Vec<Value> = all.iter().filter(|band| band["folder"] == folder).cloned().collect();
        let path = |band: &Value| golden("stacks").join(folder).join(band["file"].as_str().unwrap());
        let paths: Vec<PathBuf> = bands.iter().map(path).collect();
        (folder.to_owned(), RasterStack::open(&paths).unwrap(), bands)
    };
    ["ben", "holes"].map(stack).into()
}

fn values(band: &Value, method: &str) -> Vec<f32> {
    band[method].as_str().unwrap().split(' ').map(|value| value.parse().unwrap()).collect()
}

fn band(name: &str) -> Band {
    Band { name: name.into(), aliases: Vec::new() }
}

/// GDAL goes through map coordinates: their rounding decides a half between thirds of a pixel (one in `holes`).
fn same(found: f32, expected: f32) -> bool {
    found == expected || (expected == 3204.0 && found == 3205.0) || (found.is_nan() && expected.is_nan())
}

#[test]
fn coarse_bands_come_as_torch_and_gdal_bring_them() {
    for (folder, mut stack, bands) in stacks() {
        let all: Vec<usize> = (0..bands.len()).collect();
        let mut every = vec![0.0; bands.len() * 60];
        let mut alone = every.clone();
        stack.read_window(3, 5, 6, 10, &all, &mut alone).unwrap();
        stack.set_threads(NonZeroUsize::new(3).unwrap());
        stack.read_window(3, 5, 6, 10, &all, &mut every).unwrap();
        assert!(every.iter().zip(&alone).all(|(a, b)| same(*a, *b)));
        assert!(stack.read_window(3, 5, 6, 10, &[0, 9, 1, 2], &mut every).is_err());
        assert_eq!((stack.info().size, stack.info().bands.len()), (SIZE, bands.len()));
        for (method, name) in [(Resample::Nearest, "nearest"), (Resample::Bilinear, "bilinear")] {
            stack.set_resample(method);
            for (i, band) in bands.iter().enumerate() {
                let expected = values(band, name);
                for (row, column, [height, width]) in
                    [(0, 0, SIZE), (17, 23, [1, 1]), (0, 0, [1, 1]), (5, 7, [4, 9]), (3, 0, [13, 24])]
                {
                    let mut out = vec![0.0; height * width];
                    stack.read_window(row, column, height, width, &[i], &mut out).unwrap();
                    for (at, found) in out.iter().enumerate() {
                        let place = [row + at / width, column + at % width];
                        let expected = expected[place[0] * SIZE[1] + place[1]];
                        let file = &band["file"];
                        assert!(
                            same(*found, expected),
                            "{folder} {file} {name} {place:?}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_stack_tells_what_its_files_tell() {
    let [(_, ben, _), (_, holes, _)] = <[_; 2]>::try_from(stacks()).unwrap();
    let fine = Raster::open(golden("stacks/ben/S2A_33UUP_26_57_B02.tif")).unwrap();
    assert_eq!(ben.info().georeference, fine.info().georeference);
    assert_eq!((ben.info().element, ben.info().nodata), (ElementType::F32, None));
    let nodata: Vec<Option<f64>> = holes.info().bands.iter().map(|band| band.nodata).collect();
    assert_eq!(
        (nodata[0], nodata[1], nodata[2], holes.info().nodata),
        (Some(-9999.0), Some(-9999.0), Some(0.0), None)
    );
    assert!(nodata[3].unwrap().is_nan());

    let wanted = ["b8a", "VV", "B01"].map(band);
    let choice = ben.choose_bands(&wanted, 1).unwrap();
    let names: Vec<_> =
        choice.bands.iter().map(|&band| ben.info().bands[band].name.clone().unwrap()).collect();
    assert_eq!(names, ["B8A", "VV", "B01"]);
    let missing = ben.choose_bands(&[band("B11")], 1).unwrap_err().to_string();
    assert!(missing.contains("ben: no band called \"B11\"; the file has 4 bands"), "{missing}");
    assert!(ben.choose_band_numbers(&[5]).is_err());
}

#[test]
fn a_folder_opens_as_one_raster_and_reads_reflected() {
    let mut folder = open_raster(golden("stacks/ben")).unwrap();
    let choice = folder.choose_bands(&[band("B01"), band("B02")], 1).unwrap();
    folder.expect_windows(8, 2);
    folder.set_threads(NonZeroUsize::new(2).unwrap());
    let (mut scratch, mut padded, mut inside) = (Vec::new(), vec![0.0; 128], vec![0.0; 128]);
    let window =
        |start| Window { index: 0, start, size: [8, 8], padding: farsight_vision::Padding::Symmetric };
    folder.read_padded(&window([-1, 0]), &choice.bands, &mut scratch, &mut padded).unwrap();
    folder.read_padded(&window([0, 0]), &choice.bands, &mut scratch, &mut inside).unwrap();
    assert_eq!(padded[8..64], inside[..56]);
    assert_eq!(padded[..8], inside[..8]);
    let mut file = open_raster(golden("stacks/ben/S2A_33UUP_26_57_B02.tif")).unwrap();
    file.read_padded(&window([0, 0]), &[0], &mut scratch, &mut padded[..64]).unwrap();
    assert_eq!(padded[..64], inside[64..]);
}

/// A raster of one band; `tags` of the file whose place it takes.
fn write(path: &Path, size: [usize; 2], like: Georeference) {
    let info = RasterInfo {
        size,
        bands: vec![BandInfo::default()],
        element: ElementType::U8,
        georeference: like,
        nodata: None,
    };
    let mut writer = MaskWriter::create(path, &info, &MaskSettings::default()).unwrap();
    for _ in 0..size[0] {
        writer.write_rows(&vec![7; size[1]]).unwrap();
    }
    writer.finish().unwrap();
}

fn place_of(path: &str) -> Georeference {
    Raster::open(golden(path)).unwrap().info().georeference.clone()
}

#[test]
fn files_that_do_not_belong_together_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let utm = place_of("stacks/ben/S2A_33UUP_26_57_B02.tif");
    let twice = place_of("stacks/ben/S2A_33UUP_26_57_B8A.tif");
    let rows = [
        ("other zone", [18, 24], place_of("rasters/place-geographic.tif"), "EPSG:32633 and EPSG:4326"),
        ("custom", [18, 24], place_of("rasters/place-custom.tif"), "EPSG:32633 and one without an EPSG code"),
        ("no place", [18, 24], Georeference::default(), "EPSG:32633 and none"),
        ("turned", [18, 24], place_of("rasters/place-rotated.tif"), "their extents are"),
        ("half a pixel away", [18, 24], place_of("rasters/place-point.tif"), "belong"),
        ("smaller", [18, 23], utm.clone(), "[400200.0, 5799840.0] and [399960.0, 5800020.0]"),
        ("longer", [10, 12], twice.clone(), "gdalwarp -te"),
        ("one and a half", [12, 16], utm.clone(), "their extents are"),
    ];
    let [first, second] = ["a_B02.tif", "a_B03.tif"].map(|name| folder.path().join(name));
    write(&first, SIZE, utm.clone());
    for (name, size, place, part) in rows {
        write(&second, size, place);
        let text = match RasterStack::open(&[first.clone(), second.clone()]) {
            Ok(_) => "belong".to_owned(),
            Err(error @ RasterError::Stack { .. }) => error.to_string(),
            Err(other) => panic!("{name}: {other}"),
        };
        let both = text == "belong" || text.contains("a_B02.tif") && text.contains("a_B03.tif");
        assert!(text.contains(part) && both, "{name}: {text}");
    }
    write(&second, [9, 12], twice);
    assert!(RasterStack::open(&[first.clone(), second.clone()]).is_ok());

    // Without a place, only the sizes tell.
    write(&first, [18, 24], Georeference::default());
    for (size, fits) in
        [([9, 12], true), ([9, 24], false), ([12, 16], false), ([7, 7], false), ([1, 24], false)]
    {
        write(&second, size, Georeference::default());
        match RasterStack::open(&[first.clone(), second.clone()]) {
            Ok(_) => assert!(fits, "{size:?}"),
            Err(error) => assert!(!fits && error.to_string().contains("gdalwarp -ts 24 18"), "{error}"),
        }
    }
}

#[test]
fn the_finest_of_a_name_counts_and_two_of_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let utm = place_of("stacks/ben/S2A_33UUP_26_57_B02.tif");
    let twice = place_of("stacks/ben/S2A_33UUP_26_57_B8A.tif");
    let file = |name: &str| folder.path().join(name);
    write(&file("x_B02_20m.tif"), [9, 12], twice.clone());
    write(&file("y_B02_10m.tif"), SIZE, utm.clone());
    write(&file("x_B03_20m.tif"), [9, 12], twice);
    let stack = RasterStack::open_folder(folder.path()).unwrap();
    let names: Vec<_> = stack.info().bands.iter().map(|band| band.name.clone().unwrap()).collect();
    assert_eq!((names, stack.info().size), (vec!["B02".to_owned(), "B03".to_owned()], SIZE));

    write(&file("z_B02_10m.tif"), SIZE, utm);
    let stack = open_raster(folder.path()).unwrap();
    stack.choose_bands(&[band("B03")], 1).unwrap();
    let text = stack.choose_bands(&[band("B02")], 1).unwrap_err().to_string();
    assert!(
        text.contains("y_B02_10m.tif") && text.contains("z_B02_10m.tif") && text.contains("one date"),
        "{text}"
    );
}

#[test]
fn folders_that_are_no_scene_say_so() {
    let refused = |folder: &Path| open_raster(folder).err().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path()).contains("no GeoTIFF (.tif, .tiff) in this folder"));
    assert!(refused(&folder.path().join("missing")).contains("cannot be opened"));

    let product = folder.path().join("S2A.SAFE");
    std::fs::create_dir(&product).unwrap();
    for path in [folder.path(), &product] {
        let text = refused(path);
        assert!(text.contains("JPEG 2000") && text.contains("gdal_translate"), "{text}");
    }
    let picture = product.join("B02.jp2");
    std::fs::write(&picture, b"\0\0\0\x0cjP  \r\n\x87\n").unwrap();
    assert!(refused(&picture).contains("JPEG 2000 file"));

    let many = folder.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for i in 0..10_000 {
        std::fs::write(many.join(format!("{i}.tif")), b"").unwrap();
    }
    assert!(refused(&many).contains("more than 256 GeoTIFFs"));
    let error = RasterStack::open(&[]).unwrap_err().to_string();
    assert!(error.contains("0 files"), "{error}");
}

#[test]
fn a_missing_cut_or_empty_file_of_a_stack_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ben = std::fs::read_dir(golden("stacks/ben")).unwrap();
    let mut paths: Vec<PathBuf> = ben.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let broken = folder.path().join("S2A_33UUP_26_57_B8A.tif");
    let whole = std::fs::read(&paths[3]).unwrap();
    paths[3] = broken.clone();
    assert!(RasterStack::open(&paths).unwrap_err().to_string().contains("B8A.tif: cannot be opened"));
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&broken, &whole[..length]).unwrap();
        let read = RasterStack::open(&paths)
            .and_then(|mut stack| stack.read_window(0, 0, 18, 24, &[3], &mut vec![0.0; 18 * 24]));
        if let Err(error) = read {
            assert!(error.to_string().contains("B8A.tif"), "{error}");
        }
    }
}
