//! `farsight doctor`: what this machine can do, what is missing for a target, and whether a bundle gives its expected
//! answer here. With `--json` it is what a user attaches to a bug report.

mod onnxruntime;
mod self_test;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use farsight_spec::Target;
use serde_json::{Value, json};

use self::self_test::Opened;
use crate::Context;
use crate::device::{Device, Findings, missing_features, private};
use crate::failure::Failure;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Re-run this bundle's self-test, and time each phase
    bundle: Option<PathBuf>,
    /// Say what is missing for this target (built-in name or .toml file); left out, for the bundle's own
    #[arg(long, value_name = "NAME|FILE")]
    target: Option<String>,
}

const HELP: &str = "\
Exit status: 0 all well, 1 something needed is missing or wrong (problems). Advice does not count.

Keys of --json, null where the system does not tell:
  machine      triple, cpu, cores, cpu_features, threads, model, l4t, os, kernel, glibc,
               gpu_driver, container, farsight
  power        mode {id, name}, under_voltage,
               policies [{cpus, driver, governor, mhz, min_mhz, max_mhz, hardware_max_mhz}]
  thermal      [{type, celsius, trips [{type, celsius}]}]
  memory       total_mb, available_mb, swap_total_mb, swap_free_mb, limit_mb, limit_left_mb
  target       name, triple, glibc, cpu_features, missing_cpu_features, budget_mb,
               providers [{name, missing (why)}]
  onnxruntime  path, version, providers, candidates [{place, path, version, fault}];
               or not_loaded (why)
  self_test    passed, values, outside, max_abs_error, tolerance {absolute, relative},
               startup (plain, cached, rebuilt, unused),
               ms {open, session, first_run, run, decode}; or error; or note
  problems     [one line each: what is wrong, what to do]
  advice       [the same, for what works but could be faster or steadier]

Example:
  farsight doctor cows.farsight
  farsight doctor --target aarch64-linux --json > report.json";

/// `farsight doctor`: exit status 1 if something is wrong.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Failure> {
    let named = arguments.target.as_deref().map(Target::find).transpose()?;
    let opened = arguments.bundle.as_deref().map(Opened::read);
    let of_bundle = opened.as_ref().and_then(|opened| Some(opened.as_ref().ok()?.bundle.target().clone()));
    let triple = farsight_engine::host_triple();
    let target = named.or(of_bundle).map_or_else(|| Target::find("host"), Ok)?.on_host(&triple);

    // All that is looked at before a library's code runs: without a feature that it counts on, this process dies.
    let device = Device::read(Path::new("/"));
    let features = farsight_engine::cpu_features();
    let missing = missing_features(&target, &triple, &features);
    let mut findings = device.check(&target, &triple, &features);

    let explicit = context.onnxruntime.as_deref();
    let mut profile = profile(&target, &missing);
    let (runtime, self_test) = if missing.is_empty() {
        let candidates = onnxruntime::candidates(explicit);
        let library = onnxruntime::load(explicit, &target, &mut findings);
        profile["providers"] = onnxruntime::providers(library, &target, &mut findings);
        let test = opened.map(|opened| self_test::run(opened, explicit, &mut findings));
        (onnxruntime::document(library, candidates), test)
    } else {
        let reason = format!("this CPU lacks {}", missing.join(", "));
        (
            json!({"path": null, "not_loaded": reason}),
            opened.map(|_| json!({"passed": null, "note": format!("not run: {reason}")})),
        )
    };
    let mut document = json!({
        "machine": machine(&device, &triple, &features),
        "power": device.power,
        "thermal": device.thermal,
        "memory": device.memory,
        "target": profile,
        "onnxruntime": runtime,
        "self_test": self_test,
        "problems": findings.problems,
        "advice": findings.advice,
    });
    let mut names = private::homes();
    names.extend(arguments.bundle.iter().flat_map(|bundle| private::file(bundle)));
    private::hide(&mut document, &names);
    context.output.document(&document, || text::text(&document));
    Ok(if findings.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn machine(device: &Device, triple: &str, features: &[String]) -> Value {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (system, cpu) = (&device.system, &device.cpu);
    json!({
        "triple": triple, "cpu": cpu.name, "cores": cpu.cores, "cpu_features": features, "threads": threads,
        "model": system.model, "l4t": system.l4t, "os": system.os, "kernel": system.kernel, "glibc": device.glibc,
        "gpu_driver": system.gpu_driver, "container": system.container, "farsight": env!("CARGO_PKG_VERSION"),
    })
}

/// What the target asks of a device.
fn profile(target: &Target, missing: &[String]) -> Value {
    let budget = Some(target.memory.budget_mb).filter(|megabytes| *megabytes > 0);
    json!({
        "name": target.name, "triple": target.triple, "glibc": target.glibc, "cpu_features": target.cpu_features,
        "missing_cpu_features": missing, "budget_mb": budget, "providers": null,
    })
}

/// Notes a failure, in one line. It is told once, whoever finds it again.
fn note(findings: &mut Findings, failure: &Failure) {
    let line = failure.message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    if !findings.problems.iter().any(|problem| problem.contains(&line)) {
        findings.problems.push(line);
    }
}
