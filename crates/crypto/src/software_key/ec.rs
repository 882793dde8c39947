use asn1::{Encoding, Reader, Writer};
use aws_lc_rs::{agreement, signature as aws};
use zeroize::Zeroizing;

use super::{Operations, pkcs8};
use crate::brainpool::BrainpoolKey;
use crate::key_agreement::{agree, curve_agreement};
use crate::public_key::ecdsa_digest;
use crate::{AlgorithmIdentifier, Curve, DigestValue, Error, PublicKey, PublicKeyKind, SharedSecret, oids};

/// An elliptic curve key, which signs and agrees.
pub(super) enum EcKey {
    Brainpool(BrainpoolKey),
    Nist { curve: Curve, sign: aws::EcdsaKeyPair, agree: agreement::PrivateKey },
}

impl EcKey {
    pub(super) fn sign(&self, digest: &DigestValue) -> Result<Vec<u8>, Error> {
        match self {
            Self::Brainpool(key) => key.sign(digest),
            Self::Nist { curve, sign, .. } => Ok(sign.sign_digest(&ecdsa_digest(*curve, digest)?)?.as_ref().to_vec()),
        }
    }

    pub(super) fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        match self {
            Self::Brainpool(key) => key.agree(peer.bits()),
            Self::Nist { agree: key, .. } => agree(key, peer),
        }
    }
}

pub(super) fn read(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let unnamed = Error::MalformedKey { because: "its curve is not named" };
    let parameters = algorithm.parameters.as_deref().ok_or(unnamed.clone())?;
    let curve = Curve::from_oid(Reader::new(parameters, Encoding::Der).oid().map_err(|_| unnamed)?)?;
    let algorithm_of_signature = match curve {
        Curve::P256 => &aws::ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &aws::ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &aws::ECDSA_P521_SHA512_ASN1_SIGNING,
        Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1 => return read_brainpool(curve, private),
    };
    let plain = pkcs8(algorithm, private);
    let sign = aws::EcdsaKeyPair::from_private_key_der(algorithm_of_signature, &plain)?;
    let agree = agreement::PrivateKey::from_private_key_der(curve_agreement(curve)?, &plain)?;
    let public = PublicKey::from_ec_point(curve, agree.compute_public_key()?.as_ref())?;
    Ok((public, Operations::Ec(EcKey::Nist { curve, sign, agree })))
}

// RFC 5915 §3: ECPrivateKey ::= SEQUENCE { version, privateKey OCTET STRING, parameters [0] OPTIONAL,
// publicKey [1] BIT STRING OPTIONAL }
fn read_brainpool(curve: Curve, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not an ECPrivateKey" };
    let mut outer = Reader::new(private, Encoding::Der);
    let mut inside = outer.sequence("ECPrivateKey").map_err(malformed)?;
    inside.small_integer().map_err(malformed)?;
    let octets = Zeroizing::new(inside.octet_string().map_err(malformed)?.into_owned());
    inside.context(0, "ECParameters").map_err(malformed)?;
    // Seen in the wild: scalars without their leading zeros.
    let missing = curve.coordinate_length().checked_sub(octets.len());
    let missing = missing.ok_or(Error::MalformedKey { because: "its length is wrong" })?;
    let mut scalar = Zeroizing::new(vec![0; missing]);
    scalar.extend_from_slice(&octets);
    let key = BrainpoolKey::from_scalar(curve, &scalar)?;
    let point = key.public_point();
    if let Some(mut public) = inside.context(1, "publicKey").map_err(malformed)?
        && public.bit_string().map_err(malformed)?.octets != point
    {
        return Err(Error::MalformedKey { because: "its halves do not match" });
    }
    let public = PublicKey::from_ec_point(curve, &point)?;
    debug_assert_eq!(public.kind(), PublicKeyKind::Ec(curve));
    Ok((public, Operations::Ec(EcKey::Brainpool(key))))
}

/// A fresh key as PKCS #8.
pub(super) fn generate_brainpool(curve: Curve) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = BrainpoolKey::generate(curve)?;
    let mut inner = Writer::new();
    inner.sequence(|w| {
        w.unsigned(1);
        w.octet_string(&key.scalar());
        w.context(1, |w| w.bit_string(0, &key.public_point()));
    });
    let inner = Zeroizing::new(inner.into_vec());
    Ok(pkcs8(&AlgorithmIdentifier::with(oids::EC_PUBLIC_KEY, |w| w.oid(&curve.oid())), &inner))
}
