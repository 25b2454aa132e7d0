//! Ranges: of every quantized value, from what was observed.

use std::collections::BTreeMap;

use farsight_spec::ActivationType;

use super::RangeSource;
use super::sources::Function;
use crate::calibrate::{Histogram, Range, RangeMethod, range};

/// The range of one value; `None` where what it comes from was not observed.
pub(crate) fn range_of(
    source: &RangeSource,
    histograms: &BTreeMap<String, Histogram>,
    method: RangeMethod,
    activation: ActivationType,
) -> Option<Range> {
    if let RangeSource::Fixed { low, high } = *source {
        return Some(Range { low, high });
    }
    let seen = histogram(source, histograms)?;
    Some(range(&seen, method, levels(activation), activation == ActivationType::S8))
}

/// How many numbers an activation can be.
pub(crate) fn levels(activation: ActivationType) -> u32 {
    match activation {
        ActivationType::U8 | ActivationType::S8 => 256,
        ActivationType::U16 => 65_536,
    }
}

/// The values of a source; `None` where what it comes from was not observed.
pub(crate) fn histogram(source: &RangeSource, histograms: &BTreeMap<String, Histogram>) -> Option<Histogram> {
    match source {
        RangeSource::Fixed { low, high } => {
            let mut both = Histogram::new();
            both.add(&[*low, *high]);
            Some(both)
        }
        RangeSource::Observed { value, functions } => {
            let seen = histograms.get(value)?;
            if functions.is_empty() {
                return Some(seen.clone());
            }
            Some(seen.map(|x| functions.iter().fold(x, |x, function: &Function| function.apply(x))))
        }
        RangeSource::Any(parts) => {
            let mut all = Histogram::new();
            for part in parts {
                all.merge(&histogram(part, histograms)?);
            }
            Some(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(value: &str, functions: &[Function]) -> RangeSource {
        RangeSource::Observed { value: value.to_owned(), functions: functions.to_vec() }
    }

    /// `a` is -4 to 4, `b` is 0 to 9.
    fn seen() -> BTreeMap<String, Histogram> {
        let of = |low: i32, high: i32| {
            let mut histogram = Histogram::new();
            histogram.add(&(low..=high).map(|value| value as f32 / 100.0).collect::<Vec<_>>());
            histogram
        };
        BTreeMap::from([("a".to_owned(), of(-400, 400)), ("b".to_owned(), of(0, 900))])
    }

    fn taken(source: &RangeSource, activation: ActivationType) -> Option<(f32, f32)> {
        range_of(source, &seen(), RangeMethod::MinMax, activation).map(|range| (range.low, range.high))
    }

    #[test]
    fn ranges_follow_from_what_was_observed() {
        use ActivationType::{S8, U8, U16};
        let relu = [Function::Clip(0.0, f32::INFINITY)];
        assert_eq!(taken(&observed("a", &[]), U8), Some((-4.0, 4.0)));
        assert_eq!(taken(&observed("a", &relu), U8), Some((0.0, 4.0)));
        assert_eq!(taken(&observed("a", &relu), U16), Some((0.0, 4.0)));
        assert_eq!(taken(&observed("a", &relu), S8), Some((-4.0, 4.0)));
        assert_eq!(taken(&RangeSource::Fixed { low: 0.0, high: 1.0 }, U8), Some((0.0, 1.0)));
        let any = RangeSource::Any(vec![
            observed("a", &relu),
            observed("b", &[]),
            RangeSource::Fixed { low: -1.0, high: 1.0 },
        ]);
        assert_eq!(taken(&any, U8), Some((-1.0, 9.0)));
        assert_eq!(taken(&observed("nobody", &[]), U8), None);
        assert_eq!(taken(&RangeSource::Any(vec![observed("a", &[]), observed("nobody", &[])]), U8), None);
    }

    #[test]
    fn silu_keeps_its_least_value_though_it_turns_there() {
        let (low, high) = taken(&observed("a", &[Function::Silu]), ActivationType::U8).unwrap();
        assert!((low + 0.278_464_5).abs() < 1e-4, "{low}");
        assert!((high - Function::Silu.apply(4.0)).abs() < 1e-6, "{high}");
    }
}
