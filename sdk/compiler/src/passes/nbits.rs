//! A matrix in blocks of 4-bit codes, as ONNX Runtime's MatMulNBits reads them.
//!
//! The layout is that of `com.microsoft.MatMulNBits` in ONNX Runtime's `docs/ContribOperators.md`; how scales
//! and zero points are chosen is that of its own quantizer (a symmetric block reaches its largest magnitude
//! at the code 0, eight steps from the zero point, on the side where that magnitude is).

use super::weights::Error;

/// The largest block; 64, 32 and 16 are tried, too.
const COARSEST: usize = 128;

/// The code of zero in symmetric blocks.
const MIDDLE: f32 = 8.0;

/// How a matrix is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Values that share a scale.
    pub(super) block: usize,
    /// Whether each block has a zero point of its own; 8 otherwise.
    pub(super) zero_points: bool,
}

/// A matrix of N rows of K values in blocks. The last block of a row is filled up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blocks {
    pub(super) form: Form,
    /// Two codes a byte, the low half first; N x blocks x block ÷ 2.
    pub(super) codes: Vec<u8>,
    /// N x blocks.
    pub(super) scales: Vec<f32>,
    /// Two a byte as the codes, each row filled up to a byte; N x ⌈blocks ÷ 2⌉. None for symmetric blocks.
    pub(super) zero_points: Vec<u8>,
    /// Σ(w - stored)² ÷ Σw².
    pub(super) error: f64,
}

impl Form {
    /// How many blocks a row of `k` values takes.
    pub(super) fn count(self, k: usize) -> usize {
        k.div_ceil(self.block)
    }

    /// Bytes that a row of `k` values takes.
    pub(super) fn row_bytes(self, k: usize) -> usize {
        let blocks = self.count(k);
        blocks * (self.block / 2 + 4) + if self.zero_points { blocks.div_ceil(2) } else { 0 }
    }
}

/// The form that takes the fewest bytes.
pub(super) fn smallest(k: usize) -> Form {
    by_size(k)[0]
}

/// All forms, the one that takes the fewest bytes first.
fn by_size(k: usize) -> [Form; 8] {
    let mut forms =
        std::array::from_fn(|index| Form { block: COARSEST >> (index / 2), zero_points: index % 2 == 1 });
    forms.sort_by_key(|form| form.row_bytes(k));
    forms
}

/// The smallest blocks in bytes whose error is within `max_error`, or else those with the least error. So
/// zero points are there only where they let a coarser block do.
///
/// The choice of a block size for each matrix follows FineQuant (Kim et al. 2023, arXiv 2308.09723).
pub(super) fn fit(rows: &[f32], k: usize, max_error: f64) -> Blocks {
    let forms = by_size(k);
    let mut best = cut(rows, k, forms[0]);
    for &form in &forms[1..] {
        if best.error <= max_error {
            break;
        }
        let next = cut(rows, k, form);
        if next.error < best.error {
            best = next;
        }
    }
    best
}

/// Cuts rows of `k` values into blocks.
pub(super) fn cut(rows: &[f32], k: usize, form: Form) -> Blocks {
    let mut made = Blocks { form, codes: vec![], scales: vec![], zero_points: vec![], error: 0.0 };
    let mut error = Error::default();
    let mut zeros = Vec::with_capacity(form.count(k));
    for row in rows.chunks(k) {
        zeros.clear();
        for block in row.chunks(form.block) {
            let (scale, zero) = if form.zero_points { between(block) } else { around(block) };
            let code = |&value: &f32| {
                // 0 ÷ 0 gives NaN, which means 0.
                let steps = value / scale;
                let code = if steps.is_nan() { zero } else { (steps + zero).round().clamp(0.0, 15.0) };
                error.add(value, (code - zero) * scale);
                code as u8
            };
            let mut codes: Vec<u8> = block.iter().map(code).collect();
            codes.resize(form.block, zero as u8);
            made.codes.extend(pairs(&codes));
            made.scales.push(scale);
            zeros.push(zero as u8);
        }
        if form.zero_points {
            made.zero_points.extend(pairs(&zeros));
        }
    }
    made.error = error.relative();
    made
}

/// Scale and zero point of a symmetric block.
fn around(block: &[f32]) -> (f32, f32) {
    let farthest = block.iter().fold(0.0f32, |far, &value| if value.abs() > far.abs() { value } else { far });
    (-farthest / MIDDLE, MIDDLE)
}

/// Scale and zero point of a block that spans from its least to its greatest value, and holds 0.
fn between(block: &[f32]) -> (f32, f32) {
    let (least, most) = block.iter().fold((0.0f32, 0.0f32), |(least, most), &v| (least.min(v), most.max(v)));
    let scale = (most - least) / 15.0;
    let zero = if scale > 0.0 { (-least / scale).round().clamp(0.0, 15.0) } else { MIDDLE };
    (scale, zero)
}

/// Two codes a byte, the low half first.
fn pairs(codes: &[u8]) -> impl Iterator<Item = u8> {
    codes.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What MatMulNBits makes of a row.
    fn row(blocks: &Blocks, k: usize) -> Vec<f32> {
        let nibble = |bytes: &[u8], index: usize| f32::from(bytes[index / 2] >> (index % 2 * 4) & 15);
        let value = |index: usize| {
            let block = index / blocks.form.block;
            let zero = if blocks.form.zero_points { nibble(&blocks.zero_points, block) } else { MIDDLE };
            (nibble(&blocks.codes, index) - zero) * blocks.scales[block]
        };
        (0..k).map(value).collect()
    }

    #[test]
    fn whole_codes_come_back_exactly() {
        let k = 40;
        let symmetric: Vec<f32> = (0..k).map(|index| (index % 16) as f32 - 8.0).collect();
        let blocks = cut(&symmetric, k, Form { block: 16, zero_points: false });
        assert_eq!((row(&blocks, k), blocks.error), (symmetric, 0.0));
        assert_eq!((blocks.codes.len(), blocks.scales.len(), blocks.zero_points.len()), (24, 3, 0));
        // 0 1, 2 3, … and the filling, whose code is that of zero.
        assert_eq!((&blocks.codes[..2], &blocks.codes[20..]), (&[0x10, 0x32][..], &[0x88; 4][..]));
        let shifted: Vec<f32> = (0..k).map(|index| (index % 16) as f32 - 3.0).collect();
        let blocks = cut(&shifted, k, Form { block: 16, zero_points: true });
        assert_eq!(
            (row(&blocks, k)[..32].to_vec(), &blocks.zero_points[..1]),
            (shifted[..32].to_vec(), &[0x33][..])
        );
        assert_eq!(blocks.zero_points.len(), 2);
    }

    #[test]
    fn zeros_stay_zero() {
        for zero_points in [false, true] {
            let blocks = cut(&[0.0; 32], 32, Form { block: 32, zero_points });
            assert_eq!((row(&blocks, 32), blocks.error), (vec![0.0; 32], 0.0));
        }
    }

    #[test]
    fn the_smallest_form_within_the_error_is_taken() {
        let wave: Vec<f32> =
            (0..256).map(|index| (index as f32 * 0.37).sin() * (1.0 + index as f32 / 64.0)).collect();
        let form = |max_error| fit(&wave, 256, max_error).form;
        assert_eq!(form(1.0), Form { block: 128, zero_points: false });
        let [coarse, fine] = [128, 16].map(|block| cut(&wave, 256, Form { block, zero_points: false }).error);
        assert!(fine < coarse);
        assert_eq!(form(fine * 1.000_001).block, 16);
        assert_eq!(form(0.0).block, 16);
        // All on one side: with a zero point the range is half as wide.
        let positive: Vec<f32> = wave.iter().map(|value| value.abs()).collect();
        let error = cut(&positive, 256, Form { block: 128, zero_points: true }).error;
        assert_eq!(fit(&positive, 256, error).form, Form { block: 128, zero_points: true });
    }

    #[test]
    fn short_rows_take_short_blocks() {
        assert_eq!(smallest(16), Form { block: 16, zero_points: false });
        assert_eq!(smallest(48), Form { block: 64, zero_points: false });
        assert_eq!(Form { block: 32, zero_points: true }.row_bytes(80), 3 * 20 + 2);
    }
}
