//! The cases through the Rust library itself, told in the words that the C and C++ programs use.

use std::fmt::Write as _;
use std::path::Path;

use farsight::{Answer, ElementType, Error, Frame, FrameError, Pipeline, PixelFormat, Task, Yuv};

use crate::cases::{Case, FrameCase, Pixels, TensorCase, What, byte, value};

/// What the cases give, as text.
pub(crate) fn run(cases: &[Case]) -> String {
    let mut told = String::new();
    for case in cases {
        let _ = writeln!(told, "case {}", case.name);
        match tell(case) {
            Ok(text) => told += &text,
            Err(error) => told += &format!("error {} {error}\n", error.kind()),
        }
    }
    told
}

fn tell(case: &Case) -> Result<String, Error> {
    let mut pipeline = Pipeline::open(&case.bundle)?;
    match &case.what {
        What::Open => Ok(describe(&pipeline)),
        What::Frame(frame) => {
            let (pixels, chroma) = planes(frame);
            let frame = to_frame(frame, &pixels, &chroma)?;
            let answer = answer(pipeline.run(&frame)?);
            let labels = pipeline.spec().output.labels();
            match answer {
                Some(lines) => Ok(lines.iter().map(|line| line.text(labels)).collect()),
                None => outputs(&pipeline),
            }
        }
        What::Tensors(tensors) => {
            let session = pipeline.session_mut();
            for (index, TensorCase { shape, seed }) in tensors.iter().enumerate() {
                session.set_input_shape(index, shape)?;
                for (i, element) in (0..).zip(session.input_mut::<f32>(index)?) {
                    *element = value(i, *seed);
                }
            }
            session.run()?;
            outputs(&pipeline)
        }
        #[cfg(feature = "rasters")]
        What::Raster(raster) => crate::rasters::run(&mut pipeline, raster),
    }
}

fn describe(pipeline: &Pipeline) -> String {
    let (spec, session) = (pipeline.spec(), pipeline.session());
    let task = match spec.task {
        Task::Detect => 1,
        Task::Classify => 2,
        Task::Segment => 3,
        Task::Tensors => 4,
    };
    let labels = spec.output.labels();
    let (inputs, outputs) = (session.inputs().len(), session.outputs().len());
    let mut told = format!("info {} {task} {} {inputs} {outputs}\n", spec.name, labels.len());
    for label in labels {
        let _ = writeln!(told, "label {label}");
    }
    for tensor in session.inputs().iter().chain(session.outputs()) {
        let shape = tensor.shape.iter().map(|axis| axis.map_or("-1".to_owned(), |axis| axis.to_string()));
        let shape: Vec<String> = shape.collect();
        let _ = writeln!(told, "tensor {} {} [{}]", tensor.name, number(tensor.element), shape.join(","));
    }
    told
}

/// A line of an answer, kept while the pipeline is borrowed for its labels.
enum Line {
    Box([u32; 5], usize),
    Class(u32, usize),
    Mask(usize, usize, String),
}

impl Line {
    fn text(&self, labels: &[String]) -> String {
        let label = |class: &usize| labels.get(*class).map_or("-", String::as_str).to_owned();
        match self {
            Self::Box([x1, y1, x2, y2, score], class) => {
                let label = label(class);
                format!("box {x1:08x} {y1:08x} {x2:08x} {y2:08x} {score:08x} {class} {label}\n")
            }
            Self::Class(score, class) => format!("class {score:08x} {class} {}\n", label(class)),
            Self::Mask(width, height, hex) => format!("mask {width} {height}\n{hex}\n"),
        }
    }
}

/// The answer's lines; `None` if it is raw tensors.
fn answer(answer: Answer<'_>) -> Option<Vec<Line>> {
    match answer {
        Answer::Detections(found) => {
            let bits = |found: &farsight::Detection| {
                let [x1, y1, x2, y2] = found.bbox.map(f32::to_bits);
                Line::Box([x1, y1, x2, y2, found.score.to_bits()], found.class)
            };
            Some(found.iter().map(bits).collect())
        }
        Answer::Classes(found) => {
            Some(found.iter().map(|found| Line::Class(found.score.to_bits(), found.class)).collect())
        }
        Answer::Mask(mask) => Some(vec![Line::Mask(mask.width, mask.height, hex(&mask.classes))]),
        Answer::Tensors => None,
    }
}

fn outputs(pipeline: &Pipeline) -> Result<String, Error> {
    let session = pipeline.session();
    let mut told = String::new();
    for (index, tensor) in session.outputs().iter().enumerate() {
        let shape: Vec<String> = session.output_shape(index)?.iter().map(usize::to_string).collect();
        let bytes = hex(session.output_bytes(index)?);
        let _ = writeln!(
            told,
            "tensor {} {} [{}]\n{bytes}",
            tensor.name,
            number(tensor.element),
            shape.join(",")
        );
    }
    Ok(told)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ONNX's number of an element type.
fn number(element: ElementType) -> u32 {
    match element {
        ElementType::F32 => 1,
        ElementType::I64 => 7,
        ElementType::F16 => 10,
        other => unreachable!("no case has {other:?}"),
    }
}

fn planes(frame: &FrameCase) -> (Vec<u8>, Vec<u8>) {
    let formula = |count: usize, seed: u32| (0..).take(count).map(|index| byte(index, seed)).collect();
    let pixels = match &frame.pixels {
        Pixels::Formula(seed) => formula(frame.pixels_bytes, *seed),
        Pixels::File(path) => read(path),
    };
    let seed = if let Pixels::Formula(seed) = frame.pixels { seed + 1 } else { 0 };
    (pixels, formula(frame.chroma_bytes, seed))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

fn to_frame<'a>(frame: &FrameCase, pixels: &'a [u8], chroma: &'a [u8]) -> Result<Frame<'a>, FrameError> {
    let yuv = [Yuv::BT601_LIMITED, Yuv::BT601_FULL, Yuv::BT709_LIMITED, Yuv::BT709_FULL][frame.yuv as usize];
    let (format, pixel) = match frame.format {
        1 => (PixelFormat::Rgb8, 3),
        2 => (PixelFormat::Bgr8, 3),
        3 => (PixelFormat::Gray8, 1),
        4 => (PixelFormat::Nv12(yuv), 1),
        5 => (PixelFormat::Nv21(yuv), 1),
        6 => (PixelFormat::Yuyv(yuv), 2),
        _ => (PixelFormat::Uyvy(yuv), 2),
    };
    let FrameCase { width, height, .. } = *frame;
    let or = |stride: usize, tight: usize| if stride == 0 { tight } else { stride };
    let stride = or(frame.stride, width * pixel);
    match format {
        PixelFormat::Nv12(_) | PixelFormat::Nv21(_) => {
            Frame::biplanar(format, width, height, pixels, stride, chroma, or(frame.chroma_stride, width))
        }
        _ => Frame::packed(format, width, height, stride, pixels),
    }
}
