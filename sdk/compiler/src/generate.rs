//! Inputs made from a seed, for the self-test and for verification where the user gives no data.
//!
//! They look like what the model takes (a picture of coloured blocks, bands of plausible reflectance), so
//! that the numbers inside the model are of the usual size, and they compress well.

use farsight::{ElementType, Pipeline};
use farsight_engine::Session;
use farsight_spec::{FrameInput, Input, ModelSpec, RasterInput};
use farsight_vision::{Frame, FramePreprocess, RasterNormalise};

use crate::CompileError;

/// Side of a block of one colour, pixels.
const BLOCK: usize = 16;
/// Every so many pixels one has a colour of its own: edges inside blocks, and a self-test that compresses well
/// but not so well that a reader takes it for a bomb.
const GRAIN: usize = 61;

/// Fills a pipeline's input tensors from a seed. Axes of open length get one: the first (the batch) 1, the others 64,
/// or 1 where the model cannot run on that.
///
/// # Errors
/// If an input cannot take such a shape.
pub fn fill_inputs(pipeline: &mut Pipeline, seed: u64) -> Result<(), CompileError> {
    let spec = pipeline.spec().clone();
    let session = pipeline.session_mut();
    settle_open_axes(session)?;
    for index in 0..session.inputs().len() {
        let length: usize = session.input_shape(index)?.map_or(0, |shape| shape.iter().product());
        let values = values(&spec, session.inputs()[index].element, length, seed + index as u64)?;
        write(session, index, &values)?;
    }
    Ok(())
}

/// An axis of open length is a picture's side more often than anything else.
const OPEN_AXIS: usize = 64;

fn settle_open_axes(session: &mut Session) -> Result<(), CompileError> {
    if (0..session.inputs().len()).all(|index| matches!(session.input_shape(index), Ok(Some(_)))) {
        return Ok(());
    }
    set_open_axes(session, OPEN_AXIS)?;
    if session.run().is_err() {
        set_open_axes(session, 1)?;
    }
    Ok(())
}

fn set_open_axes(session: &mut Session, length: usize) -> Result<(), CompileError> {
    for index in 0..session.inputs().len() {
        let axes = session.inputs()[index].shape.clone();
        if !axes.contains(&None) {
            continue;
        }
        let open = |place: usize| if place == 0 { 1 } else { length };
        let shape: Vec<usize> =
            axes.iter().enumerate().map(|(place, axis)| axis.unwrap_or_else(|| open(place))).collect();
        session.set_input_shape(index, &shape)?;
    }
    Ok(())
}

/// The values of one input.
fn values(
    spec: &ModelSpec,
    element: ElementType,
    length: usize,
    seed: u64,
) -> Result<Vec<f32>, CompileError> {
    match &spec.input {
        Input::Frame(frame) => frame_values(frame, length, seed),
        Input::Raster(raster) if is_pixels(raster, length) => raster_values(raster, length, seed),
        // Years and places: any number does, as long as it is the same each time.
        Input::Raster(_) => Ok(tensor_values(element, length, seed)),
        Input::Tensors => Ok(tensor_values(element, length, seed)),
    }
}

fn frame_values(frame: &FrameInput, length: usize, seed: u64) -> Result<Vec<f32>, CompileError> {
    let [height, width] = frame.size.unwrap_or([1, 1]);
    let pixels = blocks(height, width, 3, seed, 256);
    let pixels: Vec<u8> = pixels.into_iter().map(|value| value as u8).collect();
    let picture = Frame::rgb8(width, height, &pixels).map_err(farsight::Error::from)?;
    let mut tensor = vec![0.0; length];
    let mut preprocess = FramePreprocess::new(frame).map_err(farsight::Error::from)?;
    preprocess.run(&picture, &mut tensor).map_err(farsight::Error::from)?;
    Ok(tensor)
}

fn is_pixels(raster: &RasterInput, length: usize) -> bool {
    raster.shape().is_some_and(|shape| shape.iter().product::<usize>() == length)
}

fn raster_values(raster: &RasterInput, length: usize, seed: u64) -> Result<Vec<f32>, CompileError> {
    let [height, width] = raster.tiling.window.unwrap_or([1, 1]);
    let (each, bands) = (raster.bands.len(), raster.bands.len() * raster.frames);
    // Up to 0.6 of full reflectance where values are divided by 10000; else the divisor's range.
    let most = (raster.normalise.divide * 0.6).abs().max(1.0) as usize;
    let interleaved = blocks(height, width, bands, seed, most);
    let mut planes = vec![0.0; length];
    for (index, value) in interleaved.into_iter().enumerate() {
        planes[(index % bands) * height * width + index / bands] = value as f32;
    }
    let normalise = RasterNormalise::new(&raster.normalise, each).map_err(farsight::Error::from)?;
    planes.chunks_exact_mut(each * height * width).for_each(|date| normalise.run(date));
    Ok(planes)
}

fn tensor_values(element: ElementType, length: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let is_float = matches!(element, ElementType::F16 | ElementType::F32 | ElementType::F64);
    // Whole numbers may be indices: 0 and 1 are valid most often.
    (0..length).map(|_| if is_float { random.unit() * 2.0 - 1.0 } else { random.below(2) as f32 }).collect()
}

/// Interleaved pixels in blocks of one value, 0..most.
fn blocks(height: usize, width: usize, channels: usize, seed: u64, most: usize) -> Vec<usize> {
    let mut random = Random(seed);
    let (rows, columns) = (height.div_ceil(BLOCK), width.div_ceil(BLOCK));
    let colours: Vec<usize> = (0..rows * columns * channels).map(|_| random.below(most)).collect();
    let mut pixels = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        for column in 0..width {
            if (row * width + column).is_multiple_of(GRAIN) {
                pixels.extend((0..channels).map(|_| random.below(most)));
                continue;
            }
            let block = (row / BLOCK) * columns + column / BLOCK;
            pixels.extend_from_slice(&colours[block * channels..(block + 1) * channels]);
        }
    }
    pixels
}

fn write(session: &mut Session, index: usize, values: &[f32]) -> Result<(), CompileError> {
    let element = session.inputs()[index].element;
    let bytes = session.input_bytes_mut(index)?;
    let chunks = bytes.chunks_exact_mut(element.size()).zip(values);
    for (place, &value) in chunks {
        match element {
            ElementType::F16 => place.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
            ElementType::F32 => place.copy_from_slice(&value.to_le_bytes()),
            ElementType::F64 => place.copy_from_slice(&f64::from(value).to_le_bytes()),
            // 0 and 1 look the same in every whole type, little-endian.
            _ => {
                place.fill(0);
                place[0] = value as u8;
            }
        }
    }
    Ok(())
}

/// splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }
}
