//! Boxes with their labels.

use farsight_vision::Picture;

use super::canvas::{Rect, fill, outline};
use super::palette::{class_color, ink_on};
use super::text::Font;

/// A box to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// `[x1, y1, x2, y2]` in pixels of the picture.
    pub(crate) bbox: [f32; 4],
    /// Decides the colour.
    pub(crate) class: usize,
    /// What stands at it.
    pub(crate) text: String,
}

impl Mark {
    /// A box whose text is the label and the score.
    pub(crate) fn new(bbox: [f32; 4], class: usize, label: &str, score: f32) -> Self {
        Self { bbox, class, text: format!("{label} {score:.2}") }
    }
}

/// Draws boxes, the first one uppermost (detections come best first). A label goes above its box, inside or
/// below where there is no room, and never beyond the picture's border.
pub(crate) fn draw_boxes(picture: &mut Picture, marks: &[Mark]) {
    let line = ((picture.width + picture.height) as f64 * 0.0015).round().max(2.0) as i64;
    let font = Font::for_picture(picture);
    for mark in marks.iter().rev() {
        let rect = pixels(mark.bbox);
        outline(picture, rect, line, class_color(mark.class));
    }
    let mut placed = Vec::new();
    let labels: Vec<_> = marks.iter().map(|mark| label(picture, font, mark, line, &mut placed)).collect();
    for (mark, (rect, text)) in marks.iter().zip(labels).rev() {
        let color = class_color(mark.class);
        fill(picture, rect, color);
        font.draw(picture, rect.x + padding(font), rect.y, &text, ink_on(color));
    }
}

/// Where a label goes, and its text as far as the picture's width can hold it.
fn label(picture: &Picture, font: Font, mark: &Mark, line: i64, placed: &mut Vec<Rect>) -> (Rect, String) {
    let pad = padding(font);
    let text = font.shortened(&mark.text, picture.width.saturating_sub(2 * pad as usize));
    let width = font.width(&text) as i64 + 2 * pad;
    let height = font.height() as i64;
    let target = pixels(mark.bbox);
    let right = target.x + target.width - width;
    let (above, inside, below) = (target.y - height, target.y + line, target.y + target.height);
    let places = [
        (target.x, above),
        (right, above),
        (target.x, inside),
        (right, inside),
        (target.x, below),
        (right, below),
    ];
    let rects = places.map(|(x, y)| kept_in(picture, Rect { x, y, width, height }));
    // A place that had to be moved far would stand at another box.
    let close = |(rect, (_, y)): &(Rect, (i64, i64))| rect.y == *y && rect.lies_in(picture);
    let fitting: Vec<_> = rects.into_iter().zip(places).filter(close).map(|(rect, _)| rect).collect();
    let free = fitting.iter().find(|rect| !placed.iter().any(|other| rect.overlaps(other)));
    let rect = *free.or(fitting.first()).unwrap_or(&rects[0]);
    placed.push(rect);
    (rect, text)
}

/// The rectangle, moved into the picture as far as it fits.
fn kept_in(picture: &Picture, rect: Rect) -> Rect {
    let x = rect.x.min(picture.width as i64 - rect.width).max(0);
    let y = rect.y.min(picture.height as i64 - rect.height).max(0);
    Rect { x, y, ..rect }
}

/// Whole pixels of a box. What is not a number counts as 0, and what is far outside of any picture is cut.
fn pixels(bbox: [f32; 4]) -> Rect {
    const FAR: f32 = 1e6;
    let [x1, y1, x2, y2] = bbox.map(|v| v.clamp(-FAR, FAR));
    let (x, y) = (x1.floor() as i64, y1.floor() as i64);
    Rect { x, y, width: (x2.ceil() as i64 - x).max(1), height: (y2.ceil() as i64 - y).max(1) }
}

fn padding(font: Font) -> i64 {
    font.advance() as i64 / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::canvas::blank;

    #[test]
    fn labels_stay_inside_and_apart() {
        let picture = blank(300, 200, [0; 3]);
        let font = Font::for_picture(&picture);
        let boxes = [
            [0.0, 0.0, 300.0, 200.0],
            [280.0, 190.0, 299.0, 199.0],
            [0.0, 60.0, 30.0, 90.0],
            [0.0, 60.0, 30.0, 90.0],
            [2.0, 61.0, 30.0, 90.0],
            [-50.0, -50.0, 400.0, 400.0],
        ];
        let mut placed = Vec::new();
        for bbox in boxes {
            let mark = Mark::new(bbox, 0, "cattle", 0.5);
            let (rect, text) = label(&picture, font, &mark, 2, &mut placed);
            assert_eq!(text, "cattle 0.50");
            assert!(rect.lies_in(&picture), "{bbox:?}: {rect:?}");
        }
        assert!(!placed[2].overlaps(&placed[3]) && !placed[3].overlaps(&placed[4]));
    }

    #[test]
    fn odd_boxes_and_tiny_pictures_do_no_harm() {
        for (width, height) in [(1, 1), (5, 400), (400, 5), (64, 64)] {
            let mut picture = blank(width, height, [0; 3]);
            for bbox in
                [[f32::NAN; 4], [f32::NEG_INFINITY, 0.0, f32::INFINITY, 9.0], [9.0, 9.0, 3.0, 3.0], [1e30; 4]]
            {
                draw_boxes(&mut picture, &[Mark::new(bbox, 3, "a label of many words", 1.0)]);
            }
            assert_eq!(picture.rgb.len(), width * height * 3);
        }
    }
}
