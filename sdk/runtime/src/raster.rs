//! A raster through the model: windows in, rows of a mask out, in bounded memory.

use farsight_engine::Session;
use farsight_spec::{Activation, Average, ElementType, Input, ModelSpec, Output, RasterInput, Tiling};
use farsight_vision::{
    BandMatch, Blender, Raster, RasterInfo, RasterNormalise, RasterSource, TilePlan, Window, activate_planes,
    argmax_row, nodata_mask,
};

use crate::pipeline::floats;
use crate::stage::{Stage, check_input, output_index, output_shape};
use crate::times::Laps;
use crate::{Error, Pipeline, Times};

/// Stands in a mask where the raster holds no data.
pub const MASK_NODATA: u8 = farsight_vision::NOT_SEEN;

/// What a raster gave, beside the rows of its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterAnswer {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// Windows run.
    pub windows: usize,
    /// Where the time went: reading and normalising; the session; blending and writing.
    pub times: Times,
    /// Pixels of each class.
    pub pixels: Vec<u64>,
    /// Pixels without data.
    pub nodata_pixels: u64,
    /// Area of a pixel in square metres, where the raster's coordinates are metres.
    pub pixel_area_m2: Option<f64>,
    /// How the model's bands were found in the file.
    pub bands: BandMatch,
}

/// A finished row of a raster.
#[derive(Debug, Clone, Copy)]
pub struct RasterRow<'a> {
    /// The class of each pixel, or [`MASK_NODATA`].
    pub classes: &'a [u8],
    /// `[classes, width]`: what the windows that cover a pixel say together, up to a factor a pixel.
    blended: &'a [f32],
}

impl RasterRow<'_> {
    /// Fills `out` with the probabilities of the classes, `[classes, width]`: each class's share of the blended
    /// values, NaN where there is no data.
    ///
    /// # Errors
    /// The model's values are no probabilities: some are negative.
    pub fn probabilities(&self, out: &mut Vec<f32>) -> Result<(), Error> {
        let width = self.classes.len();
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

/// How far a raster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RasterProgress {
    /// Windows done.
    pub done: usize,
    /// Windows in all.
    pub total: usize,
    /// Where the time of this window went.
    pub times: Times,
}

/// What a raster needs, made once at open.
pub(crate) struct RasterStage {
    normalise: RasterNormalise,
    tiling: Tiling,
    window: [usize; 2],
    classes: usize,
    activation: Activation,
    output: usize,
    spec: RasterInput,
}

impl RasterStage {
    pub(crate) fn new(input: &RasterInput, spec: &ModelSpec, session: &Session) -> Result<Self, Error> {
        let Output::Mask(mask) = &spec.output else {
            return Err(Error::Contract("a raster's decoder is `mask`".to_owned()));
        };
        let window = input
            .tiling
            .window
            .ok_or_else(|| Error::Contract("the spec is not resolved: the window is missing".to_owned()))?;
        let bands = input.bands.len();
        check_input(session, spec, "a raster")?;
        if session.inputs()[0].element != ElementType::F32 {
            return Err(Error::Contract(format!(
                "the input is {:?}; rasters fill f32",
                session.inputs()[0].element
            )));
        }
        let output = output_index(spec, session.outputs())?;
        let classes = match output_shape(session, output)?[..] {
            [1, classes @ 2..=255, height, width] if [height, width] == window => classes,
            ref shape => {
                return Err(Error::Contract(format!(
                    "the output's shape is {shape:?}, a raster's needs scores of 2 to 255 classes: [1, classes, {}, {}]",
                    window[0], window[1]
                )));
            }
        };
        if !mask.labels.is_empty() && mask.labels.len() != classes {
            return Err(Error::Contract(format!(
                "the spec has {} labels, the model {classes} classes",
                mask.labels.len()
            )));
        }
        Ok(Self {
            normalise: RasterNormalise::new(&input.normalise, bands)?,
            tiling: input.tiling.clone(),
            window,
            classes,
            // The class with the largest logit is the one with the largest probability.
            activation: match input.tiling.blend.averages() {
                Average::Probabilities => mask.activation,
                Average::Logits => Activation::None,
            },
            output,
            spec: input.clone(),
        })
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
        self.run_raster_rows(raster, &mut |row| rows(row.classes), progress)
    }

    /// As [`Pipeline::run_raster`]; `rows` gets the finished rows one by one, and may ask for their probabilities.
    ///
    /// # Errors
    /// As [`Pipeline::run_raster`].
    pub fn run_raster_rows(
        &mut self,
        raster: &mut dyn RasterSource,
        rows: &mut dyn FnMut(RasterRow<'_>) -> Result<(), Error>,
        progress: &mut dyn FnMut(RasterProgress),
    ) -> Result<RasterAnswer, Error> {
        let Self { session, stage, .. } = self;
        let Stage::Raster(stage) = stage else {
            let takes = if matches!(self.spec().input, Input::Tensors) { "tensors" } else { "frames" };
            return Err(Error::WrongInput { takes, given: "a raster" });
        };
        let choice = raster.choose_bands(&stage.spec.bands)?;
        let plan = TilePlan::new(raster.info().size, stage.window, &stage.tiling)?;
        raster.expect_windows(stage.window[0], choice.bands.len());
        let mut run = Run::new(stage, &plan, raster.info())?;
        let total = plan.len();
        for window in plan.windows() {
            let mut laps = Laps::start();
            let tensor = session.input_mut::<f32>(0)?;
            raster.read_padded(&window, &choice.bands, &mut run.scratch, tensor)?;
            run.note_nodata(&window, tensor);
            stage.normalise.run(tensor);
            nan_to_mean(tensor);
            let pre = laps.lap();
            session.run()?;
            let infer = laps.lap();
            run.blend(stage, &window, session)?;
            run.write_finished(rows)?;
            let times = Times { pre, infer, post: laps.lap() };
            run.times += times;
            progress(RasterProgress { done: window.index + 1, total, times });
        }
        self.times = run.times;
        Ok(RasterAnswer {
            size: raster.info().size,
            windows: total,
            times: run.times,
            pixels: run.pixels,
            nodata_pixels: run.nodata_pixels,
            pixel_area_m2: raster.info().georeference.pixel_area_m2(),
            bands: choice.matched,
        })
    }
}

impl Pipeline {
    /// Runs at most `most` windows of a raster, spread over it, and calls `visit` after each: the session holds the
    /// window's raw outputs then. For calibration; a mask is made by [`Pipeline::run_raster`]. Returns how many
    /// windows were run.
    ///
    /// # Errors
    /// As [`Pipeline::run_raster`], and what `visit` says.
    pub fn visit_windows(
        &mut self,
        raster: &mut Raster,
        most: usize,
        visit: &mut dyn FnMut(&Session) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let Self { session, stage, spec, .. } = self;
        let Stage::Raster(stage) = stage else {
            let takes = if matches!(spec.input, Input::Tensors) { "tensors" } else { "frames" };
            return Err(Error::WrongInput { takes, given: "a raster" });
        };
        let choice = raster.choose_bands(&stage.spec.bands)?;
        let plan = TilePlan::new(raster.info().size, stage.window, &stage.tiling)?;
        let mut scratch = Vec::new();
        let count = most.min(plan.len());
        let chosen = |index: usize| (index * count) / plan.len() != ((index + 1) * count) / plan.len();
        for window in plan.windows().filter(|window| chosen(window.index)) {
            let tensor = session.input_mut::<f32>(0)?;
            raster.read_padded(&window, &choice.bands, &mut scratch, tensor)?;
            stage.normalise.run(tensor);
            nan_to_mean(tensor);
            session.run()?;
            visit(session)?;
        }
        Ok(count)
    }
}

/// The buffers of one raster's run.
struct Run {
    blender: Blender,
    nodata: Option<f64>,
    size: [usize; 2],
    /// Which pixels hold no data, for as many rows as a window is high.
    nodata_rows: Vec<bool>,
    nodata_window: Vec<bool>,
    window_height: usize,
    scratch: Vec<f32>,
    floats: Vec<f32>,
    probabilities: Vec<f32>,
    line: Vec<u8>,
    times: Times,
    pixels: Vec<u64>,
    nodata_pixels: u64,
}

impl Run {
    fn new(stage: &RasterStage, plan: &TilePlan, raster: &RasterInfo) -> Result<Self, Error> {
        let [height, width] = stage.window;
        Ok(Self {
            blender: Blender::new(plan, stage.classes)?,
            nodata: raster.nodata.or(stage.spec.nodata),
            size: raster.size,
            nodata_rows: vec![false; height.min(raster.size[0]) * raster.size[1]],
            nodata_window: vec![false; height * width],
            window_height: height.min(raster.size[0]),
            scratch: Vec::new(),
            floats: Vec::new(),
            probabilities: vec![0.0; stage.classes * height * width],
            line: vec![0; raster.size[1]],
            times: Times::default(),
            pixels: vec![0; stage.classes],
            nodata_pixels: 0,
        })
    }

    /// Keeps which of the window's pixels hold no data, before they are normalised.
    fn note_nodata(&mut self, window: &Window, values: &[f32]) {
        match self.nodata {
            Some(nodata) => nodata_mask(values, nodata, &mut self.nodata_window),
            None => self.nodata_window.fill(false),
        }
        let pixels = self.nodata_window.len();
        for (index, _) in values.iter().enumerate().filter(|(_, value)| value.is_nan()) {
            self.nodata_window[index % pixels] = true;
        }
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
            self.nodata_rows[start..start + count].copy_from_slice(&self.nodata_window[from..from + count]);
        }
    }

    fn blend(&mut self, stage: &RasterStage, window: &Window, session: &Session) -> Result<(), Error> {
        let tensor = floats(session, stage.output, &mut self.floats)?;
        if tensor.len() != self.probabilities.len() {
            return Err(Error::Contract(format!(
                "the model gave {} values for a window, its shape says {}",
                tensor.len(),
                self.probabilities.len()
            )));
        }
        activate_planes(stage.activation, tensor, stage.classes, &mut self.probabilities);
        Ok(self.blender.add(window, &self.probabilities)?)
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
            rows(RasterRow { classes: &self.line, blended: finished.values })?;
        }
        Ok(())
    }
}

/// One NaN would spread over as much of the window as the model sees at once: it becomes the mean of the training
/// data, and its pixel holds no data in the mask. Outside the raster it is the zero that some blends pad with.
fn nan_to_mean(tensor: &mut [f32]) {
    for value in tensor.iter_mut().filter(|value| value.is_nan()) {
        *value = 0.0;
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
        };
        let mut out = Vec::new();
        row.probabilities(&mut out).unwrap();
        assert_eq!([out[0], out[4]], [0.75, 0.25]);
        assert!((out[1] - 0.25).abs() < 1e-6 && (out[5] - 0.75).abs() < 1e-6);
        assert!(out[2].is_nan() && out[6].is_nan());
        assert_eq!([out[3], out[7]], [0.0, 0.0]);
        let logits = RasterRow { classes: &[0], blended: &[2.0, -1.0] };
        assert!(logits.probabilities(&mut out).unwrap_err().to_string().contains("activation"));
    }
}
