//! From a window's raw values to the probabilities that are blended.

use farsight_spec::Activation;

/// From raw values `[classes, height, width]` to what is blended; `out` is as long as `tensor`.
pub fn activate_planes(activation: Activation, tensor: &[f32], classes: usize, out: &mut [f32]) {
    match activation {
        Activation::None => out.copy_from_slice(tensor),
        Activation::Sigmoid => {
            for (out, value) in out.iter_mut().zip(tensor) {
                *out = 1.0 / (1.0 + (-value).exp());
            }
        }
        Activation::Softmax => softmax(tensor, classes, out),
    }
}

/// Over the classes of each pixel, as `scipy.special.softmax(x, axis=0)` in f32: the greatest is subtracted
/// first.
fn softmax(tensor: &[f32], classes: usize, out: &mut [f32]) {
    let pixels = tensor.len() / classes;
    for pixel in 0..pixels {
        let at = |class: usize| class * pixels + pixel;
        let greatest = (0..classes).map(|class| tensor[at(class)]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for class in 0..classes {
            let value = (tensor[at(class)] - greatest).exp();
            out[at(class)] = value;
            sum += value;
        }
        for class in 0..classes {
            out[at(class)] /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_over_classes_of_each_pixel() {
        // scipy.special.softmax([[0, 1], [0, 3], [0, -1]], axis=0), two pixels.
        let mut out = [0.0; 6];
        softmax(&[0.0, 1.0, 0.0, 3.0, 0.0, -1.0], 3, &mut out);
        let expected = [1.0 / 3.0, 0.117_310_43, 1.0 / 3.0, 0.866_813_34, 1.0 / 3.0, 0.015_876_24];
        for (found, expected) in out.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
