//! Where windows start along one axis, and how much each of their positions counts.

use std::ops::Range;

use farsight_spec::{Blend, Tiling};

use super::{TileError, profile};

/// The windows along one axis of a grid: rows or columns of a raster, one of the three of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    length: usize,
    window: usize,
    count: usize,
    /// Padding before the grid.
    before: usize,
    starts: Starts,
    /// Positions left out at both ends of a window's answer.
    cut: usize,
    weights: Vec<f64>,
}

/// Where windows start in the padded axis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Starts {
    /// Every `step`, and the last one at `last`.
    Stepped { step: usize, last: usize },
    /// Multiples of a step that is no whole number.
    Spread { step: f64 },
}

impl Axis {
    /// Lays windows along every axis of a grid of any number of axes.
    ///
    /// # Errors
    /// An axis or window of length 0; keys that do not belong to the blend or make no sense.
    pub fn lay<const N: usize>(
        tiling: &Tiling,
        lengths: [usize; N],
        windows: [usize; N],
    ) -> Result<[Self; N], TileError> {
        if lengths.contains(&0) || windows.contains(&0) {
            return Err(TileError::Empty { raster: lengths.into(), window: windows.into() });
        }
        tiling.validate("windows")?;
        let side = windows.into_iter().min().unwrap_or_default();
        let stride = tiling.stride.unwrap_or(side);
        if stride > side {
            return Err(TileError::Stride { stride, window: side });
        }
        let overlap = tiling.overlap.unwrap_or_default();
        // Where the windows overlap too little for it, the reference cuts less.
        let mut delta = tiling.delta.unwrap_or_default().min((side - stride) / 2);
        if lengths.iter().zip(windows).all(|(length, window)| *length <= window) {
            // The reference runs its model once, on the grid as it is.
            delta = 0;
        }
        Ok(std::array::from_fn(|at| {
            let (length, window) = (lengths[at], windows[at]);
            match tiling.blend {
                Blend::UkisCsmask => Self::ukis_csmask(length, window, overlap),
                Blend::Mmseg => Self::stepped(length, window, 0, stride),
                Blend::Monai => {
                    Self { weights: profile::monai(window), ..Self::monai(length, window, overlap) }
                }
                Blend::MonaiConstant => Self::monai(length, window, overlap),
                Blend::Nnunet => Self::nnunet(length, window, overlap),
                Blend::Terratorch => Self::terratorch(length, window, stride, delta),
                Blend::PrithviMae => Self::prithvi_mae(length, window),
            }
        }))
    }

    /// Positions along the grid.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Positions along a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// How many windows there are; at least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// First position of a window; negative where it reaches into the padding before the grid.
    pub fn start(&self, index: usize) -> i64 {
        let padded = match self.starts {
            Starts::Stepped { last, .. } if index + 1 >= self.count => last,
            Starts::Stepped { step, .. } => index * step,
            Starts::Spread { step } => (index as f64 * step).round_ties_even() as usize,
        };
        padded as i64 - self.before as i64
    }

    /// The positions of a window whose answer counts: all but those that the blend cuts off, or that lie outside the grid.
    pub fn kept(&self, index: usize) -> Range<usize> {
        let start = self.start(index);
        let first = (-start).max(self.cut as i64) as usize;
        let end = (self.length as i64 - start).clamp(0, (self.window - self.cut) as i64) as usize;
        first.min(end)..end
    }

    /// The windows whose answer counts at a position of the grid.
    pub fn covering(&self, position: usize) -> Range<usize> {
        let ends = |index: &usize| self.start(*index) + (self.window - self.cut) as i64;
        let begins = |index: &usize| self.start(*index) + self.cut as i64;
        let position = position as i64;
        let first = partition(self.count, |index| ends(&index) <= position);
        first..partition(self.count, |index| begins(&index) <= position).max(first)
    }

    /// How much each position of a window counts, 0 where it is cut off. What a blend does to the product of the
    /// axes' weights is told by [`weight_map`](super::weight_map).
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Padding of `int(size * overlap)` before the grid, step `int(size - size * overlap)`. The reference also lays
    /// windows that touch nothing but its padding; what they say is cropped away, so they are left out here.
    fn ukis_csmask(length: usize, window: usize, overlap: f64) -> Self {
        let shared = window as f64 * overlap;
        let before = shared as usize;
        let step = ((window as f64 - shared) as usize).max(1);
        // Windows start at k * step - before; the last one that touches the grid starts before its end.
        let count = (length + before).div_ceil(step);
        let starts = Starts::Stepped { step, last: (count - 1) * step };
        Self { length, window, count, before, starts, cut: 0, weights: profile::tukey(window, overlap * 2.0) }
    }

    /// Windows every `step`, the last one shifted back so that it ends with the grid. A grid smaller than the window
    /// is padded to it, by `before` before it.
    fn stepped(length: usize, window: usize, before: usize, step: usize) -> Self {
        let last = length.saturating_sub(window);
        let count = last.div_ceil(step) + 1;
        let starts = Starts::Stepped { step, last };
        Self { length, window, count, before, starts, cut: 0, weights: vec![1.0; window] }
    }

    /// Windows side by side. The reference pads so that the last one is full, or by a whole window that it crops away.
    fn prithvi_mae(length: usize, window: usize) -> Self {
        let count = length.div_ceil(window);
        let starts = Starts::Stepped { step: window, last: (count - 1) * window };
        Self { length, window, count, before: 0, starts, cut: 0, weights: vec![1.0; window] }
    }

    fn monai(length: usize, window: usize, overlap: f64) -> Self {
        let interval = (window as f64 * (1.0 - overlap)) as usize;
        Self::stepped(length, window, window.saturating_sub(length) / 2, interval.max(1))
    }

    /// As few windows as a step of `(1 - overlap) * window` allows, spread evenly.
    fn nnunet(length: usize, window: usize, overlap: f64) -> Self {
        let last = length.saturating_sub(window) as f64;
        let count = (last / (window as f64 * (1.0 - overlap))).ceil() as usize + 1;
        let starts = Starts::Spread { step: if count > 1 { last / (count - 1) as f64 } else { 0.0 } };
        let before = window.saturating_sub(length) / 2;
        Self { length, window, count, before, starts, cut: 0, weights: profile::nnunet(window) }
    }

    /// Padding of `delta` at both ends, windows every `stride` while they end before the last but one position, and
    /// one that ends with the padding. Where that leaves a position uncovered the reference fails; here one window
    /// more is laid.
    fn terratorch(length: usize, window: usize, stride: usize, delta: usize) -> Self {
        let last = (length + 2 * delta).saturating_sub(window);
        let regular = last.saturating_sub(1).div_ceil(stride);
        let reached = if regular == 0 { 0 } else { (regular - 1) * stride + window - 2 * delta };
        let missing = usize::from(last > reached);
        let starts = Starts::Stepped { step: stride, last };
        let weights = profile::terratorch(window, stride, delta);
        Self { length, window, count: regular + missing + 1, before: delta, starts, cut: delta, weights }
    }
}

/// The first of `0..count` for which `before` is false; it is true for all earlier ones.
fn partition(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
