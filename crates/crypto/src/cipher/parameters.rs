use asn1::{Encoding, Reader};

use super::ContentCipher;
use crate::{AlgorithmIdentifier, Error, oids};

/// What a contentEncryptionAlgorithm says: the cipher, its nonce, and how long the tag is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentParameters {
    /// The cipher.
    pub cipher: ContentCipher,
    /// The nonce or initialization vector.
    pub nonce: Vec<u8>,
    /// Octets of the tag; 0 where the cipher has none.
    pub tag_length: usize,
}

impl ContentParameters {
    /// With the longest tag.
    pub fn new(cipher: ContentCipher, nonce: &[u8]) -> Self {
        Self { cipher, nonce: nonce.to_vec(), tag_length: if cipher.is_authenticated() { 16 } else { 0 } }
    }

    /// Reads them, before any key is touched (RFC 5652 §10.1.4).
    ///
    /// # Errors
    /// [`Error::BadValue`] for a nonce or tag of another length than is accepted (CASES T-22), [`Error::Unknown`] for
    /// other algorithms.
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        let parameters = identifier.parameters.as_deref().unwrap_or_default();
        let mut reader = Reader::new(parameters, Encoding::Ber);
        let (cipher, nonce, tag_length) = if identifier.oid == oids::RC2_CBC {
            // RFC 3370 §5.2: RC2-CBC parameter ::= SEQUENCE { rc2ParameterVersion INTEGER, iv OCTET STRING }
            let malformed = |_: asn1::Error| Error::MalformedParameters { algorithm: "RC2-CBC" };
            let mut inside = reader.sequence("RC2-CBC parameter").map_err(malformed)?;
            let cipher = match inside.small_integer().map_err(malformed)? {
                160 => ContentCipher::Rc2Cbc40,
                120 => ContentCipher::Rc2Cbc64,
                58 => ContentCipher::Rc2Cbc128,
                _ => return Err(Error::Unsupported { algorithm: "RC2-CBC with this key length".into() }),
            };
            let nonce = inside.octet_string().map_err(malformed)?.into_owned();
            inside.finish().map_err(malformed)?;
            (cipher, nonce, 0)
        } else {
            let cipher = match identifier.oid {
                oids::CHACHA20_POLY1305 => ContentCipher::ChaCha20Poly1305,
                oid => ContentCipher::from_oid(oid).ok_or(Error::Unknown { oid })?,
            };
            let malformed = |_: asn1::Error| Error::MalformedParameters { algorithm: cipher.name() };
            if cipher == ContentCipher::ChaCha20Poly1305 {
                // RFC 8103 §3: AEADChaCha20Poly1305Nonce ::= OCTET STRING (SIZE(12)); the tag has 16 octets.
                (cipher, reader.octet_string().map_err(malformed)?.into_owned(), 16)
            } else if cipher.is_authenticated() {
                // RFC 5084 §3.1, §3.2: both SEQUENCE { aes-nonce OCTET STRING, aes-ICVlen INTEGER DEFAULT 12 }
                let mut inside = reader.sequence("GCMParameters").map_err(malformed)?;
                let nonce = inside.octet_string().map_err(malformed)?.into_owned();
                let tag_length = if inside.is_empty() { 12 } else { inside.small_integer().map_err(malformed)? };
                inside.finish().map_err(malformed)?;
                (cipher, nonce, usize::try_from(tag_length).unwrap_or(usize::MAX))
            } else {
                (cipher, reader.octet_string().map_err(malformed)?.into_owned(), 0)
            }
        };
        reader.finish().map_err(|_| Error::MalformedParameters { algorithm: cipher.name() })?;
        // CASES T-22: before any work.
        let tag_fits = if cipher.is_authenticated() { cipher.allows_tag(tag_length) } else { tag_length == 0 };
        if !tag_fits || !cipher.allows_nonce(nonce.len()) {
            return Err(Error::BadValue);
        }
        Ok(Self { cipher, nonce, tag_length })
    }

    /// The identifier with these parameters.
    pub fn identifier(&self) -> AlgorithmIdentifier {
        let version = match self.cipher {
            ContentCipher::Rc2Cbc40 => Some(160),
            ContentCipher::Rc2Cbc64 => Some(120),
            ContentCipher::Rc2Cbc128 => Some(58),
            _ => None,
        };
        AlgorithmIdentifier::with(self.cipher.oid(), |w| {
            if let Some(version) = version {
                w.sequence(|w| {
                    w.unsigned(version);
                    w.octet_string(&self.nonce);
                });
            } else if self.cipher.is_authenticated() && self.cipher != ContentCipher::ChaCha20Poly1305 {
                w.sequence(|w| {
                    w.octet_string(&self.nonce);
                    // DER: the default is left out.
                    if self.tag_length != 12 {
                        w.unsigned(u64::try_from(self.tag_length).unwrap_or(0));
                    }
                });
            } else {
                w.octet_string(&self.nonce);
            }
        })
    }
}
