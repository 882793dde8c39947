use asn1::{Encoding, Reader};

use crate::{AlgorithmIdentifier, DigestAlgorithm, Error, MlDsaLevel, SlhDsaParameterSet, oids};

/// A signature algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// ECDSA (RFC 5754 §3.3).
    Ecdsa(DigestAlgorithm),
    /// Ed25519, pure (RFC 8419 §2).
    Ed25519,
    /// ML-DSA, pure, empty context (RFC 9882 §2).
    MlDsa(MlDsaLevel),
    /// RSASSA-PKCS1-v1_5 (RFC 5754 §3.2).
    RsaPkcs1(DigestAlgorithm),
    /// RSASSA-PSS (RFC 4056 §2).
    RsaPss(PssParameters),
    /// SLH-DSA, pure, empty context (RFC 9814 §2); verifies only.
    SlhDsa(SlhDsaParameterSet),
}

/// `RSASSA-PSS-params`, RFC 4055 §3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PssParameters {
    /// The digest of the message.
    pub digest: DigestAlgorithm,
    /// The digest inside MGF1.
    pub mgf_digest: DigestAlgorithm,
    /// Octets of salt.
    pub salt_length: u32,
}

impl PssParameters {
    /// Hash = MGF hash, salt as long as the hash: the only form that is written.
    ///
    /// RFC 4056 §2.2 and CASES S-27.
    pub fn standard(digest: DigestAlgorithm) -> Self {
        Self { digest, mgf_digest: digest, salt_length: u32::try_from(digest.length()).unwrap_or(0) }
    }

    /// Whether they have the form of [`Self::standard`].
    pub fn is_standard(&self) -> bool {
        *self == Self::standard(self.digest)
    }

    /// Whether a signature with them may be accepted: hash = MGF hash, and a salt at least as long.
    pub fn is_acceptable(&self) -> bool {
        self.mgf_digest == self.digest
            && usize::try_from(self.salt_length).is_ok_and(|salt| salt >= self.digest.length())
    }

    /// Whether a key with these parameters allows a signature with `used`.
    ///
    /// RFC 4055 §3.3, RFC 4056 §3: they bind the digests and are a lower bound for the salt.
    pub(crate) fn allows(&self, used: &Self) -> bool {
        self.digest == used.digest && self.mgf_digest == used.mgf_digest && used.salt_length >= self.salt_length
    }

    /// Reads `RSASSA-PSS-params`; what is left out has the defaults of RFC 4055 §3.1.
    pub fn parse(parameters: &[u8]) -> Result<Self, Error> {
        let malformed = |_: asn1::Error| Error::MalformedParameters { algorithm: "RSASSA-PSS" };
        let mut outer = Reader::new(parameters, Encoding::Der);
        let mut inside = outer.sequence("RSASSA-PSS-params").map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        let mut this = Self::standard(DigestAlgorithm::Sha1);
        if let Some(mut field) = inside.context(0, "hashAlgorithm").map_err(malformed)? {
            this.digest =
                DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut field).map_err(malformed)?)?;
            field.finish().map_err(malformed)?;
        }
        if let Some(mut field) = inside.context(1, "maskGenAlgorithm").map_err(malformed)? {
            let mgf = AlgorithmIdentifier::parse(&mut field).map_err(malformed)?;
            field.finish().map_err(malformed)?;
            this.mgf_digest = mgf1_digest(&mgf)?;
        }
        if let Some(mut field) = inside.context(2, "saltLength").map_err(malformed)? {
            this.salt_length = field.small_integer().map_err(malformed)?;
            field.finish().map_err(malformed)?;
        }
        if let Some(mut field) = inside.context(3, "trailerField").map_err(malformed)? {
            let trailer = field.small_integer().map_err(malformed)?;
            field.finish().map_err(malformed)?;
            // RFC 4055 §3.1: the trailer field is 1.
            if trailer != 1 {
                return Err(Error::MalformedParameters { algorithm: "RSASSA-PSS" });
            }
        }
        inside.finish().map_err(malformed)?;
        Ok(this)
    }

    fn identifier(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::with(oids::RSASSA_PSS, |w| {
            w.sequence(|w| {
                // RFC 4055 §2.1: NULL parameters in the digests inside.
                w.context(0, |w| AlgorithmIdentifier::with_null(self.digest.oid()).encode(w));
                w.context(1, |w| {
                    AlgorithmIdentifier::with(oids::MGF1, |w| {
                        AlgorithmIdentifier::with_null(self.mgf_digest.oid()).encode(w)
                    })
                    .encode(w);
                });
                w.context(2, |w| w.unsigned(u64::from(self.salt_length)));
            });
        })
    }
}

/// The digest inside `mgf1 { HashAlgorithm }`.
pub(crate) fn mgf1_digest(mgf: &AlgorithmIdentifier) -> Result<DigestAlgorithm, Error> {
    let malformed = Error::MalformedParameters { algorithm: "MGF1" };
    let (oids::MGF1, Some(parameters)) = (mgf.oid, &mgf.parameters) else { return Err(malformed) };
    let mut reader = Reader::new(parameters, Encoding::Der);
    let digest = AlgorithmIdentifier::parse(&mut reader).map_err(|_| malformed.clone())?;
    reader.finish().map_err(|_| malformed)?;
    DigestAlgorithm::from_identifier(&digest)
}

impl SignatureAlgorithm {
    /// From a signature's identifier, as certificates have it (RFC 5652 §10.1.2, RFC 8551 §2.2, RFC 8419 §2.4).
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        Self::from_identifier_and_digest(identifier, None)
    }

    /// From a SignerInfo's identifiers: `rsaEncryption` and `id-ecPublicKey` take the digest from its own field.
    ///
    /// RFC 5754 §3.2 for RSA; the other is seen in the wild.
    pub fn from_identifier_and_digest(
        identifier: &AlgorithmIdentifier,
        digest: Option<DigestAlgorithm>,
    ) -> Result<Self, Error> {
        use DigestAlgorithm::{Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
        let (algorithm, null_allowed) = match identifier.oid {
            oids::RSA_ENCRYPTION => (digest.map(Self::RsaPkcs1), true),
            oids::MD5_WITH_RSA => (Some(Self::RsaPkcs1(Md5)), true),
            oids::SHA1_WITH_RSA => (Some(Self::RsaPkcs1(Sha1)), true),
            oids::SHA224_WITH_RSA => (Some(Self::RsaPkcs1(Sha224)), true),
            oids::SHA256_WITH_RSA => (Some(Self::RsaPkcs1(Sha256)), true),
            oids::SHA384_WITH_RSA => (Some(Self::RsaPkcs1(Sha384)), true),
            oids::SHA512_WITH_RSA => (Some(Self::RsaPkcs1(Sha512)), true),
            oids::RSASSA_PSS => {
                let parameters =
                    identifier.parameters.as_deref().ok_or(Error::MalformedParameters { algorithm: "RSASSA-PSS" })?;
                return Ok(Self::RsaPss(PssParameters::parse(parameters)?));
            }
            // Seen in the wild: the key's algorithm, curve parameters included, where the signature's belongs.
            oids::EC_PUBLIC_KEY => return digest.map(Self::Ecdsa).ok_or(Error::Unknown { oid: identifier.oid }),
            oids::ECDSA_WITH_SHA1 => (Some(Self::Ecdsa(Sha1)), true),
            oids::ECDSA_WITH_SHA224 => (Some(Self::Ecdsa(Sha224)), true),
            oids::ECDSA_WITH_SHA256 => (Some(Self::Ecdsa(Sha256)), true),
            oids::ECDSA_WITH_SHA384 => (Some(Self::Ecdsa(Sha384)), true),
            oids::ECDSA_WITH_SHA512 => (Some(Self::Ecdsa(Sha512)), true),
            oids::ED25519 => (Some(Self::Ed25519), false),
            oids::ML_DSA_44 => (Some(Self::MlDsa(MlDsaLevel::MlDsa44)), false),
            oids::ML_DSA_65 => (Some(Self::MlDsa(MlDsaLevel::MlDsa65)), false),
            oids::ML_DSA_87 => (Some(Self::MlDsa(MlDsaLevel::MlDsa87)), false),
            oids::ED448 => return Err(Error::Unsupported { algorithm: "Ed448".into() }),
            oids::DSA | oids::DSA_WITH_SHA1 | oids::DSA_WITH_SHA256 => {
                return Err(Error::Unsupported { algorithm: "DSA".into() });
            }
            oid => match SlhDsaParameterSet::from_oid(oid) {
                Some(set) => (Some(Self::SlhDsa(set)), false),
                None => return Err(Error::Unknown { oid }),
            },
        };
        let algorithm = algorithm.ok_or(Error::Unknown { oid: identifier.oid })?;
        let parameters_fit =
            if null_allowed { identifier.has_no_parameters() } else { identifier.parameters.is_none() };
        if parameters_fit { Ok(algorithm) } else { Err(Error::MalformedParameters { algorithm: algorithm.name() }) }
    }

    /// The identifier that certificates and SignerInfos carry.
    pub fn identifier(&self) -> AlgorithmIdentifier {
        use DigestAlgorithm::{Md5, Sha1, Sha224, Sha384, Sha512};
        match self {
            Self::Ecdsa(digest) => AlgorithmIdentifier::new(match digest {
                Sha1 => oids::ECDSA_WITH_SHA1,
                Sha224 => oids::ECDSA_WITH_SHA224,
                Sha384 => oids::ECDSA_WITH_SHA384,
                Sha512 => oids::ECDSA_WITH_SHA512,
                _ => oids::ECDSA_WITH_SHA256,
            }),
            Self::Ed25519 => AlgorithmIdentifier::new(oids::ED25519),
            Self::MlDsa(level) => AlgorithmIdentifier::new(level.oid()),
            Self::RsaPkcs1(digest) => AlgorithmIdentifier::with_null(match digest {
                Md5 => oids::MD5_WITH_RSA,
                Sha1 => oids::SHA1_WITH_RSA,
                Sha224 => oids::SHA224_WITH_RSA,
                Sha384 => oids::SHA384_WITH_RSA,
                Sha512 => oids::SHA512_WITH_RSA,
                _ => oids::SHA256_WITH_RSA,
            }),
            Self::RsaPss(parameters) => parameters.identifier(),
            Self::SlhDsa(set) => AlgorithmIdentifier::new(set.oid()),
        }
    }

    /// The digest that the algorithm names; `None` where it takes the message itself.
    pub fn digest(&self) -> Option<DigestAlgorithm> {
        match self {
            Self::Ecdsa(digest) | Self::RsaPkcs1(digest) => Some(*digest),
            Self::RsaPss(parameters) => Some(parameters.digest),
            Self::Ed25519 | Self::MlDsa(_) | Self::SlhDsa(_) => None,
        }
    }

    /// The standard's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ecdsa(_) => "ECDSA",
            Self::Ed25519 => "Ed25519",
            Self::MlDsa(level) => level.name(),
            Self::RsaPkcs1(_) => "RSASSA-PKCS1-v1_5",
            Self::RsaPss(_) => "RSASSA-PSS",
            Self::SlhDsa(set) => set.name(),
        }
    }
}
