//! From stored values to real ones.

use super::{RasterError, RasterInfo};

/// Turns a raw `[bands, height, width]` buffer of the raster's `bands` (from 0) into real values,
/// `value * scale + offset` by [`BandInfo`](super::BandInfo), in place: computed in f64, as `gdal_translate -unscale`
/// does, and rounded to f32. Values that mean "no data here" stay as they are, NaN too.
///
/// # Errors
/// A band is not there, its scale is 0 or not finite, or `values` does not divide among the bands; nothing is
/// changed then.
pub fn real_values(info: &RasterInfo, bands: &[usize], values: &mut [f32]) -> Result<(), RasterError> {
    let wrong = |found: String| Err(RasterError::Normalise { bands: bands.len(), found });
    for &band in bands {
        let Some(known) = info.bands.get(band) else {
            return wrong(format!("the raster has no band {}", band.saturating_add(1)));
        };
        if known.scale == 0.0 || !known.scale.is_finite() || !known.offset.is_finite() {
            let (scale, offset) = (known.scale, known.offset);
            return wrong(format!("band {} has the scale {scale} and the offset {offset}", band + 1));
        }
    }
    if bands.is_empty() || !values.len().is_multiple_of(bands.len()) {
        return wrong(format!("{} values do not divide among them", values.len()));
    }
    let pixels = values.len() / bands.len();
    for (&band, values) in bands.iter().zip(values.chunks_exact_mut(pixels.max(1))) {
        let band = &info.bands[band];
        let nodata = band.nodata.map(|nodata| nodata as f32);
        for value in values.iter_mut().filter(|value| Some(**value) != nodata) {
            *value = (f64::from(*value) * band.scale + band.offset) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use farsight_spec::ElementType;

    use super::*;
    use crate::{BandInfo, Georeference};

    fn info(bands: &[(f64, f64, Option<f64>)]) -> RasterInfo {
        let band = |&(scale, offset, nodata)| BandInfo { name: None, scale, offset, nodata };
        RasterInfo {
            size: [1, 2],
            bands: bands.iter().map(band).collect(),
            element: ElementType::I16,
            georeference: Georeference::default(),
            nodata: None,
        }
    }

    #[test]
    fn scales_what_holds_data() {
        let info = info(&[(0.0001, -0.1, Some(0.0)), (2.0, 1.0, None), (3.0, 0.0, Some(f64::NAN))]);
        let mut values = [f32::NAN, 4.0, 0.0, 3000.0];
        real_values(&info, &[2, 0], &mut values).unwrap();
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [12.0, 0.0, 0.2]);
        let mut values = [0.0, 5.0];
        real_values(&info, &[1], &mut values).unwrap();
        assert_eq!(values, [1.0, 11.0]);
        real_values(&info, &[1], &mut []).unwrap();
    }

    #[test]
    fn refuses_scales_that_cannot_be() {
        type Row<'a> = ((f64, f64), &'a [usize], usize, &'a str);
        let rows: &[Row<'_>] = &[
            ((0.0, 1.0), &[0], 2, "band 1 has the scale 0"),
            ((f64::NAN, 1.0), &[0], 2, "scale NaN"),
            ((1.0, f64::INFINITY), &[0], 2, "offset inf"),
            ((1.0, 0.0), &[1], 2, "no band 2"),
            ((1.0, 0.0), &[0, 0], 3, "3 values do not divide"),
            ((1.0, 0.0), &[], 3, "3 values do not divide"),
        ];
        for ((scale, offset), bands, length, part) in rows {
            let mut values = vec![7.0; *length];
            let error = real_values(&info(&[(*scale, *offset, None)]), bands, &mut values).unwrap_err();
            assert!(error.to_string().contains(part) && values.iter().all(|value| *value == 7.0), "{error}");
        }
    }
}
