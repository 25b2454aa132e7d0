//! Closed outlines: cutting them where they touch themselves, and their area.

use std::collections::HashMap;

use super::PixelAreas;

/// `[column, row]` of a corner between pixels.
pub(super) type Corner = [u32; 2];

/// Set in a corner's column where two pixels of one class meet across a corner, so that a ring may pass twice.
pub(super) const TOUCH: u32 = 1 << 31;

/// Cuts a ring at the corners that it passes more than once, and hands out the simple rings.
pub(super) fn simple_rings(ring: Vec<Corner>, each: &mut dyn FnMut(&[Corner])) {
    let mut path: Vec<Corner> = Vec::with_capacity(ring.len());
    let mut places: HashMap<Corner, usize> = HashMap::new();
    for [column, row] in ring {
        let corner = [column & !TOUCH, row];
        if column & TOUCH != 0 {
            if let Some(&first) = places.get(&corner) {
                each(&path[first..]);
                // What lies on the loop that was cut off is passed no more.
                for passed in path.drain(first + 1..) {
                    places.remove(&passed);
                }
                continue;
            }
            places.insert(corner, path.len());
        }
        path.push(corner);
    }
    each(&path);
}

/// Pixels inside a ring: positive for an outline with its region on the left (rows run
/// downwards), negative for a hole.
pub(super) fn signed_pixels(ring: &[Corner]) -> i64 {
    edges(ring).map(|([x, y], [_, next])| i64::from(x) * (i64::from(y) - i64::from(next))).sum()
}

/// Square metres inside a ring, with the sign of [`signed_pixels`].
pub(super) fn signed_area(ring: &[Corner], areas: &PixelAreas) -> f64 {
    edges(ring).map(|([x, y], [_, next])| f64::from(x) * (areas.above(y) - areas.above(next))).sum()
}

fn edges(ring: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eight_becomes_two_rings() {
        // Two pixels across a corner, around which a ring ran in one go.
        let ring = vec![[0, 0], [0, 1], [1 | TOUCH, 1], [1, 2], [2, 2], [2, 1], [1 | TOUCH, 1], [1, 0]];
        let mut found = Vec::new();
        simple_rings(ring, &mut |ring| found.push((ring.to_vec(), signed_pixels(ring))));
        assert_eq!(
            found,
            [(vec![[1, 1], [1, 2], [2, 2], [2, 1]], 1), (vec![[0, 0], [0, 1], [1, 1], [1, 0]], 1)]
        );
        let area = signed_area(&found[0].0, &PixelAreas::Rows(vec![0.0, 10.0, 30.0]));
        assert_eq!(area, 20.0);
    }
}
