//! Frames of the same size and format are processed without touching the heap.

#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use farsight_spec::{Align, Channels, Filter, FrameInput, Normalise, Resize};
use farsight_vision::{Frame, FramePreprocess, PixelFormat, Yuv};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn steady_state_allocates_nothing() {
    let (width, height) = (320, 180);
    let bytes: Vec<u8> = (0..width * height * 3).map(|i| i as u8).collect();
    let yuv = Yuv::BT601_LIMITED;
    let frames = [
        Frame::rgb8(width, height, &bytes),
        Frame::packed(PixelFormat::Yuyv(yuv), width, height, 2 * width, &bytes),
        Frame::biplanar(PixelFormat::Nv12(yuv), width, height, &bytes, width, &bytes, width),
        Frame::packed(PixelFormat::Gray8, width, height, width, &bytes),
    ]
    .map(Result::unwrap);
    let resizes = [
        Resize::Letterbox { pad: 114, align: Align::Center },
        Resize::Stretch { filter: Filter::OpencvLinear },
        Resize::CenterCrop { crop_fraction: 0.875, filter: Filter::PilBilinear },
    ];
    for (resize, channels) in resizes.into_iter().zip([Channels::Rgb, Channels::Bgr, Channels::Gray]) {
        for layout in [farsight_spec::Layout::Nchw, farsight_spec::Layout::Nhwc] {
            let input = FrameInput {
                size: Some([128, 128]),
                layout: Some(layout),
                channels,
                resize: resize.clone(),
                normalise: Normalise { divide: 255.0, ..Normalise::default() },
            };
            let mut preprocess = FramePreprocess::new(&input).unwrap();
            let count = if channels == Channels::Gray { 1 } else { 3 };
            let mut tensor = vec![0.0; 128 * 128 * count];
            for frame in &frames {
                preprocess.run(frame, &mut tensor).unwrap();
                let before = ALLOCATIONS.get();
                for _ in 0..3 {
                    preprocess.run(frame, &mut tensor).unwrap();
                }
                assert_eq!(ALLOCATIONS.get() - before, 0, "{:?} with {input:?}", frame.format());
            }
        }
    }
}
