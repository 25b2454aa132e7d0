//! What int8 kernels a target has, and what they take.

use farsight_spec::{ActivationType, Target, has_vnni};

/// The greatest magnitude of an int8 weight where a kernel adds two products of bytes in 16 bits and saturates
/// beyond (x86's `vpmaddubsw` without VNNI): 2 · 255 · 64 = 32,640 fits.
pub(crate) const HALF_RANGE: i32 = 64;

/// What a target's int8 kernels take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernels {
    /// The type of activations.
    pub(crate) activation: ActivationType,
    /// Weights keep within [`HALF_RANGE`].
    pub(crate) half_range: bool,
    /// A weight has a scale for each output channel.
    pub(crate) per_channel: bool,
}

impl Kernels {
    /// What the profile says, else what its CPU's features tell.
    pub(crate) fn of(target: &Target, features: &[String]) -> Self {
        Self {
            activation: target.precision.activation,
            half_range: target.halves_weights(features),
            per_channel: target.precision.per_channel,
        }
    }

    /// The CPU feature that a model quantized for these kernels counts on, without which they saturate, where the
    /// target does not name it yet.
    pub(crate) fn needs(self, target: &Target) -> Option<&'static str> {
        let counts_on = target.triple.starts_with("x86_64") && !self.half_range;
        (counts_on && !has_vnni(&target.cpu_features)).then_some("vnni")
    }

    /// The greatest magnitude of an int8 weight.
    pub(crate) fn weight_limit(self) -> i32 {
        if self.half_range { HALF_RANGE } else { 127 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_half_their_range_where_kernels_saturate() {
        let target = |triple: &str| Target { triple: triple.to_owned(), ..Target::find("host").unwrap() };
        let limit = |triple: &str, features: &[&str]| {
            let features: Vec<String> = features.iter().map(|&feature| feature.to_owned()).collect();
            Kernels::of(&target(triple), &features).weight_limit()
        };
        assert_eq!(limit("x86_64-unknown-linux-gnu", &["avx2"]), 64);
        for vnni in ["vnni", "avx512vnni", "avxvnni"] {
            assert_eq!(limit("x86_64-unknown-linux-gnu", &["avx2", vnni]), 127, "{vnni}");
        }
        assert_eq!(limit("aarch64-unknown-linux-gnu", &[]), 127);
        let mut told = target("x86_64-unknown-linux-gnu");
        told.precision.half_range_weights = Some(false);
        assert_eq!(Kernels::of(&told, &[]).needs(&told), Some("vnni"));
        told.cpu_features = vec!["avx512vnni".to_owned()];
        assert_eq!(Kernels::of(&told, &[]).needs(&told), None);
    }
}
