//! Which windows are laid over a raster.

use farsight_spec::{Blend, Tiling};

use super::{Axis, Padding, TileError, weight_map};

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
    /// What stands where it reaches outside the raster.
    pub padding: Padding,
}

/// The windows over a raster, in row-major order.
///
/// Starts and weights equal those of the reference that the blend is named after. A model has one input size, so
/// where a reference runs its model on a smaller raster as it is (`mmseg`, `terratorch`), the window reaches over
/// the raster's right and lower border, filled as that reference pads elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct TilePlan {
    axes: [Axis; 2],
    blend: Blend,
}

impl TilePlan {
    /// Lays windows of `window` (`[height, width]`) over a raster of `raster` (`[height, width]`). The window that
    /// `tiling` itself may name is not read.
    ///
    /// # Errors
    /// An empty raster or window; keys that do not belong to the blend or make no sense.
    pub fn new(raster: [usize; 2], window: [usize; 2], tiling: &Tiling) -> Result<Self, TileError> {
        Ok(Self { axes: Axis::lay(tiling, raster, window)?, blend: tiling.blend })
    }

    /// `[height, width]` of the raster.
    pub fn raster(&self) -> [usize; 2] {
        [self.axes[0].length(), self.axes[1].length()]
    }

    /// `[height, width]` of every window.
    pub fn window_size(&self) -> [usize; 2] {
        [self.axes[0].window(), self.axes[1].window()]
    }

    /// How many `[rows, columns]` of windows there are.
    pub fn grid(&self) -> [usize; 2] {
        [self.axes[0].count(), self.axes[1].count()]
    }

    /// How many windows there are; at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.axes[0].count() * self.axes[1].count()
    }

    /// The windows, row by row.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        let [_, columns] = self.grid();
        let padding = Padding::of(self.blend);
        (0..self.len()).map(move |index| Window {
            index,
            start: [self.axes[0].start(index / columns), self.axes[1].start(index % columns)],
            size: self.window_size(),
            padding,
        })
    }

    /// Rows and columns.
    pub fn axes(&self) -> &[Axis; 2] {
        &self.axes
    }

    /// Window starts and weights are those of this reference.
    pub fn blend(&self) -> Blend {
        self.blend
    }

    /// How much each pixel of a window counts, `[height, width]`.
    pub fn weights(&self) -> Vec<f64> {
        weight_map(self.blend, &self.axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiling(blend: Blend, overlap: f64) -> Tiling {
        Tiling { window: None, overlap: Some(overlap), stride: None, delta: None, blend }
    }

    #[test]
    fn lays_the_windows_of_ukis_csmask_that_touch_the_raster() {
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
            let tiling = tiling(Blend::UkisCsmask, overlap);
            let plan = TilePlan::new([length; 2], [window; 2], &tiling).unwrap();
            let found: Vec<i64> = plan.windows().take(plan.grid()[1]).map(|window| window.start[1]).collect();
            assert_eq!(found, starts, "{length} {window} {overlap}");
            assert_eq!(plan.windows().count(), plan.len());
        }
    }

    #[test]
    fn refuses_what_cannot_be_laid() {
        let new =
            |raster, window, overlap| TilePlan::new(raster, window, &tiling(Blend::UkisCsmask, overlap));
        assert!(matches!(new([0, 5], [4, 4], 0.2), Err(TileError::Empty { .. })));
        assert!(matches!(new([5, 5], [4, 0], 0.2), Err(TileError::Empty { .. })));
        for overlap in [-0.1, 0.51, f64::NAN] {
            let message = new([5, 5], [4, 4], overlap).unwrap_err().to_string();
            assert!(message.contains("`input.tiling.overlap` is"), "{message}");
        }
        let gaps = Tiling { overlap: None, stride: Some(5), ..tiling(Blend::Mmseg, 0.0) };
        assert_eq!(TilePlan::new([9, 9], [8, 4], &gaps), Err(TileError::Stride { stride: 5, window: 4 }));
    }
}
