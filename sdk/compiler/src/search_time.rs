//! The time that a search for a model may take.

use std::time::{Duration, Instant};

/// How long a search may take.
#[derive(Debug, Default)]
pub(crate) struct SearchTime {
    /// No limit where it is not given.
    pub(crate) most: Option<Duration>,
    start: Option<Instant>,
    /// Models that were measured.
    models: usize,
    /// When it was first said that time is over.
    over: Option<Duration>,
}

/// Models that may be measured however long it takes: each way to take ranges, and one search for float layers.
const FEWEST_MODELS: usize = 10;

impl SearchTime {
    /// Whether one more model may be measured. Time runs from the first question on.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let elapsed = now.duration_since(*self.start.get_or_insert(now));
        if self.models >= FEWEST_MODELS && self.most.is_some_and(|most| elapsed > most) {
            self.over.get_or_insert(elapsed);
            return false;
        }
        self.models += 1;
        true
    }

    pub(crate) fn note(&self) -> Option<String> {
        let over = self.over?;
        Some(format!(
            "the search for int8 was ended after {:.0} s and {} models, with what it had found: `auto` gives it {:.0} s. \
             --precision int8 searches on",
            over.as_secs_f64(),
            self.models,
            self.most.unwrap_or_default().as_secs_f64()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ends_when_its_time_is_over() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut endless = SearchTime::default();
        assert!((0..100).all(|index| endless.allows(at(index * 60))) && endless.note().is_none());
        let mut time = SearchTime { most: Some(Duration::from_secs(120)), ..SearchTime::default() };
        assert!((0..30).all(|index| time.allows(at(index * 4))) && time.note().is_none());
        assert!(!time.allows(at(121)) && !time.allows(at(500)));
        let note = time.note().unwrap();
        assert!(note.contains("after 121 s and 30 models") && note.contains("gives it 120 s"), "{note}");
        let mut slow = SearchTime { most: Some(Duration::from_secs(120)), ..SearchTime::default() };
        assert_eq!((0..20).filter(|&index| slow.allows(at(index * 60))).count(), FEWEST_MODELS);
    }
}
