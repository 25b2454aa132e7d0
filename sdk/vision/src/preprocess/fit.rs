//! Where a frame goes inside the model's input: sizes and offsets, rounded as each reference rounds.

use farsight_spec::{Align, Resize};

use crate::Geometry;

/// Where a frame of `[height, width]` goes inside the model's input.
pub(super) fn fit(resize: &Resize, frame: [usize; 2], input: [usize; 2]) -> Geometry {
    let (scaled, offset) = match *resize {
        Resize::Letterbox { align: Align::Center, .. } => {
            let scaled = letterboxed(frame, input, f64::round_ties_even);
            // ultralytics takes round(border / 2 - 0.1): an odd pixel goes to the bottom or right.
            (scaled, [0, 1].map(|axis| ((input[axis] - scaled[axis]) / 2) as i64))
        }
        Resize::Letterbox { align: Align::TopLeft, .. } => (letterboxed(frame, input, f64::trunc), [0, 0]),
        Resize::Stretch { .. } => (input, [0, 0]),
        Resize::CenterCrop { crop_fraction, .. } => {
            let scaled = before_crop(frame, input, crop_fraction);
            (scaled, [0, 1].map(|axis| crop_offset(scaled[axis], input[axis])))
        }
    };
    Geometry { frame, input, scaled, offset }
}

/// Size of a frame scaled to fit, at least one pixel a side.
///
/// In the middle, ultralytics 8.4.190 `data/augment.py: LetterBox` rounds half to even; in the upper left
/// corner, YOLOX `data_augment.py: preproc` cuts the fraction off, which may lose a pixel of a side that
/// ought to fit exactly.
fn letterboxed(frame: [usize; 2], input: [usize; 2], round: fn(f64) -> f64) -> [usize; 2] {
    let ratio = |axis: usize| input[axis] as f64 / frame[axis] as f64;
    let ratio = ratio(0).min(ratio(1));
    [0, 1].map(|axis| (round(frame[axis] as f64 * ratio) as usize).clamp(1, input[axis]))
}

/// Size of a frame before its middle is cut out.
///
/// For a square input the shortest side is scaled to `floor(side / crop_fraction)`, as torchvision's
/// `Resize(int)` does: the other side is `int(side * long / short)`. For another input both sides are scaled
/// straight to it, as ultralytics' `classify_transforms` does.
fn before_crop(frame: [usize; 2], input: [usize; 2], crop_fraction: f64) -> [usize; 2] {
    let square = input[0] == input[1];
    if square && frame == input {
        return frame;
    }
    let wanted = input.map(|side| ((side as f64 / crop_fraction).floor() as usize).max(1));
    if !square {
        return wanted;
    }
    let [height, width] = frame;
    let (short, long) = (height.min(width), height.max(width));
    let scaled_long = (wanted[0] as f64 * long as f64 / short as f64) as usize;
    if width <= height { [scaled_long, wanted[0]] } else { [wanted[0], scaled_long] }
}

/// Where a scaled side begins inside the cropped one, as torchvision's `CenterCrop`: half of what is too
/// much is cut off, rounded half to even; of what is missing, the smaller half is put in front.
fn crop_offset(scaled: usize, input: usize) -> i64 {
    if scaled < input {
        ((input - scaled) / 2) as i64
    } else {
        -(((scaled - input) as f64 / 2.0).round_ties_even() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torchvision_rounding() {
        // (frame, size, crop_fraction) → (scaled, offset), by torchvision's formulas.
        let cases = [
            (([480, 640], 224, 0.875), ([256, 341], [-16, -58])),
            (([427, 640], 224, 0.875), ([256, 383], [-16, -80])),
            (([640, 427], 224, 0.875), ([383, 256], [-80, -16])),
            (([100, 103], 100, 1.0), ([100, 103], [0, -2])),
            (([100, 101], 100, 1.0), ([100, 101], [0, 0])),
            (([224, 224], 224, 0.875), ([224, 224], [0, 0])),
            (([256, 256], 224, 0.875), ([256, 256], [-16, -16])),
            (([50, 70], 100, 1.25), ([80, 112], [10, -6])),
            (([70, 50], 101, 1.25), ([112, 80], [-6, 10])),
        ];
        for ((frame, size, crop_fraction), expected) in cases {
            let resize = Resize::CenterCrop { crop_fraction, filter: farsight_spec::Filter::PilBilinear };
            let found = fit(&resize, frame, [size, size]);
            assert_eq!((found.scaled, found.offset), expected, "{frame:?} to {size}");
        }
    }
}
