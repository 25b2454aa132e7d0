//! Times pre-processing: `cargo run --release -p farsight-vision --example preprocess_time`
use std::time::Instant;

use farsight_spec::*;
use farsight_vision::{Frame, FramePreprocess, PixelFormat, Yuv};

fn main() {
    let yuv = Yuv::BT601_LIMITED;
    let boxed = Resize::Letterbox { pad: 114, align: Align::Center };
    let crop = Resize::CenterCrop { crop_fraction: 0.875, filter: Filter::PilBilinear };
    let rgb = PixelFormat::Rgb8;
    let cases = [
        ("rgb 1920x1080 -> 640", rgb, 1920, 1080, 640, &boxed),
        ("rgb 1920x1080 -> 416", rgb, 1920, 1080, 416, &boxed),
        ("rgb 1337x753 -> 640", rgb, 1337, 753, 640, &boxed),
        ("rgb 1337x753 -> 416", rgb, 1337, 753, 416, &boxed),
        ("rgb 640x480 -> 640", rgb, 640, 480, 640, &boxed),
        ("nv12 1920x1080 -> 640", PixelFormat::Nv12(yuv), 1920, 1080, 640, &boxed),
        ("yuyv 1280x720 -> 640", PixelFormat::Yuyv(yuv), 1280, 720, 640, &boxed),
        ("rgb 1920x1080 -> 224 crop, PIL", rgb, 1920, 1080, 224, &crop),
        ("rgb 640x480 -> 224 crop, PIL", rgb, 640, 480, 224, &crop),
    ];
    for (name, format, width, height, side, resize) in cases {
        let bytes: Vec<u8> = (0..width * height * 3u32 as usize).map(|i| (i * 7 + i / 5) as u8).collect();
        let frame = match format {
            PixelFormat::Rgb8 => Frame::packed(format, width, height, width * 3, &bytes),
            PixelFormat::Yuyv(_) => Frame::packed(format, width, height, width * 2, &bytes),
            _ => Frame::biplanar(format, width, height, &bytes, width, &bytes, width),
        }
        .unwrap();
        let input = FrameInput {
            size: Some([side, side]),
            layout: Some(Layout::Nchw),
            channels: Channels::Rgb,
            resize: resize.clone(),
            normalise: Normalise { divide: 255.0, ..Normalise::default() },
        };
        let mut preprocess = FramePreprocess::new(&input).unwrap();
        let mut tensor = vec![0.0; side * side * 3];
        let mut times: Vec<f64> = (0..301)
            .map(|_| {
                let start = Instant::now();
                preprocess.run(&frame, &mut tensor).unwrap();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:34} min {:.3} p50 {:.3} ms", times[0], times[150]);
    }
}
