//! Fixed shapes: open and named axes of the inputs become numbers.

use std::collections::BTreeMap;

use farsight_graph::onnx::ValueInfoProto;
use farsight_graph::onnx::tensor_shape_proto::dimension::Value;
use farsight_graph::{Dim, Document};
use serde::Serialize;

use super::{PassError, checked};

/// The shape an input gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputShape {
    /// The input's name.
    pub input: String,
    /// Its axes; `None` leaves an axis as it is.
    pub axes: Vec<Option<i64>>,
}

/// Which inputs get which shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FixShapesSettings {
    /// One entry an input; inputs that are not named stay as they are.
    pub shapes: Vec<InputShape>,
}

/// What was fixed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FixShapesReport {
    /// Axes of inputs that became numbers.
    pub axes: usize,
    /// Named axes and the numbers they became, everywhere in the model.
    pub names: BTreeMap<String, i64>,
    /// Declarations of values in between that were dropped since they still spoke of open axes.
    pub dropped: usize,
}

/// Sets input shapes. A named axis becomes the same number in every input that has it. What the file says of
/// values in between is dropped, and of outputs left open, where it is not a number: a session says it better.
///
/// # Errors
/// An input that is not there, another number of axes, a fixed axis of another length, one name with two
/// lengths.
pub fn fix_shapes(
    document: &mut Document,
    settings: &FixShapesSettings,
) -> Result<FixShapesReport, PassError> {
    checked("fix_shapes", document, |document| {
        let mut report = FixShapesReport::default();
        let mut inputs = document.graph.input.clone();
        for shape in &settings.shapes {
            fix_input(&mut inputs, shape, &mut report)?;
        }
        document.graph.input = inputs;
        if report.axes > 0 {
            document.graph.visit_mut(&mut |graph| {
                graph.input.iter_mut().for_each(|value| name_to_number(value, &report.names));
                graph.output.iter_mut().for_each(open_named_axes);
                let before = graph.value_info.len();
                graph.value_info.retain(is_fixed);
                report.dropped += before - graph.value_info.len();
            });
        }
        Ok(report)
    })
}

fn fix_input(
    inputs: &mut [ValueInfoProto],
    shape: &InputShape,
    report: &mut FixShapesReport,
) -> Result<(), PassError> {
    let known = || inputs.iter().map(|input| input.name().to_owned()).collect();
    let Some(place) = inputs.iter().position(|input| input.name() == shape.input) else {
        return Err(PassError::Unknown { what: "input", name: shape.input.clone(), known: known() });
    };
    let found = inputs[place].shape();
    let conflict = |found: String| PassError::Shape {
        input: shape.input.clone(),
        found,
        expected: show(shape.axes.iter().map(|axis| axis.map_or(Dim::Open, Dim::Fixed))),
    };
    let Some((dims, axes)) = found.zip(inputs[place].axes_mut()) else {
        return Err(conflict("of an unknown number of axes".into()));
    };
    let whole = || show(dims.iter().cloned());
    if dims.len() != shape.axes.len() {
        return Err(conflict(whole()));
    }
    for ((dim, axis), length) in dims.iter().zip(axes).zip(&shape.axes) {
        let Some(length) = *length else { continue };
        if length <= 0 {
            return Err(conflict(whole()));
        }
        match dim {
            Dim::Fixed(fixed) if *fixed == length => continue,
            Dim::Fixed(_) => return Err(conflict(whole())),
            Dim::Named(name) => {
                let first = *report.names.entry(name.clone()).or_insert(length);
                if first != length {
                    return Err(conflict(format!("{}, where {name} is {first} already", whole())));
                }
            }
            Dim::Open => {}
        }
        axis.value = Some(Value::DimValue(length));
        report.axes += 1;
    }
    Ok(())
}

fn show(dims: impl Iterator<Item = Dim>) -> String {
    format!("[{}]", dims.map(|dim| dim.to_string()).collect::<Vec<_>>().join(", "))
}

fn name_to_number(value: &mut ValueInfoProto, names: &BTreeMap<String, i64>) {
    for axis in value.axes_mut().into_iter().flatten() {
        if let Some(Value::DimParam(name)) = &axis.value
            && let Some(&length) = names.get(name)
        {
            axis.value = Some(Value::DimValue(length));
        }
    }
}

/// Exporters give one name to axes that have nothing to do with each other (ukis-csmask's files call the batch
/// and the height of their output alike), so the name of an output's axis proves nothing.
fn open_named_axes(value: &mut ValueInfoProto) {
    for axis in value.axes_mut().into_iter().flatten() {
        if !matches!(axis.value, Some(Value::DimValue(_))) {
            axis.value = None;
        }
    }
}

fn is_fixed(value: &ValueInfoProto) -> bool {
    value.shape().is_some_and(|shape| shape.iter().all(|dim| matches!(dim, Dim::Fixed(_))))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{document, graph, node, value};
    use super::*;

    fn model() -> Document {
        let mut document = document(
            graph(&["x", "z"], &["y"], vec![node("Add", &["x", "z"], &["a"]), node("Relu", &["a"], &["y"])]),
            vec![],
        );
        let graph = &mut document.graph;
        graph.input[0] = value("x", &["N".into(), 3.into(), Dim::Open]);
        graph.input[1] = value("z", &["N".into(), 3.into(), "W".into()]);
        graph.output[0] = value("y", &["N".into(), 3.into(), "floor(W)".into()]);
        graph.value_info = vec![value("a", &["N".into(), 3.into(), "floor(W)".into()])];
        document
    }

    fn settings(shapes: &[(&str, &[i64])]) -> FixShapesSettings {
        let axes = |axes: &[i64]| axes.iter().map(|&axis| (axis != -1).then_some(axis)).collect();
        let shape =
            |(input, shape): &(&str, &[i64])| InputShape { input: (*input).into(), axes: axes(shape) };
        FixShapesSettings { shapes: shapes.iter().map(shape).collect() }
    }

    #[test]
    fn names_become_numbers_everywhere_and_open_declarations_go() {
        let mut document = model();
        let report = fix_shapes(&mut document, &settings(&[("x", &[1, -1, 8])])).unwrap();
        assert_eq!(report, FixShapesReport { axes: 2, names: [("N".into(), 1)].into(), dropped: 1 });
        let shapes: Vec<_> = document.graph.input.iter().map(|input| input.shape().unwrap()).collect();
        assert_eq!(shapes, [[1.into(), 3.into(), 8.into()], [1.into(), 3.into(), "W".into()]]);
        assert_eq!(document.graph.output[0].shape().unwrap(), [Dim::Open, 3.into(), Dim::Open]);
        let again = fix_shapes(&mut document, &settings(&[("x", &[1, 3, 8])])).unwrap();
        assert_eq!(again, FixShapesReport::default());
    }

    type Shapes<'s> = &'s [(&'s str, &'s [i64])];

    #[test]
    fn what_the_model_cannot_take_is_refused_and_changes_nothing() {
        let cases: [(Shapes, &str); 6] = [
            (&[("u", &[1])], "no input \"u\"; it has x, z"),
            (&[("x", &[1, 4, 8])], "\"x\" is [N, 3, ?] in the model, [1, 4, 8] was asked for"),
            (&[("x", &[1, 3])], "[N, 3, ?]"),
            (&[("x", &[1, 3, 8]), ("z", &[2, 3, 8])], "where N is 1 already"),
            (&[("x", &[0, 3, 8])], "[0, 3, 8] was asked for"),
            (&[("x", &[-5, 3, 8])], "[-5, 3, 8] was asked for"),
        ];
        for (shapes, expected) in cases {
            let mut document = model();
            let message = fix_shapes(&mut document, &settings(shapes)).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert_eq!(document, model());
        }
    }
}
