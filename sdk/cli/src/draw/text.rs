//! Text in Noto Sans Mono (SIL Open Font License), drawn from bitmaps that are compiled in.

use farsight_vision::Picture;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use super::canvas::blend;
use super::palette::Color;

/// A text size: a bitmap and how many times it is enlarged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Font {
    raster: RasterHeight,
    enlarged: usize,
}

impl Font {
    /// A readable size for a picture of this size: up to a thirtieth of its mean side, at least 16 pixels.
    pub(super) fn for_picture(picture: &Picture) -> Self {
        let raster = match (picture.width + picture.height) / 60 {
            ..20 => RasterHeight::Size16,
            20..24 => RasterHeight::Size20,
            24..32 => RasterHeight::Size24,
            more => return Self { raster: RasterHeight::Size32, enlarged: more / 32 },
        };
        Self { raster, enlarged: 1 }
    }

    /// Height of a line in pixels.
    pub(super) fn height(self) -> usize {
        self.raster.val() * self.enlarged
    }

    /// Width of a character in pixels.
    pub(super) fn advance(self) -> usize {
        get_raster_width(FontWeight::Bold, self.raster) * self.enlarged
    }

    /// Width of a text in pixels.
    pub(super) fn width(self, text: &str) -> usize {
        text.chars().count() * self.advance()
    }

    /// The text, shortened with `..` to what `width` pixels can hold.
    pub(super) fn shortened(self, text: &str, width: usize) -> String {
        let room = width / self.advance();
        if text.chars().count() <= room {
            return text.to_owned();
        }
        text.chars().take(room.saturating_sub(2)).chain("..".chars()).take(room).collect()
    }

    /// Draws a text, its upper left corner at `(x, y)`.
    pub(super) fn draw(self, picture: &mut Picture, x: i64, y: i64, text: &str, color: Color) {
        for (index, c) in text.chars().enumerate() {
            if let Some(glyph) = self.glyph(c) {
                self.draw_glyph(picture, x + (index * self.advance()) as i64, y, glyph, color);
            }
        }
    }

    fn draw_glyph(self, picture: &mut Picture, x: i64, y: i64, glyph: RasterizedChar, color: Color) {
        for row in 0..self.height() {
            for column in 0..self.advance() {
                let weight = glyph.pixel(column / self.enlarged, row / self.enlarged).unwrap_or(0);
                if weight > 0 {
                    blend(picture, x + column as i64, y + row as i64, color, weight);
                }
            }
        }
    }

    /// The bitmap of a character; the replacement character for one that the font lacks.
    fn glyph(self, c: char) -> Option<RasterizedChar> {
        let raster = |c| get_raster(c, FontWeight::Bold, self.raster);
        raster(c).or_else(|| raster('\u{fffd}'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::canvas::blank;

    #[test]
    fn sizes_follow_the_picture() {
        for (width, height, expected) in [
            (10, 10, 16),
            (275, 183, 16),
            (640, 640, 20),
            (810, 700, 24),
            (1280, 720, 32),
            (1920, 1080, 32),
            (4000, 3000, 96),
        ] {
            let font = Font::for_picture(&blank(width, height, [0; 3]));
            assert_eq!(font.height(), expected, "{width} x {height}");
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        let font = Font::for_picture(&blank(10, 10, [0; 3]));
        for (text, room, expected) in [
            ("cow", 3, "cow"),
            ("cattle 0.91", 5, "cat.."),
            ("cattle", 1, "."),
            ("cattle", 0, ""),
            ("Kühe", 4, "Kühe"),
        ] {
            assert_eq!(font.shortened(text, room * font.advance()), expected);
        }
    }

    #[test]
    fn letters_leave_marks_and_unknown_ones_too() {
        let font = Font::for_picture(&blank(10, 10, [0; 3]));
        for text in ["A", "ü", "ł", "牛"] {
            let mut picture = blank(20, 20, [0; 3]);
            font.draw(&mut picture, 2, 2, text, [255; 3]);
            assert!(picture.rgb.iter().filter(|&&v| v > 128).count() > 20, "{text}");
        }
    }
}
