//! A device against a target profile: what is missing, and what could be better.

use farsight_spec::{Target, version_numbers};

use super::{Device, cpu, thermal};

/// What was found, one line each, with what to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Something needed is missing.
    pub(crate) problems: Vec<String>,
    /// It works, but could be faster or steadier.
    pub(crate) advice: Vec<String>,
}

impl Device {
    /// Compares with a profile. `triple` and `features` are this machine's; nothing of ONNX Runtime is needed.
    pub(crate) fn check(&self, target: &Target, triple: &str, features: &[String]) -> Findings {
        let problems = [
            other_cpu(target, triple),
            self.lacking(target, triple, features),
            self.old_glibc(target),
            self.little_memory(target),
        ];
        let mut advice: Vec<String> = self.busy_memory(target).into_iter().collect();
        advice.extend(self.power.remarks());
        advice.extend(thermal::remarks(&self.thermal));
        Findings { problems: problems.into_iter().flatten().collect(), advice }
    }

    fn lacking(&self, target: &Target, triple: &str, features: &[String]) -> Option<String> {
        let missing = missing_features(target, triple, features);
        let name = self.cpu.name.as_deref().unwrap_or("this CPU");
        (!missing.is_empty()).then(|| {
            format!(
                "{name} lacks {}, which target {} requires: its programs may die with an illegal instruction; compile for \
                 a target without them (farsight targets)",
                missing.join(", "),
                target.name
            )
        })
    }

    fn old_glibc(&self, target: &Target) -> Option<String> {
        let (found, needed) = (self.glibc.as_deref()?, target.glibc.as_deref()?);
        (version_numbers(found) < version_numbers(needed)).then(|| {
            format!(
                "glibc is {found}, target {} is for {needed} or newer: what is built for it does not load here; update \
                 the system, or choose a target with an older glibc (farsight targets)",
                target.name
            )
        })
    }

    fn little_memory(&self, target: &Target) -> Option<String> {
        let (has, budget) = (self.memory.ceiling_mb()?, target.memory.budget_mb as u64);
        let (what, way) = match self.memory.limit_mb {
            Some(_) => ("the container's limit on memory is", "raise the limit (docker run --memory)"),
            None => ("this machine's memory is", "take a smaller model or a device with more"),
        };
        (has < budget).then(|| {
            format!(
                "{what} {has} MB, target {} counts on {budget} MB: {way}, or lower memory.budget_mb in a profile of your \
                 own",
                target.name
            )
        })
    }

    /// Enough in all, but taken by others.
    fn busy_memory(&self, target: &Target) -> Option<String> {
        let (free, budget) = (self.memory.free_mb()?, target.memory.budget_mb as u64);
        (free < budget && self.little_memory(target).is_none()).then(|| {
            format!(
                "{free} MB of memory are free, target {} counts on {budget} MB for a pipeline: stop what else runs",
                target.name
            )
        })
    }
}

/// The features that the profile requires and this CPU lacks. Those of another architecture are not looked for.
pub(crate) fn missing_features(target: &Target, triple: &str, features: &[String]) -> Vec<String> {
    match architecture(&target.triple) == architecture(triple) {
        true => cpu::missing(&target.cpu_features, features),
        false => Vec::new(),
    }
}

fn other_cpu(target: &Target, triple: &str) -> Option<String> {
    (architecture(&target.triple) != architecture(triple)).then(|| {
        format!(
            "this machine is {triple}, target {} is for {}: compile for this machine (--target host), or call doctor on the device",
            target.name, target.triple
        )
    })
}

fn architecture(triple: &str) -> &str {
    triple.split('-').next().unwrap_or_default()
}
