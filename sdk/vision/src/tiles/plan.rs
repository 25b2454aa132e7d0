//! Which windows are laid over a raster, and how much each pixel of a window counts.

use farsight_spec::Blend;

use super::TileError;
use super::tukey::tukey;

/// A window over a raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its place in the plan's order.
    pub index: usize,
    /// `[row, column]` of its first pixel; negative, or past the end with its last pixels, where it
    /// reaches into the padding.
    pub start: [i64; 2],
    /// `[height, width]`.
    pub size: [usize; 2],
}

/// The windows over a raster, in row-major order, and their weights.
///
/// `Blend::UkisCsmask` is ukis-csmask 1.0.0 `utils.py: tile_array, untile_array`: padding of
/// `int(size * overlap)` before the raster, step `int(size - size * overlap)`, Tukey weights with
/// `alpha = 2 * overlap`. The reference also lays windows that touch nothing but its padding; what they
/// say is cropped away, so they are left out here. It knows square windows only; others are the same rule
/// axis by axis.
#[derive(Debug, Clone, PartialEq)]
pub struct TilePlan {
    raster: [usize; 2],
    window: [usize; 2],
    axes: [Axis; 2],
}

/// One axis of a plan.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    /// Padding before the raster.
    before: usize,
    step: usize,
    /// Windows that touch the raster.
    count: usize,
    weights: Vec<f64>,
}

impl TilePlan {
    /// Lays windows of `window` (`[height, width]`) over a raster of `raster` (`[height, width]`), with
    /// `overlap` (0 to 0.5) as the part of a window shared with its neighbour.
    ///
    /// # Errors
    /// An empty raster or window; an overlap outside 0 to 0.5.
    pub fn new(
        raster: [usize; 2],
        window: [usize; 2],
        overlap: f64,
        blend: Blend,
    ) -> Result<Self, TileError> {
        if raster.contains(&0) || window.contains(&0) {
            return Err(TileError::Empty { raster, window });
        }
        if !(0.0..=0.5).contains(&overlap) {
            return Err(TileError::Overlap { overlap });
        }
        let axis = match blend {
            Blend::UkisCsmask => Axis::ukis_csmask,
        };
        let axes = [axis(raster[0], window[0], overlap), axis(raster[1], window[1], overlap)];
        Ok(Self { raster, window, axes })
    }

    /// `[height, width]` of the raster.
    pub fn raster(&self) -> [usize; 2] {
        self.raster
    }

    /// `[height, width]` of every window.
    pub fn window_size(&self) -> [usize; 2] {
        self.window
    }

    /// How many `[rows, columns]` of windows there are.
    pub fn grid(&self) -> [usize; 2] {
        [self.axes[0].count, self.axes[1].count]
    }

    /// How many windows there are; at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.axes[0].count * self.axes[1].count
    }

    /// The windows, row by row.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        let columns = self.axes[1].count;
        (0..self.len()).map(move |index| Window {
            index,
            start: [self.axes[0].start(index / columns), self.axes[1].start(index % columns)],
            size: self.window,
        })
    }

    /// First raster row that the given row of windows touches; the raster's height past the last one.
    pub(crate) fn first_row(&self, window_row: usize) -> usize {
        if window_row >= self.axes[0].count {
            return self.raster[0];
        }
        self.axes[0].start(window_row).max(0) as usize
    }

    /// Weights along the rows and along the columns of a window; a pixel's weight is their product.
    pub fn weights(&self) -> [&[f64]; 2] {
        [&self.axes[0].weights, &self.axes[1].weights]
    }
}

impl Axis {
    fn ukis_csmask(length: usize, window: usize, overlap: f64) -> Self {
        let shared = window as f64 * overlap;
        let before = shared as usize;
        let step = ((window as f64 - shared) as usize).max(1);
        // Windows start at k * step - before; the last one that touches the raster starts before its end.
        let count = (length + before).div_ceil(step);
        Self { before, step, count, weights: tukey(window, overlap * 2.0) }
    }

    fn start(&self, index: usize) -> i64 {
        (index * self.step) as i64 - self.before as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_the_windows_of_the_reference_that_touch_the_raster() {
        // raster, window, overlap, starts along one axis
        let rows: &[(usize, usize, f64, &[i64])] = &[
            (256, 256, 0.2, &[-51, 153]),
            (120, 256, 0.2, &[-51]),
            (16, 16, 0.2, &[-3, 9]),
            (10, 16, 0.2, &[-3, 9]),
            (9, 16, 0.2, &[-3]),
            (32, 16, 0.0, &[0, 16]),
            (20, 16, 0.5, &[-8, 0, 8, 16]),
            (1, 1, 0.5, &[0]),
        ];
        for &(length, window, overlap, starts) in rows {
            let plan = TilePlan::new([length; 2], [window; 2], overlap, Blend::UkisCsmask).unwrap();
            let found: Vec<i64> = plan.windows().take(plan.grid()[1]).map(|window| window.start[1]).collect();
            assert_eq!(found, starts, "{length} {window} {overlap}");
            assert_eq!(plan.windows().count(), plan.len());
        }
    }

    #[test]
    fn refuses_what_cannot_be_laid() {
        let new = |raster, window, overlap| TilePlan::new(raster, window, overlap, Blend::UkisCsmask);
        assert!(matches!(new([0, 5], [4, 4], 0.2), Err(TileError::Empty { .. })));
        assert!(matches!(new([5, 5], [4, 0], 0.2), Err(TileError::Empty { .. })));
        for overlap in [-0.1, 0.51, f64::NAN] {
            assert!(matches!(new([5, 5], [4, 4], overlap), Err(TileError::Overlap { .. })), "{overlap}");
        }
    }
}
