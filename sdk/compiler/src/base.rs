//! The passes that every precision begins with.

use farsight::Options;
use farsight_engine::{Library, evaluate};
use farsight_graph::Facts;
use farsight_graph::onnx::TensorProto;
use farsight_spec::Target;

use crate::chain::{Chain, Effect};
use crate::element::data_type;
use crate::passes::{CutSettings, FoldReport, FoldSettings, cut, dead, dequantize, fold};
use crate::source::Resolved;
use crate::{CompileError, facts};

/// Runs them: they do not move the answer, but for turning a quantized model back into float.
pub(crate) fn base<'a>(
    resolved: &'a Resolved,
    dequantizes: bool,
    target: &'a Target,
    options: &'a Options,
    library: &'static Library,
    notes: &mut Vec<String>,
) -> Result<Chain<'a>, CompileError> {
    let start = vec![resolved.fix_shapes.clone()];
    let mut chain = Chain::start(resolved.document.clone(), start, &resolved.spec, target, options)?;
    if !resolved.outputs.is_empty() {
        let settings = CutSettings { keep: resolved.outputs.clone() };
        chain.run("cut", Effect::Exact, |document| {
            let cut = cut(document, &settings)?;
            Ok(format!("{} outputs and {} nodes that only fed them", cut.outputs.len(), cut.nodes))
        })?;
    }
    run_fold(&mut chain, library)?;
    if dequantizes {
        chain.run("dequantize", Effect::Precision, |document| {
            let report = dequantize(document)?;
            notes.extend(report.kept_in_words());
            Ok(format!(
                "{} operators, {} constants and {} pairs turned back into float, {} nodes stay quantized",
                report.operators,
                report.constants,
                report.pairs,
                report.kept.len()
            ))
        })?;
        run_fold(&mut chain, library)?;
    }
    chain.run("dead", Effect::Exact, |document| {
        let dead = dead(document)?;
        Ok(format!("{} nodes and {} weights that nothing reads", dead.nodes, dead.initializers))
    })?;
    Ok(chain)
}

/// Folds until nothing is left: what a session says of shapes lets more be folded, and then it can say more.
fn run_fold(chain: &mut Chain<'_>, library: &'static Library) -> Result<(), CompileError> {
    chain.run("fold", Effect::Exact, |document| {
        let mut evaluate = |model: &[u8]| constants(library, model);
        let mut all = FoldReport::default();
        let mut known = Facts::default();
        for _ in 0..FOLDS {
            let settings = FoldSettings { facts: known, ..FoldSettings::default() };
            let fold = fold(document, &settings, &mut evaluate)?;
            all.folded += fold.folded;
            all.constants += fold.constants;
            all.identities += fold.identities;
            if fold.folded == 0 && !settings.facts.is_empty() {
                break;
            }
            known = match facts(document, library) {
                Ok(known) => known,
                // Then nothing is known of shapes, and nothing more can be folded.
                Err(error) => {
                    log::debug!("no shapes to fold by: {error}");
                    break;
                }
            };
        }
        Ok(format!(
            "{} nodes computed, {} Constant and {} Identity nodes gone",
            all.folded, all.constants, all.identities
        ))
    })
}

/// Rounds of folding at most; a real model needs two or three.
const FOLDS: usize = 8;

/// ONNX Runtime does the arithmetic of a model of constants.
pub(crate) fn constants(library: &'static Library, model: &[u8]) -> Result<Vec<TensorProto>, String> {
    let outputs = evaluate(library, model).map_err(|error| error.to_string())?;
    Ok(outputs
        .into_iter()
        .map(|(info, bytes)| TensorProto {
            name: Some(info.name),
            dims: info.shape.iter().map(|length| length.unwrap_or(0) as i64).collect(),
            data_type: Some(data_type(info.element) as i32),
            raw_data: Some(bytes.into()),
            ..TensorProto::default()
        })
        .collect())
}
