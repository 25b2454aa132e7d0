//! The best classes out of one score a class.

use farsight_spec::{Activation, ClassesOutput};

use super::{DecodeError, Result, check_labels, check_len};

/// A class and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// Index of the class, counted without the outputs before the first real one.
    pub class: usize,
    /// Its score after the activation.
    pub score: f32,
}

/// Turns one picture's class scores into the best classes.
///
/// Softmax runs over all outputs, also those that `label_offset` leaves out of the answer. After the first
/// call nothing is allocated, unless `out` is a new vector.
#[derive(Debug, Clone)]
pub struct ClassesDecoder {
    activation: Activation,
    offset: usize,
    top: usize,
    threshold: f32,
    scores: Vec<f32>,
    order: Vec<u32>,
}

impl ClassesDecoder {
    /// A decoder for a tensor of `len` values.
    ///
    /// # Errors
    /// If no class is left after `label_offset`, or the number of labels (where there are any) is not the
    /// number of classes.
    pub fn new(output: &ClassesOutput, len: usize) -> Result<Self> {
        let shape = |expected: String| DecodeError::Shape { shape: vec![len], expected };
        let classes =
            len.checked_sub(output.label_offset).filter(|&classes| classes > 0).ok_or_else(|| {
                shape(format!("there must be more values than label_offset = {}", output.label_offset))
            })?;
        let count =
            u32::try_from(classes).map_err(|_| shape("that is more classes than can be ranked".into()))?;
        check_labels(output.labels.len(), classes)?;
        Ok(Self {
            activation: output.activation,
            offset: output.label_offset,
            top: output.top.min(classes),
            threshold: output.threshold.unwrap_or(f32::NEG_INFINITY),
            scores: Vec::with_capacity(len),
            order: (0..count).collect(),
        })
    }

    /// Replaces what is in `out` with the best classes, best first; of equal ones the lower index comes
    /// first, NaN comes last.
    ///
    /// # Errors
    /// If the tensor is not as long as told at the start.
    pub fn decode(&mut self, tensor: &[f32], out: &mut Vec<ClassScore>) -> Result<()> {
        check_len(tensor.len(), self.offset + self.order.len())?;
        self.scores.clear();
        self.scores.extend_from_slice(tensor);
        activate(self.activation, &mut self.scores);

        let scores = &self.scores[self.offset..];
        let key = |class: &u32| {
            if scores[*class as usize].is_nan() { f32::NEG_INFINITY } else { scores[*class as usize] }
        };
        let best_first = |a: &u32, b: &u32| key(b).total_cmp(&key(a)).then(a.cmp(b));
        if self.top < self.order.len() {
            self.order.select_nth_unstable_by(self.top, best_first);
        }
        let best = &mut self.order[..self.top];
        best.sort_unstable_by(best_first);
        out.clear();
        out.extend(
            best.iter()
                .map(|&class| ClassScore { class: class as usize, score: scores[class as usize] })
                .filter(|found| self.threshold == f32::NEG_INFINITY || found.score > self.threshold),
        );
        Ok(())
    }
}

fn activate(activation: Activation, scores: &mut [f32]) {
    match activation {
        Activation::None => {}
        Activation::Softmax => softmax(scores),
        Activation::Sigmoid => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
    }
}

/// Less the greatest value first, so that nothing overflows; summed in f64.
fn softmax(scores: &mut [f32]) {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - greatest).exp());
    let sum: f64 = scores.iter().copied().map(f64::from).sum();
    scores.iter_mut().for_each(|score| *score = (f64::from(*score) / sum) as f32);
}

/// 1 / (1 + e^-x), by the branch that does not overflow.
fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        return 1.0 / (1.0 + (-x).exp());
    }
    let e = x.exp();
    e / (1.0 + e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, tensor, activation, how many, label offset, classes and scores expected.
    type Row<'a> = (&'a str, &'a [f32], Activation, usize, usize, &'a [(usize, f32)]);

    fn decode(tensor: &[f32], activation: Activation, top: usize, label_offset: usize) -> Vec<(usize, f32)> {
        let output = ClassesOutput {
            tensor: None,
            labels: Vec::new(),
            top,
            activation,
            label_offset,
            threshold: None,
        };
        let mut out = Vec::new();
        ClassesDecoder::new(&output, tensor.len()).unwrap().decode(tensor, &mut out).unwrap();
        out.iter().map(|best| (best.class, best.score)).collect()
    }

    #[test]
    fn best_first() {
        use Activation::{None, Sigmoid, Softmax};
        let ln = |x: f32| x.ln();
        #[rustfmt::skip]
        let rows: &[Row] = &[
            ("as they are", &[0.1, 0.7, 0.2], None, 2, 0, &[(1, 0.7), (2, 0.2)]),
            ("ties by index", &[0.5, 0.9, 0.5, 0.9], None, 3, 0, &[(1, 0.9), (3, 0.9), (0, 0.5)]),
            ("more asked for than there are", &[0.1, 0.2], None, 5, 0, &[(1, 0.2), (0, 0.1)]),
            ("the background is left out", &[9.0, 0.1, 0.2], None, 1, 1, &[(1, 0.2)]),
            ("softmax", &[ln(1.0), ln(2.0), ln(5.0)], Softmax, 3, 0, &[(2, 0.625), (1, 0.25), (0, 0.125)]),
            ("softmax counts the background", &[ln(2.0), ln(2.0)], Softmax, 1, 1, &[(0, 0.5)]),
            ("softmax of great values", &[1000.0, 1000.0, -1000.0], Softmax, 3, 0, &[(0, 0.5), (1, 0.5), (2, 0.0)]),
            ("sigmoid", &[0.0, -1000.0, 1000.0], Sigmoid, 3, 0, &[(2, 1.0), (0, 0.5), (1, 0.0)]),
            ("none asked for", &[0.1], None, 0, 0, &[]),
        ];
        for (name, tensor, activation, top, offset, expected) in rows {
            let found = decode(tensor, *activation, *top, *offset);
            let near = |(a, b): (&(usize, f32), &(usize, f32))| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6;
            assert!(
                found.len() == expected.len() && found.iter().zip(*expected).all(near),
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn odd_values_do_not_panic() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0];
        for activation in [Activation::None, Activation::Softmax, Activation::Sigmoid] {
            assert_eq!(decode(&odd, activation, 5, 0).len(), 5);
        }
        let classes: Vec<_> = decode(&odd, Activation::None, 4, 0).iter().map(|best| best.0).collect();
        assert_eq!(classes, [1, 3, 4, 0]);
    }

    #[test]
    fn refused() {
        let labels = |n| vec![String::new(); n];
        let new = |labels, label_offset, len| {
            let output = ClassesOutput {
                tensor: None,
                labels,
                top: 5,
                activation: Activation::None,
                label_offset,
                threshold: None,
            };
            ClassesDecoder::new(&output, len).map(|_| ())
        };
        assert_eq!(new(labels(1000), 1, 1001), Ok(()));
        assert_eq!(new(labels(1001), 1, 1001), Err(DecodeError::Labels { labels: 1001, classes: 1000 }));
        assert!(matches!(new(labels(0), 1, 1), Err(DecodeError::Shape { .. })));
        let output = ClassesOutput {
            tensor: None,
            labels: vec![],
            top: 5,
            activation: Activation::None,
            label_offset: 0,
            threshold: Some(0.5),
        };
        let error = ClassesDecoder::new(&output, 3).unwrap().decode(&[0.0], &mut Vec::new());
        assert_eq!(error, Err(DecodeError::Length { found: 1, expected: 3 }));
    }

    #[test]
    fn several_classes_hold_above_the_threshold() {
        let output = ClassesOutput {
            tensor: None,
            labels: vec![],
            top: 5,
            activation: Activation::Sigmoid,
            label_offset: 0,
            threshold: Some(0.5),
        };
        let mut out = Vec::new();
        ClassesDecoder::new(&output, 4).unwrap().decode(&[2.0, 0.0, -1.0, 3.0], &mut out).unwrap();
        // A logit of 0 is a score of exactly the threshold, which is not above it.
        assert_eq!(out.iter().map(|best| best.class).collect::<Vec<_>>(), [3, 0]);
    }
}
