use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{Error, random_array};

/// A key that never leaves this process, for content that it puts down in numbered blocks and takes up again.
///
/// It counts the blocks itself, so that no nonce serves twice.
pub struct LocalKey {
    key: LessSafeKey,
    blocks: u64,
}

impl LocalKey {
    /// Octets that a block grows by.
    pub const TAG_LENGTH: usize = 16;

    /// A fresh one.
    pub fn generate() -> Result<Self, Error> {
        let key = Zeroizing::new(random_array::<32>()?);
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key)?), blocks: 0 })
    }

    /// Blocks sealed so far; their numbers are those below.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Encrypts the next block where it stands, and appends its tag.
    pub fn seal(&mut self, block: &mut Vec<u8>) -> Result<(), Error> {
        let nonce = nonce(self.blocks);
        self.blocks = self.blocks.checked_add(1).ok_or(Error::BadValue)?;
        Ok(self.key.seal_in_place_append_tag(nonce, Aad::empty(), block)?)
    }

    /// Decrypts a block where it stands and gives it without its tag.
    ///
    /// # Errors
    /// [`Error::BadValue`] when it is not the block that was sealed under this number.
    pub fn open<'b>(&self, number: u64, sealed: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        Ok(self.key.open_in_place(nonce(number), Aad::empty(), sealed)?)
    }
}

fn nonce(block: u64) -> Nonce {
    let [a, b, c, d, e, f, g, h] = block.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_35_blocks_come_back_in_their_places_only() {
        let mut key = LocalKey::generate().unwrap();
        let mut blocks = [b"first".to_vec(), b"second".to_vec()];
        blocks.iter_mut().for_each(|block| key.seal(block).unwrap());
        let [first, second] = blocks;
        assert_eq!(key.blocks(), 2);
        assert!(!first.starts_with(b"first"));
        assert_eq!(key.open(1, &mut second.clone()).unwrap(), b"second");
        assert_eq!(key.open(1, &mut first.clone()), Err(Error::BadValue));
        assert_eq!(LocalKey::generate().unwrap().open(0, &mut first.clone()), Err(Error::BadValue));
    }
}
