//! float16 storage: large float32 weights are kept as float16, with one Cast back that folds at load.

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};
use farsight_graph::{Attribute, Document, Names};
use half::f16;
use serde::Serialize;

use super::{PassError, checked};

/// Which weights are stored as float16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fp16Settings {
    /// Smaller float32 initializers stay: a Cast costs more than they do, and some operators want their small
    /// constants (scales, bounds) as they are.
    pub min_bytes: usize,
}

impl Default for Fp16Settings {
    fn default() -> Self {
        Self { min_bytes: 1024 }
    }
}

/// What was stored as float16, and what that cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fp16Report {
    /// Nothing was large enough: the weights are float16 already, or there are none.
    pub nothing_to_do: bool,
    /// Weights that are float16 now.
    pub stored: Vec<StoredTensor>,
    /// Large float32 weights that stay float32.
    pub left_out: Vec<LeftOut>,
    /// Bytes saved.
    pub saved: usize,
    /// The largest [`StoredTensor::error`].
    pub max_error: f32,
}

/// A weight stored as float16.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// The largest `|w - float16(w)|` divided by the largest `|w|` of the tensor.
    pub error: f32,
    /// Values that were not zero and are now.
    pub flushed: usize,
}

/// A weight that stays float32.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}

/// Stores large float32 initializers of the main graph as float16. Each gets one Cast that makes the old
/// name, so no reader changes.
///
/// # Errors
/// A weight whose bytes do not fit its shape.
pub fn fp16_weights(document: &mut Document, settings: &Fp16Settings) -> Result<Fp16Report, PassError> {
    checked("fp16_weights", document, |document| {
        let mut report = Fp16Report::default();
        let mut names = Names::of(&document.graph);
        let mut casts = Vec::new();
        for index in 0..document.graph.initializer.len() {
            let Some(values) = candidate(&document.graph, index, settings)? else { continue };
            let tensor = &mut document.graph.initializer[index];
            let name = tensor.name().to_owned();
            if document.graph.input.iter().any(|input| input.name() == name) {
                report.left_out.push(LeftOut { name, reason: "it is an input's default" });
                continue;
            }
            if values.iter().any(|value| value.abs() > f16::MAX.to_f32() || !value.is_finite()) {
                report.left_out.push(LeftOut { name, reason: "it holds values that float16 cannot" });
                continue;
            }
            let narrow: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            report.stored.push(loss(&name, &values, &narrow));
            report.saved += values.len() * 2;
            let stored = names.fresh(&format!("{name}_f16"));
            *tensor = TensorProto::new(&stored, &tensor.dims.clone(), &narrow);
            let cast = NodeProto::new("Cast", &names.fresh(&format!("{name}_cast")), &[&stored], &[&name]);
            casts.push(cast.with("to", Attribute::Int(DataType::Float as i64)));
        }
        report.nothing_to_do = report.stored.is_empty() && report.left_out.is_empty();
        report.max_error = report.stored.iter().map(|stored| stored.error).fold(0.0, f32::max);
        document.graph.node.splice(0..0, casts);
        Ok(report)
    })
}

/// The values of initializer `index`, if it is a float32 weight that is large enough.
fn candidate(
    graph: &GraphProto,
    index: usize,
    settings: &Fp16Settings,
) -> Result<Option<Vec<f32>>, PassError> {
    let tensor = &graph.initializer[index];
    if tensor.element()? != DataType::Float || tensor.byte_len()? < settings.min_bytes {
        return Ok(None);
    }
    Ok(Some(tensor.values()?))
}

fn loss(name: &str, wide: &[f32], narrow: &[f16]) -> StoredTensor {
    let mut largest = 0.0f32;
    let mut error = 0.0f32;
    let mut flushed = 0;
    for (&wide, narrow) in wide.iter().zip(narrow) {
        let back = narrow.to_f32();
        largest = largest.max(wide.abs());
        error = error.max((wide - back).abs());
        flushed += usize::from(wide != 0.0 && back == 0.0);
    }
    let error = if largest > 0.0 { error / largest } else { 0.0 };
    StoredTensor { name: name.to_owned(), error, flushed }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{document, graph, node, ops};
    use super::*;

    #[test]
    fn large_finite_float32_weights_are_stored_as_float16() {
        let nodes = vec![
            node("Add", &["x", "big"], &["a"]),
            node("Add", &["a", "small"], &["b"]),
            node("Add", &["b", "wide"], &["c"]),
            node("Add", &["c", "nan"], &["y"]),
        ];
        let mut big = vec![1.0f32; 256];
        (big[0], big[1], big[2]) = (2.0, 1.0 + 1.0 / 4096.0, 1e-9);
        let mut document = document(
            graph(&["x"], &["y"], nodes),
            vec![
                TensorProto::new("big", &[16, 16], &big),
                TensorProto::new("small", &[255], &[0.1f32; 255]),
                TensorProto::new("wide", &[256], &[65505.0f32; 256]),
                TensorProto::new("nan", &[256], &[f32::NAN; 256]),
            ],
        );
        let report = fp16_weights(&mut document, &Fp16Settings::default()).unwrap();
        let stored = StoredTensor { name: "big".into(), error: 1.0 / 8192.0, flushed: 1 };
        assert_eq!((report.stored, report.saved), (vec![stored], 512));
        let left: Vec<_> = report.left_out.iter().map(|left| left.name.as_str()).collect();
        assert_eq!(left, ["wide", "nan"]);
        assert_eq!(ops(&document)[0], "Cast");
        assert_eq!(
            (&document.graph.node[0].input[0][..], &document.graph.node[0].output[0][..]),
            ("big_f16", "big")
        );
        assert_eq!(document.graph.initializer[0].dims, [16, 16]);
        assert_eq!(document.graph.initializer[0].values::<f16>().unwrap()[0], f16::from_f32(2.0));
    }

    #[test]
    fn a_float16_graph_is_left_as_it_is() {
        let weights = vec![TensorProto::new("w", &[1024], &[f16::ONE; 1024])];
        let mut document = document(graph(&["x"], &["y"], vec![node("Add", &["x", "w"], &["y"])]), weights);
        let before = document.clone();
        assert!(fp16_weights(&mut document, &Fp16Settings::default()).unwrap().nothing_to_do);
        assert_eq!(document, before);
    }
}
