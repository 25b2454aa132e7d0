//! How much each pixel of a window counts.

use farsight_spec::Blend;

use super::Axis;

/// Weights of a window over any number of axes, the last one fastest: the product of the axes' weights and what
/// the reference does to it.
///
/// - `monai`: from below to `max(smallest, 1e-3)` (MONAI 1.6.1 `data/utils.py: compute_importance_map`).
/// - `nnunet`: the greatest becomes 10, rounded to half precision, zeros replaced by the smallest other weight
///   (nnU-Net 2.8.1 `sliding_window_prediction.py: compute_gaussian`).
/// - `terratorch`: 1e-6 more, except where the window is cut (TerraTorch 1.2.13 `tiled_inference.py: get_blend_mask`).
pub fn weight_map(blend: Blend, axes: &[Axis]) -> Vec<f64> {
    let mut map = vec![1.0];
    for axis in axes {
        map = map.iter().flat_map(|outer| axis.weights().iter().map(move |inner| outer * inner)).collect();
    }
    match blend {
        Blend::UkisCsmask | Blend::Mmseg | Blend::MonaiConstant | Blend::PrithviMae => {}
        Blend::Monai => {
            let least = smallest(&map).max(1e-3);
            map.iter_mut().for_each(|weight| *weight = weight.max(least));
        }
        Blend::Nnunet => {
            let unit = map.iter().copied().fold(0.0, f64::max) / 10.0;
            map.iter_mut().for_each(|weight| *weight = to_half(*weight / unit));
            let least = smallest(&map);
            map.iter_mut().filter(|weight| **weight == 0.0).for_each(|weight| *weight = least);
        }
        Blend::Terratorch => {
            map.iter_mut().filter(|weight| **weight > 0.0).for_each(|weight| *weight += 1e-6);
        }
    }
    map
}

/// The smallest weight that is not 0.
fn smallest(map: &[f64]) -> f64 {
    map.iter().copied().filter(|weight| *weight > 0.0).fold(f64::INFINITY, f64::min)
}

/// Rounded to half precision as torch does it, through f32; for values below 65504.
fn to_half(value: f64) -> f64 {
    let value = value as f32;
    let exponent = ((value.to_bits() >> 23) & 0xff) as i32 - 127;
    // Ten bits behind the point, of which subnormals have fewer.
    let unit = f64::powi(2.0, exponent.max(-14) - 10);
    (f64::from(value) / unit).round_ties_even() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_numpys() {
        // float(np.float16(np.float32(x))), numpy 2.4.6
        let rows = [
            (0.0, 0.0),
            (10.0, 10.0),
            (9.998, 10.0),
            (9.99, 9.9921875),
            (1.0 / 3.0, 0.333251953125),
            (1.00048828125, 1.0),
            (1.00146484375, 1.001953125),
            (6.0e-5, 6.002187728881836e-05),
            (1.0e-6, 1.0132789611816406e-06),
            (2.9e-8, 0.0),
            (3.0e-8, 5.960464477539063e-08),
        ];
        for (value, expected) in rows {
            assert_eq!(to_half(value), expected, "{value}");
        }
    }
}
