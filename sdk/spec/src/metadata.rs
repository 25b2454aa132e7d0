//! What an Ultralytics export says of itself in its metadata (`metadata_props` of an ONNX file).
//!
//! Keys and forms: ultralytics 8.4.190 `engine/exporter.py`; every value is Python's `str(v)`.

use std::collections::BTreeMap;

use crate::python::Literal;

/// What an Ultralytics export says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// `detect`, `segment`, `pose`, `obb`, `classify`, …
    pub task: Option<String>,
    /// Names of the classes, by number.
    pub labels: Vec<String>,
    /// `[height, width]` of the export.
    pub imgsz: Option<[usize; 2]>,
    /// Whether the one-to-one head was exported, which needs no NMS; absent before 8.4.
    pub end2end: Option<bool>,
    /// Whether NMS is inside the graph: `nms` among the export's arguments.
    pub nms: Option<bool>,
    /// Number of input channels.
    pub channels: Option<usize>,
    /// The licence that the file declares.
    pub licence: Option<String>,
}

/// Metadata that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model's metadata `{key}` is {value:?}: {problem}")]
pub struct MetadataError {
    /// The key.
    pub key: String,
    /// Its value, cut at 80 characters.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Metadata {
    /// Reads the metadata of an Ultralytics export; `None` if the file is not one (neither `names` nor
    /// `stride` is there).
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Option<Self>, MetadataError> {
        if !properties.contains_key("names") && !properties.contains_key("stride") {
            return Ok(None);
        }
        Ok(Some(Self {
            task: properties.get("task").cloned(),
            labels: value(properties, "names", labels)?.unwrap_or_default(),
            imgsz: value(properties, "imgsz", imgsz)?,
            end2end: value(properties, "end2end", flag)?,
            nms: value(properties, "args", |args| Ok(args.get("nms").and_then(|nms| flag(nms).ok())))?
                .flatten(),
            channels: value(properties, "channels", count)?,
            licence: properties.get("license").cloned(),
        }))
    }
}

fn value<T>(
    properties: &BTreeMap<String, String>,
    key: &str,
    read: fn(&Literal) -> Result<T, String>,
) -> Result<Option<T>, MetadataError> {
    let Some(text) = properties.get(key) else { return Ok(None) };
    Literal::parse(text).and_then(|literal| read(&literal)).map(Some).map_err(|problem| MetadataError {
        key: key.to_owned(),
        value: text.chars().take(80).collect(),
        problem,
    })
}

fn labels(literal: &Literal) -> Result<Vec<String>, String> {
    let name = |value: &Literal| match value {
        Literal::Str(name) => Ok(name.clone()),
        Literal::Int(number) => Ok(number.to_string()),
        _ => Err("a class name is not a string".to_owned()),
    };
    match literal {
        Literal::List(names) => names.iter().map(name).collect(),
        Literal::Dict(pairs) => {
            let mut sorted = Vec::new();
            for (key, value) in pairs {
                let number = match key {
                    Literal::Int(number) => Some(*number),
                    Literal::Str(number) => number.parse().ok(),
                    _ => None,
                };
                sorted.push((number.ok_or("a class number is not a number")?, name(value)?));
            }
            sorted.sort_by_key(|(number, _)| *number);
            if sorted.iter().enumerate().any(|(index, (number, _))| *number != index as i64) {
                return Err("the class numbers are not 0, 1, 2, …".to_owned());
            }
            Ok(sorted.into_iter().map(|(_, name)| name).collect())
        }
        _ => Err("expected {0: 'name', …}".to_owned()),
    }
}

fn imgsz(literal: &Literal) -> Result<[usize; 2], String> {
    let side = |value: &Literal| value.as_int().and_then(|v| usize::try_from(v).ok()).filter(|v| *v > 0);
    let size = match literal {
        Literal::List(sides) if sides.len() == 2 => side(&sides[0]).zip(side(&sides[1])),
        other => side(other).map(|side| (side, side)),
    };
    size.map(|(height, width)| [height, width]).ok_or_else(|| "expected [height, width]".to_owned())
}

fn count(literal: &Literal) -> Result<usize, String> {
    literal.as_int().and_then(|v| usize::try_from(v).ok()).ok_or_else(|| "expected a count".to_owned())
}

fn flag(literal: &Literal) -> Result<bool, String> {
    match literal {
        Literal::Bool(value) => Ok(*value),
        _ => Err("expected True or False".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn an_export_says_what_it_is() {
        let read = Metadata::read(&properties(&[
            ("task", "detect"),
            ("names", "{1: 'bull', 0: 'cow'}"),
            ("imgsz", "[480, 640]"),
            ("stride", "32"),
            ("channels", "3"),
            ("args", "{'batch': 1, 'nms': False}"),
            ("end2end", "True"),
        ]));
        let expected = Metadata {
            task: Some("detect".into()),
            labels: vec!["cow".into(), "bull".into()],
            imgsz: Some([480, 640]),
            end2end: Some(true),
            nms: Some(false),
            channels: Some(3),
            licence: None,
        };
        assert_eq!(read, Ok(Some(expected)));
        let nms = Metadata::read(&properties(&[("stride", "32"), ("args", "{'nms': True}")]));
        assert_eq!(nms.unwrap().unwrap().nms, Some(true));
        assert_eq!(Metadata::read(&properties(&[("author", "somebody")])), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_names_the_key() {
        for (key, text) in [
            ("names", "{0: 'cow', 2: 'bull'}"),
            ("names", "{0: 'cow'"),
            ("names", "3"),
            ("imgsz", "[0, 3]"),
            ("channels", "'three'"),
        ] {
            let error = Metadata::read(&properties(&[("stride", "32"), (key, text)])).unwrap_err();
            assert_eq!(error.key, key);
        }
    }
}
