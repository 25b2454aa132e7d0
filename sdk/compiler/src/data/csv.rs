//! Lines of a CSV file: commas, semicolons or tabs; fields may be quoted.

/// What separates the fields of this file, told by its first line.
pub(super) fn separator(first_line: &str) -> char {
    *[',', ';', '\t'].iter().max_by_key(|&&c| first_line.matches(c).count()).unwrap_or(&',')
}

/// The fields of a line, without quotes and without blanks around them.
pub(super) fn fields(line: &str, separator: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => fields.push(String::new()),
            c => push(&mut fields, c),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

fn push(fields: &mut [String], c: char) {
    if let Some(last) = fields.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_lines() {
        for (line, expected) in [
            ("a.jpg,cat", vec!["a.jpg", "cat"]),
            (" a.jpg , cat ", vec!["a.jpg", "cat"]),
            (r#""a,b.jpg","the ""best"" cat""#, vec!["a,b.jpg", r#"the "best" cat"#]),
            ("a.jpg;tench, Tinca tinca;", vec!["a.jpg", "tench, Tinca tinca", ""]),
            ("", vec![""]),
        ] {
            let separator = if line.contains(';') { ';' } else { ',' };
            assert_eq!(fields(line, separator), expected, "{line}");
        }
        assert_eq!(separator("file;label"), ';');
        assert_eq!(separator("file\tlabel"), '\t');
        assert_eq!(separator("file"), '\t', "no separator at all: any will do");
    }
}
