use super::*;

const ARM: &str = r#"
    name = "plain"
    about = "What must be said, and no more"
    triple = "aarch64-unknown-linux-gnu"
    providers = [{ name = "CPU" }]
    onnxruntime = { oldest = "1.17", from = "PyPI" }
"#;

/// A profile with every table that may be refused.
const FULL: &str = r#"
    name = "full"
    about = "Every table"
    triple = "aarch64-unknown-linux-gnu"
    glibc = "2.31"
    cpu_features = ["dotprod"]
    [onnxruntime]
    oldest = "1.17"
    newest = "1.28"
    from = "PyPI"
    [[onnxruntime.files]]
    version = "1.28.0"
    file = "onnxruntime.whl"
    sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    [onnxruntime.known_bad]
    "1.21.0" = "it dies"
    [[providers]]
    name = "TensorRT"
    [[providers]]
    name = "CPU"
    [precision]
    activation = "s8"
    sparsity = "2:4"
    [shapes]
    kind = "range"
    batch = { min = 1, opt = 2, max = 4 }
    [session]
    memory_pattern = false
    [memory]
    budget_mb = 512
    [build]
    target_cpu = "cortex-a76"
    rustflags = ["-Clink-arg=-s"]
    zig = "aarch64-unknown-linux-gnu.2.31"
"#;

fn x86() -> String {
    ARM.replace("aarch64", "x86_64")
}

/// Each change of a text is refused at a key, with these words.
fn refused(text: &str, cases: &[(&str, &str, &str, &str)]) {
    Target::parse(text, "x.toml").unwrap();
    for (from, to, expected, words) in cases {
        assert!(text.contains(from), "{from}");
        match Target::parse(&text.replacen(from, to, 1), "x.toml") {
            Err(SpecError::Invalid { key, problem, .. }) => {
                assert_eq!(key, *expected, "{to}: {problem}");
                assert!(problem.contains(words), "{to}: {problem}");
            }
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[test]
fn the_machine() {
    refused(
        FULL,
        &[
            ("aarch64-unknown-linux-gnu", "arm", "triple", "Rust target triple"),
            ("aarch64-unknown-linux-gnu\"", "aarch64-unknown-linux-musl\"", "glibc", "has none"),
            ("glibc = \"2.31\"", "glibc = \"new\"", "glibc", "a version"),
            ("glibc = \"2.31\"", "glibc = \"2.12\"", "glibc", "2.17"),
            ("glibc = \"2.31\"", "glibc = \"3.0\"", "glibc", "2.17"),
            ("\"dotprod\"", "\"dotprd\"", "cpu_features", "did you mean \"dotprod\""),
            ("\"dotprod\"", "\"avx2\"", "cpu_features", "known there: neon"),
            ("\"dotprod\"", "\"dotprod\", \"dotprod\"", "cpu_features", "twice"),
        ],
    );
    let plain = FULL.replace("zig = \"aarch64-unknown-linux-gnu.2.31\"", "");
    refused(&plain, &[("aarch64-", "riscv64gc-", "cpu_features", "leave it out")]);
}

#[test]
fn the_library() {
    refused(
        FULL,
        &[
            ("oldest = \"1.17\"", "oldest = \"new\"", "onnxruntime.oldest", "a version"),
            ("oldest = \"1.17\"", "oldest = \"1.16\"", "onnxruntime.oldest", "1.17"),
            ("newest = \"1.28\"", "newest = \"latest\"", "onnxruntime.newest", "a version"),
            ("oldest = \"1.17\"", "oldest = \"1.29\"", "onnxruntime.newest", "the oldest is 1.29"),
            ("from = \"PyPI\"", "from = \" \"", "onnxruntime.from", "is empty"),
            ("\"1.21.0\"", "\"latest\"", "onnxruntime.known_bad", "a version"),
            ("\"it dies\"", "\"\"", "onnxruntime.known_bad", "no reason"),
            ("\"1.21.0\"", "\"1.28.0\"", "onnxruntime.files", "known bad: it dies"),
            ("version = \"1.28.0\"", "version = \"1.29.0\"", "onnxruntime.files.version", "leave out"),
            ("version = \"1.28.0\"", "version = \"1.16.0\"", "onnxruntime.files.version", "leave out"),
            ("onnxruntime.whl", "", "onnxruntime.files.file", "is empty"),
            ("0123456789abcdef", "0123", "onnxruntime.files.sha256", "64 hexadecimal"),
            ("0123456789abcdef", "0123456789ABCDEF", "onnxruntime.files.sha256", "lower case"),
        ],
    );
}

/// A profile travels in a bundle, and whoever runs that has not read it.
#[test]
fn options_that_reach_out_of_the_model() {
    let one = "providers = [{ name = \"CPU\" }]";
    for (provider, option) in [
        ("OpenVINO", "cache_dir"),
        ("OpenVINO", "load_config"),
        ("TensorRT", "trt_engine_cache_path"),
        ("TensorRT", "trt_extra_plugin_lib_paths"),
        ("TensorRT", "user_compute_stream"),
        ("CUDA", "gpu_external_alloc"),
        ("QNN", "backend_path"),
    ] {
        let with = |option: &str| {
            let options = format!("options = {{ {option} = \"1\" }}");
            ARM.replace(
                one,
                &format!("providers = [{{ name = \"{provider}\", {options} }}, {{ name = \"CPU\" }}]"),
            )
        };
        let refusal = Target::parse(&with(option), "a").unwrap_err().to_string();
        assert!(refusal.contains(option) && refusal.contains("may not"), "{refusal}");
        let other = Target::parse(&with("trt_engine_cache_enable"), "a");
        assert!(other.err().is_none_or(|error| !error.to_string().contains("providers.options")));
    }
}

#[test]
fn the_providers() {
    let one = "providers = [{ name = \"CPU\" }]";
    refused(
        ARM,
        &[
            (one, "providers = []", "providers", "is empty"),
            (one, "providers = [{ name = \"CPU\" }, { name = \"CPU\" }]", "providers", "after CPU"),
            (one, "providers = [{ name = \"XNNPACK\" }, { name = \"XNNPACK\" }]", "providers", "twice"),
            (one, "providers = [{ name = \"cpu\" }]", "providers", "did you mean \"CPU\""),
            (one, "providers = [{ name = \"CPUExecutionProvider\" }]", "providers", "did you mean \"CPU\""),
            (one, "providers = [{ name = \"OpenVino\" }]", "providers", "did you mean \"OpenVINO\""),
            (one, "providers = [{ name = \"Hexagonal\" }]", "providers", "known there: CPU"),
            (one, "providers = [{ name = \"CPU\" }, { name = \"XNNPACK\" }]", "providers", "put CPU last"),
            (
                one,
                "providers = [{ name = \"CPU\", options = { a = \"1\" } }]",
                "providers.options",
                "takes none",
            ),
        ],
    );
    refused(&x86(), &[(one, "providers = [{ name = \"ACL\" }]", "providers", "64-bit ARM")]);
}

#[test]
fn what_kernels_take() {
    let rule = |text: &str, rules: &str, key: &str, words: &str| {
        let end = "    onnxruntime =";
        let with = format!("    precision = {{ {rules} }}\n{end}");
        refused(text, &[(end, &with, &format!("precision.{key}"), words)]);
    };
    rule(&x86(), "activation = \"s8\"", "activation", "1.54");
    rule(&x86(), "fp16_arithmetic = true", "fp16_arithmetic", "float32");
    rule(ARM, "fp16_arithmetic = true", "fp16_arithmetic", "require fp16");
    rule(ARM, "half_range_weights = true", "half_range_weights", "do not saturate");
    rule(&x86(), "half_range_weights = true, activation = \"u16\"", "half_range_weights", "u16");
    rule(&x86(), "sparsity = \"2:4\"", "sparsity", "TensorRT");
    let vnni = x86().replace("    providers", "    cpu_features = [\"vnni\"]\n    providers");
    rule(&vnni, "half_range_weights = true", "half_range_weights", "vnni");
    refused(FULL, &[("\"s8\"", "\"u8\"", "precision.activation", "zero points of 0")]);
}

#[test]
fn shapes_memory_and_build() {
    refused(
        FULL,
        &[
            ("batch = { min = 1, opt = 2, max = 4 }", "", "shapes", "without bounds"),
            ("min = 1", "min = 3", "shapes.batch", "3, 2, 4"),
            ("min = 1", "min = 0", "shapes.batch", "1 <= min"),
            ("max = 4", "max = 1", "shapes.batch", "opt <= max"),
            ("max = 4", "max = 5000", "shapes.batch", "1024"),
            ("memory_pattern = false", "", "session.memory_pattern", "memory grows"),
            ("memory_pattern = false", "memory_pattern = false\nthreads = 5000", "session.threads", "1024"),
            ("budget_mb = 512", "budget_mb = 3", "memory.budget_mb", "64"),
            ("budget_mb = 512", "budget_mb = 536870912", "memory.budget_mb", "1048576"),
            ("[build]", "[build]\nprofile = \"\"", "build.profile", "cargo profile"),
            ("cortex-a76", "cortex a76", "build.target_cpu", "target-cpus"),
            ("-Clink-arg=-s", "-C link-arg=-s", "build.rustflags", "one word each"),
            ("-Clink-arg=-s", "-Ctarget-cpu=native", "build.rustflags", "keep one"),
            ("gnu.2.31", "gnu.2.35", "build.zig", "the device has 2.31"),
            ("gnu.2.31", "gnu", "build.zig", "expected \"aarch64-unknown-linux-gnu.2.31\""),
            ("gnu.2.31", "gnu.new", "build.zig", "expected"),
            ("glibc = \"2.31\"", "", "build.zig", "must name"),
        ],
    );
}

#[test]
fn a_newer_bundle_may_name_what_is_not_known_yet() {
    let mut target = Target::parse(ARM, "x.toml").unwrap();
    target.cpu_features.push("sme9".to_owned());
    target.providers[0].name = "Newer".to_owned();
    target.validate("target.toml").unwrap();
}

#[test]
fn the_example_of_the_how_to_is_one() {
    let page = include_str!("../../../../../docs/add-a-target.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Target::parse(example, "add-a-target.md").unwrap().name, "barn-box");
}
