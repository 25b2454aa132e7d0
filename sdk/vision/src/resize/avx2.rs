//! The inner loops for AVX2. The only file of this crate with unsafe code.
//!
//! An [`Avx2`] exists only where the instructions were found, which is what makes its methods safe to call.
//! Some are the portable loops compiled once more with wider registers.

#![allow(unsafe_code)] // intrinsics of the CPU

use std::arch::x86_64::*;

use super::color::{self, YuvFactors, YuvOrder};
use super::linear::{self, Columns};
use super::pil::{self, Taps};
use super::{Lanes, PIXEL};

/// Proof that this machine has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// See [`color::yuv_to_rgb`].
    pub(super) fn yuv_to_rgb(
        self,
        order: YuvOrder,
        factors: YuvFactors,
        row: &[u8],
        chroma: &[u8],
        out: &mut [u8],
    ) {
        #[target_feature(enable = "avx2")]
        fn wide(order: YuvOrder, factors: YuvFactors, row: &[u8], chroma: &[u8], out: &mut [u8]) {
            color::yuv_to_rgb(order, factors, row, chroma, out);
        }
        // SAFETY: `self` proves AVX2.
        unsafe { wide(order, factors, row, chroma, out) }
    }

    /// See [`color::luminance`].
    pub(super) fn luminance<const STEP: usize>(self, order: [usize; 3], row: &[u8], out: &mut [u8]) {
        #[target_feature(enable = "avx2")]
        fn wide<const STEP: usize>(order: [usize; 3], row: &[u8], out: &mut [u8]) {
            color::luminance::<STEP>(order, row, out);
        }
        // SAFETY: `self` proves AVX2.
        unsafe { wide::<STEP>(order, row, out) }
    }

    /// See [`pil::filter_columns_of`].
    pub(super) fn filter_columns<const STEP: usize>(
        self,
        lanes: Lanes,
        row: &[u8],
        columns: &Taps,
        out: &mut [u8],
    ) {
        #[target_feature(enable = "avx2")]
        fn wide<const STEP: usize>(lanes: Lanes, row: &[u8], columns: &Taps, out: &mut [u8]) {
            pil::filter_columns_of::<STEP>(lanes, row, columns, out);
        }
        // SAFETY: `self` proves AVX2.
        unsafe { wide::<STEP>(lanes, row, columns, out) }
    }

    /// See [`pil::add_row`].
    pub(super) fn add_row(self, row: &[u8], weight: i32, sums: &mut [i32]) {
        #[target_feature(enable = "avx2")]
        fn wide(row: &[u8], weight: i32, sums: &mut [i32]) {
            pil::add_row(row, weight, sums);
        }
        // SAFETY: `self` proves AVX2.
        unsafe { wide(row, weight, sums) }
    }

    /// Blends neighbours of a source row and says how many output columns were done, from the first on.
    /// Those near the end of the row are left to the portable loop, since loads here read past a pixel.
    pub(super) fn blend_columns(self, lanes: Lanes, row: &[u8], columns: &Columns, out: &mut [i16]) -> usize {
        // SAFETY: `self` proves AVX2.
        unsafe { blend_columns(lanes, row, columns, out) }
    }

    /// See [`linear::blend_rows`].
    pub(super) fn blend_rows(self, top: &[i16], bottom: &[i16], weights: [i16; 2], out: &mut [u8]) {
        // SAFETY: `self` proves AVX2.
        let done = unsafe { blend_rows(top, bottom, weights, out) };
        linear::blend_rows(&top[done..], &bottom[done..], weights, &mut out[done..]);
    }

    /// Writes `(value / divide - mean) / std` for one lane of a row of [`PIXEL`]-byte pixels.
    pub(crate) fn normalise(self, lane: usize, row: &[u8], steps: [f32; 3], out: &mut [f32]) -> usize {
        // SAFETY: `self` proves AVX2.
        unsafe { normalise(lane, row, steps, out) }
    }
}

/// Bytes read from the left neighbour on.
const LOAD: usize = 16;

#[target_feature(enable = "avx2")]
fn blend_columns(lanes: Lanes, row: &[u8], columns: &Columns, out: &mut [i16]) -> usize {
    let (offsets, weights) = (&columns.offsets[..], &columns.weights[..]);
    // Offsets never fall, so every offset before this one leaves room for a load.
    let inside = offsets.partition_point(|&offset| offset as usize + LOAD <= row.len());
    let count = inside.min(weights.len()).min(out.len() / PIXEL) / 4 * 4;

    // Left and right neighbour of each colour side by side, as 16-bit values.
    let mut mask = [-1i8; 16];
    for (lane, &byte) in lanes.order.iter().enumerate() {
        mask[4 * lane] = byte as i8;
        mask[4 * lane + 2] = (byte + lanes.step) as i8;
    }
    // SAFETY: 16 bytes are read from an array of 16 bytes.
    let mask = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(mask.as_ptr().cast()) });

    for d in (0..count).step_by(4) {
        // SAFETY: `offsets`, `weights` and `out` have more than `d + 3` elements (`out` four for each);
        // `offset + LOAD <= row.len()` for the columns before `count`.
        unsafe {
            let pixel = |i: usize| row.as_ptr().add(*offsets.get_unchecked(d + i) as usize).cast();
            let pixels = |a, b| {
                let a = _mm256_castsi128_si256(_mm_loadu_si128(pixel(a)));
                _mm256_shuffle_epi8(_mm256_inserti128_si256(a, _mm_loadu_si128(pixel(b)), 1), mask)
            };
            let weight = |i: usize| _mm256_loadu_si256(weights.as_ptr().add(d + i).cast());
            let first = _mm256_srai_epi32(_mm256_madd_epi16(pixels(0, 1), weight(0)), 4);
            let second = _mm256_srai_epi32(_mm256_madd_epi16(pixels(2, 3), weight(2)), 4);
            let packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0b11_01_10_00);
            _mm256_storeu_si256(out.as_mut_ptr().add(d * PIXEL).cast(), packed);
        }
    }
    count
}

#[target_feature(enable = "avx2")]
fn blend_rows(top: &[i16], bottom: &[i16], weights: [i16; 2], out: &mut [u8]) -> usize {
    let count = top.len().min(bottom.len()).min(out.len()) / 32 * 32;
    let [top_weight, bottom_weight] = weights.map(|weight| _mm256_set1_epi16(weight));
    let two = _mm256_set1_epi16(2);
    for i in (0..count).step_by(32) {
        // SAFETY: `i + 32 <= count`, which no slice is shorter than.
        unsafe {
            let blend = |i: usize| {
                let top = _mm256_loadu_si256(top.as_ptr().add(i).cast());
                let bottom = _mm256_loadu_si256(bottom.as_ptr().add(i).cast());
                let top = _mm256_mulhi_epi16(top, top_weight);
                let bottom = _mm256_mulhi_epi16(bottom, bottom_weight);
                _mm256_srai_epi16(_mm256_add_epi16(_mm256_add_epi16(top, bottom), two), 2)
            };
            let packed = _mm256_packus_epi16(blend(i), blend(i + 16));
            let packed = _mm256_permute4x64_epi64(packed, 0b11_01_10_00);
            _mm256_storeu_si256(out.as_mut_ptr().add(i).cast(), packed);
        }
    }
    count
}

#[target_feature(enable = "avx2")]
fn normalise(lane: usize, row: &[u8], [divide, mean, std]: [f32; 3], out: &mut [f32]) -> usize {
    let count = (row.len() / PIXEL).min(out.len()) / 8 * 8;
    let shift = _mm_cvtsi32_si128(8 * lane as i32);
    let byte = _mm256_set1_epi32(0xff);
    let plain = mean == 0.0 && std == 1.0;
    let [divide, mean, std] = [divide, mean, std].map(|value| _mm256_set1_ps(value));
    for x in (0..count).step_by(8) {
        // SAFETY: `x + 8 <= count`, which is at most the pixels in `row` and the values in `out`.
        unsafe {
            let pixels = _mm256_loadu_si256(row.as_ptr().add(x * PIXEL).cast());
            let values = _mm256_and_si256(_mm256_srl_epi32(pixels, shift), byte);
            let mut values = _mm256_div_ps(_mm256_cvtepi32_ps(values), divide);
            if !plain {
                values = _mm256_div_ps(_mm256_sub_ps(values, mean), std);
            }
            _mm256_storeu_ps(out.as_mut_ptr().add(x), values);
        }
    }
    count
}
