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
    let levels = match activation {
        ActivationType::U8 | ActivationType::S8 => 256,
        ActivationType::U16 => 65_536,
    };
    let seen = histogram(source, histograms)?;
    Some(range(&seen, method, levels, activation == ActivationType::S8))
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
