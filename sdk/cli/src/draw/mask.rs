//! Masks: classes as colours over a picture, with a legend below.

use farsight_vision::Picture;

use super::canvas::{Rect, blank, fill, mix, paste};
use super::palette::{Color, class_color};
use super::text::Font;

/// How much of a class's colour goes over the picture, of 255.
const WEIGHT: u8 = 115;

/// Colours of the legend.
const PAPER: Color = [24; 3];
const INK: Color = [235; 3];

/// Classes named in the legend at most; the others are counted.
const MOST_NAMED: usize = 12;

/// What the values of a mask mean.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Classes<'a> {
    /// Names of the values from 0.
    pub(crate) labels: &'a [String],
    /// A value that gets no colour: the background.
    pub(crate) clear: Option<u8>,
    /// A value that means "no data": it gets no colour and does not count in the shares.
    pub(crate) nodata: Option<u8>,
}

/// A picture with the mask's colours over it and a legend below. The mask is `height * width` values; it is
/// stretched to the picture where the sizes differ.
pub(crate) fn draw_mask(
    picture: &Picture,
    mask: &[u8],
    [height, width]: [usize; 2],
    classes: &Classes<'_>,
) -> Picture {
    let mut colored = picture.clone();
    if mask.len() == height * width && !mask.is_empty() {
        color(&mut colored, mask, [height, width], classes);
    }
    with_legend(&colored, mask, classes)
}

/// Mixes the colours in; a pixel at the border of its class gets the full colour.
pub(super) fn color(picture: &mut Picture, mask: &[u8], [height, width]: [usize; 2], classes: &Classes<'_>) {
    let (rows, columns) = (picture.height, picture.width);
    let value = |y: usize, x: usize| mask[(y * height / rows) * width + x * width / columns];
    for y in 0..rows {
        for x in 0..columns {
            let class = value(y, x);
            if classes.is_uncolored(class) {
                continue;
            }
            let differs = |y: usize, x: usize| y < rows && x < columns && value(y, x) != class;
            let border = differs(y + 1, x)
                || differs(y, x + 1)
                || differs(y.wrapping_sub(1), x)
                || differs(y, x.wrapping_sub(1));
            let weight = if border { 255 } else { WEIGHT };
            let at = (y * columns + x) * 3;
            for (old, new) in picture.rgb[at..at + 3].iter_mut().zip(class_color(class.into())) {
                *old = mix(*old, new, weight);
            }
        }
    }
}

/// The picture with a strip below that names the classes that occur, the most frequent first.
pub(super) fn with_legend(picture: &Picture, mask: &[u8], classes: &Classes<'_>) -> Picture {
    let font = Font::for_picture(picture);
    let entries = entries(mask, classes);
    let gap = font.advance();
    let line = font.height() + gap / 2;
    let places = flow(font, &entries, picture.width, gap);
    let lines = places.iter().map(|(_, row, _)| row + 1).max().unwrap_or(0);
    let mut all = blank(picture.width, picture.height + lines * line + gap / 2, PAPER);
    paste(&mut all, picture, 0, 0);
    for (entry, (x, row, text)) in entries.iter().zip(&places) {
        let y = (picture.height + gap / 2 + row * line) as i64;
        let side = (font.height() * 2 / 3) as i64;
        let swatch =
            Rect { x: *x as i64, y: y + (font.height() as i64 - side) / 2, width: side, height: side };
        fill(&mut all, swatch, entry.color);
        font.draw(&mut all, *x as i64 + side + gap as i64 * 2 / 3, y, text, INK);
    }
    all
}

impl Classes<'_> {
    fn is_uncolored(&self, class: u8) -> bool {
        [self.clear, self.nodata].contains(&Some(class))
    }

    fn label(&self, class: u8) -> String {
        self.labels.get(usize::from(class)).cloned().unwrap_or_else(|| format!("class {class}"))
    }
}

/// A line of the legend.
struct Entry {
    color: Color,
    text: String,
}

/// Classes that occur, with their share of the pixels with data.
fn entries(mask: &[u8], classes: &Classes<'_>) -> Vec<Entry> {
    let mut counts = [0usize; 256];
    mask.iter().for_each(|&class| counts[usize::from(class)] += 1);
    if let Some(nodata) = classes.nodata {
        counts[usize::from(nodata)] = 0;
    }
    let all: usize = counts.iter().sum();
    let mut present: Vec<u8> = (0..=255).filter(|&class| counts[usize::from(class)] > 0).collect();
    present.sort_by_key(|&class| std::cmp::Reverse(counts[usize::from(class)]));
    let mut entries: Vec<_> = present
        .iter()
        .take(MOST_NAMED)
        .map(|&class| Entry {
            color: if classes.clear == Some(class) { [110; 3] } else { class_color(class.into()) },
            text: format!(
                "{} {:.1}%",
                classes.label(class),
                100.0 * counts[usize::from(class)] as f64 / all as f64
            ),
        })
        .collect();
    if present.len() > MOST_NAMED {
        entries.push(Entry { color: PAPER, text: format!("+{} more", present.len() - MOST_NAMED) });
    }
    entries
}

/// Left edge, line and text of each entry: side by side as far as the width goes.
fn flow(font: Font, entries: &[Entry], width: usize, gap: usize) -> Vec<(usize, usize, String)> {
    let swatch = font.height() * 2 / 3 + gap * 2 / 3;
    let (mut x, mut row) = (gap, 0);
    let mut places = Vec::new();
    for entry in entries {
        let text = font.shortened(&entry.text, width.saturating_sub(2 * gap + swatch));
        let needed = swatch + font.width(&text);
        if x > gap && x + needed + gap > width {
            (x, row) = (gap, row + 1);
        }
        places.push((x, row, text));
        x += needed + 2 * gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["clear", "cloud", "cloud shadow"].map(String::from).to_vec()
    }

    #[test]
    fn legend_names_what_occurs_most_frequent_first() {
        let mask = [&[0u8; 50][..], &[2; 30], &[1; 10], &[255; 10], &[7; 10]].concat();
        let labels = labels();
        let classes = Classes { labels: &labels, clear: Some(0), nodata: Some(255) };
        let texts: Vec<_> = entries(&mask, &classes).into_iter().map(|e| e.text).collect();
        assert_eq!(texts, ["clear 50.0%", "cloud shadow 30.0%", "cloud 10.0%", "class 7 10.0%"]);
        let many: Vec<u8> = (0..=255).collect();
        assert_eq!(entries(&many, &classes).len(), MOST_NAMED + 1);
    }

    #[test]
    fn background_and_missing_data_keep_the_pixels() {
        let picture = blank(4, 1, [100; 3]);
        let labels = labels();
        let classes = Classes { labels: &labels, clear: Some(0), nodata: Some(255) };
        let drawn = draw_mask(&picture, &[0, 255, 1, 1], [1, 4], &classes);
        assert_eq!(drawn.rgb[..6], [100; 6]);
        assert_eq!(drawn.rgb[6..9], class_color(1), "the border of a class has its full colour");
        let inner: Vec<_> = class_color(1).iter().map(|&new| mix(100, new, WEIGHT)).collect();
        assert_eq!(drawn.rgb[9..12], inner);
        assert_eq!((drawn.width, drawn.height > 1), (4, true));
    }

    #[test]
    fn nothing_overflows() {
        let labels = vec!["a class with a very long name that no thumbnail can hold".to_owned(); 3];
        let classes = Classes { labels: &labels, ..Classes::default() };
        for (width, height) in [(1, 1), (30, 20), (3000, 10)] {
            let drawn = draw_mask(&blank(width, height, [0; 3]), &[0, 1, 2, 2], [2, 2], &classes);
            assert_eq!(drawn.rgb.len(), drawn.width * drawn.height * 3);
        }
    }
}
