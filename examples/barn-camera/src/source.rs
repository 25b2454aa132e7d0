//! Where frames come from: pictures in a folder, or one file of raw NV12 frames.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use farsight::{Frame, FrameError, PixelFormat, Yuv};
use farsight_vision::picture;

/// A frame in memory.
pub(crate) struct Shot {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) captured: Instant,
    /// The picture's file name, or the raw file's.
    pub(crate) name: String,
    format: PixelFormat,
    /// Width and height in pixels.
    size: [usize; 2],
    /// Rows without gaps; NV12: luma, then half as many rows of chroma.
    pixels: Vec<u8>,
}

impl Shot {
    fn new(path: &Path, format: PixelFormat, size: [usize; 2], pixels: Vec<u8>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { number: 0, captured: Instant::now(), name, format, size, pixels }
    }

    /// What the library takes.
    pub(crate) fn frame(&self) -> Result<Frame<'_>, FrameError> {
        let [width, height] = self.size;
        match self.format {
            PixelFormat::Rgb8 => Frame::rgb8(width, height, &self.pixels),
            format => {
                let (luma, chroma) = self.pixels.split_at(width * height);
                Frame::biplanar(format, width, height, luma, width, chroma, width)
            }
        }
    }
}

/// Frames, one after another.
pub(crate) enum Source {
    /// Those that are left.
    Pictures(std::vec::IntoIter<PathBuf>),
    /// Frames of one size in a file.
    Raw { file: File, path: PathBuf, size: [usize; 2] },
}

impl Source {
    pub(crate) fn open(path: &Path, size: Option<[usize; 2]>) -> Result<Self> {
        if path.is_dir() {
            return pictures(path).map(|paths| Self::Pictures(paths.into_iter()));
        }
        let Some(size) = size else {
            bail!(
                "{} is no folder, so it holds raw NV12 frames: --size says how large they are",
                path.display()
            )
        };
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::Raw { file, path: path.to_path_buf(), size })
    }
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| picture::looks_like_picture(path));
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds no pictures (JPEG, PNG, BMP, TIFF or WebP)", folder.display());
    }
    Ok(paths)
}

impl Iterator for Source {
    type Item = Result<Shot>;

    fn next(&mut self) -> Option<Result<Shot>> {
        match self {
            // One that is damaged is told, and the rest go on.
            Self::Pictures(paths) => paths.find_map(|path| {
                read_picture(&path).inspect_err(|error| eprintln!("left out: {error:#}")).ok().map(Ok)
            }),
            Self::Raw { file, path, size } => read_raw(file, path, *size).transpose(),
        }
    }
}

fn read_picture(path: &Path) -> Result<Shot> {
    let picture = picture::read(path)?;
    Ok(Shot::new(path, PixelFormat::Rgb8, [picture.width, picture.height], picture.rgb))
}

/// The next frame, or `None` at the end of the file.
fn read_raw(file: &mut File, path: &Path, size: [usize; 2]) -> Result<Option<Shot>> {
    let bytes = size[0] * size[1] * 3 / 2;
    let mut pixels = Vec::with_capacity(bytes);
    let limit = u64::try_from(bytes)?;
    file.take(limit).read_to_end(&mut pixels).with_context(|| format!("cannot read {}", path.display()))?;
    match pixels.len() {
        0 => Ok(None),
        found if found < bytes => bail!(
            "{}: its last frame has {found} bytes, but NV12 of {} x {} has {bytes}",
            path.display(),
            size[0],
            size[1]
        ),
        _ => Ok(Some(Shot::new(path, PixelFormat::Nv12(Yuv::BT601_LIMITED), size, pixels))),
    }
}
