//! The document of `farsight doctor` in words.

use std::fmt::Write;

use serde_json::Value;

pub(super) fn text(document: &Value) -> String {
    let mut text = String::new();
    machine(&mut text, &document["machine"]);
    power(&mut text, &document["power"]);
    for zone in list(&document["thermal"]) {
        let trips = list(&zone["trips"])
            .map(|trip| format!(", {} at {}", word(&trip["type"]), degrees(&trip["celsius"])));
        row(
            &mut text,
            "temperature",
            &format!("{} {}{}", word(&zone["type"]), degrees(&zone["celsius"]), trips.collect::<String>()),
        );
    }
    memory(&mut text, &document["memory"]);
    target(&mut text, &document["target"]);
    onnxruntime(&mut text, &document["onnxruntime"]);
    self_test(&mut text, &document["self_test"]);
    for (name, label) in [("problems", "problem"), ("advice", "advice")] {
        for line in list(&document[name]) {
            row(&mut text, label, &word(line));
        }
    }
    if list(&document["problems"]).next().is_none() {
        let _ = writeln!(text, "all well");
    }
    text
}

fn machine(text: &mut String, machine: &Value) {
    let facts = [
        ("device", "model"),
        ("Jetson Linux", "l4t"),
        ("system", "os"),
        ("kernel", "kernel"),
        ("container", "container"),
    ];
    row(text, "farsight", &word(&machine["farsight"]));
    row(text, "machine", &format!("{}, {} threads", word(&machine["triple"]), machine["threads"]));
    for (label, key) in facts {
        row_if_told(text, label, &machine[key]);
    }
    row(text, "glibc", &word(&machine["glibc"]));
    row_if_told(text, "GPU driver", &machine["gpu_driver"]);
    let cores = machine["cores"].as_u64().map_or(String::new(), |cores| format!(", {cores} cores"));
    row(text, "CPU", &format!("{}{cores}", word(&machine["cpu"])));
    row(text, "features", &words(&machine["cpu_features"]));
}

fn power(text: &mut String, power: &Value) {
    let mode = &power["mode"];
    if let Some(id) = mode["id"].as_u64() {
        row(text, "power mode", &format!("{} ({id})", word(&mode["name"])));
    }
    for policy in list(&power["policies"]) {
        let mhz = |key: &str| policy[key].as_u64().map_or("?".to_owned(), |mhz| mhz.to_string());
        let clock = format!("{} MHz ({} to {})", mhz("mhz"), mhz("min_mhz"), mhz("max_mhz"));
        row(
            text,
            "clock",
            &format!("CPU {}: {clock}, governor {}", word(&policy["cpus"]), word(&policy["governor"])),
        );
    }
}

fn memory(text: &mut String, memory: &Value) {
    let mb = |key: &str| memory[key].as_u64().map_or("?".to_owned(), |mb| mb.to_string());
    let mut line = format!(
        "{} of {} MB free, swap {} of {} MB free",
        mb("available_mb"),
        mb("total_mb"),
        mb("swap_free_mb"),
        mb("swap_total_mb")
    );
    if memory["limit_mb"].is_u64() {
        let _ = write!(line, "; limited to {} MB, {} MB left", mb("limit_mb"), mb("limit_left_mb"));
    }
    row(text, "memory", &line);
}

fn target(text: &mut String, target: &Value) {
    let mut line = format!("{} ({})", word(&target["name"]), word(&target["triple"]));
    if let Some(glibc) = target["glibc"].as_str() {
        let _ = write!(line, ", glibc {glibc} or newer");
    }
    if list(&target["cpu_features"]).next().is_some() {
        let _ = write!(line, ", CPU with {}", words(&target["cpu_features"]));
    }
    if let Some(budget) = target["budget_mb"].as_u64() {
        let _ = write!(line, ", {budget} MB");
    }
    row(text, "for target", &line);
    for provider in list(&target["providers"]) {
        let verdict =
            provider["missing"].as_str().map_or("works".to_owned(), |reason| format!("missing: {reason}"));
        row(text, "provider", &format!("{}: {verdict}", word(&provider["name"])));
    }
}

fn onnxruntime(text: &mut String, runtime: &Value) {
    for candidate in list(&runtime["candidates"]) {
        let verdict = candidate["version"].as_str().or(candidate["fault"].as_str()).unwrap_or_default();
        row(
            text,
            "looked at",
            &format!("{} ({}): {verdict}", word(&candidate["path"]), word(&candidate["place"])),
        );
    }
    if let Some(path) = runtime["path"].as_str() {
        row(
            text,
            "ONNX Runtime",
            &format!(
                "{} from {path}, built with {}",
                word(&runtime["version"]),
                words(&runtime["providers"])
            ),
        );
    } else if let Some(reason) = runtime["not_loaded"].as_str() {
        row(text, "ONNX Runtime", &format!("not loaded: {reason}"));
    }
}

fn self_test(text: &mut String, test: &Value) {
    match test["passed"].as_bool() {
        Some(true) => row(text, "self-test", &format!("passed, {}", within(test))),
        Some(false) if test["error"].is_object() => {
            row(text, "self-test", &format!("FAILED: {}", word(&test["error"]["message"])))
        }
        Some(false) => row(
            text,
            "self-test",
            &format!(
                "FAILED, {} of {} values differ by more than the tolerance of {}, at most by {}",
                test["outside"],
                test["values"],
                tolerance(test),
                test["max_abs_error"]
            ),
        ),
        None => row_if_told(text, "self-test", &test["note"]),
    }
    let ms = &test["ms"];
    if ms.is_object() {
        let phases = [
            ("open", "open"),
            ("session", "session"),
            ("first run", "first_run"),
            ("run", "run"),
            ("decode", "decode"),
        ];
        let told = phases.iter().filter_map(|(label, key)| Some(format!("{label} {:.2}", ms[key].as_f64()?)));
        row(text, "ms", &told.collect::<Vec<_>>().join(", "));
    }
    row_if_told(text, "startup", &test["startup"]);
}

/// The greatest difference beside what is allowed: alone it reads like a fault.
fn within(test: &Value) -> String {
    let (error, tolerance) = (&test["max_abs_error"], tolerance(test));
    match test["outside"].as_u64() {
        Some(0) => format!("greatest difference {error}, each value within the tolerance of {tolerance}"),
        _ => format!(
            "greatest difference {error}; {} of {} values outside the tolerance of {tolerance}, of which a thousandth may be",
            test["outside"], test["values"]
        ),
    }
}

fn tolerance(test: &Value) -> String {
    let number = |key: &str| test["tolerance"][key].as_f64().unwrap_or_default();
    format!("{} + {} % of the value", number("absolute"), 100.0 * number("relative"))
}

fn row(text: &mut String, label: &str, content: &str) {
    let _ = writeln!(text, "{label:<12} {content}");
}

fn row_if_told(text: &mut String, label: &str, value: &Value) {
    if let Some(content) = value.as_str() {
        row(text, label, content);
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("unknown").to_owned()
}

fn words(value: &Value) -> String {
    list(value).filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

fn degrees(value: &Value) -> String {
    value.as_f64().map_or("unknown".to_owned(), |celsius| format!("{celsius:.1} °C"))
}
