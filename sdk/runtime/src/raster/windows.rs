//! Windows, read and prepared on a thread of their own while the session runs on the one before.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use farsight_engine::Session;
use farsight_spec::{Fill, Units};
use farsight_vision::{BandChoice, RasterInfo, RasterSource, TilePlan, Window, nodata_mask};

use super::stage::RasterStage;
use super::{RasterAnswer, RasterProgress, Scene};
use crate::times::Laps;
use crate::{Error, Times};

/// Windows in hand at once: one that the session runs on, one that is being read, one that is ready.
const IN_HAND: usize = 3;
/// Every so many values are looked at to tell the units of a raster.
const SAMPLE: usize = 61;

/// A window, ready for the session.
pub(super) struct Prepared {
    pub(super) window: Window,
    /// The model's input.
    pub(super) tensor: Vec<f32>,
    /// Which of the window's pixels hold no data.
    pub(super) nodata: Vec<bool>,
    took: Duration,
}

/// Reads windows and makes of them what the model wants.
pub(super) struct Reader<'s> {
    stage: &'s RasterStage,
    /// Bands of the raster in the order of the tensor's planes.
    bands: Vec<usize>,
    choice: BandChoice,
    /// The value of each plane that means "no data".
    nodata: Vec<Option<f64>>,
    scale: f32,
    offset: f32,
    scratch: Vec<f32>,
    /// Least and greatest value seen, in the units of the model.
    seen: [f32; 2],
}

impl<'s> Reader<'s> {
    pub(super) fn new(stage: &'s RasterStage, choice: BandChoice, info: &RasterInfo, scene: &Scene) -> Self {
        let bands: Vec<usize> = stage.spec.planes().into_iter().map(|place| choice.bands[place]).collect();
        let nodata = |band: &usize| info.bands[*band].nodata.or(info.nodata).or(stage.spec.nodata);
        let nodata = bands.iter().map(nodata).collect();
        Self {
            stage,
            bands,
            choice,
            nodata,
            scale: scene.scale as f32,
            offset: scene.offset as f32,
            scratch: Vec::new(),
            seen: [f32::INFINITY, f32::NEG_INFINITY],
        }
    }

    /// Runs the session on every window of a plan, in their order, and calls `work` with each and the session that holds
    /// its raw answer.
    pub(super) fn run_all(
        &mut self,
        raster: &mut dyn RasterSource,
        plan: &TilePlan,
        session: &mut Session,
        progress: &mut dyn FnMut(RasterProgress),
        mut work: impl FnMut(&Prepared, &Session) -> Result<(), Error>,
    ) -> Result<RasterAnswer, Error> {
        let mut answer = RasterAnswer::new(raster.info(), plan.len(), self.choice.clone());
        let pixels = self.stage.inputs.pixels;
        let mut laps = Laps::start();
        answer.reading = self.for_each(raster, plan, plan.windows(), |prepared| {
            session.input_mut::<f32>(pixels)?.copy_from_slice(&prepared.tensor);
            let pre = laps.lap();
            session.run()?;
            let infer = laps.lap();
            work(prepared, session)?;
            let times = Times { pre, infer, post: laps.lap() };
            answer.times += times;
            progress(RasterProgress { done: prepared.window.index + 1, total: plan.len(), times });
            Ok(())
        })?;
        answer.doubt = self.doubt();
        Ok(answer)
    }

    /// Reads all windows, in their order, and calls `work` with each; the next ones are read meanwhile. Returns
    /// how long reading took.
    pub(super) fn for_each(
        &mut self,
        raster: &mut dyn RasterSource,
        plan: &TilePlan,
        windows: impl Iterator<Item = Window> + Send,
        mut work: impl FnMut(&Prepared) -> Result<(), Error>,
    ) -> Result<Duration, Error> {
        let pixels = plan.window_size()[0] * plan.window_size()[1];
        let values = pixels * self.bands.len();
        let (give_back, empty) = sync_channel(IN_HAND);
        let (hand_on, ready) = sync_channel(1);
        let mut reading = Duration::ZERO;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (made, window) in windows.enumerate() {
                    let new = || Prepared {
                        window,
                        tensor: vec![0.0; values],
                        nodata: vec![false; pixels],
                        took: Duration::ZERO,
                    };
                    let buffer = if made < IN_HAND { Ok(new()) } else { empty.recv() };
                    // Nobody takes windows any more.
                    let Ok(mut prepared) = buffer else { return };
                    let start = Instant::now();
                    prepared.window = window;
                    let read = self.prepare(raster, &mut prepared);
                    prepared.took = start.elapsed();
                    let failed = read.is_err();
                    if hand_on.send(read.map(|()| prepared)).is_err() || failed {
                        return;
                    }
                }
            });
            for prepared in ready {
                let prepared = prepared?;
                reading += prepared.took;
                work(&prepared)?;
                // The reader may have read the last one.
                let _ = give_back.send(prepared);
            }
            Ok(())
        })
        .map(|()| reading)
    }

    fn prepare(&mut self, raster: &mut dyn RasterSource, prepared: &mut Prepared) -> Result<(), Error> {
        let Prepared { window, tensor, nodata, .. } = prepared;
        raster.read_padded(window, &self.bands, &mut self.scratch, tensor)?;
        self.mark_nodata(tensor, nodata);
        self.convert(tensor);
        self.stage.normalise.run(tensor);
        let filling = match self.stage.spec.fill {
            Some(Fill::Tensor(value)) => value as f32,
            // What a normalised mean is. One NaN would spread over as much of the window as the model sees at once.
            // Outside the raster it is the zero that some blends pad with.
            _ => 0.0,
        };
        tensor.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = filling);
        Ok(())
    }

    fn mark_nodata(&self, tensor: &[f32], mask: &mut [bool]) {
        nodata_mask(tensor, &self.nodata, self.stage.spec.nodata_rule, mask);
        for plane in tensor.chunks_exact(mask.len()) {
            for (is_nodata, value) in mask.iter_mut().zip(plane) {
                *is_nodata |= value.is_nan();
            }
        }
    }

    /// From stored values to what the model's statistics are of.
    fn convert(&mut self, tensor: &mut [f32]) {
        let (scale, offset, fill) = (self.scale, self.offset, self.stage.spec.fill);
        let is_plain = scale == 1.0 && offset == 0.0 && fill.is_none();
        let pixels = tensor.len() / self.nodata.len().max(1);
        for (plane, nodata) in tensor.chunks_exact_mut(pixels.max(1)).zip(&self.nodata) {
            let nodata = nodata.map(|value| value as f32);
            let real = |value: f32| match (Some(value) == nodata, fill) {
                (false, _) => value * scale + offset,
                (true, None) => value,
                (true, Some(Fill::Raw(value))) => value as f32,
                (true, Some(Fill::Tensor(_))) => f32::NAN,
            };
            for value in plane.iter().step_by(SAMPLE).filter(|value| Some(**value) != nodata) {
                let value = value * scale + offset;
                self.seen = [self.seen[0].min(value), self.seen[1].max(value)];
            }
            if !is_plain {
                plane.iter_mut().for_each(|value| *value = real(*value));
            }
        }
    }

    /// Why the raster looks as if it were in other units than the model's.
    fn doubt(&self) -> Option<String> {
        let [least, greatest] = self.seen;
        let (expected, hint) = match self.stage.spec.units? {
            Units::Reflectance if greatest > 10.0 => {
                ("reflectance, 0 to about 1", "if they are digital numbers, give the scale 0.0001")
            }
            Units::Dn if greatest > 0.0 && greatest <= 2.0 => {
                ("digital numbers, reflectance × 10,000", "if they are reflectance, give the scale 10000")
            }
            Units::Db if greatest > 60.0 || least >= 0.0 => {
                ("decibels, about -30 to 10", "convert linear backscatter with 10 * log10(value)")
            }
            _ => return None,
        };
        Some(format!("values from {least} to {greatest} were seen, the model wants {expected}; {hint}"))
    }
}
