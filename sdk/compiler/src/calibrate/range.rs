//! From a histogram to the range that is quantized, and from that to scale and zero point.

use std::fmt;

use farsight_spec::ActivationType;
use serde::Serialize;

use super::Histogram;
use super::histogram::Span;

/// How a range is chosen. As text they are called as in a recipe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RangeMethod {
    /// From the least to the greatest value.
    MinMax,
    /// Keeps this part of the values, in percent, and cuts half of the rest at each end.
    Percentile(f64),
    /// The least mean squared error that quantizing makes.
    Mse,
    /// The least Kullback-Leibler divergence between the values and the quantized ones.
    Entropy,
}

/// The percentile that kept most of a YOLOv8n's detections (`.955`, against `.866` for min-max).
const PERCENTILE: f64 = 99.999;

impl Default for RangeMethod {
    fn default() -> Self {
        Self::Percentile(PERCENTILE)
    }
}

impl fmt::Display for RangeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(PERCENTILE) => f.write_str("percentile"),
            Self::Percentile(percent) => write!(f, "percentile-{percent}"),
            Self::Mse => f.write_str("mse"),
            Self::Entropy => f.write_str("entropy"),
        }
    }
}

/// The values that are told apart after quantizing; what lies outside becomes an end. 0 is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Range {
    /// At most 0.
    pub low: f32,
    /// At least 0.
    pub high: f32,
}

/// The range for values such as the histogram's, quantized to `levels` levels (256, 128 or 65536); where
/// `symmetric`, its ends are equally far from 0 and one level stays unused, as with onnxruntime.
///
/// Always finite. It is 0 to 0 where there is no value, where all are 0, and where its step would be too small
/// for a normal f32.
pub fn range(histogram: &Histogram, method: RangeMethod, levels: u32, symmetric: bool) -> Range {
    let steps = f64::from(if symmetric { levels - 2 } else { levels - 1 });
    let (low, high) = match method {
        RangeMethod::MinMax => min_max(histogram, symmetric),
        RangeMethod::Percentile(percent) => percentile(histogram, percent, symmetric),
        RangeMethod::Mse => mse(histogram, steps, symmetric),
        RangeMethod::Entropy => entropy(histogram, levels as usize, symmetric),
    };
    if (high - low) / steps < f64::from(f32::MIN_POSITIVE) {
        return Range::default();
    }
    Range { low: low as f32, high: high as f32 }
}

fn min_max(histogram: &Histogram, symmetric: bool) -> (f64, f64) {
    let (low, high) = (f64::from(histogram.min().min(0.0)), f64::from(histogram.max().max(0.0)));
    if symmetric { mirrored(high.max(-low)) } else { (low, high) }
}

fn mirrored(end: f64) -> (f64, f64) {
    (-end, end)
}

/// As numpy and onnxruntime cut: half of what goes at each end, or all of it at the largest absolute values.
fn percentile(histogram: &Histogram, percent: f64, symmetric: bool) -> (f64, f64) {
    let part = (1.0 - percent / 100.0).max(0.0);
    // A percentage has no exact binary fraction: a whole number of values shall be cut whole.
    let cut = histogram.count() as f64 * part * (1.0 + 1e-9);
    if symmetric {
        return mirrored(greatest_without(cut, histogram.map(f32::abs).spans().rev()));
    }
    let negated = |span: Span| Span { low: -span.high, high: -span.low, count: span.count };
    let low = -greatest_without(cut / 2.0, histogram.spans().map(negated));
    let high = greatest_without(cut / 2.0, histogram.spans().rev());
    (low.min(0.0), high.max(0.0))
}

/// The greatest value once the `cut` greatest are gone; the spans come in descending order.
fn greatest_without(mut cut: f64, spans: impl Iterator<Item = Span>) -> f64 {
    for span in spans {
        let count = span.count as f64;
        if cut < count {
            return span.high - (span.high - span.low) * cut / count;
        }
        cut -= count;
    }
    0.0
}

/// Tries ends from 0 to the outermost values: in steps of 1/64, then about the best of them in steps of 1/2048.
fn mse(histogram: &Histogram, steps: f64, symmetric: bool) -> (f64, f64) {
    let moments = Moments::new(histogram);
    let (least, greatest) = min_max(histogram, symmetric);
    let mut best = (0.5, 0.5);
    let mut ends = (least, greatest);
    let mut least_error = f64::INFINITY;
    for (step, reach) in [(1.0 / 64.0, 32), (1.0 / 2048.0, 32)] {
        let (at_low, at_high) = best;
        // One end decides both, or there is nothing to cut.
        let low_reach = if symmetric || least == 0.0 { 0 } else { reach };
        for low_part in parts_about(at_low, step, low_reach) {
            for high_part in parts_about(at_high, step, reach) {
                let high = greatest * high_part;
                let low = if symmetric { -high } else { least * low_part };
                let error = moments.error(low, high, steps);
                if error < least_error {
                    (least_error, best, ends) = (error, (low_part, high_part), (low, high));
                }
            }
        }
    }
    ends
}

fn parts_about(centre: f64, step: f64, reach: i32) -> impl Iterator<Item = f64> {
    (-reach..=reach).map(move |number| (centre + f64::from(number) * step).clamp(0.0, 1.0))
}

/// Sums over a histogram's values up to any place: of 1, of x and of x². Zeros are left out: quantizing keeps
/// them.
struct Moments {
    spans: Vec<Span>,
    /// The sums over the first 0, 1, 2, … spans.
    first: Vec<[f64; 3]>,
}

impl Moments {
    fn new(histogram: &Histogram) -> Self {
        let spans: Vec<Span> = histogram.spans().filter(|span| (span.low, span.high) != (0.0, 0.0)).collect();
        let mut first = vec![[0.0; 3]];
        let mut sums = [0.0; 3];
        for span in &spans {
            sums = plus(sums, span_sums(span, span.high));
            first.push(sums);
        }
        Self { spans, first }
    }

    /// The sums over all values up to a place and on it.
    fn up_to(&self, place: f64) -> [f64; 3] {
        self.sums(place, self.spans.partition_point(|span| span.high <= place))
    }

    /// The sums over all values below a place.
    fn below(&self, place: f64) -> [f64; 3] {
        self.sums(place, self.spans.partition_point(|span| span.high <= place && span.low < place))
    }

    /// The sums over the first spans and what of the next lies below a place.
    fn sums(&self, place: f64, whole: usize) -> [f64; 3] {
        match self.spans.get(whole) {
            Some(span) if span.low < place => plus(self.first[whole], span_sums(span, place)),
            _ => self.first[whole],
        }
    }

    /// The sums over the values between two places, without those on them.
    fn between(&self, low: f64, high: f64) -> [f64; 3] {
        minus(self.below(high), self.up_to(low))
    }

    /// The sum of the squared errors of quantizing to `steps` steps from `low` to `high`: outside and on the
    /// ends, the distance to the end; inside, the value itself where it becomes 0, and elsewhere the variance
    /// of rounding, step²/12.
    fn error(&self, low: f64, high: f64, steps: f64) -> f64 {
        let step = (high - low) / steps;
        let [inside, _, _] = self.between(low, high);
        let [to_zero, _, zero_squares] = self.between((-step / 2.0).max(low), (step / 2.0).min(high));
        let rounding = (inside - to_zero) * step * step / 12.0 + zero_squares;
        let under = self.up_to(low);
        let over = minus(self.up_to(f64::INFINITY), self.below(high));
        rounding + squares_about(low, under) + squares_about(high, over)
    }
}

/// The sum of (x - end)².
fn squares_about(end: f64, [count, sum, squares]: [f64; 3]) -> f64 {
    (squares - 2.0 * end * sum + end * end * count).max(0.0)
}

/// The sums over the part of a span that lies below a place in it.
fn span_sums(span: &Span, place: f64) -> [f64; 3] {
    let (low, high) = (span.low, place);
    let part = if span.high > span.low { (place - low) / (span.high - low) } else { 1.0 };
    let count = span.count as f64 * part;
    [count, count * (low + high) / 2.0, count * (low * low + low * high + high * high) / 3.0]
}

fn plus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Arithmetic of onnxruntime 1.32.0 (`quantization/calibrate.py`, `get_entropy_threshold`), which is that of
/// TensorRT over both signs: windows about 0 grow bin by bin, and the one wins whose values differ least from
/// themselves merged into `levels` bins.
///
/// onnxruntime's windows reach equally far to both sides, whatever the data. Here, unless `symmetric`, a window
/// ends with the data, as then the levels do: after a Relu all of them lie above 0. Where both sides reach
/// equally far nothing differs. Zeros are left out: every quantization keeps them, and the many of a Relu, which
/// merging seems to spread, would drive the range down. With fewer bins than levels nothing is cut.
fn entropy(histogram: &Histogram, levels: usize, symmetric: bool) -> (f64, f64) {
    let (least, greatest) = min_max(histogram, symmetric);
    let (counts, mut below) = histogram.counts();
    let mut counts = counts.to_vec();
    if symmetric {
        let reach = below.max(counts.len() - below);
        counts.splice(0..0, vec![0; reach - below]);
        counts.resize(2 * reach, 0);
        below = reach;
    }
    let mut best = (0, counts.len());
    let mut least_divergence = f64::INFINITY;
    for reach in 0..=below.max(counts.len() - below) {
        let (start, end) = (below.saturating_sub(reach), (below + reach + 1).min(counts.len()));
        // The first window of onnxruntime has one bin more than levels.
        if end - start > levels.min(counts.len() - 1) {
            let divergence = divergence(&counts, start, end, levels);
            if divergence < least_divergence {
                (least_divergence, best) = (divergence, (start, end));
            }
        }
    }
    let edge = |bin: usize| (bin as f64 - below as f64) * histogram.width();
    let (low, high) = (edge(best.0).max(least), edge(best.1).min(greatest));
    if symmetric { mirrored(high.max(-low)) } else { (low, high) }
}

/// The divergence between the bins from `start` to `end`, with all that lies outside in the first and the last,
/// and the same bins after merging into `levels`; infinite where either holds nothing.
fn divergence(counts: &[u64], start: usize, end: usize, levels: usize) -> f64 {
    let window = &counts[start..end];
    let mut kept = window.to_vec();
    let last = kept.len() - 1;
    kept[0] += counts[..start].iter().sum::<u64>();
    kept[last] += counts[end..].iter().sum::<u64>();

    let merged = window.len() / levels;
    let mut spread = vec![0; window.len()];
    for level in 0..levels {
        let bins = level * merged..(level + 1) * merged;
        let upper = if level + 1 == levels { window.len() } else { bins.end };
        let sum: u64 = window[bins.start..upper].iter().sum();
        let used = kept[bins.clone()].iter().filter(|&&count| count > 0).count() as u64;
        // Whole numbers, as in onnxruntime; and as there, the bins left over at the end stay empty.
        spread[bins].fill(sum.checked_div(used).unwrap_or(0));
    }
    match (smoothed(&kept), smoothed(&spread)) {
        (Some(kept), Some(spread)) => relative_entropy(&kept, &spread),
        _ => f64::INFINITY,
    }
}

/// Gives every empty bin a little and takes that from the others; `None` where all are empty.
fn smoothed(counts: &[u64]) -> Option<Vec<f64>> {
    const LITTLE: f64 = 1e-4;
    let empty = counts.iter().filter(|&&count| count == 0).count();
    let used = counts.len() - empty;
    let taken = LITTLE * empty as f64 / used as f64;
    let smooth = |&count: &u64| if count == 0 { LITTLE } else { count as f64 - taken };
    (used > 0).then(|| counts.iter().map(smooth).collect())
}

fn relative_entropy(p: &[f64], q: &[f64]) -> f64 {
    let (p_sum, q_sum): (f64, f64) = (p.iter().sum(), q.iter().sum());
    let sum: f64 = p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum();
    sum / p_sum + (q_sum / p_sum).ln()
}

/// x = scale * (q - zero_point).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QParams {
    /// A normal number, never 0 or infinite.
    pub scale: f32,
    /// The level of 0.
    pub zero_point: i32,
}

impl QParams {
    /// Those of a range. Arithmetic of onnxruntime 1.32.0 (`quantization/quant_utils.py`, `compute_scale_zp`):
    /// in f64, halves to even; a range without a width, or without an end, gives scale 1 and zero point 0.
    pub fn of(range: Range, kind: ActivationType) -> Self {
        let low = f64::from(range.low.min(0.0));
        let high = f64::from(range.high.max(0.0));
        let (low, high, lowest, highest) = match kind {
            ActivationType::U8 => (low, high, 0.0, 255.0),
            ActivationType::U16 => (low, high, 0.0, 65535.0),
            ActivationType::S8 => (-high.max(-low), high.max(-low), -127.0, 127.0),
        };
        let scale: f64 = (high - low) / (highest - lowest);
        let usable = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
        if !usable.contains(&scale) {
            return Self { scale: 1.0, zero_point: 0 };
        }
        let zero_point = (lowest - low / scale).round_ties_even().clamp(lowest, highest);
        Self { scale: scale as f32, zero_point: zero_point as i32 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{KINDS, values};
    use serde::Deserialize;

    use super::*;

    const METHODS: [RangeMethod; 5] = [
        RangeMethod::MinMax,
        RangeMethod::Percentile(99.999),
        RangeMethod::Percentile(90.0),
        RangeMethod::Mse,
        RangeMethod::Entropy,
    ];

    #[derive(Deserialize)]
    struct Golden {
        entropy: Vec<EntropyCase>,
        params: Vec<ParamsCase>,
    }

    #[derive(Deserialize)]
    struct EntropyCase {
        kind: String,
        count: usize,
        seed: u32,
        levels: u32,
        low: f64,
        high: f64,
    }

    #[derive(Deserialize)]
    struct ParamsCase {
        low: f64,
        high: f64,
        kind: String,
        scale: f64,
        zero_point: i32,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/ranges.json")).unwrap()
    }

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.add(values);
        histogram
    }

    /// Mean squared error of the values themselves, quantized and back.
    fn true_error(values: &[f32], range: Range, kind: ActivationType) -> f64 {
        let QParams { scale, zero_point } = QParams::of(range, kind);
        let (lowest, highest) = if kind == ActivationType::S8 { (-127.0, 127.0) } else { (0.0, 255.0) };
        let error = |value: f32| {
            let level = ((value / scale).round_ties_even() + zero_point as f32).clamp(lowest, highest);
            f64::from(value - (level - zero_point as f32) * scale).powi(2)
        };
        values.iter().map(|&value| error(value)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn min_max_is_exact_and_holds_zero() {
        for kind in KINDS {
            let data = values(kind, 10_000, 1);
            let low = data.iter().copied().fold(0.0, f32::min);
            let high = data.iter().copied().fold(0.0, f32::max);
            assert_eq!(range(&of(&data), RangeMethod::MinMax, 256, false), Range { low, high });
            let end = high.max(-low);
            assert_eq!(range(&of(&data), RangeMethod::MinMax, 256, true), Range { low: -end, high: end });
        }
    }

    #[test]
    fn a_percentile_is_within_a_bin_of_the_sorted_values() {
        for kind in KINDS.into_iter().chain(["exponential", "lognormal"]) {
            let mut data = values(kind, 100_000, 2);
            let histogram = of(&data);
            for percent in [99.99, 99.9, 90.0] {
                let found = range(&histogram, RangeMethod::Percentile(percent), 256, false);
                let symmetric = range(&histogram, RangeMethod::Percentile(percent), 256, true);
                let rank = |part: f64| (part * 99_999.0).round() as usize;
                let half = (100.0 - percent) / 200.0;
                data.sort_by(f32::total_cmp);
                let (low, high) = (data[rank(half)].min(0.0), data[rank(1.0 - half)].max(0.0));
                data.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
                let end = data[rank(1.0 - 2.0 * half)].abs();
                for (found, exact) in [(found.low, low), (found.high, high), (symmetric.high, end)] {
                    let off = f64::from((found - exact).abs()) / histogram.width();
                    assert!(off <= 1.0, "{kind} {percent}: {found} {exact}, {off} bins");
                }
                assert_eq!(symmetric.low, -symmetric.high);
            }
        }
    }

    #[test]
    fn a_percentile_cuts_whole_outliers() {
        let mut data = values("uniform", 199_998, 3);
        data.extend([1000.0, -500.0]);
        let found = range(&of(&data), RangeMethod::default(), 256, false);
        assert!((-2.0..=-1.0).contains(&found.low) && (1.0..=2.0).contains(&found.high), "{found:?}");
        let all = range(&of(&data), RangeMethod::Percentile(100.0), 256, false);
        assert_eq!(all, Range { low: -500.0, high: 1000.0 });
    }

    #[test]
    fn mse_has_the_least_true_error() {
        let gains = [("uniform", 1.02), ("bell", 0.98), ("relu", 1.01), ("heavy", 0.95), ("lognormal", 0.95)];
        for (kind, gain) in gains {
            let data = values(kind, 50_000, 4);
            let histogram = of(&data);
            for (stored, symmetric) in [(ActivationType::U8, false), (ActivationType::S8, true)] {
                let error = |method| true_error(&data, range(&histogram, method, 256, symmetric), stored);
                let (found, min_max) = (error(RangeMethod::Mse), error(RangeMethod::MinMax));
                assert!(found < gain * min_max, "{kind} {symmetric}: {found}, min-max {min_max}");
                let Range { low, high } = range(&histogram, RangeMethod::MinMax, 256, symmetric);
                let tried = (1..=50).map(|part| {
                    let part = part as f32 / 50.0;
                    true_error(&data, Range { low: low * part, high: high * part }, stored)
                });
                let least = tried.fold(f64::INFINITY, f64::min);
                assert!(found < 1.02 * least, "{kind} {symmetric}: {found}, tried {least}");
            }
        }
    }

    #[test]
    fn mse_leaves_saturated_values_where_they_are() {
        let six: Vec<f32> = values("far", 10_000, 5).iter().map(|x| (3.0 * x).clamp(0.0, 6.0)).collect();
        assert_eq!(range(&of(&six), RangeMethod::Mse, 256, false), Range { low: 0.0, high: 6.0 });
    }

    #[test]
    fn entropy_is_onnxruntimes() {
        for case in golden().entropy {
            let data = values(&case.kind, case.count, case.seed);
            let histogram = of(&data);
            let full = range(&histogram, RangeMethod::MinMax, 256, true).high;
            let found = range(&histogram, RangeMethod::Entropy, case.levels, true);
            let expected = (case.high as f32).min(full);
            assert_eq!(found, Range { low: -expected, high: expected }, "{} {}", case.kind, case.levels);
            if case.kind == "mirrored" {
                let found = range(&histogram, RangeMethod::Entropy, case.levels, false);
                assert_eq!(found, Range { low: case.low as f32, high: case.high as f32 }, "{}", case.levels);
            }
        }
    }

    #[test]
    fn entropy_gives_one_sided_data_all_levels() {
        let data = values("relu", 50_000, 6);
        let found = range(&of(&data), RangeMethod::Entropy, 256, false);
        assert_eq!(found.low, 0.0);
        assert!(found.high > 1.0 && found.high <= 2.0, "{found:?}");
    }

    #[test]
    fn scale_and_zero_point_are_onnxruntimes() {
        for case in golden().params {
            let kind = match case.kind.as_str() {
                "u8" => ActivationType::U8,
                "s8" => ActivationType::S8,
                _ => ActivationType::U16,
            };
            let range = Range { low: case.low as f32, high: case.high as f32 };
            let expected = QParams { scale: case.scale as f32, zero_point: case.zero_point };
            assert_eq!(QParams::of(range, kind), expected, "{range:?} {kind:?}");
        }
    }

    #[test]
    fn every_range_is_sane() {
        let odd: [&[f32]; 9] = [
            &[],
            &[0.0; 9],
            &[5.0; 9],
            &[-7.0],
            &[1e-45, 0.0],
            &[-1e-37, 1e-38],
            &[1e30, -3.0, 2.0],
            &[f32::MAX, f32::MIN],
            &[f32::NAN, f32::INFINITY],
        ];
        for data in odd.into_iter().map(<[f32]>::to_vec).chain(KINDS.map(|kind| values(kind, 3000, 7))) {
            let histogram = of(&data);
            for (method, levels, symmetric) in METHODS.into_iter().flat_map(|method| {
                [256, 128, 65536]
                    .into_iter()
                    .flat_map(move |levels| [(method, levels, false), (method, levels, true)])
            }) {
                let found = range(&histogram, method, levels, symmetric);
                let case = format!("{method} {levels} {symmetric} {found:?}");
                assert!(found.low <= 0.0 && 0.0 <= found.high, "{case}");
                assert!(found.low.is_finite() && found.high.is_finite(), "{case}");
                assert!(!symmetric || found.low == -found.high, "{case}");
                assert!(symmetric || found.low >= histogram.min().min(0.0), "{case}");
                assert!(symmetric || found.high <= histogram.max().max(0.0), "{case}");
                for kind in [ActivationType::U8, ActivationType::S8, ActivationType::U16] {
                    assert!(QParams::of(found, kind).scale.is_normal(), "{case}");
                }
            }
        }
        let constant = range(&of(&[5.0; 9]), RangeMethod::Mse, 256, false);
        assert_eq!(constant, Range { low: 0.0, high: 5.0 });
        let broken = Range { low: f32::NEG_INFINITY, high: f32::NAN };
        assert!(QParams::of(broken, ActivationType::U8).scale.is_normal());
    }

    #[test]
    fn methods_are_called_as_in_a_recipe() {
        use farsight_spec::Ranges;
        let methods = [
            (Ranges::Minmax, RangeMethod::MinMax),
            (Ranges::Percentile, RangeMethod::default()),
            (Ranges::Mse, RangeMethod::Mse),
            (Ranges::Entropy, RangeMethod::Entropy),
        ];
        for (asked, method) in methods {
            assert_eq!(serde_json::to_value(asked).unwrap(), method.to_string());
        }
    }
}
