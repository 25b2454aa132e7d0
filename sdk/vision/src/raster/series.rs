//! Several dates of one scene as one raster.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use farsight_spec::Band;

use super::{BandChoice, RasterError, RasterInfo, RasterSource, bands};
use crate::{Window, read_padded_window};

/// Several dates of one scene, one after the other: all bands of the first, then of the second, ….
///
/// Every date has the grid of the first: the same size, transform and coordinate system. A value that means "no data"
/// is the same for all.
pub struct RasterSeries {
    dates: Vec<Box<dyn RasterSource>>,
    info: RasterInfo,
    scratch: Vec<f32>,
}

impl std::fmt::Debug for RasterSeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RasterSeries").field("info", &self.info).finish_non_exhaustive()
    }
}

impl RasterSeries {
    /// The dates in their order, each with the name it goes by in messages.
    ///
    /// # Errors
    /// None was given, or one does not lie on the grid of the first or has another nodata value.
    pub fn new(dates: Vec<(PathBuf, Box<dyn RasterSource>)>) -> Result<Self, RasterError> {
        let Some((first, source)) = dates.first() else {
            let found = "no date was given".to_owned();
            return Err(RasterError::Unsupported { path: PathBuf::from("a series of rasters"), found });
        };
        let mut info = source.info().clone();
        for (path, other) in &dates[1..] {
            if let Some(found) = difference(&info, other.info()) {
                return Err(RasterError::Stack { first: first.clone(), second: path.clone(), found });
            }
            info.bands.extend(other.info().bands.iter().cloned());
        }
        let dates = dates.into_iter().map(|(_, source)| source).collect();
        Ok(Self { dates, info, scratch: Vec::new() })
    }
}

/// In what the grid of another date differs.
fn difference(first: &RasterInfo, other: &RasterInfo) -> Option<String> {
    let same_nodata = match (first.nodata, other.nodata) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
        (a, b) => a == b,
    };
    if first.size != other.size {
        return Some(format!("{:?} and {:?} pixels ([height, width])", first.size, other.size));
    }
    if first.georeference.epsg() != other.georeference.epsg() {
        return Some("two coordinate systems".to_owned());
    }
    if let (Some(a), Some(b)) = (first.georeference.transform(), other.georeference.transform()) {
        let half_a_pixel = 0.5 * (a[0].hypot(a[3])).min(a[1].hypot(a[4]));
        if (a[2] - b[2]).abs() > half_a_pixel || (a[5] - b[5]).abs() > half_a_pixel {
            let corner = |t: [f64; 6]| format!("({}, {})", t[2], t[5]);
            return Some(format!("upper left corners {} and {}", corner(a), corner(b)));
        }
    }
    (!same_nodata).then(|| "two values that mean \"no data\"".to_owned())
}

impl RasterSource for RasterSeries {
    fn info(&self) -> &RasterInfo {
        &self.info
    }

    fn choose_bands(&self, wanted: &[Band], frames: usize) -> Result<BandChoice, RasterError> {
        if frames != self.dates.len() {
            return Err(bands::wrong_frames(&self.info, wanted.len(), frames));
        }
        let mut chosen = BandChoice { bands: Vec::new(), matched: super::BandMatch::ByName };
        let mut before = 0;
        for date in &self.dates {
            let choice = date.choose_bands(wanted, 1)?;
            chosen.bands.extend(choice.bands.iter().map(|band| before + band));
            chosen.matched = choice.matched;
            before += date.info().bands.len();
        }
        Ok(chosen)
    }

    fn expect_windows(&mut self, height: usize, bands: usize) {
        let each = bands.div_ceil(self.dates.len());
        self.dates.iter_mut().for_each(|date| date.expect_windows(height, each));
    }

    fn set_threads(&mut self, threads: NonZeroUsize) {
        self.dates.iter_mut().for_each(|date| date.set_threads(threads));
    }

    fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        let pixels = window.size[0] * window.size[1];
        if out.len() != bands.len() * pixels {
            // Names what is wrong in the words of a single raster.
            return read_padded_window(self.info.size, window, bands.len(), scratch, out, |_, _, _, _, _| {
                Ok(())
            });
        }
        let mut before = 0;
        for date in &mut self.dates {
            let own = before..before + date.info().bands.len();
            let wanted: Vec<usize> = (0..bands.len()).filter(|i| own.contains(&bands[*i])).collect();
            let numbers: Vec<usize> = wanted.iter().map(|i| bands[*i] - before).collect();
            if !wanted.is_empty() {
                self.scratch.resize(wanted.len() * pixels, 0.0);
                date.read_padded(window, &numbers, scratch, &mut self.scratch)?;
                for (from, to) in self.scratch.chunks_exact(pixels).zip(wanted) {
                    out[to * pixels..][..pixels].copy_from_slice(from);
                }
            }
            before = own.end;
        }
        Ok(())
    }
}
