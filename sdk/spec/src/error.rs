//! What can be wrong with a spec, a profile or a recipe.

use std::path::PathBuf;

/// What can be wrong with a spec, a profile or a recipe. Every message names where it was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The file cannot be read.
    #[error("{}: cannot read it: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The text is not TOML, a value has the wrong type, or a key is missing.
    #[error("{origin}: {message}")]
    Syntax {
        /// File or built-in name.
        origin: String,
        /// What the parser said, with the line.
        message: String,
    },
    /// A key that nothing reads.
    #[error("{origin}:{line}: unknown key `{key}`{}", suggestion(nearest, known))]
    UnknownKey {
        /// File or built-in name.
        origin: String,
        /// Line of the key, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
        /// All keys known there.
        known: Vec<String>,
    },
    /// A value that makes no sense.
    #[error("{origin}: `{key}` {problem}")]
    Invalid {
        /// File or built-in name.
        origin: String,
        /// The key, dotted.
        key: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// No such name.
    #[error("no {what} is called `{name}`{}; known: {}. A file is given by its path, ending in .toml",
        nearest.as_ref().map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default(), known.join(", "))]
    NotFound {
        /// "model spec" or "target profile".
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The known name that is most like it.
        nearest: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// A part of several names.
    #[error("`{name}` could be any of these {what}s: {}; give the whole name", candidates.join(", "))]
    Ambiguous {
        /// "model spec" or "target profile".
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The names it is a part of.
        candidates: Vec<String>,
    },
}

fn suggestion(nearest: &Option<String>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!("; did you mean `{nearest}`?"),
        (None, []) => "; nothing is expected there".to_owned(),
        (None, known) => format!("; known there: {}", known.join(", ")),
    }
}

/// The candidate most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&name.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 1 + c.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c.to_owned())
}
