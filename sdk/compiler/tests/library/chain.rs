//! Passes one after another, held against one another.

use farsight::Options;
use farsight_compiler::passes::PassError;
use farsight_compiler::{Chain, CompileError, Effect};
use farsight_engine::Library;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Dim, Document};
use farsight_spec::{ModelSpec, Target};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    (
        "chain::passes_are_entered_with_how_far_they_moved_the_answer",
        passes_are_entered_with_how_far_they_moved_the_answer,
    ),
    (
        "chain::a_pass_that_must_not_move_the_answer_and_does_is_an_error",
        a_pass_that_must_not_move_the_answer_and_does_is_an_error,
    ),
    ("chain::an_output_that_is_gone_does_not_count", an_output_that_is_gone_does_not_count),
    ("chain::a_pass_that_fails_is_named", a_pass_that_fails_is_named),
    (
        "chain::a_model_that_cannot_be_loaded_any_more_is_an_error",
        a_model_that_cannot_be_loaded_any_more_is_an_error,
    ),
];

/// y = 2 · x, in a chain of its own.
fn with_chain(test: impl FnOnce(Chain<'_>)) {
    let value = |name: &str, length: Dim| ValueInfoProto::tensor(name, DataType::Float, &[length]);
    let graph = GraphProto {
        name: Some("g".into()),
        input: vec![value("x", Dim::Fixed(8))],
        output: vec![value("y", Dim::Open), value("z", Dim::Open)],
        initializer: vec![TensorProto::new("c", &[1], &[2.0f32])],
        node: vec![NodeProto::new("Mul", "", &["x", "c"], &["y"]), NodeProto::new("Neg", "", &["y"], &["z"])],
        ..GraphProto::default()
    };
    let spec = ModelSpec::find("tensors").unwrap();
    let target = Target::find("host").unwrap();
    let options = Options::default();
    test(Chain::start(Document::new(graph, 17), Vec::new(), &spec, &target, &options).unwrap());
}

/// A pass that multiplies by another number.
fn times(factor: f32) -> impl FnOnce(&mut Document) -> Result<String, PassError> {
    move |document| {
        document.graph.initializer = vec![TensorProto::new("c", &[1], &[factor])];
        Ok(format!("times {factor}"))
    }
}

fn passes_are_entered_with_how_far_they_moved_the_answer(_: &'static Library) {
    with_chain(|mut chain| {
        chain.run("nothing", Effect::Exact, |_| Ok("nothing".to_owned())).unwrap();
        chain.run("rounded", Effect::Precision, times(2.5)).unwrap();
        // Each is held against the one before.
        chain.run("again", Effect::Exact, |_| Ok(String::new())).unwrap();
        let entries: Vec<_> =
            chain.passes.iter().map(|pass| (pass.name, &pass.summary[..], pass.closeness.unwrap())).collect();
        assert_eq!(entries[0], ("nothing", "nothing", 1.0));
        assert_eq!((entries[1].0, entries[1].1, entries[2].2), ("rounded", "times 2.5", 1.0));
        assert!((entries[1].2 - 0.75).abs() < 1e-6, "{entries:?}");
        assert_eq!((chain.passes[2].nodes, chain.passes[2].bytes), (2, chain.document.encoded_len() as u64));
    });
}

fn a_pass_that_must_not_move_the_answer_and_does_is_an_error(_: &'static Library) {
    with_chain(|chain| {
        let refused = |pass: &dyn Fn(&mut Document)| {
            let mut chain = chain.clone();
            let error = chain.run("moved", Effect::Exact, |document| {
                pass(document);
                Ok(String::new())
            });
            assert!(chain.passes.is_empty());
            error.unwrap_err()
        };
        let error = refused(&|document| drop(times(2.5)(document)));
        assert!(error.to_string().contains("`moved`"), "{error}");
        let CompileError::Changed { pass: "moved", closeness } = error else { panic!("{error}") };
        assert!((closeness - 0.75).abs() < 1e-6, "{closeness}");
        // The output that moved most counts.
        let error = refused(&|document| document.graph.node[1] = NodeProto::new("Abs", "", &["y"], &["z"]));
        assert!(matches!(error, CompileError::Changed { closeness: 0.0, .. }), "{error}");
        // So does one that is another size.
        let error = refused(&|document| {
            document.graph.node[1] = NodeProto::new("Concat", "", &["y", "c"], &["z"])
                .with("axis", farsight_graph::Attribute::Int(0));
        });
        assert!(matches!(error, CompileError::Changed { closeness: 0.0, .. }), "{error}");
    });
}

fn an_output_that_is_gone_does_not_count(_: &'static Library) {
    with_chain(|mut chain| {
        let cut = |document: &mut Document| {
            document.graph.output.pop();
            document.graph.node.pop();
            Ok("cut".to_owned())
        };
        chain.run("cut", Effect::Exact, cut).unwrap();
        assert_eq!(chain.passes[0].closeness, Some(1.0));
    });
}

fn a_pass_that_fails_is_named(_: &'static Library) {
    with_chain(|mut chain| {
        let fails = |_: &mut Document| Err(PassError::Evaluate("no arithmetic".to_owned()));
        let error = chain.run("fails", Effect::Precision, fails).unwrap_err();
        assert!(matches!(error, CompileError::Pass { pass: "fails", .. }), "{error}");
        assert!(
            error.to_string().contains("`fails`") && error.to_string().contains("no arithmetic"),
            "{error}"
        );
    });
}

fn a_model_that_cannot_be_loaded_any_more_is_an_error(_: &'static Library) {
    with_chain(|mut chain| {
        let broken = |document: &mut Document| {
            document.graph.node[0].op_type = Some("Nonsense".to_owned());
            Ok(String::new())
        };
        let error = chain.run("broken", Effect::Precision, broken).unwrap_err();
        assert!(chain.passes.is_empty(), "{error}");
    });
}
