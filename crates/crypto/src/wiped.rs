use std::fmt;
use std::ops::{Deref, DerefMut};

/// A buffer for content that must not stay in memory: what was in it is overwritten when it goes.
///
/// `zeroize` writes octet by octet, which takes longer than to encrypt them. Here they are filled at once, and then
/// shown to something that the compiler cannot see through, so that it cannot leave out what nobody seems to read.
///
/// As long as it does not grow beyond its capacity nothing is left behind; who lets it grow moves to a new one.
#[derive(Default)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// With room for so many octets.
    pub fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        std::hint::black_box(&self.0);
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wiped({} octets)", self.0.len())
    }
}
