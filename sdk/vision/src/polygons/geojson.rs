//! GeoJSON as text (RFC 7946): coordinates, rings, features.

/// Decimals of a coordinate: 1e-7 degrees are about a centimetre.
const UNITS: f64 = 1e7;

/// Appends `[longitude,latitude]`.
pub(crate) fn position(out: &mut String, place: [f64; 2]) {
    out.push('[');
    degrees(out, place[0]);
    out.push(',');
    degrees(out, place[1]);
    out.push(']');
}

/// Appends a ring, closed by its first position.
pub(crate) fn ring(out: &mut String, places: impl Iterator<Item = [f64; 2]>) {
    out.push('[');
    let mut first = None;
    for place in places {
        if first.is_some() {
            out.push(',');
        }
        position(out, place);
        first = first.or(Some(place));
    }
    if let Some(place) = first {
        out.push(',');
        position(out, place);
    }
    out.push(']');
}

/// Appends a text in quotes, escaped as JSON wants it.
pub(crate) fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a number of degrees, rounded to seven decimals, without zeros at its end.
fn degrees(out: &mut String, value: f64) {
    use std::fmt::Write;
    let units = (value * UNITS).round() as i64;
    if units < 0 {
        out.push('-');
    }
    let (whole, part) = (units.unsigned_abs() / UNITS as u64, units.unsigned_abs() % UNITS as u64);
    // Writing to a String cannot fail.
    let _ = write!(out, "{whole}");
    if part > 0 {
        let _ = write!(out, ".{part:07}");
        out.truncate(out.trim_end_matches('0').len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.000_000_04, "0"),
            (120.0, "120"),
            (-9.5, "-9.5"),
            (11.123_456_789, "11.1234568"),
            (-0.000_000_1, "-0.0000001"),
            (179.999_999_99, "180"),
        ] {
            let mut text = String::new();
            degrees(&mut text, value);
            assert_eq!(text, expected, "{value}");
        }
        let mut text = String::new();
        ring(&mut text, [[1.0, 2.0], [3.0, 4.5]].into_iter());
        assert_eq!(text, "[[1,2],[3,4.5],[1,2]]");
    }

    #[test]
    fn texts_are_json() {
        let mut out = String::new();
        text(&mut out, "a \"b\" \\ \n ☁");
        assert_eq!(out, r#""a \"b\" \\ \u000a ☁""#);
    }
}
