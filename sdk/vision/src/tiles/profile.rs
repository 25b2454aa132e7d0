//! How much each position of a window counts, along one axis.

use std::f64::consts::PI;

/// `scipy.signal.windows.tukey(length, alpha)` (scipy 1.17.1 `signal/windows/_windows.py`), operation by
/// operation; `cos` is this machine's, so a weight may differ from numpy's in the last bit.
pub(crate) fn tukey(length: usize, alpha: f64) -> Vec<f64> {
    if length <= 1 || alpha <= 0.0 {
        return vec![1.0; length];
    }
    let last = (length - 1) as f64;
    if alpha >= 1.0 {
        return (0..length).map(|i| hann(i, last)).collect();
    }
    let taper = (alpha * last / 2.0).floor() as usize;
    (0..length)
        .map(|i| {
            let ramp = 2.0 * i as f64 / alpha / last;
            if i <= taper {
                0.5 * (1.0 + (PI * (-1.0 + ramp)).cos())
            } else if i >= length - 1 - taper {
                0.5 * (1.0 + (PI * (-2.0 / alpha + 1.0 + ramp)).cos())
            } else {
                1.0
            }
        })
        .collect()
}

/// One value of the symmetric Hann window: `0.5 + 0.5 cos(x)`, `x` evenly spread over -π to π.
fn hann(i: usize, last: f64) -> f64 {
    let x = if i as f64 == last { PI } else { i as f64 * (2.0 * PI / last) - PI };
    0.5 + 0.5 * x.cos()
}

/// MONAI 1.6.1 `data/utils.py: compute_importance_map`: a Gaussian of an eighth of the window around its middle,
/// which lies between two positions where the window is even.
pub(crate) fn monai(window: usize) -> Vec<f64> {
    let (middle, sigma) = ((window as f64 - 1.0) / 2.0, window as f64 * 0.125);
    (0..window).map(|i| gaussian(i as f64 - middle, sigma)).collect()
}

/// nnU-Net 2.8.1 `sliding_window_prediction.py: compute_gaussian`: a Gaussian of an eighth of the window around
/// `window / 2`, cut off at four times that as `scipy.ndimage.gaussian_filter` does.
pub(crate) fn nnunet(window: usize) -> Vec<f64> {
    let (center, sigma) = (window / 2, window as f64 / 8.0);
    let radius = (4.0 * sigma + 0.5) as usize;
    let kernel: f64 = (0..=2 * radius).map(|i| gaussian(i as f64 - radius as f64, sigma)).sum();
    let weight = |i: usize| match i.abs_diff(center) {
        distance if distance <= radius => gaussian(distance as f64, sigma) / kernel,
        _ => 0.0,
    };
    (0..window).map(weight).collect()
}

fn gaussian(x: f64, sigma: f64) -> f64 {
    (-0.5 / (sigma * sigma) * x * x).exp()
}

/// TerraTorch 1.2.13 `tasks/tiled_inference.py: get_blend_mask`: `delta` positions cut at both ends, then cosine
/// ramps over what neighbours share.
pub(crate) fn terratorch(window: usize, stride: usize, delta: usize) -> Vec<f64> {
    let ramp = (window / 2).min(window - stride) - delta;
    let weight = |i: usize| {
        // Positions to the nearer end of what is kept.
        let Some(inside) = i.min(window - 1 - i).checked_sub(delta) else { return 0.0 };
        match ramp.checked_sub(inside) {
            None | Some(0) => 1.0,
            Some(left) => 0.5 + 0.5 * (PI * left as f64 / (ramp + 1) as f64).cos(),
        }
    };
    (0..window).map(weight).collect()
}
