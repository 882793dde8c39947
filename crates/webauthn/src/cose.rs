use std::fmt;

use asn1::Writer;
use ciborium::Value;
use crypto::{AlgorithmIdentifier, Curve, DigestAlgorithm, PublicKey, PublicKeyKind, SignatureAlgorithm, oids};

use crate::Rejected;
use crate::cbor::{Map, as_number};

/// How passkeys sign, of what was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoseAlgorithm {
    /// Ed25519 (RFC 9053 §2.2).
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 9053 §2.1).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8812 §2): what TPMs have.
    Rs256,
}

impl CoseAlgorithm {
    /// All of them, the better ones first.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The number that COSE has for it.
    pub fn number(self) -> i64 {
        match self {
            Self::EdDsa => -8,
            Self::Es256 => -7,
            Self::Rs256 => -257,
        }
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    fn signature(self) -> SignatureAlgorithm {
        match self {
            Self::EdDsa => SignatureAlgorithm::Ed25519,
            Self::Es256 => SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256),
            Self::Rs256 => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
        }
    }
}

/// A passkey's public key, with the one algorithm that it signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct CoseKey {
    key: PublicKey,
    algorithm: CoseAlgorithm,
}

impl CoseKey {
    /// From a COSE_Key (RFC 9052 §7).
    pub(crate) fn from_value(value: Value) -> Result<Self, Rejected> {
        let map = Map::of(value, WHAT)?;
        let number = |label| map.number(label).and_then(as_number);
        let octets = |label, what| map.octets(label).ok_or_else(|| Rejected::malformed(WHAT, format!("no {what}")));
        let kind = number(KTY).ok_or_else(|| Rejected::malformed(WHAT, "no kty"))?;
        let algorithm = number(ALG).ok_or_else(|| Rejected::malformed(WHAT, "no alg"))?;
        let algorithm = CoseAlgorithm::from_number(algorithm).ok_or(Rejected::Algorithm)?;
        let wrong = |error: crypto::Error| Rejected::malformed(WHAT, error.to_string());
        let key = match (algorithm, kind) {
            // RFC 9053 §7.2
            (CoseAlgorithm::EdDsa, 1) if number(CRV) == Some(6) => {
                PublicKey::from_parts(&AlgorithmIdentifier::new(oids::ED25519), octets(X, "x")?).map_err(wrong)?
            }
            // RFC 9053 §7.1.1; Web Authentication Level 2 §5.8.5 has no compressed points.
            (CoseAlgorithm::Es256, 2) if number(CRV) == Some(1) => {
                let (x, y) = (octets(X, "x")?, octets(Y, "y")?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(Rejected::malformed(WHAT, "the coordinates have another length"));
                }
                PublicKey::from_ec_point(Curve::P256, &[&[4], x, y].concat()).map_err(wrong)?
            }
            // RFC 8230 §4
            (CoseAlgorithm::Rs256, 3) => {
                let mut writer = Writer::new();
                let (n, e) = (octets(N, "n")?, octets(E, "e")?);
                if n.first().is_none_or(|first| *first == 0) || e.first().is_none_or(|first| *first == 0) {
                    return Err(Rejected::malformed(WHAT, "a number begins with zeros"));
                }
                writer.sequence(|w| {
                    w.unsigned_bytes(n);
                    w.unsigned_bytes(e);
                });
                let rsa = AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION);
                PublicKey::from_parts(&rsa, writer.as_slice()).map_err(wrong)?
            }
            _ => return Err(Rejected::malformed(WHAT, "algorithm, kind and curve do not go together")),
        };
        if key.is_weak() {
            return Err(Rejected::malformed(WHAT, "the key is too short"));
        }
        Ok(Self { key, algorithm })
    }

    /// Back from [`Self::spki`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, Rejected> {
        let key = PublicKey::from_spki(spki).map_err(|error| Rejected::malformed(WHAT, error.to_string()))?;
        let algorithm = match key.kind() {
            PublicKeyKind::Ec(Curve::P256) => CoseAlgorithm::Es256,
            PublicKeyKind::Ed25519 => CoseAlgorithm::EdDsa,
            PublicKeyKind::Rsa { pss: None, .. } => CoseAlgorithm::Rs256,
            _ => return Err(Rejected::Algorithm),
        };
        Ok(Self { key, algorithm })
    }

    /// As a SubjectPublicKeyInfo in DER, to be kept.
    pub fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    /// How it signs.
    pub fn algorithm(&self) -> CoseAlgorithm {
        self.algorithm
    }

    /// Verifies a signature as authenticators make it (Web Authentication Level 2 §6.5.6).
    pub(crate) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        self.key.verify(&self.algorithm.signature(), signed, signature).map_err(|_| Rejected::Signature)
    }
}

impl fmt::Debug for CoseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoseKey({})", self.key.describe())
    }
}

const WHAT: &str = "COSE_Key";
const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const N: i64 = -1;
const E: i64 = -2;
