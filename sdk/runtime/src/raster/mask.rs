//! Windows in, rows of a mask out.

use farsight_engine::Session;
use farsight_spec::{Activation, Input, ModelSpec};
use farsight_vision::{Blender, RasterSource, TilePlan, Window, activate_planes, argmax_row};

use super::stage::{Decoder, MaskDecoder};
use super::windows::Prepared;
use super::{RasterAnswer, RasterProgress, Scene};
use crate::pipeline::floats;
use crate::stage::Stage;
use crate::{Error, Pipeline};

/// Stands in a mask where the raster holds no data.
pub const MASK_NODATA: u8 = farsight_vision::NOT_SEEN;

/// A finished row of a raster.
#[derive(Debug, Clone, Copy)]
pub struct RasterRow<'a> {
    /// The class of each pixel, or [`MASK_NODATA`].
    pub classes: &'a [u8],
    /// `[classes, width]`: what the windows that cover a pixel say together, up to a factor a pixel.
    blended: &'a [f32],
    /// What makes probabilities of it.
    activation: Activation,
}

impl RasterRow<'_> {
    /// Fills `out` with the probabilities of the classes, `[classes, width]`: each class's share of the blended
    /// values, NaN where there is no data.
    ///
    /// # Errors
    /// The model's values are no probabilities: some are negative.
    pub fn probabilities(&self, out: &mut Vec<f32>) -> Result<(), Error> {
        let width = self.classes.len();
        if self.activation != Activation::None {
            out.resize(self.blended.len(), 0.0);
            activate_planes(self.activation, self.blended, self.blended.len() / width, out);
            for (column, _) in self.classes.iter().enumerate().filter(|(_, class)| **class == MASK_NODATA) {
                out.iter_mut().skip(column).step_by(width).for_each(|value| *value = f32::NAN);
            }
            return Ok(());
        }
        if self.blended.iter().any(|value| *value < 0.0) {
            return Err(Error::Contract(
                "the model gives negative values, which are no probabilities; say in its spec which `activation` makes \
                 them so (softmax or sigmoid)"
                    .to_owned(),
            ));
        }
        out.clear();
        out.extend_from_slice(self.blended);
        for (column, class) in self.classes.iter().enumerate() {
            let at = (column..out.len()).step_by(width);
            let sum: f32 = at.clone().map(|index| out[index]).sum();
            let factor = if *class == MASK_NODATA { f32::NAN } else { sum.max(f32::MIN_POSITIVE).recip() };
            at.for_each(|index| out[index] *= factor);
        }
        Ok(())
    }
}

impl Pipeline {
    /// Runs a raster window by window. `rows` gets the mask's finished rows in order, one byte a pixel:
    /// the class, or [`MASK_NODATA`] where every band the model reads holds the nodata value (the raster's
    /// own tag; the spec's where it has none) or any of them is NaN. Memory is bounded by one row of windows.
    ///
    /// # Errors
    /// If the model takes no rasters, a band is missing, the file is damaged, the session fails, or `rows`
    /// says so.
    pub fn run_raster(
        &mut self,
        raster: &mut dyn RasterSource,
        rows: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
        progress: &mut dyn FnMut(RasterProgress),
    ) -> Result<RasterAnswer, Error> {
        self.run_raster_rows(raster, &Scene::default(), &mut |row| rows(row.classes), progress)
    }

    /// As [`Pipeline::run_raster`]; `rows` gets the finished rows one by one, and may ask for their probabilities.
    ///
    /// # Errors
    /// As [`Pipeline::run_raster`].
    pub fn run_raster_rows(
        &mut self,
        raster: &mut dyn RasterSource,
        scene: &Scene,
        rows: &mut dyn FnMut(RasterRow<'_>) -> Result<(), Error>,
        progress: &mut dyn FnMut(RasterProgress),
    ) -> Result<RasterAnswer, Error> {
        let Self { session, stage, .. } = self;
        let Stage::Raster(stage) = stage else { return Err(no_rasters(self.spec())) };
        let Decoder::Mask(decoder) = stage.decoder else {
            return Err(Error::WrongTask { task: self.spec.task, wanted: "only a mask has rows" });
        };
        let (plan, mut reader) = stage.lay(raster, scene)?;
        stage.fill_coordinates(session, raster.info(), scene)?;
        let mut run = Run::new(decoder, &plan)?;
        let mut answer = reader.run_all(raster, &plan, session, progress, |prepared, session| {
            run.note_nodata(prepared);
            run.blend(prepared, session, stage.output)?;
            run.write_finished(rows)
        })?;
        self.times = answer.times;
        answer.pixels = run.pixels;
        answer.nodata_pixels = run.nodata_pixels;
        Ok(answer)
    }

    /// Runs at most `most` windows of a raster, spread over it, and calls `visit` after each: the session holds the
    /// window's raw outputs then. For calibration; a mask is made by [`Pipeline::run_raster`]. Returns how many
    /// windows were run.
    ///
    /// # Errors
    /// As [`Pipeline::run_raster`], and what `visit` says.
    pub fn visit_windows(
        &mut self,
        raster: &mut dyn RasterSource,
        scene: &Scene,
        most: usize,
        visit: &mut dyn FnMut(&Session) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let Self { session, stage, .. } = self;
        let Stage::Raster(stage) = stage else { return Err(no_rasters(self.spec())) };
        let (plan, mut reader) = stage.lay(raster, scene)?;
        stage.fill_coordinates(session, raster.info(), scene)?;
        let count = most.min(plan.len());
        let chosen = |window: &Window| {
            (window.index * count) / plan.len() != ((window.index + 1) * count) / plan.len()
        };
        reader.for_each(raster, &plan, plan.windows().filter(chosen), |prepared| {
            session.input_mut::<f32>(stage.inputs.pixels)?.copy_from_slice(&prepared.tensor);
            session.run()?;
            visit(session)
        })?;
        Ok(count)
    }
}

/// This pipeline takes something else.
pub(super) fn no_rasters(spec: &ModelSpec) -> Error {
    let takes = if matches!(spec.input, Input::Tensors) { "tensors" } else { "frames" };
    Error::WrongInput { takes, given: "a raster" }
}

/// The buffers of one raster's run.
struct Run {
    decoder: MaskDecoder,
    blender: Blender,
    size: [usize; 2],
    /// Which pixels hold no data, for as many rows as a window is high.
    nodata_rows: Vec<bool>,
    window_height: usize,
    floats: Vec<f32>,
    probabilities: Vec<f32>,
    line: Vec<u8>,
    pixels: Vec<u64>,
    nodata_pixels: u64,
}

impl Run {
    fn new(decoder: MaskDecoder, plan: &TilePlan) -> Result<Self, Error> {
        let ([height, width], size) = (plan.window_size(), plan.raster());
        let window_height = height.min(size[0]);
        Ok(Self {
            decoder,
            blender: Blender::new(plan, decoder.classes)?,
            size,
            nodata_rows: vec![false; window_height * size[1]],
            window_height,
            floats: Vec::new(),
            probabilities: vec![0.0; decoder.classes * height * width],
            line: vec![0; size[1]],
            pixels: vec![0; decoder.classes],
            nodata_pixels: 0,
        })
    }

    /// Keeps which of the raster's pixels hold no data until their rows are written.
    fn note_nodata(&mut self, Prepared { window, nodata, .. }: &Prepared) {
        let [height, width] = window.size;
        let [raster_height, raster_width] = self.size.map(|length| length as i64);
        for y in 0..height {
            let row = window.start[0] + y as i64;
            if !(0..raster_height).contains(&row) {
                continue;
            }
            let first = (-window.start[1]).clamp(0, width as i64);
            let end = (raster_width - window.start[1]).clamp(first, width as i64);
            let slot = row as usize % self.window_height * self.size[1];
            let start = slot + (window.start[1] + first) as usize;
            let count = (end - first) as usize;
            let from = y * width + first as usize;
            self.nodata_rows[start..start + count].copy_from_slice(&nodata[from..from + count]);
        }
    }

    fn blend(&mut self, prepared: &Prepared, session: &Session, output: usize) -> Result<(), Error> {
        let tensor = floats(session, output, &mut self.floats)?;
        if tensor.len() != self.probabilities.len() {
            return Err(Error::Contract(format!(
                "the model gave {} values for a window, its shape says {}",
                tensor.len(),
                self.probabilities.len()
            )));
        }
        activate_planes(self.decoder.before, tensor, self.decoder.classes, &mut self.probabilities);
        Ok(self.blender.add(&prepared.window, &self.probabilities)?)
    }

    fn write_finished(
        &mut self,
        rows: &mut dyn FnMut(RasterRow<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while let Some(finished) = self.blender.next_row() {
            argmax_row(finished.values, &mut self.line)?;
            let slot = finished.row % self.window_height * self.size[1];
            let nodata = &self.nodata_rows[slot..slot + self.size[1]];
            for (class, is_nodata) in self.line.iter_mut().zip(nodata) {
                if *is_nodata {
                    *class = MASK_NODATA;
                    self.nodata_pixels += 1;
                } else {
                    self.pixels[usize::from(*class)] += 1;
                }
            }
            rows(RasterRow {
                classes: &self.line,
                blended: finished.values,
                activation: self.decoder.after,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_shares() {
        let row = RasterRow {
            classes: &[0, 1, MASK_NODATA, 0],
            blended: &[3.0, 0.1, 1.0, 0.0, 1.0, 0.3, 1.0, 0.0],
            activation: Activation::None,
        };
        let mut out = Vec::new();
        row.probabilities(&mut out).unwrap();
        assert_eq!([out[0], out[4]], [0.75, 0.25]);
        assert!((out[1] - 0.25).abs() < 1e-6 && (out[5] - 0.75).abs() < 1e-6);
        assert!(out[2].is_nan() && out[6].is_nan());
        assert_eq!([out[3], out[7]], [0.0, 0.0]);
        let logits = RasterRow { classes: &[0], blended: &[2.0, -1.0], activation: Activation::None };
        assert!(logits.probabilities(&mut out).unwrap_err().to_string().contains("activation"));
    }
}
