use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{Error, constant_time_eq, random_array};

/// Knows the blocks of something again that is read a second time: a tag for each, under a key that never leaves this
/// process, so that nobody makes another block that goes for the same.
pub struct BlockTags {
    key: LessSafeKey,
    tags: Vec<[u8; 16]>,
}

impl BlockTags {
    /// With a fresh key, and no block seen.
    pub fn generate() -> Result<Self, Error> {
        let key = Zeroizing::new(random_array::<16>()?);
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &*key)?), tags: Vec::new() })
    }

    /// Blocks seen; their numbers are those below.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether none was seen.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Remembers the next block.
    pub fn remember(&mut self, block: &[u8]) -> Result<(), Error> {
        let tag = self.tag(self.tags.len(), block)?;
        self.tags.push(tag);
        Ok(())
    }

    /// Checks that this is the block that was seen under this number.
    ///
    /// # Errors
    /// [`Error::BadValue`] when it is another, or none was seen.
    pub fn check(&self, number: usize, block: &[u8]) -> Result<(), Error> {
        let known = self.tags.get(number).ok_or(Error::BadValue)?;
        if constant_time_eq(known, &self.tag(number, block)?) { Ok(()) } else { Err(Error::BadValue) }
    }

    // GMAC (NIST SP 800-38D §3). That a number serves for two different blocks happens only when the second is not the
    // first, which ends in an error; and no tag is ever shown to anybody.
    fn tag(&self, number: usize, block: &[u8]) -> Result<[u8; 16], Error> {
        let [a, b, c, d, e, f, g, h] = u64::try_from(number).map_err(|_| Error::BadValue)?.to_be_bytes();
        let nonce = Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h]);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(block), &mut [])?;
        tag.as_ref().try_into().map_err(|_| Error::BadValue)
    }
}

impl fmt::Debug for BlockTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockTags({} blocks)", self.tags.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_known_in_its_place_only() {
        let mut tags = BlockTags::generate().unwrap();
        let blocks: [&[u8]; 4] = [b"first", b"second", b"first", b""];
        blocks.iter().for_each(|block| tags.remember(block).unwrap());
        for (number, block) in blocks.iter().enumerate() {
            assert_eq!(tags.check(number, block), Ok(()));
            assert_eq!(tags.check(number, b"other"), Err(Error::BadValue));
            assert_eq!(tags.check(number, &[block, &b"\0"[..]].concat()), Err(Error::BadValue));
        }
        assert_eq!(tags.check(1, b"first"), Err(Error::BadValue));
        assert_eq!(tags.check(4, b""), Err(Error::BadValue));
        assert_eq!(tags.len(), 4);
    }
}
