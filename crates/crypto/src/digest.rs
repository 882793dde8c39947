use std::fmt;

use aws_lc_rs::digest as aws;
use md5::Digest as _;
use shake::digest::{ExtendableOutput as _, Update};

use crate::{AlgorithmIdentifier, Error, oids};

/// A message digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum DigestAlgorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    /// With 32 octets (RFC 8702 §3.1).
    Shake128,
    /// With 64 octets (RFC 8702 §3.1).
    Shake256,
}

impl DigestAlgorithm {
    /// From its identifier (RFC 5652 §10.1.1, RFC 8551 §2.1); parameters are absent or NULL (RFC 5754 §2).
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        if !identifier.has_no_parameters() {
            return Err(Error::MalformedParameters { algorithm: "digest" });
        }
        Self::from_oid(identifier.oid).ok_or(Error::Unknown { oid: identifier.oid })
    }

    /// From its object identifier (SHA-2: RFC 5754 §2.1, §2.2, §2.3, §2.4).
    pub fn from_oid(oid: asn1::Oid) -> Option<Self> {
        Some(match oid {
            oids::MD5 => Self::Md5,
            oids::SHA1 => Self::Sha1,
            oids::SHA224 => Self::Sha224,
            oids::SHA256 => Self::Sha256,
            oids::SHA384 => Self::Sha384,
            oids::SHA512 => Self::Sha512,
            oids::SHA3_224 => Self::Sha3_224,
            oids::SHA3_256 => Self::Sha3_256,
            oids::SHA3_384 => Self::Sha3_384,
            oids::SHA3_512 => Self::Sha3_512,
            oids::SHAKE128 => Self::Shake128,
            oids::SHAKE256 => Self::Shake256,
            _ => return None,
        })
    }

    /// The object identifier.
    pub fn oid(self) -> asn1::Oid {
        match self {
            Self::Md5 => oids::MD5,
            Self::Sha1 => oids::SHA1,
            Self::Sha224 => oids::SHA224,
            Self::Sha256 => oids::SHA256,
            Self::Sha384 => oids::SHA384,
            Self::Sha512 => oids::SHA512,
            Self::Sha3_224 => oids::SHA3_224,
            Self::Sha3_256 => oids::SHA3_256,
            Self::Sha3_384 => oids::SHA3_384,
            Self::Sha3_512 => oids::SHA3_512,
            Self::Shake128 => oids::SHAKE128,
            Self::Shake256 => oids::SHAKE256,
        }
    }

    /// The identifier with absent parameters, as RFC 5754 §2 wants it generated.
    pub fn identifier(self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::new(self.oid())
    }

    /// As mail writes it in `micalg` (RFC 8551 §3.5.3.2).
    pub fn micalg(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Sha3_224 => "sha3-224",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
            Self::Shake128 => "shake128",
            Self::Shake256 => "shake256",
        }
    }

    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_224 => "SHA3-224",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
            Self::Shake128 => "SHAKE128",
            Self::Shake256 => "SHAKE256",
        }
    }

    /// Octets of the result.
    pub fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha3_256 | Self::Shake128 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 | Self::Shake256 => 64,
        }
    }

    /// Read only to say what it is: a signature over it is never accepted (CASES T-15).
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    /// Digests `data` in one go.
    pub fn digest(self, data: &[u8]) -> DigestValue {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }

    pub(crate) fn aws(self) -> Option<&'static aws::Algorithm> {
        Some(match self {
            Self::Md5 | Self::Sha3_224 | Self::Shake128 | Self::Shake256 => return None,
            Self::Sha1 => &aws::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &aws::SHA224,
            Self::Sha256 => &aws::SHA256,
            Self::Sha384 => &aws::SHA384,
            Self::Sha512 => &aws::SHA512,
            Self::Sha3_256 => &aws::SHA3_256,
            Self::Sha3_384 => &aws::SHA3_384,
            Self::Sha3_512 => &aws::SHA3_512,
        })
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Digests data that comes in pieces.
#[derive(Clone)]
pub struct Hasher {
    algorithm: DigestAlgorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    Aws(aws::Context),
    Md5(md5::Md5),
    Sha3(sha3::Sha3_224),
    Shake128(shake::Shake128),
    Shake256(shake::Shake256),
}

impl Hasher {
    /// A fresh one.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        let state = match algorithm.aws() {
            Some(aws) => State::Aws(aws::Context::new(aws)),
            None => match algorithm {
                DigestAlgorithm::Sha3_224 => State::Sha3(sha3::Sha3_224::new()),
                DigestAlgorithm::Shake128 => State::Shake128(shake::Shake128::default()),
                DigestAlgorithm::Shake256 => State::Shake256(shake::Shake256::default()),
                _ => State::Md5(md5::Md5::new()),
            },
        };
        Self { algorithm, state }
    }

    /// Which digest this is.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// More data.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Aws(context) => context.update(data),
            State::Md5(context) => Update::update(context, data),
            State::Sha3(context) => Update::update(context, data),
            State::Shake128(context) => Update::update(context, data),
            State::Shake256(context) => Update::update(context, data),
        }
    }

    /// The digest of all of it.
    pub fn finish(self) -> DigestValue {
        match self.state {
            State::Aws(context) => DigestValue::new(self.algorithm, context.finish().as_ref()),
            State::Md5(context) => DigestValue::new(self.algorithm, &context.finalize()),
            State::Sha3(context) => DigestValue::new(self.algorithm, &context.finalize()),
            State::Shake128(context) => {
                let mut octets = [0; 32];
                context.finalize_xof_into(&mut octets);
                DigestValue::new(self.algorithm, &octets)
            }
            State::Shake256(context) => {
                let mut octets = [0; 64];
                context.finalize_xof_into(&mut octets);
                DigestValue::new(self.algorithm, &octets)
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm)
    }
}

/// The result of a digest, without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DigestValue {
    algorithm: DigestAlgorithm,
    length: u8,
    octets: [u8; 64],
}

impl DigestValue {
    fn new(algorithm: DigestAlgorithm, value: &[u8]) -> Self {
        let mut octets = [0; 64];
        let length = value.len().min(64);
        if let (Some(to), Some(from)) = (octets.get_mut(..length), value.get(..length)) {
            to.copy_from_slice(from);
        }
        Self { algorithm, length: length.to_le_bytes()[0], octets }
    }

    /// A digest that was computed elsewhere; `None` when its length is wrong.
    pub fn from_octets(algorithm: DigestAlgorithm, value: &[u8]) -> Option<Self> {
        (value.len() == algorithm.length()).then(|| Self::new(algorithm, value))
    }

    /// Which digest.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for DigestValue {
    fn as_ref(&self) -> &[u8] {
        self.octets()
    }
}

impl fmt::Debug for DigestValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm)?;
        self.octets().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
