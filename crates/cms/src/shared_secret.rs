//! Recipients without a key pair: a key that both already have, or a password.

use asn1::{Encoding, Error as Asn1Error, Reader, Tag, Writer};
use crypto::{
    AlgorithmIdentifier, ContentCipher, ContentParameters, DigestAlgorithm, KeyWrapAlgorithm, Opener, Sealer,
    oids as algorithms,
};
use zeroize::Zeroizing;

use crate::{Error, oids};

/// A key-encryption key that sender and recipient already have (RFC 5652 §6.2.3).
#[derive(Clone)]
pub struct SharedKey {
    identifier: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl SharedKey {
    /// With the name that messages give it.
    ///
    /// # Errors
    /// When it is not as long as an AES key.
    pub fn new(identifier: &[u8], key: &[u8]) -> Result<Self, Error> {
        match KeyWrapAlgorithm::for_key_length(key.len()) {
            Some(_) => Ok(Self { identifier: identifier.to_vec(), key: Zeroizing::new(key.to_vec()) }),
            None => Err(Error::NotARecipient { because: "a shared key has 16, 24 or 32 octets" }),
        }
    }

    /// The name that messages give it.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    // KEKRecipientInfo, with [2] IMPLICIT in RecipientInfo.
    pub(crate) fn encode(&self, content_key: &[u8]) -> Result<Vec<u8>, Error> {
        let wrap = KeyWrapAlgorithm::for_key_length(self.key.len()).ok_or(crypto::Error::BadValue)?;
        let wrapped = wrap.wrap(&self.key, content_key)?;
        let mut writer = Writer::new();
        writer.constructed(Tag::context_constructed(2), |w| {
            w.unsigned(4);
            w.sequence(|w| w.octet_string(&self.identifier));
            wrap.identifier().encode(w);
            w.octet_string(&wrapped);
        });
        Ok(writer.into_vec())
    }
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedKey({:02X?})", self.identifier)
    }
}

/// ```text
/// KEKRecipientInfo ::= SEQUENCE {
///   version CMSVersion,  -- always set to 4
///   kekid KEKIdentifier, keyEncryptionAlgorithm, encryptedKey }
/// KEKIdentifier ::= SEQUENCE { keyIdentifier OCTET STRING, date GeneralizedTime OPTIONAL, other OPTIONAL }
/// ```
/// RFC 5652 §6.2.3.
#[derive(Debug, Clone)]
pub(crate) struct KekRecipientInfo {
    identifier: Vec<u8>,
    algorithm: AlgorithmIdentifier,
    encrypted_key: Vec<u8>,
}

impl KekRecipientInfo {
    pub(crate) fn parse(mut inside: Reader<'_>) -> Result<Self, Asn1Error> {
        inside.integer()?;
        let identifier = inside.sequence("KEKIdentifier")?.octet_string()?.into_owned();
        let algorithm = AlgorithmIdentifier::parse(&mut inside)?;
        let encrypted_key = inside.octet_string()?.into_owned();
        inside.finish()?;
        Ok(Self { identifier, algorithm, encrypted_key })
    }

    /// `None` when another key is named.
    pub(crate) fn content_key(&self, key: &SharedKey) -> Option<Result<Zeroizing<Vec<u8>>, crypto::Error>> {
        (key.identifier == self.identifier).then(|| {
            let wrap = KeyWrapAlgorithm::from_identifier(&self.algorithm)?;
            if wrap.key_length() != key.key.len() {
                return Err(crypto::Error::BadValue);
            }
            wrap.unwrap(&key.key, &self.encrypted_key)
        })
    }
}

/// Iterations that passwords may cost in one message (CASES T-46, N-24).
const MOST_ITERATIONS: u32 = 2_000_000;
/// What we write.
const OUR_ITERATIONS: u32 = 600_000;

/// What deriving keys from passwords has cost in a message.
#[derive(Debug, Default)]
pub(crate) struct PasswordBudget(u32);

impl PasswordBudget {
    fn take(&mut self, iterations: u32) -> Result<(), crypto::Error> {
        self.0 = self.0.saturating_add(iterations);
        if self.0 > MOST_ITERATIONS { Err(crypto::Error::BadValue) } else { Ok(()) }
    }
}

/// ```text
/// PasswordRecipientInfo ::= SEQUENCE {
///   version CMSVersion,  -- always set to 0
///   keyDerivationAlgorithm [0] KeyDerivationAlgorithmIdentifier OPTIONAL,
///   keyEncryptionAlgorithm, encryptedKey }
/// ```
/// RFC 5652 §6.2.4, RFC 3211 §1.2.1, §2.2.
#[derive(Debug, Clone)]
pub(crate) struct PasswordRecipientInfo {
    derivation: Option<AlgorithmIdentifier>,
    algorithm: AlgorithmIdentifier,
    encrypted_key: Vec<u8>,
}

impl PasswordRecipientInfo {
    pub(crate) fn parse(mut inside: Reader<'_>) -> Result<Self, Asn1Error> {
        inside.integer()?;
        let derivation =
            inside.context(0, "keyDerivationAlgorithm")?.map(AlgorithmIdentifier::parse_inside).transpose()?;
        let algorithm = AlgorithmIdentifier::parse(&mut inside)?;
        let encrypted_key = inside.octet_string()?.into_owned();
        inside.finish()?;
        Ok(Self { derivation, algorithm, encrypted_key })
    }

    pub(crate) fn content_key(
        &self,
        password: &str,
        budget: &mut PasswordBudget,
    ) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
        const MALFORMED: crypto::Error = crypto::Error::MalformedParameters { algorithm: "PasswordRecipientInfo" };
        if self.algorithm.oid != oids::ID_ALG_PWRI_KEK {
            return Err(crypto::Error::Unknown { oid: self.algorithm.oid });
        }
        let inner = self.algorithm.parameters.as_deref().ok_or(MALFORMED)?;
        let inner = AlgorithmIdentifier::parse(&mut Reader::new(inner, Encoding::Ber)).map_err(|_| MALFORMED)?;
        let ContentParameters { cipher, nonce, .. } = ContentParameters::from_identifier(&inner)?;
        if cipher.is_authenticated() {
            return Err(MALFORMED);
        }
        // CASES T-46: without a derivation the key would have to come from elsewhere.
        let derivation = self.derivation.as_ref().ok_or(MALFORMED)?;
        if derivation.oid != algorithms::PBKDF2 {
            return Err(crypto::Error::Unknown { oid: derivation.oid });
        }
        let (digest, salt, iterations) = pbkdf2_parameters(derivation).map_err(|_| MALFORMED)?;
        budget.take(iterations)?;
        let kek = crypto::pbkdf2(digest, password.as_bytes(), &salt, iterations, cipher.key_length())?;
        unwrap(cipher, &kek, &nonce, &self.encrypted_key)
    }
}

// PBKDF2-params ::= SEQUENCE { salt CHOICE { specified OCTET STRING, … }, iterationCount, keyLength OPTIONAL,
//   prf AlgorithmIdentifier DEFAULT hmacWithSHA1 } (RFC 8018 §A.2, RFC 5652 §10.1.6, RFC 3211 §2.1)
fn pbkdf2_parameters(identifier: &AlgorithmIdentifier) -> Result<(DigestAlgorithm, Vec<u8>, u32), Asn1Error> {
    let parameters = identifier.parameters.as_deref().unwrap_or_default();
    let mut outer = Reader::new(parameters, Encoding::Ber);
    let mut inside = outer.sequence("PBKDF2-params")?;
    let salt = inside.octet_string()?.into_owned();
    let iterations = inside.small_integer()?;
    inside.optional(Tag::INTEGER)?;
    let prf = if inside.is_empty() { algorithms::HMAC_WITH_SHA1 } else { AlgorithmIdentifier::parse(&mut inside)?.oid };
    let digest = match prf {
        algorithms::HMAC_WITH_SHA1 => DigestAlgorithm::Sha1,
        algorithms::HMAC_WITH_SHA256 => DigestAlgorithm::Sha256,
        algorithms::HMAC_WITH_SHA384 => DigestAlgorithm::Sha384,
        algorithms::HMAC_WITH_SHA512 => DigestAlgorithm::Sha512,
        _ => return Err(inside.malformed(asn1::Because::BadValue)),
    };
    Ok((digest, salt, iterations))
}

/// A PasswordRecipientInfo, with [3] IMPLICIT in RecipientInfo.
pub(crate) fn encode_password(password: &str, content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = ContentCipher::Aes256Cbc;
    let (salt, nonce): ([u8; 16], [u8; 16]) = (crypto::random_array()?, crypto::random_array()?);
    let kek = crypto::pbkdf2(DigestAlgorithm::Sha256, password.as_bytes(), &salt, OUR_ITERATIONS, cipher.key_length())?;
    let wrapped = wrap(cipher, &kek, &nonce, content_key)?;
    let derivation = AlgorithmIdentifier::with(algorithms::PBKDF2, |w| {
        w.sequence(|w| {
            w.octet_string(&salt);
            w.unsigned(u64::from(OUR_ITERATIONS));
            AlgorithmIdentifier::with_null(algorithms::HMAC_WITH_SHA256).encode(w);
        });
    });
    let mut writer = Writer::new();
    writer.constructed(Tag::context_constructed(3), |w| {
        w.unsigned(0);
        derivation.encode_tagged(w, Tag::context_constructed(0));
        AlgorithmIdentifier::with(oids::ID_ALG_PWRI_KEK, |w| {
            ContentParameters::new(cipher, &nonce).identifier().encode(w);
        })
        .encode(w);
        w.octet_string(&wrapped);
    });
    Ok(writer.into_vec())
}

// RFC 3211 §2.3.1: the key behind its length and three check octets, encrypted twice in CBC, the second time with the
// last block of the first as its vector.
fn wrap(cipher: ContentCipher, kek: &[u8], nonce: &[u8], key: &[u8]) -> Result<Vec<u8>, crypto::Error> {
    let block = nonce.len();
    let mut padded = Zeroizing::new(Vec::with_capacity(64));
    padded.push(u8::try_from(key.len()).map_err(|_| crypto::Error::BadValue)?);
    padded.extend(key.iter().take(3).map(|octet| !octet));
    padded.extend_from_slice(key);
    let length = padded.len().next_multiple_of(block).max(2 * block);
    let mut random = vec![0; length - padded.len()];
    crypto::random(&mut random)?;
    padded.extend_from_slice(&random);
    let once = encrypt_blocks(cipher, kek, nonce, &padded)?;
    let last = once.get(once.len() - block..).unwrap_or_default().to_vec();
    encrypt_blocks(cipher, kek, &last, &once)
}

// RFC 3211 §2.3.2. CASES T-46: at least two blocks, and the length inside fits what is there.
fn unwrap(
    cipher: ContentCipher,
    kek: &[u8],
    nonce: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
    const MOST: usize = 512;
    let block = cipher.nonce_length();
    let whole = wrapped.len() >= 2 * block && wrapped.len().is_multiple_of(block) && wrapped.len() <= MOST;
    if !whole || nonce.len() != block {
        return Err(crypto::Error::BadValue);
    }
    let (head, last) = wrapped.split_at(wrapped.len() - block);
    let before = head.get(head.len() - block..).unwrap_or_default();
    let vector = Opener::unpadded_blocks(cipher, kek, before, last)?;
    let mut once = Opener::unpadded_blocks(cipher, kek, &vector, head)?;
    once.extend_from_slice(&vector);
    let padded = Opener::unpadded_blocks(cipher, kek, nonce, &once)?;
    let (Some(&length), Some(check), Some(rest)) = (padded.first(), padded.get(1..4), padded.get(4..)) else {
        return Err(crypto::Error::BadValue);
    };
    let key = rest.get(..usize::from(length)).ok_or(crypto::Error::BadValue)?;
    let expected: Vec<u8> = key.iter().take(3).map(|octet| !octet).collect();
    if expected.len() != 3 || !crypto::constant_time_eq(check, &expected) {
        return Err(crypto::Error::BadValue);
    }
    Ok(Zeroizing::new(key.to_vec()))
}

/// CBC over whole blocks. The cipher pads, so what it adds behind them is left away.
fn encrypt_blocks(cipher: ContentCipher, key: &[u8], vector: &[u8], blocks: &[u8]) -> Result<Vec<u8>, crypto::Error> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(cipher, key, vector, b"")?;
    sealer.update(blocks, &mut out)?;
    sealer.finish(&mut out)?;
    out.truncate(blocks.len());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_come_back_and_nothing_else_does() {
        let (kek, nonce) = ([7; 32], [9; 16]);
        for length in [16, 24, 32] {
            let key: Vec<u8> = (0..length).collect();
            let wrapped = wrap(ContentCipher::Aes256Cbc, &kek, &nonce, &key).unwrap();
            assert_eq!(*unwrap(ContentCipher::Aes256Cbc, &kek, &nonce, &wrapped).unwrap(), key);
            assert!(unwrap(ContentCipher::Aes256Cbc, &[8; 32], &nonce, &wrapped).is_err());
            for cut in 0..wrapped.len() {
                assert!(unwrap(ContentCipher::Aes256Cbc, &kek, &nonce, &wrapped[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn t_46_iterations_are_bounded_over_the_whole_message() {
        let mut budget = PasswordBudget::default();
        assert!(budget.take(MOST_ITERATIONS - 1).is_ok());
        assert!(budget.take(2).is_err());
        assert!(budget.take(u32::MAX).is_err());
    }
}
