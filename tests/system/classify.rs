//! Classifiers whose probabilities are known: what the spec `imagenet` decides from the file.

use libtest_mimic::Trial;
use serde_json::Value;

use crate::bundles::compile;
use crate::models::{self, Classifier};
use crate::needs::{Need, trial};
use crate::{farsight, scratch};

const COLOR: [u8; 3] = [200, 90, 30];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("classify::logits_get_a_softmax", &[Need::Library], logits),
        trial("classify::probabilities_are_left_alone", &[Need::Library], probabilities),
        trial("classify::1001_outputs_begin_with_background", &[Need::Library], background),
        trial("classify::keras_1000_is_refused", &[Need::Library], keras),
    ]
}

fn logits() {
    let model = Classifier { classes: 10, channels_last: false, softmax: false }.write();
    let labels = scratch::folder("labels").join("labels.txt");
    std::fs::write(&labels, (0..10).map(|class| format!("thing {class}\n")).collect::<String>()).unwrap();
    let found = classes(&model, &["--labels", labels.to_str().unwrap()]);
    check(&found, &expected(10, imagenet()), |class| format!("thing {class}"));
}

fn probabilities() {
    let model = Classifier { classes: 10, channels_last: false, softmax: true }.write();
    let found = classes(&model, &[]);
    check(&found, &expected(10, imagenet()), |class| class.to_string());
}

/// Softmax runs over all 1001, then the first is left out and the others count from 0.
fn background() {
    let model = Classifier { classes: 1001, channels_last: true, softmax: false }.write();
    let mut expected = expected(1001, COLOR.map(|byte| f64::from(byte) / 127.5 - 1.0));
    expected.retain(|(class, _)| *class > 0);
    expected.iter_mut().for_each(|(class, _)| *class -= 1);
    check(&classes(&model, &[]), &expected, |class| class.to_string());
}

fn keras() {
    let model = Classifier { classes: 1000, channels_last: true, softmax: true }.write();
    let answer = farsight::call_json(&[&"compile", &model, &"--spec", &"imagenet"]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let message = answer.document()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Keras") && message.contains("farsight models imagenet"), "{message}");
}

fn imagenet() -> [f64; 3] {
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    std::array::from_fn(|channel| (f64::from(COLOR[channel]) / 255.0 - mean[channel]) / std[channel])
}

/// `(class, probability)`, best first, of a picture that is `input` everywhere.
fn expected(classes: usize, input: [f64; 3]) -> Vec<(usize, f64)> {
    let logit = |class| {
        (0..3)
            .map(|channel| input[channel] * f64::from(Classifier::weight(channel, class)))
            .sum::<f64>()
            .exp()
    };
    let sum: f64 = (0..classes).map(logit).sum();
    let mut all: Vec<_> = (0..classes).map(|class| (class, logit(class) / sum)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// What the compiled model finds in a picture of one colour.
fn classes(model: &std::path::Path, options: &[&str]) -> Vec<Value> {
    let compiled = compile(model, &[&["--spec", "imagenet"], options].concat());
    let picture = scratch::folder("picture").join("plain.png");
    models::picture(&picture, [40, 30], |_, _| COLOR);
    let found = farsight::document(&[&"run", &compiled.bundle, &picture]);
    found["classes"].as_array().unwrap().clone()
}

fn check(found: &[Value], expected: &[(usize, f64)], label: impl Fn(usize) -> String) {
    assert_eq!(found.len(), 5);
    for (found, (class, probability)) in found.iter().zip(expected) {
        assert_eq!(found["class"], *class, "{found}");
        assert_eq!(found["label"], label(*class), "{found}");
        assert!(
            (found["score"].as_f64().unwrap() - probability).abs() < 1e-5,
            "{found}, expected {probability}"
        );
    }
}
