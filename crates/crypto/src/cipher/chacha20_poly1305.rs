use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use zeroize::Zeroizing;

use super::poly1305::Poly1305;
use crate::Error;

/// ChaCha20-Poly1305 in pieces (RFC 8439 §2.8, RFC 8103 §1.1).
pub(super) struct ChaCha20Poly1305 {
    stream: ChaCha20,
    poly: Poly1305,
    /// Ciphertext that does not fill a block yet.
    partial: Vec<u8>,
    additional_length: u64,
    content_length: u64,
}

impl ChaCha20Poly1305 {
    pub(super) fn new(key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        let mut stream = ChaCha20::new_from_slices(key, nonce).map_err(|_| Error::BadValue)?;
        // RFC 8439 §2.6: the first block of the key stream gives the one-time key; the content begins with the second.
        let mut one_time = Zeroizing::new([0; 32]);
        stream.apply_keystream(&mut *one_time);
        stream.seek(64u32);
        let mut poly = Poly1305::new(&one_time);
        poly.padded(additional);
        let additional_length = length(additional);
        Ok(Self { stream, poly, partial: Vec::with_capacity(16), additional_length, content_length: 0 })
    }

    pub(super) fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.content_length = self.content_length.saturating_add(length(input));
        let start = output.len();
        output.extend_from_slice(input);
        // It is an error where the block counter would begin again (RFC 8439 §2.8: 256 GiB).
        self.stream.try_apply_keystream(output.get_mut(start..).unwrap_or_default()).map_err(|_| Error::BadValue)
    }

    /// Content that goes by without being decrypted: it counts for the tag.
    pub(super) fn pass_over(&mut self, ciphertext: &[u8]) {
        self.content_length = self.content_length.saturating_add(length(ciphertext));
        self.hash(ciphertext);
    }

    pub(super) fn hash(&mut self, mut ciphertext: &[u8]) {
        if !self.partial.is_empty() {
            let (now, later) = ciphertext.split_at(ciphertext.len().min(16 - self.partial.len()));
            self.partial.extend_from_slice(now);
            ciphertext = later;
            if self.partial.len() < 16 {
                return;
            }
            self.poly.padded(&self.partial);
            self.partial.clear();
        }
        let (blocks, rest) = ciphertext.split_at(ciphertext.len() - ciphertext.len() % 16);
        self.poly.padded(blocks);
        self.partial.extend_from_slice(rest);
    }

    pub(super) fn tag(mut self, late: &[u8]) -> [u8; 16] {
        self.poly.padded(&self.partial);
        if !late.is_empty() {
            let mut first = self.poly.fresh();
            first.padded(late);
            self.poly.prepend(&first, self.content_length.div_ceil(16));
            self.additional_length = length(late);
        }
        let lengths = u128::from(self.additional_length) | u128::from(self.content_length) << 64;
        self.poly.block(lengths.to_le_bytes());
        self.poly.tag()
    }
}

fn length(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}
