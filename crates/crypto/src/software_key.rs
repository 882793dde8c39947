use std::fmt;

use asn1::{Encoding, Reader, Tag, Writer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{agreement, encoding::AsDer as _, kem};
use zeroize::Zeroizing;

use crate::key_agreement::{agree, curve_agreement, kem_algorithm};
use crate::{
    AlgorithmIdentifier, Curve, DigestAlgorithm, Error, KeyTransportAlgorithm, MlDsaLevel, MlKemLevel, PrivateKey,
    PssParameters, PublicKey, PublicKeyKind, SharedSecret, SignatureAlgorithm, oids,
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
    Ec { sign: Box<[(DigestAlgorithm, aws::EcdsaKeyPair)]>, agree: agreement::PrivateKey },
    Ed25519(aws::Ed25519KeyPair),
    MlDsa(aws::PqdsaKeyPair),
    MlKem(kem::DecapsulationKey),
    Rsa { sign: aws::RsaKeyPair, oaep: OaepPrivateDecryptingKey, pkcs1: Pkcs1PrivateDecryptingKey },
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
    Ed25519,
    X25519,
    MlDsa(MlDsaLevel),
}

impl SoftwareKey {
    /// Makes a fresh key.
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
            KeyKind::Ed25519 => Self::from_pkcs8(aws::Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref()),
            KeyKind::X25519 => {
                let private = agreement::PrivateKey::generate(&agreement::X25519)?;
                let seed: aws_lc_rs::encoding::Curve25519SeedBin<'_> =
                    aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&private)?;
                let inner = octet_string(seed.as_ref());
                Self::from_pkcs8(&pkcs8(&AlgorithmIdentifier::new(oids::X25519), &inner))
            }
            KeyKind::MlDsa(level) => {
                let pair = aws::PqdsaKeyPair::generate(ml_dsa(level))?;
                Self::from_pkcs8(pair.to_pkcs8v1()?.as_ref())
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
        let private = inside.octet_string().map_err(malformed)?;
        let (public, operations) = match algorithm.oid {
            oids::RSA_ENCRYPTION | oids::RSASSA_PSS => rsa(&algorithm, &private)?,
            oids::EC_PUBLIC_KEY => ec(&algorithm, &private)?,
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
            oids::ML_DSA_44 => ml_dsa_key(MlDsaLevel::MlDsa44, der)?,
            oids::ML_DSA_65 => ml_dsa_key(MlDsaLevel::MlDsa65, der)?,
            oids::ML_DSA_87 => ml_dsa_key(MlDsaLevel::MlDsa87, der)?,
            oids::ML_KEM_512 => ml_kem_key(MlKemLevel::MlKem512, &private)?,
            oids::ML_KEM_768 => ml_kem_key(MlKemLevel::MlKem768, &private)?,
            oids::ML_KEM_1024 => ml_kem_key(MlKemLevel::MlKem1024, &private)?,
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
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        let unsupported = || Error::Unsupported {
            algorithm: format!(
                "{} with {} for this key",
                algorithm.name(),
                algorithm.digest().map_or("", DigestAlgorithm::name)
            ),
        };
        match (&self.operations, algorithm) {
            (Operations::Rsa { sign, .. }, SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_)) => {
                let restricted = matches!(self.public.kind(), PublicKeyKind::Rsa { pss: Some(_), .. });
                let encoding: &dyn aws::RsaEncoding = match algorithm {
                    SignatureAlgorithm::RsaPkcs1(_) if restricted => {
                        return Err(Error::NotForThisKey { operation: "sign with PKCS #1 v1.5" });
                    }
                    SignatureAlgorithm::RsaPkcs1(Sha256) => &aws::RSA_PKCS1_SHA256,
                    SignatureAlgorithm::RsaPkcs1(Sha384) => &aws::RSA_PKCS1_SHA384,
                    SignatureAlgorithm::RsaPkcs1(Sha512) => &aws::RSA_PKCS1_SHA512,
                    SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha256) => &aws::RSA_PSS_SHA256,
                    SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha384) => &aws::RSA_PSS_SHA384,
                    SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha512) => &aws::RSA_PSS_SHA512,
                    _ => return Err(unsupported()),
                };
                let mut signature = vec![0; sign.public_modulus_len()];
                sign.sign(encoding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            (Operations::Ec { sign, .. }, SignatureAlgorithm::Ecdsa(digest)) => {
                let (_, pair) = sign.iter().find(|(own, _)| own == digest).ok_or_else(unsupported)?;
                Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
            }
            (Operations::Ed25519(pair), SignatureAlgorithm::Ed25519) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            (Operations::MlDsa(pair), SignatureAlgorithm::MlDsa(level))
                if self.public.kind() == PublicKeyKind::MlDsa(*level) =>
            {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut signature)?;
                signature.truncate(length);
                Ok(signature)
            }
            _ => Err(Error::NotForThisKey { operation: "sign" }),
        }
    }

    fn decrypt(&self, algorithm: &KeyTransportAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Operations::Rsa { oaep, pkcs1, .. } = &self.operations else {
            return Err(Error::NotForThisKey { operation: "decrypt" });
        };
        let mut out = Zeroizing::new(vec![0; oaep.min_output_size().max(pkcs1.min_output_size())]);
        let length = match algorithm {
            KeyTransportAlgorithm::RsaPkcs1 => pkcs1.decrypt(ciphertext, &mut out)?.len(),
            KeyTransportAlgorithm::RsaOaep { label, .. } => {
                let aws_algorithm =
                    algorithm.aws_oaep().ok_or_else(|| Error::Unsupported { algorithm: algorithm.describe() })?;
                let label = if label.is_empty() { None } else { Some(&label[..]) };
                oaep.decrypt(aws_algorithm, ciphertext, &mut out, label)?.len()
            }
        };
        out.truncate(length);
        Ok(out)
    }

    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        if peer.kind() != self.public.kind() {
            return Err(Error::NotForThisKey { operation: "agree" });
        }
        match &self.operations {
            Operations::Ec { agree: key, .. } | Operations::X25519(key) => agree(key, peer),
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

fn rsa(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let sign = aws::RsaKeyPair::from_der(private)?;
    let public = PublicKey::from_parts(algorithm, sign.public_key().as_ref())?;
    // aws-lc reads the key pair for decryption from PKCS #8 with the plain identifier only.
    let plain = Zeroizing::new(pkcs8(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), private));
    let oaep = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&plain)?)?;
    let pkcs1 = Pkcs1PrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&plain)?)?;
    Ok((public, Operations::Rsa { sign, oaep, pkcs1 }))
}

fn ec(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let unnamed = Error::MalformedKey { because: "its curve is not named" };
    let parameters = algorithm.parameters.as_deref().ok_or(unnamed.clone())?;
    let curve = Curve::from_oid(Reader::new(parameters, Encoding::Der).oid().map_err(|_| unnamed)?)?;
    let plain = Zeroizing::new(pkcs8(algorithm, private));
    let algorithms: &[(DigestAlgorithm, &'static aws::EcdsaSigningAlgorithm)] = match curve {
        Curve::P256 => &[(DigestAlgorithm::Sha256, &aws::ECDSA_P256_SHA256_ASN1_SIGNING)],
        Curve::P384 => &[(DigestAlgorithm::Sha384, &aws::ECDSA_P384_SHA384_ASN1_SIGNING)],
        Curve::P521 => &[
            (DigestAlgorithm::Sha512, &aws::ECDSA_P521_SHA512_ASN1_SIGNING),
            (DigestAlgorithm::Sha384, &aws::ECDSA_P521_SHA384_ASN1_SIGNING),
            (DigestAlgorithm::Sha256, &aws::ECDSA_P521_SHA256_ASN1_SIGNING),
        ],
    };
    let sign = algorithms
        .iter()
        .map(|&(digest, algorithm)| Ok((digest, aws::EcdsaKeyPair::from_private_key_der(algorithm, &plain)?)))
        .collect::<Result<_, Error>>()?;
    let agree = agreement::PrivateKey::from_private_key_der(curve_agreement(curve), &plain)?;
    let public = PublicKey::from_ec_point(curve, agree.compute_public_key()?.as_ref())?;
    Ok((public, Operations::Ec { sign, agree }))
}

fn ml_dsa(level: MlDsaLevel) -> &'static aws::PqdsaSigningAlgorithm {
    match level {
        MlDsaLevel::MlDsa44 => &aws::ML_DSA_44_SIGNING,
        MlDsaLevel::MlDsa65 => &aws::ML_DSA_65_SIGNING,
        MlDsaLevel::MlDsa87 => &aws::ML_DSA_87_SIGNING,
    }
}

// RFC 9881 §6: seed, expanded key, or both; where both are there, aws-lc checks that they agree.
fn ml_dsa_key(level: MlDsaLevel, der: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let pair = aws::PqdsaKeyPair::from_pkcs8(ml_dsa(level), der)?;
    let public = PublicKey::from_parts(&AlgorithmIdentifier::new(level.oid()), pair.public_key().as_ref())?;
    Ok((public, Operations::MlDsa(pair)))
}

// RFC 9935 §6: `CHOICE { seed [0], expandedKey OCTET STRING, both SEQUENCE }`. The public key is the part of the
// expanded key before its last 64 octets (FIPS 203 §7.1).
fn ml_kem_key(level: MlKemLevel, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not an ML-KEM private key" };
    let mut reader = Reader::new(private, Encoding::Der);
    let element = reader.element().map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    let expanded = match element.tag() {
        Tag::OCTET_STRING => element.content().to_vec(),
        Tag::SEQUENCE => {
            let mut both = element.reader("both").map_err(malformed)?;
            both.octet_string().map_err(malformed)?;
            both.octet_string().map_err(malformed)?.into_owned()
        }
        _ => return Err(Error::Unsupported { algorithm: format!("{} from its seed alone", level.name()) }),
    };
    let expanded = Zeroizing::new(expanded);
    let key = kem::DecapsulationKey::new(kem_algorithm(level), &expanded)?;
    let public_length = level.public_key_length();
    let public =
        expanded.len().checked_sub(64 + public_length).and_then(|start| expanded.get(start..start + public_length));
    let public = public.ok_or(Error::MalformedKey { because: "its length is wrong" })?;
    Ok((PublicKey::from_parts(&AlgorithmIdentifier::new(level.oid()), public)?, Operations::MlKem(key)))
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

fn octet_string(octets: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.octet_string(octets);
    writer.into_vec()
}

fn pkcs8(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned(0);
        algorithm.encode(w);
        w.octet_string(private);
    });
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_keys_do_what_their_kind_does() {
        let digest = DigestAlgorithm::Sha256;
        for kind in [
            KeyKind::Rsa2048,
            KeyKind::P256,
            KeyKind::P384,
            KeyKind::P521,
            KeyKind::Ed25519,
            KeyKind::X25519,
            KeyKind::MlDsa(MlDsaLevel::MlDsa65),
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
            if matches!(kind, KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::X25519) {
                let ephemeral = crate::EphemeralKey::for_peer(key.public_key()).unwrap();
                let ours = ephemeral.agree(key.public_key()).unwrap();
                assert_eq!(ours.octets(), key.agree(ephemeral.public_key()).unwrap().octets());
            }
            if kind == KeyKind::Rsa2048 {
                for transport in [
                    KeyTransportAlgorithm::RsaPkcs1,
                    KeyTransportAlgorithm::oaep(digest),
                    KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha512),
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
