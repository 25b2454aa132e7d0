//! x
use crate::data::Dataset;
use crate::passes::*;
use crate::quantize::*;
use crate::{CompileError, Source};
use farsight::Options;
use farsight_engine::Library;
use farsight_spec::{ModelSpec, Target};
use std::collections::BTreeMap;
use std::path::Path;
/// x
pub fn run(
    model: &Path,
    spec: Option<&str>,
    data: &Path,
    n: usize,
    out: &Path,
    method: &str,
    float: &str,
) -> Result<(), CompileError> {
    let library = Library::load(None)?;
    let source = Source::read(model, library)?;
    let spec = spec.map(ModelSpec::find).transpose()?;
    let resolved = source.resolve(library, spec, None)?;
    let target = Target::find("host").map_err(CompileError::from)?.on_host(&farsight_engine::host_triple());
    let (mut document, _) = crate::job::run_passes(&resolved, farsight_spec::Precision::Keep, library)?;
    let op = document.opset("").unwrap_or(0);
    let f = crate::facts(&document, library)?;
    if op < 17 {
        opset(&mut document, &OpsetSettings { to: 17, facts: f }).unwrap();
    }
    let data = Dataset::open_inputs(data)?;
    let inputs = data.inputs();
    let files: Vec<&Path> = data.spread(n).into_iter().map(|i| inputs[i]).collect();
    let kernels = Kernels::of(&target, &farsight_engine::cpu_features());
    let t = std::time::Instant::now();
    let p = Prepared::observe(
        document,
        kernels,
        &resolved.spec,
        library,
        &target,
        &Options { threads: Some(1), ..Options::default() },
        &files,
        &mut |_| {},
    )?;
    eprintln!(
        "observed in {:?} {:?} failed {:?} rss {:?}",
        t.elapsed(),
        kernels,
        p.observation.failed,
        crate::memory::peak_rss_mb()
    );
    let float: BTreeMap<usize, String> = p
        .layers
        .iter()
        .filter(|l| !float.is_empty() && l.name.contains(float))
        .map(|l| (l.node, "asked".to_owned()))
        .collect();
    let b = p.build(&Choice {
        method: method
            .parse()
            .map_err(|e: crate::calibrate::UnknownRangeMethod| CompileError::Inputs(e.to_string()))?,
        float,
    })?;
    eprintln!(
        "{:?} share {} nodes {} islands {:#?}",
        b.report,
        p.mac_share(&b.scheme),
        b.scheme.nodes.len(),
        b.scheme.islands
    );
    std::fs::write(out, b.document.to_bytes()?).unwrap();
    Ok(())
}
