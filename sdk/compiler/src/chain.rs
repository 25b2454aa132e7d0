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
pub enum Effect {
    /// The same answer.
    Exact,
    /// Another precision: how far the answer moved is entered.
    Precision,
}

/// A document and the passes that made it.
#[derive(Clone)]
pub struct Chain<'a> {
    /// The document as the passes have left it.
    pub document: Document,
    /// What they did, in their order.
    pub passes: Vec<PassEntry>,
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
    pub fn start(
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
    pub fn run(
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
