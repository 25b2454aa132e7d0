//! Keeps people's names out of what they attach to a bug report.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A path, and what stands in its place.
pub(crate) type Name = (PathBuf, &'static str);

/// The user's home folder, by each of its names.
pub(crate) fn homes() -> Vec<Name> {
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { return Vec::new() };
    let real = home.canonicalize().ok().filter(|real| *real != home);
    // `/` is the home of many a service: it names nobody.
    let homes = std::iter::once(home).chain(real);
    homes.filter(|home| home.is_absolute() && home.parent().is_some()).map(|home| (home, "~")).collect()
}

/// The bundle, by each of its names: people call files after what they do with them, and for whom.
pub(crate) fn file(bundle: &Path) -> Vec<Name> {
    let names = [bundle.canonicalize().ok(), std::path::absolute(bundle).ok(), Some(bundle.to_path_buf())];
    names.into_iter().flatten().map(|name| (name, "BUNDLE")).collect()
}

/// In every text of a document: these names (the longest first), the name in another's `/home/NAME`, which becomes
/// `USER`, and what lies above a file on a disk that was plugged in (`/media/anna/STICK/x` becomes `/media/.../x`).
pub(crate) fn hide(value: &mut Value, names: &[Name]) {
    let mut names = names.to_vec();
    names.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_os_str().len()));
    hide_sorted(value, &names);
}

fn hide_sorted(value: &mut Value, names: &[Name]) {
    match value {
        Value::String(text) => *text = without_names(text, names),
        Value::Array(values) => values.iter_mut().for_each(|value| hide_sorted(value, names)),
        Value::Object(values) => values.values_mut().for_each(|value| hide_sorted(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn without_names(text: &str, names: &[Name]) -> String {
    let names = names.iter().filter_map(|(path, by)| Some((path.to_str()?, by)));
    let text =
        names.fold(text.to_owned(), |text, (path, by)| replace_folder(&text, path.trim_end_matches('/'), by));
    let mut parts = text.split("/home/");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| {
        let end = part.find(is_end_of_name).unwrap_or(part.len());
        text + "/home/USER" + &part[end..]
    });
    MOUNTED.iter().fold(text, |text, folder| without_disks(&text, folder))
}

/// Where disks are mounted that somebody plugged in: by the person's name, and by the one that the disk was given.
const MOUNTED: [&str; 3] = ["/media/", "/mnt/", "/Volumes/"];

/// Of a path below `folder` only the file's name stays.
fn without_disks(text: &str, folder: &str) -> String {
    let mut parts = text.split(folder);
    let first = parts.next().unwrap_or_default().to_owned();
    // A text that is a path and nothing else may have spaces in it.
    let is_path = text.starts_with(folder) && !text.contains(": ");
    let is_end = |c: char| c != '/' && is_end_of_name(c) && !(is_path && c == ' ');
    parts.fold(first, |text, part| {
        let end = part.find(is_end).unwrap_or(part.len());
        let file = part[..end].rfind('/').map_or("", |slash| &part[slash..end]);
        text + folder + "..." + file + &part[end..]
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
