//! Random damage to a good bundle: an error or an intact bundle, never a panic.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

mod common;

use std::sync::LazyLock;

use common::contents;
use farsight_bundle::{Bundle, Contents, Manifest, write};
use proptest::prelude::*;

/// Two good bundles, one of them compressed.
static GOOD: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    [false, true].map(|compress| {
        let mut contents = Contents { compress, ..contents(600) };
        contents.model = contents.model.iter().flat_map(|&byte| [byte, 0, 0, 0]).collect();
        write(&path, &contents).unwrap();
        std::fs::read(&path).unwrap()
    })
});

fn model() -> Vec<u8> {
    contents(600).model.iter().flat_map(|&byte| [byte, 0, 0, 0]).collect()
}

/// If damaged bytes still open, what the damage hit was not what is used.
fn opens_only_intact(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    if let Ok(bundle) = Bundle::parse(bytes) {
        prop_assert_eq!(bundle.model_bytes(), model());
        prop_assert_eq!(bundle.labels().len(), 2);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes(which in 0..2_usize, flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8)) {
        let mut bytes = GOOD[which].clone();
        for (at, bits) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        opens_only_intact(bytes)?;
    }

    /// The directory and the end record are where most decisions are made.
    #[test]
    fn flipped_bytes_of_the_directory(
        which in 0..2_usize,
        flips in prop::collection::vec((0..700_usize, prop_oneof![Just(0_u8), Just(0xff), any::<u8>()]), 1..4),
    ) {
        let mut bytes = GOOD[which].clone();
        for (from_end, value) in flips {
            let at = bytes.len() - 1 - from_end.min(bytes.len() - 1);
            bytes[at] = value;
        }
        opens_only_intact(bytes)?;
    }

    #[test]
    fn cut_repeated_and_moved(
        which in 0..2_usize,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = GOOD[which].clone();
        let (from, to, at) = (from.index(bytes.len()), to.index(bytes.len()), at.index(bytes.len()));
        let piece = bytes[from.min(to)..from.max(to)].to_vec();
        if cut {
            bytes.drain(from.min(to)..from.max(to));
        }
        let at = at.min(bytes.len());
        bytes.splice(at..at, piece);
        opens_only_intact(bytes)?;
    }

    #[test]
    fn truncated(which in 0..2_usize, length in any::<prop::sample::Index>()) {
        let bytes = &GOOD[which];
        prop_assert!(Bundle::parse(bytes[..length.index(bytes.len())].to_vec()).is_err());
    }

    #[test]
    fn any_json(text in "[\\[\\]{}\",:a-z0-9 ]{0,200}") {
        prop_assert!(Manifest::parse(text.as_bytes()).is_err());
    }
}
