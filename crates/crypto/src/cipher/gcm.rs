use aws_lc_rs::cipher as aws;
use aws_lc_rs::iv::FixedLength;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use zeroize::Zeroizing;

use super::{ContentCipher, append};
use crate::Error;

/// AES-GCM in pieces: counter mode and GHASH (NIST SP 800-38D), which aws-lc offers only in one piece.
pub(super) struct Gcm {
    counter: aws::StreamingEncryptingKey,
    hash: GHash,
    hash_key: Zeroizing<[u8; 16]>,
    /// Ciphertext that does not fill a block yet.
    partial: Vec<u8>,
    additional_length: u64,
    content_length: u64,
    /// The first key stream block, which masks the tag.
    mask: Zeroizing<[u8; 16]>,
}

impl Gcm {
    // SP 800-38D §5.2.1.1: at most 2^39 − 256 bits of content.
    const LONGEST: u64 = (1 << 36) - 32;

    pub(super) fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        let mut block = [0u8; 16];
        if let Some(prefix) = block.get_mut(..12) {
            prefix.copy_from_slice(nonce);
        }
        block[15] = 1;
        let mut counter = aws::StreamingEncryptingKey::less_safe_ctr(
            cipher.unbound(key)?,
            aws::EncryptionContext::Iv128(FixedLength::from(block)),
        )?;
        let mut mask = Zeroizing::new([0u8; 16]);
        let mut room = [0u8; 32];
        let written = counter.update(&[0; 16], &mut room)?.written().to_vec();
        mask.copy_from_slice(written.get(..16).ok_or(Error::BadValue)?);
        let hash_key = Self::hash_key(cipher, key)?;
        let mut hash = GHash::new((&*hash_key).into());
        hash.update_padded(additional);
        Ok(Self {
            counter,
            hash,
            hash_key,
            partial: Vec::with_capacity(16),
            additional_length: additional.len() as u64,
            content_length: 0,
            mask,
        })
    }

    // The encryption of the zero block: the first key stream block of a counter that starts at zero.
    fn hash_key(cipher: ContentCipher, key: &[u8]) -> Result<Zeroizing<[u8; 16]>, Error> {
        let context = aws::EncryptionContext::Iv128(FixedLength::from([0u8; 16]));
        let mut zero = aws::StreamingEncryptingKey::less_safe_ctr(cipher.unbound(key)?, context)?;
        let mut room = [0u8; 32];
        let mut hash_key = Zeroizing::new([0u8; 16]);
        hash_key.copy_from_slice(zero.update(&[0; 16], &mut room)?.written().get(..16).ok_or(Error::BadValue)?);
        Ok(hash_key)
    }

    pub(super) fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.content_length = self.content_length.saturating_add(input.len() as u64);
        if self.content_length > Self::LONGEST {
            return Err(Error::BadValue);
        }
        append(output, input.len() + 16, |room| Ok(self.counter.update(input, room)?.written().len()))
    }

    pub(super) fn hash(&mut self, mut ciphertext: &[u8]) {
        if !self.partial.is_empty() {
            let (now, later) = ciphertext.split_at(ciphertext.len().min(16 - self.partial.len()));
            self.partial.extend_from_slice(now);
            ciphertext = later;
            if self.partial.len() < 16 {
                return;
            }
            self.hash.update_padded(&self.partial);
            self.partial.clear();
        }
        let whole = ciphertext.len() - ciphertext.len() % 16;
        let (blocks, rest) = ciphertext.split_at(whole);
        self.hash.update_padded(blocks);
        self.partial.extend_from_slice(rest);
    }

    // GHASH is a polynomial in the hash key: what additional data adds to it is its own hash times the power of the key
    // that the blocks behind it make up. Hashing as many zero blocks multiplies by that power.
    fn late_contribution(&self, additional: &[u8]) -> [u8; 16] {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut hash = GHash::new((&*self.hash_key).into());
        hash.update_padded(additional);
        let own: [u8; 16] = hash.finalize().into();
        let mut shifted = GHash::new((&*self.hash_key).into());
        shifted.update_padded(&own);
        let mut left = self.content_length.div_ceil(16) * 16;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            shifted.update_padded(ZEROS.get(..now).unwrap_or_default());
            left -= now as u64;
        }
        shifted.finalize().into()
    }

    pub(super) fn tag(mut self, late: &[u8]) -> [u8; 16] {
        let mut contribution = [0; 16];
        if !late.is_empty() {
            contribution = self.late_contribution(late);
            self.additional_length = late.len() as u64;
        }
        let partial = std::mem::take(&mut self.partial);
        self.hash.update_padded(&partial);
        let mut lengths = [0u8; 16];
        let (additional, content) = lengths.split_at_mut(8);
        additional.copy_from_slice(&(self.additional_length * 8).to_be_bytes());
        content.copy_from_slice(&(self.content_length * 8).to_be_bytes());
        self.hash.update_padded(&lengths);
        let mut tag: [u8; 16] = self.hash.finalize().into();
        tag.iter_mut().zip(self.mask.iter()).zip(contribution).for_each(|((octet, mask), late)| *octet ^= mask ^ late);
        tag
    }
}
