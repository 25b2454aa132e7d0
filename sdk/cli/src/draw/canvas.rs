//! Rectangles on a picture; whatever lies outside of it is cut off.

use farsight_vision::Picture;

use super::palette::Color;

/// A rectangle in pixels; it may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

impl Rect {
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    pub(super) fn lies_in(&self, picture: &Picture) -> bool {
        self.x >= 0
            && self.y >= 0
            && self.x + self.width <= picture.width as i64
            && self.y + self.height <= picture.height as i64
    }
}

/// Fills a rectangle.
pub(super) fn fill(picture: &mut Picture, rect: Rect, color: Color) {
    let columns = clip(rect.x, rect.width, picture.width);
    for y in clip(rect.y, rect.height, picture.height) {
        let row = y * picture.width;
        for pixel in picture.rgb[(row + columns.start) * 3..(row + columns.end) * 3].chunks_exact_mut(3) {
            pixel.copy_from_slice(&color);
        }
    }
}

/// Draws the border of a rectangle, `line` pixels wide, inside of it.
pub(super) fn outline(picture: &mut Picture, rect: Rect, line: i64, color: Color) {
    let Rect { x, y, width, height } = rect;
    let line = line.min(width).min(height);
    fill(picture, Rect { height: line, ..rect }, color);
    fill(picture, Rect { y: y + height - line, height: line, ..rect }, color);
    fill(picture, Rect { width: line, ..rect }, color);
    fill(picture, Rect { x: x + width - line, width: line, ..rect }, color);
}

/// Mixes a colour into a pixel; `weight` 255 replaces it. Outside of the picture nothing happens.
pub(super) fn blend(picture: &mut Picture, x: i64, y: i64, color: Color, weight: u8) {
    let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
    if x < picture.width && y < picture.height {
        let at = (y * picture.width + x) * 3;
        for (old, new) in picture.rgb[at..at + 3].iter_mut().zip(color) {
            *old = mix(*old, new, weight);
        }
    }
}

/// `old` with the part `weight / 255` of `new`, rounded.
pub(super) fn mix(old: u8, new: u8, weight: u8) -> u8 {
    let (old, new, weight) = (u32::from(old), u32::from(new), u32::from(weight));
    ((old * (255 - weight) + new * weight + 127) / 255) as u8
}

/// The part of `start..start + length` that lies in `0..end`.
fn clip(start: i64, length: i64, end: usize) -> std::ops::Range<usize> {
    let inside = |v: i64| v.clamp(0, end as i64) as usize;
    inside(start)..inside(start.saturating_add(length)).max(inside(start))
}

/// A picture of one colour.
pub(super) fn blank(width: usize, height: usize, color: Color) -> Picture {
    Picture { width, height, rgb: color.repeat(width * height) }
}

/// Copies a picture onto another, its upper left corner at `(x, y)`.
pub(super) fn paste(onto: &mut Picture, picture: &Picture, x: usize, y: usize) {
    let width = picture.width.min(onto.width.saturating_sub(x));
    let height = picture.height.min(onto.height.saturating_sub(y));
    for row in 0..height {
        let from = row * picture.width * 3;
        let to = ((y + row) * onto.width + x) * 3;
        onto.rgb[to..to + width * 3].copy_from_slice(&picture.rgb[from..from + width * 3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_only_inside_of_the_picture() {
        let mut picture = blank(4, 3, [0; 3]);
        for rect in [
            Rect { x: -5, y: -5, width: 3, height: 3 },
            Rect { x: 4, y: 0, width: 9, height: 9 },
            Rect { x: i64::MAX - 1, y: 0, width: 9, height: 9 },
        ] {
            fill(&mut picture, rect, [9; 3]);
        }
        assert!(picture.rgb.iter().all(|&v| v == 0));
        fill(&mut picture, Rect { x: 3, y: -1, width: 9, height: 2 }, [9; 3]);
        assert_eq!(picture.rgb.iter().filter(|&&v| v == 9).count(), 3);
        assert_eq!(picture.rgb[9..12], [9; 3]);
    }

    #[test]
    fn outlines_are_hollow() {
        let mut picture = blank(6, 5, [0; 3]);
        outline(&mut picture, Rect { x: 1, y: 1, width: 4, height: 3 }, 1, [9; 3]);
        let drawn = picture.rgb.chunks_exact(3).filter(|p| p[0] == 9).count();
        assert_eq!(drawn, 10);
        assert_eq!(picture.rgb[(2 * 6 + 2) * 3], 0);
    }

    #[test]
    fn mixes_with_rounding() {
        for (old, new, weight, expected) in
            [(0, 255, 255, 255), (0, 255, 0, 0), (10, 20, 128, 15), (255, 0, 128, 127)]
        {
            assert_eq!(mix(old, new, weight), expected);
        }
    }
}
