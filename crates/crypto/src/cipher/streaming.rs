use std::fmt;

use aws_lc_rs::cipher as aws;
use aws_lc_rs::iv::FixedLength;
use zeroize::{Zeroize as _, Zeroizing};

use super::ccm::Ccm;
use super::chacha20_poly1305::ChaCha20Poly1305;
use super::gcm::{self, Gcm};
use super::rc2_cbc::Rc2Cbc;
use super::{ContentCipher, append};
use crate::{Error, Wiped, constant_time_eq};

/// Encrypts content that comes in pieces.
pub struct Sealer(Sealing);

enum Sealing {
    Cbc(aws::StreamingEncryptingKey),
    Ccm(Ccm, Vec<u8>),
    ChaCha20Poly1305(Box<ChaCha20Poly1305>),
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
        Ok(Self(match cipher {
            ContentCipher::ChaCha20Poly1305 => {
                Sealing::ChaCha20Poly1305(Box::new(ChaCha20Poly1305::new(key, nonce, additional)?))
            }
            _ if cipher.is_ccm() => Sealing::Ccm(Ccm::new(cipher, key, nonce), additional.to_vec()),
            _ if cipher.is_authenticated() => Sealing::Gcm(Box::new(Gcm::new(cipher, key, nonce, additional)?)),
            _ => {
                let context = aws::EncryptionContext::Iv128(fixed(nonce)?);
                Sealing::Cbc(aws::StreamingEncryptingKey::less_safe_cbc_pkcs7(cipher.unbound(key)?, context)?)
            }
        }))
    }

    /// Encrypts content that is there in one piece: what comes of it is the same. It is appended to `output`; the tag is
    /// given, if the cipher has one.
    pub fn seal_whole(
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        additional: &[u8],
        content: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<Option<[u8; Self::TAG_LENGTH]>, Error> {
        if !matches!(cipher, ContentCipher::Aes128Gcm | ContentCipher::Aes192Gcm | ContentCipher::Aes256Gcm) {
            let mut sealer = Self::new(cipher, key, nonce, additional)?;
            sealer.update(content, output)?;
            return sealer.finish(output);
        }
        cipher.check(key, nonce)?;
        let start = output.len();
        output.extend_from_slice(content);
        let sealed = gcm::seal_whole(cipher, key, nonce, additional, output.get_mut(start..).unwrap_or_default());
        if sealed.is_err() {
            // Nothing of it stays as it was.
            output.get_mut(start..).unwrap_or_default().zeroize();
            output.truncate(start);
        }
        sealed.map(Some)
    }

    /// Encrypts `input` and appends what is ready to `output`.
    pub fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0 {
            Sealing::Cbc(key) => append(output, input.len() + 16, |room| Ok(key.update(input, room)?.written().len())),
            Sealing::Ccm(ccm, _) => ccm.update(input),
            Sealing::ChaCha20Poly1305(chacha) => {
                let start = output.len();
                chacha.apply(input, output)?;
                chacha.hash(output.get(start..).unwrap_or_default());
                Ok(())
            }
            Sealing::Gcm(gcm) => {
                let start = output.len();
                gcm.apply(input, output)?;
                gcm.hash(output.get(start..).unwrap_or_default())
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
            Sealing::Ccm(ccm, additional) => ccm.seal(&additional, output).map(Some),
            Sealing::ChaCha20Poly1305(chacha) => Ok(Some(chacha.tag(b""))),
            Sealing::Gcm(gcm) => gcm.tag(b"").map(Some),
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
pub struct Opener {
    cipher: ContentCipher,
    opening: Opening,
}

enum Opening {
    Cbc(aws::StreamingDecryptingKey),
    Ccm(Ccm, Vec<u8>),
    ChaCha20Poly1305(Box<ChaCha20Poly1305>),
    Gcm(Box<Gcm>),
    Rc2Cbc(Box<Rc2Cbc>),
}

impl Opener {
    /// Begins.
    pub fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8]) -> Result<Self, Error> {
        cipher.check(key, nonce)?;
        let cbc = |context| -> Result<Opening, Error> {
            Ok(Opening::Cbc(aws::StreamingDecryptingKey::cbc_pkcs7(cipher.unbound(key)?, context)?))
        };
        let opening = match cipher {
            ContentCipher::ChaCha20Poly1305 => {
                Opening::ChaCha20Poly1305(Box::new(ChaCha20Poly1305::new(key, nonce, additional)?))
            }
            ContentCipher::DesEde3Cbc => cbc(aws::DecryptionContext::Iv64(fixed(nonce)?))?,
            _ if cipher.is_legacy() => Opening::Rc2Cbc(Box::new(Rc2Cbc::new(key, nonce)?)),
            _ if cipher.is_ccm() => Opening::Ccm(Ccm::new(cipher, key, nonce), additional.to_vec()),
            _ if cipher.is_authenticated() => Opening::Gcm(Box::new(Gcm::new(cipher, key, nonce, additional)?)),
            _ => cbc(aws::DecryptionContext::Iv128(fixed(nonce)?))?,
        };
        Ok(Self { cipher, opening })
    }

    /// Decrypts whole blocks of a cipher in CBC mode that are not padded, as wrapped keys are.
    ///
    /// # Errors
    /// [`Error::BadValue`] when they are not whole, or when the cipher has another mode.
    pub fn unpadded_blocks(
        cipher: ContentCipher,
        key: &[u8],
        vector: &[u8],
        blocks: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if cipher.is_authenticated() || vector.is_empty() || !blocks.len().is_multiple_of(vector.len()) {
            return Err(Error::BadValue);
        }
        let mut opener = Self::new(cipher, key, vector, b"")?;
        let mut output = Zeroizing::new(Vec::with_capacity(blocks.len() + 32));
        opener.update(blocks, &mut output)?;
        // The last block is held back for its padding, so one that nobody wants comes behind it.
        opener.update(vector, &mut output)?;
        if output.len() == blocks.len() { Ok(output) } else { Err(Error::BadValue) }
    }

    /// Decrypts `input` and appends what is ready to `output`.
    pub fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.opening {
            Opening::Cbc(key) => append(output, input.len() + 16, |room| Ok(key.update(input, room)?.written().len())),
            Opening::Ccm(ccm, _) => ccm.update(input),
            Opening::ChaCha20Poly1305(chacha) => {
                chacha.hash(input);
                chacha.apply(input, output)
            }
            Opening::Gcm(gcm) => {
                gcm.hash(input)?;
                gcm.apply(input, output)
            }
            Opening::Rc2Cbc(rc2) => {
                rc2.update(input, output);
                Ok(())
            }
        }
    }

    /// Takes content into account that is not wanted now: whether tag or padding are right is found out all the same, and
    /// in the same time whichever is wrong.
    ///
    /// What was passed over is decrypted by an [`UnverifiedOpener`], when the same content comes again.
    pub fn pass_over(&mut self, input: &[u8]) -> Result<(), Error> {
        match &mut self.opening {
            Opening::Gcm(gcm) => gcm.pass_over(input),
            Opening::ChaCha20Poly1305(chacha) => {
                chacha.pass_over(input);
                Ok(())
            }
            Opening::Ccm(ccm, _) => ccm.update(input),
            Opening::Cbc(_) | Opening::Rc2Cbc(_) => {
                let mut dropped = Wiped::with_capacity(input.len() + 32);
                self.update(input, &mut dropped)
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
        let fits = if self.cipher.is_authenticated() { self.cipher.allows_tag(tag.len()) } else { tag.is_empty() };
        if !fits {
            return Err(Error::BadValue);
        }
        let start = output.len();
        let computed = match self.opening {
            Opening::Cbc(key) => return append(output, 16, |room| Ok(key.finish(room)?.written().len())),
            Opening::Rc2Cbc(rc2) => return rc2.finish(output),
            Opening::Ccm(ccm, early) => {
                let additional = if additional.is_empty() { &early } else { additional };
                ccm.open(additional, tag.len(), output)?
            }
            Opening::ChaCha20Poly1305(chacha) => chacha.tag(additional),
            Opening::Gcm(gcm) => gcm.tag(additional)?,
        };
        let expected = computed.get(..tag.len()).ok_or(Error::BadValue)?;
        if constant_time_eq(expected, tag) {
            return Ok(());
        }
        // What this call has appended is not handed out.
        output.get_mut(start..).unwrap_or_default().zeroize();
        output.truncate(start);
        Err(Error::BadValue)
    }
}

/// Decrypts once more what an [`Opener`] has found right, without looking at the tag again.
///
/// Whoever uses it vouches that the content is the same: bound, block by block, to what the `Opener` saw.
pub struct UnverifiedOpener(Opener);

impl UnverifiedOpener {
    /// Begins.
    ///
    /// # Errors
    /// Also with CCM, whose content is short enough to be held ([`Error::Unsupported`]).
    pub fn new(cipher: ContentCipher, key: &[u8], nonce: &[u8]) -> Result<Self, Error> {
        if cipher.is_ccm() {
            return Err(Error::Unsupported { algorithm: format!("{} in two readings", cipher.name()) });
        }
        Opener::new(cipher, key, nonce, b"").map(Self)
    }

    /// Decrypts `input` and appends what is ready to `output`.
    pub fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0.opening {
            Opening::Gcm(gcm) => gcm.apply(input, output),
            Opening::ChaCha20Poly1305(chacha) => chacha.apply(input, output),
            _ => self.0.update(input, output),
        }
    }

    /// Ends: takes off the padding of a cipher without a tag.
    ///
    /// # Errors
    /// [`Error::BadValue`] when it is not right.
    pub fn finish(self, output: &mut Vec<u8>) -> Result<(), Error> {
        if self.0.cipher.is_authenticated() { Ok(()) } else { self.0.finish(b"", output) }
    }
}

impl fmt::Debug for UnverifiedOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedOpener(…)")
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}

fn fixed<const N: usize>(nonce: &[u8]) -> Result<FixedLength<N>, Error> {
    Ok(FixedLength::from(<[u8; N]>::try_from(nonce).map_err(|_| Error::BadValue)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentParameters;

    #[test]
    fn content_goes_there_and_back_in_any_pieces() {
        let content: Vec<u8> = (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect();
        for cipher in ContentCipher::EVERY.into_iter().filter(|cipher| !cipher.is_legacy()) {
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
    fn content_in_two_readings_is_the_same_and_checked_in_the_first() {
        let content: Vec<u8> = (0..70_001u32).map(|i| i.to_le_bytes()[0]).collect();
        for cipher in ContentCipher::EVERY.into_iter().filter(|cipher| !cipher.is_legacy() && !cipher.is_ccm()) {
            let (key, nonce) = (vec![7; cipher.key_length()], vec![9; cipher.nonce_length()]);
            for length in [0, 1, 16, 4097, content.len()] {
                let mut sealed = Vec::new();
                let mut sealer = Sealer::new(cipher, &key, &nonce, b"").unwrap();
                sealer.update(&content[..length], &mut sealed).unwrap();
                let tag = sealer.finish(&mut sealed).unwrap();
                let tag: &[u8] = tag.as_ref().map_or(&[], |tag| tag);
                for (held, piece) in [(0, 1000), (0, 16), (5000, 777)] {
                    let check = |sealed: &[u8], tag: &[u8]| {
                        let mut opener = Opener::new(cipher, &key, &nonce, b"").unwrap();
                        let (first, rest) = sealed.split_at(sealed.len().min(held));
                        opener.update(first, &mut Vec::new()).unwrap();
                        rest.chunks(piece).for_each(|piece| opener.pass_over(piece).unwrap());
                        opener.finish(tag, &mut Vec::new())
                    };
                    assert_eq!(check(&sealed, tag), Ok(()), "{cipher} {length}");
                    let mut opener = UnverifiedOpener::new(cipher, &key, &nonce).unwrap();
                    let mut opened = Vec::new();
                    sealed.chunks(piece).for_each(|piece| opener.update(piece, &mut opened).unwrap());
                    opener.finish(&mut opened).unwrap();
                    assert!(opened == content[..length], "{cipher} {length}");
                    if cipher.is_authenticated() && length > 0 {
                        let mut changed = sealed.clone();
                        changed[length / 2] ^= 1;
                        assert_eq!(check(&changed, tag), Err(Error::BadValue), "{cipher} {length}");
                        assert_eq!(check(&sealed[1..], tag), Err(Error::BadValue), "{cipher} {length}");
                    }
                }
            }
        }
        assert!(UnverifiedOpener::new(ContentCipher::Aes128Ccm, &[0; 16], &[0; 12]).is_err());
    }

    #[test]
    fn one_piece_gives_what_many_give() {
        for cipher in ContentCipher::EVERY.into_iter().filter(|cipher| !cipher.is_legacy()) {
            let (key, nonce) = (vec![7; cipher.key_length()], vec![9; cipher.nonce_length()]);
            let additional: &[u8] = if cipher.is_authenticated() { b"attributes" } else { b"" };
            for length in [0, 1, 15, 16, 10_000] {
                let content = vec![3; length];
                let mut expected = b"before".to_vec();
                let mut sealer = Sealer::new(cipher, &key, &nonce, additional).unwrap();
                content.chunks(100).for_each(|piece| sealer.update(piece, &mut expected).unwrap());
                let expected_tag = sealer.finish(&mut expected).unwrap();
                let mut sealed = b"before".to_vec();
                let tag = Sealer::seal_whole(cipher, &key, &nonce, additional, &content, &mut sealed).unwrap();
                assert!(sealed == expected && tag == expected_tag, "{cipher} {length}");
            }
            let short = &key[1..];
            assert!(Sealer::seal_whole(cipher, short, &nonce, b"", b"content", &mut Vec::new()).is_err());
        }
        let weak = Sealer::seal_whole(ContentCipher::DesEde3Cbc, &[1; 24], &[2; 8], b"", b"x", &mut Vec::new());
        assert!(matches!(weak, Err(Error::Weak { .. })));
    }

    fn seal(cipher: ContentCipher, key: &[u8], nonce: &[u8], additional: &[u8], content: &[u8]) -> (Vec<u8>, [u8; 16]) {
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(cipher, key, nonce, additional).unwrap();
        sealer.update(content, &mut sealed).unwrap();
        let tag = sealer.finish(&mut sealed).unwrap().unwrap();
        (sealed, tag)
    }

    #[test]
    fn ciphers_agree_with_the_one_piece_implementations() {
        use aws_lc_rs::aead;
        let (nonce, additional) = ([2u8; 12], b"aad");
        for (cipher, algorithm) in [
            (ContentCipher::Aes128Gcm, &aead::AES_128_GCM),
            (ContentCipher::Aes192Gcm, &aead::AES_192_GCM),
            (ContentCipher::Aes256Gcm, &aead::AES_256_GCM),
            (ContentCipher::ChaCha20Poly1305, &aead::CHACHA20_POLY1305),
        ] {
            let key = vec![1; cipher.key_length()];
            for length in [0, 1, 15, 16, 17, 63, 64, 65, 5000] {
                let mut expected = vec![0xA7; length];
                let (mut sealed, tag) = seal(cipher, &key, &nonce, additional, &expected);
                sealed.extend_from_slice(&tag);
                let peer = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &key).unwrap());
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                peer.seal_in_place_append_tag(nonce, aead::Aad::from(additional), &mut expected).unwrap();
                assert_eq!(sealed, expected, "{cipher} {length}");
            }
        }
    }

    #[test]
    fn additional_data_may_come_late() {
        for cipher in ContentCipher::EVERY.into_iter().filter(|cipher| cipher.is_authenticated()) {
            let (key, nonce) = (vec![3; cipher.key_length()], [4u8; 12]);
            for (content, additional) in [(0, 1), (16, 16), (100, 33), (70_000, 4096), (40, 70_000), (5, 0)] {
                let (content, additional) = (vec![5u8; content], vec![6u8; additional]);
                let (sealed, tag) = seal(cipher, &key, &nonce, &additional, &content);
                let open = |additional: &[u8]| {
                    let mut opened = Vec::new();
                    let mut opener = Opener::new(cipher, &key, &nonce, b"").unwrap();
                    opener.update(&sealed, &mut opened).unwrap();
                    opener.finish_with_late_additional(additional, &tag, &mut opened).map(|()| opened)
                };
                assert_eq!(open(&additional), Ok(content), "{cipher}");
                assert_eq!(open(b"other"), Err(Error::BadValue), "{cipher}");
            }
        }
    }

    #[test]
    fn t_22_short_and_long_tags_are_refused() {
        for cipher in ContentCipher::EVERY.into_iter().filter(|cipher| cipher.is_authenticated()) {
            let (key, nonce) = (vec![1; cipher.key_length()], [2u8; 12]);
            let (sealed, tag) = seal(cipher, &key, &nonce, b"", b"content");
            let open = |tag: &[u8]| {
                let mut opener = Opener::new(cipher, &key, &nonce, b"").unwrap();
                let mut opened = Vec::new();
                opener.update(&sealed, &mut opened).unwrap();
                opener.finish(tag, &mut opened).is_ok()
            };
            assert!(open(&tag));
            for length in 0..=16 {
                // A shorter GCM or ChaCha20 tag is the beginning of the longer one; CCM's is another.
                let begins = length == 16 || matches!(cipher.key_length(), 16 | 24 | 32) && !cipher.is_ccm();
                assert_eq!(open(&tag[..length]), begins && cipher.allows_tag(length), "{cipher} {length}");
            }
            assert!(!open(&[&tag[..], &[0]].concat()));
            for length in [0, 1, 6, 14, 16] {
                assert!(Opener::new(cipher, &key, &vec![0; length], b"").is_err(), "{cipher} {length}");
            }
        }
    }

    #[test]
    fn t_22_a_wrong_tag_hands_out_nothing_that_was_held() {
        let cipher = ContentCipher::Aes256Ccm;
        let (sealed, mut tag) = seal(cipher, &[1; 32], &[2; 12], b"", b"content");
        tag[0] ^= 1;
        let mut opener = Opener::new(cipher, &[1; 32], &[2; 12], b"").unwrap();
        let mut opened = Vec::new();
        opener.update(&sealed, &mut opened).unwrap();
        assert_eq!(opener.finish(&tag, &mut opened), Err(Error::BadValue));
        assert!(opened.is_empty());
    }

    #[test]
    fn ccm_content_is_bounded() {
        let mut sealer = Sealer::new(ContentCipher::Aes128Ccm, &[1; 16], &[2; 13], b"").unwrap();
        assert!(sealer.update(&[0; 65_535], &mut Vec::new()).is_ok());
        assert!(matches!(sealer.update(&[0], &mut Vec::new()), Err(Error::Unsupported { .. })));
        let mut opener = Opener::new(ContentCipher::Aes128Ccm, &[1; 16], &[2; 12], b"").unwrap();
        assert!(opener.update(&vec![0; (16 << 20) - 1], &mut Vec::new()).is_ok());
        assert!(matches!(opener.update(&[0], &mut Vec::new()), Err(Error::Unsupported { .. })));
    }

    #[test]
    fn rc2_is_read_in_any_pieces_and_never_written() {
        // openssl enc -rc2-cbc (128 effective bits), of "old mail, " twenty times.
        let (key, iv) = ([0x11; 16], [0x22; 8]);
        let sealed = include_bytes!("../../../../vectors/crypto/rc2-cbc-128.bin");
        for piece in [1, 7, 8, 9, sealed.len()] {
            let mut opened = Vec::new();
            let mut opener = Opener::new(ContentCipher::Rc2Cbc128, &key, &iv, b"").unwrap();
            sealed.chunks(piece).for_each(|chunk| opener.update(chunk, &mut opened).unwrap());
            opener.finish(b"", &mut opened).unwrap();
            assert_eq!(opened, b"old mail, ".repeat(20));
        }
        let cut = Opener::new(ContentCipher::Rc2Cbc128, &key, &iv, b"").unwrap();
        assert_eq!(cut.finish(b"", &mut Vec::new()), Err(Error::BadValue));
        for cipher in [ContentCipher::Rc2Cbc40, ContentCipher::Rc2Cbc64, ContentCipher::Rc2Cbc128] {
            let key = vec![0; cipher.key_length()];
            assert!(matches!(Sealer::new(cipher, &key, &iv, b""), Err(Error::Weak { .. })));
        }
    }

    #[test]
    fn parameters_are_read_as_they_are_written() {
        for cipher in ContentCipher::EVERY {
            let parameters = ContentParameters::new(cipher, &vec![9; cipher.nonce_length()]);
            assert_eq!(ContentParameters::from_identifier(&parameters.identifier()), Ok(parameters), "{cipher}");
            for length in [0, 1, 6, 14, 64 << 10] {
                let odd = ContentParameters::new(cipher, &vec![9; length]).identifier();
                assert_eq!(ContentParameters::from_identifier(&odd), Err(Error::BadValue), "{cipher} {length}");
            }
        }
        for (tag_length, fits) in [(0, false), (11, false), (12, true), (13, true), (16, true), (17, false)] {
            let parameters =
                ContentParameters { tag_length, ..ContentParameters::new(ContentCipher::Aes256Gcm, &[0; 12]) };
            assert_eq!(ContentParameters::from_identifier(&parameters.identifier()).is_ok(), fits, "{tag_length}");
        }
    }
}
