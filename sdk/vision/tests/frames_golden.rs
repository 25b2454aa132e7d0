//! Tensors equal those that OpenCV, Pillow and numpy make (`tests/reference/resize.py`), bit for bit.

#![allow(clippy::unwrap_used, clippy::panic)] // the lints spare test functions, not their helpers

use farsight_spec::FrameInput;
use farsight_vision::{Frame, FramePreprocess, PixelFormat, Yuv};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    format: String,
    /// `[height, width]`
    frame: [usize; 2],
    seed: u32,
    input: FrameInput,
    scaled: [usize; 2],
    offset: [i64; 2],
    /// CRC-32 of the tensor's bytes, little-endian.
    crc: u32,
}

#[test]
fn letterbox_and_stretch_equal_opencv() {
    compare(include_str!("golden/frames_letterbox.json"));
}

#[test]
fn colors_equal_opencv() {
    compare(include_str!("golden/frames_color.json"));
}

#[test]
fn resize_and_crop_equal_pillow() {
    compare(include_str!("golden/frames_pillow.json"));
}

#[test]
fn normalised_tensors_equal_numpy() {
    compare(include_str!("golden/frames_tensor.json"));
}

fn compare(golden: &str) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let mut wrong = Vec::new();
    for (i, case) in golden.cases.iter().enumerate() {
        // Rows with gaps and without must read the same.
        for gap in [0, 7] {
            let found = run(case, gap);
            if found != (case.scaled, case.offset, case.crc) {
                wrong.push(format!(
                    "case {i}, gap {gap}: {} {:?} to {:?}: found {found:?}, expected {:?}",
                    case.format,
                    case.frame,
                    case.input,
                    (case.scaled, case.offset, case.crc)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        2 * golden.cases.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
}

fn run(case: &Case, gap: usize) -> ([usize; 2], [i64; 2], u32) {
    let bytes = Bytes::new(case, gap);
    let channels = if case.input.channels == farsight_spec::Channels::Gray { 1 } else { 3 };
    let [height, width] = case.input.size.unwrap();
    let mut tensor = vec![f32::NAN; height * width * channels];
    let mut preprocess = FramePreprocess::new(&case.input).unwrap();
    let geometry = preprocess.run(&bytes.frame(), &mut tensor).unwrap();
    let mut crc = crc32fast::Hasher::new();
    for values in tensor.chunks(1024) {
        crc.update(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
    }
    (geometry.scaled, geometry.offset, crc.finalize())
}

/// The planes of a generated frame.
struct Bytes {
    format: PixelFormat,
    size: [usize; 2],
    planes: Vec<(Vec<u8>, usize)>,
}

impl Bytes {
    fn new(case: &Case, gap: usize) -> Self {
        let [height, width] = case.frame;
        let yuv = Yuv::BT601_LIMITED;
        let (format, row, rows) = match case.format.as_str() {
            "rgb8" => (PixelFormat::Rgb8, 3 * width, vec![height]),
            "bgr8" => (PixelFormat::Bgr8, 3 * width, vec![height]),
            "gray8" => (PixelFormat::Gray8, width, vec![height]),
            "nv12" => (PixelFormat::Nv12(yuv), width, vec![height, height / 2]),
            "nv21" => (PixelFormat::Nv21(yuv), width, vec![height, height / 2]),
            "yuyv" => (PixelFormat::Yuyv(yuv), 2 * width, vec![height]),
            "uyvy" => (PixelFormat::Uyvy(yuv), 2 * width, vec![height]),
            other => panic!("the golden names an unknown format, {other}"),
        };
        let pixels = noise(row * rows.iter().sum::<usize>(), case.seed);
        let mut rest = &pixels[..];
        let plane = |rows: usize| {
            let (tight, after) = rest.split_at(row * rows);
            rest = after;
            let mut padded = vec![0xa5; (row + gap) * (rows - 1) + row];
            for (from, to) in tight.chunks_exact(row).zip(padded.chunks_mut(row + gap)) {
                to[..row].copy_from_slice(from);
            }
            (padded, row + gap)
        };
        Self { format, size: case.frame, planes: rows.into_iter().map(plane).collect() }
    }

    fn frame(&self) -> Frame<'_> {
        let [height, width] = self.size;
        match &self.planes[..] {
            [(data, stride)] => Frame::packed(self.format, width, height, *stride, data),
            [(y, y_stride), (uv, uv_stride)] => {
                Frame::biplanar(self.format, width, height, y, *y_stride, uv, *uv_stride)
            }
            _ => unreachable!("a frame has one or two planes"),
        }
        .unwrap()
    }
}

/// As `noise` in `tests/reference/resize.py`.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let byte = |i: u32| {
        let mut x = i.wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        x ^= x >> 16;
        x = x.wrapping_mul(0x7FEB_352D);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        x as u8
    };
    (0..count as u32).map(byte).collect()
}
