//! Passes one after another: each timed, entered in the report, its model loaded and held against the one before.

use std::collections::HashMap;
use std::time::Instant;

use farsight::{Options, Pipeline};
use farsight_engine::Model;
use farsight_graph::Document;
use farsight_spec::{ModelSpec, Target};

use crate::CompileError;
use crate::generate::fill_inputs;
use crate::passes::PassError;
use crate::report::PassEntry;
use crate::self_test::numbers;
use crate::verify::closeness;

/// A larger model is not loaded after every pass, only at the end: it would be read from disk again and again.
const MOST_BYTES: usize = 512 << 20;
/// A pass that moves no rounding point may still let ONNX Runtime fuse in another order.
const EXACT: f64 = 0.99;
/// The seed of the input that models are compared on.
const SEED: u64 = 7;

/// Whether a pass may move the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The same answer.
    Exact,
    /// Another precision: how far the answer moved is entered.
    Precision,
}

/// A document and the passes that made it.
#[derive(Clone)]
pub(crate) struct Chain<'a> {
    pub(crate) document: Document,
    pub(crate) passes: Vec<PassEntry>,
    spec: &'a ModelSpec,
    target: &'a Target,
    options: &'a Options,
    /// Raw outputs of the document as it was loaded last.
    last: Option<Outputs>,
}

type Outputs = HashMap<String, Vec<f64>>;

impl<'a> Chain<'a> {
    /// A chain that begins with a document; `passes` are those that made it.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub(crate) fn start(
        document: Document,
        passes: Vec<PassEntry>,
        spec: &'a ModelSpec,
        target: &'a Target,
        options: &'a Options,
    ) -> Result<Self, CompileError> {
        let mut chain = Self { document, passes, spec, target, options, last: None };
        chain.last = chain.outputs()?;
        Ok(chain)
    }

    /// Runs a pass; it returns what it did, in words.
    ///
    /// # Errors
    /// If the pass fails, its model cannot be loaded, or one that must not move the answer does.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        effect: Effect,
        pass: impl FnOnce(&mut Document) -> Result<String, PassError>,
    ) -> Result<(), CompileError> {
        let start = Instant::now();
        let summary = pass(&mut self.document)
            .map_err(|error| CompileError::Pass { pass: name, error: Box::new(error) })?;
        let mut entry = PassEntry::new(name, summary, start, &self.document);
        let now =
            self.outputs().map_err(|error| CompileError::Broken { pass: name, error: Box::new(error) })?;
        entry.closeness = self.last.as_ref().zip(now.as_ref()).map(|(last, now)| furthest(last, now));
        if let (Effect::Exact, Some(found)) = (effect, entry.closeness)
            && found < EXACT
        {
            return Err(CompileError::Changed { pass: name, closeness: found });
        }
        self.last = now;
        self.passes.push(entry);
        Ok(())
    }

    /// The same chain around another document, to be opened only.
    pub(crate) fn with(&self, document: Document) -> Self {
        Self { document, passes: Vec::new(), last: None, ..*self }
    }

    /// Opens the document as a pipeline.
    ///
    /// # Errors
    /// If it cannot be written or opened.
    pub(crate) fn open(&self) -> Result<Pipeline, CompileError> {
        let bytes = self.document.to_bytes()?;
        Ok(Pipeline::from_parts(Model::Bytes(&bytes), self.spec, self.target, self.options)?)
    }

    /// Raw outputs on a generated input; `None` for a model that is too large to be loaded each time.
    fn outputs(&self) -> Result<Option<Outputs>, CompileError> {
        if self.document.encoded_len() > MOST_BYTES {
            return Ok(None);
        }
        // Weights that nothing reads any more wait for a later pass: ONNX Runtime would warn of each.
        let mut swept = self.document.clone();
        swept.graph.sweep();
        let mut pipeline = self.with(swept).open()?;
        fill_inputs(&mut pipeline, SEED)?;
        pipeline.session_mut().run()?;
        let session = pipeline.session();
        let output = |(index, info): (usize, &farsight_spec::TensorInfo)| {
            Ok((info.name.clone(), numbers(info.element, session.output_bytes(index)?)))
        };
        session.outputs().iter().enumerate().map(output).collect::<Result<_, CompileError>>().map(Some)
    }
}

/// Closeness of the output that moved most; outputs that are gone do not count, one of another size is another.
fn furthest(before: &Outputs, after: &Outputs) -> f64 {
    let pairs = after.iter().filter_map(|(name, after)| Some((before.get(name)?, after)));
    let close = |(a, b): (&Vec<f64>, &Vec<f64>)| if a.len() == b.len() { closeness(a, b) } else { 0.0 };
    pairs.map(close).fold(1.0, f64::min)
}

#[cfg(test)]
mod tests {
    use farsight_engine::{EngineError, Library};
    use farsight_graph::Dim;
    use farsight_graph::onnx::tensor_proto::DataType;
    use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

    use super::*;

    /// y = 2 · x, in a chain of its own; passes over what needs ONNX Runtime where there is none.
    fn with_chain(test: impl FnOnce(Chain<'_>)) {
        if let Err(EngineError::NotFound { .. }) = Library::load(None) {
            eprintln!("ignored: no ONNX Runtime (set ORT_DYLIB_PATH)");
            return;
        }
        let value = |name: &str, length: Dim| ValueInfoProto::tensor(name, DataType::Float, &[length]);
        let graph = GraphProto {
            name: Some("g".into()),
            input: vec![value("x", Dim::Fixed(8))],
            output: vec![value("y", Dim::Open), value("z", Dim::Open)],
            initializer: vec![TensorProto::new("c", &[1], &[2.0f32])],
            node: vec![
                NodeProto::new("Mul", "", &["x", "c"], &["y"]),
                NodeProto::new("Neg", "", &["y"], &["z"]),
            ],
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

    #[test]
    fn passes_are_entered_with_how_far_they_moved_the_answer() {
        with_chain(|mut chain| {
            chain.run("nothing", Effect::Exact, |_| Ok("nothing".to_owned())).unwrap();
            chain.run("rounded", Effect::Precision, times(2.5)).unwrap();
            // Each is held against the one before.
            chain.run("again", Effect::Exact, |_| Ok(String::new())).unwrap();
            let entries: Vec<_> = chain
                .passes
                .iter()
                .map(|pass| (pass.name, &pass.summary[..], pass.closeness.unwrap()))
                .collect();
            assert_eq!(entries[0], ("nothing", "nothing", 1.0));
            assert_eq!((entries[1].0, entries[1].1, entries[2].2), ("rounded", "times 2.5", 1.0));
            assert!((entries[1].2 - 0.75).abs() < 1e-6, "{entries:?}");
            assert_eq!(
                (chain.passes[2].nodes, chain.passes[2].bytes),
                (2, chain.document.encoded_len() as u64)
            );
        });
    }

    #[test]
    fn a_pass_that_must_not_move_the_answer_and_does_is_an_error() {
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
            let error =
                refused(&|document| document.graph.node[1] = NodeProto::new("Abs", "", &["y"], &["z"]));
            assert!(matches!(error, CompileError::Changed { closeness: 0.0, .. }), "{error}");
            // So does one that is another size.
            let error = refused(&|document| {
                document.graph.node[1] = NodeProto::new("Concat", "", &["y", "c"], &["z"])
                    .with("axis", farsight_graph::Attribute::Int(0));
            });
            assert!(matches!(error, CompileError::Changed { closeness: 0.0, .. }), "{error}");
        });
    }

    #[test]
    fn an_output_that_is_gone_does_not_count() {
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

    #[test]
    fn a_pass_that_fails_is_named() {
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

    #[test]
    fn a_model_that_cannot_be_loaded_any_more_is_an_error() {
        with_chain(|mut chain| {
            let broken = |document: &mut Document| {
                document.graph.node[0].op_type = Some("Nonsense".to_owned());
                Ok(String::new())
            };
            let error = chain.run("broken", Effect::Precision, broken).unwrap_err();
            assert!(chain.passes.is_empty(), "{error}");
        });
    }
}
