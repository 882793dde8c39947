use std::fmt;

use subtle::{Choice, ConditionallySelectable as _};
use zeroize::Zeroizing;

use crate::{
    DigestValue, Error, KeyTransportAlgorithm, PublicKey, PublicKeyKind, SharedSecret, SignatureAlgorithm, random,
};

/// A private key that does work: in this process, in a token, or behind a service. It never gives itself away.
///
/// A key that lives elsewhere says what it can do there; what it does not say is [`Error::NotForThisKey`]:
///
/// ```
/// use crypto::{Error, PrivateKey, PublicKey, SignatureAlgorithm};
/// # use crypto::{DigestAlgorithm, KeyKind, SoftwareKey};
///
/// /// A connection to the service that holds the key.
/// # #[derive(Debug)]
/// # struct Service(SoftwareKey);
/// # impl Service {
/// #     fn ask_to_sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, std::io::Error> {
/// #         self.0.sign(algorithm, message).map_err(std::io::Error::other)
/// #     }
/// # }
/// #[derive(Debug)]
/// struct RemoteKey {
///     public: PublicKey,
///     service: Service,
/// }
///
/// impl PrivateKey for RemoteKey {
///     fn public_key(&self) -> &PublicKey {
///         &self.public
///     }
///
///     fn sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
///         let answer = self.service.ask_to_sign(algorithm, message);
///         answer.map_err(|error| Error::Unavailable { because: error.to_string() })
///     }
/// }
///
/// # let key = SoftwareKey::generate(KeyKind::P256)?;
/// # let (public, service) = (key.public_key().clone(), Service(key));
/// let key: std::sync::Arc<dyn PrivateKey> = std::sync::Arc::new(RemoteKey { public, service });
/// let algorithm = SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256);
/// let signature = key.sign(&algorithm, b"text")?;
/// key.public_key().verify(&algorithm, b"text", &signature)?;
/// # Ok::<(), Error>(())
/// ```
///
/// With its certificate it becomes a `Credential`, and signs and decrypts like any other.
///
/// ```compile_fail
/// fn export(key: &dyn crypto::PrivateKey) -> Vec<u8> {
///     key.to_pkcs8()
/// }
/// ```
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

    /// Signs a message of which only the digest is at hand, where the algorithm allows.
    fn sign_digest(&self, algorithm: &SignatureAlgorithm, digest: &DigestValue) -> Result<Vec<u8>, Error> {
        let _ = (algorithm, digest);
        Err(Error::NotForThisKey { operation: "sign a digest" })
    }

    /// Decrypts a transported key. Bad padding is [`Error::BadValue`]; what follows from that is the caller's to hide.
    fn decrypt(&self, algorithm: &KeyTransportAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let _ = (algorithm, ciphertext);
        Err(Error::NotForThisKey { operation: "decrypt" })
    }

    /// Decrypts a transported key of `length` octets, or gives a random one: nobody can tell which.
    ///
    /// Whatever is wrong with the ciphertext (CASES T-23, RFC 3218 §2.3.2), the content then does not decrypt. What the
    /// key cannot do at all, and [`Error::Unavailable`], are still errors: they say nothing about the ciphertext.
    fn decrypt_or_random(
        &self,
        algorithm: &KeyTransportAlgorithm,
        ciphertext: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut key = Zeroizing::new(vec![0; length]);
        random(&mut key)?;
        let (decrypted, right) = match self.decrypt(algorithm, ciphertext) {
            Ok(decrypted) => {
                let right = Choice::from(u8::from(decrypted.len() == length));
                (decrypted, right)
            }
            Err(Error::BadValue) => (Zeroizing::new(Vec::new()), Choice::from(0)),
            Err(error) => return Err(error),
        };
        for (index, octet) in key.iter_mut().enumerate() {
            octet.conditional_assign(decrypted.get(index).unwrap_or(&0), right);
        }
        Ok(key)
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
            PublicKeyKind::X25519 | PublicKeyKind::MlKem(_) | PublicKeyKind::SlhDsa(_) => None,
        }
    }
}
