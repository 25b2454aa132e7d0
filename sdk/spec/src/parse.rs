//! TOML text into data, with errors that name the line and the nearest known key.

use serde::de::DeserializeOwned;

use crate::error::{SpecError, nearest};

/// Parses TOML; an unknown key is refused with the nearest known one named.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, SpecError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        match unknown_key(error.message()) {
            Some((key, known)) => SpecError::UnknownKey {
                origin: origin.to_owned(),
                line: line_of_key(text, &key).or(line),
                nearest: nearest(&key, known.iter().map(String::as_str)),
                key,
                known,
            },
            None => SpecError::Syntax {
                origin: match line {
                    Some(line) => format!("{origin}:{line}"),
                    None => origin.to_owned(),
                },
                message: error.message().to_owned(),
            },
        }
    })
}

/// serde's own words: "unknown field `x`, expected one of `a`, `b`" (or "there are no fields"); the same
/// for the value of an enum ("unknown variant").
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((key.to_owned(), known))
}

/// Inside a tagged table serde loses the place, so the key is looked for; only a unique one counts.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let is_key = |line: &str| {
        let line = line.trim_start().trim_start_matches('[');
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_key(line));
    match (lines.next(), lines.next()) {
        (Some((index, _)), None) => Some(index + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{ModelSpec, SpecError};

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
                    assert_eq!(line, Some(expected), "{wrong}");
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
}
