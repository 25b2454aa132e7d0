//! A labelled box, as it was written.

/// An object on a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruthBox {
    /// Its class, from 0.
    pub class: usize,
    /// Where it is.
    pub rect: TruthRect,
    /// Whether it stands for a group (COCO's `iscrowd`), which neither helps nor hurts a detector.
    pub crowd: bool,
}

/// Where an object is. Parts of a box may lie outside of its picture by a rounding error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TruthRect {
    /// YOLO's `[cx, cy, w, h]` in parts of the picture's width and height.
    Parts([f64; 4]),
    /// COCO's `[x, y, w, h]` in pixels, `x` and `y` at the upper left corner.
    Pixels([f64; 4]),
}

impl TruthRect {
    /// `[x1, y1, x2, y2]` in pixels of a picture of this `[height, width]`.
    pub fn in_pixels(&self, [height, width]: [usize; 2]) -> [f64; 4] {
        match *self {
            Self::Parts([cx, cy, w, h]) => {
                let (width, height) = (width as f64, height as f64);
                [
                    (cx - w / 2.0) * width,
                    (cy - h / 2.0) * height,
                    (cx + w / 2.0) * width,
                    (cy + h / 2.0) * height,
                ]
            }
            Self::Pixels([x, y, w, h]) => [x, y, x + w, y + h],
        }
    }

    /// Width and height, in the unit of the box.
    pub(super) fn extent(&self) -> [f64; 2] {
        match *self {
            Self::Parts([_, _, w, h]) | Self::Pixels([_, _, w, h]) => [w, h],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_in_pixels() {
        // Width and height differ, so that a swap shows.
        assert_eq!(TruthRect::Parts([0.5, 0.25, 0.2, 0.1]).in_pixels([100, 300]), [120.0, 20.0, 180.0, 30.0]);
        assert_eq!(
            TruthRect::Pixels([10.0, 20.0, 30.5, 5.0]).in_pixels([100, 300]),
            [10.0, 20.0, 40.5, 25.0]
        );
    }
}
