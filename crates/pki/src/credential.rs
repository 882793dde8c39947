use std::fmt;
use std::sync::Arc;

use asn1::{Encoding, Reader, Tag, parse_pem};
use crypto::{PrivateKey, SoftwareKey};

use crate::Certificate;

/// A private key and the certificate that matches it, with the chain to send along. Nothing else makes one.
#[derive(Clone)]
pub struct Credential {
    key: Arc<dyn PrivateKey>,
    certificate: Certificate,
    chain: Vec<Certificate>,
}

/// Why there is no credential in what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// The key is encrypted, and no password was given.
    Encrypted,
    /// What was given cannot be read.
    Malformed {
        /// What it was taken for, and what is wrong.
        because: String,
    },
    /// None of the certificates belongs to the key (CASES T-128).
    Mismatch,
    /// There is no certificate.
    NoCertificate,
    /// There is no private key.
    NoKey,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str("the private key is encrypted"),
            Self::Malformed { because } => write!(f, "the key cannot be read: {because}"),
            Self::Mismatch => f.write_str("the private key and the certificate do not belong together"),
            Self::NoCertificate => f.write_str("there is no certificate"),
            Self::NoKey => f.write_str("there is no private key"),
        }
    }
}

impl std::error::Error for CredentialError {}

impl Credential {
    /// From a key and the certificates at hand: the one that belongs to the key is found, the others are its chain.
    pub fn new(
        key: Arc<dyn PrivateKey>,
        certificates: impl IntoIterator<Item = Certificate>,
    ) -> Result<Self, CredentialError> {
        let mut chain: Vec<Certificate> = certificates.into_iter().collect();
        if chain.is_empty() {
            return Err(CredentialError::NoCertificate);
        }
        let belongs = |certificate: &Certificate| {
            certificate.public_key().is_ok_and(|public| {
                // A key restricted to PSS may be held under the plain identifier, so the bits decide.
                public.bits() == key.public_key().bits()
            })
        };
        let index = chain.iter().position(belongs).ok_or(CredentialError::Mismatch)?;
        let certificate = chain.remove(index);
        let chain = in_order(&certificate, chain);
        Ok(Self { key, certificate, chain })
    }

    /// From PEM with a key and certificates in any order, or from a key and certificates in files of their own.
    pub fn from_pem_or_der<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CredentialError> {
        let (mut key, mut certificates) = (None, Vec::new());
        for bytes in files {
            for found in read_key_file(bytes)? {
                match found {
                    Found::Key(found) => key = key.or(Some(found)),
                    Found::Certificate(certificate) => certificates.push(certificate),
                }
            }
        }
        Self::new(Arc::new(key.ok_or(CredentialError::NoKey)?), certificates)
    }

    /// The private key.
    pub fn key(&self) -> &dyn PrivateKey {
        &*self.key
    }

    /// The private key, to be kept.
    pub fn shared_key(&self) -> Arc<dyn PrivateKey> {
        Arc::clone(&self.key)
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The other certificates that were given: the chain, nearest first, as far as it is there.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.certificate.subject())
    }
}

/// Each certificate behind the one that it issued; what belongs nowhere comes last.
fn in_order(leaf: &Certificate, mut rest: Vec<Certificate>) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::with_capacity(rest.len());
    loop {
        let issuer = chain.last().unwrap_or(leaf).issuer();
        match rest.iter().position(|candidate| candidate.subject() == issuer) {
            Some(index) => chain.push(rest.remove(index)),
            None => {
                chain.append(&mut rest);
                return chain;
            }
        }
    }
}

enum Found {
    Key(SoftwareKey),
    Certificate(Certificate),
}

fn read_key_file(bytes: &[u8]) -> Result<Vec<Found>, CredentialError> {
    let malformed = |because: String| CredentialError::Malformed { because };
    let blocks = parse_pem(bytes).map_err(|error| malformed(error.to_string()))?;
    if blocks.is_empty() {
        if let Ok(certificate) = Certificate::from_der(bytes) {
            return Ok(vec![Found::Certificate(certificate)]);
        }
        return read_private_key("", bytes).map(|key| vec![Found::Key(key)]);
    }
    let mut found = Vec::new();
    for block in blocks {
        match block.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                found.push(Found::Certificate(
                    Certificate::from_der(&block.der).map_err(|error| malformed(error.to_string()))?,
                ));
            }
            label if label.ends_with("PRIVATE KEY") => found.push(Found::Key(read_private_key(label, &block.der)?)),
            _ => {}
        }
    }
    Ok(found)
}

/// Reads a private key: PKCS #8, PKCS #1 or SEC 1, by its PEM label or, without one, by its shape.
fn read_private_key(label: &str, der: &[u8]) -> Result<SoftwareKey, CredentialError> {
    let key = match label {
        "ENCRYPTED PRIVATE KEY" => return Err(CredentialError::Encrypted),
        "RSA PRIVATE KEY" => SoftwareKey::from_pkcs1(der),
        "EC PRIVATE KEY" => SoftwareKey::from_sec1(der),
        "PRIVATE KEY" => SoftwareKey::from_pkcs8(der),
        _ => match shape(der) {
            Some(Shape::EncryptedPkcs8) => return Err(CredentialError::Encrypted),
            Some(Shape::Pkcs1) => SoftwareKey::from_pkcs1(der),
            Some(Shape::Sec1) => SoftwareKey::from_sec1(der),
            Some(Shape::Pkcs8) => SoftwareKey::from_pkcs8(der),
            None => return Err(CredentialError::NoKey),
        },
    };
    key.map_err(|error| CredentialError::Malformed { because: error.to_string() })
}

enum Shape {
    EncryptedPkcs8,
    Pkcs1,
    Pkcs8,
    Sec1,
}

// What follows the first element of the outermost SEQUENCE tells the four apart.
fn shape(der: &[u8]) -> Option<Shape> {
    let mut inside = Reader::new(der, Encoding::Ber).sequence("PrivateKey").ok()?;
    let first = inside.element().ok()?.tag();
    match (first, inside.peek()?) {
        (Tag::SEQUENCE, Tag::OCTET_STRING) => Some(Shape::EncryptedPkcs8),
        (Tag::INTEGER, Tag::SEQUENCE) => Some(Shape::Pkcs8),
        (Tag::INTEGER, Tag::INTEGER) => Some(Shape::Pkcs1),
        (Tag::INTEGER, Tag::OCTET_STRING) => Some(Shape::Sec1),
        _ => None,
    }
}

/// Whether bytes hold a private key in any form that is known here, encrypted or not, PKCS #12 included.
///
/// For uploads and mails from outside: what is found is dropped and its owner told (CASES T-73).
pub fn contains_private_key(bytes: &[u8]) -> bool {
    let in_pem = bytes.windows(16).any(|window| window == b"PRIVATE KEY-----");
    in_pem || shape(bytes).is_some() || is_pkcs12(bytes)
}

// PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, … } (RFC 7292 §4)
fn is_pkcs12(bytes: &[u8]) -> bool {
    let parse = || -> Result<bool, asn1::Error> {
        let mut inside = Reader::new(bytes, Encoding::Ber).sequence("PFX")?;
        let version = inside.small_integer()?;
        Ok(version == 3 && inside.sequence("authSafe")?.oid().is_ok())
    };
    parse().unwrap_or(false)
}
