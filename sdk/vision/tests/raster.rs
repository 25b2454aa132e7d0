//! GeoTIFFs of many kinds against what rasterio says of them (tests/reference/rasters.py wrote golden/rasters).
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_spec::{Blend, ElementType, Tiling};
use farsight_vision::{BandMatch, Raster, RasterError, TilePlan};
use serde_json::Value;

const HEIGHT: usize = 20;
const WIDTH: usize = 30;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters")
}

fn goldens() -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["files"].as_array().unwrap().clone()
}

fn open(golden: &Value) -> Raster {
    Raster::open(folder().join(golden["file"].as_str().unwrap())).unwrap()
}

/// The formula of rasters.py.
fn pixel(golden: &Value, band: usize, row: usize, column: usize) -> f32 {
    if row >= golden["zero_rows"].as_u64().unwrap() as usize
        || (band == 1 && golden["file"] == "sparse-u16.tif")
    {
        return 0.0;
    }
    let number = (band * 7919 + row * 131 + column * 17) as i64;
    match golden["dtype"].as_str().unwrap() {
        "uint8" => f32::from(number as u8),
        "int8" => f32::from(number as i8),
        "uint16" => {
            let bits = golden["bits"].as_u64().unwrap_or(16);
            f32::from((number * 257) as u16 & ((1u32 << bits) - 1) as u16)
        }
        "int16" => f32::from((number * 257) as i16),
        "int32" | "uint32" => (number * 257) as f32,
        "float32" | "float64" => (number as f64 / 8.0 - 100.25) as f32,
        other => panic!("{other}"),
    }
}

fn expected_window(golden: &Value, row: usize, column: usize, size: [usize; 2], bands: &[usize]) -> Vec<f32> {
    let mut out = Vec::new();
    for &band in bands {
        for y in row..row + size[0] {
            out.extend((column..column + size[1]).map(|x| pixel(golden, band, y, x)));
        }
    }
    out
}

#[test]
fn every_kind_reads_as_rasterio_reads_it() {
    let goldens = goldens();
    assert!(goldens.len() >= 44);
    for golden in &goldens {
        let mut raster = open(golden);
        let count = golden["bands"].as_u64().unwrap() as usize;
        assert_eq!(raster.info().size, [HEIGHT, WIDTH], "{golden}");
        let all: Vec<usize> = (0..count).collect();
        let backwards: Vec<usize> = (0..count).rev().chain([0]).collect();
        for (row, column, size, bands) in [
            (0, 0, [HEIGHT, WIDTH], &all),
            (0, 0, [1, 1], &all),
            (HEIGHT - 1, WIDTH - 1, [1, 1], &all),
            (15, 15, [2, 2], &backwards),
            (3, 7, [14, 20], &backwards),
        ] {
            let mut out = vec![f32::NAN; bands.len() * size[0] * size[1]];
            raster.read_window(row, column, size[0], size[1], bands, &mut out).unwrap();
            assert_eq!(out, expected_window(golden, row, column, size, bands), "{row} {column} {golden}");
        }
    }
}

#[test]
fn every_kind_is_described_as_rasterio_describes_it() {
    for golden in &goldens() {
        let raster = open(golden);
        let info = raster.info();
        let element = match golden["dtype"].as_str().unwrap() {
            "uint8" => ElementType::U8,
            "int8" => ElementType::I8,
            "uint16" => ElementType::U16,
            "int16" => ElementType::I16,
            "uint32" => ElementType::U32,
            "int32" => ElementType::I32,
            "float32" => ElementType::F32,
            _ => ElementType::F64,
        };
        assert_eq!(info.element, element, "{golden}");
        match golden["nodata"].as_str() {
            None => assert_eq!(info.nodata, None, "{golden}"),
            Some("nan") => assert!(info.nodata.unwrap().is_nan(), "{golden}"),
            Some(value) => assert_eq!(info.nodata, Some(value.parse().unwrap()), "{golden}"),
        }
        assert_eq!(info.georeference.epsg().map(u64::from), golden["epsg"].as_u64(), "{golden}");
        match golden["transform"].as_array() {
            None => assert_eq!(info.georeference.transform(), None, "{golden}"),
            Some(expected) => {
                let expected: Vec<f64> = expected.iter().map(|v| v.as_f64().unwrap()).collect();
                assert_eq!(info.georeference.transform().unwrap().to_vec(), expected, "{golden}");
            }
        }
        for (i, band) in info.bands.iter().enumerate() {
            assert_eq!(band.name.as_deref(), golden["names"][i].as_str(), "{golden}");
            assert_eq!(Some(band.scale), golden["scales"][i].as_f64(), "{golden}");
            assert_eq!(Some(band.offset), golden["offsets"][i].as_f64(), "{golden}");
        }
    }
}

#[test]
fn windows_of_a_plan_are_reflected_at_the_edges() {
    for golden in goldens().iter().filter(|g| g["file"].as_str().unwrap().starts_with("tiled")) {
        let mut raster = open(golden);
        let bands: Vec<usize> = (0..raster.info().bands.len()).collect();
        let blend = Blend::UkisCsmask;
        let tiling = Tiling { window: None, overlap: Some(0.2), stride: None, delta: None, blend };
        let plan = TilePlan::new([HEIGHT, WIDTH], [16, 16], &tiling).unwrap();
        let (mut scratch, mut out) = (Vec::new(), vec![0.0; bands.len() * 256]);
        for window in plan.windows() {
            raster.read_padded(&window, &bands, &mut scratch, &mut out).unwrap();
            for (i, found) in out.iter().enumerate() {
                let at = [i / 16 % 16, i % 16];
                let place = |axis: usize, length| {
                    window.padding.source(window.start[axis] + at[axis] as i64, length).unwrap()
                };
                let expected = pixel(golden, i / 256, place(0, HEIGHT), place(1, WIDTH));
                assert_eq!(*found, expected, "{window:?} {i} {golden}");
            }
        }
    }
}

#[test]
fn any_cache_and_threads_give_the_same_pixels() {
    for golden in &goldens() {
        let mut raster = open(golden);
        let needed = raster.bytes_for_windows(5, 1);
        for (budget, threads) in [(0, 1), (1000, 3), (needed, 2)] {
            raster.set_cache_bytes(budget);
            raster.set_threads(std::num::NonZeroUsize::new(threads).unwrap());
            let mut out = [0.0; 20];
            for row in 0..HEIGHT - 5 {
                for column in [0, 11, WIDTH - 4] {
                    raster.read_window(row, column, 5, 4, &[0], &mut out).unwrap();
                    assert_eq!(out.to_vec(), expected_window(golden, row, column, [5, 4], &[0]), "{golden}");
                }
            }
        }
    }
}

#[test]
fn bands_go_by_name_number_or_order() {
    let band =
        |name: &str, alias: &str| farsight_spec::Band { name: name.into(), aliases: vec![alias.into()] };
    let named = Raster::open(folder().join("bands-named-u16.tif")).unwrap();
    let choice = named.choose_bands(&[band("nir narrow", "b8a"), band("b02 & BLUE", "x")]).unwrap();
    assert_eq!((choice.bands, choice.matched), (vec![1, 0], BandMatch::ByName));
    let text = named.choose_bands(&[band("red", "B04")]).unwrap_err().to_string();
    assert!(text.ends_with(
        "no band called \"red\" (or B04); the file has 4 bands \
         (1: B02 & blue, 2: B8A, 3: no name, 4: température <K>)"
    ));
    assert_eq!(named.choose_band_numbers(&[4, 1]).unwrap().bands, [3, 0]);

    let plain = Raster::open(folder().join("strip-none-u16-chunky.tif")).unwrap();
    let wanted = [band("a", "x"), band("b", "y"), band("c", "z")];
    assert_eq!(plain.choose_bands(&wanted).unwrap().matched, BandMatch::InOrder);
    assert!(matches!(plain.choose_bands(&wanted[..2]), Err(RasterError::Bands { .. })));
}

#[test]
fn windows_outside_the_raster_are_refused() {
    let mut raster = Raster::open(folder().join("tiled-none-u16-chunky.tif")).unwrap();
    let mut out = vec![0.0; 4];
    for (row, column, height, width) in
        [(19, 0, 2, 2), (0, 29, 2, 2), (usize::MAX, 0, 2, 2), (0, usize::MAX - 1, 2, 2), (0, 0, 0, 4)]
    {
        let found = raster.read_window(row, column, height, width, &[0], &mut out);
        assert!(matches!(found, Err(RasterError::Window { .. })), "{row} {column}: {found:?}");
    }
    let band = raster.read_window(0, 0, 2, 2, &[6], &mut out).unwrap_err().to_string();
    assert!(band.contains("no band 7") && band.contains("6 bands without names"), "{band}");
    assert!(matches!(raster.read_window(0, 0, 2, 2, &[0, 1], &mut out), Err(RasterError::Tile(_))));
}
