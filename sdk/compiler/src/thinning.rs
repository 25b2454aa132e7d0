//! What is kept of a stream in bounded memory, spread evenly over it.

/// Keeps what comes in turn as long as there is room; where there is none, every second of it goes, and of what comes
/// every second is not wanted: what stays is spread evenly.
pub(crate) struct Thinning<T> {
    most: usize,
    held: usize,
    step: usize,
    /// The next place that is wanted.
    next: usize,
    /// Each with its size.
    kept: Vec<(usize, T)>,
}

impl<T> Thinning<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: 0, step: 1, next: 0, kept: Vec::new() }
    }

    pub(crate) fn wants(&self, place: usize) -> bool {
        place >= self.next
    }

    pub(crate) fn keep(&mut self, place: usize, size: usize, what: T) {
        self.kept.push((size, what));
        self.held += size;
        while self.held > self.most && self.kept.len() > 1 {
            self.step *= 2;
            let mut stays = false;
            self.kept.retain(|_| {
                stays = !stays;
                stays
            });
            self.held = self.kept.iter().map(|(size, _)| size).sum();
        }
        self.next = place + self.step;
    }

    pub(crate) fn kept(self) -> impl Iterator<Item = T> {
        self.kept.into_iter().map(|(_, what)| what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thinned_stays_spread_and_within_its_room() {
        let thinned = |size: usize| {
            let mut thinning = Thinning::new(1000);
            for place in 0..100 {
                if thinning.wants(place) {
                    thinning.keep(place, size, place);
                }
            }
            thinning.kept().collect::<Vec<usize>>()
        };
        assert_eq!(thinned(10), (0..100).collect::<Vec<_>>());
        assert_eq!(thinned(11), (0..100).step_by(2).collect::<Vec<_>>());
        assert_eq!(thinned(100), (0..100).step_by(16).collect::<Vec<_>>());
        assert_eq!(thinned(5000), [0], "one stays, whatever it takes");
    }
}
