//! Windows and their blend against the references' own functions: ukis-csmask's bit for bit
//! (tests/reference/tiles.py wrote golden/tiles.json), the others' within their rounding
//! (tests/reference/blends.py wrote golden/blends.json and blends.bin).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

use std::time::Instant;

use farsight_spec::{Blend, Tiling};
use farsight_vision::{
    Axis, Blender, TileError, TilePlan, Window, argmax_row, read_padded_window, weight_map,
};
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("golden/tiles.json")).unwrap()
}

fn numbers<const N: usize>(value: &Value) -> [usize; N] {
    std::array::from_fn(|i| value[i].as_u64().unwrap() as usize)
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
fn predict_square(tile: &[f32], size: usize, out: &mut Vec<f32>) {
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

/// The model of blends.py, on `[2, height, width]`.
fn predict(tile: &[f32], [height, width]: [usize; 2], out: &mut Vec<f32>) {
    let pixels = height * width;
    let (a, b) = tile.split_at(pixels);
    let opposite = |i: usize| {
        let (y, x) = (i / width, i % width);
        (y + height - height / 2) % height * width + (x + width - width / 2) % width
    };
    out.clear();
    out.extend(a.iter().map(|a| a * 0.75));
    out.extend(b.iter().enumerate().map(|(i, b)| b * 0.5 + i as f32 / pixels as f32 * 0.25));
    out.extend((0..pixels).map(|i| a[opposite(i)] * 0.5));
}

/// A whole raster through windows: the blended rows `[height, classes, width]`.
fn blend(
    image: &[f32],
    plan: &TilePlan,
    predict: impl Fn(&[f32], &mut Vec<f32>),
) -> Result<Vec<f32>, TileError> {
    let (size, [height, width]) = (plan.raster(), plan.window_size());
    let mut blender = Blender::new(plan, 3)?;
    let (mut scratch, mut answer, mut blended) = (Vec::new(), Vec::new(), Vec::new());
    let mut tile = vec![0.0; 2 * height * width];
    for place in plan.windows() {
        read(image, size, &place, &mut scratch, &mut tile)?;
        // What stands outside where zeros are asked for.
        tile.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        predict(&tile, &mut answer);
        blender.add(&place, &answer)?;
        while let Some(row) = blender.next_row() {
            assert_eq!(row.row * 3 * size[1], blended.len());
            blended.extend_from_slice(row.values);
        }
    }
    Ok(blended)
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
        let plan = TilePlan::new(size, [window; 2], &ukis_csmask(overlap)).unwrap();
        let blended = blend(&image, &plan, |tile, out| predict_square(tile, window, out)).unwrap();
        let mut labels = vec![0; size[0] * size[1]];
        for (row, labels) in blended.chunks_exact(3 * size[1]).zip(labels.chunks_exact_mut(size[1])) {
            argmax_row(row, labels).unwrap();
        }
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
        let [rows, columns] = plan.axes().each_ref().map(Axis::weights);
        assert_eq!(rows, columns);
        for (i, (found, bits)) in rows.iter().zip(case["bits"].as_array().unwrap()).enumerate() {
            let expected = f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap());
            // cos has an error of one unit in the last place of a value up to 1, halved.
            assert!((found - expected).abs() <= f64::EPSILON, "{length} {alpha} [{i}]: {found} {expected}");
        }
    }
}

/// Cases, weights and values that blends.py wrote.
struct Goldens {
    about: Value,
    values: Vec<f32>,
    taken: usize,
}

impl Goldens {
    fn read() -> Self {
        let about = serde_json::from_str(include_str!("golden/blends.json")).unwrap();
        let (values, rest) = include_bytes!("golden/blends.bin").as_chunks();
        assert!(rest.is_empty());
        Self { about, values: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), taken: 0 }
    }

    /// The next values of the file.
    fn take(&mut self, count: usize) -> Vec<f32> {
        self.taken += count;
        self.values[self.taken - count..self.taken].to_vec()
    }
}

fn tiling(case: &Value) -> Tiling {
    let count = |key: &str| case.get(key).map(|value| value.as_u64().unwrap() as usize);
    Tiling {
        window: None,
        overlap: case.get("overlap").map(|value| value.as_f64().unwrap()),
        stride: count("stride"),
        delta: count("delta"),
        blend: serde_json::from_value(case["blend"].clone()).unwrap(),
    }
}

/// Largest difference of two lists of values.
fn farthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, |most, difference| {
        // A NaN stays.
        if difference <= most { most } else { difference }
    })
}

#[test]
fn starts_and_blends_as_the_references() {
    let mut goldens = Goldens::read();
    let places = goldens.about["places"].as_u64().unwrap() as usize;
    let mut worst = std::collections::BTreeMap::<String, (usize, f32)>::new();
    for case in goldens.about["cases"].as_array().unwrap().clone() {
        let (size, window) = (numbers::<2>(&case["size"]), numbers::<2>(&case["window"]));
        let seed = case["seed"].as_u64().unwrap() as u32;
        let plan = TilePlan::new(size, window, &tiling(&case)).unwrap();
        let starts: Vec<Vec<i64>> =
            plan.axes().iter().map(|axis| (0..axis.count()).map(|i| axis.start(i)).collect()).collect();
        assert_eq!(serde_json::json!(starts), case["starts"], "{case}");

        let image = noise(seed, 2 * size[0] * size[1]);
        let blended = blend(&image, &plan, |tile, out| predict(tile, window, out)).unwrap();
        let drawn = noise(seed + 1000, 2 * places);
        let at = |share: f32, axis: usize| (share * size[axis] as f32) as usize;
        let [bottom, right] = size.map(|length| length - 1);
        let mut pixels = vec![[0, 0], [0, right], [bottom, 0], [bottom, right]];
        pixels.extend(drawn.chunks_exact(2).map(|share| [at(share[0], 0), at(share[1], 1)]));
        let found: Vec<f32> = (0..3)
            .flat_map(|class| pixels.iter().map(move |[y, x]| (y * 3 + class) * size[1] + x))
            .map(|i| blended[i])
            .collect();
        let name = case["blend"].as_str().unwrap();
        if plan.blend() == Blend::Nnunet {
            let half = goldens.take(found.len());
            halves_are_near(&plan, &found, &half, &pixels, &case);
        }
        let difference = farthest(&found, &goldens.take(found.len()));
        assert!(difference <= 1e-6, "{difference} {case}");
        note(&mut worst, name, difference);
    }
    println!("cases and largest differences: {worst:?}");
    assert!(worst.len() == 6 && worst.values().all(|(cases, _)| *cases >= 50), "{worst:?}");
}

/// nnU-Net adds up in half precision: 1e-3 at its own overlap, more where more windows are added up, and where the
/// weights are so small that halves have steps of 6e-8.
fn halves_are_near(plan: &TilePlan, found: &[f32], half: &[f32], pixels: &[[usize; 2]], case: &Value) {
    let map = plan.weights();
    let sums = if case["overlap"].as_f64().unwrap() <= 0.5 { 1e-3 } else { 2e-3 };
    for ((found, half), pixel) in found.iter().zip(half).zip(pixels.iter().cycle()) {
        let tolerance = sums + 6e-8 / total(plan, &map, *pixel);
        assert!(f64::from((found - half).abs()) <= tolerance, "{found} {half} at {pixel:?} of {case}");
    }
}

fn note(worst: &mut std::collections::BTreeMap<String, (usize, f32)>, name: &str, difference: f32) {
    let (cases, most) = worst.entry(name.to_owned()).or_default();
    *cases += 1;
    *most = most.max(difference);
}

#[test]
fn weights_are_those_of_the_references() {
    let mut goldens = Goldens::read();
    let cases = goldens.about["cases"].as_array().unwrap();
    let places = goldens.about["places"].as_u64().unwrap() as usize + 4;
    let twice = cases.iter().filter(|case| case["blend"] == "nnunet").count();
    goldens.take((cases.len() + twice) * places * 3);
    for case in goldens.about["weights"].as_array().unwrap().clone() {
        let window = numbers::<2>(&case["window"]);
        // Larger than a window, so that TerraTorch's model does not run once on the raster as it is.
        let plan = TilePlan::new([1000, 1000], window, &tiling(&case)).unwrap();
        let map: Vec<f32> = plan.weights().iter().map(|weight| *weight as f32).collect();
        let at = |y: usize, x: usize| map[y * window[1] + x];
        let found = match case.get("middle") {
            None => map.clone(),
            Some(middle) => {
                let [y, x] = numbers(middle);
                let row = (0..window[1]).map(|x| at(y, x));
                let column = (0..window[0]).map(|y| at(y, x));
                row.chain(column).chain((0..window[0].min(window[1])).map(|i| at(i, i))).collect()
            }
        };
        let difference = farthest(&found, &goldens.take(found.len()));
        assert!(difference <= 1e-6, "{difference} {case}");
    }
    assert_eq!(goldens.taken, goldens.values.len());
}

/// Every blend with keys that suit a window of these sides.
fn tilings(window: [usize; 2]) -> Vec<Tiling> {
    let side = window[0].min(window[1]);
    let none = Tiling { window: None, overlap: None, stride: None, delta: None, blend: Blend::PrithviMae };
    let mut all = vec![none.clone()];
    for overlap in [0.0, 0.3, 0.5, 0.8] {
        for blend in [Blend::UkisCsmask, Blend::Monai, Blend::MonaiConstant, Blend::Nnunet] {
            let overlap = if blend == Blend::UkisCsmask { overlap / 2.0 } else { overlap };
            all.push(Tiling { overlap: Some(overlap), blend, ..none.clone() });
        }
    }
    for stride in [1, side.div_ceil(3), side.div_ceil(2), side] {
        all.push(Tiling { stride: Some(stride), blend: Blend::Mmseg, ..none.clone() });
        for delta in [0, 1, 8] {
            let blend = Blend::Terratorch;
            all.push(Tiling { stride: Some(stride), delta: Some(delta), blend, ..none.clone() });
        }
    }
    all
}

#[test]
fn every_pixel_is_covered_and_counts() {
    let lengths = [1usize, 2, 3, 7, 8, 9, 15, 16, 17, 24, 25, 31, 33, 49, 50, 64, 97];
    for window in [[1, 1], [2, 3], [8, 8], [9, 16], [16, 16]] {
        for (tiling, length) in tilings(window).iter().flat_map(|t| lengths.map(|length| (t, length))) {
            for raster in [[length, length], [length, 40], [5, length]] {
                let plan = TilePlan::new(raster, window, tiling).unwrap();
                let smallest = covers(&plan, &format!("{raster:?} {window:?} {tiling:?}"));
                // Where its overlap is less than a pixel, the first one of Tukey's weights is 0 at the border.
                assert!(
                    smallest > 0.0 || plan.blend() == Blend::UkisCsmask,
                    "{raster:?} {window:?} {tiling:?}"
                );
                assert_eq!(plan.windows().count(), plan.len());
            }
        }
    }
}

/// Every position lies in the kept part of a window; starts do not fall; `covering` names those windows. Returns the
/// smallest sum of weights of a position.
fn covers(plan: &TilePlan, name: &str) -> f64 {
    let mut smallest = f64::INFINITY;
    for axis in plan.axes() {
        let mut windows = vec![Vec::new(); axis.length()];
        for index in 0..axis.count() {
            assert!(index == 0 || axis.start(index - 1) <= axis.start(index), "{name} {index}");
            assert!(!axis.kept(index).is_empty(), "{name} {index}");
            for at in axis.kept(index) {
                windows[(axis.start(index) + at as i64) as usize].push(index);
            }
        }
        for (position, windows) in windows.iter().enumerate() {
            assert!(!windows.is_empty(), "{name} at {position}");
            assert_eq!(axis.covering(position).collect::<Vec<_>>(), *windows, "{name} at {position}");
            smallest = smallest.min(windows.iter().map(|&index| weight(axis, index, position)).sum());
        }
    }
    smallest
}

/// How much a window counts at a position of the grid.
fn weight(axis: &Axis, index: usize, position: usize) -> f64 {
    axis.weights()[(position as i64 - axis.start(index)) as usize]
}

/// Sum of the weights at a pixel.
fn total(plan: &TilePlan, map: &[f64], [y, x]: [usize; 2]) -> f64 {
    let [rows, columns] = plan.axes();
    let at = |axis: &Axis, index, position: usize| (position as i64 - axis.start(index)) as usize;
    let line = |row| {
        let first = at(rows, row, y) * columns.window();
        columns.covering(x).map(|column| map[first + at(columns, column, x)]).sum::<f64>()
    };
    rows.covering(y).map(line).sum()
}

#[test]
fn equal_answers_blend_to_themselves() {
    for window in [[1, 1], [5, 8], [16, 16]] {
        for (tiling, raster) in
            tilings(window).iter().flat_map(|t| [[1, 1], [4, 37], [33, 18]].map(|raster| (t, raster)))
        {
            let plan = TilePlan::new(raster, window, tiling).unwrap();
            if plan.blend() == Blend::UkisCsmask {
                continue; // its sums are no means
            }
            let image = vec![0.0; 2 * raster[0] * raster[1]];
            let answer = |_: &[f32], out: &mut Vec<f32>| *out = vec![-2.5; 3 * window[0] * window[1]];
            let blended = blend(&image, &plan, answer).unwrap();
            assert_eq!(blended.len(), 3 * raster[0] * raster[1]);
            assert!(
                blended.iter().all(|value| (value + 2.5).abs() < 1e-5),
                "{raster:?} {window:?} {tiling:?}"
            );
        }
    }
}

#[test]
fn a_volume_is_laid_axis_by_axis() {
    // monai.data.utils.compute_importance_map((4, 5, 6), "gaussian") is the product of its axes' weights, floored.
    let tiling = Tiling { window: None, overlap: Some(0.5), stride: None, delta: None, blend: Blend::Monai };
    let axes = Axis::lay(&tiling, [9, 5, 3], [4, 5, 6]).unwrap();
    assert_eq!(axes.each_ref().map(Axis::count), [4, 1, 1]);
    assert_eq!([0, 1, 2, 3].map(|i| axes[0].start(i)), [0, 2, 4, 5]);
    assert_eq!(axes[2].start(0), -1);
    let map = weight_map(tiling.blend, &axes);
    assert_eq!(map.len(), 4 * 5 * 6);
    assert_eq!(map[0], 1e-3);
    let [a, b, c] = [0, 1, 2].map(|axis| axes[axis].weights());
    assert_eq!(map[(2 * 5 + 2) * 6 + 3], a[2] * b[2] * c[3]);
}

#[test]
fn a_sentinel_2_tile_is_counted_at_once() {
    let begin = Instant::now();
    let rows = [
        (Blend::Mmseg, None, Some(112), None, 9604),
        (Blend::Monai, Some(0.25), None, None, 4356),
        (Blend::Nnunet, Some(0.5), None, None, 9604),
        (Blend::Terratorch, None, Some(192), Some(8), 3364),
        (Blend::PrithviMae, None, None, None, 2500),
    ];
    for (blend, overlap, stride, delta, expected) in rows {
        let tiling = Tiling { window: None, overlap, stride, delta, blend };
        let plan = TilePlan::new([10980; 2], [224; 2], &tiling).unwrap();
        assert_eq!((plan.len(), plan.windows().count()), (expected, expected), "{blend:?}");
    }
    assert!(begin.elapsed().as_millis() < 500, "{:?}", begin.elapsed());
}

/// Prints how long a window takes; `cargo test -p farsight-vision --test tiles -- --ignored --nocapture`.
#[test]
#[ignore = "a measure, not a check"]
fn time_of_blending() {
    for (side, classes) in [(256, 3), (512, 13)] {
        for (blend, overlap, stride) in [
            (Blend::UkisCsmask, Some(0.2), None),
            (Blend::Monai, Some(0.25), None),
            (Blend::Mmseg, None, Some(side / 2)),
        ] {
            let tiling = Tiling { window: None, overlap, stride, delta: None, blend };
            let plan = TilePlan::new([side * 6, 5490], [side; 2], &tiling).unwrap();
            let mut blender = Blender::new(&plan, classes).unwrap();
            let answer = vec![0.25; classes * side * side];
            let [mut add, mut take] = [0.0; 2];
            for window in plan.windows() {
                let begin = Instant::now();
                blender.add(&window, &answer).unwrap();
                let added = begin.elapsed().as_secs_f64();
                while blender.next_row().is_some() {}
                add += added;
                take += begin.elapsed().as_secs_f64() - added;
            }
            let each = 1e6 / plan.len() as f64;
            println!(
                "{side}x{side}x{classes} {}: {:.0} us to add a window, {:.0} us to take its rows, {} MB",
                blend.name(),
                add * each,
                take * each,
                Blender::bytes(&plan, classes) / 1_000_000,
            );
        }
    }
}
