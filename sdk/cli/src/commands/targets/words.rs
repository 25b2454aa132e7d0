//! A target profile in words that a person understands. Each part is a function of its own that gives its lines.

use farsight_spec::{ActivationType, Extent, Provider, Shapes, Target};

/// Lines are broken before this column.
const WIDTH: usize = 100;

/// What device it is, what runs there and how, what to install, how to build for it, what to know. Where it is this
/// machine, its CPU's features stand for what is there, not for what is required.
pub(super) fn explain(target: &Target, is_host: bool) -> String {
    let parts = [
        ("Device", device(target, is_host)),
        ("What runs there", providers(target)),
        ("Numbers", numbers(target)),
        ("Shapes, threads, memory", session(target)),
        ("ONNX Runtime", library(target)),
        ("Building for it", build(target)),
        ("To know", target.notes.clone()),
    ];
    let mut text = broken(&format!("{}: {}", target.name, target.about), "");
    for (title, lines) in parts.iter().filter(|(_, lines)| !lines.is_empty()) {
        text += &format!("\n{title}\n");
        lines.iter().for_each(|line| text += &broken(line, "  "));
    }
    text
}

fn device(target: &Target, is_host: bool) -> Vec<String> {
    let glibc = target.glibc.as_ref().map_or_else(String::new, |glibc| format!(", glibc {glibc} or newer"));
    let features = match &target.cpu_features[..] {
        [] => "any CPU of that kind".to_owned(),
        features if is_host => format!("this CPU has {}", features.join(", ")),
        features => format!("a CPU with {}; a device without refuses the bundle", features.join(", ")),
    };
    vec![format!("{}{glibc}", target.triple), features]
}

fn providers(target: &Target) -> Vec<String> {
    let numbered =
        |(index, provider): (usize, &Provider)| format!("{}. {}", index + 1, with_options(provider));
    let mut lines: Vec<String> = target.providers.iter().enumerate().map(numbered).collect();
    if lines.len() > 1 {
        lines.push(
            "The first that takes a node of the model runs it; the report counts the nodes of each."
                .to_owned(),
        );
    }
    let accelerators: Vec<&str> = target
        .providers
        .iter()
        .filter(|provider| !provider.is("CPU"))
        .map(|provider| provider.name.as_str())
        .collect();
    let names = accelerators.join(" or ");
    lines.push(match (accelerators.is_empty(), target.allow_fallback) {
        (true, _) => "The CPU is in every library: nothing can be missing.".to_owned(),
        (false, true) => format!("If the library lacks {names}, the next one runs, and a warning says so."),
        (false, false) => {
            format!("If the library lacks {names}, nothing runs: that is an error that says what is missing.")
        }
    });
    lines
}

fn with_options(provider: &Provider) -> String {
    let options: Vec<String> =
        provider.options.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    if options.is_empty() {
        provider.name.clone()
    } else {
        format!("{} with {}", provider.name, options.join(", "))
    }
}

/// What becomes of int8 and float16 there, and why.
fn numbers(target: &Target) -> Vec<String> {
    let rules = target.precision;
    let first = target.providers.first().map_or("CPU", |provider| &provider.name);
    let activation = match rules.activation {
        ActivationType::U8 => "uint8 activations, which its kernels take together with int8 weights",
        ActivationType::S8 => "int8 activations with a zero point of 0, as its kernels want them",
        ActivationType::U16 => "uint16 activations, for kernels that compute in 16 bits",
    };
    let weights = match (target.halves_weights(&target.cpu_features), rules.half_range_weights) {
        (true, Some(_)) => "weights within ±64, because the kernels add pairs of products in 16 bits",
        (true, None) => {
            "weights within ±64: without VNNI, which cpu_features does not require, kernels add pairs of products in 16 bits \
             and saturate"
        }
        (false, _) => "weights of all 8 bits: the kernels do not saturate",
    };
    let scales =
        if rules.per_channel { "a scale for each output channel" } else { "one scale for a whole weight" };
    let mut lines = vec![
        format!("int8 ({first}): {activation}; {weights}; {scales}."),
        match rules.fp16_arithmetic {
            true => "float16: there are kernels that compute in it; it may change answers, so measure on the device.".to_owned(),
            false => "float16: for storage only, it is computed in float32.".to_owned(),
        },
    ];
    if rules.sparsity.is_some() {
        lines.push("Sparsity: weights with two zeros among every four are computed faster (2:4).".to_owned());
    }
    lines
}

fn session(target: &Target) -> Vec<String> {
    let shapes = match target.shapes {
        Shapes::Fixed => "One shape of input, written into the model; others are refused.".to_owned(),
        Shapes::Range { batch, height, width } => {
            let extents = [("batch", batch), ("height", height), ("width", width)];
            let said: Vec<String> = extents
                .iter()
                .filter_map(|(name, extent)| {
                    extent.map(|Extent { min, opt, max }| format!("{name} {min} to {max}, tuned for {opt}"))
                })
                .collect();
            format!("Shapes of input: {}; others are refused.", said.join("; "))
        }
    };
    let rules = target.session;
    let threads = match rules.threads {
        0 => "As many threads as the affinity mask allows".to_owned(),
        1 => "One thread".to_owned(),
        threads => format!("At most {threads} threads, within the affinity mask"),
    };
    let spinning = if rules.spinning { "spinning while they wait" } else { "asleep while they wait" };
    let arena = if rules.arena {
        "freed memory is kept for the next run (arena)"
    } else {
        "freed memory goes back to the system"
    };
    let mut lines = vec![shapes, format!("{threads}, {spinning}; {arena}.")];
    if target.memory.budget_mb > 0 {
        lines.push(format!(
            "{} MB of memory for a pipeline: farsight inspect tells if a model needs more, farsight doctor if the device has \
             less; nothing stops a pipeline that takes more.",
            target.memory.budget_mb
        ));
    }
    lines
}

fn library(target: &Target) -> Vec<String> {
    let build = &target.onnxruntime;
    let range = match &build.newest {
        Some(newest) => format!("Version {} to {newest}", build.oldest),
        None => format!("Version {} or newer", build.oldest),
    };
    let mut lines = vec![
        format!("{range}; models get opset {} at most for it.", build.newest_opset()),
        format!("From: {}", build.from),
    ];
    for file in &build.files {
        lines.push(format!("File: {} ({})", file.file, file.version));
        lines.push(format!("sha256: {}", file.sha256));
    }
    lines.push(
        "On the device: beside the program, with the libraries around it, or named by ORT_DYLIB_PATH."
            .to_owned(),
    );
    lines.extend(build.known_bad.iter().map(|(version, reason)| format!("Known bad: {version} {reason}")));
    lines
}

fn build(target: &Target) -> Vec<String> {
    let build = &target.build;
    let flags = build.rustflags();
    let mut lines = Vec::new();
    if !flags.is_empty() {
        lines.push(format!("export RUSTFLAGS=\"{flags}\""));
    }
    let (command, built_for) = match &build.zig {
        Some(zig) => ("cargo zigbuild", zig),
        None => ("cargo build", &target.triple),
    };
    lines.push(format!("{command} --profile {} --target {built_for}", build.profile));
    if build.zig.is_some() {
        let why = "(pip install cargo-zigbuild ziglang; it links with that glibc instead of this machine's)";
        lines.push(why.to_owned());
    }
    lines
}

/// A paragraph with its lines broken; the second and later ones stand further in.
fn broken(paragraph: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut line = indent.to_owned();
    for word in paragraph.split(' ') {
        let is_start = line.trim().is_empty();
        if !is_start && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text += &line;
            text.push('\n');
            line = format!("{indent}    ");
        } else if !is_start {
            line.push(' ');
        }
        line += word;
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests;
