use std::fmt;

use aws_lc_rs::cipher as aws;
use aws_lc_rs::iv::FixedLength;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use zeroize::Zeroizing;

use crate::{Error, constant_time_eq, oids};

/// A content-encryption algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum ContentCipher {
    Aes128Cbc,
    Aes192Cbc,
    Aes256Cbc,
    Aes128Gcm,
    Aes192Gcm,
    Aes256Gcm,
    /// Read only.
    DesEde3Cbc,
}

impl ContentCipher {
    /// All of them, strongest first.
    pub const ALL: [Self; 7] = [
        Self::Aes256Gcm,
        Self::Aes192Gcm,
        Self::Aes128Gcm,
        Self::Aes256Cbc,
        Self::Aes192Cbc,
        Self::Aes128Cbc,
        Self::DesEde3Cbc,
    ];

    /// From its object identifier.
    pub fn from_oid(oid: asn1::Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.oid() == oid)
    }

    /// From the name at the prompt: `aes256-gcm`.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
        Self::ALL.into_iter().find(|cipher| plain(cipher.name()) == plain(name))
    }

    /// Its object identifier.
    pub fn oid(self) -> asn1::Oid {
        match self {
            Self::Aes128Cbc => oids::AES128_CBC,
            Self::Aes192Cbc => oids::AES192_CBC,
            Self::Aes256Cbc => oids::AES256_CBC,
            Self::Aes128Gcm => oids::AES128_GCM,
            Self::Aes192Gcm => oids::AES192_GCM,
            Self::Aes256Gcm => oids::AES256_GCM,
            Self::DesEde3Cbc => oids::DES_EDE3_CBC,
        }
    }

    /// `AES-256-GCM` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes192Gcm => "AES-192-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::DesEde3Cbc => "3DES-CBC",
        }
    }

    /// Octets of the key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::DesEde3Cbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// Octets of the nonce or initialization vector.
    pub fn nonce_length(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 12,
            Self::DesEde3Cbc => 8,
            _ => 16,
        }
    }

    /// Whether a tag protects the content (AuthEnvelopedData) or nothing does (EnvelopedData).
    pub fn is_authenticated(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    /// Read, never written.
    pub fn is_legacy(self) -> bool {
        self == Self::DesEde3Cbc
    }

    #[allow(deprecated, reason = "3DES is read, never written")]
    fn aws(self) -> &'static aws::Algorithm {
        match self.key_length() {
            _ if self == Self::DesEde3Cbc => &aws::DES_EDE3_FOR_LEGACY_USE_ONLY,
            16 => &aws::AES_128,
            24 => &aws::AES_192,
            _ => &aws::AES_256,
        }
    }

    fn check(self, key: &[u8], nonce: &[u8]) -> Result<(), Error> {
        // CASES T-22: a nonce of another length is refused before any work.
        if key.len() == self.key_length() && nonce.len() == self.nonce_length() { Ok(()) } else { Err(Error::BadValue) }
    }

    fn unbound(self, key: &[u8]) -> Result<aws::UnboundCipherKey, Error> {
        Ok(aws::UnboundCipherKey::new(self.aws(), key)?)
    }
}

impl fmt::Display for ContentCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Encrypts content that comes in pieces.
pub struct Sealer(Sealing);

enum Sealing {
    Cbc(aws::StreamingEncryptingKey),
    Gcm(Box<Gcm>),
}

impl Sealer {
    /// Octets of the tag that is written: always the longest (CASES S-47).
    pub const TAG_LENGTH: usize = 16;

    /// Begins; `additional` is authenticated and not encrypted, and empty for ciphers without a tag.
    pub fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        cipher.check(key, nonce)?;
        if cipher.is_legacy() {
            return Err(Error::Weak { algorithm: cipher.name() });
        }
        if cipher.is_authenticated() {
            return Ok(Self(Sealing::Gcm(Box::new(Gcm::new(cipher, key, nonce, additional)?))));
        }
        let context = aws::EncryptionContext::Iv128(fixed(nonce)?);
        Ok(Self(Sealing::Cbc(aws::StreamingEncryptingKey::less_safe_cbc_pkcs7(cipher.unbound(key)?, context)?)))
    }

    /// Encrypts `input` and appends what is ready to `output`.
    pub fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0 {
            Sealing::Cbc(key) => append(output, input.len() + 16, |room| Ok(key.update(input, room)?.written().len())),
            Sealing::Gcm(gcm) => {
                let start = output.len();
                gcm.apply(input, output)?;
                gcm.hash(output.get(start..).unwrap_or_default());
                Ok(())
            }
        }
    }

    /// Ends: appends the last of the ciphertext and gives the tag, if the cipher has one.
    pub fn finish(self, output: &mut Vec<u8>) -> Result<Option<[u8; Self::TAG_LENGTH]>, Error> {
        match self.0 {
            Sealing::Cbc(key) => {
                append(output, 16, |room| Ok(key.finish(room)?.1.written().len()))?;
                Ok(None)
            }
            Sealing::Gcm(gcm) => Ok(Some(gcm.tag(b""))),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Decrypts content that comes in pieces.
///
/// With an authenticated cipher nothing that [`Self::update`] appends may be shown to anybody before [`Self::finish`]
/// has said that the tag is right; `cms` holds it back.
pub struct Opener(Opening);

enum Opening {
    Cbc(aws::StreamingDecryptingKey),
    Gcm(Box<Gcm>),
}

impl Opener {
    /// Begins.
    pub fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        cipher.check(key, nonce)?;
        if cipher.is_authenticated() {
            return Ok(Self(Opening::Gcm(Box::new(Gcm::new(cipher, key, nonce, additional)?))));
        }
        let context = match cipher.nonce_length() {
            8 => aws::DecryptionContext::Iv64(FixedLength::from(
                <[u8; 8]>::try_from(nonce).map_err(|_| Error::BadValue)?,
            )),
            _ => aws::DecryptionContext::Iv128(fixed(nonce)?),
        };
        Ok(Self(Opening::Cbc(aws::StreamingDecryptingKey::cbc_pkcs7(cipher.unbound(key)?, context)?)))
    }

    /// Decrypts `input` and appends what is ready to `output`.
    pub fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0 {
            Opening::Cbc(key) => append(output, input.len() + 16, |room| Ok(key.update(input, room)?.written().len())),
            Opening::Gcm(gcm) => {
                gcm.hash(input);
                gcm.apply(input, output)
            }
        }
    }

    /// Ends: checks the tag (12 to 16 octets), or the padding of a cipher without one.
    ///
    /// # Errors
    /// [`Error::BadValue`], the same for a bad tag and for bad padding.
    pub fn finish(self, tag: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.finish_with_late_additional(b"", tag, output)
    }

    /// The same where the additional data stands behind the content, as in AuthEnvelopedData (RFC 5083 §2.1), and
    /// [`Self::new`] was given none.
    pub fn finish_with_late_additional(self, additional: &[u8], tag: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match self.0 {
            Opening::Cbc(key) if tag.is_empty() => append(output, 16, |room| Ok(key.finish(room)?.written().len())),
            Opening::Cbc(_) => Err(Error::BadValue),
            Opening::Gcm(gcm) => {
                let computed = gcm.tag(additional);
                let expected =
                    computed.get(..tag.len()).filter(|_| (12..=16).contains(&tag.len())).ok_or(Error::BadValue)?;
                if constant_time_eq(expected, tag) { Ok(()) } else { Err(Error::BadValue) }
            }
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}

/// AES-GCM in pieces: counter mode and GHASH (NIST SP 800-38D), which aws-lc offers only in one piece.
struct Gcm {
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

    fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
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

    fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.content_length = self.content_length.saturating_add(input.len() as u64);
        if self.content_length > Self::LONGEST {
            return Err(Error::BadValue);
        }
        append(output, input.len() + 16, |room| Ok(self.counter.update(input, room)?.written().len()))
    }

    fn hash(&mut self, mut ciphertext: &[u8]) {
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

    fn tag(mut self, late: &[u8]) -> [u8; 16] {
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

fn fixed(nonce: &[u8]) -> Result<FixedLength<16>, Error> {
    Ok(FixedLength::from(<[u8; 16]>::try_from(nonce).map_err(|_| Error::BadValue)?))
}

/// Appends to `output` what `write` puts into so much room and counts.
fn append(
    output: &mut Vec<u8>,
    room: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
) -> Result<(), Error> {
    let start = output.len();
    output.resize(start + room, 0);
    let written = write(output.get_mut(start..).unwrap_or_default());
    output.truncate(start + *written.as_ref().unwrap_or(&0));
    written.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_goes_there_and_back_in_any_pieces() {
        let content: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
        for cipher in ContentCipher::ALL.into_iter().filter(|cipher| !cipher.is_legacy()) {
            let (key, nonce) = (vec![7; cipher.key_length()], vec![9; cipher.nonce_length()]);
            let additional: &[u8] = if cipher.is_authenticated() { b"attributes" } else { b"" };
            let mut reference = None;
            for piece in [1, 15, 16, 17, 4096, 100_000] {
                let mut sealed = Vec::new();
                let mut sealer = Sealer::new(cipher, &key, &nonce, additional).unwrap();
                for chunk in content.chunks(piece) {
                    sealer.update(chunk, &mut sealed).unwrap();
                }
                let tag = sealer.finish(&mut sealed).unwrap();
                assert_eq!(reference.get_or_insert((sealed.clone(), tag)), &(sealed.clone(), tag));
                let mut opened = Vec::new();
                let mut opener = Opener::new(cipher, &key, &nonce, additional).unwrap();
                for chunk in sealed.chunks(piece) {
                    opener.update(chunk, &mut opened).unwrap();
                }
                opener.finish(tag.as_ref().map_or(&[], |tag| tag), &mut opened).unwrap();
                assert!(opened == content);
            }
        }
    }

    #[test]
    fn gcm_agrees_with_the_one_piece_implementation() {
        use aws_lc_rs::aead;
        let (key, nonce, additional, content) =
            ([1u8; 32], [2u8; 12], b"aad", b"some content that is not a multiple of the block".to_vec());
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(ContentCipher::Aes256Gcm, &key, &nonce, additional).unwrap();
        sealer.update(&content, &mut sealed).unwrap();
        sealed.extend_from_slice(&sealer.finish(&mut Vec::new()).unwrap().unwrap());
        let peer = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
        let mut expected = content;
        peer.seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(additional),
            &mut expected,
        )
        .unwrap();
        assert_eq!(sealed, expected);
    }

    #[test]
    fn additional_data_may_come_late() {
        let (key, nonce) = ([3u8; 32], [4u8; 12]);
        for (content, additional) in [(0, 1), (16, 16), (100, 33), (70_000, 4096), (5, 0)] {
            let (content, additional) = (vec![5u8; content], vec![6u8; additional]);
            let mut sealed = Vec::new();
            let mut sealer = Sealer::new(ContentCipher::Aes256Gcm, &key, &nonce, &additional).unwrap();
            sealer.update(&content, &mut sealed).unwrap();
            let tag = sealer.finish(&mut sealed).unwrap().unwrap();
            let open = |additional: &[u8]| {
                let mut opened = Vec::new();
                let mut opener = Opener::new(ContentCipher::Aes256Gcm, &key, &nonce, b"").unwrap();
                opener.update(&sealed, &mut opened).unwrap();
                opener.finish_with_late_additional(additional, &tag, &mut opened).map(|()| opened)
            };
            assert_eq!(open(&additional), Ok(content));
            assert_eq!(open(b"other"), Err(Error::BadValue));
        }
    }

    #[test]
    fn t_22_short_and_long_tags_are_refused() {
        let (key, nonce) = ([1u8; 16], [2u8; 12]);
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(ContentCipher::Aes128Gcm, &key, &nonce, b"").unwrap();
        sealer.update(b"content", &mut sealed).unwrap();
        let tag = sealer.finish(&mut sealed).unwrap().unwrap();
        for length in 0..=16 {
            let mut opener = Opener::new(ContentCipher::Aes128Gcm, &key, &nonce, b"").unwrap();
            opener.update(&sealed, &mut Vec::new()).unwrap();
            assert_eq!(opener.finish(&tag[..length], &mut Vec::new()).is_ok(), length >= 12, "{length}");
        }
        let mut longer = tag.to_vec();
        longer.push(0);
        assert!(
            Opener::new(ContentCipher::Aes128Gcm, &key, &nonce, b"").unwrap().finish(&longer, &mut Vec::new()).is_err()
        );
        for length in [0, 1, 11, 13, 16] {
            assert!(Opener::new(ContentCipher::Aes128Gcm, &key, &vec![0; length], b"").is_err());
        }
    }
}
