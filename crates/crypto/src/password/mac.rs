use asn1::{Encoding, Reader};
use zeroize::Zeroizing;

use super::derivation::{Pbkdf2, Pkcs12Purpose, hmac_digest, hmac_oid, pkcs12};
use super::{PasswordForm, PasswordWork, check_salt};
use crate::{AlgorithmIdentifier, DigestAlgorithm, Error, hmac, oids, random, verify_hmac};

/// What protects a PKCS #12 file from being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordMac(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// RFC 7292 §5.1: HMAC with PKCS #12's own derivation.
    Pkcs12 { digest: DigestAlgorithm, salt: Vec<u8>, iterations: u32 },
    /// RFC 9579 §4: HMAC with PBKDF2.
    Pbmac1 { derivation: Pbkdf2, digest: DigestAlgorithm },
}

impl PasswordMac {
    /// From the fields of `MacData` (RFC 7292 §4): the algorithm inside its DigestInfo, salt and iterations.
    pub fn from_parts(algorithm: &AlgorithmIdentifier, salt: &[u8], iterations: u32) -> Result<Self, Error> {
        if algorithm.oid == oids::PBMAC1 {
            return Self::pbmac1(algorithm);
        }
        check_salt(salt)?;
        let digest = DigestAlgorithm::from_identifier(algorithm)?;
        Ok(Self(Kind::Pkcs12 { digest, salt: salt.to_vec(), iterations }))
    }

    // PBMAC1-params ::= SEQUENCE { keyDerivationFunc AlgorithmIdentifier, messageAuthScheme AlgorithmIdentifier }
    fn pbmac1(algorithm: &AlgorithmIdentifier) -> Result<Self, Error> {
        let malformed = |_| Error::MalformedParameters { algorithm: "PBMAC1" };
        let mut outer = Reader::new(algorithm.parameters.as_deref().unwrap_or_default(), Encoding::Ber);
        let mut inside = outer.sequence("PBMAC1-params").map_err(malformed)?;
        let derivation = Pbkdf2::from_identifier(&AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?)?;
        let digest = hmac_digest(&AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?)?;
        inside.finish().map_err(malformed)?;
        // RFC 9579 §4: the length of the key is stated; §6 asks for 20 octets at least, which keeps guessing dear.
        match derivation.length {
            Some(20..) => Ok(Self(Kind::Pbmac1 { derivation, digest })),
            _ => Err(Error::MalformedParameters { algorithm: "PBMAC1" }),
        }
    }

    /// A fresh one as everything reads it: PKCS #12's own, with this digest.
    pub fn generate(digest: DigestAlgorithm, iterations: u32) -> Result<Self, Error> {
        let mut salt = vec![0; 16];
        random(&mut salt)?;
        Ok(Self(Kind::Pkcs12 { digest, salt, iterations }))
    }

    /// A fresh PBMAC1 with SHA-256.
    pub fn generate_pbmac1(iterations: u32) -> Result<Self, Error> {
        let mut salt = vec![0; 16];
        random(&mut salt)?;
        let derivation = Pbkdf2 { salt, iterations, length: Some(32), prf: DigestAlgorithm::Sha256 };
        Ok(Self(Kind::Pbmac1 { derivation, digest: DigestAlgorithm::Sha256 }))
    }

    /// The fields of `MacData`: algorithm, salt, iterations.
    pub fn parts(&self) -> (AlgorithmIdentifier, Vec<u8>, u32) {
        match &self.0 {
            Kind::Pkcs12 { digest, salt, iterations } => {
                (AlgorithmIdentifier::with_null(digest.oid()), salt.clone(), *iterations)
            }
            Kind::Pbmac1 { derivation, digest } => {
                let algorithm = AlgorithmIdentifier::with(oids::PBMAC1, |w| {
                    w.sequence(|w| {
                        derivation.identifier().encode(w);
                        if let Some(oid) = hmac_oid(*digest) {
                            AlgorithmIdentifier::with_null(oid).encode(w);
                        }
                    });
                });
                // RFC 9579 §4: salt and iterations of MacData have no meaning then, and are there for old readers.
                (algorithm, b"NOT USED".to_vec(), 1)
            }
        }
    }

    /// In which octets the password enters.
    pub fn form(&self) -> PasswordForm {
        match self.0 {
            Kind::Pkcs12 { .. } => PasswordForm::Utf16,
            Kind::Pbmac1 { .. } => PasswordForm::Utf8,
        }
    }

    /// Whether this is PBMAC1.
    pub fn is_pbmac1(&self) -> bool {
        matches!(self.0, Kind::Pbmac1 { .. })
    }

    fn digest_and_key(
        &self,
        password: &[u8],
        work: &mut PasswordWork,
    ) -> Result<(DigestAlgorithm, Zeroizing<Vec<u8>>), Error> {
        Ok(match &self.0 {
            Kind::Pkcs12 { digest, salt, iterations } => {
                let purpose = Pkcs12Purpose::MacKey;
                (*digest, pkcs12(*digest, purpose, password, salt, *iterations, digest.length(), work)?)
            }
            Kind::Pbmac1 { derivation, digest } => {
                (*digest, derivation.derive(password, derivation.length.unwrap_or(digest.length()), work)?)
            }
        })
    }

    /// The tag over `data`.
    pub fn compute(&self, password: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
        let (digest, key) = self.digest_and_key(password, &mut PasswordWork::new())?;
        hmac(digest, &key, data)
    }

    /// Whether `tag` belongs to `data` under this password.
    pub fn verify(&self, password: &[u8], data: &[u8], tag: &[u8], work: &mut PasswordWork) -> Result<(), Error> {
        let (digest, key) = self.digest_and_key(password, work)?;
        verify_hmac(digest, &key, data, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_any_change_is_seen() {
        for mac in [PasswordMac::generate(DigestAlgorithm::Sha256, 10), PasswordMac::generate_pbmac1(10)] {
            let mac = mac.unwrap();
            let password = mac.form().octets("geheim");
            let tag = mac.compute(&password, b"content").unwrap();
            let (algorithm, salt, iterations) = mac.parts();
            let read = PasswordMac::from_parts(&algorithm, &salt, iterations).unwrap();
            let mut work = PasswordWork::new();
            assert_eq!(read.verify(&password, b"content", &tag, &mut work), Ok(()));
            assert_eq!(read.verify(&password, b"Content", &tag, &mut work), Err(Error::BadValue));
            let other = mac.form().octets("Geheim");
            assert_eq!(read.verify(&other, b"content", &tag, &mut work), Err(Error::BadValue));
        }
    }
}
