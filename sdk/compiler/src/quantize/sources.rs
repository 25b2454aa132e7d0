//! Where a value's range comes from: from another value that is observed, where that tells all. Few values need
//! to be looked at while calibration runs, and what only moves values keeps their scale.

use std::collections::{BTreeSet, HashMap};

use farsight_graph::Links;
use farsight_graph::onnx::{GraphProto, NodeProto};

use crate::movers::is_mover;

/// Longest chain of nodes that is followed from a value to what is observed.
const LONGEST: usize = 32;

/// Where a value's range comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RangeSource {
    /// The operator itself bounds it.
    Fixed {
        /// Least value.
        low: f32,
        /// Greatest value.
        high: f32,
    },
    /// An observed value, after these functions, element by element.
    Observed {
        /// The value that is observed.
        value: String,
        /// Functions in the order in which they are applied.
        functions: Vec<Function>,
    },
    /// Any of these: values laid side by side.
    Any(Vec<RangeSource>),
}

/// A function of one number that an operator applies to every element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// Cut off at both ends; Relu is 0 to infinity.
    Clip(f32, f32),
    /// x below 0 is multiplied by this.
    LeakyRelu(f32),
    /// x · sigmoid(x).
    Silu,
}

impl Function {
    pub(crate) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Clip(low, high) => x.max(low).min(high),
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }
}

impl RangeSource {
    fn parts(&self) -> usize {
        match self {
            Self::Any(parts) => parts.iter().map(Self::parts).sum(),
            Self::Fixed { .. } | Self::Observed { .. } => 1,
        }
    }

    /// The values that must be observed for it.
    pub(crate) fn observed<'s>(&'s self, into: &mut BTreeSet<&'s str>) {
        match self {
            Self::Fixed { .. } => {}
            Self::Observed { value, .. } => drop(into.insert(value)),
            Self::Any(parts) => parts.iter().for_each(|part| part.observed(into)),
        }
    }
}

/// Where the ranges of these values come from.
pub(crate) fn sources(graph: &GraphProto, values: &[String]) -> HashMap<String, RangeSource> {
    let mut walk = Walk { graph, links: graph.links(), known: HashMap::new() };
    values.iter().map(|value| (value.clone(), walk.source(value, LONGEST))).collect()
}

/// More parts than this are not put together: the value itself is observed.
const MOST_PARTS: usize = 64;

/// A walk from values towards what makes them.
struct Walk<'g> {
    graph: &'g GraphProto,
    links: Links<'g>,
    /// What was found for every value on the way: each is looked at once, however many read it.
    known: HashMap<&'g str, RangeSource>,
}

impl<'g> Walk<'g> {
    /// Where a value's range comes from, at most `left` nodes before it.
    fn source(&mut self, value: &str, left: usize) -> RangeSource {
        if let Some(source) = self.known.get(value) {
            return source.clone();
        }
        let itself = || RangeSource::Observed { value: value.to_owned(), functions: Vec::new() };
        let graph = self.graph;
        let Some(node) = self.links.producer(value).map(|index| &graph.node[index]) else { return itself() };
        if left == 0 || !node.in_default_domain() {
            return itself();
        }
        let found = self.of_node(node, left - 1).unwrap_or_else(itself);
        if let Some(name) = node.output.iter().find(|name| *name == value) {
            self.known.insert(name, found.clone());
        }
        found
    }

    /// Where the range of a node's outputs comes from, if its inputs tell.
    fn of_node(&mut self, node: &'g NodeProto, left: usize) -> Option<RangeSource> {
        match node.op_type() {
            "Sigmoid" | "Softmax" | "HardSigmoid" => Some(RangeSource::Fixed { low: 0.0, high: 1.0 }),
            "Tanh" => Some(RangeSource::Fixed { low: -1.0, high: 1.0 }),
            "Relu" => Some(after(self.source(node.input(0)?, left), Function::Clip(0.0, f32::INFINITY))),
            "LeakyRelu" => {
                let slope = node.float("alpha").unwrap_or(0.01);
                Some(after(self.source(node.input(0)?, left), Function::LeakyRelu(slope)))
            }
            "Clip" => {
                let (low, high) = bounds(node, &self.links)?;
                Some(after(self.source(node.input(0)?, left), Function::Clip(low, high)))
            }
            "Mul" => {
                let input = silu_input(self.graph, node, &self.links)?;
                Some(after(self.source(input, left), Function::Silu))
            }
            // A cubic one overshoots the values that it lies between.
            "Resize" if node.string("mode") == Some("cubic") => None,
            _ if is_mover(node) => Some(self.source(node.input(0)?, left)),
            "Concat" => self.any(&node.input, left),
            _ => None,
        }
    }

    /// Any of these values, while they have few parts.
    fn any(&mut self, values: &[String], left: usize) -> Option<RangeSource> {
        let mut parts = Vec::new();
        let mut count = 0;
        for value in values.iter().filter(|value| !value.is_empty()) {
            let part = self.source(value, left);
            count += part.parts();
            if count > MOST_PARTS {
                return None;
            }
            parts.push(part);
        }
        Some(RangeSource::Any(parts))
    }
}

/// Whether a value was only moved on the way from another.
pub(super) fn is_moved(graph: &GraphProto, links: &Links, value: &str) -> bool {
    links.producer(value).is_some_and(|index| is_mover(&graph.node[index]))
}

/// A value with all that is only moved from it.
pub(super) fn moved_on(graph: &GraphProto, links: &Links, value: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![value.to_owned()];
    while let Some(value) = open.pop() {
        let movers = links.consumers(&value).iter().map(|&index| &graph.node[index]);
        let movers = movers.filter(|node| is_mover(node) && node.input(0) == Some(&value));
        if found.insert(value.clone()) {
            open.extend(movers.flat_map(|node| node.output.iter().cloned()));
        }
    }
    found
}

/// A value with all that is only moved from or to it: they share one grid, or what moves them would have to compute.
pub(super) fn moved_together(graph: &GraphProto, links: &Links, value: &str) -> BTreeSet<String> {
    let mut origin = value;
    // A graph has no cycles, so this ends.
    while let Some(mover) =
        links.producer(origin).map(|index| &graph.node[index]).filter(|node| is_mover(node))
        && let Some(input) = mover.input(0)
    {
        origin = input;
    }
    moved_on(graph, links, origin)
}

/// The source with one more function at its end.
fn after(source: RangeSource, function: Function) -> RangeSource {
    match source {
        RangeSource::Fixed { low, high } => {
            let (a, b) = (function.apply(low), function.apply(high));
            RangeSource::Fixed { low: a.min(b), high: a.max(b) }
        }
        RangeSource::Observed { value, mut functions } => {
            functions.push(function);
            RangeSource::Observed { value, functions }
        }
        RangeSource::Any(parts) => {
            RangeSource::Any(parts.into_iter().map(|part| after(part, function)).collect())
        }
    }
}

/// Constant bounds of a Clip; a bound that is not given does not bind.
fn bounds(node: &NodeProto, links: &Links) -> Option<(f32, f32)> {
    let bound = |index: usize, attribute: &str, open: f32| match node.input(index) {
        Some(name) => links.tensor(name)?.values::<f32>().ok()?.first().copied(),
        None => Some(node.float(attribute).unwrap_or(open)),
    };
    Some((bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?))
}

/// x of x · sigmoid(x).
pub(super) fn silu_input<'n>(graph: &GraphProto, node: &'n NodeProto, links: &Links) -> Option<&'n str> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let is_sigmoid_of = |gate: &str, input: &str| {
        links
            .producer(gate)
            .map(|index| &graph.node[index])
            .is_some_and(|maker| maker.is("Sigmoid") && maker.input(0) == Some(input))
    };
    if is_sigmoid_of(b, a) {
        Some(a)
    } else if is_sigmoid_of(a, b) {
        Some(b)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use farsight_graph::Attribute;
    use farsight_graph::onnx::TensorProto;

    use crate::movers::MOVERS;

    use super::*;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto::new(op, "", inputs, outputs)
    }

    fn graph(nodes: Vec<NodeProto>) -> GraphProto {
        let initializer =
            vec![TensorProto::new("six", &[], &[6.0f32]), TensorProto::new("one", &[], &[1.0f32])];
        GraphProto { node: nodes, initializer, ..GraphProto::default() }
    }

    fn source_of(nodes: Vec<NodeProto>, value: &str) -> RangeSource {
        sources(&graph(nodes), &[value.to_owned()]).remove(value).unwrap()
    }

    fn observed(value: &str, functions: &[Function]) -> RangeSource {
        RangeSource::Observed { value: value.to_owned(), functions: functions.to_vec() }
    }

    #[test]
    fn functions_do_what_their_operators_do() {
        let relu = Function::Clip(0.0, f32::INFINITY);
        assert_eq!([-2.0, 0.0, 3.0].map(|x| relu.apply(x)), [0.0, 0.0, 3.0]);
        assert_eq!([-2.0, 0.5, 7.0].map(|x| Function::Clip(-1.0, 6.0).apply(x)), [-1.0, 0.5, 6.0]);
        assert_eq!([-2.0, 0.0, 3.0].map(|x| Function::LeakyRelu(0.25).apply(x)), [-0.5, 0.0, 3.0]);
        let silu = [0.0, 1.0, -1.0, 20.0, -200.0].map(|x| Function::Silu.apply(x));
        for (found, expected) in silu.into_iter().zip([0.0f32, 0.731_058_6, -0.268_941_4, 20.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{silu:?}");
        }
    }

    #[test]
    fn bounded_operators_need_no_look() {
        for (op, low) in [("Sigmoid", 0.0), ("Softmax", 0.0), ("HardSigmoid", 0.0), ("Tanh", -1.0)] {
            let found = source_of(vec![node(op, &["x"], &["y"])], "y");
            assert_eq!(found, RangeSource::Fixed { low, high: 1.0 }, "{op}");
        }
        let nodes = vec![
            node("Tanh", &["x"], &["a"]),
            node("LeakyRelu", &["a"], &["b"]).with("alpha", Attribute::Float(0.5)),
            node("Clip", &["b", "", "six"], &["y"]),
        ];
        assert_eq!(source_of(nodes, "y"), RangeSource::Fixed { low: -0.5, high: 1.0 });
    }

    #[test]
    fn functions_are_applied_to_what_is_observed() {
        let clip = |inputs: &[&str]| node("Clip", inputs, &["y"]);
        let above = |low| observed("x", &[Function::Clip(low, f32::INFINITY)]);
        let leaky = |node: NodeProto| source_of(vec![node], "y");
        assert_eq!(source_of(vec![node("Relu", &["x"], &["y"])], "y"), above(0.0));
        assert_eq!(
            source_of(vec![clip(&["x", "one", "six"])], "y"),
            observed("x", &[Function::Clip(1.0, 6.0)])
        );
        assert_eq!(source_of(vec![clip(&["x", "one"])], "y"), above(1.0));
        assert_eq!(source_of(vec![clip(&["x"])], "y"), above(f32::NEG_INFINITY));
        let old = clip(&["x"]).with("min", Attribute::Float(0.0)).with("max", Attribute::Float(6.0));
        assert_eq!(source_of(vec![old], "y"), observed("x", &[Function::Clip(0.0, 6.0)]));
        // A bound that is computed tells nothing.
        assert_eq!(source_of(vec![clip(&["x", "low"])], "y"), observed("y", &[]));
        let slope = |slope| observed("x", &[Function::LeakyRelu(slope)]);
        assert_eq!(leaky(node("LeakyRelu", &["x"], &["y"])), slope(0.01));
        assert_eq!(leaky(node("LeakyRelu", &["x"], &["y"]).with("alpha", Attribute::Float(0.1))), slope(0.1));
    }

    #[test]
    fn silu_is_seen_in_its_two_nodes() {
        for product in [["x", "gate"], ["gate", "x"]] {
            let nodes = vec![node("Sigmoid", &["x"], &["gate"]), node("Mul", &product, &["y"])];
            assert_eq!(source_of(nodes, "y"), observed("x", &[Function::Silu]));
        }
        // The gate of another value, as in a squeeze-and-excite block.
        let nodes = vec![node("Sigmoid", &["z"], &["gate"]), node("Mul", &["x", "gate"], &["y"])];
        assert_eq!(source_of(nodes, "y"), observed("y", &[]));
        let square = vec![node("Mul", &["x", "x"], &["y"])];
        assert_eq!(source_of(square, "y"), observed("y", &[]));
    }

    #[test]
    fn functions_follow_one_another_in_their_order() {
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("LeakyRelu", &["a"], &["b"]),
            node("Clip", &["b", "", "six"], &["y"]),
        ];
        let both = [Function::LeakyRelu(0.01), Function::Clip(f32::NEG_INFINITY, 6.0)];
        assert_eq!(source_of(nodes, "y"), observed("a", &both));
    }

    #[test]
    fn what_only_moves_values_keeps_their_source() {
        for op in MOVERS {
            assert_eq!(source_of(vec![node(op, &["x"], &["y"])], "y"), observed("x", &[]), "{op}");
        }
        // Each output of a Split, and a MaxPool of one, on the grid of what was split.
        let nodes = vec![
            node("Relu", &["x"], &["a"]),
            node("Split", &["a"], &["b", "c"]),
            node("MaxPool", &["c"], &["d"]),
        ];
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let found = sources(&graph(nodes), &names);
        assert!(names.iter().all(|name| found[name] == found["a"]), "{found:?}");
        let mut asked = BTreeSet::new();
        found.values().for_each(|source| source.observed(&mut asked));
        assert_eq!(asked, BTreeSet::from(["x"]));
    }

    #[test]
    fn what_is_moved_belongs_to_where_it_came_from() {
        // A CSP block: both parts of a Split go into a Concat, one of them after a MaxPool, and another by a Conv.
        let nodes = vec![
            node("Conv", &["x", "w"], &["a"]),
            node("Split", &["a"], &["b", "c"]),
            node("MaxPool", &["c"], &["d"]),
            node("Conv", &["c", "w"], &["e"]),
            node("Concat", &["b", "d", "e"], &["f"]),
        ];
        let graph = graph(nodes);
        let links = graph.links();
        let family = ["a", "b", "c", "d"].map(str::to_owned).into();
        for value in ["a", "b", "d"] {
            assert_eq!(moved_together(&graph, &links, value), family, "{value}");
        }
        assert_eq!(moved_together(&graph, &links, "e"), BTreeSet::from(["e".to_owned()]));
        assert_eq!(moved_on(&graph, &links, "c"), ["c", "d"].map(str::to_owned).into());
    }

    #[test]
    fn what_makes_new_values_is_observed_itself() {
        for op in ["Add", "AveragePool", "Conv", "GlobalAveragePool", "Exp", "Pad"] {
            assert_eq!(source_of(vec![node(op, &["x"], &["y"])], "y"), observed("y", &[]), "{op}");
        }
        let foreign = NodeProto { domain: Some("com.microsoft".into()), ..node("Relu", &["x"], &["y"]) };
        assert_eq!(source_of(vec![foreign], "y"), observed("y", &[]));
        // A cubic Resize overshoots the values that it lies between.
        let cubic = node("Resize", &["x"], &["y"]).with("mode", Attribute::String("cubic".into()));
        assert_eq!(source_of(vec![cubic], "y"), observed("y", &[]));
    }

    #[test]
    fn a_concat_is_any_of_its_parts() {
        let nodes = vec![
            node("Sigmoid", &["x"], &["a"]),
            node("Concat", &["a", "b"], &["c"]),
            node("Relu", &["c"], &["y"]),
        ];
        let relu = Function::Clip(0.0, f32::INFINITY);
        let parts = vec![RangeSource::Fixed { low: 0.0, high: 1.0 }, observed("b", &[relu])];
        let found = source_of(nodes, "y");
        assert_eq!(found, RangeSource::Any(parts));
        let mut asked = BTreeSet::new();
        found.observed(&mut asked);
        assert_eq!(asked, BTreeSet::from(["b"]));
    }

    /// Each Slice has one reader, each part of a Concat is one more way to the same value: 8¹⁵ ways in all.
    #[test]
    fn a_value_that_many_ways_lead_to_is_looked_at_once() {
        let mut nodes = vec![node("Conv", &["x", "w"], &["v0"])];
        for index in 0..15 {
            let [value, joined, next] = [format!("v{index}"), format!("c{index}"), format!("v{}", index + 1)];
            nodes.push(node("Concat", &[&value[..]; 8], &[&joined]));
            nodes.push(node("Slice", &[&joined, "one", "six"], &[&next]));
        }
        // 8 and 64 parts are put together, 512 are not.
        assert_eq!(source_of(nodes, "v15"), observed("c14", &[]));
    }

    #[test]
    fn a_long_chain_ends_where_it_is_observed() {
        let name = |index: usize| format!("v{index}");
        let nodes = (0..100).map(|index| node("Relu", &[&name(index)], &[&name(index + 1)])).collect();
        let RangeSource::Observed { value, functions } = source_of(nodes, "v100") else {
            panic!("not observed")
        };
        assert_eq!((value, functions.len()), (name(100 - LONGEST), LONGEST));
    }
}
