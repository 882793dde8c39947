use std::fmt;

use zeroize::Zeroizing;

use crate::{Error, KeyTransportAlgorithm, PublicKey, PublicKeyKind, SharedSecret, SignatureAlgorithm};

/// A private key that does work: in this process, in a token, or behind a service. It never gives itself away.
///
/// What a key of its kind cannot do, and [`Error::Unavailable`] when it cannot be reached, are errors; the caller
/// holds the message then and never goes on without (CASES T-129).
pub trait PrivateKey: Send + Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message`.
    fn sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _ = (algorithm, message);
        Err(Error::NotForThisKey { operation: "sign" })
    }

    /// Decrypts a transported key. Bad padding is [`Error::BadValue`]; what follows from that is the caller's to hide.
    fn decrypt(&self, algorithm: &KeyTransportAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let _ = (algorithm, ciphertext);
        Err(Error::NotForThisKey { operation: "decrypt" })
    }

    /// Agrees on a secret with the holder of `peer`.
    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        let _ = peer;
        Err(Error::NotForThisKey { operation: "agree" })
    }

    /// Takes the secret out of a KEM ciphertext.
    fn decapsulate(&self, ciphertext: &[u8]) -> Result<SharedSecret, Error> {
        let _ = ciphertext;
        Err(Error::NotForThisKey { operation: "decapsulate" })
    }

    /// The signature algorithm that suits the key best; `None` for keys that do not sign.
    fn default_signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.public_key().default_signature_algorithm()
    }
}

impl PublicKey {
    /// The signature algorithm that suits the key best; `None` for keys that do not sign.
    pub fn default_signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        use crate::{DigestAlgorithm, PssParameters};
        match self.kind() {
            PublicKeyKind::Rsa { pss: None, .. } => Some(SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256)),
            PublicKeyKind::Rsa { pss: Some(parameters), .. } => {
                let digest = parameters.map_or(DigestAlgorithm::Sha256, |parameters| parameters.digest);
                Some(SignatureAlgorithm::RsaPss(PssParameters::standard(digest)))
            }
            PublicKeyKind::Ec(curve) => Some(SignatureAlgorithm::Ecdsa(curve.digest())),
            PublicKeyKind::Ed25519 => Some(SignatureAlgorithm::Ed25519),
            PublicKeyKind::MlDsa(level) => Some(SignatureAlgorithm::MlDsa(level)),
            PublicKeyKind::X25519 | PublicKeyKind::MlKem(_) => None,
        }
    }
}
