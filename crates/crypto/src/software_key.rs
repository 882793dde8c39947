mod ec;
mod ml_dsa;
mod ml_kem;
mod rsa;

use std::fmt;

use asn1::{Encoding, Reader, Tag, Writer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{agreement, encoding::AsDer as _, kem};
use zeroize::Zeroizing;

use crate::key_agreement::agree;
use crate::{
    AlgorithmIdentifier, Curve, DigestValue, Error, KeyTransportAlgorithm, MlDsaLevel, MlKemLevel, PrivateKey,
    PublicKey, SharedSecret, SignatureAlgorithm, oids, random_array,
};

/// A private key in this process's memory.
///
/// It is made from PKCS #8 and keeps that form, in memory that is wiped, to be sealed or exported.
pub struct SoftwareKey {
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
    operations: Operations,
}

enum Operations {
    Ec(ec::EcKey),
    Ed25519(aws::Ed25519KeyPair),
    MlDsa(aws::PqdsaKeyPair),
    MlKem(kem::DecapsulationKey),
    Rsa(rsa::RsaKey),
    X25519(agreement::PrivateKey),
}

/// Keys that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum KeyKind {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    BrainpoolP256r1,
    BrainpoolP384r1,
    Ed25519,
    X25519,
    MlDsa(MlDsaLevel),
    MlKem(MlKemLevel),
}

impl SoftwareKey {
    /// Makes a fresh key (RFC 8551 §4.1: RSA from 2048 bits on).
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        let rsa = |size| -> Result<Self, Error> {
            Self::from_pkcs8(PrivateDecryptingKey::generate(size)?.as_der()?.as_ref())
        };
        let ec = |algorithm| -> Result<Self, Error> {
            Self::from_pkcs8(aws::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?.as_ref())
        };
        match kind {
            KeyKind::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyKind::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyKind::Rsa4096 => rsa(KeySize::Rsa4096),
            KeyKind::P256 => ec(&aws::ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyKind::P384 => ec(&aws::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyKind::P521 => ec(&aws::ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyKind::BrainpoolP256r1 => Self::from_pkcs8(&ec::generate_brainpool(Curve::BrainpoolP256r1)?),
            KeyKind::BrainpoolP384r1 => Self::from_pkcs8(&ec::generate_brainpool(Curve::BrainpoolP384r1)?),
            KeyKind::Ed25519 => Self::from_pkcs8(aws::Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref()),
            KeyKind::X25519 => {
                let private = agreement::PrivateKey::generate(&agreement::X25519)?;
                let seed: aws_lc_rs::encoding::Curve25519SeedBin<'_> =
                    aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&private)?;
                let inner = octet_string(seed.as_ref());
                Self::from_pkcs8(&pkcs8(&AlgorithmIdentifier::new(oids::X25519), &inner))
            }
            KeyKind::MlDsa(level) => {
                let pair = aws::PqdsaKeyPair::generate(ml_dsa::signing(level))?;
                Self::from_pkcs8(pair.to_pkcs8v1()?.as_ref())
            }
            KeyKind::MlKem(level) => {
                // RFC 9935 §6: the seed alone is the form to write.
                let seed = Zeroizing::new(random_array::<64>()?);
                let mut inner = Writer::new();
                inner.primitive(Tag::context(0), &*seed);
                let inner = Zeroizing::new(inner.into_vec());
                Self::from_pkcs8(&pkcs8(&AlgorithmIdentifier::new(level.oid()), &inner))
            }
        }
    }

    /// Reads `PrivateKeyInfo` (RFC 5958 §2).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not PKCS #8" };
        let mut outer = Reader::new(der, Encoding::Ber);
        let mut inside = outer.sequence("PrivateKeyInfo").map_err(malformed)?;
        inside.small_integer().map_err(malformed)?;
        let algorithm = AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?;
        let private = Zeroizing::new(inside.octet_string().map_err(malformed)?.into_owned());
        let (public, operations) = match algorithm.oid {
            oids::RSA_ENCRYPTION | oids::RSASSA_PSS => rsa::read(&algorithm, &private)?,
            oids::EC_PUBLIC_KEY => ec::read(&algorithm, &private)?,
            oids::ED25519 => {
                let pair = aws::Ed25519KeyPair::from_seed_unchecked(&seed(&private)?)?;
                let public =
                    PublicKey::from_parts(&AlgorithmIdentifier::new(oids::ED25519), pair.public_key().as_ref())?;
                (public, Operations::Ed25519(pair))
            }
            oids::X25519 => {
                let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &seed(&private)?)?;
                let public = PublicKey::from_x25519(key.compute_public_key()?.as_ref())?;
                (public, Operations::X25519(key))
            }
            oids::ML_DSA_44 => ml_dsa::read(MlDsaLevel::MlDsa44, der)?,
            oids::ML_DSA_65 => ml_dsa::read(MlDsaLevel::MlDsa65, der)?,
            oids::ML_DSA_87 => ml_dsa::read(MlDsaLevel::MlDsa87, der)?,
            oids::ML_KEM_512 => ml_kem::read(MlKemLevel::MlKem512, &private)?,
            oids::ML_KEM_768 => ml_kem::read(MlKemLevel::MlKem768, &private)?,
            oids::ML_KEM_1024 => ml_kem::read(MlKemLevel::MlKem1024, &private)?,
            oids::ED448 => return Err(Error::Unsupported { algorithm: "Ed448".into() }),
            oids::X448 => return Err(Error::Unsupported { algorithm: "X448".into() }),
            oids::DSA => return Err(Error::Unsupported { algorithm: "DSA".into() }),
            oid => return Err(Error::Unknown { oid }),
        };
        Ok(Self { public, pkcs8: Zeroizing::new(der.to_vec()), operations })
    }

    /// Reads `RSAPrivateKey` (RFC 8017 §A.1.2), as older PEM files have it.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        Self::from_pkcs8(&pkcs8(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), der))
    }

    /// Reads `ECPrivateKey` (RFC 5915 §3) with its curve inside.
    pub fn from_sec1(der: &[u8]) -> Result<Self, Error> {
        let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not an ECPrivateKey" };
        let mut outer = Reader::new(der, Encoding::Der);
        let mut inside = outer.sequence("ECPrivateKey").map_err(malformed)?;
        inside.small_integer().map_err(malformed)?;
        inside.octet_string().map_err(malformed)?;
        let mut curve = inside
            .context(0, "ECParameters")
            .map_err(malformed)?
            .ok_or(Error::MalformedKey { because: "its curve is not named" })?;
        let curve = curve.oid().map_err(|_| Error::MalformedKey { because: "its curve is not named" })?;
        Self::from_pkcs8(&pkcs8(&AlgorithmIdentifier::with(oids::EC_PUBLIC_KEY, |w| w.oid(&curve)), der))
    }

    /// The key itself, to be sealed or exported.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }
}

impl PrivateKey for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        match (&self.operations, algorithm) {
            (Operations::Ed25519(pair), SignatureAlgorithm::Ed25519) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            (Operations::MlDsa(pair), SignatureAlgorithm::MlDsa(level)) => {
                ml_dsa::sign(pair, *level, self.public.kind(), message)
            }
            _ => match algorithm.digest() {
                Some(digest) => self.sign_digest(algorithm, &digest.digest(message)),
                None => Err(Error::NotForThisKey { operation: "sign" }),
            },
        }
    }

    fn sign_digest(&self, algorithm: &SignatureAlgorithm, digest: &DigestValue) -> Result<Vec<u8>, Error> {
        if algorithm.digest() != Some(digest.algorithm()) {
            return Err(Error::NotForThisKey { operation: "sign" });
        }
        // CASES T-15: what is never accepted is never made.
        if digest.algorithm().is_weak() {
            return Err(Error::Weak { algorithm: digest.algorithm().name() });
        }
        match (&self.operations, algorithm) {
            (Operations::Rsa(key), SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_)) => {
                key.sign(&self.public, algorithm, digest)
            }
            (Operations::Ec(key), SignatureAlgorithm::Ecdsa(_)) => key.sign(digest),
            _ => Err(Error::NotForThisKey { operation: "sign" }),
        }
    }

    fn decrypt(&self, algorithm: &KeyTransportAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.operations {
            Operations::Rsa(key) => key.decrypt(&self.public, algorithm, ciphertext),
            _ => Err(Error::NotForThisKey { operation: "decrypt" }),
        }
    }

    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        if peer.kind() != self.public.kind() {
            return Err(Error::NotForThisKey { operation: "agree" });
        }
        match &self.operations {
            Operations::Ec(key) => key.agree(peer),
            Operations::X25519(key) => agree(key, peer),
            _ => Err(Error::NotForThisKey { operation: "agree" }),
        }
    }

    fn decapsulate(&self, ciphertext: &[u8]) -> Result<SharedSecret, Error> {
        let Operations::MlKem(key) = &self.operations else {
            return Err(Error::NotForThisKey { operation: "decapsulate" });
        };
        Ok(SharedSecret::new(key.decapsulate(ciphertext.into())?.as_ref().to_vec()))
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({})", self.public.describe())
    }
}

// RFC 8410 §7: CurvePrivateKey ::= OCTET STRING, inside the OCTET STRING of PKCS #8.
fn seed(private: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut reader = Reader::new(private, Encoding::Der);
    let seed = reader.octet_string().map_err(|_| Error::MalformedKey { because: "its seed is missing" })?;
    if seed.len() != 32 {
        return Err(Error::MalformedKey { because: "its length is wrong" });
    }
    Ok(Zeroizing::new(seed.into_owned()))
}

fn octet_string(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.octet_string(octets);
    Zeroizing::new(writer.into_vec())
}

fn pkcs8(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned(0);
        algorithm.encode(w);
        w.octet_string(private);
    });
    Zeroizing::new(writer.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DigestAlgorithm, PssParameters, PublicKeyKind};

    #[test]
    fn fresh_keys_do_what_their_kind_does() {
        let digest = DigestAlgorithm::Sha256;
        for kind in [
            KeyKind::Rsa2048,
            KeyKind::P256,
            KeyKind::P384,
            KeyKind::P521,
            KeyKind::BrainpoolP256r1,
            KeyKind::BrainpoolP384r1,
            KeyKind::Ed25519,
            KeyKind::X25519,
            KeyKind::MlDsa(MlDsaLevel::MlDsa65),
            KeyKind::MlKem(MlKemLevel::MlKem768),
        ] {
            let key = SoftwareKey::generate(kind).unwrap();
            let again = SoftwareKey::from_pkcs8(&key.to_pkcs8()).unwrap();
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(&PublicKey::from_spki(key.public_key().spki()).unwrap(), key.public_key());
            if let Some(algorithm) = key.default_signature_algorithm() {
                let signature = key.sign(&algorithm, b"text").unwrap();
                again.public_key().verify(&algorithm, b"text", &signature).unwrap();
                assert_eq!(again.public_key().verify(&algorithm, b"other", &signature), Err(Error::BadValue));
                let identifier = algorithm.identifier();
                assert_eq!(SignatureAlgorithm::from_identifier(&identifier), Ok(algorithm));
            }
            if let PublicKeyKind::Ec(curve) = key.public_key().kind() {
                for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512] {
                    let algorithm = SignatureAlgorithm::Ecdsa(digest);
                    let signature = key.sign(&algorithm, b"text").unwrap();
                    key.public_key().verify(&algorithm, b"text", &signature).unwrap();
                    // The curve's own digest is no other one's.
                    let own = SignatureAlgorithm::Ecdsa(curve.digest());
                    let other = key.public_key().verify(&own, b"text", &signature);
                    assert_eq!(other.is_ok(), own == algorithm, "{kind:?} {digest}");
                }
            }
            if let PublicKeyKind::MlKem(_) = key.public_key().kind() {
                let (ciphertext, ours) = key.public_key().encapsulate().unwrap();
                assert_eq!(again.decapsulate(&ciphertext).unwrap().octets(), ours.octets());
            }
            if matches!(key.public_key().kind(), PublicKeyKind::Ec(_) | PublicKeyKind::X25519) {
                let ephemeral = crate::EphemeralKey::for_peer(key.public_key()).unwrap();
                let ours = ephemeral.agree(key.public_key()).unwrap();
                assert_eq!(ours.octets(), key.agree(ephemeral.public_key()).unwrap().octets());
            }
            if kind == KeyKind::Rsa2048 {
                for transport in [
                    KeyTransportAlgorithm::RsaPkcs1,
                    KeyTransportAlgorithm::oaep(digest),
                    KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha512),
                    KeyTransportAlgorithm::RsaOaep {
                        digest: DigestAlgorithm::Sha512,
                        mgf_digest: DigestAlgorithm::Sha1,
                        label: b"label".to_vec(),
                    },
                ] {
                    let ciphertext = transport.encrypt(key.public_key(), b"content key").unwrap();
                    assert_eq!(&**key.decrypt(&transport, &ciphertext).unwrap(), b"content key");
                    assert_eq!(KeyTransportAlgorithm::from_identifier(&transport.identifier()), Ok(transport));
                }
                let pss = SignatureAlgorithm::RsaPss(PssParameters::standard(digest));
                key.public_key().verify(&pss, b"text", &key.sign(&pss, b"text").unwrap()).unwrap();
                assert_eq!(SignatureAlgorithm::from_identifier(&pss.identifier()), Ok(pss));
            }
        }
    }

    #[test]
    fn t_15_weak_algorithms_are_named_and_never_accepted() {
        let key = SoftwareKey::generate(KeyKind::Rsa2048).unwrap();
        for digest in [DigestAlgorithm::Md5, DigestAlgorithm::Sha1] {
            let refused = key.public_key().verify(&SignatureAlgorithm::RsaPkcs1(digest), b"text", &[0; 256]);
            assert_eq!(refused, Err(Error::Weak { algorithm: digest.name() }));
        }
        let short_salt = PssParameters { salt_length: 0, ..PssParameters::standard(DigestAlgorithm::Sha256) };
        assert!(matches!(
            key.public_key().verify(&SignatureAlgorithm::RsaPss(short_salt), b"text", &[0; 256]),
            Err(Error::Weak { .. })
        ));
    }

    #[test]
    fn t_44_signatures_of_any_length_are_only_wrong() {
        let key = SoftwareKey::generate(KeyKind::Rsa2048).unwrap();
        let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
        for length in [0, 1, 255, 257, 2 << 20] {
            assert_eq!(key.public_key().verify(&algorithm, b"text", &vec![1; length]), Err(Error::BadValue));
        }
    }
}
