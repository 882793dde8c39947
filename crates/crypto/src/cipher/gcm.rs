use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher as aws;
use aws_lc_rs::iv::FixedLength;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use zeroize::Zeroizing;

use super::{ContentCipher, append};
use crate::Error;

type Block = [u8; 16];

/// AES-GCM in pieces: counter mode and GHASH (NIST SP 800-38D), which aws-lc offers only in one piece.
///
/// GHASH is a polynomial in the hash key H. aws-lc computes it fast, and gives it away for one piece: the tag of a
/// message without content and with the piece as additional data. From that the polynomial of all pieces is put
/// together, which takes two multiplications for each.
pub(super) struct Gcm {
    counter: aws::StreamingEncryptingKey,
    tags: LessSafeKey,
    nonce: [u8; 12],
    hash_key: Zeroizing<Block>,
    /// The first key stream block, which masks the tag.
    mask: Zeroizing<Block>,
    /// GHASH of the blocks so far, times H.
    state: Zeroizing<Block>,
    /// Powers of H that were needed, by their exponents.
    powers: Zeroizing<Vec<(u64, Block)>>,
    /// Ciphertext that does not fill a block yet.
    partial: Vec<u8>,
    additional_length: u64,
    content_length: u64,
}

impl Gcm {
    // SP 800-38D §5.2.1.1: at most 2^39 − 256 bits of content.
    const LONGEST: u64 = (1 << 36) - 32;

    pub(super) fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| Error::BadValue)?;
        let mut block = [0; 16];
        block[15] = 1;
        if let Some(prefix) = block.first_chunk_mut() {
            *prefix = nonce;
        }
        let (counter, mask) = key_stream(cipher, key, block)?;
        // The encryption of the zero block: the first key stream block of a counter that starts at zero.
        let (_, hash_key) = key_stream(cipher, key, [0; 16])?;
        let mut this = Self {
            counter,
            tags: LessSafeKey::new(UnboundKey::new(algorithm(cipher), key)?),
            nonce,
            hash_key,
            mask,
            state: Zeroizing::default(),
            powers: Zeroizing::default(),
            partial: Vec::with_capacity(16),
            additional_length: additional.len() as u64,
            content_length: 0,
        };
        this.hash_padded(additional)?;
        Ok(this)
    }

    pub(super) fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.count(input)?;
        append(output, input.len() + 16, |room| Ok(self.counter.update(input, room)?.written().len()))
    }

    /// Content that goes by without being decrypted: it counts for the tag.
    pub(super) fn pass_over(&mut self, ciphertext: &[u8]) -> Result<(), Error> {
        self.count(ciphertext)?;
        self.hash(ciphertext)
    }

    fn count(&mut self, content: &[u8]) -> Result<(), Error> {
        self.content_length = self.content_length.saturating_add(content.len() as u64);
        if self.content_length > Self::LONGEST { Err(Error::BadValue) } else { Ok(()) }
    }

    pub(super) fn hash(&mut self, mut ciphertext: &[u8]) -> Result<(), Error> {
        if !self.partial.is_empty() {
            let (now, later) = ciphertext.split_at(ciphertext.len().min(16 - self.partial.len()));
            self.partial.extend_from_slice(now);
            ciphertext = later;
            if self.partial.len() < 16 {
                return Ok(());
            }
            let block = std::mem::take(&mut self.partial);
            self.hash_blocks(&block)?;
        }
        let (blocks, rest) = ciphertext.split_at(ciphertext.len() - ciphertext.len() % 16);
        self.hash_blocks(blocks)?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn hash_padded(&mut self, octets: &[u8]) -> Result<(), Error> {
        let (blocks, rest) = octets.split_at(octets.len() - octets.len() % 16);
        self.hash_blocks(blocks)?;
        let mut last = [0; 16];
        match last.get_mut(..rest.len()) {
            Some(room) if !rest.is_empty() => room.copy_from_slice(rest),
            _ => return Ok(()),
        }
        self.hash_blocks(&last)
    }

    // With X the GHASH of n blocks and L the lengths of such a message, its tag is (X ⊕ L)·H under the mask. The state
    // takes X·H, and what was before moves up by n powers.
    fn hash_blocks(&mut self, blocks: &[u8]) -> Result<(), Error> {
        if blocks.is_empty() {
            return Ok(());
        }
        // The tag stays here: no message is ever sent with it, so that the nonce serves the one message only.
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let tag = self.tags.seal_in_place_separate_tag(nonce, Aad::from(blocks), &mut [])?;
        let mut piece: Block = tag.as_ref().try_into().map_err(|_| Error::BadValue)?;
        let lengths = multiply(&self.hash_key, &lengths(blocks.len() as u64, 0));
        add(&mut piece, &self.mask);
        add(&mut piece, &lengths);
        if *self.state != [0; 16] {
            let power = self.power(blocks.len() as u64 / 16);
            add(&mut piece, &multiply(&power, &self.state));
        }
        *self.state = piece;
        Ok(())
    }

    fn power(&mut self, exponent: u64) -> Block {
        const KEPT: usize = 4;
        if let Some((_, power)) = self.powers.iter().find(|(known, _)| *known == exponent) {
            return *power;
        }
        let mut power: Option<Block> = None;
        for bit in (0..u64::BITS - exponent.leading_zeros()).rev() {
            power = power.map(|power| multiply(&power, &power));
            if exponent >> bit & 1 == 1 {
                power = Some(power.map_or(*self.hash_key, |power| multiply(&self.hash_key, &power)));
            }
        }
        // Exponents are numbers of blocks, at least one.
        let power = power.unwrap_or(*self.hash_key);
        if self.powers.len() >= KEPT {
            self.powers.clear();
        }
        self.powers.push((exponent, power));
        power
    }

    /// `late` is additional data that stands behind the content; there is no other then.
    pub(super) fn tag(mut self, late: &[u8]) -> Result<Block, Error> {
        let content_blocks = self.content_length.div_ceil(16);
        let partial = std::mem::take(&mut self.partial);
        self.hash_padded(&partial)?;
        if !late.is_empty() {
            // It comes first in the polynomial: its own hash, moved up by the content's blocks.
            let content = std::mem::take(&mut *self.state);
            self.hash_padded(late)?;
            if content_blocks > 0 {
                let power = self.power(content_blocks);
                *self.state = multiply(&power, &self.state);
            }
            add(&mut self.state, &content);
            self.additional_length = late.len() as u64;
        }
        let mut tag = multiply(&self.hash_key, &lengths(self.additional_length, self.content_length));
        add(&mut tag, &self.state);
        add(&mut tag, &self.mask);
        Ok(tag)
    }
}

/// Encrypts content that is there in one piece, which takes half the time. Gives the tag.
pub(super) fn seal_whole(
    cipher: ContentCipher,
    key: &[u8],
    nonce: &[u8],
    additional: &[u8],
    content: &mut [u8],
) -> Result<Block, Error> {
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| Error::BadValue)?;
    let key = LessSafeKey::new(UnboundKey::new(algorithm(cipher), key)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(additional), content)?;
    tag.as_ref().try_into().map_err(|_| Error::BadValue)
}

fn algorithm(cipher: ContentCipher) -> &'static aws_lc_rs::aead::Algorithm {
    match cipher {
        ContentCipher::Aes128Gcm => &AES_128_GCM,
        ContentCipher::Aes192Gcm => &AES_192_GCM,
        _ => &AES_256_GCM,
    }
}

/// A counter that starts at `block`, and the key stream block that it gave first.
fn key_stream(
    cipher: ContentCipher,
    key: &[u8],
    block: Block,
) -> Result<(aws::StreamingEncryptingKey, Zeroizing<Block>), Error> {
    let context = aws::EncryptionContext::Iv128(FixedLength::from(block));
    let mut counter = aws::StreamingEncryptingKey::less_safe_ctr(cipher.unbound(key)?, context)?;
    let mut room = Zeroizing::new([0; 32]);
    let first = counter.update(&[0; 16], &mut *room)?.written().first_chunk().copied().ok_or(Error::BadValue)?;
    Ok((counter, Zeroizing::new(first)))
}

/// Lengths in octets as the last block of GHASH has them, in bits.
fn lengths(additional: u64, content: u64) -> Block {
    (u128::from(additional * 8) << 64 | u128::from(content * 8)).to_be_bytes()
}

// GHASH of one block is its product with the hash key.
fn multiply(a: &Block, b: &Block) -> Block {
    let mut hash = GHash::new(a.into());
    hash.update(&[(*b).into()]);
    hash.finalize().into()
}

fn add(to: &mut Block, other: &Block) {
    to.iter_mut().zip(other).for_each(|(octet, other)| *octet ^= other);
}
