//! Bytes to the model's values, written into the tensor row by row.

use std::ops::Range;

use farsight_spec::{Channels, Layout, Normalise};

use super::PreprocessError;
use crate::resize::{Isa, PIXEL};

/// `(value / divide - mean) / std` in f32, each step rounded as numpy rounds it on f32 arrays.
pub(super) struct Normaliser {
    layout: Layout,
    /// `[height, width]` of the tensor.
    size: [usize; 2],
    channels: Vec<Channel>,
}

/// One channel of the tensor.
struct Channel {
    /// Which byte of a pixel it takes.
    lane: usize,
    /// Divide, mean, standard deviation: what wide registers compute with.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // only the AVX2 code reads it
    steps: [f32; 3],
    /// The value of every byte.
    table: [f32; 256],
}

impl Normaliser {
    pub(super) fn new(
        normalise: &Normalise,
        channels: Channels,
        layout: Layout,
        size: [usize; 2],
    ) -> Result<Self, PreprocessError> {
        let lanes: &[usize] = match channels {
            Channels::Rgb => &[0, 1, 2],
            Channels::Bgr => &[2, 1, 0],
            Channels::Gray => &[0],
        };
        let mean = per_channel("mean", &normalise.mean, lanes.len(), 0.0)?;
        let std = per_channel("std", &normalise.std, lanes.len(), 1.0)?;
        let divide = divisor("divide", normalise.divide)?;
        let channel = |i: usize| {
            let mean = number("mean", mean[i])?;
            let std = divisor("std", std[i])?;
            let table = std::array::from_fn(|value| (value as f32 / divide - mean) / std);
            Ok(Channel { lane: lanes[i], steps: [divide, mean, std], table })
        };
        let channels = (0..lanes.len()).map(channel).collect::<Result<_, _>>()?;
        Ok(Self { layout, size, channels })
    }

    /// Values in the tensor.
    pub(super) fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels.len()
    }

    /// Fills the columns of row `y` of the tensor with one byte.
    pub(super) fn fill(&self, y: usize, columns: Range<usize>, value: u8, tensor: &mut [f32]) {
        for (i, channel) in self.channels.iter().enumerate() {
            let value = channel.table[usize::from(value)];
            match self.layout {
                Layout::Nchw => self.plane_row(i, y, tensor)[columns.clone()].fill(value),
                Layout::Nhwc => {
                    for pixel in self.pixels(y, columns.clone(), tensor) {
                        pixel[i] = value;
                    }
                }
            }
        }
    }

    /// Writes pixels of [`PIXEL`] bytes into row `y` of the tensor, from column `left` on.
    pub(super) fn write(&self, isa: Isa, y: usize, left: usize, pixels: &[u8], tensor: &mut [f32]) {
        let columns = left..left + pixels.len() / PIXEL;
        match self.layout {
            Layout::Nchw => {
                for (i, channel) in self.channels.iter().enumerate() {
                    let out = &mut self.plane_row(i, y, tensor)[columns.clone()];
                    channel.write(isa, pixels, out);
                }
            }
            Layout::Nhwc => {
                let values = self.pixels(y, columns, tensor);
                for (pixel, values) in pixels.as_chunks::<PIXEL>().0.iter().zip(values) {
                    for (channel, value) in self.channels.iter().zip(values) {
                        *value = channel.table[usize::from(pixel[channel.lane])];
                    }
                }
            }
        }
    }

    fn plane_row<'t>(&self, channel: usize, y: usize, tensor: &'t mut [f32]) -> &'t mut [f32] {
        let [height, width] = self.size;
        &mut tensor[(channel * height + y) * width..][..width]
    }

    fn pixels<'t>(
        &self,
        y: usize,
        columns: Range<usize>,
        tensor: &'t mut [f32],
    ) -> std::slice::ChunksExactMut<'t, f32> {
        let (width, channels) = (self.size[1], self.channels.len());
        let row = &mut tensor[y * width * channels..][..width * channels];
        row[columns.start * channels..columns.end * channels].chunks_exact_mut(channels)
    }
}

impl Channel {
    fn write(&self, isa: Isa, pixels: &[u8], out: &mut [f32]) {
        let done = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => avx2.normalise(self.lane, pixels, self.steps, out),
            Isa::Portable => 0,
        };
        for (pixel, value) in pixels.as_chunks::<PIXEL>().0.iter().zip(out).skip(done) {
            *value = self.table[usize::from(pixel[self.lane])];
        }
    }
}

fn per_channel(
    key: &'static str,
    given: &[f64],
    channels: usize,
    default: f64,
) -> Result<Vec<f64>, PreprocessError> {
    match given.len() {
        0 => Ok(vec![default; channels]),
        found if found == channels => Ok(given.to_vec()),
        found => Err(PreprocessError::ChannelCount { key, found, expected: channels }),
    }
}

fn number(key: &'static str, value: f64) -> Result<f32, PreprocessError> {
    let value = value as f32;
    if value.is_finite() { Ok(value) } else { Err(PreprocessError::NotANumber { key, value }) }
}

fn divisor(key: &'static str, value: f64) -> Result<f32, PreprocessError> {
    let value = number(key, value)?;
    if value != 0.0 { Ok(value) } else { Err(PreprocessError::NotANumber { key, value }) }
}
