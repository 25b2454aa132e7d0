//! Measures of masks, out of one confusion matrix.

use super::mean;

/// Counts pixels by the class that is there and the class that was found.
#[derive(Debug, Clone)]
pub struct Confusion {
    classes: usize,
    ignore: Option<u8>,
    /// Row: the class that is there. Column: the class found; the last column: none of the classes.
    counts: Vec<u64>,
}

/// Why two masks cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// They are not of one size.
    #[error("the mask found has {found} pixels, the true mask {there}: they must be of one size")]
    Length {
        /// Pixels of the mask found.
        found: usize,
        /// Pixels of the true mask.
        there: usize,
    },
    /// The true mask holds something that is neither a class nor the label to ignore.
    #[error(
        "pixel {pixel} of the true mask is labelled {label}: there are {classes} classes, and this is not the label to ignore"
    )]
    Label {
        /// Position in the mask, row by row.
        pixel: usize,
        /// What stands there.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
}

impl Confusion {
    /// No pixel yet. Pixels whose true label is `ignore` do not count.
    pub fn new(classes: u8, ignore: Option<u8>) -> Self {
        let classes = usize::from(classes);
        Self { classes, ignore, counts: vec![0; classes * (classes + 1)] }
    }

    /// Adds a mask: what was found and what is there, pixel by pixel. A pixel found to be no class at all is
    /// missed by the true class and taken by none.
    ///
    /// # Errors
    /// If they are not of one size, or a true label is neither a class nor ignored: nothing of this mask is
    /// counted then.
    pub fn add(&mut self, found: &[u8], there: &[u8]) -> Result<(), MaskError> {
        if found.len() != there.len() {
            return Err(MaskError::Length { found: found.len(), there: there.len() });
        }
        let (classes, ignore) = (self.classes, self.ignore);
        let known = |label: u8| usize::from(label) < classes || ignore == Some(label);
        if let Some(pixel) = there.iter().position(|&label| !known(label)) {
            return Err(MaskError::Label { pixel, label: there[pixel], classes });
        }
        for (&found, &there) in found.iter().zip(there) {
            if ignore != Some(there) {
                self.counts[usize::from(there) * (classes + 1) + usize::from(found).min(classes)] += 1;
            }
        }
        Ok(())
    }

    /// Adds the pixels of another: the same as if its masks had been added here.
    ///
    /// # Panics
    /// If the two were made for other classes or another label to ignore: no such sum means anything.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!((self.classes, self.ignore), (other.classes, other.ignore), "classes, label to ignore");
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
    }

    /// Intersection over union of a class; none where it is neither there nor found.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let [both, there, found] = self.of(class)?;
        ratio(both, there + found - both)
    }

    /// Dice coefficient of a class, 2 TP / (2 TP + FP + FN); none where it is neither there nor found.
    pub fn dice(&self, class: usize) -> Option<f64> {
        let [both, there, found] = self.of(class)?;
        ratio(2 * both, there + found)
    }

    /// Mean IoU over the classes that are there or found.
    pub fn mean_iou(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.iou(class)))
    }

    /// Part of the counted pixels whose class was found.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let right = (0..self.classes).map(|class| self.counts[class * (self.classes + 1) + class]).sum();
        ratio(right, self.counts.iter().sum())
    }

    /// Pixels of a class that are there and found, that are there, that are found.
    fn of(&self, class: usize) -> Option<[u64; 3]> {
        let columns = self.classes + 1;
        let row = self.counts.get(class * columns..(class + 1) * columns)?;
        let found = self.counts.iter().skip(class).step_by(columns).sum();
        Some([row[class], row.iter().sum(), found])
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut confusion = Confusion::new(4, Some(255));
        confusion.add(&[0, 0, 1, 1], &[0, 1, 1, 255]).unwrap();
        confusion.add(&[2, 255, 0], &[1, 0, 0]).unwrap();
        // There / found: 0/0 twice, 0/none, 1/0, 1/1, 1/2.
        assert_eq!([0, 1, 2, 3].map(|c| confusion.iou(c)), [Some(0.5), Some(1.0 / 3.0), Some(0.0), None]);
        assert_eq!(
            [0, 1, 2, 3, 9].map(|c| confusion.dice(c)),
            [Some(4.0 / 6.0), Some(0.5), Some(0.0), None, None]
        );
        assert_eq!(confusion.mean_iou(), Some((0.5 + 1.0 / 3.0) / 3.0));
        assert_eq!(confusion.pixel_accuracy(), Some(0.5));
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let (mut whole, mut merged) = (Confusion::new(3, Some(255)), Confusion::new(3, Some(255)));
        for (found, there) in [([0, 0, 1, 1], [0, 1, 1, 255]), ([2, 255, 0, 1], [1, 0, 0, 2])] {
            let mut part = Confusion::new(3, Some(255));
            for confusion in [&mut whole, &mut part] {
                confusion.add(&found, &there).unwrap();
            }
            merged.merge(&part);
        }
        assert_eq!(merged.counts, whole.counts);
    }

    #[test]
    #[should_panic(expected = "classes, label to ignore")]
    fn confusions_of_other_classes_do_not_merge() {
        Confusion::new(3, None).merge(&Confusion::new(2, None));
    }

    #[test]
    fn nothing() {
        let confusion = Confusion::new(2, None);
        assert_eq!((confusion.iou(0), confusion.mean_iou(), confusion.pixel_accuracy()), (None, None, None));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let mut confusion = Confusion::new(2, None);
        let error = confusion.add(&[0, 0], &[1, 255]).unwrap_err();
        assert_eq!(error, MaskError::Label { pixel: 1, label: 255, classes: 2 });
        assert_eq!(confusion.add(&[0], &[0, 0]), Err(MaskError::Length { found: 1, there: 2 }));
        assert_eq!(confusion.pixel_accuracy(), None);
    }
}
