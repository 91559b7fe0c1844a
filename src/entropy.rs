//! Randomness as an argument. Nothing else in the crate reads a generator.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng, TryRng, rngs::StdRng, rngs::SysRng};

/// Where random bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the whole of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// A source that parts share.
pub type SharedEntropy = Arc<dyn Entropy>;

/// The operating system's generator: the only one for keys.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(
        clippy::expect_used,
        reason = "without system randomness no key may be made at all"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system gives random bytes");
    }
}

/// A generator seeded once by the operating system: for ids, which are made for every request and
/// need to be distinct, not secret. A system call for each would cost more than all policies.
#[derive(Debug)]
pub struct IdEntropy(Mutex<StdRng>);

impl IdEntropy {
    /// Seeded from `source`.
    pub fn seeded_by(source: &dyn Entropy) -> Self {
        let mut seed = [0; 32];
        source.fill(&mut seed);
        Self(Mutex::new(StdRng::from_seed(seed)))
    }
}

impl Entropy for IdEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

/// A generator whose output a test knows beforehand.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (mut a, mut b, mut c) = ([0; 32], [0; 32], [0; 32]);
        SeededEntropy::new(7).fill(&mut a);
        SeededEntropy::new(7).fill(&mut b);
        OsEntropy.fill(&mut c);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
