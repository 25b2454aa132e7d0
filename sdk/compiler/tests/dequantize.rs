//! Models that `onnxruntime.quantization` made, turned back and run: the answers are those of the float source
//! with its weights rounded (goldens: tests/reference/quantized.py). So are the models before.

use farsight_compiler::passes::{DequantizeReport, dequantize};
use farsight_compiler::{Form, quantized_form};
use farsight_engine::{EngineError, Library, evaluate};
use farsight_graph::Document;
use farsight_graph::onnx::TensorProto;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// One line a case: name, model, input, answer (hexadecimal; numbers as little-endian float32).
const CASES: &str = include_str!("../../../tests/reference/quantized/cases.txt");

/// What each case is: its form, and what turning it back does.
fn expected(name: &str) -> Option<(Form, DequantizeReport)> {
    let report = |constants, pairs, operators, clips| DequantizeReport {
        constants,
        pairs,
        operators,
        clips,
        ..DequantizeReport::default()
    };
    Some(match name {
        "qdq_per_channel" => (Form::Qdq, report(8, 15, 0, 2)),
        "qoperator_per_channel" => (Form::QOperator, report(8, 1, 12, 2)),
        "dynamic_uint8" | "dynamic_per_channel" => (Form::Dynamic, report(5, 0, 5, 0)),
        "blocks_4_bits" | "blocks_4_bits_zeros" | "blocks_8_bits" | "blocks_8_bits_zeros" => {
            (Form::WeightOnly, report(1, 0, 1, 0))
        }
        _ => return None,
    })
}

fn main() {
    let cases = CASES.lines().filter(|line| !line.starts_with('#'));
    let trials = cases.map(|line| {
        let name = line.split(' ').next().unwrap_or_default();
        Trial::ignorable_test(name, move || match Library::load(None) {
            Err(EngineError::NotFound { .. }) => {
                Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)"))
            }
            library => case(library?, line).map(|()| Completion::Completed),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn case(library: &'static Library, line: &str) -> Result<(), Failed> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [name, model, input, answer] = parts[..] else { return Err("a line has four parts".into()) };
    let (input, answer) = (floats(&bytes(input)?), floats(&bytes(answer)?));
    let mut document = Document::parse(bytes(model)?.into(), None)?;
    let (form, report) = expected(name).ok_or("a case that nobody expects")?;
    same(quantized_form(&document.graph).main(), Some(form))?;
    // The quantized model itself rounds activations too.
    near(&run(library, &document, &input)?, &answer, 0.02)?;

    same(dequantize(&mut document)?, report)?;
    same(quantized_form(&document.graph).main(), None)?;
    near(&run(library, &document, &input)?, &answer, 2e-6)
}

/// The answer of a model of one input, which is given as a constant.
fn run(library: &'static Library, document: &Document, input: &[f32]) -> Result<Vec<f32>, Failed> {
    let mut document = document.clone();
    let x = document.graph.input.remove(0);
    let shape = farsight_graph::Fact { element: None, shape: x.shape() }.fixed().ok_or("a fixed shape")?;
    document.graph.initializer.push(TensorProto::new(x.name(), &shape, input));
    let mut outputs = evaluate(library, &document.to_bytes()?)?;
    Ok(floats(&outputs.remove(0).1))
}

/// No value further off than `tolerance` times the largest.
fn near(found: &[f32], expected: &[f32], tolerance: f32) -> Result<(), Failed> {
    same(found.len(), expected.len())?;
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(expected).fold(0.0f32, |error, (a, b)| error.max((a - b).abs()));
    if error <= tolerance * largest {
        return Ok(());
    }
    Err(format!("{error} off, {largest} is the largest: {found:?}, expected {expected:?}").into())
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}").into()) }
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>, Failed> {
    let digits = (0..hexadecimal.len()).step_by(2);
    Ok(digits.map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16)).collect::<Result<_, _>>()?)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect()
}
