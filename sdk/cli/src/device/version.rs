//! Versions, compared number by number.

use std::cmp::Ordering;

/// `"2.9"` is before `"2.31"`. What is no number counts as 0.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    numbers(a).cmp(&numbers(b))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
