//! PKCS #12 (RFC 7292): keys and certificates in one file under one password.

mod oids;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

use crypto::{PrivateKey, SoftwareKey};

use crate::{Certificate, Credential, CredentialError};

pub use write::Pkcs12Builder;

/// What a `.p12` or `.pfx` file holds.
pub struct Pkcs12 {
    keys: Vec<StoredKey>,
    certificates: Vec<StoredCertificate>,
    integrity: Integrity,
    skipped: usize,
}

/// What protects the file from being changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Integrity {
    /// HMAC with PKCS #12's own key derivation.
    Mac,
    /// Nothing. Each key and certificate is still what it is, but any could have been taken away or added.
    None,
    /// HMAC with PBKDF2 (RFC 9579).
    Pbmac1,
}

/// A private key of the file.
pub struct StoredKey {
    key: Result<SoftwareKey, crypto::Error>,
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
}

/// A certificate of the file.
#[derive(Debug, Clone)]
pub struct StoredCertificate {
    certificate: Certificate,
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
}

impl Pkcs12 {
    /// Reads a file in DER or BER. Without a password those open that have none, or an empty one.
    ///
    /// # Errors
    /// [`CredentialError::Encrypted`] without a password where one is needed, [`CredentialError::WrongPassword`] with
    /// one that does not open it.
    pub fn from_der(bytes: &[u8], password: Option<&str>) -> Result<Self, CredentialError> {
        read::parse(bytes, password)
    }

    /// The keys, those of unknown kind included.
    pub fn keys(&self) -> &[StoredKey] {
        &self.keys
    }

    /// The certificates.
    pub fn certificates(&self) -> &[StoredCertificate] {
        &self.certificates
    }

    /// What protects the file from being changed.
    pub fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// How many entries were passed over: revocation lists, secrets, certificates that cannot be
    /// read, parts that are encrypted to a certificate.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Each key with its certificate, and with the certificates that are no key's as the chain.
    ///
    /// # Errors
    /// When there is not even one: no key, one of a kind that is not known, no certificate, or none that belongs.
    pub fn into_credentials(self) -> Result<Vec<Credential>, CredentialError> {
        Ok(self.into_exportable()?.into_iter().map(|(_, credential)| credential).collect())
    }

    pub(crate) fn into_exportable(self) -> Result<Vec<(Arc<SoftwareKey>, Credential)>, CredentialError> {
        if self.keys.is_empty() {
            return Err(CredentialError::NoKey);
        }
        if self.certificates.is_empty() {
            return Err(CredentialError::NoCertificate);
        }
        let belongs_to = |certificate: &Certificate, key: &SoftwareKey| {
            certificate.public_key().is_ok_and(|public| public.bits() == key.public_key().bits())
        };
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for stored in self.certificates {
            let mut keys = self.keys.iter().filter_map(|stored| stored.key.as_ref().ok());
            let owned = keys.any(|key| belongs_to(&stored.certificate, key));
            if owned { own.push(stored.certificate) } else { others.push(stored.certificate) }
        }
        let (mut credentials, mut first_error) = (Vec::new(), None);
        for stored in self.keys {
            let credential = stored.key.map_err(CredentialError::from).and_then(|key| {
                let own = own.iter().filter(|certificate| belongs_to(certificate, &key)).cloned();
                let certificates: Vec<Certificate> = own.chain(others.iter().cloned()).collect();
                let key = Arc::new(key);
                let credential = Credential::new(Arc::clone(&key) as Arc<dyn PrivateKey>, certificates)?;
                Ok((key, credential))
            });
            match credential {
                Ok(credential) => credentials.push(credential),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match (credentials.is_empty(), first_error) {
            (true, Some(error)) => Err(error),
            _ => Ok(credentials),
        }
    }
}

impl fmt::Debug for Pkcs12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs12({} keys, {} certificates)", self.keys.len(), self.certificates.len())
    }
}

impl StoredKey {
    /// The key; an error when it is of a kind that is not known here.
    pub fn key(&self) -> Result<&SoftwareKey, &crypto::Error> {
        self.key.as_ref()
    }

    /// The name that people see.
    pub fn friendly_name(&self) -> Option<&str> {
        self.friendly_name.as_deref()
    }

    /// What ties it to its certificate.
    pub fn local_key_id(&self) -> Option<&[u8]> {
        self.local_key_id.as_deref()
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey({:?})", self.friendly_name)
    }
}

impl StoredCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The name that people see.
    pub fn friendly_name(&self) -> Option<&str> {
        self.friendly_name.as_deref()
    }

    /// What ties it to its key.
    pub fn local_key_id(&self) -> Option<&[u8]> {
        self.local_key_id.as_deref()
    }
}

/// Whether bytes are a PKCS #12 file, whatever its password.
// PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData MacData OPTIONAL } (RFC 7292 §4)
pub(crate) fn is_pkcs12(bytes: &[u8]) -> bool {
    let parse = || -> Result<bool, asn1::Error> {
        let mut inside = asn1::Reader::new(bytes, asn1::Encoding::Ber).sequence("PFX")?;
        let version = inside.small_integer()?;
        Ok(version == 3 && inside.sequence("authSafe")?.oid().is_ok())
    };
    parse().unwrap_or(false)
}
