//! Decoders in the steady state allocate nothing; hostile tensors and settings end in errors, not panics.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use farsight_spec::{Activation, ClassesOutput, DetectOutput, MaskOutput, YoloLayout};
use farsight_vision::{ClassesDecoder, DecodeError, DetectDecoder, Detection, Geometry, MaskDecoder};
use proptest::prelude::*;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Makes a setting wrong.
type Change = fn(&mut DetectOutput);

/// Counts this thread's allocations.
struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
#[allow(unsafe_code)] // a global allocator that counts
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

const GEOMETRY: Geometry =
    Geometry { frame: [1080, 1920], input: [64, 64], scaled: [36, 64], offset: [14, 0] };
/// Anchors of a 64-pixel input.
const ANCHORS: usize = 84;
const LAYOUTS: [YoloLayout; 5] = [
    YoloLayout::Anchors,
    YoloLayout::AnchorsLast,
    YoloLayout::Objectness,
    YoloLayout::EndToEnd,
    YoloLayout::Grid,
];

fn settings(agnostic: bool) -> DetectOutput {
    DetectOutput {
        tensor: None,
        labels: Vec::new(),
        conf: 0.25,
        iou: 0.7,
        max_det: 300,
        agnostic,
        layout: None,
    }
}

fn shape(layout: YoloLayout, anchors: usize) -> [usize; 3] {
    match layout {
        YoloLayout::Anchors => [1, 7, anchors],
        YoloLayout::AnchorsLast => [1, anchors, 7],
        YoloLayout::Objectness | YoloLayout::Grid => [1, anchors, 8],
        YoloLayout::EndToEnd => [1, anchors, 6],
    }
}

fn decoder(layout: YoloLayout, agnostic: bool) -> (DetectDecoder, usize) {
    let shape = shape(layout, ANCHORS);
    let decoder = DetectDecoder::new(&settings(agnostic), layout, &shape, GEOMETRY.input).unwrap();
    (decoder, shape.iter().product())
}

/// Scores up and down, boxes everywhere: many candidates in one picture, none in another.
fn tensor(len: usize, picture: usize) -> Vec<f32> {
    (0..len)
        .map(|i| if picture == 2 { 0.0 } else { ((i * 37 + picture * 11) % 101) as f32 / 101.0 })
        .collect()
}

#[test]
fn after_nms_any_number_of_rows_is_taken() {
    let (mut decoder, _) = decoder(YoloLayout::EndToEnd, false);
    let mut out = Vec::new();
    for rows in [0, 3, 400] {
        decoder.decode(&[1.0, 1.0, 9.0, 9.0, 0.9, 0.0].repeat(rows), &GEOMETRY, &mut out).unwrap();
        assert_eq!(out.len(), rows.min(300));
    }
    assert!(decoder.decode(&[0.0; 7], &GEOMETRY, &mut out).is_err());
}

#[test]
fn detection_allocates_nothing_after_the_first_picture() {
    for (layout, agnostic) in LAYOUTS.iter().flat_map(|&layout| [(layout, false), (layout, true)]) {
        let (mut decoder, len) = decoder(layout, agnostic);
        let mut out: Vec<Detection> = Vec::with_capacity(300);
        for picture in 0..4 {
            let tensor = tensor(len, picture);
            let count = allocations(|| decoder.decode(&tensor, &GEOMETRY, &mut out).unwrap());
            assert!(picture == 0 || count == 0, "{layout:?}: {count} allocations");
            assert!(picture == 2 || !out.is_empty(), "{layout:?} found nothing");
        }
    }
}

#[test]
fn classes_and_masks_allocate_nothing_after_the_first_picture() {
    let output = ClassesOutput {
        tensor: None,
        labels: Vec::new(),
        top: 5,
        activation: Activation::Softmax,
        label_offset: 1,
        threshold: None,
    };
    let mut classes = ClassesDecoder::new(&output, 1001).unwrap();
    let output = MaskOutput { layout: None, tensor: None, labels: Vec::new(), activation: Activation::None };
    let mut mask = MaskDecoder::new(&output, &[1, 3, 64, 64]).unwrap();
    let (mut best, mut pixels) = (Vec::new(), Vec::new());
    for picture in 0..3 {
        let [scores, planes] = [1001, 3 * 64 * 64].map(|len| tensor(len, picture));
        let count = allocations(|| {
            classes.decode(&scores, &mut best).unwrap();
            mask.decode(&planes).unwrap();
            mask.to_frame(&GEOMETRY, &mut pixels);
        });
        assert!(picture == 0 || count == 0, "{count} allocations");
    }
    assert_eq!((best.len(), pixels.len()), (5, 1080 * 1920));
}

#[test]
fn refused() {
    let new = |settings: DetectOutput, layout, shape: &[usize]| {
        DetectDecoder::new(&settings, layout, shape, [64, 64])
    };
    #[rustfmt::skip]
    let shapes: &[(YoloLayout, &[usize], &str)] = &[
        (YoloLayout::Anchors, &[1, 4, 84], "[1, 4 + classes, anchors]"),
        (YoloLayout::Anchors, &[2, 5, 84], "[2, 5, 84]"),
        (YoloLayout::Anchors, &[1, 5, 0], "[1, 5, 0]"),
        (YoloLayout::Anchors, &[1, 5], "[1, 5]"),
        (YoloLayout::Anchors, &[1, usize::MAX, 84], "memory"),
        (YoloLayout::Anchors, &[1, 5, 1 << 40], "[1, 4 + classes, anchors]"),
        (YoloLayout::AnchorsLast, &[1, 84, 4], "[1, anchors, 4 + classes]"),
        (YoloLayout::Objectness, &[1, 84, 5], "[1, anchors, 5 + classes]"),
        (YoloLayout::EndToEnd, &[1, 300, 7], "[1, boxes, 6]"),
        (YoloLayout::Grid, &[1, 86, 8], "has 84 anchors"),
    ];
    for (layout, shape, words) in shapes {
        let error = new(settings(false), *layout, shape).unwrap_err().to_string();
        assert!(error.contains(words), "{shape:?}: {error}");
    }
    let wrong: [(&str, Change); 6] = [
        ("2 labels", |s| s.labels = vec!["a".into(), "b".into()]),
        ("conf", |s| s.conf = f32::NAN),
        ("conf", |s| s.conf = -0.1),
        ("iou", |s| s.iou = 1.1),
        ("iou", |s| s.iou = f32::INFINITY),
        ("max_det", |s| s.max_det = 0),
    ];
    for (words, change) in wrong {
        let mut settings = settings(false);
        change(&mut settings);
        let error = new(settings, YoloLayout::Anchors, &[1, 7, 84]).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let (mut decoder, len) = decoder(YoloLayout::Anchors, false);
    let error = decoder.decode(&[0.0; 3], &GEOMETRY, &mut Vec::new());
    assert_eq!(error, Err(DecodeError::Length { found: 3, expected: len }));
}

#[test]
fn huge_settings_reserve_no_huge_memory() {
    let settings = DetectOutput { max_det: usize::MAX, ..settings(false) };
    DetectDecoder::new(&settings, YoloLayout::Anchors, &[1, 5, u32::MAX as usize], [640, 640]).unwrap();
}

#[test]
fn setters_change_the_next_picture() {
    let (mut decoder, len) = decoder(YoloLayout::Anchors, true);
    let (tensor, mut out) = (tensor(len, 0), Vec::new());
    let mut count = |decoder: &mut DetectDecoder| {
        decoder.decode(&tensor, &GEOMETRY, &mut out).unwrap();
        out.len()
    };
    let all = count(&mut decoder);
    decoder.set_conf(0.9).unwrap();
    assert!(count(&mut decoder) < all);
    decoder.set_conf(0.25).unwrap();
    decoder.set_iou(0.0).unwrap();
    assert!(count(&mut decoder) < all);
    decoder.set_iou(1.0).unwrap();
    decoder.set_max_det(1).unwrap();
    assert_eq!(count(&mut decoder), 1);
    assert!(
        decoder.set_conf(2.0).is_err() && decoder.set_iou(-1.0).is_err() && decoder.set_max_det(0).is_err()
    );
    assert_eq!(count(&mut decoder), 1);
}

/// A score that is NaN rules its anchor out, as in the reference, where the greatest score is NaN then.
#[test]
fn nan_scores_are_no_detections() {
    let (mut decoder, len) = decoder(YoloLayout::AnchorsLast, false);
    let mut tensor = vec![0.0; len];
    tensor[..7].copy_from_slice(&[20.0, 20.0, 10.0, 10.0, f32::NAN, 0.9, 0.1]);
    tensor[7..14].copy_from_slice(&[f32::NAN, 20.0, 10.0, 10.0, 0.9, 0.1, 0.1]);
    tensor[14..21].copy_from_slice(&[40.0, 40.0, 10.0, 10.0, 0.1, 0.1, 0.8]);
    let mut out = Vec::new();
    decoder.decode(&tensor, &GEOMETRY, &mut out).unwrap();
    assert_eq!(out.iter().map(|found| (found.class, found.score)).collect::<Vec<_>>(), [(2, 0.8)]);
}

fn odd_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -10.0f32..700.0,
        8 => 0.0f32..1.0,
        1 => any::<f32>(),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tensor_decodes(values in prop::collection::vec(odd_value(), 8 * ANCHORS), agnostic: bool) {
        for layout in LAYOUTS {
            let (mut decoder, len) = decoder(layout, agnostic);
            let mut out = Vec::new();
            decoder.decode(&values[..len], &GEOMETRY, &mut out).unwrap();
            prop_assert!(out.len() <= 300);
            for found in out {
                let [x1, y1, x2, y2] = found.bbox;
                let inside = |v: f32, to: f32| (0.0..=to).contains(&v);
                prop_assert!(inside(x1, 1920.0) && inside(x2, 1920.0) && inside(y1, 1080.0) && inside(y2, 1080.0));
                prop_assert!(found.score > 0.25);
            }
        }
    }
}
