//! A small picture of a large raster: three bands stretched to what an eye can see, and the mask beside them.
//!
//! Rows are handed in as they are read, so that memory follows the quick look and not the raster.

use farsight_vision::Picture;

use super::canvas::{blank, paste};
use super::mask::{Classes, color, with_legend};
use super::palette::WHITE;

/// Part of the values below black and above white.
const CUT: f64 = 0.02;

/// Three bands and a mask of a raster, sampled to at most a given size (the nearest pixel counts).
#[derive(Debug, Clone)]
pub(crate) struct Quicklook {
    full: [usize; 2],
    size: [usize; 2],
    bands: [Vec<f32>; 3],
    mask: Vec<u8>,
}

impl Quicklook {
    /// For a raster of `[height, width]`; neither side of the quick look is longer than `limit` pixels.
    pub(crate) fn new(full: [usize; 2], limit: usize) -> Self {
        let longest = full[0].max(full[1]).max(1);
        let size = full.map(|side| if longest <= limit { side } else { (side * limit / longest).max(1) });
        let pixels = size[0] * size[1];
        Self { full, size, bands: std::array::from_fn(|_| vec![f32::NAN; pixels]), mask: vec![0; pixels] }
    }

    /// The rows of the raster that it shows; the others need not be handed in.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> + use<> {
        let [full, size] = [self.full[0], self.size[0]];
        (0..size).map(move |row| shown(row, full, size))
    }

    /// Takes rows of a band: 0 red, 1 green, 2 blue. `rows` holds whole rows of the raster, from `first_row`
    /// on; values that are not finite mean "no data".
    pub(crate) fn add_band_rows(&mut self, band: usize, first_row: usize, rows: &[f32]) {
        sample(self.full, self.size, first_row, rows, &mut self.bands[band]);
    }

    /// Takes rows of the mask.
    pub(crate) fn add_mask_rows(&mut self, first_row: usize, rows: &[u8]) {
        sample(self.full, self.size, first_row, rows, &mut self.mask);
    }

    /// The bands alone, and beside them (below them where the raster is wide) the same with the mask's colours,
    /// and a legend. No data is black.
    pub(crate) fn finish(self, classes: &Classes<'_>) -> Picture {
        let [height, width] = self.size;
        let mut plain = Picture { width, height, rgb: vec![0; height * width * 3] };
        for (channel, band) in self.bands.iter().enumerate() {
            let stretch = Stretch::of(band);
            for (pixel, &value) in plain.rgb.chunks_exact_mut(3).zip(band) {
                pixel[channel] = stretch.level(value);
            }
        }
        let mut masked = plain.clone();
        if !self.mask.is_empty() {
            color(&mut masked, &self.mask, self.size, classes);
        }
        with_legend(&side_by_side(&plain, &masked), &self.mask, classes)
    }
}

fn side_by_side(first: &Picture, second: &Picture) -> Picture {
    let gap = (first.width + first.height) / 200 + 2;
    let (width, height) = (first.width, first.height);
    if width > 2 * height {
        let mut both = blank(width, 2 * height + gap, WHITE);
        paste(&mut both, first, 0, 0);
        paste(&mut both, second, 0, height + gap);
        both
    } else {
        let mut both = blank(2 * width + gap, height, WHITE);
        paste(&mut both, first, 0, 0);
        paste(&mut both, second, width + gap, 0);
        both
    }
}

/// Which of `full` pixels stands for one of `size`.
fn shown(small: usize, full: usize, size: usize) -> usize {
    (2 * small + 1) * full / (2 * size)
}

/// Copies the pixels of these rows that the quick look shows: the one below the middle of each of its pixels.
fn sample<T: Copy>(full: [usize; 2], size: [usize; 2], first_row: usize, rows: &[T], out: &mut [T]) {
    let from = |small: usize, axis: usize| shown(small, full[axis], size[axis]);
    for y in 0..size[0] {
        let Some(row) = from(y, 0).checked_sub(first_row) else { continue };
        let Some(row) = rows.get(row * full[1]..(row + 1) * full[1]) else { continue };
        for x in 0..size[1] {
            out[y * size[1] + x] = row[from(x, 1)];
        }
    }
}

/// Where black and white lie in a band.
struct Stretch {
    black: f32,
    white: f32,
}

impl Stretch {
    /// The 2nd and the 98th percentile of the values with data.
    fn of(band: &[f32]) -> Self {
        let mut values: Vec<f32> = band.iter().copied().filter(|v| v.is_finite()).collect();
        if values.is_empty() {
            return Self { black: 0.0, white: 1.0 };
        }
        values.sort_unstable_by(f32::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Self { black: at(CUT), white: at(1.0 - CUT) }
    }

    fn level(&self, value: f32) -> u8 {
        let range = self.white - self.black;
        if !value.is_finite() {
            0
        } else if range > 0.0 {
            ((value - self.black) / range * 255.0).round() as u8 // `as` cuts off at 0 and 255
        } else {
            128
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_between_the_percentiles() {
        let band: Vec<f32> = (0..=100).map(|v| v as f32).chain([f32::NAN]).collect();
        let stretch = Stretch::of(&band);
        assert_eq!((stretch.black, stretch.white), (2.0, 98.0));
        for (value, expected) in [(0.0, 0), (2.0, 0), (50.0, 128), (98.0, 255), (1e9, 255), (f32::NAN, 0)] {
            assert_eq!(stretch.level(value), expected, "{value}");
        }
        assert_eq!(Stretch::of(&[7.0, 7.0]).level(7.0), 128);
    }

    #[test]
    fn rows_may_come_in_any_pieces() {
        let full = [50, 30];
        let band: Vec<f32> = (0..1500).map(|v| v as f32).collect();
        let mut whole = Quicklook::new(full, 10);
        whole.add_band_rows(0, 0, &band);
        let mut pieces = Quicklook::new(full, 10);
        for first in [21, 0, 7, 35] {
            pieces.add_band_rows(0, first, &band[first * 30..(first + 15).min(50) * 30]);
        }
        assert_eq!(whole.size, [10, 6]);
        assert_eq!(whole.bands[0], pieces.bands[0]);
        assert_eq!(whole.bands[0][0], (2 * 30 + 2) as f32);
        let mut needed = Quicklook::new(full, 10);
        for row in whole.rows() {
            needed.add_band_rows(0, row, &band[row * 30..(row + 1) * 30]);
        }
        assert_eq!(whole.bands[0], needed.bands[0]);
    }

    #[test]
    fn small_rasters_keep_their_size_and_odd_ones_do_no_harm() {
        for (full, size) in [([5, 7], [5, 7]), ([1, 100_000], [1, 10]), ([20, 10], [10, 5])] {
            let look = Quicklook::new(full, 10);
            assert_eq!(look.size, size, "{full:?}");
            let picture = look.finish(&Classes::default());
            assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
        }
    }
}
