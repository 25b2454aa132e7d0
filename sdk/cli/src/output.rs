//! What goes to standard output: JSON for machines or text for people, never both.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Number of the JSON documents' form.
pub(crate) const SCHEMA: u32 = 1;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// JSON and nothing else.
    pub(crate) json: bool,
}

impl Output {
    /// A whole document: as JSON, or as `text` makes it.
    pub(crate) fn document(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let value = serde_json::to_value(document).unwrap_or(Value::Null);
            let pretty = serde_json::to_string_pretty(&with_schema(value)).unwrap_or_default();
            self.line(&pretty);
        } else {
            self.line(printable(&text()).trim_end());
        }
    }

    /// One line of several: as JSON, or as `text` makes it.
    pub(crate) fn entry(&self, entry: Value, text: impl FnOnce() -> String) {
        if self.json {
            self.line(&with_schema(entry).to_string());
        } else {
            self.line(printable(&text()).trim_end());
        }
    }

    /// A failed command: the message goes to standard error, with `--json` an error document to standard output.
    pub(crate) fn failure(&self, failure: &Failure) {
        eprintln!("farsight: {}", printable(&failure.message));
        if self.json {
            let error = json!({"error": {"kind": failure.kind, "message": failure.message}});
            self.line(&with_schema(error).to_string());
        }
    }

    /// A reader that went away (`farsight … | head`) is no reason to fail; a full disk is.
    fn line(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                eprintln!("farsight: standard output: {error}");
                std::process::exit(1);
            }
            _ => {}
        }
    }
}

/// Without what a terminal would obey: names and notes come out of other people's files.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_command = |c: char| c.is_control() && c != '\n' && c != '\t';
    match text.contains(is_command) {
        true => text.replace(is_command, "\u{fffd}").into(),
        false => text.into(),
    }
}

fn with_schema(mut value: Value) -> Value {
    if let Value::Object(object) = &mut value {
        object.insert("schema".to_owned(), SCHEMA.into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_of_a_text_is_a_command_to_the_terminal() {
        assert_eq!(printable("two lines\n\tof “text”"), "two lines\n\tof “text”");
        assert_eq!(
            printable("\u{1b}]0;title\u{7}a\u{9b}31mb\rc\u{7f}"),
            "\u{fffd}]0;title\u{fffd}a\u{fffd}31mb\u{fffd}c\u{fffd}"
        );
    }
}
