//! How often a tensor takes which values, gathered in one pass and in 16 KiB.
//!
//! Bins are 2^n wide and start at whole multiples of that, so 0 always lies between two bins and doubling the
//! width merges whole bins: no value is read twice. The 2048 bins cover [min, max] with 0 in it, not a range
//! symmetric about 0: the output of a Relu then has twice as many bins. The width is the least that covers,
//! so the histogram tells nothing of the order in which values came or of how they were portioned.

use std::ops::Range;

/// Number of bins; a power of two.
const BINS: usize = 2048;
/// Exponent of the finest width, 8e-31: its inverse, and that of the widest (2^117), are normal numbers.
const FINEST: i32 = -100;
/// Values taken at once: they stay in the cache between the two looks at them, and no u32 overflows.
const PORTION: usize = 1 << 16;
/// Values whose bins are found before they are counted.
const BATCH: usize = 1024;
/// Values that one step of [`Extent`] takes.
const STEP: usize = 16;
/// Counters to a bin. Adding to one counter again and again, as with many equal values, waits for memory.
const LANES: usize = 4;
/// 1.5 * 2^23: added to a number below 2^22, it leaves the nearest whole number in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// A histogram of 2048 bins that grows with its values.
///
/// Exact are the least and the greatest value, the number of values and of zeros. Zeros stand apart from the
/// bins, since every quantization keeps them exactly and half of a Relu's output is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    counts: Vec<u64>,
    /// A bin is 2^exponent wide.
    exponent: i32,
    /// Bins below 0.
    below: i32,
    zeros: u64,
    not_finite: u64,
    /// Infinite where there is no value; so is `max`.
    min: f32,
    max: f32,
}

/// Values between two ends, evenly spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// A histogram of no values.
    pub fn new() -> Self {
        Self {
            counts: vec![0; BINS],
            exponent: FINEST,
            below: 0,
            zeros: 0,
            not_finite: 0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
        }
    }

    /// Takes values in. Those that are not finite are only counted ([`Self::not_finite`]).
    pub fn add(&mut self, values: &[f32]) {
        for portion in values.chunks(PORTION) {
            let extent = Extent::of(portion);
            if extent.finite() {
                self.add_finite(portion, &extent);
            } else {
                let finite: Vec<f32> = portion.iter().copied().filter(|value| value.is_finite()).collect();
                self.not_finite += (portion.len() - finite.len()) as u64;
                self.add_finite(&finite, &Extent::of(&finite));
            }
        }
    }

    fn add_finite(&mut self, values: &[f32], extent: &Extent) {
        if values.is_empty() {
            return;
        }
        self.cover(extent.least(), extent.greatest());
        let mut table = [[0u32; LANES]; BINS];
        tally(values, self.exponent, self.below, &mut table);
        for (count, lanes) in self.counts.iter_mut().zip(&table) {
            *count += u64::from(lanes.iter().sum::<u32>());
        }
        let zeros = extent.zeros();
        self.counts[self.below as usize] -= zeros;
        self.zeros += zeros;
    }

    /// The least value; 0 where there is none.
    pub fn min(&self) -> f32 {
        if self.is_empty() { 0.0 } else { self.min }
    }

    /// The greatest value; 0 where there is none.
    pub fn max(&self) -> f32 {
        if self.is_empty() { 0.0 } else { self.max }
    }

    /// Number of finite values.
    pub fn count(&self) -> u64 {
        self.zeros + self.counts.iter().sum::<u64>()
    }

    /// Number of NaNs and infinities, which are in no other figure.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    fn is_empty(&self) -> bool {
        self.min > self.max
    }

    /// Takes in what another histogram holds; the same as if its values had been added here.
    pub fn merge(&mut self, other: &Histogram) {
        self.not_finite += other.not_finite;
        if other.is_empty() {
            return;
        }
        self.cover(other.min, other.max);
        for (count, more) in self.counts.iter_mut().zip(other.rebinned(self.exponent, self.below)) {
            *count += more;
        }
        self.zeros += other.zeros;
    }

    /// The histogram of f(x): what a bin holds goes to f(its centre), zeros to f(0). For a monotone f, the
    /// least and the greatest value are exact. Where f is not finite, the values count as not finite.
    pub fn map(&self, f: impl Fn(f32) -> f32) -> Histogram {
        let mut mapped = Self::new();
        mapped.not_finite = self.not_finite;
        if self.is_empty() {
            return mapped;
        }
        let places: Vec<(f32, u64)> = self.bins().map(|(centre, count)| (f(centre), count)).collect();
        let all = places.iter().map(|place| place.0).chain([f(self.min), f(self.max)]);
        let finite: Vec<f32> = all.filter(|place| place.is_finite()).collect();
        if !finite.is_empty() {
            let extent = Extent::of(&finite);
            mapped.cover(extent.least(), extent.greatest());
        }
        for (place, count) in places {
            mapped.put(place, count);
        }
        mapped
    }

    /// Takes in `count` equal values that the bins already cover.
    fn put(&mut self, value: f32, count: u64) {
        if !value.is_finite() {
            self.not_finite += count;
        } else if value == 0.0 {
            self.zeros += count;
        } else {
            let bin = (f64::from(value) / self.width()).floor() as i32;
            self.counts[(bin + self.below) as usize] += count;
        }
    }

    /// The centre of each bin that is not empty and what it holds, ascending; zeros have their own, at 0. The
    /// first and the last bin end at the least and the greatest value.
    pub fn bins(&self) -> impl Iterator<Item = (f32, u64)> + '_ {
        self.spans().map(|span| (((span.low + span.high) / 2.0) as f32, span.count))
    }

    /// As [`Self::bins`], with both ends of each bin.
    pub(super) fn spans(&self) -> impl DoubleEndedIterator<Item = Span> + '_ {
        let zeros = (self.zeros > 0).then_some(Span { low: 0.0, high: 0.0, count: self.zeros });
        let below = self.below as usize;
        self.spans_in(0..below).chain(zeros).chain(self.spans_in(below..BINS))
    }

    fn spans_in(&self, bins: Range<usize>) -> impl DoubleEndedIterator<Item = Span> + '_ {
        let (min, max) = (f64::from(self.min), f64::from(self.max));
        bins.filter(|&bin| self.counts[bin] > 0).map(move |bin| Span {
            low: self.edge(bin).max(min),
            high: self.edge(bin + 1).min(max),
            count: self.counts[bin],
        })
    }

    /// What the bins from that of the least value to that of the greatest hold, or of 0 where that is further
    /// out, empty ones too but no zeros; and how many of them lie below 0.
    pub(super) fn counts(&self) -> (&[u64], usize) {
        let last = (f64::from(self.max()) / self.width()).floor().max(0.0) as usize;
        let below = self.below as usize;
        (&self.counts[..(below + last + 1).min(BINS)], below)
    }

    /// Width of a bin.
    pub(super) fn width(&self) -> f64 {
        width(self.exponent)
    }

    /// Where a bin begins.
    fn edge(&self, bin: usize) -> f64 {
        (bin as f64 - f64::from(self.below)) * self.width()
    }

    /// Makes room for values from `min` to `max`.
    fn cover(&mut self, min: f32, max: f32) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        let (exponent, below) = grid(self.min, self.max, self.exponent);
        if (exponent, below) != (self.exponent, self.below) {
            self.counts = self.rebinned(exponent, below);
            (self.exponent, self.below) = (exponent, below);
        }
    }

    /// What the bins hold, in bins as wide or wider.
    fn rebinned(&self, exponent: i32, below: i32) -> Vec<u64> {
        let doublings = (exponent - self.exponent).min(31);
        let mut counts = vec![0; BINS];
        for (bin, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bin = (bin as i32 - self.below) >> doublings;
            counts[(bin + below) as usize] += count;
        }
        counts
    }
}

fn width(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

/// Doubles the width until the bins cover `min`, 0 and `max`: the width's exponent and the bins below 0.
fn grid(min: f32, max: f32, mut exponent: i32) -> (i32, i32) {
    let (low, high) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
    loop {
        let first = (low / width(exponent)).floor();
        let last = (high / width(exponent)).floor();
        if last - first < BINS as f64 {
            return (exponent, -first as i32);
        }
        exponent += 1;
    }
}

/// Counts values into the lanes of their bins.
fn tally(values: &[f32], exponent: i32, below: i32, table: &mut [[u32; LANES]; BINS]) {
    // A power of two: no product is rounded.
    let scale = width(-exponent) as f32;
    let bin = |value: f32| {
        let scaled = value * scale;
        // Floor, without a conversion: at this size a float's lowest bit is 1.
        let rounded = scaled + ROUNDER;
        let floor =
            rounded.to_bits() as i32 - i32::from(rounded - ROUNDER > scaled) - ROUNDER.to_bits() as i32;
        floor + below
    };
    // First the bins of many values, which the compiler does several at once, then the counting.
    let mut bins = [0; BATCH];
    for batch in values.chunks(BATCH) {
        for (place, &value) in bins.iter_mut().zip(batch) {
            *place = bin(value);
        }
        for lanes in bins[..batch.len()].chunks(LANES) {
            for (lane, &bin) in lanes.iter().enumerate() {
                table[bin as usize % BINS][lane] += 1;
            }
        }
    }
}

/// The ends of some values, in lanes so that the compiler can take several at once.
struct Extent {
    min: [f32; STEP],
    max: [f32; STEP],
    zeros: [u32; STEP],
    /// 0, or NaN once a value was not finite.
    nothing: [f32; STEP],
}

impl Extent {
    fn of(values: &[f32]) -> Self {
        let mut extent = Self {
            min: [f32::INFINITY; STEP],
            max: [f32::NEG_INFINITY; STEP],
            zeros: [0; STEP],
            nothing: [0.0; STEP],
        };
        let (steps, rest) = values.as_chunks::<STEP>();
        for step in steps {
            for (lane, &value) in step.iter().enumerate() {
                extent.take(lane, value);
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            extent.take(lane, value);
        }
        extent
    }

    #[inline(always)]
    fn take(&mut self, lane: usize, value: f32) {
        self.min[lane] = if value < self.min[lane] { value } else { self.min[lane] };
        self.max[lane] = if value > self.max[lane] { value } else { self.max[lane] };
        self.zeros[lane] += u32::from(value == 0.0);
        self.nothing[lane] += value * 0.0;
    }

    fn least(&self) -> f32 {
        self.min.into_iter().fold(f32::INFINITY, f32::min)
    }

    fn greatest(&self) -> f32 {
        self.max.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    fn zeros(&self) -> u64 {
        self.zeros.iter().copied().map(u64::from).sum()
    }

    fn finite(&self) -> bool {
        self.nothing.iter().all(|nothing| !nothing.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{KINDS, values};
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.add(values);
        histogram
    }

    fn silu(x: f32) -> f32 {
        x / (1.0 + (-x).exp())
    }

    #[test]
    fn every_bin_holds_what_counting_finds() {
        for kind in KINDS.into_iter().chain(["exponential", "lognormal"]) {
            let data = values(kind, 100_003, 1);
            let histogram = of(&data);
            let width = histogram.width();
            assert!(f64::from(histogram.max() - histogram.min()) / width > 600.0, "{kind}: {width}");
            for (bin, &count) in histogram.counts.iter().enumerate() {
                let (low, high) = (histogram.edge(bin), histogram.edge(bin + 1));
                let within = |&&value: &&f32| value != 0.0 && (low..high).contains(&f64::from(value));
                if count > 0 || bin % 64 == 0 {
                    assert_eq!(count, data.iter().filter(within).count() as u64, "{kind} {low}..{high}");
                }
            }
            assert_eq!(histogram.zeros, data.iter().filter(|value| **value == 0.0).count() as u64);
            assert_eq!(histogram.count(), 100_003);
            assert_eq!(histogram.min(), data.iter().copied().fold(f32::INFINITY, f32::min));
            assert_eq!(histogram.max(), data.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }

    #[test]
    fn neither_order_nor_portions_nor_merging_change_it() {
        for kind in KINDS {
            let mut data = values(kind, 70_001, 2);
            let whole = of(&data);
            data.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
            let (small, large) = data.split_at(30_000);
            for (first, second) in [(small, large), (large, small)] {
                let mut merged = of(first);
                merged.merge(&of(second));
                assert_eq!(merged, whole, "{kind}");
            }
            let mut growing = Histogram::new();
            data.chunks(777).for_each(|portion| growing.add(portion));
            assert_eq!(growing, whole, "{kind}");
            growing.merge(&Histogram::new());
            assert_eq!(growing, whole, "{kind}");
        }
    }

    #[test]
    fn what_is_not_finite_is_only_counted() {
        let mut data = values("bell", 1000, 3);
        let clean = of(&data);
        data.splice(500..500, [f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let histogram = of(&data);
        assert_eq!(histogram.not_finite(), 3);
        assert_eq!(Histogram { not_finite: 0, ..histogram }, clean);
        let nothing = of(&[f32::NAN]);
        assert_eq!((nothing.count(), nothing.not_finite(), nothing.min(), nothing.max()), (0, 1, 0.0, 0.0));
        assert_eq!(nothing.bins().count(), 0);
    }

    #[test]
    fn odd_data_behaves() {
        type Case<'a> = (&'a [f32], &'a [(f32, u64)]);
        let cases: [Case; 8] = [
            (&[], &[]),
            (&[5.0; 100], &[(5.0, 100)]),
            (&[-3.3], &[(-3.3, 1)]),
            (&[0.0, -0.0, 0.0], &[(0.0, 3)]),
            (&[1e-45, 1e-45], &[(1e-45, 2)]),
            (&[-1e-40, 0.0, 1e-40], &[(-5e-41, 1), (0.0, 1), (5e-41, 1)]),
            (&[1e30, -1e30], &[(-1e30, 1), (1e30, 1)]),
            (&[f32::MAX, -1e-45, f32::MIN], &[(f32::MIN, 1), (f32::MAX, 1)]),
        ];
        for (data, expected) in cases {
            let histogram = of(data);
            assert_eq!(histogram.count(), data.len() as u64, "{data:?}");
            let bins: Vec<(f32, u64)> = histogram.bins().collect();
            for &(value, count) in expected {
                let near = |bin: &&(f32, u64)| (bin.0 - value).abs() <= value.abs() * 1e-3 && bin.1 == count;
                assert!(bins.iter().any(|bin| near(&bin)), "{data:?}: {bins:?} lacks {value}");
            }
        }
    }

    #[test]
    fn a_monotone_function_keeps_the_ends_exact_and_the_mass_in_place() {
        let data = values("bell", 50_000, 4);
        let histogram = of(&data);
        type Function = fn(f32) -> f32;
        let functions: [(&str, Function); 4] = [
            ("relu", |x| x.max(0.0)),
            ("clip", |x| x.clamp(-0.5, 0.25)),
            ("tanh", f32::tanh),
            ("leaky", |x| if x < 0.0 { 0.1 * x } else { x }),
        ];
        for (name, function) in functions {
            let mapped = histogram.map(function);
            let direct = of(&data.iter().map(|&x| function(x)).collect::<Vec<_>>());
            assert_eq!((mapped.min(), mapped.max()), (direct.min(), direct.max()), "{name}");
            assert_eq!(mapped.count(), direct.count(), "{name}");
            assert!(
                furthest(&mapped, &direct) <= histogram.width(),
                "{name}: {}",
                furthest(&mapped, &direct)
            );
        }
        let relu = histogram.map(|x| x.max(0.0));
        assert_eq!(relu.zeros, data.iter().filter(|x| **x <= 0.0).count() as u64);
    }

    #[test]
    fn any_function_keeps_the_mass_near_its_place() {
        let data: Vec<f32> = values("bell", 50_000, 5).iter().map(|x| 4.0 * x).collect();
        let histogram = of(&data);
        let mapped = histogram.map(silu);
        let direct = of(&data.iter().map(|&x| silu(x)).collect::<Vec<_>>());
        assert!((mapped.min() - direct.min()).abs() < 1e-4, "{} {}", mapped.min(), direct.min());
        assert_eq!(mapped.max(), direct.max());
        assert!(furthest(&mapped, &direct) <= 1.1 * histogram.width(), "{}", furthest(&mapped, &direct));

        let inverse = of(&[-1.0, 0.0, 0.0, 2.0]).map(|x| 1.0 / x);
        assert_eq!((inverse.count(), inverse.not_finite()), (2, 2));
        assert!((-1.01..=-1.0).contains(&inverse.min()) && (0.5..0.51).contains(&inverse.max()));
    }

    /// The greatest distance between the values at the same rank in two histograms, by centres of bins.
    fn furthest(a: &Histogram, b: &Histogram) -> f64 {
        let ranked = |histogram: &Histogram| -> Vec<f32> {
            histogram.bins().flat_map(|(centre, count)| vec![centre; count as usize]).collect()
        };
        let distances = ranked(a).into_iter().zip(ranked(b)).map(|(a, b)| f64::from((a - b).abs()));
        distances.fold(0.0, f64::max)
    }
}
