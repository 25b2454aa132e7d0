//! TOML text into data, with errors that name the line and the nearest known key.

use toml::de::{DeTable, Error};

use crate::error::SpecError;
use crate::keys::{Format, line_at};

/// Parses what a person wrote; an unknown key is refused with the nearest known one named.
pub(crate) fn parse<T: Format>(text: &str, origin: &str) -> Result<T, SpecError> {
    let table = DeTable::parse(text).map_err(|error| syntax(&error, text, origin))?;
    T::shape().check(table.get_ref(), text, origin)?;
    toml::from_str(text).map_err(|error| syntax(&error, text, origin))
}

fn syntax(error: &Error, text: &str, origin: &str) -> SpecError {
    SpecError::Syntax {
        origin: match error.span() {
            Some(span) => format!("{origin}:{}", line_at(text, span.start)),
            None => origin.to_owned(),
        },
        message: in_plain_words(
            error.message(),
            error.span().and_then(|span| text.get(span)).unwrap_or_default(),
        ),
    }
}

/// What the parser said, without names of Rust's types, and with what to write. `found` is the value as it stands there.
fn in_plain_words(message: &str, found: &str) -> String {
    let Some((said, expected)) = message.split_once(", expected ") else { return message.to_owned() };
    let is_text = found.starts_with(['"', '\'']);
    let bare = found.trim_matches(['"', '\'']);
    let is_word = !bare.is_empty() && bare.len() <= 40 && !bare.contains(['\n', '[', '{', '"']);
    let (expected, write) = match expected {
        "a string" => (expected, format!("\"{bare}\" in quotes")),
        "a boolean" => ("true or false", String::new()),
        "a sequence" => ("a list", if is_text { format!("[\"{bare}\"]") } else { format!("[{bare}]") }),
        "usize" | "u8" | "u16" | "u32" | "u64" | "i64" => {
            ("a whole number", format!("{bare} without quotes"))
        }
        "f32" | "f64" => ("a number", format!("{bare} without quotes")),
        "variant identifier" | "a map" | "internally tagged enum" => {
            ("a table, { key = value }", String::new())
        }
        _ if expected.starts_with("struct ") => ("a table, { key = value }", String::new()),
        _ => return message.to_owned(),
    };
    let is_number = bare.parse::<f64>().is_ok();
    let fits = match expected {
        "a string" => !is_text,
        "a whole number" | "a number" => is_text && is_number,
        _ => true,
    };
    let hint = if is_word && fits && !write.is_empty() { format!(": write {write}") } else { String::new() };
    format!("{said}, expected {expected}{hint}")
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;
    use crate::{ModelSpec, Recipe, Target};

    #[test]
    fn unknown_keys_name_the_line_and_the_nearest_known_key() {
        let yolo = include_str!("../../../models/yolo.toml");
        let cases = [
            (yolo.replace("about =", "abuot ="), "abuot", "about"),
            (yolo.replace("channels =", "chanels ="), "chanels", "channels"),
            (yolo.replace("max_det =", "maxdet ="), "maxdet", "max_det"),
            (yolo.replace("align =", "allign ="), "allign", "align"),
        ];
        for (text, wrong, right) in cases {
            match ModelSpec::parse(&text, "x.toml") {
                Err(SpecError::UnknownKey { key, nearest, line, .. }) => {
                    assert_eq!((key.as_str(), nearest.as_deref()), (wrong, Some(right)));
                    let expected = 1 + text.lines().position(|l| l.trim().starts_with(wrong)).unwrap();
                    assert_eq!(line, expected, "{wrong}");
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_faults_name_the_line() {
        for (text, part) in
            [("name = ", "x.toml:1"), ("name = 3\n", "string"), ("name = 'a'\n", "missing field")]
        {
            let message = ModelSpec::parse(text, "x.toml").unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn a_wrong_type_tells_what_to_write() {
        let target = include_str!("../../../targets/raspberry-pi-5.toml");
        let cases = [
            ("glibc = \"2.36\"", "glibc = 2.36", "expected a string: write \"2.36\" in quotes"),
            ("oldest = \"1.17\"", "oldest = 1.17", "expected a string: write \"1.17\" in quotes"),
            (
                "budget_mb = 1024",
                "budget_mb = \"1024\"",
                "expected a whole number: write 1024 without quotes",
            ),
            ("budget_mb = 1024", "budget_mb = \"much\"", "string \"much\", expected a whole number"),
            (
                "cpu_features = [\"neon\", \"fp16\", \"dotprod\"]",
                "cpu_features = \"neon\"",
                "expected a list: write [\"neon\"]",
            ),
            ("about = \"R", "shapes = [640, 320]\nabout = \"R", "expected a table, { key = value }"),
            (
                "about = \"R",
                "shapes = { kind = \"range\", height = 640 }\nabout = \"R",
                "expected a table, { key = value }",
            ),
            ("about = \"R", "allow_fallback = \"yes\"\nabout = \"R", "expected true or false"),
        ];
        for (right, wrong, part) in cases {
            assert!(target.contains(right), "{right}");
            let message = Target::parse(&target.replacen(right, wrong, 1), "x.toml").unwrap_err().to_string();
            assert!(message.starts_with("x.toml:") && message.ends_with(part), "{wrong}: {message}");
        }
    }

    /// Every key that there is, in tables of every kind.
    const MODELS: [&str; 5] = [
        include_str!("../../../models/tensors.toml"),
        r#"
            name = "full"
            about = "Letterbox, YOLO"
            task = "detect"
            source = { reference = "none", licence = "none" }
            recipe = { precision = "keep", max_drop = 0.0, samples = 1 }
            [input]
            kind = "frame"
            size = [32, 32]
            layout = "nchw"
            channels = "rgb"
            resize = { mode = "letterbox", pad = 114, align = "center" }
            normalise = { divide = 255.0, mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }
            [output]
            decoder = "yolo"
            tensor = "out"
            labels = ["cow"]
            conf = 0.25
            iou = 0.7
            max_det = 300
            agnostic = true
            layout = "anchors"
        "#,
        r#"
            name = "full"
            about = "Crop, classes, variants"
            task = "classify"
            source = { reference = "none", licence = "none" }
            [input]
            kind = "frame"
            channels = "rgb"
            resize = { mode = "center-crop", crop_fraction = 0.875, filter = "pil-bilinear" }
            [output]
            decoder = "classes"
            tensor = "out"
            labels = ["cow"]
            top = 5
            activation = "softmax"
            label_offset = 1
            [[variants]]
            when = { layout = "nhwc", classes = 1001 }
            normalise = { divide = 127.5, mean = [1.0, 1.0, 1.0], std = [1.0, 1.0, 1.0] }
            label_offset = 1
            refuse = "because"
        "#,
        r#"
            name = "full"
            about = "Stretch, YOLOX"
            task = "detect"
            source = { reference = "none", licence = "none" }
            [input]
            kind = "frame"
            channels = "rgb"
            resize = { mode = "stretch", filter = "opencv-linear" }
            [output]
            decoder = "yolox"
            conf = 0.25
            iou = 0.7
            max_det = 300
        "#,
        r#"
            name = "full"
            about = "Raster, mask"
            task = "segment"
            source = { reference = "none", licence = "none" }
            [input]
            kind = "raster"
            bands = [{ name = "red", aliases = ["B04"] }]
            nodata = 0.0
            normalise = { divide = 255.0, mean = [0.0], std = [1.0] }
            tiling = { window = [256, 256], overlap = 0.2, blend = "ukis-csmask" }
            [output]
            decoder = "mask"
            tensor = "out"
            labels = ["clear"]
            activation = "none"
        "#,
    ];

    const TARGET: &str = r#"
        name = "full"
        about = "Every key"
        triple = "aarch64-unknown-linux-gnu"
        glibc = "2.31"
        cpu_features = ["dotprod"]
        allow_fallback = true
        precision = { fp16_arithmetic = true, activation = "s8", half_range_weights = false, sparsity = "2:4" }
        memory = { budget_mb = 100 }
        notes = ["not run on the device"]
        [onnxruntime]
        oldest = "1.17"
        newest = "1.32"
        from = "PyPI"
        files = [{ version = "1.32.0", file = "x.whl", sha256 = "00" }]
        known_bad = { "1.30" = "crashes" }
        [[providers]]
        name = "TensorRT"
        options = { device_id = "0" }
        [session]
        threads = 2
        spinning = true
        optimization = "all"
        arena = true
        memory_pattern = true
        [shapes]
        kind = "range"
        batch = { min = 1, opt = 2, max = 4 }
        height = { min = 320, opt = 640, max = 640 }
        width = { min = 320, opt = 640, max = 640 }
        [build]
        profile = "device"
        target_cpu = "cortex-a76"
        rustflags = ["-Clink-arg=-s"]
        zig = "aarch64-unknown-linux-gnu.2.31"
    "#;

    /// The keys of these hold names that are the user's, not ours.
    const FREE: [&str; 2] = ["known_bad", "options"];

    /// `value` once for each table in it, with one more key there; and where that is.
    fn with_a_key_more(value: &Value, place: &str) -> Vec<(String, Value)> {
        let inside: Vec<(String, Value)> = match value {
            Value::Table(table) => table
                .iter()
                .filter(|(key, _)| !FREE.contains(&key.as_str()))
                .flat_map(|(key, inner)| {
                    with_a_key_more(inner, &format!("{place}.{key}")).into_iter().map(
                        move |(place, inner)| {
                            let mut table = table.clone();
                            table.insert(key.clone(), inner);
                            (place, Value::Table(table))
                        },
                    )
                })
                .collect(),
            Value::Array(values) => values
                .iter()
                .enumerate()
                .flat_map(|(index, inner)| {
                    with_a_key_more(inner, place).into_iter().map(move |(place, inner)| {
                        let mut values = values.clone();
                        values[index] = inner;
                        (place, Value::Array(values))
                    })
                })
                .collect(),
            _ => Vec::new(),
        };
        let own = value.as_table().map(|table| {
            let mut table = table.clone();
            table.insert("newer".to_owned(), Value::Boolean(true));
            (place.to_owned(), Value::Table(table))
        });
        inside.into_iter().chain(own).collect()
    }

    /// A person's file is refused for a key more in any table; a bundle's text means what it meant.
    fn check_both_ways<T: Format + PartialEq + std::fmt::Debug>(text: &str) -> Vec<String> {
        let plain: T = parse(text, "x.toml").unwrap();
        let value = Value::Table(text.parse::<Table>().unwrap());
        let mut places = Vec::new();
        for (place, newer) in with_a_key_more(&value, "") {
            let text = toml::to_string(&newer).unwrap();
            match parse::<T>(&text, "x.toml") {
                Err(SpecError::UnknownKey { key, line, .. }) => {
                    assert_eq!(key, "newer", "{place}");
                    assert!(text.lines().nth(line - 1).unwrap().contains("newer"), "{place}: line {line}");
                }
                other => panic!("{place}: {other:?}"),
            }
            assert_eq!(toml::from_str::<T>(&text).unwrap(), plain, "{place}");
            places.push(place);
        }
        places
    }

    #[test]
    fn keys_of_a_newer_version_are_refused_in_files_and_ignored_in_bundles() {
        let mut places: Vec<String> =
            MODELS.iter().flat_map(|text| check_both_ways::<ModelSpec>(text)).collect();
        places.sort();
        places.dedup();
        let expected = [
            "",
            ".input",
            ".input.bands",
            ".input.normalise",
            ".input.resize",
            ".input.tiling",
            ".output",
            ".recipe",
            ".source",
            ".variants",
            ".variants.normalise",
            ".variants.when",
        ];
        assert_eq!(places, expected);
        let mut places = check_both_ways::<Target>(TARGET);
        places.sort();
        let expected = [
            "",
            ".build",
            ".memory",
            ".onnxruntime",
            ".onnxruntime.files",
            ".precision",
            ".providers",
            ".session",
            ".shapes",
            ".shapes.batch",
            ".shapes.height",
            ".shapes.width",
        ];
        assert_eq!(places, expected);
        assert_eq!(check_both_ways::<Recipe>("precision = \"fp16\"\nmax_drop = 0.1\nsamples = 3").len(), 1);
    }

    #[test]
    fn values_of_a_newer_version_are_errors_that_name_them() {
        let cases = [
            (MODELS[1].replace("\"letterbox\"", "\"seam-carving\""), "seam-carving"),
            (MODELS[1].replace("\"yolo\"", "\"detr\""), "detr"),
            (MODELS[1].replace("\"frame\"", "\"cloud\""), "cloud"),
            (MODELS[4].replace("\"ukis-csmask\"", "\"gauss\""), "gauss"),
        ];
        for (text, value) in cases {
            let strict = parse::<ModelSpec>(&text, "x.toml").unwrap_err().to_string();
            let lenient = toml::from_str::<ModelSpec>(&text).unwrap_err().to_string();
            for message in [strict, lenient] {
                assert!(message.contains(&format!("unknown variant `{value}`")), "{message}");
            }
        }
    }
}
