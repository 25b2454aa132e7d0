//! Windows in, classes of each out.

use farsight_vision::{ClassScore, RasterSource, Window};

use super::mask::no_rasters;
use super::stage::Decoder;
use super::{RasterAnswer, RasterProgress, Scene};
use crate::pipeline::floats;
use crate::stage::Stage;
use crate::{Error, Pipeline};

/// What becomes of a window and its classes.
type Visit<'v> = dyn FnMut(&Window, &[ClassScore]) -> Result<(), Error> + 'v;

impl Pipeline {
    /// Classifies a raster window by window: one answer for a patch as large as the model's window. `visit` gets each
    /// window with its classes, the best first; none for a window that holds no data at all.
    ///
    /// # Errors
    /// If the model takes no rasters or makes masks of them, a band is missing, the file is damaged, the session
    /// fails, or `visit` says so.
    pub fn classify_raster(
        &mut self,
        raster: &mut dyn RasterSource,
        scene: &Scene,
        visit: &mut Visit<'_>,
        progress: &mut dyn FnMut(RasterProgress),
    ) -> Result<RasterAnswer, Error> {
        let task = self.spec.task;
        let Self { session, stage, .. } = self;
        let Stage::Raster(stage) = stage else { return Err(no_rasters(self.spec())) };
        // The decoder is lent out of the stage, which is read meanwhile.
        let Decoder::Classes(decoder) = &stage.decoder else {
            return Err(Error::WrongTask { task, wanted: "only a classifier gives classes of windows" });
        };
        let mut decoder = decoder.clone();
        let (plan, mut reader) = stage.lay(raster, scene)?;
        stage.fill_coordinates(session, raster.info(), scene)?;
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        let answer = reader.run_all(raster, &plan, session, progress, |prepared, session| {
            classes.clear();
            if prepared.nodata.contains(&false) {
                decoder.decode(floats(session, stage.output, &mut values)?, &mut classes)?;
            }
            visit(&prepared.window, &classes)
        })?;
        self.times = answer.times;
        Ok(answer)
    }
}
