//! ECDSA and ECDH on the brainpool curves (RFC 5639), which aws-lc does not have.

use bp256::BrainpoolP256r1;
use bp384::BrainpoolP384r1;
use ecdsa::elliptic_curve::ecdh::diffie_hellman;
use ecdsa::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use ecdsa::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey as Point, SecretKey};
use ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use ecdsa::{EcdsaCurve, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::{Curve, DigestValue, Error, SharedSecret, random};

/// A private key on a brainpool curve.
pub(crate) enum BrainpoolKey {
    P256(SecretKey<BrainpoolP256r1>),
    P384(SecretKey<BrainpoolP384r1>),
}

impl BrainpoolKey {
    /// From the scalar, big-endian and as long as the curve's coordinates.
    pub(crate) fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, Error> {
        let rejected = |_| Error::MalformedKey { because: "it was rejected" };
        match curve {
            Curve::BrainpoolP256r1 => SecretKey::from_slice(scalar).map(Self::P256).map_err(rejected),
            Curve::BrainpoolP384r1 => SecretKey::from_slice(scalar).map(Self::P384).map_err(rejected),
            _ => Err(Error::NotForThisKey { operation: "use brainpool curves" }),
        }
    }

    pub(crate) fn generate(curve: Curve) -> Result<Self, Error> {
        let mut scalar = Zeroizing::new(vec![0; curve.coordinate_length()]);
        // A scalar outside the group's order is thrown away; two in three are inside, so that 128 tries always do.
        for _ in 0..128 {
            random(&mut scalar)?;
            if let Ok(key) = Self::from_scalar(curve, &scalar) {
                return Ok(key);
            }
        }
        Err(Error::Unavailable { because: "the random generator failed".into() })
    }

    pub(crate) fn scalar(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::P256(key) => key.to_bytes().to_vec(),
            Self::P384(key) => key.to_bytes().to_vec(),
        })
    }

    /// The uncompressed point.
    pub(crate) fn public_point(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// Signs a digest, deterministically (RFC 6979).
    pub(crate) fn sign(&self, digest: &DigestValue) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::BadValue;
        match self {
            Self::P256(key) => {
                let signature: bp256::r1::ecdsa::Signature =
                    SigningKey::from(key.clone()).sign_prehash(digest.octets()).map_err(failed)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: bp384::r1::ecdsa::Signature =
                    SigningKey::from(key.clone()).sign_prehash(digest.octets()).map_err(failed)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
        }
    }

    pub(crate) fn agree(&self, point: &[u8]) -> Result<SharedSecret, Error> {
        match self {
            Self::P256(key) => agree(key, point),
            Self::P384(key) => agree(key, point),
        }
    }
}

fn agree<C>(key: &SecretKey<C>, point: &[u8]) -> Result<SharedSecret, Error>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    // CASES T-45: a point off the curve is refused here. Both curves have cofactor 1.
    let point = Point::<C>::from_sec1_bytes(point).map_err(|_| Error::BadValue)?;
    let secret = diffie_hellman(key.to_nonzero_scalar(), point.as_affine());
    Ok(SharedSecret::new(secret.raw_secret_bytes().to_vec()))
}

/// Whether an uncompressed point is on its curve.
pub(crate) fn check_point(curve: Curve, point: &[u8]) -> Result<(), Error> {
    let off = |_| Error::MalformedKey { because: "its point is not on the curve" };
    match curve {
        Curve::BrainpoolP256r1 => Point::<BrainpoolP256r1>::from_sec1_bytes(point).map(|_| ()).map_err(off),
        Curve::BrainpoolP384r1 => Point::<BrainpoolP384r1>::from_sec1_bytes(point).map(|_| ()).map_err(off),
        _ => Ok(()),
    }
}

/// Verifies an ECDSA signature over a digest.
pub(crate) fn verify(curve: Curve, point: &[u8], digest: &DigestValue, signature: &[u8]) -> Result<(), Error> {
    match curve {
        Curve::BrainpoolP256r1 => {
            let signature = bp256::r1::ecdsa::Signature::from_der(signature).map_err(|_| Error::BadValue)?;
            verify_on::<BrainpoolP256r1>(point, digest, &signature)
        }
        Curve::BrainpoolP384r1 => {
            let signature = bp384::r1::ecdsa::Signature::from_der(signature).map_err(|_| Error::BadValue)?;
            verify_on::<BrainpoolP384r1>(point, digest, &signature)
        }
        _ => Err(Error::NotForThisKey { operation: "use brainpool curves" }),
    }
}

fn verify_on<C>(point: &[u8], digest: &DigestValue, signature: &ecdsa::Signature<C>) -> Result<(), Error>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let key = VerifyingKey::<C>::from_sec1_bytes(point).map_err(|_| Error::BadValue)?;
    key.verify_prehash(digest.octets(), signature).map_err(|_| Error::BadValue)
}
