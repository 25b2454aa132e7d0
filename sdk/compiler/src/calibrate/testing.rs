//! Values as tensors hold them, the same as tests/reference/ranges.py makes.

pub(super) const KINDS: [&str; 6] = ["uniform", "bell", "heavy", "relu", "far", "mirrored"];

/// Numbers from 0 to 1 from the integer hash "lowbias32" (C. Wellons).
fn uniform(count: usize, seed: u32) -> Vec<f64> {
    let number = |index: usize| {
        let mut x = (index as u32).wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        f64::from(x ^ (x >> 16)) / 2f64.powi(32)
    };
    (0..count).map(number).collect()
}

/// `bell` is almost a normal distribution, `heavy` has long tails on both sides.
pub(super) fn values(kind: &str, count: usize, seed: u32) -> Vec<f32> {
    let u: Vec<Vec<f64>> = (0..4).map(|number| uniform(count, seed + number)).collect();
    let bell = |index: usize| u[0][index] + u[1][index] + u[2][index] + u[3][index] - 2.0;
    let value = |index: usize| match kind {
        "uniform" => u[0][index] * 2.0 - 1.0,
        "bell" => bell(index),
        "heavy" => bell(index) * bell(index) * bell(index) / (u[0][index] + 0.05),
        "relu" => bell(index).max(0.0),
        "far" => bell(index) + 3.0,
        "exponential" => -(1.0 - u[0][index]).ln(),
        "lognormal" => (2.0 * bell(index)).exp(),
        _ => {
            let (index, sign) = if index < count / 2 { (index, 1.0) } else { (index - count / 2, -1.0) };
            (sign * bell(index)).powi(3)
        }
    };
    (0..count).map(|index| value(index) as f32).collect()
}
