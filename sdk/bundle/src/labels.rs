//! `labels.txt`: the names of the classes, one a line.

use crate::limits::MAX_LABELS;

/// The text of `labels`; an error for a label that is not one line of plain text.
pub(crate) fn to_text(labels: &[String]) -> Result<String, String> {
    check(labels)?;
    Ok(labels.iter().flat_map(|label| [label.as_str(), "\n"]).collect())
}

/// The labels in a text that [`to_text`] made.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("it is not UTF-8: {error}"))?;
    let lines = text.strip_suffix('\n').ok_or("its last line does not end")?;
    check_count(lines.split('\n').count())?;
    let labels: Vec<String> = lines.split('\n').map(str::to_owned).collect();
    check(&labels)?;
    Ok(labels)
}

fn check_count(count: usize) -> Result<(), String> {
    if count <= MAX_LABELS {
        return Ok(());
    }
    Err(format!("it has {count} labels; at most {MAX_LABELS} are allowed"))
}

fn check(labels: &[String]) -> Result<(), String> {
    check_count(labels.len())?;
    match labels.iter().position(|label| label.chars().any(char::is_control)) {
        Some(class) => Err(format!("the label {:?} of class {class} has a control character", labels[class])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back() {
        for labels in [vec!["cow"], vec!["a b", "", "c,d", "größe 牛"], vec![""]] {
            let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
            assert_eq!(parse(to_text(&labels).unwrap().as_bytes()), Ok(labels));
        }
    }

    #[test]
    fn refuses_what_is_not_one_line() {
        assert!(to_text(&["a\nb".to_owned()]).is_err());
        for text in [&b""[..], b"cow", b"cow\r\n", b"\xff\n", b"\x1b[31m\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
