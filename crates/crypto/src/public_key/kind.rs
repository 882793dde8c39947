use asn1::Oid;

use crate::{DigestAlgorithm, Error, PssParameters, SlhDsaParameterSet, oids};

/// What kind of key it is, with what distinguishes keys of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// An elliptic curve key, for ECDSA or ECDH (RFC 5753 §5).
    Ec(Curve),
    /// Ed25519 (RFC 8410 §3, RFC 8419 §2.2).
    Ed25519,
    /// ML-DSA (RFC 9881 §4).
    MlDsa(MlDsaLevel),
    /// ML-KEM (RFC 9935 §4, RFC 9936 §2.3).
    MlKem(MlKemLevel),
    /// RSA; `pss` restricts the key to RSASSA-PSS (RFC 4055 §1.2, RFC 4056 §2.1).
    Rsa {
        /// Bits of the modulus.
        bits: u32,
        /// `None` for `rsaEncryption`; the inner `None` when `id-RSASSA-PSS` has no parameters.
        pss: Option<Option<PssParameters>>,
    },
    /// SLH-DSA (RFC 9909 §4); verifies only.
    SlhDsa(SlhDsaParameterSet),
    /// X25519 (RFC 8410 §3, RFC 8418 §6).
    X25519,
}

/// A named curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Curve {
    P256,
    P384,
    P521,
    BrainpoolP256r1,
    BrainpoolP384r1,
}

/// An ML-DSA parameter set (FIPS 204).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MlDsaLevel {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// An ML-KEM parameter set (FIPS 203).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MlKemLevel {
    MlKem512,
    MlKem768,
    MlKem1024,
}

impl Curve {
    /// From its object identifier.
    pub fn from_oid(oid: Oid) -> Result<Self, Error> {
        match oid {
            oids::P256 => Ok(Self::P256),
            oids::P384 => Ok(Self::P384),
            oids::P521 => Ok(Self::P521),
            oids::BRAINPOOL_P256R1 => Ok(Self::BrainpoolP256r1),
            oids::BRAINPOOL_P384R1 => Ok(Self::BrainpoolP384r1),
            oids::BRAINPOOL_P512R1 => Err(Error::Unsupported { algorithm: "brainpoolP512r1".into() }),
            oid => Err(Error::Unknown { oid }),
        }
    }

    /// Its object identifier.
    pub fn oid(self) -> Oid {
        match self {
            Self::P256 => oids::P256,
            Self::P384 => oids::P384,
            Self::P521 => oids::P521,
            Self::BrainpoolP256r1 => oids::BRAINPOOL_P256R1,
            Self::BrainpoolP384r1 => oids::BRAINPOOL_P384R1,
        }
    }

    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
        }
    }

    /// Octets of one coordinate.
    pub fn coordinate_length(self) -> usize {
        match self {
            Self::P256 | Self::BrainpoolP256r1 => 32,
            Self::P384 | Self::BrainpoolP384r1 => 48,
            Self::P521 => 66,
        }
    }

    /// The digest that matches the curve's strength (RFC 5753 §2.1, RFC 5754 §3.3).
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::P256 | Self::BrainpoolP256r1 => DigestAlgorithm::Sha256,
            Self::P384 | Self::BrainpoolP384r1 => DigestAlgorithm::Sha384,
            Self::P521 => DigestAlgorithm::Sha512,
        }
    }
}

impl MlDsaLevel {
    pub(crate) fn oid(self) -> Oid {
        match self {
            Self::MlDsa44 => oids::ML_DSA_44,
            Self::MlDsa65 => oids::ML_DSA_65,
            Self::MlDsa87 => oids::ML_DSA_87,
        }
    }

    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    pub(crate) fn public_key_length(self) -> usize {
        match self {
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
        }
    }
}

impl MlKemLevel {
    /// Its object identifier.
    pub fn oid(self) -> Oid {
        match self {
            Self::MlKem512 => oids::ML_KEM_512,
            Self::MlKem768 => oids::ML_KEM_768,
            Self::MlKem1024 => oids::ML_KEM_1024,
        }
    }

    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MlKem512 => "ML-KEM-512",
            Self::MlKem768 => "ML-KEM-768",
            Self::MlKem1024 => "ML-KEM-1024",
        }
    }

    pub(crate) fn public_key_length(self) -> usize {
        match self {
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }
}
