//! Colours of classes, and what is readable on them.

/// Red, green, blue.
pub(super) type Color = [u8; 3];

pub(super) const WHITE: Color = [255; 3];
pub(super) const BLACK: Color = [0; 3];

/// The golden ratio: steps of it around the colour wheel stay far apart for any number of classes.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// A colour for a class: the same for a class in every picture, and far from its neighbours'.
pub(crate) fn class_color(class: usize) -> Color {
    let hue = (0.58 + class as f64 * GOLDEN).fract();
    // Later rounds of the wheel differ in strength, too.
    let (saturation, value) = [(0.85, 1.0), (1.0, 0.8), (0.55, 1.0)][class / 8 % 3];
    from_hsv(hue, saturation, value)
}

/// Black or white, whichever stands out from the colour (relative luminance of ITU-R BT.709, without gamma).
pub(super) fn ink_on([r, g, b]: Color) -> Color {
    let luminance = 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
    if luminance > 128.0 { BLACK } else { WHITE }
}

fn from_hsv(hue: f64, saturation: f64, value: f64) -> Color {
    [5.0, 3.0, 1.0].map(|n: f64| {
        let k = (n + hue * 6.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsv_corners() {
        for (hue, expected) in [(0.0, [255, 0, 0]), (1.0 / 3.0, [0, 255, 0]), (2.0 / 3.0, [0, 0, 255])] {
            assert_eq!(from_hsv(hue, 1.0, 1.0), expected);
        }
        assert_eq!(from_hsv(0.3, 0.0, 1.0), [255; 3]);
    }

    #[test]
    fn eighty_classes_have_eighty_colours() {
        let mut colors: Vec<_> = (0..80).map(class_color).collect();
        colors.sort_unstable();
        colors.dedup();
        assert_eq!(colors.len(), 80);
        let far = |a: Color, b: Color| a.iter().zip(b).map(|(&a, b)| a.abs_diff(b)).max().unwrap() > 60;
        assert!((0..79).all(|class| far(class_color(class), class_color(class + 1))));
    }

    #[test]
    fn ink_stands_out() {
        assert_eq!(ink_on([255, 255, 0]), BLACK);
        assert_eq!(ink_on([0, 0, 255]), WHITE);
    }
}
