//! Times node by node, from the profile that ONNX Runtime writes.

use std::collections::BTreeMap;
use std::path::Path;

use ort::session::builder::SessionBuilder;
use serde_json::Value;

use crate::provider::short_name;
use crate::session::set;
use crate::{EngineError, Library, Model, Result, Session, Settings};

/// What one node of the optimized graph took.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeTime {
    /// Its name in the optimized graph.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Short name of the provider that ran it.
    pub provider: String,
    /// Mean time in a run, in microseconds; the sum where it runs more than once (in a loop).
    pub microseconds: f64,
}

/// Runs a model `runs` times (at least once) in a session of its own that measures every node, after one
/// run that does not count. `fill` writes the inputs. The nodes come in the order in which they ran first.
///
/// Measuring costs time itself: use the shares, not the sum.
///
/// # Errors
/// As for [`Session::open`] and [`Session::run`]; the profile cannot be written or read.
pub fn profile_run(
    library: &'static Library,
    model: Model<'_>,
    settings: &Settings,
    runs: usize,
    fill: impl FnOnce(&mut Session) -> Result<()>,
) -> Result<Vec<NodeTime>> {
    let failed = |reason: String| EngineError::Profile { reason };
    let runs = runs.max(1);
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let file = folder.path().join("profile");
    let profiling = |options: SessionBuilder| set("profiling", options.with_profiling(&file));
    let mut session = Session::open_as(library, model, settings, &profiling)?;
    fill(&mut session)?;
    for _ in 0..=runs {
        session.run()?;
    }
    let file = session.end_profiling().map_err(failed)?;
    let text = std::fs::read(Path::new(&file)).map_err(|error| failed(format!("{file}: {error}")))?;
    let events: Vec<Value> = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    node_times(&events, runs).ok_or_else(|| failed("ONNX Runtime's profile names no run".to_owned()))
}

/// How many nodes each provider runs.
pub fn nodes_by_provider(nodes: &[NodeTime]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in nodes {
        *counts.entry(node.provider.clone()).or_default() += 1;
    }
    counts
}

/// Mean times of the events after the first run.
fn node_times(events: &[Value], runs: usize) -> Option<Vec<NodeTime>> {
    let first_end = events
        .iter()
        .filter(|event| event["cat"] == "Session" && event["name"] == "model_run")
        .filter_map(|event| Some(event["ts"].as_f64()? + event["dur"].as_f64()?))
        .min_by(f64::total_cmp)?;
    let mut nodes: Vec<NodeTime> = Vec::new();
    let mut places = BTreeMap::new();
    for event in events {
        let kernel = event["cat"] == "Node" && event["ts"].as_f64().is_some_and(|start| start >= first_end);
        let Some(name) = event["name"].as_str().and_then(|name| name.strip_suffix("_kernel_time")) else {
            continue;
        };
        if !kernel {
            continue;
        }
        // Names may repeat or be empty; the index tells nodes apart.
        let key = (name.to_owned(), event["args"]["node_index"].as_str().unwrap_or_default().to_owned());
        let place = *places.entry(key).or_insert_with(|| {
            nodes.push(NodeTime {
                name: name.to_owned(),
                op: event["args"]["op_name"].as_str().unwrap_or_default().to_owned(),
                provider: short_name(event["args"]["provider"].as_str().unwrap_or_default()).to_owned(),
                microseconds: 0.0,
            });
            nodes.len() - 1
        });
        nodes[place].microseconds += event["dur"].as_f64().unwrap_or_default() / runs as f64;
    }
    Some(nodes)
}
