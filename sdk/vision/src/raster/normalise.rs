//! From raw values (DN) to what a model expects, and which pixels hold no data.

use farsight_spec::{NodataRule, Normalise};

use super::RasterError;

/// `(value / divide - mean) / std`, band by band, with the rounding points of ukis-csmask 1.0.0 on reflectance
/// computed by numpy.
///
/// `value / divide` is rounded to f32 (an f32 array divided by a Python number). `mask.py: normalize` then
/// subtracts and divides in place by lists of Python floats: each step is computed in f64 and rounded to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterNormalise {
    divide: f32,
    bands: Vec<Statistics>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Statistics {
    mean: Option<f64>,
    std: Option<f64>,
}

impl RasterNormalise {
    /// # Errors
    /// The numbers of means or deviations are neither 0 nor that of the bands; a divisor is 0 or not finite.
    pub fn new(settings: &Normalise, bands: usize) -> Result<Self, RasterError> {
        let wrong = |found: String| Err(RasterError::Normalise { bands, found });
        for (name, values) in [("mean", &settings.mean), ("std", &settings.std)] {
            if !values.is_empty() && values.len() != bands {
                return wrong(format!("{name} has {} values", values.len()));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return wrong(format!("{name} holds {value}"));
            }
        }
        let divide = settings.divide as f32;
        if !divide.is_finite() || divide == 0.0 {
            return wrong(format!("divide is {}", settings.divide));
        }
        if settings.std.contains(&0.0) {
            return wrong("std holds 0".into());
        }
        let band =
            |i: usize| Statistics { mean: settings.mean.get(i).copied(), std: settings.std.get(i).copied() };
        Ok(Self { divide, bands: (0..bands).map(band).collect() })
    }

    /// Normalises a `[bands, height, width]` buffer in place.
    pub fn run(&self, values: &mut [f32]) {
        let pixels = values.len() / self.bands.len().max(1);
        if pixels == 0 {
            return;
        }
        for (band, values) in self.bands.iter().zip(values.chunks_exact_mut(pixels)) {
            if self.divide != 1.0 {
                values.iter_mut().for_each(|v| *v /= self.divide);
            }
            if let Some(mean) = band.mean {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) - mean) as f32);
            }
            if let Some(std) = band.std {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) / std) as f32);
            }
        }
    }
}

/// Marks the pixels of a raw `[bands, height, width]` buffer that hold no data: the nodata value of the band, which may
/// be NaN, in every band or in one, as `rule` says. `nodata` has one value a band, or none where a band has none.
/// `mask` has one value a pixel, and is all false where it does not fit the buffer.
///
/// Every band: ukis-csmask 1.0.0 `mask.py` (`np.all(img == nodata, axis=2)`), except that there a NaN equals nothing.
/// One band: hls-foundation-os `model_inference.py`. To be called before the values are normalised.
pub fn nodata_mask(values: &[f32], nodata: &[Option<f64>], rule: NodataRule, mask: &mut [bool]) {
    let fits = !mask.is_empty() && !values.is_empty() && values.len() == mask.len() * nodata.len();
    let all = rule == NodataRule::AllBands;
    mask.fill(fits && all);
    if !fits {
        return;
    }
    for (band, nodata) in values.chunks_exact(mask.len()).zip(nodata) {
        let Some(nodata) = nodata.map(|value| value as f32) else {
            if all {
                mask.fill(false);
            }
            continue;
        };
        for (mask, value) in mask.iter_mut().zip(band) {
            let is_nodata = *value == nodata || (value.is_nan() && nodata.is_nan());
            *mask = if all { *mask & is_nodata } else { *mask | is_nodata };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(divide: f64, mean: &[f64], std: &[f64]) -> Normalise {
        Normalise { divide, mean: mean.into(), std: std.into() }
    }

    #[test]
    fn rounds_where_numpy_does() {
        // numpy 2.4.6: x = np.float32([1, 1234, 65535]) / 10000; x -= [mean]; x /= [std]
        let normalise = RasterNormalise::new(&settings(10000.0, &[0.1234567], &[0.0987654321]), 1).unwrap();
        let mut values = [1.0, 1234.0, 65535.0];
        normalise.run(&mut values);
        assert_eq!(values.map(f32::to_bits), [0xbf9fdecb, 0xba167c83, 0x42823559]);

        let two = RasterNormalise::new(&settings(1.0, &[], &[2.0, 4.0]), 2).unwrap();
        let mut values = [2.0, 4.0, 8.0, 16.0];
        two.run(&mut values);
        assert_eq!(values, [1.0, 2.0, 2.0, 4.0]);
        two.run(&mut []);
    }

    #[test]
    fn refuses_statistics_that_do_not_fit() {
        let rows = [
            (settings(0.0, &[], &[]), "divide is 0"),
            (settings(f64::NAN, &[], &[]), "divide is NaN"),
            (settings(1.0, &[1.0], &[]), "mean has 1 values"),
            (settings(1.0, &[], &[1.0, 0.0]), "std holds 0"),
            (settings(1.0, &[1.0, f64::INFINITY], &[]), "mean holds inf"),
        ];
        for (settings, part) in rows {
            let text = RasterNormalise::new(&settings, 2).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_pixel_without_data_has_none_in_any_band() {
        let nan = f32::NAN;
        let rows: &[(f64, &[f32], &[bool])] = &[
            (0.0, &[0.0, 0.0, 1.0, 0.0, 2.0, 0.0], &[true, false, false]),
            (f64::NAN, &[nan, nan, 1.0, nan, 2.0, nan], &[true, false, false]),
            (-9999.0, &[-9999.0, 1.0, nan], &[true, false, false]),
            (f64::from(f32::MIN) * (1.0 + 1e-9), &[f32::MIN, 0.0, 0.0], &[true, false, false]),
        ];
        for (nodata, values, expected) in rows {
            let mut mask = vec![true; 3];
            let nodata = vec![Some(*nodata); values.len() / 3];
            nodata_mask(values, &nodata, NodataRule::AllBands, &mut mask);
            assert_eq!(&mask, expected, "{nodata:?}");
        }
        for (values, expected) in
            [([0.0, 1.0, 0.0, 2.0], [true, false]), ([1.0, 1.0, 1.0, 0.0], [false, true])]
        {
            let mut mask = [false; 2];
            nodata_mask(&values, &[Some(0.0); 2], NodataRule::AnyBand, &mut mask);
            assert_eq!(mask, expected);
        }
        let mut mask = [true; 4];
        nodata_mask(&[0.0; 6], &[Some(0.0)], NodataRule::AllBands, &mut mask);
        assert_eq!(mask, [false; 4]);
        // A band without such a value always holds data; each band has its own.
        let mut mask = [false; 1];
        for (nodata, rule, expected) in [
            ([Some(0.0), None], NodataRule::AllBands, false),
            ([Some(0.0), None], NodataRule::AnyBand, true),
            ([Some(0.0), Some(7.0)], NodataRule::AllBands, true),
        ] {
            nodata_mask(&[0.0, 7.0], &nodata, rule, &mut mask);
            assert_eq!(mask, [expected]);
        }
    }
}
