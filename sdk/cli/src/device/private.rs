//! Keeps people's names out of what they attach to a bug report.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The user's home folder, by each of its names.
pub(crate) fn homes() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { return Vec::new() };
    let real = home.canonicalize().ok().filter(|real| *real != home);
    // `/` is the home of many a service: it names nobody.
    std::iter::once(home).chain(real).filter(|home| home.is_absolute() && home.parent().is_some()).collect()
}

/// In every text of a document: the home folder becomes `~`, the name in another's `/home/NAME` becomes `USER`.
pub(crate) fn hide(value: &mut Value, homes: &[PathBuf]) {
    match value {
        Value::String(text) => *text = without_names(text, homes),
        Value::Array(values) => values.iter_mut().for_each(|value| hide(value, homes)),
        Value::Object(values) => values.values_mut().for_each(|value| hide(value, homes)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn without_names(text: &str, homes: &[PathBuf]) -> String {
    let homes = homes.iter().filter_map(|home| Path::to_str(home));
    let text =
        homes.fold(text.to_owned(), |text, home| replace_folder(&text, home.trim_end_matches('/'), "~"));
    let mut parts = text.split("/home/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(is_end_of_name).unwrap_or(part.len());
        text + "/home/USER" + &part[end..]
    })
}

/// Replaces a folder where its name starts and ends: `/home/an` is no part of `/home/anna`, nor `/root` of `/mnt/root`.
fn replace_folder(text: &str, folder: &str, by: &str) -> String {
    let mut parts = text.split(folder);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let starts = text.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"/._-~".contains(c));
        let ends = part.chars().next().is_none_or(is_end_of_name);
        let name = if starts && ends { by } else { folder };
        text + name + part
    })
}

fn is_end_of_name(c: char) -> bool {
    c.is_whitespace() || "/\"'`:;,()".contains(c)
}
