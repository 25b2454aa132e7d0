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
    let units = (value * UNITS).round() as i64;
    if units < 0 {
        out.push('-');
    }
    let (whole, mut part) = (units.unsigned_abs() / UNITS as u64, units.unsigned_abs() % UNITS as u64);
    digits(out, whole, UNITS as u64);
    if part > 0 {
        out.push('.');
        let mut place = UNITS as u64 / 10;
        while part > 0 {
            out.push(char::from(b'0' + (part / place) as u8));
            part %= place;
            place /= 10;
        }
    }
}

/// Appends a number below `most`, a power of ten: outlines have millions of them, and `format!` takes its time.
fn digits(out: &mut String, mut number: u64, most: u64) {
    let mut place = most / 10;
    while place > 1 && number < place {
        place /= 10;
    }
    while place > 0 {
        out.push(char::from(b'0' + (number / place) as u8));
        number %= place;
        place /= 10;
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
