use std::fmt;

use aws_lc_rs::agreement as aws;
use aws_lc_rs::kem;
use zeroize::Zeroizing;

use crate::brainpool::BrainpoolKey;
use crate::{Curve, Error, MlKemLevel, PublicKey, PublicKeyKind};

/// What two keys agree on. It is never used as a key itself, only through a key derivation function.
pub struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    /// From a token or service that agreed elsewhere.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for a key derivation function.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

/// A key pair that lives for one message.
pub struct EphemeralKey {
    private: Private,
    public: PublicKey,
}

enum Private {
    Aws(aws::PrivateKey),
    Brainpool(BrainpoolKey),
}

impl EphemeralKey {
    /// A fresh one on the curve of `peer`.
    pub fn for_peer(peer: &PublicKey) -> Result<Self, Error> {
        let (private, public) = match peer.kind() {
            PublicKeyKind::Ec(curve @ (Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1)) => {
                let private = BrainpoolKey::generate(curve)?;
                let public = PublicKey::from_ec_point(curve, &private.public_point())?;
                (Private::Brainpool(private), public)
            }
            PublicKeyKind::Ec(curve) => {
                let private = aws::PrivateKey::generate(curve_agreement(curve)?)?;
                let point = private.compute_public_key()?;
                let public = PublicKey::from_ec_point(curve, point.as_ref())?;
                (Private::Aws(private), public)
            }
            PublicKeyKind::X25519 => {
                let private = aws::PrivateKey::generate(&aws::X25519)?;
                let octets = private.compute_public_key()?;
                let public = PublicKey::from_x25519(octets.as_ref())?;
                (Private::Aws(private), public)
            }
            _ => return Err(Error::NotForThisKey { operation: "agree" }),
        };
        Ok(Self { private, public })
    }

    /// Its public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Agrees with `peer`, who is on the same curve.
    pub fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        if peer.kind() != self.public.kind() {
            return Err(Error::NotForThisKey { operation: "agree" });
        }
        match &self.private {
            Private::Aws(private) => agree(private, peer),
            Private::Brainpool(private) => private.agree(peer.bits()),
        }
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EphemeralKey({})", self.public.describe())
    }
}

pub(crate) fn curve_agreement(curve: Curve) -> Result<&'static aws::Algorithm, Error> {
    match curve {
        Curve::P256 => Ok(&aws::ECDH_P256),
        Curve::P384 => Ok(&aws::ECDH_P384),
        Curve::P521 => Ok(&aws::ECDH_P521),
        Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1 => Err(Error::NotForThisKey { operation: "use aws-lc" }),
    }
}

// Points off the curve and all-zero secrets are refused by aws-lc (CASES T-45, S-48; RFC 8418 §2).
pub(crate) fn agree(private: &aws::PrivateKey, peer: &PublicKey) -> Result<SharedSecret, Error> {
    let algorithm = match peer.kind() {
        PublicKeyKind::Ec(curve) => curve_agreement(curve)?,
        PublicKeyKind::X25519 => &aws::X25519,
        _ => return Err(Error::NotForThisKey { operation: "agree" }),
    };
    let peer = aws::UnparsedPublicKey::new(algorithm, peer.bits());
    aws::agree(private, peer, Error::BadValue, |secret| Ok(SharedSecret::new(secret.to_vec())))
}

pub(crate) fn kem_algorithm(level: MlKemLevel) -> &'static kem::Algorithm<kem::AlgorithmId> {
    match level {
        MlKemLevel::MlKem512 => &kem::ML_KEM_512,
        MlKemLevel::MlKem768 => &kem::ML_KEM_768,
        MlKemLevel::MlKem1024 => &kem::ML_KEM_1024,
    }
}

impl PublicKey {
    /// Makes a shared secret and the ciphertext that carries it (ML-KEM, FIPS 203).
    pub fn encapsulate(&self) -> Result<(Vec<u8>, SharedSecret), Error> {
        let PublicKeyKind::MlKem(level) = self.kind() else {
            return Err(Error::NotForThisKey { operation: "encapsulate" });
        };
        let key = kem::EncapsulationKey::new(kem_algorithm(level), self.bits())?;
        let (ciphertext, secret) = key.encapsulate()?;
        Ok((ciphertext.as_ref().to_vec(), SharedSecret::new(secret.as_ref().to_vec())))
    }
}
