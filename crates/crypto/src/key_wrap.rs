mod triple_des;

use aes_kw::cipher::KeyInit as _;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use zeroize::Zeroizing;

use crate::{AlgorithmIdentifier, Error, oids};

/// AES key wrap (RFC 3394 §2.2), by the length of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum KeyWrapAlgorithm {
    Aes128,
    Aes192,
    Aes256,
    /// Read only (RFC 3217 §3).
    TripleDes,
}

impl KeyWrapAlgorithm {
    /// From its identifier (RFC 5652 §10.1.3); parameters are absent (RFC 3565 §2.3.2), NULL is seen in the wild.
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        if !identifier.has_no_parameters() {
            return Err(Error::MalformedParameters { algorithm: "AES key wrap" });
        }
        match identifier.oid {
            oids::AES128_WRAP => Ok(Self::Aes128),
            oids::AES192_WRAP => Ok(Self::Aes192),
            oids::AES256_WRAP => Ok(Self::Aes256),
            oids::CMS_3DES_WRAP => Ok(Self::TripleDes),
            oid => Err(Error::Unknown { oid }),
        }
    }

    /// The identifier, parameters absent; NULL with triple DES (RFC 3370 §4.3.1).
    pub fn identifier(self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::new(match self {
            Self::Aes128 => oids::AES128_WRAP,
            Self::Aes192 => oids::AES192_WRAP,
            Self::Aes256 => oids::AES256_WRAP,
            Self::TripleDes => return AlgorithmIdentifier::with_null(oids::CMS_3DES_WRAP),
        })
    }

    /// The one as strong as a content key of so many octets (CASES S-03).
    pub fn for_key_length(length: usize) -> Option<Self> {
        match length {
            16 => Some(Self::Aes128),
            24 => Some(Self::Aes192),
            32 => Some(Self::Aes256),
            _ => None,
        }
    }

    /// Octets of the key-encryption key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    /// Wraps `key`, whose length is a multiple of eight octets.
    pub fn wrap(self, key_encryption_key: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; key.len() + 8];
        let length = match self {
            Self::Aes128 => AesKek::new(&AES_128, key_encryption_key)?.wrap(key, &mut out)?.len(),
            Self::Aes256 => AesKek::new(&AES_256, key_encryption_key)?.wrap(key, &mut out)?.len(),
            Self::Aes192 => aes192(key_encryption_key)?.wrap_key(key, &mut out).map_err(|_| Error::BadValue)?.len(),
            Self::TripleDes => return Err(Error::Weak { algorithm: "triple DES" }),
        };
        out.truncate(length);
        Ok(out)
    }

    /// Unwraps a key. CASES T-46: input of a wrong length is an error like any other.
    pub fn unwrap(self, key_encryption_key: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if wrapped.len() < 24 || wrapped.len() > 1024 || !wrapped.len().is_multiple_of(8) {
            return Err(Error::BadValue);
        }
        let mut out = Zeroizing::new(vec![0; wrapped.len() - 8]);
        let length = match self {
            Self::Aes128 => AesKek::new(&AES_128, key_encryption_key)?.unwrap(wrapped, &mut out)?.len(),
            Self::Aes256 => AesKek::new(&AES_256, key_encryption_key)?.unwrap(wrapped, &mut out)?.len(),
            Self::Aes192 => {
                aes192(key_encryption_key)?.unwrap_key(wrapped, &mut out).map_err(|_| Error::BadValue)?.len()
            }
            Self::TripleDes => return triple_des::unwrap(key_encryption_key, wrapped),
        };
        out.truncate(length);
        Ok(out)
    }
}

fn aes192(key: &[u8]) -> Result<aes_kw::AesKw<aes::Aes192>, Error> {
    aes_kw::AesKw::<aes::Aes192>::new_from_slice(key).map_err(|_| Error::BadValue)
}
