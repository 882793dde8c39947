use rc2::Rc2;
use rc2::cipher::{Block, BlockCipherDecrypt as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;

/// RC2 in CBC mode (RFC 2268), to read what is older than AES.
pub(super) struct Rc2Cbc {
    cipher: Rc2,
    previous: [u8; 8],
    /// Ciphertext that is not decrypted yet: always the last block, which is padding in part.
    held: Vec<u8>,
}

impl Rc2Cbc {
    /// The effective bits are the key's own (RFC 3370 §5.2).
    pub(super) fn new(key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        let previous = <[u8; 8]>::try_from(iv).map_err(|_| Error::BadValue)?;
        Ok(Self { cipher: Rc2::new_with_eff_key_len(key, key.len() * 8), previous, held: Vec::new() })
    }

    pub(super) fn update(&mut self, input: &[u8], output: &mut Vec<u8>) {
        self.held.extend_from_slice(input);
        let ready = self.held.len().saturating_sub(1) / 8 * 8;
        let held = std::mem::take(&mut self.held);
        let (blocks, rest) = held.split_at(ready);
        for block in blocks.as_chunks::<8>().0 {
            output.extend_from_slice(&self.decrypt(*block));
        }
        self.held = rest.to_vec();
    }

    pub(super) fn finish(mut self, output: &mut Vec<u8>) -> Result<(), Error> {
        let last = <[u8; 8]>::try_from(self.held.as_slice()).map_err(|_| Error::BadValue)?;
        let plain = Zeroizing::new(self.decrypt(last));
        // RFC 5652 §6.3: as many octets of padding as the last one says, all alike.
        let [.., padding] = *plain;
        let length = 8usize.checked_sub(padding.into()).filter(|_| padding > 0).ok_or(Error::BadValue)?;
        let (content, filled) = plain.split_at(length);
        if filled.iter().any(|&octet| octet != padding) {
            return Err(Error::BadValue);
        }
        output.extend_from_slice(content);
        Ok(())
    }

    fn decrypt(&mut self, ciphertext: [u8; 8]) -> [u8; 8] {
        let mut block: Block<Rc2> = ciphertext.into();
        self.cipher.decrypt_block(&mut block);
        let mut plain: [u8; 8] = block.into();
        plain.iter_mut().zip(self.previous).for_each(|(octet, previous)| *octet ^= previous);
        block.zeroize();
        self.previous = ciphertext;
        plain
    }
}
