//! Polygons against GDAL's and PROJ's (tests/reference/polygons.py). With FARSIGHT_POLYGONS=DIR masks and their
//! GeoJSON files are left there for that script to check.
#![cfg(feature = "rasters")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::path::{Path, PathBuf};

use farsight_vision::{
    FootprintWriter, MaskSettings, MaskWriter, PixelAreas, Polygon, PolygonError, PolygonSettings,
    PolygonWriter, Polygonizer, Raster, ScoresWriter, ToWgs84,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    places: Vec<Place>,
    areas: Vec<Area>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    mask: Vec<Vec<u8>>,
    skip: Vec<u8>,
    polygons: Vec<Expected>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Expected {
    class: u8,
    pixels: u64,
    exterior: Vec<[u32; 2]>,
    holes: Vec<Vec<[u32; 2]>>,
}

#[derive(Deserialize)]
struct Place {
    epsg: u16,
    x: f64,
    y: f64,
    lon_lat: [f64; 2],
}

#[derive(Deserialize)]
struct Area {
    epsg: u16,
    transform: [f64; 6],
    row: usize,
    area_m2: f64,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/polygons.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The ring from its smallest corner on.
fn turned(ring: &[[u32; 2]]) -> Vec<[u32; 2]> {
    let mut ring = ring.to_vec();
    let first = (0..ring.len()).min_by_key(|&i| ring[i]).unwrap();
    ring.rotate_left(first);
    ring
}

fn polygons(mask: &[Vec<u8>], skip: &[u8]) -> Vec<Polygon> {
    let mut found = Vec::new();
    let mut each = |polygon| {
        found.push(polygon);
        Ok(())
    };
    let size = [mask.len(), mask[0].len()];
    let mut polygonizer = Polygonizer::new(size, PixelAreas::Equal(100.0), 0.0, skip).unwrap();
    for row in mask {
        polygonizer.push_row(row, &mut each).unwrap();
    }
    polygonizer.finish(&mut each).unwrap();
    found
}

#[test]
fn outlines_are_gdals() {
    for case in golden().cases {
        let found = polygons(&case.mask, &case.skip);
        assert!(found.iter().all(|p| p.area_m2 == Some(p.pixels as f64 * 100.0)), "{}", case.name);
        let plain = |polygon: &Polygon| {
            let mut holes: Vec<_> = polygon.holes().map(turned).collect();
            holes.sort();
            let exterior = turned(polygon.exterior());
            Expected { class: polygon.class, pixels: polygon.pixels, exterior, holes }
        };
        let mut found: Vec<_> = found.iter().map(plain).collect();
        found.sort_by(|a, b| a.exterior.cmp(&b.exterior));
        assert_eq!(found, case.polygons, "{}", case.name);
    }
}

/// Fills the polygons again: a pixel is inside a ring where an odd number of its edges lie to the left.
fn filled(polygons: &[Polygon], size: [usize; 2]) -> Vec<Vec<Option<u8>>> {
    let mut mask = vec![vec![None; size[1]]; size[0]];
    for polygon in polygons {
        let mut flips = vec![vec![false; size[1] + 1]; size[0]];
        for ring in polygon.holes().chain([polygon.exterior()]) {
            for (i, &[x, y]) in ring.iter().enumerate() {
                let [next_x, next_y] = ring[(i + 1) % ring.len()];
                assert!(
                    (x == next_x) != (y == next_y),
                    "an edge that is neither upright nor level, or nothing"
                );
                (y.min(next_y)..y.max(next_y)).for_each(|row| flips[row as usize][x as usize] ^= true);
            }
        }
        for (row, flips) in flips.iter().enumerate() {
            let mut inside = false;
            for column in 0..size[1] {
                inside ^= flips[column];
                if inside {
                    assert_eq!(mask[row][column], None, "two polygons cover row {row}, column {column}");
                    mask[row][column] = Some(polygon.class);
                }
            }
        }
    }
    mask
}

proptest::proptest! {
    #[test]
    fn polygons_cover_each_pixel_once(
        mask in (1..14usize).prop_flat_map(|width| {
            prop::collection::vec(prop::collection::vec(0..3u8, width), 1..14)
        })
    ) {
        for skip in [&[][..], &[2]] {
            let found = polygons(&mask, skip);
            let expected: Vec<Vec<_>> = mask
                .iter()
                .map(|row| row.iter().map(|class| Some(*class).filter(|class| !skip.contains(class))).collect())
                .collect();
            assert_eq!(filled(&found, [mask.len(), mask[0].len()]), expected);
            // A ring never passes a corner twice, and turns at each.
            for ring in found.iter().flat_map(|polygon| polygon.holes().chain([polygon.exterior()])) {
                let corners: std::collections::HashSet<_> = ring.iter().collect();
                assert_eq!(corners.len(), ring.len());
            }
        }
    }
}

#[test]
fn places_are_projs() {
    for place in golden().places {
        let to = ToWgs84::of_epsg(place.epsg, [1.0, 0.0, place.x, 0.0, -1.0, place.y]).unwrap();
        let [longitude, latitude] = to.lon_lat([0.0, 0.0]);
        let around = (longitude - place.lon_lat[0]).rem_euclid(360.0);
        let off = around.min(360.0 - around).max((latitude - place.lon_lat[1]).abs());
        assert!(off < 1e-9, "EPSG:{} {} {}: {off} degrees off", place.epsg, place.x, place.y);
    }
    assert!(matches!(ToWgs84::of_epsg(2056, [1.0; 6]), Err(PolygonError::UnknownCrs { epsg: 2056 })));
}

#[test]
fn areas_are_the_ellipsoids() {
    for area in golden().areas {
        let to = ToWgs84::of_epsg(area.epsg, area.transform).unwrap();
        let PixelAreas::Rows(rows) = to.pixel_areas(60) else { panic!("rows expected") };
        let found = rows[area.row + 1] - rows[area.row];
        assert!((found / area.area_m2 - 1.0).abs() < 1e-6, "EPSG:{}: {found} {}", area.epsg, area.area_m2);
    }
    let turned = ToWgs84::of_epsg(4326, [0.1, 0.01, 0.0, 0.01, -0.1, 0.0]).unwrap();
    assert_eq!(turned.pixel_areas(5), PixelAreas::Unknown);
    assert!(matches!(Polygonizer::new([5, 5], turned.pixel_areas(5), 1.0, &[]), Err(PolygonError::NoArea)));
}

fn raster(name: &str) -> Raster {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters");
    Raster::open(folder.join(name)).unwrap()
}

fn pixel(row: usize, column: usize) -> u8 {
    match (row / 3 + column / 4) % 3 {
        _ if row * 7 % 11 == column % 11 => 1,
        2 if column < 9 => 255,
        class => class as u8,
    }
}

#[test]
fn the_file_is_geojson() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("FARSIGHT_POLYGONS").map_or(temporary.path().to_owned(), PathBuf::from);
    for name in ["cog-u16", "place-geographic", "place-rotated", "place-point"] {
        let info = raster(&format!("{name}.tif")).info().clone();
        let [height, width] = info.size;
        let rows: Vec<u8> = (0..height).flat_map(|y| (0..width).map(move |x| pixel(y, x))).collect();
        let path = folder.join(name).with_extension("geojson");
        let settings = PolygonSettings {
            labels: vec!["clear".into(), "a \"thick\" cloud".into()],
            skip: vec![255],
            ..PolygonSettings::default()
        };
        let mut writer = PolygonWriter::create(&path, &info, &settings).unwrap();
        writer.write_rows(&rows[..7 * width]).unwrap();
        assert!(!path.exists());
        writer.write_rows(&rows[7 * width..]).unwrap();
        let written = writer.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.bytes, text.len() as u64);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["type"], "FeatureCollection");
        let features = document["features"].as_array().unwrap();
        assert_eq!(written.polygons, features.len() as u64);
        let pixels: u64 = features.iter().filter_map(|f| f["properties"]["pixels"].as_u64()).sum();
        assert_eq!(pixels, rows.iter().filter(|class| **class != 255).count() as u64);
        for feature in features {
            let properties = &feature["properties"];
            let label =
                ["clear", "a \"thick\" cloud", "class 2"][properties["class"].as_u64().unwrap() as usize];
            assert_eq!(properties["label"], label);
            assert!(properties["area_m2"].as_f64().unwrap() > 0.0, "{name}");
            assert_eq!(feature["geometry"]["type"], "Polygon");
            for ring in feature["geometry"]["coordinates"].as_array().unwrap() {
                let ring = ring.as_array().unwrap();
                assert!(ring.len() > 4 && ring.first() == ring.last(), "{name}: {ring:?}");
            }
        }
        let mask = MaskSettings { nodata: Some(255), ..MaskSettings::default() };
        let mut mask = MaskWriter::create(folder.join(name).with_extension("tif"), &info, &mask).unwrap();
        mask.write_rows(&rows).unwrap();
        mask.finish().unwrap();
    }
}

#[test]
fn simpler_outlines_are_smaller_files() {
    let folder = tempfile::tempdir().unwrap();
    let info = raster("cog-u16.tif").info().clone();
    let rows: Vec<u8> =
        (0..info.size[0]).flat_map(|y| (0..info.size[1]).map(move |x| u8::from(x < y))).collect();
    let mut sizes = Vec::new();
    for (min_area_m2, simplify_m) in [(0.0, 0.0), (0.0, 15.0), (5000.0, 0.0)] {
        let path = folder.path().join("a.geojson");
        let settings = PolygonSettings { min_area_m2, simplify_m, ..PolygonSettings::default() };
        let mut writer = PolygonWriter::create(&path, &info, &settings).unwrap();
        writer.write_rows(&rows).unwrap();
        sizes.push(writer.finish().unwrap());
    }
    assert!(sizes[1].bytes * 3 < sizes[0].bytes, "{sizes:?}");
    assert!(sizes.iter().all(|written| written.polygons == 2), "{sizes:?}");
}

#[test]
fn refusals_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.geojson");
    let create = |name: &str, settings: &PolygonSettings| {
        PolygonWriter::create(&path, raster(name).info(), settings).unwrap_err()
    };
    let plain = PolygonSettings::default();
    assert!(matches!(create("place-none.tif", &plain), PolygonError::NoPlace));
    assert!(matches!(create("place-custom.tif", &plain), PolygonError::NoCrs));
    let text = create("place-custom.tif", &plain).to_string();
    assert!(text.contains("gdalwarp -t_srs EPSG:4326"), "{text}");
    for wrong in [-1.0, f64::NAN] {
        let area = PolygonSettings { min_area_m2: wrong, ..plain.clone() };
        assert!(matches!(create("cog-u16.tif", &area), PolygonError::Setting { .. }));
        let tolerance = PolygonSettings { simplify_m: wrong, ..plain.clone() };
        assert!(matches!(create("cog-u16.tif", &tolerance), PolygonError::Setting { .. }));
    }
    let unfinished = PolygonWriter::create(&path, raster("cog-u16.tif").info(), &plain).unwrap();
    assert!(unfinished.finish().is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn footprints_lie_where_rasters_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("found.geojson");
    let whole = |name: &str| [[0, 0], raster(name).info().size];
    let mut writer = FootprintWriter::create(&path).unwrap();
    let classes = [("a \"b\"", 0.75), ("c", f32::NAN)];
    writer.write("x/one.tif", raster("cog-u16.tif").info(), whole("cog-u16.tif"), &classes).unwrap();
    assert!(writer.write("none.tif", raster("place-none.tif").info(), [[0, 0], [1, 1]], &classes).is_err());
    writer
        .write("two.tif", raster("place-geographic.tif").info(), whole("place-geographic.tif"), &[])
        .unwrap();
    let written = writer.finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((written.polygons, written.bytes), (2, text.len() as u64));
    let document: Value = serde_json::from_str(&text).unwrap();
    let one = &document["features"][0];
    let expected = serde_json::json!(
        {"file": "x/one.tif", "label": "a \"b\"", "score": 0.75, "scores": {"a \"b\"": 0.75, "c": null}}
    );
    assert_eq!(one["properties"], expected);
    let two = &document["features"][1]["geometry"]["coordinates"][0];
    // 30 x 20 pixels of 0.001 degrees from 11.5, 48.25, counter-clockwise.
    let ring =
        serde_json::json!([[11.5, 48.25], [11.5, 48.23], [11.53, 48.23], [11.53, 48.25], [11.5, 48.25]]);
    let plain = |ring: &Value| -> Vec<f64> {
        ring.as_array()
            .unwrap()
            .iter()
            .flat_map(|p| [p[0].as_f64().unwrap(), p[1].as_f64().unwrap()])
            .collect()
    };
    assert_eq!(plain(two), plain(&ring));
}

#[test]
fn tables_keep_commas_and_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("found.csv");
    let mut writer = ScoresWriter::create(&path).unwrap();
    writer.write("a,b.tif", &[("wet \"land\"", 0.5), ("forest", 0.25)]).unwrap();
    writer.write("c.tif", &[("forest", 1.0)]).unwrap();
    assert!(!path.exists());
    let bytes = writer.finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let expected = "file,label,score\r\n\"a,b.tif\",\"wet \"\"land\"\"\",0.5\r\n\"a,b.tif\",forest,0.25\r\nc.tif,forest,1\r\n";
    assert_eq!((text.as_str(), bytes), (expected, expected.len() as u64));
}
