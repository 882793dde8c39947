use std::fmt;

use asn1::{Encoding, Oid, Reader, Writer};
use aws_lc_rs::signature as aws;

use crate::{AlgorithmIdentifier, DigestAlgorithm, DigestValue, Error, PssParameters, SignatureAlgorithm, oids};

/// A public key from its SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    /// The contents of the BIT STRING.
    bits: Vec<u8>,
    kind: PublicKeyKind,
}

/// What kind of key it is, with what distinguishes keys of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// An elliptic curve key, for ECDSA or ECDH.
    Ec(Curve),
    /// Ed25519 (RFC 8410 §3).
    Ed25519,
    /// ML-DSA (RFC 9881 §4).
    MlDsa(MlDsaLevel),
    /// ML-KEM (RFC 9935 §4).
    MlKem(MlKemLevel),
    /// RSA; `pss` restricts the key to RSASSA-PSS (RFC 4055 §1.2).
    Rsa {
        /// Bits of the modulus.
        bits: u32,
        /// `None` for `rsaEncryption`; the inner `None` when `id-RSASSA-PSS` has no parameters.
        pss: Option<Option<PssParameters>>,
    },
    /// X25519 (RFC 8410 §3).
    X25519,
}

/// A named curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Curve {
    P256,
    P384,
    P521,
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
            oids::BRAINPOOL_P256R1 => Err(Error::Unsupported { algorithm: "brainpoolP256r1".into() }),
            oids::BRAINPOOL_P384R1 => Err(Error::Unsupported { algorithm: "brainpoolP384r1".into() }),
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
        }
    }

    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Octets of one coordinate.
    pub fn coordinate_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The digest that matches the curve's strength (RFC 5753 §2.1, RFC 5754 §3.3).
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::P256 => DigestAlgorithm::Sha256,
            Self::P384 => DigestAlgorithm::Sha384,
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
    pub(crate) fn oid(self) -> Oid {
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

/// Longest RSA modulus that is computed with (CASES T-43).
const LONGEST_RSA: u32 = 8192;

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo, whole.
    pub fn from_spki(spki: &[u8]) -> Result<Self, Error> {
        let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not a SubjectPublicKeyInfo" };
        let mut outer = Reader::new(spki, Encoding::Der);
        let mut inside = outer.sequence("SubjectPublicKeyInfo").map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        let algorithm = AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?;
        let bits = inside.bit_string().map_err(malformed)?;
        inside.finish().map_err(malformed)?;
        if bits.unused_bits != 0 {
            return Err(Error::MalformedKey { because: "its bits do not fill octets" });
        }
        let kind = Self::kind_of(&algorithm, bits.octets)?;
        Ok(Self { spki: spki.to_vec(), bits: bits.octets.to_vec(), kind })
    }

    /// Puts a SubjectPublicKeyInfo around the key's own bits.
    pub fn from_parts(algorithm: &AlgorithmIdentifier, bits: &[u8]) -> Result<Self, Error> {
        let kind = Self::kind_of(algorithm, bits)?;
        let mut writer = Writer::new();
        writer.sequence(|w| {
            algorithm.encode(w);
            w.bit_string(0, bits);
        });
        Ok(Self { spki: writer.into_vec(), bits: bits.to_vec(), kind })
    }

    /// An EC key from its uncompressed point.
    pub fn from_ec_point(curve: Curve, point: &[u8]) -> Result<Self, Error> {
        Self::from_parts(&AlgorithmIdentifier::with(oids::EC_PUBLIC_KEY, |w| w.oid(&curve.oid())), point)
    }

    /// An X25519 key from its 32 octets.
    pub fn from_x25519(octets: &[u8]) -> Result<Self, Error> {
        Self::from_parts(&AlgorithmIdentifier::new(oids::X25519), octets)
    }

    fn kind_of(algorithm: &AlgorithmIdentifier, bits: &[u8]) -> Result<PublicKeyKind, Error> {
        let exactly = |length: usize, kind| {
            if algorithm.parameters.is_some() {
                return Err(Error::MalformedKey { because: "its algorithm has parameters" });
            }
            if bits.len() == length { Ok(kind) } else { Err(Error::MalformedKey { because: "its length is wrong" }) }
        };
        match algorithm.oid {
            // Seen in the wild: rsaEncryption without its NULL.
            oids::RSA_ENCRYPTION if algorithm.has_no_parameters() => {
                Ok(PublicKeyKind::Rsa { bits: rsa_bits(bits)?, pss: None })
            }
            oids::RSASSA_PSS => {
                let parameters = algorithm.parameters.as_deref().map(PssParameters::parse).transpose()?;
                Ok(PublicKeyKind::Rsa { bits: rsa_bits(bits)?, pss: Some(parameters) })
            }
            oids::EC_PUBLIC_KEY => {
                // RFC 5480 §2.1.1: namedCurve only. CASES T-45: explicit parameters are refused.
                let parameters = algorithm.parameters.as_deref().unwrap_or_default();
                let mut reader = Reader::new(parameters, Encoding::Der);
                let curve = reader.oid().map_err(|_| Error::MalformedKey { because: "its curve is not named" })?;
                let curve = Curve::from_oid(curve)?;
                if bits.first() != Some(&4) || bits.len() != 1 + 2 * curve.coordinate_length() {
                    return Err(Error::MalformedKey { because: "its point is not in the uncompressed form" });
                }
                Ok(PublicKeyKind::Ec(curve))
            }
            oids::ED25519 => exactly(32, PublicKeyKind::Ed25519),
            oids::X25519 => exactly(32, PublicKeyKind::X25519),
            oids::ML_DSA_44 => {
                exactly(MlDsaLevel::MlDsa44.public_key_length(), PublicKeyKind::MlDsa(MlDsaLevel::MlDsa44))
            }
            oids::ML_DSA_65 => {
                exactly(MlDsaLevel::MlDsa65.public_key_length(), PublicKeyKind::MlDsa(MlDsaLevel::MlDsa65))
            }
            oids::ML_DSA_87 => {
                exactly(MlDsaLevel::MlDsa87.public_key_length(), PublicKeyKind::MlDsa(MlDsaLevel::MlDsa87))
            }
            oids::ML_KEM_512 => {
                exactly(MlKemLevel::MlKem512.public_key_length(), PublicKeyKind::MlKem(MlKemLevel::MlKem512))
            }
            oids::ML_KEM_768 => {
                exactly(MlKemLevel::MlKem768.public_key_length(), PublicKeyKind::MlKem(MlKemLevel::MlKem768))
            }
            oids::ML_KEM_1024 => {
                exactly(MlKemLevel::MlKem1024.public_key_length(), PublicKeyKind::MlKem(MlKemLevel::MlKem1024))
            }
            oids::ED448 => Err(Error::Unsupported { algorithm: "Ed448".into() }),
            oids::X448 => Err(Error::Unsupported { algorithm: "X448".into() }),
            oids::DSA => Err(Error::Unsupported { algorithm: "DSA".into() }),
            oid => Err(Error::Unknown { oid }),
        }
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The contents of the BIT STRING: RSAPublicKey, the point, or the raw octets.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// What kind of key it is.
    pub fn kind(&self) -> PublicKeyKind {
        self.kind
    }

    /// As people say it: `RSA 3072`, `P-256`, `Ed25519`.
    pub fn describe(&self) -> String {
        match self.kind {
            PublicKeyKind::Ec(curve) => curve.name().into(),
            PublicKeyKind::Ed25519 => "Ed25519".into(),
            PublicKeyKind::MlDsa(level) => level.name().into(),
            PublicKeyKind::MlKem(level) => level.name().into(),
            PublicKeyKind::Rsa { bits, pss: None } => format!("RSA {bits}"),
            PublicKeyKind::Rsa { bits, pss: Some(_) } => format!("RSA {bits} (PSS only)"),
            PublicKeyKind::X25519 => "X25519".into(),
        }
    }

    /// Too short to be accepted: RSA below 2048 bits (CASES S-11).
    pub fn is_weak(&self) -> bool {
        matches!(self.kind, PublicKeyKind::Rsa { bits, .. } if bits < 2048)
    }

    /// The RSA modulus and exponent, big-endian without leading zeros.
    pub fn rsa_components(&self) -> Option<(&[u8], &[u8])> {
        matches!(self.kind, PublicKeyKind::Rsa { .. }).then(|| rsa_components(&self.bits).ok())?
    }

    /// Verifies `signature` over `message`.
    ///
    /// # Errors
    /// [`Error::Weak`] for what is never accepted (CASES T-15), [`Error::NotForThisKey`] when key and algorithm do not
    /// go together, [`Error::BadValue`] when the signature is not right.
    pub fn verify(&self, algorithm: &SignatureAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.check_algorithm(algorithm)?;
        match (self.kind, algorithm) {
            (PublicKeyKind::Ed25519, SignatureAlgorithm::Ed25519) => {
                Ok(aws::UnparsedPublicKey::new(&aws::ED25519, &self.bits).verify(message, signature)?)
            }
            (PublicKeyKind::MlDsa(_), SignatureAlgorithm::MlDsa(level)) => {
                let algorithm = match level {
                    MlDsaLevel::MlDsa44 => &aws::ML_DSA_44,
                    MlDsaLevel::MlDsa65 => &aws::ML_DSA_65,
                    MlDsaLevel::MlDsa87 => &aws::ML_DSA_87,
                };
                Ok(aws::UnparsedPublicKey::new(algorithm, &self.bits).verify(message, signature)?)
            }
            (_, SignatureAlgorithm::RsaPss(parameters)) if !parameters.is_standard() => {
                self.verify_long_salt(parameters, message, signature)
            }
            _ => {
                let digest = algorithm.digest().ok_or(Error::NotForThisKey { operation: "verify" })?;
                self.verify_digest(algorithm, &digest.digest(message), signature)
            }
        }
    }

    /// Verifies `signature` over a message of which only the digest is left.
    ///
    /// # Errors
    /// As [`Self::verify`]; also [`Error::NotForThisKey`] for algorithms that need the message itself.
    pub fn verify_digest(
        &self,
        algorithm: &SignatureAlgorithm,
        digest: &DigestValue,
        signature: &[u8],
    ) -> Result<(), Error> {
        self.check_algorithm(algorithm)?;
        if algorithm.digest() != Some(digest.algorithm()) {
            return Err(Error::BadValue);
        }
        let verification = verification(self.kind, algorithm)?;
        let aws_digest = digest.algorithm().aws().ok_or(Error::Weak { algorithm: digest.algorithm().name() })?;
        let imported = aws_lc_rs::digest::Digest::import_less_safe(digest.octets(), aws_digest)?;
        Ok(aws::UnparsedPublicKey::new(verification, &self.bits).verify_digest(&imported, signature)?)
    }

    fn verify_long_salt(&self, parameters: &PssParameters, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let (n, e) = self.rsa_components().ok_or(Error::NotForThisKey { operation: "verify" })?;
        let standard = match parameters.digest {
            DigestAlgorithm::Sha256 => aws::RSA_PSS_2048_8192_SHA256,
            DigestAlgorithm::Sha384 => aws::RSA_PSS_2048_8192_SHA384,
            DigestAlgorithm::Sha512 => aws::RSA_PSS_2048_8192_SHA512,
            other => return Err(Error::Unsupported { algorithm: format!("RSASSA-PSS with {other}") }),
        };
        let salt = u16::try_from(parameters.salt_length).map_err(|_| Error::BadValue)?;
        let algorithm = standard.with_pss_salt_length(aws::RsaPssSaltLength::Custom(salt));
        Ok(aws::RsaPublicKeyComponents { n, e }.verify(&algorithm, message, signature)?)
    }

    fn check_algorithm(&self, algorithm: &SignatureAlgorithm) -> Result<(), Error> {
        if let Some(weak) = algorithm.digest().filter(|digest| digest.is_weak()) {
            return Err(Error::Weak { algorithm: weak.name() });
        }
        let not_for_this = Error::NotForThisKey { operation: "verify" };
        match (self.kind, algorithm) {
            (PublicKeyKind::Rsa { pss: None, .. }, SignatureAlgorithm::RsaPkcs1(_)) => Ok(()),
            (PublicKeyKind::Rsa { pss, .. }, SignatureAlgorithm::RsaPss(parameters)) => {
                // Deviation (RFC 4055 §3.1): hash = MGF hash, and a salt at least as long as the hash (CASES T-15). Longer
                // ones are seen: OpenSSL takes the longest that fits.
                if !parameters.is_acceptable() {
                    return Err(Error::Weak { algorithm: "RSASSA-PSS with uncommon parameters" });
                }
                // RFC 4055 §3.3: a key's own parameters bind the digest and are a lower bound for the salt.
                match pss.flatten() {
                    Some(own)
                        if own.digest != parameters.digest
                            || own.mgf_digest != parameters.mgf_digest
                            || parameters.salt_length < own.salt_length =>
                    {
                        Err(not_for_this)
                    }
                    _ => Ok(()),
                }
            }
            (PublicKeyKind::Ec(_), SignatureAlgorithm::Ecdsa(_))
            | (PublicKeyKind::Ed25519, SignatureAlgorithm::Ed25519) => Ok(()),
            (PublicKeyKind::MlDsa(own), SignatureAlgorithm::MlDsa(level)) if own == *level => Ok(()),
            _ => Err(not_for_this),
        }?;
        match self.kind {
            PublicKeyKind::Rsa { bits, .. } if bits < 2048 => Err(Error::Weak { algorithm: "RSA below 2048 bits" }),
            _ => Ok(()),
        }
    }
}

fn verification(
    kind: PublicKeyKind,
    algorithm: &SignatureAlgorithm,
) -> Result<&'static dyn aws::VerificationAlgorithm, Error> {
    use DigestAlgorithm::{Sha224, Sha256, Sha384, Sha512};
    Ok(match (kind, algorithm) {
        (_, SignatureAlgorithm::RsaPkcs1(Sha256)) => &aws::RSA_PKCS1_2048_8192_SHA256,
        (_, SignatureAlgorithm::RsaPkcs1(Sha384)) => &aws::RSA_PKCS1_2048_8192_SHA384,
        (_, SignatureAlgorithm::RsaPkcs1(Sha512)) => &aws::RSA_PKCS1_2048_8192_SHA512,
        (_, SignatureAlgorithm::RsaPss(PssParameters { digest: Sha256, .. })) => &aws::RSA_PSS_2048_8192_SHA256,
        (_, SignatureAlgorithm::RsaPss(PssParameters { digest: Sha384, .. })) => &aws::RSA_PSS_2048_8192_SHA384,
        (_, SignatureAlgorithm::RsaPss(PssParameters { digest: Sha512, .. })) => &aws::RSA_PSS_2048_8192_SHA512,
        (PublicKeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(Sha256)) => &aws::ECDSA_P256_SHA256_ASN1,
        (PublicKeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(Sha384)) => &aws::ECDSA_P256_SHA384_ASN1,
        (PublicKeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(Sha512)) => &aws::ECDSA_P256_SHA512_ASN1,
        (PublicKeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(Sha256)) => &aws::ECDSA_P384_SHA256_ASN1,
        (PublicKeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(Sha384)) => &aws::ECDSA_P384_SHA384_ASN1,
        (PublicKeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(Sha512)) => &aws::ECDSA_P384_SHA512_ASN1,
        (PublicKeyKind::Ec(Curve::P521), SignatureAlgorithm::Ecdsa(Sha224)) => &aws::ECDSA_P521_SHA224_ASN1,
        (PublicKeyKind::Ec(Curve::P521), SignatureAlgorithm::Ecdsa(Sha256)) => &aws::ECDSA_P521_SHA256_ASN1,
        (PublicKeyKind::Ec(Curve::P521), SignatureAlgorithm::Ecdsa(Sha384)) => &aws::ECDSA_P521_SHA384_ASN1,
        (PublicKeyKind::Ec(Curve::P521), SignatureAlgorithm::Ecdsa(Sha512)) => &aws::ECDSA_P521_SHA512_ASN1,
        (_, algorithm) => {
            let digest = algorithm.digest().map_or("", DigestAlgorithm::name);
            return Err(Error::Unsupported { algorithm: format!("{} with {digest} for this key", algorithm.name()) });
        }
    })
}

fn rsa_components(bits: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not an RSAPublicKey" };
    let mut outer = Reader::new(bits, Encoding::Der);
    let mut inside = outer.sequence("RSAPublicKey").map_err(malformed)?;
    outer.finish().map_err(malformed)?;
    let modulus = inside.integer().map_err(malformed)?;
    let exponent = inside.integer().map_err(malformed)?;
    inside.finish().map_err(malformed)?;
    let negative = Error::MalformedKey { because: "an RSA number is negative" };
    Ok((modulus.unsigned_bytes().ok_or(negative.clone())?, exponent.unsigned_bytes().ok_or(negative)?))
}

fn rsa_bits(bits: &[u8]) -> Result<u32, Error> {
    let (modulus, exponent) = rsa_components(bits)?;
    let leading = modulus.first().map_or(0, |first| first.leading_zeros());
    let length = u32::try_from(modulus.len()).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(leading);
    // CASES T-43, T-15: before any arithmetic. aws-lc takes exponents up to 33 bits.
    if length > LONGEST_RSA {
        return Err(Error::MalformedKey { because: "its modulus has more than 8192 bits" });
    }
    let odd = exponent.last().is_some_and(|last| last & 1 == 1) && modulus.last().is_some_and(|last| last & 1 == 1);
    if exponent.len() > 4 || exponent == [1] || !odd {
        return Err(Error::MalformedKey { because: "its exponent is not an odd number from 3 to 2^32" });
    }
    Ok(length)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.describe())
    }
}
