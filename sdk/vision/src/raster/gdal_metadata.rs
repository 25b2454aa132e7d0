//! The XML that GDAL keeps in TIFF tag 42112: `<GDALMetadata><Item name= sample= role=>value</Item>…`.
//!
//! GDAL escapes values twice and unescapes them twice (`frmts/gtiff/geotiff.cpp: AppendMetadataItem`); so does
//! this.

use std::fmt::Write;

/// One `Item`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// Band it belongs to, from 0; none: the whole file.
    pub(crate) sample: Option<usize>,
    /// `description`, `scale`, `offset`, or nothing.
    pub(crate) role: String,
    pub(crate) value: String,
}

impl Item {
    /// An item of the whole file.
    pub(crate) fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), ..Self::default() }
    }

    /// An item of a band, from 0, in the role that GDAL looks for.
    pub(crate) fn of_band(sample: usize, name: &str, role: &str, value: &str) -> Self {
        Self { sample: Some(sample), role: role.to_owned(), ..Self::new(name, value) }
    }
}

/// The items of a document. What is not an item, or is damaged, is passed over: the tag is only a comment
/// on the pixels.
pub(crate) fn parse(xml: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find("<Item") {
        rest = &rest[start + "<Item".len()..];
        let Some(end) = tag_end(rest) else { break };
        let mut item = item_of(&rest[..end]);
        let empty = rest[..end].ends_with('/');
        rest = &rest[end + 1..];
        if !empty {
            let Some(close) = rest.find("</Item>") else { break };
            item.value = unescape(&unescape(&rest[..close]));
            rest = &rest[close..];
        }
        items.push(item);
    }
    items
}

/// A document of items.
pub(crate) fn write(items: &[Item]) -> String {
    let mut xml = String::from("<GDALMetadata>\n");
    for Item { name, sample, role, value } in items {
        let band = sample.map(|sample| format!(" sample=\"{sample}\" role=\"{}\"", escape(role)));
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "  <Item name=\"{}\"{}>{}</Item>",
            escape(name),
            band.unwrap_or_default(),
            escape(&escape(value))
        );
    }
    xml + "</GDALMetadata>\n"
}

/// Where the start tag ends; a `>` inside quotes does not count.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn item_of(attributes: &str) -> Item {
    let mut item = Item::default();
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else { break };
        let Some((value, after)) = after[1..].split_once(quote) else { break };
        let value = unescape(value);
        match name.trim() {
            "name" => item.name = value,
            "sample" => item.sample = value.trim().parse().ok(),
            "role" => item.role = value,
            _ => {}
        }
        rest = after;
    }
    item
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match rest.find(';').and_then(|end| Some((end, entity(&rest[1..end])?))) {
            Some((end, c)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, sample: Option<usize>, role: &str, value: &str) -> Item {
        Item { name: name.into(), sample, role: role.into(), value: value.into() }
    }

    #[test]
    fn reads_what_gdal_writes() {
        let rows: &[(&str, Vec<Item>)] = &[
            (
                "<GDALMetadata>\n  <Item name=\"DESCRIPTION\" sample=\"1\" role=\"description\">B02 &amp;amp; x</Item>\n",
                vec![item("DESCRIPTION", Some(1), "description", "B02 & x")],
            ),
            ("<Item name='a&#x3b1;&#946;'>1 &lt; 2</Item>", vec![item("aαβ", None, "", "1 < 2")]),
            (
                "<Item name=\"a>b\"/><Item name=\"c\">d</Item>",
                vec![item("a>b", None, "", ""), item("c", None, "", "d")],
            ),
            ("<Item name=\"x\" sample=\"-1\">y &nosuch; &</Item>", vec![item("x", None, "", "y &nosuch; &")]),
            ("<Item name=\"open\">never closed", vec![]),
            ("<Item name=\"open", vec![]),
            ("<Item name=é>x</Item>", vec![item("", None, "", "x")]),
            ("<Item name=\"never closed>x</Item>", vec![]),
            ("no xml at all & <", vec![]),
        ];
        for (xml, expected) in rows {
            assert_eq!(&parse(xml), expected, "{xml}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let items = [
            Item::new("CLASS_0", "a < b & \"c\""),
            Item::new("CLASS_1", "wolke ☁"),
            Item::of_band(3, "DESCRIPTION", "description", "<cloud>"),
        ];
        assert_eq!(parse(&write(&items)), items);
    }
}
