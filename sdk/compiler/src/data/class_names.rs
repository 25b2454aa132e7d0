//! Matches a class name in a data set with the model's labels.

use std::collections::HashMap;

/// The model's labels by every name they go by: the whole label, and each of its synonyms where it is a list
/// (`tench, Tinca tinca`). Case, `_` and spaces make no difference.
pub(super) struct Names {
    classes: HashMap<String, Vec<usize>>,
}

impl Names {
    pub(super) fn of(labels: &[String]) -> Self {
        let mut classes: HashMap<String, Vec<usize>> = HashMap::new();
        for (class, label) in labels.iter().enumerate() {
            for name in std::iter::once(label.as_str()).chain(label.split(',')) {
                let matches = classes.entry(normal(name)).or_default();
                if matches.last() != Some(&class) {
                    matches.push(class);
                }
            }
        }
        Self { classes }
    }

    /// The classes that go by this name.
    pub(super) fn all(&self, name: &str) -> &[usize] {
        self.classes.get(&normal(name)).map_or(&[], Vec::as_slice)
    }

    /// The class, if exactly one goes by this name.
    pub(super) fn only(&self, name: &str) -> Option<usize> {
        match self.all(name) {
            [class] => Some(*class),
            _ => None,
        }
    }
}

fn normal(name: &str) -> String {
    name.split(|c: char| c.is_whitespace() || c == '_')
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_class_by_any_of_its_names() {
        let labels = ["background", "Tench, Tinca tinca", "crane", "black widow", "crane"].map(String::from);
        let names = Names::of(&labels);
        for (name, expected) in [
            ("tench", vec![1]),
            ("tinca_tinca", vec![1]),
            ("Tench, tinca tinca", vec![1]),
            ("black_widow", vec![3]),
            ("crane", vec![2, 4]),
            ("cran", vec![]),
        ] {
            assert_eq!(names.all(name), expected, "{name}");
        }
    }
}
