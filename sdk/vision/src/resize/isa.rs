//! Which instructions do the work.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;

/// The instructions that a stage uses. Every stage gives the same answer with each of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isa {
    /// Whatever the crate was compiled for.
    Portable,
    /// AVX2, found on this machine.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Isa {
    /// The fastest that this machine has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }
}
