//! Passes that rewrite weights, on a vision transformer: still valid, loadable, smaller, and near the answer.

use std::sync::OnceLock;

use farsight_compiler::passes::{
    DynamicInt8Settings, Int4WeightsSettings, Int8WeightsSettings, dynamic_int8, int4_weights, int8_weights,
};
use farsight_engine::{Library, Model, Session, Settings};
use farsight_graph::Document;
use libtest_mimic::Trial;

use crate::needs::{Need, trial};
use crate::vit::{Vit, noise, vit};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("weights::vit_with_int8_weights", &[Need::Library], int8),
        trial("weights::vit_with_int4_weights", &[Need::Library], int4),
        trial("weights::vit_with_int4_weights_in_filled_up_blocks", &[Need::Library], int4_padded),
        trial("weights::vit_with_dynamic_int8", &[Need::Library], dynamic),
    ]
}

/// A model, and its answer in float32.
struct Source {
    document: Document,
    answer: Vec<f32>,
}

/// What a pass made of a source.
#[derive(Debug)]
struct Change {
    /// Bytes, by those of the source.
    size: f64,
    /// Σ(y - float)² ÷ Σfloat² of the logits.
    error: f64,
}

impl Source {
    fn new(settings: Vit) -> Self {
        let document = vit(settings);
        document.check().unwrap();
        let answer = answer(&document);
        Self { document, answer }
    }

    fn compare(&self, document: &Document) -> Change {
        let answer = answer(document);
        let pairs = || answer.iter().zip(&self.answer).map(|(&y, &float)| (f64::from(y), f64::from(float)));
        let lost: f64 = pairs().map(|(y, float)| (y - float).powi(2)).sum();
        let all: f64 = pairs().map(|(_, float)| float.powi(2)).sum();
        let size = document.encoded_len() as f64 / self.document.encoded_len() as f64;
        Change { size, error: lost / all }
    }
}

fn source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(|| Source::new(Vit::default()))
}

fn answer(document: &Document) -> Vec<f32> {
    let library = Library::load(None).unwrap();
    let bytes = document.to_bytes().unwrap();
    let settings = Settings { threads: 1, ..Settings::default() };
    let mut session = Session::open(library, Model::Bytes(&bytes), &settings).unwrap();
    session.input_mut::<f32>(0).unwrap().copy_from_slice(&noise(7));
    session.run().unwrap();
    session.output::<f32>(0).unwrap().to_vec()
}

fn int8() {
    let mut document = source().document.clone();
    let report = int8_weights(&mut document, &Int8WeightsSettings::default()).unwrap();
    // The patches' kernel, four matrices a block, the head.
    assert_eq!(report.stored.len(), 1 + 4 * 6 + 1);
    let change = source().compare(&document);
    // Seen: .260, 6.7e-4.
    assert!(change.size < 0.27 && change.error < 2e-3, "{change:?}");
}

fn int4() {
    let mut document = source().document.clone();
    let report = int4_weights(&mut document, &Int4WeightsSettings::default()).unwrap();
    assert_eq!((report.packed.len(), report.stored.len()), (4 * 6 + 1, 1));
    let change = source().compare(&document);
    // Seen: .167, .073 (random weights are the hardest to keep).
    assert!(change.size < 0.2 && change.error < 0.12, "{change:?}");
}

/// Rows of 72 values fill neither their blocks of 16 nor, five blocks a row, the bytes of their zero points.
fn int4_padded() {
    let source = Source::new(Vit { width: 72, depth: 1, ..Vit::default() });
    let mut document = source.document.clone();
    let settings = Int4WeightsSettings { max_error: 0.0, ..Int4WeightsSettings::default() };
    let report = int4_weights(&mut document, &settings).unwrap();
    assert!(report.packed.iter().all(|packed| packed.block == 16 && packed.zero_points), "{report:?}");
    let change = source.compare(&document);
    assert!(change.error < 0.05, "{change:?}");
}

fn dynamic() {
    // Seen: 9.3e-4 and 2.4e-3, both .279 in size.
    for (half_range, error) in [(false, 3e-3), (true, 8e-3)] {
        let mut document = source().document.clone();
        let settings = DynamicInt8Settings { half_range, ..DynamicInt8Settings::default() };
        let report = dynamic_int8(&mut document, &settings).unwrap();
        assert_eq!((report.layers.len(), report.activations), (4 * 6 + 1, 4 * 6 + 1));
        let change = source().compare(&document);
        assert!(change.size < 0.29 && change.error < error, "half range {half_range}: {change:?}");
    }
}
