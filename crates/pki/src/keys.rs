//! What is asked of keys and signature algorithms, whoever uses them.

use crypto::{AlgorithmIdentifier, PublicKey, PublicKeyKind, SignatureAlgorithm};

use crate::{Purpose, Reason};

/// Why a key is not good enough (CASES S-11, T-43).
pub(crate) fn weakness(key: &PublicKey) -> Option<Reason> {
    match key.kind() {
        PublicKeyKind::Rsa { bits, .. } if key.is_weak() => Some(Reason::KeyTooShort { bits }),
        _ => None,
    }
}

/// Whether keys of this kind can do what is asked.
pub(crate) fn is_able(key: &PublicKey, purpose: Purpose) -> bool {
    match (key.kind(), purpose) {
        (PublicKeyKind::Ed25519 | PublicKeyKind::MlDsa(_), Purpose::Encrypt) => false,
        // RFC 4055 §1.2: a key restricted to RSASSA-PSS signs only.
        (PublicKeyKind::Rsa { pss: Some(_), .. }, Purpose::Encrypt) => false,
        (PublicKeyKind::X25519 | PublicKeyKind::MlKem(_), Purpose::Sign | Purpose::Ocsp | Purpose::Crl) => false,
        _ => true,
    }
}

/// The algorithm, if it is known and its digest good enough (CASES T-15).
pub(crate) fn accepted_algorithm(identifier: &AlgorithmIdentifier) -> Result<SignatureAlgorithm, Reason> {
    let unacceptable = || Reason::SignatureUnacceptable { algorithm: identifier.oid };
    let algorithm = SignatureAlgorithm::from_identifier(identifier).map_err(|_| unacceptable())?;
    match algorithm.digest() {
        Some(digest) if digest.is_weak() => Err(unacceptable()),
        _ => Ok(algorithm),
    }
}

/// Verifies, with the algorithm as certificates, CRLs and OCSP responses name it.
pub(crate) fn verify(
    key: &PublicKey,
    identifier: &AlgorithmIdentifier,
    message: &[u8],
    signature: &[u8],
) -> Result<(), crypto::Error> {
    key.verify(&SignatureAlgorithm::from_identifier(identifier)?, message, signature)
}
