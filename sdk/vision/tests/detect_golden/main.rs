//! Decoders and measures against their references: ultralytics 8.4.190, YOLOX's demo, pycocotools,
//! scikit-learn and PIL, by the goldens that `tests/reference/detect.py` wrote.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod generate;

use farsight_spec::{Activation, DetectOutput, MaskOutput, YoloLayout};
use farsight_vision::{
    ClassScore, DetectDecoder, Detection, DetectionMetrics, Geometry, MaskDecoder, MultiLabelAp, Truth,
};
use generate::{Drawing, Lcg};
use serde::{Deserialize, de::DeserializeOwned};

/// Largest difference in a coordinate, in pixels.
const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Golden<Case> {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct DetectCase {
    name: String,
    #[serde(flatten)]
    drawing: Drawing,
    frame: [usize; 2],
    scaled: [usize; 2],
    offset: [i64; 2],
    conf: f32,
    iou: f32,
    max_det: usize,
    agnostic: bool,
    /// x1, y1, x2, y2, score, class.
    rows: Vec<[f32; 6]>,
}

impl DetectCase {
    fn decode(&self) -> Vec<Detection> {
        let layout: YoloLayout = serde_json::from_value(self.drawing.layout.clone().into()).unwrap();
        let output = DetectOutput {
            tensor: None,
            labels: Vec::new(),
            conf: self.conf,
            iou: self.iou,
            max_det: self.max_det,
            agnostic: self.agnostic,
            layout: None,
        };
        let input = self.drawing.input;
        let geometry = Geometry { frame: self.frame, input, scaled: self.scaled, offset: self.offset };
        let (tensor, shape) = self.drawing.tensor();
        let mut found = Vec::new();
        let mut decoder = DetectDecoder::new(&output, layout, &shape, input).unwrap();
        decoder.decode(&tensor, &geometry, &mut found).unwrap();
        found
    }
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn detections_equal_the_reference() {
    let golden: Golden<DetectCase> = golden("detect.json");
    let mut failures = Vec::new();
    let (mut rows, mut exact, mut largest) = (0, 0, 0.0f32);
    for case in &golden.cases {
        let found = case.decode();
        if found.len() != case.rows.len() {
            failures.push(format!(
                "{}: {} boxes, the reference has {}",
                case.name,
                found.len(),
                case.rows.len()
            ));
        }
        for (i, (found, row)) in found.iter().zip(&case.rows).enumerate() {
            let off = found.bbox.iter().zip(row).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            (rows, largest) = (rows + 1, largest.max(off));
            exact += usize::from(off == 0.0);
            if off > TOLERANCE || (found.score - row[4]).abs() > 1e-6 || found.class as f32 != row[5] {
                failures.push(format!("{}, row {i}: {found:?}, the reference has {row:?}", case.name));
                break;
            }
        }
    }
    println!(
        "{} cases, {rows} boxes, {exact} of them bit for bit, largest difference {largest} px",
        golden.cases.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[derive(Deserialize)]
struct ApCase {
    name: String,
    seed: u64,
    pictures: usize,
    classes: usize,
    crowds: bool,
    levels: usize,
    many: usize,
    conf: f32,
    ap50_95: f64,
    ap50: f64,
    precision: f64,
    recall: f64,
}

impl ApCase {
    /// The pictures that `ap_boxes` of the Python script draws.
    fn pictures(&self) -> Vec<(Vec<Detection>, Vec<Truth>)> {
        let mut lcg = Lcg(self.seed);
        (0..self.pictures).map(|_| self.picture(&mut lcg)).collect()
    }

    fn picture(&self, lcg: &mut Lcg) -> (Vec<Detection>, Vec<Truth>) {
        let (mut found, mut there) = (Vec::new(), Vec::new());
        for _ in 0..lcg.below(self.many) {
            let [x, y] = [500, 400].map(|n| lcg.below(n) as f64);
            let [w, h] = [100, 100].map(|n| 10.0 + lcg.below(n) as f64);
            let class = lcg.below(self.classes);
            let crowd = self.crowds && lcg.below(4) == 0;
            there.push(Truth { bbox: [x, y, x + w, y + h], class, crowd });
            for _ in 0..lcg.below(4) {
                let shift = [0; 4].map(|_| lcg.below(21) as f64 - 10.0);
                let [x2, y2] = [x + w + shift[2] / 2.0 + 6.0, y + h + shift[3] / 2.0 + 6.0];
                let bbox = [x + shift[0], y + shift[1], x2, y2].map(|v| v as f32);
                let class = if lcg.below(8) > 0 { class } else { lcg.below(self.classes) };
                let score = lcg.below(self.levels) as f32 / self.levels as f32;
                found.push(Detection { bbox, score, class });
            }
        }
        (found, there)
    }
}

#[test]
fn average_precision_equals_pycocotools() {
    let golden: Golden<ApCase> = golden("detect_ap.json");
    for case in &golden.cases {
        let mut metrics = DetectionMetrics::new();
        case.pictures().iter().for_each(|(found, there)| metrics.add(found, there));
        let scores = metrics.scores(case.conf);
        let pairs = [
            (scores.ap50_95, case.ap50_95),
            (scores.ap50, case.ap50),
            (scores.precision, case.precision),
            (scores.recall, case.recall),
        ];
        for (found, expected) in pairs {
            assert!(
                (found.unwrap() - expected).abs() < 1e-9,
                "{}: {scores:?}, expected {expected}",
                case.name
            );
        }
    }
}

#[derive(Deserialize)]
struct Labels {
    average_precision: Vec<LabelsCase>,
    nearest: Vec<NearestCase>,
}

#[derive(Deserialize)]
struct LabelsCase {
    seed: u64,
    samples: usize,
    classes: usize,
    levels: usize,
    #[serde(rename = "macro")]
    macro_average: f64,
    micro: f64,
}

#[test]
fn multi_label_average_precision_equals_scikit_learn() {
    for case in golden::<Labels>("detect_labels.json").average_precision {
        let mut lcg = Lcg(case.seed);
        let mut ap = MultiLabelAp::new(case.classes);
        for sample in 0..case.samples {
            let (mut found, mut there) = (Vec::new(), Vec::new());
            for class in 0..case.classes {
                if sample == class || lcg.below(4) == 0 {
                    there.push(class);
                }
                found.push(ClassScore { class, score: lcg.below(case.levels) as f32 / case.levels as f32 });
            }
            ap.add(&found, &there);
        }
        assert!((ap.macro_average().unwrap() - case.macro_average).abs() < 1e-9, "seed {}", case.seed);
        assert!((ap.micro_average().unwrap() - case.micro).abs() < 1e-9, "seed {}", case.seed);
    }
}

#[derive(Deserialize)]
struct NearestCase {
    seed: u64,
    size: [usize; 2],
    frame: [usize; 2],
    checksum: String,
}

#[test]
fn nearest_neighbour_equals_pil() {
    for case in golden::<Labels>("detect_labels.json").nearest {
        let mut lcg = Lcg(case.seed);
        let [height, width] = case.size;
        let map: Vec<_> = (0..height * width).map(|_| lcg.below(21) as u8).collect();
        let output =
            MaskOutput { layout: None, tensor: None, labels: Vec::new(), activation: Activation::None };
        let mut decoder = MaskDecoder::new(&output, &[1, height, width]).unwrap();
        decoder.decode_indices(&map).unwrap();
        let mut mask = Vec::new();
        let geometry = Geometry { frame: case.frame, input: case.size, scaled: case.size, offset: [0, 0] };
        decoder.to_frame(&geometry, &mut mask);
        let checksum = mask.iter().fold(0u64, |sum, &v| sum.wrapping_mul(31).wrapping_add(v.into()));
        assert_eq!(checksum.to_string(), case.checksum, "{:?} to {:?}", case.size, case.frame);
    }
}
