use asn1::{Oid, Tag, Writer};
use crypto::{DigestAlgorithm, PasswordMac, SoftwareKey};
use zeroize::Zeroizing;

use super::oids;
use crate::private_key::{Protection, encrypted_pkcs8};
use crate::{Certificate, CredentialError};

/// Puts keys and certificates into one file under one password.
///
/// Keys and certificates are encrypted, and a MAC covers all: AES-256-CBC (PBES2) with HMAC-SHA-256, or what
/// [`Protection::Compatible`] says.
pub struct Pkcs12Builder {
    entries: Vec<Entry>,
    chain: Vec<Certificate>,
    protection: Protection,
    iterations: Option<u32>,
}

struct Entry {
    pkcs8: Zeroizing<Vec<u8>>,
    certificate: Certificate,
    friendly_name: Option<String>,
}

impl Pkcs12Builder {
    /// An empty one.
    pub fn new(protection: Protection) -> Self {
        Self { entries: Vec::new(), chain: Vec::new(), protection, iterations: None }
    }

    /// Adds a key and its certificate, under a name that people see.
    ///
    /// # Errors
    /// [`CredentialError::Mismatch`] when they do not belong together (CASES T-128).
    pub fn key(
        mut self,
        key: &SoftwareKey,
        certificate: &Certificate,
        friendly_name: Option<&str>,
    ) -> Result<Self, CredentialError> {
        use crypto::PrivateKey as _;
        if !certificate.public_key().is_ok_and(|public| public.bits() == key.public_key().bits()) {
            return Err(CredentialError::Mismatch);
        }
        self.entries.push(Entry {
            pkcs8: key.to_pkcs8(),
            certificate: certificate.clone(),
            friendly_name: friendly_name.map(str::to_owned),
        });
        Ok(self)
    }

    /// Adds certificates of CAs.
    #[must_use]
    pub fn chain<'a>(mut self, certificates: impl IntoIterator<Item = &'a Certificate>) -> Self {
        for certificate in certificates {
            if !self.chain.contains(certificate) {
                self.chain.push(certificate.clone());
            }
        }
        self
    }

    /// With this many rounds for each derivation, for machines that are slow.
    #[must_use]
    pub fn iterations(self, iterations: u32) -> Self {
        Self { iterations: Some(iterations), ..self }
    }

    /// The file, in DER.
    pub fn build(&self, password: &str) -> Result<Vec<u8>, CredentialError> {
        // All derivations of a file share what a reader will spend on one: with many keys, less on each.
        let derivations = u32::try_from(self.entries.len()).unwrap_or(u32::MAX).saturating_add(2);
        let fair = self.protection.iterations().min(2_400_000 / derivations);
        let iterations = self.iterations.unwrap_or(fair).max(1);
        let safe = self.authenticated_safe(password, iterations)?;
        let mac = match self.protection {
            Protection::Modern => PasswordMac::generate(DigestAlgorithm::Sha256, iterations),
            Protection::Compatible => PasswordMac::generate(DigestAlgorithm::Sha1, iterations),
        }?;
        let tag = mac.compute(&mac.form().octets(password), &safe)?;
        let (algorithm, salt, iterations) = mac.parts();
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.unsigned(3);
            content_info(w, &oids::DATA, |w| w.octet_string(&safe));
            w.sequence(|w| {
                w.sequence(|w| {
                    algorithm.encode(w);
                    w.octet_string(&tag);
                });
                w.octet_string(&salt);
                w.unsigned(u64::from(iterations));
            });
        });
        Ok(writer.into_vec())
    }

    // Certificates first, keys behind them, each in a part of its own, as every reader expects it.
    fn authenticated_safe(&self, password: &str, iterations: u32) -> Result<Vec<u8>, CredentialError> {
        let encryption = self.protection.encryption(password, iterations)?;
        let sealed = encryption.encrypt(&encryption.form().octets(password), &self.certificate_bags())?;
        let keys = Zeroizing::new(self.key_bags(password, iterations)?);
        let mut writer = Writer::new();
        writer.sequence(|w| {
            content_info(w, &oids::ENCRYPTED_DATA, |w| {
                w.sequence(|w| {
                    w.unsigned(0);
                    w.sequence(|w| {
                        w.oid(&oids::DATA);
                        encryption.identifier().encode(w);
                        w.primitive(Tag::context(0), &sealed);
                    });
                });
            });
            content_info(w, &oids::DATA, |w| w.octet_string(&keys));
        });
        Ok(writer.into_vec())
    }

    fn certificate_bags(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            let mut bag = |certificate: &Certificate, attributes: Vec<Vec<u8>>| {
                safe_bag(w, &oids::CERT_BAG, attributes, |w| {
                    w.sequence(|w| {
                        w.oid(&oids::X509_CERTIFICATE);
                        w.context(0, |w| w.octet_string(certificate.der()));
                    });
                });
            };
            for entry in &self.entries {
                bag(&entry.certificate, entry.attributes());
            }
            let is_own = |certificate: &&Certificate| self.entries.iter().any(|own| own.certificate == **certificate);
            for certificate in self.chain.iter().filter(|certificate| !is_own(certificate)) {
                bag(certificate, Vec::new());
            }
        });
        writer.into_vec()
    }

    fn key_bags(&self, password: &str, iterations: u32) -> Result<Vec<u8>, CredentialError> {
        let mut shrouded = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let encryption = self.protection.encryption(password, iterations)?;
            shrouded.push(encrypted_pkcs8(&entry.pkcs8, password, &encryption)?);
        }
        let mut writer = Writer::new();
        writer.sequence(|w| {
            for (entry, shrouded) in self.entries.iter().zip(&shrouded) {
                safe_bag(w, &oids::SHROUDED_KEY_BAG, entry.attributes(), |w| w.raw(shrouded));
            }
        });
        Ok(writer.into_vec())
    }
}

impl std::fmt::Debug for Pkcs12Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pkcs12Builder({} keys, {:?})", self.entries.len(), self.protection)
    }
}

impl Entry {
    // Key and certificate carry the same identifier: the certificate's SHA-1, as everybody has it.
    fn attributes(&self) -> Vec<Vec<u8>> {
        let id = self.certificate.sha1();
        let mut attributes = vec![attribute(&oids::LOCAL_KEY_ID, |w| w.octet_string(&id))];
        if let Some(name) = &self.friendly_name {
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            attributes.push(attribute(&oids::FRIENDLY_NAME, |w| w.primitive(Tag::BMP_STRING, &name)));
        }
        attributes
    }
}

fn attribute(kind: &Oid, value: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut inner = Writer::new();
    value(&mut inner);
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.oid(kind);
        w.set_of(vec![inner.into_vec()]);
    });
    writer.into_vec()
}

fn content_info(writer: &mut Writer, kind: &Oid, content: impl FnOnce(&mut Writer)) {
    writer.sequence(|w| {
        w.oid(kind);
        w.context(0, content);
    });
}

fn safe_bag(writer: &mut Writer, kind: &Oid, attributes: Vec<Vec<u8>>, value: impl FnOnce(&mut Writer)) {
    writer.sequence(|w| {
        w.oid(kind);
        w.context(0, value);
        if !attributes.is_empty() {
            w.set_of(attributes);
        }
    });
}
