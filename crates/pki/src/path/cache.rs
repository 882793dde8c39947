use std::collections::HashSet;
use std::sync::RwLock;

/// Remembers which signatures were verified, so that the chain under an issuing CA is verified once.
///
/// Only that a key made a signature is remembered: it stays true. Everything that depends on time, address,
/// policy or revocation is judged anew each time. Share one among threads.
#[derive(Debug, Default)]
pub struct PathCache {
    verified: RwLock<HashSet<([u8; 32], [u8; 32])>>,
}

impl PathCache {
    /// Signatures remembered at most; then it starts over.
    pub const MOST: usize = 100_000;

    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the key with `key` as SHA-256 of its SubjectPublicKeyInfo made the signature of `signed`, the
    /// SHA-256 of the whole signed structure.
    pub(crate) fn contains(&self, signed: [u8; 32], key: [u8; 32]) -> bool {
        self.verified.read().is_ok_and(|verified| verified.contains(&(signed, key)))
    }

    pub(crate) fn insert(&self, signed: [u8; 32], key: [u8; 32]) {
        if let Ok(mut verified) = self.verified.write() {
            if verified.len() >= Self::MOST {
                verified.clear();
            }
            verified.insert((signed, key));
        }
    }

    /// Signatures remembered.
    pub fn len(&self) -> usize {
        self.verified.read().map_or(0, |verified| verified.len())
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
