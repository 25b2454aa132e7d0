//! The EXIF orientation: turns a picture upright.

use super::Picture;

/// A picture that a camera stored with this EXIF orientation (tag 0x0112, 1..=8), as it was seen. Other values
/// change nothing.
pub(super) fn upright(picture: Picture, orientation: u8) -> Picture {
    let Picture { width, height, .. } = picture;
    match orientation {
        2 => remapped(&picture, [height, width], |y, x| [y, width - 1 - x]),
        3 => remapped(&picture, [height, width], |y, x| [height - 1 - y, width - 1 - x]),
        4 => remapped(&picture, [height, width], |y, x| [height - 1 - y, x]),
        5 => remapped(&picture, [width, height], |y, x| [x, y]),
        6 => remapped(&picture, [width, height], |y, x| [height - 1 - x, y]),
        7 => remapped(&picture, [width, height], |y, x| [height - 1 - x, width - 1 - y]),
        8 => remapped(&picture, [width, height], |y, x| [x, width - 1 - y]),
        _ => picture,
    }
}

/// A picture of this size whose pixel `(y, x)` is the old one's pixel `from(y, x)`.
fn remapped(
    old: &Picture,
    [height, width]: [usize; 2],
    from: impl Fn(usize, usize) -> [usize; 2],
) -> Picture {
    let mut rgb = Vec::with_capacity(old.rgb.len());
    for y in 0..height {
        for x in 0..width {
            let [old_y, old_x] = from(y, x);
            let at = (old_y * old.width + old_x) * 3;
            rgb.extend_from_slice(&old.rgb[at..at + 3]);
        }
    }
    Picture { width, height, rgb }
}
