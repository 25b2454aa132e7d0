//! The answers of overlapping windows, added up row by row.

use super::{TileError, TilePlan, Window};

/// Adds up the probabilities of a plan's windows and hands out rows as soon as no later window touches them.
///
/// The arithmetic of ukis-csmask 1.0.0 `utils.py: untile_array`: probability times weight in f64, summed in
/// f64 in the order of the windows, then cast to f32. The sums are not divided by the sum of the weights.
/// Memory: one row of windows, see [`Blender::bytes`].
///
/// ```
/// # use farsight_vision::{argmax_row, Blender, TileError, TilePlan};
/// # use farsight_spec::Blend;
/// # fn main() -> Result<(), TileError> {
/// let plan = TilePlan::new([40, 30], [16, 16], 0.2, Blend::UkisCsmask)?;
/// let mut blender = Blender::new(&plan, 3)?;
/// let mut mask = Vec::new();
/// let mut labels = vec![0; 30];
/// for window in plan.windows() {
///     let probabilities = vec![1.0 / 3.0; 3 * 16 * 16]; // the model's answer
///     blender.add(&window, &probabilities)?;
///     while let Some(row) = blender.next_row() {
///         argmax_row(row.values, &mut labels)?;
///         mask.extend_from_slice(&labels);
///     }
/// }
/// assert_eq!(mask.len(), 40 * 30);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Blender {
    plan: TilePlan,
    classes: usize,
    /// `[slots, classes, width]`; raster row `r` lies in slot `r % slots`.
    sums: Vec<f64>,
    slots: usize,
    /// Weights of one line of a window.
    line: Vec<f64>,
    /// The row handed out last, `[classes, width]`.
    row: Vec<f32>,
    next_window: usize,
    next_row: usize,
    /// Rows below this are final.
    finished: usize,
}

/// A row that no later window touches.
#[derive(Debug, PartialEq)]
pub struct FinishedRow<'a> {
    /// Its number.
    pub row: usize,
    /// `[classes, width]`: the weighted sums of the probabilities.
    pub values: &'a [f32],
}

impl Blender {
    /// Room for one row of windows with `classes` values a pixel.
    ///
    /// # Errors
    /// No classes, or not enough memory.
    pub fn new(plan: &TilePlan, classes: usize) -> Result<Self, TileError> {
        let [_, width] = plan.raster();
        if classes == 0 {
            return Err(TileError::Classes { found: 0 });
        }
        let slots = plan.window_size()[0].min(plan.raster()[0]);
        let out_of_memory = |bytes| TileError::Memory { classes, width, bytes };
        let values = slots
            .checked_mul(classes)
            .and_then(|n| n.checked_mul(width))
            .filter(|n| n.checked_mul(8).is_some())
            .ok_or(out_of_memory(usize::MAX))?;
        let mut sums = Vec::new();
        sums.try_reserve_exact(values).map_err(|_| out_of_memory(values * 8))?;
        sums.resize(values, 0.0);
        Ok(Self {
            plan: plan.clone(),
            classes,
            sums,
            slots,
            line: vec![0.0; plan.window_size()[1]],
            row: vec![0.0; classes * width],
            next_window: 0,
            next_row: 0,
            finished: 0,
        })
    }

    /// Bytes that a blender for this plan takes.
    pub fn bytes(plan: &TilePlan, classes: usize) -> usize {
        let [height, width] = plan.raster();
        let slots = plan.window_size()[0].min(height);
        classes.saturating_mul(width).saturating_mul(8 * slots + 4)
    }

    /// Adds the `[classes, height, width]` probabilities of the plan's next window.
    ///
    /// # Errors
    /// Another window than the next one; a wrong number of values; finished rows still inside.
    pub fn add(&mut self, window: &Window, probabilities: &[f32]) -> Result<(), TileError> {
        let [height, width] = self.plan.window_size();
        let expected = self.classes * height * width;
        if window.index != self.next_window {
            return Err(TileError::Order { found: window.index, expected: self.next_window });
        }
        if probabilities.len() != expected {
            let found = probabilities.len();
            return Err(TileError::Length { what: "probabilities of a window", found, expected });
        }
        if self.next_row < self.finished {
            return Err(TileError::RowsLeft { first: self.next_row, last: self.finished - 1 });
        }
        self.accumulate(window, probabilities);

        self.next_window += 1;
        let [_, columns] = self.plan.grid();
        if self.next_window.is_multiple_of(columns) {
            self.finished = self.plan.first_row(self.next_window / columns);
        }
        Ok(())
    }

    /// The next finished row, top to bottom; `None` until more windows are added.
    pub fn next_row(&mut self) -> Option<FinishedRow<'_>> {
        if self.next_row >= self.finished {
            return None;
        }
        let row = self.next_row;
        let length = self.row.len();
        let sums = &mut self.sums[row % self.slots * length..][..length];
        for (out, sum) in self.row.iter_mut().zip(sums) {
            *out = *sum as f32;
            *sum = 0.0;
        }
        self.next_row += 1;
        Some(FinishedRow { row, values: &self.row })
    }

    fn accumulate(&mut self, window: &Window, probabilities: &[f32]) {
        let [height, width] = window.size;
        let [raster_height, raster_width] = self.plan.raster();
        let [row_weights, column_weights] = self.plan.weights();
        let rows = inside(window.start[0], height, raster_height);
        let columns = inside(window.start[1], width, raster_width);
        let left = (window.start[1] + columns.start as i64) as usize;
        for y in rows {
            let row = (window.start[0] + y as i64) as usize;
            for (weight, column) in self.line.iter_mut().zip(column_weights) {
                *weight = row_weights[y] * column;
            }
            for class in 0..self.classes {
                let source = &probabilities[(class * height + y) * width..][columns.clone()];
                let first = (row % self.slots * self.classes + class) * raster_width + left;
                let sums = &mut self.sums[first..][..columns.len()];
                let weights = &self.line[columns.clone()];
                for ((sum, &probability), weight) in sums.iter_mut().zip(source).zip(weights) {
                    *sum += f64::from(probability) * weight;
                }
            }
        }
    }
}

/// The positions of a window that lie inside the raster, on one axis.
fn inside(start: i64, size: usize, length: usize) -> std::ops::Range<usize> {
    let first = (-start).max(0) as usize;
    let end = (length as i64 - start).clamp(0, size as i64) as usize;
    first.min(end)..end
}

/// The class with the largest value, for each pixel of a row `[classes, width]`; `labels` has one byte a
/// pixel. As `numpy.argmax`: the first class on ties, and a NaN counts as the largest.
///
/// # Errors
/// `values` is not a whole number of rows as long as `labels`, or has more than 256 classes.
pub fn argmax_row(values: &[f32], labels: &mut [u8]) -> Result<(), TileError> {
    let width = labels.len();
    if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
        return Err(TileError::Length { what: "row of values", found: values.len(), expected: width });
    }
    let classes = values.len() / width;
    if classes > 256 {
        return Err(TileError::Classes { found: classes });
    }
    for (x, label) in labels.iter_mut().enumerate() {
        let (mut best, mut class) = (values[x], 0);
        for other in 1..classes {
            let value = values[other * width + x];
            if value > best || (value.is_nan() && !best.is_nan()) {
                (best, class) = (value, other);
            }
        }
        *label = class as u8;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use farsight_spec::Blend;

    fn plan() -> TilePlan {
        TilePlan::new([40, 30], [16, 16], 0.2, Blend::UkisCsmask).unwrap()
    }

    #[test]
    fn rows_come_once_in_order_and_not_before_they_are_final() {
        let plan = plan();
        let mut blender = Blender::new(&plan, 2).unwrap();
        let answer = vec![0.5; 2 * 16 * 16];
        let mut rows = Vec::new();
        for window in plan.windows() {
            blender.add(&window, &answer).unwrap();
            while let Some(row) = blender.next_row() {
                rows.push(row.row);
                let later = plan.windows().filter(|w| w.index > window.index);
                assert!(later.into_iter().all(|w| w.start[0] > row.row as i64), "row {}", row.row);
            }
        }
        assert_eq!(rows, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn wrong_use_is_told() {
        let plan = plan();
        let answer = vec![0.5; 2 * 16 * 16];
        let windows: Vec<Window> = plan.windows().collect();
        let mut blender = Blender::new(&plan, 2).unwrap();
        assert_eq!(blender.add(&windows[1], &answer), Err(TileError::Order { found: 1, expected: 0 }));
        assert!(matches!(blender.add(&windows[0], &answer[1..]), Err(TileError::Length { .. })));
        for window in &windows[..plan.grid()[1]] {
            blender.add(window, &answer).unwrap();
        }
        assert_eq!(
            blender.add(&windows[plan.grid()[1]], &answer),
            Err(TileError::RowsLeft { first: 0, last: 8 })
        );
        assert!(matches!(Blender::new(&plan, usize::MAX / 64), Err(TileError::Memory { .. })));
        assert!(Blender::new(&plan, 0).is_err());
    }

    #[test]
    fn argmax_is_numpys() {
        let nan = f32::NAN;
        // [classes, width] with width 5: tie, first, last, NaN first, NaN later
        let values = [1.0, 3.0, 0.0, nan, 1.0, 1.0, 2.0, 0.5, 9.0, nan, 1.0, 1.0, 0.7, nan, nan];
        let mut labels = [9; 5];
        argmax_row(&values, &mut labels).unwrap();
        assert_eq!(labels, [0, 0, 2, 0, 1]);
        assert!(argmax_row(&values, &mut [0; 4]).is_err());
        assert!(matches!(argmax_row(&[0.0; 257], &mut [0]), Err(TileError::Classes { found: 257 })));
    }
}
