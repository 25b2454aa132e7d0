//! A mask in little memory: runs of pixels of one class. Neighbours are alike, so it takes a tenth to a hundredth.

/// A mask as runs: each a class and its length, seven bits a byte, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs {
    bytes: Vec<u8>,
    pixels: usize,
}

impl Runs {
    pub(crate) fn of(mask: &[u8]) -> Self {
        let mut bytes = Vec::new();
        for run in mask.chunk_by(|a, b| a == b) {
            bytes.push(run[0]);
            let mut rest = run.len();
            while rest > 0x7f {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        bytes.shrink_to_fit();
        Self { bytes, pixels: mask.len() }
    }

    /// The mask again.
    pub(crate) fn mask(&self) -> Vec<u8> {
        let mut mask = Vec::with_capacity(self.pixels);
        let mut bytes = self.bytes.iter();
        while let Some(&class) = bytes.next() {
            let (mut length, mut shift) = (0, 0);
            for &byte in bytes.by_ref() {
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            mask.resize(mask.len() + length, class);
        }
        mask
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_comes_back() {
        let long = [vec![3; 127], vec![0; 128], vec![255; 20_000], vec![1]].concat();
        for mask in [Vec::new(), vec![7], vec![1, 2, 2, 1], long.clone()] {
            assert_eq!(Runs::of(&mask).mask(), mask);
        }
        assert_eq!(Runs::of(&long).size(), 2 + 3 + 4 + 2);
    }
}
