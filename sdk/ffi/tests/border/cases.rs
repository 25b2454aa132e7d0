//! The cases: what goes through Rust, C and C++, written down so that all three can read it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::bundles::Bundles;

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bundle: PathBuf,
    pub(crate) what: What,
}

/// What is done with the bundle.
pub(crate) enum What {
    /// It is opened and described.
    Open,
    /// A frame is run.
    Frame(FrameCase),
    /// Raw tensors are run.
    Tensors(Vec<TensorCase>),
    /// A raster is run.
    #[cfg(feature = "rasters")]
    Raster(RasterCase),
}

/// A frame. A stride of 0 stands for rows without gaps.
#[derive(Clone)]
pub(crate) struct FrameCase {
    pub(crate) pixels: Pixels,
    pub(crate) format: u32,
    pub(crate) yuv: u32,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels_bytes: usize,
    pub(crate) stride: usize,
    pub(crate) chroma_bytes: usize,
    pub(crate) chroma_stride: usize,
}

/// Where a frame's bytes come from.
#[derive(Clone)]
pub(crate) enum Pixels {
    /// Byte i is [`byte`]`(i, seed)`; the chroma's seed is one more.
    Formula(u32),
    /// The bytes of a file.
    File(PathBuf),
}

/// A tensor of f32; element i is [`value`]`(i, seed)`.
pub(crate) struct TensorCase {
    pub(crate) shape: Vec<usize>,
    pub(crate) seed: u32,
}

/// A raster of u16; sample i of its memory is [`sample`]`(i, seed)`.
#[cfg(feature = "rasters")]
pub(crate) struct RasterCase {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) bands: usize,
    /// `None`: the bands have no names.
    pub(crate) names: Option<Vec<&'static str>>,
    pub(crate) seed: u32,
}

/// The programs in C and C++ have the same.
pub(crate) fn byte(index: u32, seed: u32) -> u8 {
    (index.wrapping_mul(2 * seed + 1) >> 4) as u8
}

/// The programs in C and C++ have the same.
pub(crate) fn value(index: u32, seed: u32) -> f32 {
    ((index.wrapping_mul(37).wrapping_add(seed)) % 101) as f32 / 8.0 - 5.0
}

/// The programs in C and C++ have the same.
#[cfg(feature = "rasters")]
pub(crate) fn sample(index: u32, seed: u32) -> u16 {
    (index.wrapping_mul(2 * seed + 1) % 9973) as u16
}

impl Case {
    /// The line that the programs read: words with a space between, "-" for nothing.
    fn line(&self) -> String {
        let head = |kind: &str| format!("{kind} {} {}", self.name, self.bundle.display());
        match &self.what {
            What::Open => head("open"),
            What::Frame(frame) => format!("{} {}", head("frame"), frame.words()),
            What::Tensors(tensors) => {
                let mut line = format!("{} {}", head("tensors"), tensors.len());
                for TensorCase { shape, seed } in tensors {
                    let _ = write!(line, " {seed} {}", shape.len());
                    for length in shape {
                        let _ = write!(line, " {length}");
                    }
                }
                line
            }
            #[cfg(feature = "rasters")]
            What::Raster(raster) => {
                let RasterCase { width, height, bands, names, seed } = raster;
                let names = names.as_ref().map_or_else(|| "-".to_owned(), |names| names.join(","));
                format!("{} {seed} {width} {height} {bands} {names}", head("raster"))
            }
        }
    }
}

impl FrameCase {
    fn words(&self) -> String {
        let Self { pixels, format, yuv, width, height, pixels_bytes, stride, chroma_bytes, chroma_stride } =
            self;
        let source = match pixels {
            Pixels::Formula(seed) => format!("{seed} -"),
            Pixels::File(path) => format!("0 {}", path.display()),
        };
        format!(
            "{source} {format} {yuv} {width} {height} {pixels_bytes} {stride} {chroma_bytes} {chroma_stride}"
        )
    }
}

/// The list that the programs read.
pub(crate) fn list(cases: &[Case]) -> String {
    cases.iter().map(|case| case.line() + "\n").collect()
}

/// All cases that need no assets.
pub(crate) fn small(bundles: &Bundles) -> Vec<Case> {
    let case = |name: &str, bundle: &str, what: What| Case {
        name: name.to_owned(),
        bundle: bundles.path(bundle),
        what,
    };
    let mut cases: Vec<Case> = ["boxes", "classes", "mask", "tensors", "elsewhere", "text", "cut", "none"]
        .map(|name| case(&format!("open_{name}"), name, What::Open))
        .into();
    for bundle in ["boxes", "classes", "mask", "mirror", "mirror16", "tensors"] {
        for (name, frame) in frames() {
            cases.push(case(&format!("{bundle}_{name}"), bundle, What::Frame(frame)));
        }
    }
    let shapes: [(&str, &[&[usize]]); 6] = [
        ("three_rows", &[&[3, 4], &[4]]),
        ("one_row", &[&[1, 4], &[4]]),
        ("no_row", &[&[0, 4], &[4]]),
        ("many_rows", &[&[100, 4], &[4]]),
        ("wrong_length", &[&[3, 5], &[4]]),
        ("wrong_rank", &[&[3, 4], &[4, 1]]),
    ];
    for (name, shapes) in shapes {
        let tensor = |(seed, shape): (u32, &&[usize])| TensorCase { shape: shape.to_vec(), seed };
        let tensors = (7..).zip(shapes).map(tensor).collect();
        cases.push(case(&format!("tensors_{name}"), "tensors", What::Tensors(tensors)));
    }
    #[cfg(feature = "rasters")]
    cases.extend(rasters(bundles));
    cases
}

/// Frames of every format, with and without gaps, and some that are none.
fn frames() -> Vec<(String, FrameCase)> {
    let mut frames = Vec::new();
    let packed = |format: u32, yuv, width: usize, height: usize, pixel, gap: usize| {
        let stride = width * pixel + gap;
        let pixels_bytes = stride * height - gap;
        FrameCase {
            pixels: Pixels::Formula(format + 3 * yuv),
            format,
            yuv,
            width,
            height,
            pixels_bytes,
            stride: if gap == 0 { 0 } else { stride },
            chroma_bytes: 0,
            chroma_stride: 0,
        }
    };
    let biplanar = |format, yuv, width: usize, height: usize, gap: usize| FrameCase {
        chroma_bytes: (width + gap) * (height / 2) - gap,
        chroma_stride: if gap == 0 { 0 } else { width + gap },
        ..packed(format, yuv, width, height, 1, gap)
    };
    for (format, name, pixel) in [(1, "rgb8", 3), (2, "bgr8", 3), (3, "gray8", 1)] {
        frames.push((name.to_owned(), packed(format, 0, 64, 48, pixel, 0)));
        frames.push((format!("{name}_gaps"), packed(format, 0, 33, 21, pixel, 7)));
    }
    for yuv in 0..4 {
        frames.push((format!("nv12_{yuv}"), biplanar(4, yuv, 64, 48, 0)));
        frames.push((format!("nv21_{yuv}"), biplanar(5, yuv, 34, 22, 6)));
        frames.push((format!("yuyv_{yuv}"), packed(6, yuv, 34, 21, 2, 5)));
        frames.push((format!("uyvy_{yuv}"), packed(7, yuv, 64, 48, 2, 0)));
    }
    let good = packed(1, 0, 64, 48, 3, 0);
    frames.extend([
        ("short".to_owned(), FrameCase { pixels_bytes: good.pixels_bytes - 1, ..good.clone() }),
        ("stride".to_owned(), FrameCase { stride: 64, ..good.clone() }),
        ("no_width".to_owned(), FrameCase { width: 0, ..good.clone() }),
        ("wide".to_owned(), FrameCase { width: 65_536, ..good }),
        ("odd".to_owned(), biplanar(4, 0, 33, 22, 0)),
        ("no_chroma".to_owned(), FrameCase { chroma_bytes: 0, ..biplanar(4, 0, 64, 48, 0) }),
    ]);
    frames
}

#[cfg(feature = "rasters")]
fn rasters(bundles: &Bundles) -> Vec<Case> {
    type Row = (&'static str, usize, usize, usize, Option<Vec<&'static str>>);
    let rows: [Row; 6] = [
        ("named", 100, 70, 3, Some(vec!["NIR", "blue", "b04"])),
        ("in_order", 32, 32, 2, None),
        ("small", 5, 3, 2, None),
        ("one_window_wide", 32, 90, 2, None),
        ("band_missing", 40, 40, 2, Some(vec!["red", "green"])),
        ("bands_unnamed", 40, 40, 3, None),
    ];
    let case = |(name, width, height, bands, names): Row| Case {
        name: format!("raster_{name}"),
        bundle: bundles.path("raster"),
        what: What::Raster(RasterCase { width, height, bands, names, seed: 11 }),
    };
    rows.into_iter().map(case).collect()
}

/// Real models on a real picture, whose raw bytes are written into `folder`; none without assets.
pub(crate) fn real(bundles: &Bundles, folder: &Path, assets: &Path) -> Result<Vec<Case>, Failed> {
    let bytes = std::fs::read(assets.join("segment/bird.bmp"))?;
    let (width, height, pixels) = bmp(&bytes).ok_or("bird.bmp is no BMP of 24 bits a pixel")?;
    let raw = folder.join("bird.bgr");
    std::fs::write(&raw, pixels)?;
    let rows = [
        ("cattle", "cattle_yolov8n_416.onnx", 416, "yolo", "tensor = \"897\"", "anchors"),
        ("coco", "coco_yolov8n_640.onnx", 640, "yolo", "", "anchors"),
        ("yolox", "coco_yolox_nano_416.onnx", 416, "yolox", "", "grid"),
    ];
    let mut cases = Vec::new();
    for (name, model, side, decoder, tensor, layout) in rows {
        let (channels, align, divide) =
            if decoder == "yolox" { ("bgr", "top-left", "1.0") } else { ("rgb", "center", "255.0") };
        let input = format!(
            "[input]\nkind = \"frame\"\nsize = [{side}, {side}]\nlayout = \"nchw\"\nchannels = \"{channels}\"\n\
             resize = {{ mode = \"letterbox\", pad = 114, align = \"{align}\" }}\nnormalise = {{ divide = {divide} }}"
        );
        let output = format!(
            "[output]\ndecoder = \"{decoder}\"\n{tensor}\nlayout = \"{layout}\"\nconf = 0.001\niou = 0.7\nmax_det = 300"
        );
        let model = std::fs::read(assets.join("detect").join(model))?;
        bundles.one(name, "detect", &input, &output, model, &farsight_engine::host_triple())?;
        let frame = FrameCase {
            pixels: Pixels::File(raw.clone()),
            format: 2,
            yuv: 0,
            width,
            height,
            pixels_bytes: pixels.len(),
            stride: width * 3 + row_gap(width),
            chroma_bytes: 0,
            chroma_stride: 0,
        };
        let what = What::Frame(frame);
        cases.push(Case { name: format!("real_{name}"), bundle: bundles.path(name), what });
    }
    Ok(cases)
}

/// Width, height and pixels (BGR, from below, rows padded to four bytes) of an uncompressed BMP.
fn bmp(file: &[u8]) -> Option<(usize, usize, &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (start, width, height) = (word(10)?, word(18)?, word(22)?);
    let is_plain = file.starts_with(b"BM") && file.get(28..30)? == [24, 0] && word(30)? == 0;
    let pixels = file.get(start..start + (width * 3 + row_gap(width)) * height)?;
    is_plain.then_some((width, height, pixels))
}

fn row_gap(width: usize) -> usize {
    (4 - width * 3 % 4) % 4
}
