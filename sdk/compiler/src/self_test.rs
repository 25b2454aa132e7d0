//! The self-test that a bundle carries: made at the desk, run again on the device.

use std::borrow::Cow;

use farsight::{Bundle, Pipeline};
use farsight_bundle::{Sample, SelfTest, Tolerance};
use farsight_engine::Session;
use farsight_spec::{ElementType, Precision, TensorInfo};

use crate::CompileError;
use crate::generate::fill_inputs;
use crate::verify::{closeness, distance};

/// The seed of every self-test's input.
const SEED: u64 = 0x00fa_2516;

/// Runs a generated input through the compiled model and keeps both.
///
/// # Errors
/// If the session fails.
pub(crate) fn make_self_test(
    pipeline: &mut Pipeline,
    precision: Precision,
) -> Result<SelfTest<'static>, CompileError> {
    fill_inputs(pipeline, SEED)?;
    let session = pipeline.session_mut();
    let inputs = (0..session.inputs().len())
        .map(|index| {
            let shape = session.input_shape(index)?.unwrap_or_default().to_vec();
            let info = with_shape(&session.inputs()[index], &shape);
            Ok(Sample { info, bytes: Cow::Owned(session.input_bytes_mut(index)?.to_vec()) })
        })
        .collect::<Result<Vec<_>, CompileError>>()?;
    session.run()?;
    let outputs = (0..session.outputs().len())
        .map(|index| {
            let info = with_shape(&session.outputs()[index], session.output_shape(index)?);
            let bytes = coarse(info.element, session.output_bytes(index)?, tolerance(precision));
            Ok(Sample { info, bytes: Cow::Owned(bytes) })
        })
        .collect::<Result<Vec<_>, CompileError>>()?;
    Ok(SelfTest { inputs, outputs, tolerance: tolerance(precision) })
}

fn with_shape(info: &TensorInfo, shape: &[usize]) -> TensorInfo {
    TensorInfo { shape: shape.iter().map(|&length| Some(length)).collect(), ..info.clone() }
}

/// The answer rounded to an eighth of the tolerance: no device can tell, and it compresses to a fraction. An
/// answer of small values only, which that would wipe out, is kept as it is.
fn coarse(element: ElementType, bytes: &[u8], tolerance: Tolerance) -> Vec<u8> {
    let values = numbers(element, bytes);
    let rms = (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt();
    if rms < 10.0 * tolerance.absolute {
        return bytes.to_vec();
    }
    if element != ElementType::F32 {
        return bytes.to_vec();
    }
    let round = |chunk: &[u8]| {
        let value = f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        let allowed = tolerance.absolute + tolerance.relative * f64::from(value.abs());
        // A power of two, so that the rounded value has trailing zero bits.
        let step = 2f64.powf((allowed / 8.0).log2().floor());
        let rounded = ((f64::from(value) / step).round() * step) as f32;
        if rounded.is_finite() { rounded } else { value }
    };
    bytes.chunks_exact(4).flat_map(|chunk| round(chunk).to_le_bytes()).collect()
}

/// How far another CPU's kernels may be off: another order of summation in float32; float16 storage does not
/// add to that, since both sides read the same weights.
fn tolerance(precision: Precision) -> Tolerance {
    match precision {
        Precision::Int8 | Precision::Int4Weights | Precision::Auto => {
            Tolerance { absolute: 5e-2, relative: 5e-2 }
        }
        Precision::Keep | Precision::Fp32 | Precision::Fp16 | Precision::Int8Weights => {
            Tolerance { absolute: 1e-2, relative: 1e-2 }
        }
    }
}

/// What a self-test gave on this device.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTestResult {
    /// Greatest difference from the expected answer.
    pub max_abs_error: f64,
    /// Values outside the tolerance.
    pub outside: usize,
    /// Values compared.
    pub values: usize,
    /// How far each may be off.
    pub tolerance: Tolerance,
    /// 1 − ‖expected − found‖ ÷ ‖expected‖ of the output that is furthest off.
    pub closeness: f64,
}

impl SelfTestResult {
    /// Whether the device gives the expected answer: at most one value in a thousand outside the tolerance,
    /// as the models' own thresholds (a Round, an argmax) may flip a few, and each output as a whole within two
    /// hundredths: many small values (scores) may all be within the tolerance and wrong.
    pub fn passed(&self) -> bool {
        self.values > 0 && self.outside * 1000 <= self.values && self.closeness >= 0.98
    }
}

/// Runs a bundle's self-test again. `None` if it carries none.
///
/// # Errors
/// If the session fails.
pub fn run_self_test(
    bundle: &Bundle,
    pipeline: &mut Pipeline,
) -> Result<Option<SelfTestResult>, CompileError> {
    let Some(test) = bundle.self_test() else { return Ok(None) };
    let session = pipeline.session_mut();
    check_samples("input", session.inputs(), &test.inputs)?;
    check_samples("output", session.outputs(), &test.outputs)?;
    for (index, sample) in test.inputs.iter().enumerate() {
        if session.inputs()[index].shape.contains(&None) {
            let shape: Vec<usize> = sample.info.shape.iter().map(|axis| axis.unwrap_or(1)).collect();
            session.set_input_shape(index, &shape)?;
        }
        let tensor = session.input_bytes_mut(index)?;
        if tensor.len() != sample.bytes.len() {
            return Err(mismatch("input", &sample.info.name));
        }
        tensor.copy_from_slice(&sample.bytes);
    }
    session.run()?;
    let tolerance = test.tolerance;
    let mut result = SelfTestResult { max_abs_error: 0.0, outside: 0, values: 0, tolerance, closeness: 1.0 };
    for (index, sample) in test.outputs.iter().enumerate() {
        compare(session, index, sample, &mut result)?;
    }
    Ok(Some(result))
}

/// A bundle's manifest says of itself what its samples are for; the model may be another.
fn check_samples(what: &str, tensors: &[TensorInfo], samples: &[Sample<'_>]) -> Result<(), CompileError> {
    let fits = |(tensor, sample): (&TensorInfo, &Sample<'_>)| {
        tensor.name == sample.info.name && tensor.element == sample.info.element
    };
    match tensors.iter().zip(samples).find(|pair| !fits(*pair)) {
        Some((tensor, _)) => Err(mismatch(what, &tensor.name)),
        None if tensors.len() != samples.len() => Err(mismatch(what, "their number")),
        None => Ok(()),
    }
}

fn mismatch(what: &str, name: &str) -> CompileError {
    let message = format!("the self-test's {what}s are not the model's ({name}); compile the bundle again");
    farsight::Error::Contract(message).into()
}

fn compare(
    session: &Session,
    index: usize,
    sample: &Sample<'_>,
    result: &mut SelfTestResult,
) -> Result<(), CompileError> {
    let tolerance = result.tolerance;
    let found = numbers(sample.info.element, session.output_bytes(index)?);
    let expected = numbers(sample.info.element, &sample.bytes);
    result.values += expected.len();
    if found.len() != expected.len() {
        result.outside += expected.len();
        return Ok(());
    }
    result.closeness = result.closeness.min(closeness(&expected, &found));
    for (y, x) in found.into_iter().zip(expected) {
        let error = distance(y, x);
        let fits = error <= tolerance.absolute + tolerance.relative * x.abs();
        result.outside += usize::from(!fits);
        result.max_abs_error = result.max_abs_error.max(error);
    }
    Ok(())
}

/// A tensor's values as numbers.
pub(crate) fn numbers(element: ElementType, bytes: &[u8]) -> Vec<f64> {
    macro_rules! read {
        ($type:ty) => {
            bytes
                .chunks_exact(size_of::<$type>())
                .map(|chunk| {
                    let mut value = [0; size_of::<$type>()];
                    value.copy_from_slice(chunk);
                    <$type>::from_le_bytes(value) as f64
                })
                .collect()
        };
    }
    match element {
        ElementType::F16 => bytes
            .chunks_exact(2)
            .map(|chunk| half::f16::from_le_bytes([chunk[0], chunk[1]]).to_f64())
            .collect(),
        ElementType::F32 => read!(f32),
        ElementType::F64 => read!(f64),
        ElementType::I8 => read!(i8),
        ElementType::I16 => read!(i16),
        ElementType::I32 => read!(i32),
        ElementType::I64 => read!(i64),
        ElementType::U8 | ElementType::Bool => read!(u8),
        ElementType::U16 => read!(u16),
        ElementType::U32 => read!(u32),
        ElementType::U64 => read!(u64),
    }
}
