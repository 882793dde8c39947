mod kind;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use asn1::{Encoding, Reader, Writer};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature as aws;

use crate::{
    AlgorithmIdentifier, DigestAlgorithm, DigestValue, Error, PssParameters, SignatureAlgorithm, SlhDsaParameterSet,
    brainpool, oids,
};

pub use kind::{Curve, MlDsaLevel, MlKemLevel, PublicKeyKind};

/// A public key from its SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
///
/// Clones share what the first verification has prepared, so that a key that verifies often is parsed once.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    /// The contents of the BIT STRING.
    bits: Vec<u8>,
    kind: PublicKeyKind,
    prepared: Arc<OnceLock<Prepared>>,
    transport: Arc<OnceLock<Result<Transport, Error>>>,
}

/// An RSA key as aws-lc has it, to encrypt to.
pub(crate) struct Transport {
    pub(crate) oaep: OaepPublicEncryptingKey,
    pub(crate) pkcs1: Pkcs1PublicEncryptingKey,
}

/// The key as aws-lc has it, for the algorithm that it verified with first.
struct Prepared {
    algorithm: SignatureAlgorithm,
    key: Result<aws::ParsedPublicKey, Error>,
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
        Self {
            spki: spki.to_vec(),
            bits: bits.octets.to_vec(),
            kind,
            prepared: Arc::default(),
            transport: Arc::default(),
        }
        .with_checked_point()
    }

    /// Puts a SubjectPublicKeyInfo around the key's own bits.
    pub fn from_parts(algorithm: &AlgorithmIdentifier, bits: &[u8]) -> Result<Self, Error> {
        let kind = Self::kind_of(algorithm, bits)?;
        let mut writer = Writer::new();
        writer.sequence(|w| {
            algorithm.encode(w);
            w.bit_string(0, bits);
        });
        Self { spki: writer.into_vec(), bits: bits.to_vec(), kind, prepared: Arc::default(), transport: Arc::default() }
            .with_checked_point()
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
                reader.finish().map_err(|_| Error::MalformedKey { because: "its curve is not named" })?;
                Ok(PublicKeyKind::Ec(curve))
            }
            oids::ED25519 => {
                if is_small_order(bits) {
                    return Err(Error::MalformedKey { because: "its point has a small order" });
                }
                exactly(32, PublicKeyKind::Ed25519)
            }
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
            oid => match SlhDsaParameterSet::from_oid(oid) {
                Some(set) => exactly(set.public_key_length(), PublicKeyKind::SlhDsa(set)),
                None => Err(Error::Unknown { oid }),
            },
        }
    }

    // CASES T-45: a point that is not on its curve never becomes a key. What aws-lc made of it is kept to verify with.
    fn with_checked_point(self) -> Result<Self, Error> {
        let PublicKeyKind::Ec(curve) = self.kind else { return Ok(self) };
        if matches!(curve, Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1) {
            brainpool::check_point(curve, &self.bits)?;
            return Ok(self);
        }
        self.with_prepared(&SignatureAlgorithm::Ecdsa(curve.digest()), |_| Ok(()))
            .map_err(|_| Error::MalformedKey { because: "its point is not on the curve" })?;
        Ok(self)
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
            PublicKeyKind::SlhDsa(set) => set.name().into(),
            PublicKeyKind::X25519 => "X25519".into(),
        }
    }

    /// Too short to be accepted or encrypted to: RSA below 2048 bits (CASES S-11; RFC 8551 §4.3, §4.4; RFC 8550 §4.3).
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
        match algorithm {
            SignatureAlgorithm::SlhDsa(set) => set.verify(&self.bits, message, signature),
            SignatureAlgorithm::RsaPss(parameters) if !parameters.is_standard() => {
                self.verify_long_salt(parameters, message, signature)
            }
            _ => match algorithm.digest() {
                Some(digest) => self.verify_digest(algorithm, &digest.digest(message), signature),
                None => self.with_prepared(algorithm, |key| Ok(key.verify_sig(message, signature)?)),
            },
        }
    }

    /// Verifies `signature` over a message of which only the digest is left.
    ///
    /// # Errors
    /// As [`Self::verify`]; also [`Error::NotForThisKey`] for algorithms that need the message itself, and
    /// [`Error::Unsupported`] for RSASSA-PSS with a salt that is neither as long as the digest nor as long as fits.
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
        match self.kind {
            PublicKeyKind::Ec(curve @ (Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1)) => {
                brainpool::verify(curve, &self.bits, digest, signature)
            }
            PublicKeyKind::Ec(curve) => {
                let digest = ecdsa_digest(curve, digest)?;
                self.with_prepared(algorithm, |key| Ok(key.verify_digest_sig(&digest, signature)?))
            }
            _ => {
                let aws_digest = digest.algorithm().aws().ok_or_else(|| unsupported(algorithm))?;
                let imported = aws_lc_rs::digest::Digest::import_less_safe(digest.octets(), aws_digest)?;
                self.with_prepared(algorithm, |key| Ok(key.verify_digest_sig(&imported, signature)?))
            }
        }
    }

    fn with_prepared(
        &self,
        algorithm: &SignatureAlgorithm,
        verify: impl FnOnce(&aws::ParsedPublicKey) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let prepare = || {
            let verification = self.verification(algorithm)?;
            aws::ParsedPublicKey::new(verification, &self.bits).map_err(|_| Error::BadValue)
        };
        let first = self.prepared.get_or_init(|| Prepared { algorithm: *algorithm, key: prepare() });
        // Every digest goes through the one preparation of an EC key.
        let fits = first.algorithm == *algorithm || matches!(self.kind, PublicKeyKind::Ec(_));
        if fits { verify(first.key.as_ref().map_err(Clone::clone)?) } else { verify(&prepare()?) }
    }

    /// What encrypts to this key, prepared once.
    pub(crate) fn transport(&self) -> Result<&Transport, Error> {
        let prepare = || {
            let key = PublicEncryptingKey::from_der(&self.spki)?;
            let oaep = OaepPublicEncryptingKey::new(key.clone())?;
            Ok(Transport { oaep, pkcs1: Pkcs1PublicEncryptingKey::new(key)? })
        };
        self.transport.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }

    fn verify_long_salt(&self, parameters: &PssParameters, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let (n, e) = self.rsa_components().ok_or(Error::NotForThisKey { operation: "verify" })?;
        let standard = match parameters.digest {
            DigestAlgorithm::Sha256 => aws::RSA_PSS_2048_8192_SHA256,
            DigestAlgorithm::Sha384 => aws::RSA_PSS_2048_8192_SHA384,
            DigestAlgorithm::Sha512 => aws::RSA_PSS_2048_8192_SHA512,
            _ => return Err(unsupported(&SignatureAlgorithm::RsaPss(*parameters))),
        };
        let salt = u16::try_from(parameters.salt_length).map_err(|_| Error::BadValue)?;
        let algorithm = standard.with_pss_salt_length(aws::RsaPssSaltLength::Custom(salt));
        Ok(aws::RsaPublicKeyComponents { n, e }.verify(&algorithm, message, signature)?)
    }

    fn verification(&self, algorithm: &SignatureAlgorithm) -> Result<&'static dyn aws::VerificationAlgorithm, Error> {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        static PSS_SHA256_LONGEST: aws::RsaParameters =
            aws::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(aws::RsaPssSaltLength::Max);
        static PSS_SHA384_LONGEST: aws::RsaParameters =
            aws::RSA_PSS_2048_8192_SHA384.with_pss_salt_length(aws::RsaPssSaltLength::Max);
        static PSS_SHA512_LONGEST: aws::RsaParameters =
            aws::RSA_PSS_2048_8192_SHA512.with_pss_salt_length(aws::RsaPssSaltLength::Max);
        Ok(match (self.kind, algorithm) {
            (PublicKeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(_)) => &aws::ECDSA_P256_SHA256_ASN1,
            (PublicKeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(_)) => &aws::ECDSA_P384_SHA384_ASN1,
            (PublicKeyKind::Ec(Curve::P521), SignatureAlgorithm::Ecdsa(_)) => &aws::ECDSA_P521_SHA512_ASN1,
            (_, SignatureAlgorithm::Ed25519) => &aws::ED25519,
            (_, SignatureAlgorithm::MlDsa(MlDsaLevel::MlDsa44)) => &aws::ML_DSA_44,
            (_, SignatureAlgorithm::MlDsa(MlDsaLevel::MlDsa65)) => &aws::ML_DSA_65,
            (_, SignatureAlgorithm::MlDsa(MlDsaLevel::MlDsa87)) => &aws::ML_DSA_87,
            (_, SignatureAlgorithm::RsaPkcs1(Sha256)) => &aws::RSA_PKCS1_2048_8192_SHA256,
            (_, SignatureAlgorithm::RsaPkcs1(Sha384)) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (_, SignatureAlgorithm::RsaPkcs1(Sha512)) => &aws::RSA_PKCS1_2048_8192_SHA512,
            (PublicKeyKind::Rsa { bits, .. }, SignatureAlgorithm::RsaPss(parameters)) => {
                // RFC 8017 §9.1.1: a salt of emLen − hLen − 2 octets is the longest that fits.
                let longest = bits.div_ceil(8).checked_sub(2 + u32::try_from(parameters.digest.length()).unwrap_or(0));
                match parameters.digest {
                    Sha256 if parameters.is_standard() => &aws::RSA_PSS_2048_8192_SHA256,
                    Sha384 if parameters.is_standard() => &aws::RSA_PSS_2048_8192_SHA384,
                    Sha512 if parameters.is_standard() => &aws::RSA_PSS_2048_8192_SHA512,
                    Sha256 if Some(parameters.salt_length) == longest => &PSS_SHA256_LONGEST,
                    Sha384 if Some(parameters.salt_length) == longest => &PSS_SHA384_LONGEST,
                    Sha512 if Some(parameters.salt_length) == longest => &PSS_SHA512_LONGEST,
                    _ => return Err(unsupported(algorithm)),
                }
            }
            _ => return Err(unsupported(algorithm)),
        })
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
                match pss.flatten() {
                    Some(own) if !own.allows(parameters) => Err(not_for_this),
                    _ => Ok(()),
                }
            }
            (PublicKeyKind::Ec(_), SignatureAlgorithm::Ecdsa(_))
            | (PublicKeyKind::Ed25519, SignatureAlgorithm::Ed25519) => Ok(()),
            (PublicKeyKind::MlDsa(own), SignatureAlgorithm::MlDsa(level)) if own == *level => Ok(()),
            (PublicKeyKind::SlhDsa(own), SignatureAlgorithm::SlhDsa(set)) if own == *set => Ok(()),
            _ => Err(not_for_this),
        }?;
        match self.kind {
            PublicKeyKind::Rsa { bits, .. } if bits < 2048 => Err(Error::Weak { algorithm: "RSA below 2048 bits" }),
            _ => Ok(()),
        }
    }
}

fn unsupported(algorithm: &SignatureAlgorithm) -> Error {
    let digest = algorithm.digest().map_or("", DigestAlgorithm::name);
    Error::Unsupported { algorithm: format!("{} with {digest} for this key", algorithm.name()) }
}

/// The digest as ECDSA uses it, dressed as the one that aws-lc has for the curve.
///
/// ECDSA takes the leftmost bits of a digest that is longer than the group's order, and a shorter one as a number
/// (FIPS 186-5 §6.4.1), so that any digest has a form of the one length. That signs and verifies every combination,
/// where aws-lc has names for a few.
pub(crate) fn ecdsa_digest(curve: Curve, digest: &DigestValue) -> Result<aws_lc_rs::digest::Digest, Error> {
    let algorithm = match curve {
        Curve::P256 => &aws_lc_rs::digest::SHA256,
        Curve::P384 => &aws_lc_rs::digest::SHA384,
        Curve::P521 => &aws_lc_rs::digest::SHA512,
        _ => return Err(Error::NotForThisKey { operation: "use aws-lc" }),
    };
    let mut octets = [0u8; 64];
    let room = octets.get_mut(..algorithm.output_len()).ok_or(Error::BadValue)?;
    let digest = digest.octets();
    match room.len().checked_sub(digest.len()) {
        Some(zeros) => room.get_mut(zeros..).ok_or(Error::BadValue)?.copy_from_slice(digest),
        None => room.copy_from_slice(digest.get(..room.len()).ok_or(Error::BadValue)?),
    }
    Ok(aws_lc_rs::digest::Digest::import_less_safe(room, algorithm)?)
}

// CASES T-15: with a key of small order one signature fits many messages. The y coordinates of the eight points whose
// order divides 8, in every encoding, little-endian and without the sign of x.
fn is_small_order(point: &[u8]) -> bool {
    const LARGE: u8 = 0xff;
    let order_8 = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    let order_8_negative = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let Ok(mut y) = <[u8; 32]>::try_from(point) else { return false };
    y[31] &= 0x7f;
    let [first, middle @ .., last] = y;
    let small = middle.iter().all(|&octet| octet == 0) && last == 0 && first <= 1;
    // p − 1, p and p + 1, where p = 2^255 − 19.
    let near_p = middle.iter().all(|&octet| octet == LARGE) && last == 0x7f && (0xec..=0xee).contains(&first);
    small || near_p || y == order_8 || y == order_8_negative
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

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spki.hash(state);
    }
}
