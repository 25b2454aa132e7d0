//! A float model with all that is known of it to make it int8, any number of times.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use farsight_engine::Library;
use farsight_graph::onnx::GraphProto;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::tensor_shape_proto::dimension::Value as Length;
use farsight_graph::{Document, Facts};
use farsight_spec::ActivationType;

use super::search::CONVERSION;
use super::{Kernels, RangeSource, Scheme, histogram, levels, range_of, scheme, silu, sources};
use crate::calibrate::{Calibration, Observation, QParams, Range, RangeMethod, observe};
use crate::layers::{Layer, layers, tail};
use crate::passes::{QdqReport, QdqSettings, qdq};
use crate::{CompileError, Progress, facts};

/// Inputs of a Concat whose ranges differ by more than this must not share a scale: the smaller ones would keep
/// fewer than 5 of their 8 bits.
const CONCAT_RATIO: f32 = 8.0;

/// A value that others read too takes the scale of a Concat up to so many times its own: one of its 8 bits, for a
/// Concat that copies instead of looking every number up (0.65 ns each on a core with VNNI).
const SHARED_RATIO: f32 = 1.3;

/// A float model with all that is known of it to make it int8.
pub(crate) struct Prepared {
    pub(crate) document: Document,
    pub(crate) layers: Vec<Layer>,
    pub(crate) kernels: Kernels,
    facts: Facts,
    sources: HashMap<String, RangeSource>,
    pub(crate) observation: Observation,
    /// Values that the tail reads or that are outputs.
    decoded: HashSet<String>,
    /// Values that go into x · sigmoid(x) only. Those that were only moved are none: they keep the grid that they had.
    gated: HashSet<String>,
}

/// What is still to be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// How ranges are taken.
    pub(crate) method: RangeMethod,
    /// Nodes that shall stay float, by place, and why.
    pub(crate) float: BTreeMap<usize, String>,
}

/// Scale and zero point of every quantized value.
type Grids = HashMap<String, QParams>;

/// An int8 model.
pub(crate) struct Built {
    pub(crate) document: Document,
    pub(crate) scheme: Scheme,
    pub(crate) report: QdqReport,
}

impl Prepared {
    /// Runs the calibration inputs. `document` is of opset 13 or newer.
    ///
    /// # Errors
    /// As for [`observe`].
    pub(crate) fn observe(
        document: Document,
        kernels: Kernels,
        library: &'static Library,
        calibration: &Calibration<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CompileError> {
        let types = facts(&document, library)?;
        let candidates = layers(&document.graph, &types);
        // The symmetric types quantize every value that any choice could ask for.
        let all = scheme(&document.graph, &types, &candidates, &BTreeMap::new(), ActivationType::S8);
        let sources = sources(&document.graph, &all.values);
        let mut observed = BTreeSet::new();
        sources.values().for_each(|source| source.observed(&mut observed));
        let observed: Vec<&str> = observed.into_iter().collect();
        let observation = observe(&document, &observed, calibration, progress)?;
        // What a file leaves open, the calibration inputs tell.
        let facts = facts(&with_shapes(&document, &observation), library)?;
        let layers = layers(&document.graph, &facts);
        let decoded = decoded(&document.graph);
        let links = document.graph.links();
        let is_gated = |value: &&String| {
            silu::feeds_only_silu(&document.graph, &links, value)
                && !sources::is_moved(&document.graph, &links, value)
        };
        let gated = all.values.iter().filter(is_gated).cloned().collect();
        drop(links);
        Ok(Self { document, layers, kernels, facts, sources, observation, decoded, gated })
    }

    /// The int8 model of a choice.
    ///
    /// # Errors
    /// If the rewriting pass fails.
    pub(crate) fn build(&self, choice: &Choice) -> Result<Built, CompileError> {
        let mut float = choice.float.clone();
        let scheme = loop {
            let scheme =
                scheme(&self.document.graph, &self.facts, &self.layers, &float, self.kernels.activation);
            let uneven = self.uneven_concats(&scheme, choice.method);
            if uneven.is_empty() {
                break scheme;
            }
            float.extend(uneven);
        };
        let settings = QdqSettings {
            nodes: scheme.nodes.clone(),
            grids: self.grids(&scheme, choice.method),
            activation: self.kernels.activation,
            weight_limit: self.kernels.weight_limit(),
            per_channel: self.kernels.per_channel,
        };
        let mut document = self.document.clone();
        let report = qdq(&mut document, &settings)
            .map_err(|error| CompileError::Pass { pass: "qdq", error: Box::new(error) })?;
        Ok(Built { document, scheme, report })
    }

    /// Scale and zero point of a scheme's values. What the decoder reads keeps its whole range, whatever the method:
    /// of millions of scores the few greatest are the answer, and a percentile would cut them off.
    fn grids(&self, scheme: &Scheme, method: RangeMethod) -> Grids {
        let grid = |value: &String| {
            let method = if self.decoded.contains(value) { RangeMethod::MinMax } else { method };
            let range = self.range(value, method)?;
            Some((value.clone(), QParams::of(range, self.kernels.activation)))
        };
        let mut grids = scheme.values.iter().filter_map(grid).collect();
        self.share_with_concat(scheme, &mut grids);
        grids
    }

    /// What a Concat reads takes the grid of its result, so that it copies bytes and rounds nothing twice: always
    /// where nobody else reads it, and up to [`SHARED_RATIO`] times the scale where others do.
    fn share_with_concat(&self, scheme: &Scheme, grids: &mut Grids) {
        let graph = &self.document.graph;
        let links = graph.links();
        let mut settled: HashSet<String> = HashSet::new();
        // From the last to the first: a Concat that another one reads gets its grid before it hands it on.
        for (index, node) in graph.node.iter().enumerate().rev() {
            if !scheme.nodes.contains(&index) || !node.is("Concat") {
                continue;
            }
            let Some(grid) = node.output.first().and_then(|output| grids.get(output)).copied() else {
                continue;
            };
            for input in &node.input {
                let family = sources::moved_together(graph, &links, input);
                let is_free = |value: &&String| !self.decoded.contains(*value) && !settled.contains(*value);
                if !family.iter().all(|value| is_free(&value)) {
                    continue;
                }
                let only_here = family.len() == 1 && links.consumers(input) == [index];
                let near = |value: &String| {
                    grids.get(value).is_none_or(|own| grid.scale <= SHARED_RATIO * own.scale)
                };
                if only_here || family.iter().all(near) {
                    for value in family {
                        if grids.contains_key(&value) {
                            grids.insert(value.clone(), grid);
                        }
                        settled.insert(value);
                    }
                }
            }
        }
    }

    fn range(&self, value: &str, method: RangeMethod) -> Option<Range> {
        let (source, histograms) = (self.sources.get(value)?, &self.observation.histograms);
        let range = range_of(source, histograms, method, self.kernels.activation)?;
        if self.kernels.activation == ActivationType::S8 || !self.gated.contains(value) {
            return Some(range);
        }
        Some(silu::trimmed(&histogram(source, histograms)?, range, levels(self.kernels.activation)))
    }

    /// The values that carry the layers' results into the decoder.
    pub(crate) fn decoded_values(&self) -> Vec<String> {
        let graph = &self.document.graph;
        let (links, made_by_layers) = (graph.links(), self.decoded.iter());
        let tail = tail(graph, &links);
        let is_result = |value: &&String| {
            links.producer(value).is_some_and(|index| !tail.contains(&index))
                && self.facts.get(value).element == Some(DataType::Float)
        };
        let mut values: Vec<String> = made_by_layers.filter(is_result).cloned().collect();
        values.sort();
        values
    }

    /// How many layers a scheme makes int8.
    pub(crate) fn layers_in(&self, scheme: &Scheme) -> usize {
        self.layers.iter().filter(|layer| scheme.nodes.contains(&layer.node)).count()
    }

    /// Part of the multiplications that a scheme does in int8.
    pub(crate) fn mac_share(&self, scheme: &Scheme) -> f64 {
        self.layers
            .iter()
            .filter(|layer| scheme.nodes.contains(&layer.node))
            .map(|layer| self.share_of(layer))
            .sum()
    }

    /// What a layer alone in float takes: its multiplications, and the values that are converted on the way in and out.
    pub(crate) fn float_work(&self, layer: usize) -> f64 {
        let layer = &self.layers[layer];
        let node = &self.document.graph.node[layer.node];
        let values =
            node.input.iter().take(1).chain(&node.output).map(|value| self.count(value)).sum::<f64>();
        layer.macs as f64 + CONVERSION * values
    }

    /// Numbers that a scheme converts between float and int8 on their way: values that one kind of node makes and the
    /// other reads.
    pub(crate) fn converted(&self, scheme: &Scheme) -> f64 {
        let links = self.document.graph.links();
        let is_converted = |value: &&String| {
            let from_int8 = links.producer(value).is_some_and(|maker| scheme.nodes.contains(&maker));
            links.consumers(value).iter().any(|reader| scheme.nodes.contains(reader) != from_int8)
        };
        scheme.values.iter().filter(is_converted).map(|value| self.count(value)).sum()
    }

    /// How many numbers a value holds; 0 where that is open.
    fn count(&self, value: &str) -> f64 {
        self.facts
            .get(value)
            .fixed()
            .map_or(0.0, |lengths| lengths.into_iter().map(|length| length as f64).product())
    }

    /// Part of the multiplications that a layer does.
    pub(crate) fn share_of(&self, layer: &Layer) -> f64 {
        let all: u64 = self.layers.iter().map(|layer| layer.macs).sum();
        layer.macs as f64 / all.max(1) as f64
    }

    /// Each Concat that would give values of very different size one scale, and the layers that read it.
    fn uneven_concats(&self, scheme: &Scheme, method: RangeMethod) -> BTreeMap<usize, String> {
        let graph = &self.document.graph;
        let links = graph.links();
        let mut found = BTreeMap::new();
        for &index in &scheme.nodes {
            let node = &graph.node[index];
            if !node.is("Concat") {
                continue;
            }
            let widths: Vec<f32> = node
                .input
                .iter()
                .filter_map(|input| self.range(input, method))
                .map(|range| range.high - range.low)
                .filter(|width| *width > 0.0)
                .collect();
            let widest = widths.iter().copied().fold(0.0, f32::max);
            let narrowest = widths.iter().copied().fold(f32::INFINITY, f32::min);
            if widest <= CONCAT_RATIO * narrowest {
                continue;
            }
            let reason = format!(
                "the inputs of Concat {} differ {:.0} times in range, one scale does not serve them all",
                node.label(),
                widest / narrowest
            );
            found.insert(index, reason.clone());
            // Those that read it after it was moved, too: a moved value keeps its grid.
            let moved = node.output.iter().flat_map(|value| sources::moved_on(graph, &links, value));
            for value in moved {
                let readers = links.consumers(&value).iter().filter(|reader| scheme.nodes.contains(reader));
                found.extend(readers.map(|&reader| (reader, reason.clone())));
            }
        }
        found
    }
}

/// Values that the tail reads or that are outputs.
fn decoded(graph: &GraphProto) -> HashSet<String> {
    let links = graph.links();
    let tail = tail(graph, &links);
    let read = tail.iter().flat_map(|&index| &graph.node[index].input);
    read.map(String::as_str).chain(graph.output_names()).map(str::to_owned).collect()
}

/// The document with the input shapes of the first calibration run.
fn with_shapes(document: &Document, observation: &Observation) -> Document {
    let mut fixed = document.clone();
    for tensor in observation.tensors.iter().flat_map(|run| run.iter()) {
        let declared = fixed.graph.input.iter_mut().find(|input| input.name() == tensor.name);
        let axes = declared.and_then(|input| input.axes_mut()).into_iter().flatten();
        for (axis, &length) in axes.zip(&tensor.shape) {
            axis.value = Some(Length::DimValue(length as i64));
        }
    }
    // What the file says of shapes in between may hold for others only.
    fixed.graph.value_info.clear();
    for output in &mut fixed.graph.output {
        output.r#type = None;
    }
    fixed
}
