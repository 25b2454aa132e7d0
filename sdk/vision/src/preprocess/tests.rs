//! The two instruction sets agree, and what makes no sense is refused.

use farsight_spec::{Align, Layout, Normalise};

use super::*;
use crate::frame::Yuv;

fn input(size: [usize; 2], resize: Resize) -> FrameInput {
    FrameInput {
        size: Some(size),
        layout: Some(Layout::Nchw),
        channels: Channels::Rgb,
        resize,
        normalise: Normalise {
            divide: 255.0,
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        },
    }
}

fn letterbox() -> Resize {
    Resize::Letterbox { pad: 114, align: Align::Center }
}

/// Bytes without a pattern, black and white among them.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn portable_and_simd_agree() {
    let data = bytes(400 * 400 * 3);
    let yuv = Yuv::BT709_FULL;
    let formats = [
        (PixelFormat::Rgb8, 3),
        (PixelFormat::Bgr8, 3),
        (PixelFormat::Gray8, 1),
        (PixelFormat::Yuyv(yuv), 2),
        (PixelFormat::Nv21(yuv), 1),
    ];
    let resizes = [
        letterbox(),
        Resize::Stretch { filter: Filter::OpencvLinear },
        Resize::Stretch { filter: Filter::PilBilinear },
        Resize::CenterCrop { crop_fraction: 0.8, filter: Filter::OpencvLinear },
    ];
    let mut compared = 0;
    for step in 0..60 {
        let frame_size = [1 + step * 67 % 197, 1 + step * 41 % 211].map(|side| side * 2);
        let size = [1 + step * 29 % 151, 1 + step * 53 % 149];
        for resize in &resizes {
            for (format, pixel_bytes) in formats {
                let [height, width] = frame_size;
                let stride = width * pixel_bytes;
                let frame = match format {
                    PixelFormat::Nv21(_) => {
                        Frame::biplanar(format, width, height, &data, stride, &data[1..], stride)
                    }
                    _ => Frame::packed(format, width, height, stride, &data),
                }
                .unwrap();
                let mut input = input(size, resize.clone());
                if step % 3 == 0 {
                    input.channels = Channels::Gray;
                    input.normalise = Normalise { divide: 127.5, mean: vec![1.0], std: vec![] };
                }
                let run = |isa| {
                    let mut preprocess = FramePreprocess::with(&input, isa).unwrap();
                    let mut tensor = vec![f32::NAN; preprocess.normaliser.len()];
                    let geometry = preprocess.run(&frame, &mut tensor).unwrap();
                    (geometry, tensor.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
                };
                assert!(run(Isa::Portable) == run(Isa::detect()), "{format:?} {frame_size:?}: {input:?}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 60 * 4 * 5);
}

#[test]
fn a_new_size_is_noticed() {
    let data = bytes(200 * 100 * 3);
    let mut reused = FramePreprocess::new(&input([64, 64], letterbox())).unwrap();
    let frames = [(200, 100), (100, 200), (100, 200), (64, 64), (200, 100)];
    for (width, height) in frames {
        let frame = Frame::rgb8(width, height, &data[..width * height * 3]).unwrap();
        let (mut found, mut expected) = (vec![0.0; 3 * 64 * 64], vec![0.0; 3 * 64 * 64]);
        let mut fresh = FramePreprocess::new(&input([64, 64], letterbox())).unwrap();
        assert_eq!(reused.run(&frame, &mut found).unwrap(), fresh.run(&frame, &mut expected).unwrap());
        assert!(found == expected, "{width}x{height}");
    }
}

/// Frames as a camera gives them, and some of another size, format or proportion in between.
#[test]
fn over_the_last_tensor_is_as_afresh() {
    let data = bytes(200 * 100 * 3 + 24);
    let frames = [(200, 100), (200, 100), (100, 200), (100, 200), (64, 64), (200, 100), (20, 10), (20, 10)];
    let formats = [PixelFormat::Rgb8, PixelFormat::Rgb8, PixelFormat::Bgr8];
    let resizes = [
        letterbox(),
        Resize::Letterbox { pad: 9, align: Align::TopLeft },
        Resize::Stretch { filter: Filter::PilBilinear },
        Resize::CenterCrop { crop_fraction: 2.0, filter: Filter::OpencvLinear },
    ];
    for resize in resizes {
        for layout in [Layout::Nchw, Layout::Nhwc] {
            for isa in [Isa::Portable, Isa::detect()] {
                let input = FrameInput { layout: Some(layout), ..input([64, 96], resize.clone()) };
                let [mut reused, mut fresh] = [0; 2].map(|_| FramePreprocess::with(&input, isa).unwrap());
                let mut found = vec![f32::NAN; 3 * 64 * 96];
                for (step, (width, height)) in frames.into_iter().cycle().take(24).enumerate() {
                    let (format, pixels) = (formats[step / frames.len()], &data[step..]);
                    let frame = Frame::packed(format, width, height, width * 3, pixels).unwrap();
                    let mut expected = vec![f32::NAN; found.len()];
                    let geometry = reused.run_over_last(&frame, &mut found).unwrap();
                    assert_eq!(geometry, fresh.run(&frame, &mut expected).unwrap());
                    assert!(found == expected, "step {step}: {width}x{height} with {input:?}");
                }
            }
        }
    }
}

#[test]
fn a_border_that_is_there_is_left_alone() {
    let data = bytes(200 * 100 * 3);
    let frame = Frame::rgb8(200, 100, &data).unwrap();
    let mut preprocess = FramePreprocess::new(&input([64, 64], letterbox())).unwrap();
    let mut tensor = vec![0.0; 3 * 64 * 64];
    preprocess.run(&frame, &mut tensor).unwrap();
    let border = std::mem::replace(&mut tensor[0], f32::INFINITY);
    preprocess.run_over_last(&frame, &mut tensor).unwrap();
    assert_eq!(tensor[0], f32::INFINITY);
    preprocess.run(&frame, &mut tensor).unwrap();
    assert_eq!(tensor[0], border);
}

#[test]
fn what_makes_no_sense_is_refused() {
    type Change = fn(&mut FrameInput);
    let cases: [(Change, &str); 11] = [
        (|i| i.size = None, "input.size is not known"),
        (|i| i.layout = None, "input.layout is not known"),
        (|i| i.size = Some([0, 640]), "each side must be 1 to 16384"),
        (|i| i.size = Some([640, 1 << 40]), "each side must be 1 to 16384"),
        (|i| i.normalise.mean = vec![0.5], "input.normalise.mean has 1 value(s), but the model has 3"),
        (|i| i.normalise.std = vec![1.0; 4], "input.normalise.std has 4 value(s)"),
        (|i| i.normalise.std = vec![1.0, 0.0, 1.0], "input.normalise.std contains 0"),
        (|i| i.normalise.divide = 0.0, "input.normalise.divide contains 0"),
        (|i| i.normalise.divide = f64::NAN, "input.normalise.divide contains NaN"),
        (
            |i| i.resize = Resize::CenterCrop { crop_fraction: 0.0, filter: Filter::PilBilinear },
            "crop_fraction",
        ),
        (|i| i.resize = Resize::CenterCrop { crop_fraction: f64::NAN, filter: Filter::PilBilinear }, "NaN"),
    ];
    for (change, expected) in cases {
        let mut input = input([640, 640], letterbox());
        change(&mut input);
        let error = FramePreprocess::new(&input).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{input:?}: {error}");
    }
}

#[test]
fn the_tensor_must_be_the_models_input() {
    let mut preprocess = FramePreprocess::new(&input([8, 8], letterbox())).unwrap();
    let frame = Frame::rgb8(1, 1, &[1, 2, 3]).unwrap();
    let error = preprocess.run(&frame, &mut [0.0; 64]).unwrap_err();
    assert_eq!(error, PreprocessError::TensorLength { found: 64, expected: 192 });
}

#[test]
fn extreme_proportions_need_little_memory() {
    let data = bytes(65_535);
    let resizes = [
        letterbox(),
        Resize::CenterCrop { crop_fraction: 0.01, filter: Filter::PilBilinear },
        Resize::CenterCrop { crop_fraction: 100.0, filter: Filter::OpencvLinear },
    ];
    for resize in resizes {
        for (width, height) in [(1, 65_535), (65_535, 1)] {
            let frame = Frame::packed(PixelFormat::Gray8, width, height, width, &data).unwrap();
            let mut preprocess = FramePreprocess::new(&input([64, 64], resize.clone())).unwrap();
            preprocess.run(&frame, &mut vec![0.0; 3 * 64 * 64]).unwrap();
        }
    }
}
