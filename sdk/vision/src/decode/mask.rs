//! One class a pixel, at the model's size and at the frame's.

use farsight_spec::{Activation, Layout, MaskOutput};

use super::{DecodeError, Result, check_labels, check_len, checked_len};
use crate::Geometry;

/// Stands in a mask where the model saw nothing (what a centre crop cut off).
pub const NOT_SEEN: u8 = 255;
/// Classes that a mask of bytes can hold beside [`NOT_SEEN`].
const MAX_CLASSES: usize = 255;

/// Turns a segmentation tensor into a map of class indices.
///
/// | shape | what it holds |
/// |---|---|
/// | `[1, C, H, W]`, `[1, H, W, C]` | a score a class: the greatest wins, of equal ones the first; NaN never wins |
/// | one channel, activation sigmoid | the logit of class 1: it is there if its probability is above 0.5 |
/// | one channel or `[1, H, W]`, else | class indices already |
///
/// After the first call for a size nothing is allocated.
#[derive(Debug, Clone)]
pub struct MaskDecoder {
    kind: Kind,
    /// `[height, width]` of the map.
    size: [usize; 2],
    map: Vec<u8>,
    /// The map's column for every column of the frame, for the geometry it was made for.
    columns: Vec<Option<u32>>,
    columns_for: Option<Geometry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Planes of scores, one a class.
    Planes(usize),
    /// So many scores a pixel.
    Interleaved(usize),
    /// One logit a pixel.
    Logit,
    /// Class indices.
    Indices,
}

impl MaskDecoder {
    /// A decoder for a tensor of `shape` with a batch of one.
    ///
    /// Which axis holds the classes is the spec's `layout`; a spec that leaves it open decides by the number of
    /// labels, and without labels takes the shorter of the two it may be.
    ///
    /// # Errors
    /// If the shape is none of those above, the axis of the classes cannot be told, there are more than 255
    /// classes, or not as many as labels. (A single logit may have one label or two: with its background.)
    pub fn new(output: &MaskOutput, shape: &[usize]) -> Result<Self> {
        let len = checked_len(shape)?;
        let single = if output.activation == Activation::Sigmoid { Kind::Logit } else { Kind::Indices };
        let (kind, size) = match *shape {
            [1, height, width] | [1, 1, height, width] | [1, height, width, 1] => (single, [height, width]),
            [1, a, b, c] => match classes_first(output, a, c) {
                Some(true) => (Kind::Planes(a), [b, c]),
                Some(false) => (Kind::Interleaved(c), [a, b]),
                None => return Err(shape_error(shape, "either axis may hold the classes: give the labels")),
            },
            _ => return Err(shape_error(shape, "a mask is [1, C, H, W], [1, H, W, C] or [1, H, W]")),
        };
        if len == 0 {
            return Err(shape_error(shape, "no axis of a mask may be 0"));
        }
        check_classes(kind, shape, output.labels.len())?;
        let map = vec![0; size[0] * size[1]];
        Ok(Self { kind, size, map, columns: Vec::new(), columns_for: None })
    }

    /// `[height, width]` of the map that [`decode`](Self::decode) makes.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The class of every pixel at the model's size, row by row, out of a tensor of floats.
    ///
    /// # Errors
    /// If the tensor is not as long as its shape says, or a map of class indices holds anything else.
    pub fn decode(&mut self, tensor: &[f32]) -> Result<&[u8]> {
        check_len(tensor.len(), self.len())?;
        match self.kind {
            Kind::Planes(_) => argmax_planes(tensor, &mut self.map),
            Kind::Interleaved(classes) => argmax_interleaved(tensor, classes, &mut self.map),
            // A probability above 0.5 is a logit above 0.
            Kind::Logit => copy(tensor, &mut self.map, |logit| Some((logit > 0.0).into()))?,
            Kind::Indices => copy(tensor, &mut self.map, |v| (v == (v as u8).into()).then_some(v as u8))?,
        }
        Ok(&self.map)
    }

    /// The class of every pixel at the model's size, out of a map of class indices of any whole type.
    ///
    /// # Errors
    /// If the tensor holds scores, is not as long as its shape says, or an index is not within 0 to 255.
    pub fn decode_indices<T>(&mut self, tensor: &[T]) -> Result<&[u8]>
    where
        T: Copy + TryInto<u8> + ToString,
    {
        check_len(tensor.len(), self.len())?;
        if !matches!(self.kind, Kind::Indices | Kind::Logit) {
            let expected = "whole numbers are read as class indices, [1, H, W]; scores are floats";
            return Err(shape_error(&[1, self.size[0], self.size[1]], expected));
        }
        copy(tensor, &mut self.map, |v| v.try_into().ok())?;
        Ok(&self.map)
    }

    /// The mask last decoded, at the frame's size, row by row, by nearest neighbour.
    ///
    /// The centre of a frame's pixel goes through the geometry: `x = ((column + 0.5) * scaled / frame + left)
    /// * map / input` in f64, and the map's pixel is `floor(x)` (PIL's NEAREST, where a frame was stretched).
    /// Where that lies outside the model's input stands [`NOT_SEEN`].
    pub fn to_frame(&mut self, geometry: &Geometry, out: &mut Vec<u8>) {
        let [height, width] = geometry.frame;
        if self.columns_for != Some(*geometry) {
            self.columns.clear();
            self.columns.extend((0..width).map(|column| source(geometry, 1, self.size[1], column)));
            self.columns_for = Some(*geometry);
        }
        out.clear();
        let mut last = None;
        for row in 0..height {
            let source = source(geometry, 0, self.size[0], row);
            if row > 0 && source == last {
                out.extend_from_within(out.len() - width..);
            } else {
                self.push_row(source, out);
            }
            last = source;
        }
    }

    fn push_row(&self, source: Option<u32>, out: &mut Vec<u8>) {
        let Some(source) = source else {
            out.extend(std::iter::repeat_n(NOT_SEEN, self.columns.len()));
            return;
        };
        let start = source as usize * self.size[1];
        let row = &self.map[start..start + self.size[1]];
        out.extend(self.columns.iter().map(|column| column.map_or(NOT_SEEN, |column| row[column as usize])));
    }

    fn len(&self) -> usize {
        let channels = match self.kind {
            Kind::Planes(classes) | Kind::Interleaved(classes) => classes,
            Kind::Logit | Kind::Indices => 1,
        };
        channels * self.map.len()
    }
}

/// The place on an axis of the map, `len` long, that a place on the frame's axis shows.
fn source(geometry: &Geometry, axis: usize, len: usize, place: usize) -> Option<u32> {
    let [frame, input, scaled] =
        [geometry.frame, geometry.input, geometry.scaled].map(|size| size[axis] as f64);
    let in_input = (place as f64 + 0.5) * scaled / frame + geometry.offset[axis] as f64;
    let in_map = (in_input * len as f64 / input).floor();
    (0.0..len as f64).contains(&in_map).then_some(in_map as u32)
}

/// Whether the classes come before the pixels; none if it cannot be told.
fn classes_first(output: &MaskOutput, first: usize, last: usize) -> Option<bool> {
    if let Some(layout) = output.layout {
        return Some(layout == Layout::Nchw);
    }
    let by_labels = [first, last].map(|axis| axis == output.labels.len());
    match by_labels {
        [true, false] => Some(true),
        [false, true] => Some(false),
        _ if first != last => Some(first < last),
        _ => None,
    }
}

fn check_classes(kind: Kind, shape: &[usize], labels: usize) -> Result<()> {
    match kind {
        Kind::Planes(classes) | Kind::Interleaved(classes) if classes > MAX_CLASSES => {
            Err(shape_error(shape, "a mask holds one byte a pixel: at most 255 classes"))
        }
        Kind::Planes(classes) | Kind::Interleaved(classes) => check_labels(labels, classes),
        Kind::Logit if labels > 2 => Err(DecodeError::Labels { labels, classes: 1 }),
        Kind::Indices if labels > MAX_CLASSES => Err(DecodeError::Labels { labels, classes: MAX_CLASSES }),
        Kind::Logit | Kind::Indices => Ok(()),
    }
}

fn shape_error(shape: &[usize], expected: &str) -> DecodeError {
    DecodeError::Shape { shape: shape.to_vec(), expected: expected.into() }
}

/// Pixels that are compared together: their running maxima stay in the fastest cache.
const BLOCK: usize = 1024;

fn argmax_planes(tensor: &[f32], map: &mut [u8]) {
    let pixels = map.len();
    for (block, map) in map.chunks_mut(BLOCK).enumerate() {
        let start = block * BLOCK;
        let mut best = [f32::NEG_INFINITY; BLOCK];
        let mut classes = [0u32; BLOCK];
        for (class, plane) in (0u32..).zip(tensor.chunks_exact(pixels)) {
            let scores = &plane[start..start + map.len()];
            for ((best, best_class), &score) in best.iter_mut().zip(&mut classes).zip(scores) {
                let greater = score > *best;
                *best = if greater { score } else { *best };
                *best_class = if greater { class } else { *best_class };
            }
        }
        map.iter_mut().zip(&classes).for_each(|(pixel, &class)| *pixel = class as u8);
    }
}

fn argmax_interleaved(tensor: &[f32], classes: usize, map: &mut [u8]) {
    for (pixel, scores) in map.iter_mut().zip(tensor.chunks_exact(classes)) {
        let better =
            |best: (u8, f32), (class, &score): (u8, &f32)| if score > best.1 { (class, score) } else { best };
        *pixel = (0u8..).zip(scores).fold((0, f32::NEG_INFINITY), better).0;
    }
}

fn copy<T: Copy + ToString>(tensor: &[T], map: &mut [u8], class: impl Fn(T) -> Option<u8>) -> Result<()> {
    for (i, (pixel, &value)) in map.iter_mut().zip(tensor).enumerate() {
        *pixel = class(value).ok_or_else(|| DecodeError::NotAClass { pixel: i, value: value.to_string() })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
