//! Argmax by hand, and the way back to the frame.

use super::*;

fn output(labels: usize, activation: Activation) -> MaskOutput {
    MaskOutput { layout: None, tensor: None, labels: vec![String::new(); labels], activation }
}

/// Name, number of labels, activation, shape, tensor, map expected.
type Row<'a> = (&'a str, usize, Activation, &'a [usize], &'a [f32], &'a [u8]);

#[test]
fn maps() {
    use Activation::{None, Sigmoid, Softmax};
    let nan = f32::NAN;
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("planes", 2, None, &[1, 2, 2, 3], &[0., 1., 2., 3., 4., 5., 9., 1., 1., 4., 4., 4.], &[1, 0, 0, 1, 0, 0]),
        ("interleaved", 2, None, &[1, 6, 1, 2], &[0., 9., 1., 1., 2., 1., 3., 4., 4., 4., 5., 4.], &[1, 0, 0, 1, 0, 0]),
        ("shorter axis: first", 0, Softmax, &[1, 2, 1, 3], &[0., 1., 2., 1., 1., 1.], &[1, 0, 0]),
        ("shorter axis: last", 0, Softmax, &[1, 3, 1, 2], &[0., 1., 2., 1., 1., 1.], &[1, 0, 0]),
        ("NaN never wins", 3, None, &[1, 3, 1, 2], &[nan, nan, 1., nan, 2., nan], &[2, 0]),
        ("indices", 0, None, &[1, 2, 2], &[0., 1., 254., 255.], &[0, 1, 254, 255]),
        ("indices with a channel", 4, None, &[1, 1, 2, 2], &[0., 1., 2., 3.], &[0, 1, 2, 3]),
        ("a logit", 1, Sigmoid, &[1, 1, 1, 4], &[0., 0.1, -5., nan], &[0, 1, 0, 0]),
        ("a logit, channel last", 2, Sigmoid, &[1, 2, 2, 1], &[0., 0.1, -5., 5.], &[0, 1, 0, 1]),
    ];
    for (name, labels, activation, shape, tensor, expected) in rows {
        let mut decoder = MaskDecoder::new(&output(*labels, *activation), shape).unwrap();
        assert_eq!(&decoder.decode(tensor).unwrap(), expected, "{name}");
    }
}

#[test]
fn every_block_and_class() {
    let (classes, pixels) = (255, 3 * 1000);
    let class = |pixel: usize| pixel * 7 % classes;
    let planes: Vec<_> =
        (0..classes * pixels).map(|i| if class(i % pixels) == i / pixels { 1.0 } else { 0.5 }).collect();
    let mut decoder = MaskDecoder::new(&output(classes, Activation::None), &[1, classes, 3, 1000]).unwrap();
    let map = decoder.decode(&planes).unwrap();
    assert!(map.iter().enumerate().all(|(pixel, &found)| found as usize == class(pixel)));
}

#[test]
fn whole_numbers() {
    let mut decoder = MaskDecoder::new(&output(0, Activation::None), &[1, 1, 3]).unwrap();
    assert_eq!(decoder.decode_indices(&[0i64, 7, 255]).unwrap(), [0, 7, 255]);
    assert_eq!(decoder.decode_indices(&[0u8, 7, 255]).unwrap(), [0, 7, 255]);
    let error = decoder.decode_indices(&[0i32, -1, 0]).unwrap_err().to_string();
    assert!(error.contains("pixel 1") && error.contains("-1"), "{error}");
    let error = decoder.decode(&[0.0, 0.0, 0.37]).unwrap_err().to_string();
    assert!(error.contains("pixel 2") && error.contains("0.37"), "{error}");
    assert!(decoder.decode(&[f32::NAN, 0.0, 0.0]).is_err());
    assert!(decoder.decode(&[0.0]).is_err());
    let mut scores = MaskDecoder::new(&output(2, Activation::None), &[1, 2, 3, 3]).unwrap();
    assert!(scores.decode_indices(&[0u8; 18]).is_err());
}

#[test]
fn refused() {
    #[rustfmt::skip]
    let rows: &[(usize, Activation, &[usize], &str)] = &[
        (0, Activation::None, &[1, 5, 4, 5], "give the labels"),
        (5, Activation::None, &[1, 5, 4, 5], "give the labels"),
        (0, Activation::None, &[1, 256, 400, 400], "255 classes"),
        (3, Activation::None, &[1, 2, 4, 4], "3 labels"),
        (3, Activation::Sigmoid, &[1, 1, 4, 4], "3 labels"),
        (0, Activation::None, &[2, 2, 4, 4], "[1, C, H, W]"),
        (0, Activation::None, &[1, 21], "[1, C, H, W]"),
        (0, Activation::None, &[1, 2, 0, 4], "0"),
        (0, Activation::None, &[1, 2, usize::MAX, 4], "memory"),
    ];
    for (labels, activation, shape, words) in rows {
        let error = MaskDecoder::new(&output(*labels, *activation), shape).unwrap_err().to_string();
        assert!(error.contains(words), "{shape:?}: {error}");
    }
}

/// A map of 2 x 4 with every pixel another class.
fn eight() -> MaskDecoder {
    let mut decoder = MaskDecoder::new(&output(0, Activation::None), &[1, 2, 4]).unwrap();
    decoder.decode(&[0., 1., 2., 3., 4., 5., 6., 7.]).unwrap();
    decoder
}

#[test]
fn to_frame() {
    let stretched = |frame| Geometry { frame, input: [8, 16], scaled: [8, 16], offset: [0, 0] };
    #[rustfmt::skip]
    let rows: &[(&str, Geometry, &[u8])] = &[
        ("same size", stretched([2, 4]), &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("twice", stretched([4, 4]), &[0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]),
        ("half", stretched([1, 2]), &[5, 7]),
        ("letterboxed: half of the height", Geometry { frame: [1, 4], input: [8, 16], scaled: [4, 16], offset: [2, 0] }, &[4, 5, 6, 7]),
        ("cropped", Geometry { frame: [2, 6], input: [8, 16], scaled: [8, 24], offset: [0, -4] }, &[255, 0, 1, 2, 3, 255, 255, 4, 5, 6, 7, 255]),
        ("nothing", stretched([0, 0]), &[]),
    ];
    let (mut decoder, mut out) = (eight(), Vec::new());
    for (name, geometry, expected) in rows {
        decoder.to_frame(geometry, &mut out);
        assert_eq!(&out, expected, "{name}");
    }
}

#[test]
fn odd_geometries_do_not_panic() {
    let mut out = Vec::new();
    let zero = Geometry { frame: [3, 3], input: [0, 0], scaled: [0, 0], offset: [0, 0] };
    eight().to_frame(&zero, &mut out);
    assert_eq!(out, [255; 9]);
}
