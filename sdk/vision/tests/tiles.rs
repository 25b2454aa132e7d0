//! Windows and their blend against ukis-csmask's own `tile_array` and `untile_array`
//! (tests/reference/tiles.py wrote golden/tiles.json).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use farsight_spec::{Blend, Tiling};
use farsight_vision::{Blender, TileError, TilePlan, Window, argmax_row, read_padded_window};
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("golden/tiles.json")).unwrap()
}

/// The generator of tiles.py.
fn noise(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// The model of tiles.py, on `[2, size, size]`.
fn predict(tile: &[f32], size: usize, out: &mut Vec<f32>) {
    let (a, b) = tile.split_at(size * size);
    let first: Vec<f32> = a.iter().map(|a| a * 0.75).collect();
    let place = |i: usize| i as f32 / (size * size) as f32;
    out.clear();
    out.extend(&first);
    out.extend(b.iter().enumerate().map(|(i, b)| b * 0.5 + place(i) * 0.25));
    out.extend(first.iter().map(|first| (1.0 - first) * 0.5));
}

fn ukis_csmask(overlap: f64) -> Tiling {
    Tiling { window: None, overlap: Some(overlap), stride: None, delta: None, blend: Blend::UkisCsmask }
}

/// A whole raster through windows: the blended rows `[height, classes, width]` and the mask.
fn run(
    image: &[f32],
    size: [usize; 2],
    window: usize,
    overlap: f64,
) -> Result<(Vec<f32>, Vec<u8>), TileError> {
    let plan = TilePlan::new(size, [window; 2], &ukis_csmask(overlap))?;
    let mut blender = Blender::new(&plan, 3)?;
    let (mut scratch, mut answer) = (Vec::new(), Vec::new());
    let mut tile = vec![0.0; 2 * window * window];
    let (mut blended, mut labels) = (Vec::new(), Vec::new());
    let mut line = vec![0; size[1]];
    for place in plan.windows() {
        read(image, size, &place, &mut scratch, &mut tile)?;
        predict(&tile, window, &mut answer);
        blender.add(&place, &answer)?;
        while let Some(row) = blender.next_row() {
            assert_eq!(row.row * 3 * size[1], blended.len());
            argmax_row(row.values, &mut line)?;
            blended.extend_from_slice(row.values);
            labels.extend_from_slice(&line);
        }
    }
    Ok((blended, labels))
}

fn read(
    image: &[f32],
    size: [usize; 2],
    window: &Window,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
) -> Result<(), TileError> {
    read_padded_window(size, window, 2, scratch, out, |row, column, height, width, values| {
        for (line, out) in values.chunks_exact_mut(width).enumerate() {
            let (band, y) = (line / height, row + line % height);
            out.copy_from_slice(&image[(band * size[0] + y) * size[1] + column..][..width]);
        }
        Ok(())
    })
}

#[test]
fn blends_as_the_reference_bit_for_bit() {
    let goldens = goldens();
    for (number, case) in goldens["cases"].as_array().unwrap().iter().enumerate() {
        let size = [0, 1].map(|axis| case["size"][axis].as_u64().unwrap() as usize);
        let window = case["window"].as_u64().unwrap() as usize;
        let overlap = case["overlap"].as_f64().unwrap();
        let image = noise(number as u32 + 1, 2 * size[0] * size[1]);
        let (blended, labels) = run(&image, size, window, overlap).unwrap();
        let name = format!("{size:?} window {window} overlap {overlap}");

        let pixel =
            |row: usize, column: usize| [0, 1, 2].map(|class| blended[(row * 3 + class) * size[1] + column]);
        let expected = |key: &str| [0, 1, 2].map(|class| case[key][class].as_f64().unwrap() as f32);
        assert_eq!(pixel(0, 0), expected("first"), "{name}");
        assert_eq!(pixel(size[0] - 1, size[1] - 1), expected("last"), "{name}");
        let counts = [0, 1, 2].map(|class| labels.iter().filter(|label| **label == class).count() as u64);
        assert_eq!(counts, [0, 1, 2].map(|class| case["labels"][class].as_u64().unwrap()), "{name}");
        assert_eq!(u64::from(crc32fast::hash(&labels)), case["labels_crc"].as_u64().unwrap(), "{name}");
        let bytes: Vec<u8> = blended.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(u64::from(crc32fast::hash(&bytes)), case["blended_crc"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn leaves_out_only_windows_that_touch_nothing_but_padding() {
    let mut left_out = 0;
    for case in goldens()["cases"].as_array().unwrap() {
        let size = [0, 1].map(|axis| case["size"][axis].as_u64().unwrap() as usize);
        let window = case["window"].as_u64().unwrap() as usize;
        let overlap = case["overlap"].as_f64().unwrap();
        let plan = TilePlan::new(size, [window; 2], &ukis_csmask(overlap)).unwrap();
        let of_the_reference = case["windows_of_the_reference"].as_u64().unwrap() as usize;
        assert!(plan.len() <= of_the_reference, "{case}");
        left_out += of_the_reference - plan.len();
        for place in plan.windows() {
            for axis in [0, 1] {
                assert!(place.start[axis] < size[axis] as i64, "{place:?} {case}");
                assert!(place.start[axis] + window as i64 > 0, "{place:?} {case}");
            }
        }
    }
    // Otherwise the comparison of the blend would not show that leaving them out changes nothing.
    assert!(left_out > 100, "{left_out}");
}

#[test]
fn weights_are_scipys_to_the_last_bit_of_cos() {
    for case in goldens()["tukey"].as_array().unwrap() {
        let length = case["length"].as_u64().unwrap() as usize;
        let alpha = case["alpha"].as_f64().unwrap();
        let plan = TilePlan::new([1, 1], [length; 2], &ukis_csmask(alpha / 2.0)).unwrap();
        let [rows, columns] = plan.axes().each_ref().map(farsight_vision::Axis::weights);
        assert_eq!(rows, columns);
        for (i, (found, bits)) in rows.iter().zip(case["bits"].as_array().unwrap()).enumerate() {
            let expected = f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap());
            // cos has an error of one unit in the last place of a value up to 1, halved.
            assert!((found - expected).abs() <= f64::EPSILON, "{length} {alpha} [{i}]: {found} {expected}");
        }
    }
}
