use std::fmt;
use std::sync::Arc;

use asn1::parse_pem;
use crypto::{PrivateKey, SoftwareKey};

use crate::pkcs12::is_pkcs12;
use crate::private_key::{private_key_from_der, shape};
use crate::{Certificate, Pkcs12};

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
    /// Well-formed, and of a kind that is not read here.
    Unsupported {
        /// What it is.
        what: String,
    },
    /// The password does not open it.
    WrongPassword,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str("the private key is encrypted"),
            Self::Malformed { because } => write!(f, "the key cannot be read: {because}"),
            Self::Mismatch => f.write_str("the private key and the certificate do not belong together"),
            Self::NoCertificate => f.write_str("there is no certificate"),
            Self::NoKey => f.write_str("there is no private key"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
            Self::WrongPassword => f.write_str("the password is wrong"),
        }
    }
}

impl std::error::Error for CredentialError {}

impl From<asn1::Error> for CredentialError {
    fn from(error: asn1::Error) -> Self {
        Self::Malformed { because: error.to_string() }
    }
}

impl From<crypto::Error> for CredentialError {
    fn from(error: crypto::Error) -> Self {
        match error {
            crypto::Error::Unknown { oid } => Self::Unsupported { what: format!("the algorithm {oid}") },
            crypto::Error::Unsupported { algorithm } => Self::Unsupported { what: algorithm },
            error => Self::Malformed { because: error.to_string() },
        }
    }
}

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
        // A renewed certificate over the same key stands for the one before it.
        let latest = |(_, certificate): &(usize, &Certificate)| certificate.validity().not_after;
        let own = chain.iter().enumerate().filter(|(_, certificate)| belongs(certificate));
        let (index, _) = own.max_by_key(latest).ok_or(CredentialError::Mismatch)?;
        let certificate = chain.remove(index);
        chain.retain(|other| *other != certificate && (other.is_ca() || !belongs(other)));
        let chain = in_order(&certificate, chain);
        Ok(Self { key, certificate, chain })
    }

    /// From PEM with a key and certificates in any order, or from a key and certificates in files of their own.
    pub fn from_pem_or_der<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CredentialError> {
        Self::load(files, None)
    }

    /// From whatever there is: a PKCS #12 file, PEM with a key and certificates in any order, or a key and
    /// certificates in files of their own. Of several keys it is the first that one of the certificates belongs to.
    ///
    /// # Errors
    /// [`CredentialError::Encrypted`] without a password where one is needed, [`CredentialError::WrongPassword`] with
    /// one that does not open it, [`CredentialError::Mismatch`] when nothing belongs together (CASES T-128).
    pub fn load<'a>(
        files: impl IntoIterator<Item = &'a [u8]>,
        password: Option<&str>,
    ) -> Result<Self, CredentialError> {
        let mut all = Self::load_all(files, password)?;
        Ok(all.swap_remove(0))
    }

    /// The same, with every key that one of the certificates belongs to. There is at least one.
    pub fn load_all<'a>(
        files: impl IntoIterator<Item = &'a [u8]>,
        password: Option<&str>,
    ) -> Result<Vec<Self>, CredentialError> {
        Ok(Self::load_exportable(files, password)?.into_iter().map(|(_, credential)| credential).collect())
    }

    /// The same, each with its key as one that can be written out again.
    pub fn load_exportable<'a>(
        files: impl IntoIterator<Item = &'a [u8]>,
        password: Option<&str>,
    ) -> Result<Vec<(Arc<SoftwareKey>, Self)>, CredentialError> {
        let (mut keys, mut certificates, mut credentials) = (Vec::new(), Vec::new(), Vec::new());
        for bytes in files {
            for found in read_key_file(bytes, password)? {
                match found {
                    Found::Certificate(certificate) => certificates.push(certificate),
                    Found::Key(key) => keys.push(Arc::new(key)),
                    Found::Pkcs12(file) => credentials.append(&mut file.into_exportable()?),
                }
            }
        }
        if keys.is_empty() && credentials.is_empty() {
            return Err(CredentialError::NoKey);
        }
        let mut error = CredentialError::Mismatch;
        for key in keys {
            match Self::new(Arc::clone(&key) as Arc<dyn PrivateKey>, certificates.iter().cloned()) {
                Ok(credential) => credentials.push((key, credential)),
                Err(because) => error = because,
            }
        }
        if credentials.is_empty() { Err(error) } else { Ok(credentials) }
    }

    /// From a PKCS #12 file; of several keys the first that one of the certificates belongs to.
    pub fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Self, CredentialError> {
        let mut all = Pkcs12::from_der(bytes, Some(password))?.into_credentials()?;
        Ok(all.swap_remove(0))
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
    Certificate(Certificate),
    Key(SoftwareKey),
    Pkcs12(Pkcs12),
}

fn read_key_file(bytes: &[u8], password: Option<&str>) -> Result<Vec<Found>, CredentialError> {
    let malformed = |because: String| CredentialError::Malformed { because };
    if is_pkcs12(bytes) {
        return Ok(vec![Found::Pkcs12(Pkcs12::from_der(bytes, password)?)]);
    }
    let blocks = parse_pem(bytes).map_err(|error| malformed(error.to_string()))?;
    if blocks.is_empty() {
        if let Ok(certificate) = Certificate::from_der(bytes) {
            return Ok(vec![Found::Certificate(certificate)]);
        }
        return private_key_from_der(bytes, password).map(|key| vec![Found::Key(key)]);
    }
    let mut found = Vec::new();
    for block in blocks {
        match block.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                found.push(Found::Certificate(
                    Certificate::from_der(&block.der).map_err(|error| malformed(error.to_string()))?,
                ));
            }
            "PKCS12" => found.push(Found::Pkcs12(Pkcs12::from_der(&block.der, password)?)),
            label if label.ends_with("PRIVATE KEY") => {
                found.push(Found::Key(private_key_from_der(&block.der, password)?));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether bytes hold a private key in any form that is known here, encrypted or not, PKCS #12 included.
///
/// For uploads and mails from outside: what is found is dropped and its owner told (CASES T-73).
pub fn contains_private_key(bytes: &[u8]) -> bool {
    let in_pem = bytes.windows(16).any(|window| window == b"PRIVATE KEY-----");
    in_pem || shape(bytes).is_some() || is_pkcs12(bytes)
}
