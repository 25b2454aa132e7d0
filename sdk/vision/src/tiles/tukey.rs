//! The Tukey (tapered cosine) window.

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
