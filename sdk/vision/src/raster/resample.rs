//! Bringing a band of coarser pixels onto a finer grid whose pixels divide them.

use std::ops::Range;

use farsight_spec::ElementType;

/// How a band of coarser pixels is brought onto the grid of a [`RasterStack`](super::RasterStack).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resample {
    /// Every coarse pixel is repeated: index `floor(i * in / out)`, torch's `F.interpolate(mode="nearest")`, with
    /// which configilm prepares BigEarthNet.
    #[default]
    Nearest,
    /// Between the four nearest pixel centres, as GDAL's warper does (rasterio's `WarpedVRT`): pixels outside and
    /// pixels without data do not count, a pixel whose own coarse pixel has no data has none, and bands of whole
    /// numbers are rounded, halves up.
    Bilinear,
}

/// One axis of a window on the fine grid, and what it takes of the coarse one.
struct Axis {
    first: usize,
    ratio: usize,
    /// The coarse pixels that are there.
    coarse: Range<usize>,
}

/// The two coarse pixels that a fine one lies between, as places in `Axis::coarse`, and the share of the first.
#[derive(Clone, Copy)]
struct Between {
    low: Option<usize>,
    high: Option<usize>,
    share: f64,
}

impl Resample {
    /// The coarse pixels along one axis that the fine pixels `first..first + length` are made of; `coarse` is how
    /// many there are.
    pub(crate) fn reach(self, first: usize, length: usize, ratio: usize, coarse: usize) -> Range<usize> {
        let (start, end) = (first / ratio, (first + length).div_ceil(ratio));
        match self {
            Self::Nearest => start..end,
            Self::Bilinear => start.saturating_sub(1)..(end + 1).min(coarse),
        }
    }
}

/// Brings part of one coarse band onto the fine grid.
pub(crate) struct Upsample<'a> {
    pub(crate) method: Resample,
    pub(crate) ratio: usize,
    /// The coarse pixels, `[rows, columns]`, and which of the raster's they are.
    pub(crate) coarse: &'a [f32],
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) nodata: Option<f64>,
    pub(crate) element: ElementType,
}

impl Upsample<'_> {
    /// Fills `out`, the window `[height, width]` of the fine grid at `start`.
    pub(crate) fn run(&self, start: [usize; 2], width: usize, out: &mut [f32]) {
        let rows = out.chunks_exact_mut(width).zip(start[0]..);
        match self.method {
            Resample::Nearest => rows.for_each(|(line, row)| self.repeat(row, start[1], line)),
            Resample::Bilinear => {
                let columns = Axis { first: start[1], ratio: self.ratio, coarse: self.columns.clone() };
                let columns: Vec<Between> = (0..width).map(|i| columns.between(i)).collect();
                let down = Axis { first: start[0], ratio: self.ratio, coarse: self.rows.clone() };
                for (i, (line, row)) in rows.enumerate() {
                    self.blend(down.between(i), row, &columns, start[1], line);
                }
            }
        }
    }

    fn repeat(&self, row: usize, first: usize, line: &mut [f32]) {
        let coarse = self.line(row / self.ratio - self.rows.start);
        for (i, out) in line.iter_mut().enumerate() {
            *out = coarse[(first + i) / self.ratio - self.columns.start];
        }
    }

    fn blend(&self, rows: Between, row: usize, columns: &[Between], first: usize, line: &mut [f32]) {
        let own = self.line(row / self.ratio - self.rows.start);
        let lines = [(rows.low, rows.share), (rows.high, 1.0 - rows.share)];
        for (i, (out, between)) in line.iter_mut().zip(columns).enumerate() {
            let own = own[(first + i) / self.ratio - self.columns.start];
            *out = if self.is_nodata(own) { own } else { self.mix(&lines, *between).unwrap_or(own) };
        }
    }

    /// The weighted mean of the pixels that have data; `None` where there are none. Added up in GDAL's order.
    fn mix(&self, [low, high]: &[(Option<usize>, f64); 2], columns: Between) -> Option<f32> {
        let [left, right] = [(columns.low, columns.share), (columns.high, 1.0 - columns.share)];
        let (mut sum, mut weight) = (0.0, 0.0);
        for ((row, down), (column, across)) in [(low, left), (low, right), (high, right), (high, left)] {
            let (Some(row), Some(column)) = (row, column) else { continue };
            let value = self.line(*row)[column];
            if !self.is_nodata(value) {
                sum += f64::from(value) * (across * down);
                weight += across * down;
            }
        }
        let value = if weight == 1.0 { sum } else { sum / weight };
        let whole = !matches!(self.element, ElementType::F32 | ElementType::F64);
        (weight > 0.0).then_some(if whole { (value + 0.5).floor() as f32 } else { value as f32 })
    }

    fn line(&self, row: usize) -> &[f32] {
        let width = self.columns.len();
        &self.coarse[row * width..][..width]
    }

    fn is_nodata(&self, value: f32) -> bool {
        self.nodata.is_some_and(|nodata| value == nodata as f32 || (value.is_nan() && nodata.is_nan()))
    }
}

impl Axis {
    /// Of the fine pixel `first + i`, whose centre lies at `(first + i + 1/2) / ratio` coarse pixels.
    fn between(&self, i: usize) -> Between {
        let centre = ((self.first + i) as f64 + 0.5) / self.ratio as f64;
        let low = (centre - 0.5).floor();
        let place = |pixel: f64| {
            let inside = pixel >= self.coarse.start as f64 && pixel < self.coarse.end as f64;
            inside.then(|| pixel as usize - self.coarse.start)
        };
        Between { low: place(low), high: place(low + 1.0), share: 1.5 - (centre - low) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(method: Resample, coarse: &[f32], nodata: Option<f64>, element: ElementType) -> Vec<f32> {
        let mut out = vec![0.0; coarse.len() * 2];
        let columns = 0..coarse.len();
        Upsample { method, ratio: 2, coarse, rows: 0..1, columns, nodata, element }.run(
            [0, 0],
            out.len(),
            &mut out,
        );
        out
    }

    #[test]
    fn repeats_or_blends() {
        let (f, u) = (ElementType::F32, ElementType::U16);
        let x = [0.0, 4.0, 8.0];
        assert_eq!(up(Resample::Nearest, &x, None, f), [0.0, 0.0, 4.0, 4.0, 8.0, 8.0]);
        assert_eq!(up(Resample::Bilinear, &x, None, f), [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        assert_eq!(up(Resample::Bilinear, &x, Some(0.0), f), [0.0, 0.0, 4.0, 5.0, 7.0, 8.0]);
        assert_eq!(up(Resample::Bilinear, &[0.0, 2.0], None, u), [0.0, 1.0, 2.0, 2.0]);
        assert_eq!(up(Resample::Bilinear, &[f32::NAN; 2], Some(f64::NAN), f).len(), 4);
    }

    #[test]
    fn reaches_no_further_than_the_raster() {
        assert_eq!(Resample::Nearest.reach(3, 4, 2, 10), 1..4);
        assert_eq!(Resample::Bilinear.reach(3, 4, 2, 10), 0..5);
        assert_eq!(Resample::Bilinear.reach(0, 20, 2, 10), 0..10);
    }
}
