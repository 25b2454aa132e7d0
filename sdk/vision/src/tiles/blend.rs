//! The answers of overlapping windows, added up row by row.

use std::ops::{AddAssign, Mul};

use farsight_spec::Blend;

use super::{TileError, TilePlan, Window};

/// Adds up the answers of a plan's windows and hands out rows as soon as no later window touches them.
///
/// What is added up are probabilities or logits, as the blend's reference does (`Blend::averages`); each value times
/// its weight, in the order of the windows. `ukis-csmask` adds up in f64 and hands out the sums as f32 (ukis-csmask
/// 1.0.0 `utils.py: untile_array`). All others add up in f32 and hand out the sums divided by those of the weights;
/// nnU-Net adds up in half precision: its answer is within 1e-3 of this, or less near where it has but the corner of
/// one window, whose weight a half hardly holds.
/// Memory: one row of windows, see [`Blender::bytes`].
///
/// ```
/// # use farsight_vision::{argmax_row, Blender, TileError, TilePlan};
/// # use farsight_spec::{Blend, Tiling};
/// # fn main() -> Result<(), TileError> {
/// let tiling = Tiling { window: None, overlap: Some(0.2), stride: None, delta: None, blend: Blend::UkisCsmask };
/// let plan = TilePlan::new([40, 30], [16, 16], &tiling)?;
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
    sums: Sums,
    /// The row handed out last, `[classes, width]`.
    row: Vec<f32>,
    next_window: usize,
    next_row: usize,
    /// Rows below this are final.
    finished: usize,
}

/// What is added up, in the reference's precision.
#[derive(Debug)]
enum Sums {
    /// Handed out as they are.
    Whole(Accumulator<f64>),
    /// Divided by the sums of the weights along the row, for which there is a line.
    Mean(Accumulator<f32>, Vec<f32>),
}

/// A row that no later window touches.
#[derive(Debug, PartialEq)]
pub struct FinishedRow<'a> {
    /// Its number.
    pub row: usize,
    /// `[classes, width]`: the weighted sums (`ukis-csmask`) or means.
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
        let sums = match plan.blend() {
            Blend::UkisCsmask => Sums::Whole(Accumulator::new(plan, classes)?),
            _ => Sums::Mean(Accumulator::new(plan, classes)?, vec![0.0; width]),
        };
        Ok(Self {
            plan: plan.clone(),
            classes,
            sums,
            row: vec![0.0; classes * width],
            next_window: 0,
            next_row: 0,
            finished: 0,
        })
    }

    /// Bytes that a blender for this plan takes.
    pub fn bytes(plan: &TilePlan, classes: usize) -> usize {
        let ([_, width], [height, window_width]) = (plan.raster(), plan.window_size());
        let (value, totals) = if plan.blend() == Blend::UkisCsmask { (8, 0) } else { (4, 4 * width) };
        let row = classes.saturating_mul(width);
        row.saturating_mul(value * slots(plan) + 4).saturating_add(value * height * window_width + totals)
    }

    /// Adds the `[classes, height, width]` answer of the plan's next window: probabilities or logits, as the blend
    /// averages them.
    ///
    /// # Errors
    /// Another window than the next one; a wrong number of values; finished rows still inside.
    pub fn add(&mut self, window: &Window, answer: &[f32]) -> Result<(), TileError> {
        let [height, width] = self.plan.window_size();
        let expected = self.classes * height * width;
        if window.index != self.next_window {
            return Err(TileError::Order { found: window.index, expected: self.next_window });
        }
        if answer.len() != expected {
            return Err(TileError::Length { what: "answer for a window", found: answer.len(), expected });
        }
        if self.next_row < self.finished {
            return Err(TileError::RowsLeft { first: self.next_row, last: self.finished - 1 });
        }
        let [_, columns] = self.plan.grid();
        let place = [self.next_window / columns, self.next_window % columns];
        match &mut self.sums {
            Sums::Whole(sums) => sums.add(&self.plan, place, answer),
            Sums::Mean(sums, _) => sums.add(&self.plan, place, answer),
        }

        self.next_window += 1;
        if self.next_window.is_multiple_of(columns) {
            self.finished = first_row(&self.plan, self.next_window / columns);
        }
        Ok(())
    }

    /// The next finished row, top to bottom; `None` until more windows are added.
    pub fn next_row(&mut self) -> Option<FinishedRow<'_>> {
        if self.next_row >= self.finished {
            return None;
        }
        let row = self.next_row;
        match &mut self.sums {
            Sums::Whole(sums) => {
                let sums = sums.row(row);
                self.row.iter_mut().zip(&*sums).for_each(|(out, sum)| *out = *sum as f32);
                sums.fill(0.0);
            }
            Sums::Mean(sums, totals) => {
                sums.add_up_weights(&self.plan, row, totals);
                let sums = sums.row(row);
                let lines = self.row.chunks_exact_mut(totals.len()).zip(sums.chunks_exact(totals.len()));
                for (out, sums) in lines {
                    for ((out, sum), total) in out.iter_mut().zip(sums).zip(&*totals) {
                        *out = sum / total;
                    }
                }
                sums.fill(0.0);
            }
        }
        self.next_row += 1;
        Some(FinishedRow { row, values: &self.row })
    }
}

/// The number that sums are made of.
trait Number: Copy + Default + From<f32> + Mul<Output = Self> + AddAssign {
    fn of(weight: f64) -> Self;
}

impl Number for f32 {
    fn of(weight: f64) -> Self {
        weight as f32
    }
}

impl Number for f64 {
    fn of(weight: f64) -> Self {
        weight
    }
}

/// Weighted sums of as many rows as windows of one row reach.
#[derive(Debug)]
struct Accumulator<T> {
    classes: usize,
    /// Of a window, `[height, width]`.
    weights: Vec<T>,
    /// `[slots, classes, width]`; raster row `r` lies in slot `r % slots`.
    sums: Vec<T>,
    slots: usize,
}

impl<T: Number> Accumulator<T> {
    fn new(plan: &TilePlan, classes: usize) -> Result<Self, TileError> {
        let [_, width] = plan.raster();
        let slots = slots(plan);
        let out_of_memory = |bytes| TileError::Memory { classes, width, bytes };
        let values = slots
            .checked_mul(classes)
            .and_then(|n| n.checked_mul(width))
            .filter(|n| n.checked_mul(size_of::<T>()).is_some())
            .ok_or(out_of_memory(usize::MAX))?;
        let mut sums = Vec::new();
        sums.try_reserve_exact(values).map_err(|_| out_of_memory(values * size_of::<T>()))?;
        sums.resize(values, T::default());
        let weights = plan.weights().into_iter().map(T::of).collect();
        Ok(Self { classes, weights, sums, slots })
    }

    /// The sums of a raster row, `[classes, width]`.
    fn row(&mut self, row: usize) -> &mut [T] {
        let length = self.sums.len() / self.slots;
        &mut self.sums[row % self.slots * length..][..length]
    }

    /// Adds the answer of the window at `place` (`[row, column]` of the grid of windows).
    fn add(&mut self, plan: &TilePlan, place: [usize; 2], answer: &[f32]) {
        let [height, width] = plan.window_size();
        let [_, raster_width] = plan.raster();
        let [rows, columns] = [0, 1].map(|axis| plan.axes()[axis].kept(place[axis]));
        let [top, left] = [0, 1].map(|axis| plan.axes()[axis].start(place[axis]));
        let first = (left + columns.start as i64) as usize;
        let classes = self.classes;
        for y in rows {
            let weights = &self.weights[y * width..][columns.clone()];
            let slot = (top + y as i64) as usize % self.slots;
            for class in 0..classes {
                let source = &answer[(class * height + y) * width..][columns.clone()];
                let line = (slot * classes + class) * raster_width;
                let sums = &mut self.sums[line + first..][..columns.len()];
                for ((sum, &value), &weight) in sums.iter_mut().zip(source).zip(weights) {
                    *sum += T::from(value) * weight;
                }
            }
        }
    }

    /// Sums of the weights along a raster row.
    fn add_up_weights(&self, plan: &TilePlan, row: usize, totals: &mut [T]) {
        let [rows, columns] = plan.axes();
        totals.fill(T::default());
        for window_row in rows.covering(row) {
            let y = (row as i64 - rows.start(window_row)) as usize;
            let weights = &self.weights[y * columns.window()..][..columns.window()];
            for window_column in 0..columns.count() {
                let kept = columns.kept(window_column);
                let first = (columns.start(window_column) + kept.start as i64) as usize;
                for (total, &weight) in totals[first..].iter_mut().zip(&weights[kept]) {
                    *total += weight;
                }
            }
        }
    }
}

/// How many rows are unfinished at a time.
fn slots(plan: &TilePlan) -> usize {
    plan.window_size()[0].min(plan.raster()[0])
}

/// First raster row that the given row of windows touches; the raster's height past the last one.
fn first_row(plan: &TilePlan, window_row: usize) -> usize {
    let [rows, _] = plan.axes();
    if window_row >= rows.count() {
        return rows.length();
    }
    (rows.start(window_row) + rows.kept(window_row).start as i64) as usize
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
    use farsight_spec::Tiling;

    fn plan() -> TilePlan {
        let blend = Blend::UkisCsmask;
        let tiling = Tiling { window: None, overlap: Some(0.2), stride: None, delta: None, blend };
        TilePlan::new([40, 30], [16, 16], &tiling).unwrap()
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
