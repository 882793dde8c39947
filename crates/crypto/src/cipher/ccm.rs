use aws_lc_rs::cipher as aws;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{ContentCipher, append};
use crate::Error;

/// AES-CCM (NIST SP 800-38C, RFC 3610).
///
/// Its authentication begins with the length of the content and with the additional data, and AuthEnvelopedData has
/// both last: the content is held until the end.
// Deviation (RFC 5084 §3.1): content above `Ccm::LONGEST` is refused, so that memory stays bounded.
pub(super) struct Ccm {
    cipher: ContentCipher,
    key: Zeroizing<Vec<u8>>,
    nonce: Vec<u8>,
    content: Zeroizing<Vec<u8>>,
}

impl Ccm {
    /// Octets of content.
    pub(super) const LONGEST: usize = 16 << 20;

    pub(super) fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8]) -> Self {
        Self { cipher, key: Zeroizing::new(key.to_vec()), nonce: nonce.to_vec(), content: Zeroizing::new(Vec::new()) }
    }

    pub(super) fn update(&mut self, input: &[u8]) -> Result<(), Error> {
        // RFC 3610 §2.1: the length has 15 − nonce octets, two with the longest nonce and
        // three with the usual one.
        let fits = 8 * (15 - self.nonce.len());
        let longest = if fits < 25 { (1 << fits) - 1 } else { Self::LONGEST };
        if self.content.len() + input.len() > longest {
            return Err(Error::Unsupported { algorithm: format!("{} above {longest} octets", self.cipher) });
        }
        self.content.extend_from_slice(input);
        Ok(())
    }

    /// Encrypts all of it onto `output`, and gives the tag.
    pub(super) fn seal(self, additional: &[u8], output: &mut Vec<u8>) -> Result<[u8; 16], Error> {
        let tag = self.authenticate(additional, 16)?;
        let mask = self.apply(output)?;
        Ok(masked(tag, &mask))
    }

    /// Decrypts all of it onto `output`, and gives the first `tag_length` octets of what the tag must be.
    pub(super) fn open(
        mut self,
        additional: &[u8],
        tag_length: usize,
        output: &mut Vec<u8>,
    ) -> Result<[u8; 16], Error> {
        let start = output.len();
        let mask = self.apply(output)?;
        self.content = Zeroizing::new(Vec::new());
        let plain = output.get(start..).unwrap_or_default();
        Ok(masked(self.authenticate_content(plain, additional, tag_length)?, &mask))
    }

    // RFC 3610 §2.3: counter mode, of which block 0 masks the tag.
    fn apply(&self, output: &mut Vec<u8>) -> Result<Zeroizing<[u8; 16]>, Error> {
        let mut block = [0u8; 16];
        let [flags, rest @ ..] = &mut block;
        *flags = (14 - self.nonce.len()).to_le_bytes()[0];
        rest.iter_mut().zip(&self.nonce).for_each(|(to, from)| *to = *from);
        let mut counter = aws::StreamingEncryptingKey::less_safe_ctr(
            self.cipher.unbound(&self.key)?,
            aws::EncryptionContext::Iv128(FixedLength::from(block)),
        )?;
        let mut mask = Zeroizing::new([0u8; 16]);
        let mut room = Zeroizing::new([0u8; 32]);
        mask.copy_from_slice(counter.update(&[0; 16], &mut *room)?.written().get(..16).ok_or(Error::BadValue)?);
        for step in self.content.chunks(16 * 1024) {
            append(output, step.len() + 16, |room| Ok(counter.update(step, room)?.written().len()))?;
        }
        Ok(mask)
    }

    fn authenticate(&self, additional: &[u8], tag_length: usize) -> Result<[u8; 16], Error> {
        self.authenticate_content(&self.content, additional, tag_length)
    }

    // RFC 3610 §2.2: CBC-MAC over the flags, nonce and length, the additional data, and the content.
    fn authenticate_content(&self, content: &[u8], additional: &[u8], tag_length: usize) -> Result<[u8; 16], Error> {
        let malformed = |_| Error::BadValue;
        let size = 15 - self.nonce.len();
        let mut first = [0u8; 16];
        let [flags, rest @ ..] = &mut first;
        let adata = if additional.is_empty() { 0 } else { 0x40 };
        let tag_bits = tag_length.checked_sub(2).ok_or(Error::BadValue)? / 2 * 8;
        *flags = u8::try_from(adata + tag_bits + size - 1).map_err(malformed)?;
        // The length fills the end of the block; the nonce then overwrites what is before it.
        let length = u64::try_from(content.len()).map_err(malformed)?.to_be_bytes();
        rest.iter_mut().rev().zip(length.iter().rev()).for_each(|(to, from)| *to = *from);
        rest.iter_mut().zip(&self.nonce).for_each(|(to, from)| *to = *from);

        let mut chain = Chain::new(self.cipher, &self.key)?;
        chain.update(&first)?;
        if !additional.is_empty() {
            let length = additional.len();
            let mut prefixed = match u16::try_from(length) {
                Ok(short) if short < 0xFF00 => short.to_be_bytes().to_vec(),
                _ => [&[0xFF, 0xFE][..], &u32::try_from(length).map_err(malformed)?.to_be_bytes()].concat(),
            };
            prefixed.extend_from_slice(additional);
            chain.padded(&mut prefixed)?;
        }
        let whole = content.len() - content.len() % 16;
        let (blocks, rest) = content.split_at(whole);
        for step in blocks.chunks(16 * 1024) {
            chain.update(step)?;
        }
        chain.padded(&mut rest.to_vec())?;
        Ok(chain.last)
    }
}

fn masked(mut tag: [u8; 16], mask: &[u8; 16]) -> [u8; 16] {
    tag.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    tag
}

/// CBC with a zero vector, of which only the last block counts.
struct Chain {
    key: aws::StreamingEncryptingKey,
    last: [u8; 16],
    room: Vec<u8>,
}

impl Chain {
    fn new(cipher: ContentCipher, key: &[u8]) -> Result<Self, Error> {
        let zero = aws::EncryptionContext::Iv128(FixedLength::from([0; 16]));
        let key = aws::StreamingEncryptingKey::less_safe_cbc_pkcs7(cipher.unbound(key)?, zero)?;
        Ok(Self { key, last: [0; 16], room: Vec::new() })
    }

    /// Whole blocks.
    fn update(&mut self, blocks: &[u8]) -> Result<(), Error> {
        self.room.resize(blocks.len() + 16, 0);
        let written = self.key.update(blocks, &mut self.room)?;
        if let Some(last) = written.written().last_chunk::<16>() {
            self.last = *last;
        }
        Ok(())
    }

    fn padded(&mut self, data: &mut Vec<u8>) -> Result<(), Error> {
        data.resize(data.len().next_multiple_of(16), 0);
        if data.is_empty() { Ok(()) } else { self.update(data) }
    }
}
