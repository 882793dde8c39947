use asn1::{Encoding, Reader, Tag};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
};

use crate::signature::mgf1_digest;
use crate::{AlgorithmIdentifier, DigestAlgorithm, Error, PublicKey, PublicKeyKind, oids, rsa_fallback};

/// How a content key travels to an RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTransportAlgorithm {
    /// RSAES-OAEP (RFC 3560 §2.1) with its parameters (RFC 4055 §4.1).
    RsaOaep {
        /// The digest.
        digest: DigestAlgorithm,
        /// The digest inside MGF1.
        mgf_digest: DigestAlgorithm,
        /// The label, empty unless given.
        label: Vec<u8>,
    },
    /// RSAES-PKCS1-v1_5 (RFC 3370 §4.2.1).
    RsaPkcs1,
}

impl KeyTransportAlgorithm {
    /// OAEP with one digest throughout and no label.
    pub fn oaep(digest: DigestAlgorithm) -> Self {
        Self::RsaOaep { digest, mgf_digest: digest, label: Vec::new() }
    }

    /// From its identifier. CASES T-46: parameters that are missing have their defaults (RFC 4055 §4.1).
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        match identifier.oid {
            oids::RSA_ENCRYPTION if identifier.has_no_parameters() => Ok(Self::RsaPkcs1),
            oids::RSAES_OAEP => Self::parse_oaep(identifier.parameters.as_deref()),
            oid => Err(Error::Unknown { oid }),
        }
    }

    fn parse_oaep(parameters: Option<&[u8]>) -> Result<Self, Error> {
        let malformed = |_: asn1::Error| Error::MalformedParameters { algorithm: "RSAES-OAEP" };
        let (mut digest, mut mgf_digest, mut label) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha1, Vec::new());
        if let Some(parameters) = parameters {
            let mut outer = Reader::new(parameters, Encoding::Ber);
            let mut inside = outer.sequence("RSAES-OAEP-params").map_err(malformed)?;
            outer.finish().map_err(malformed)?;
            if let Some(mut field) = inside.context(0, "hashFunc").map_err(malformed)? {
                digest = DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut field).map_err(malformed)?)?;
            }
            if let Some(mut field) = inside.context(1, "maskGenFunc").map_err(malformed)? {
                mgf_digest = mgf1_digest(&AlgorithmIdentifier::parse(&mut field).map_err(malformed)?)?;
            }
            if let Some(mut field) = inside.context(2, "pSourceFunc").map_err(malformed)? {
                let source = AlgorithmIdentifier::parse(&mut field).map_err(malformed)?;
                let specified = source.parameters.filter(|_| source.oid == oids::P_SPECIFIED);
                let octets = specified.ok_or(Error::MalformedParameters { algorithm: "RSAES-OAEP" })?;
                let element = Reader::new(&octets, Encoding::Ber).expect(Tag::OCTET_STRING).map_err(malformed)?;
                label = element.to_octets().map_err(malformed)?.into_owned();
            }
            inside.finish().map_err(malformed)?;
        }
        Ok(Self::RsaOaep { digest, mgf_digest, label })
    }

    /// The identifier.
    pub fn identifier(&self) -> AlgorithmIdentifier {
        match self {
            Self::RsaPkcs1 => AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION),
            Self::RsaOaep { digest, mgf_digest, label } => AlgorithmIdentifier::with(oids::RSAES_OAEP, |w| {
                w.sequence(|w| {
                    if *digest != DigestAlgorithm::Sha1 {
                        w.context(0, |w| AlgorithmIdentifier::with_null(digest.oid()).encode(w));
                    }
                    if *mgf_digest != DigestAlgorithm::Sha1 {
                        w.context(1, |w| {
                            AlgorithmIdentifier::with(oids::MGF1, |w| {
                                AlgorithmIdentifier::with_null(mgf_digest.oid()).encode(w)
                            })
                            .encode(w);
                        });
                    }
                    if !label.is_empty() {
                        w.context(2, |w| {
                            AlgorithmIdentifier::with(oids::P_SPECIFIED, |w| w.octet_string(label)).encode(w)
                        });
                    }
                });
            }),
        }
    }

    /// The name with what matters: `RSAES-OAEP (SHA-256)`.
    pub fn describe(&self) -> String {
        match self {
            Self::RsaPkcs1 => "RSAES-PKCS1-v1_5".into(),
            Self::RsaOaep { digest, mgf_digest, .. } if digest == mgf_digest => format!("RSAES-OAEP ({digest})"),
            Self::RsaOaep { digest, mgf_digest, .. } => format!("RSAES-OAEP ({digest}, MGF1 with {mgf_digest})"),
        }
    }

    /// Encrypts a content key to `recipient`.
    pub fn encrypt(&self, recipient: &PublicKey, key: &[u8]) -> Result<Vec<u8>, Error> {
        // RFC 4055 §1.2: a key that is restricted to signatures does not transport keys.
        let PublicKeyKind::Rsa { pss: None, .. } = recipient.kind() else {
            return Err(Error::NotForThisKey { operation: "encrypt" });
        };
        if recipient.is_weak() {
            return Err(Error::Weak { algorithm: "RSA below 2048 bits" });
        }
        if matches!(self, Self::RsaOaep { .. }) && self.aws_oaep().is_none() {
            let (modulus, exponent) = recipient.rsa_components().ok_or(Error::BadValue)?;
            return rsa_fallback::encrypt(modulus, exponent, self, key);
        }
        let public = recipient.transport()?;
        let mut out = vec![0; public.oaep.ciphertext_size()];
        let length = match self {
            Self::RsaPkcs1 => public.pkcs1.encrypt(key, &mut out)?.len(),
            Self::RsaOaep { label, .. } => {
                let algorithm = self.aws_oaep().ok_or_else(|| Error::Unsupported { algorithm: self.describe() })?;
                let label = if label.is_empty() { None } else { Some(&label[..]) };
                public.oaep.encrypt(algorithm, key, &mut out, label)?.len()
            }
        };
        out.truncate(length);
        Ok(out)
    }

    pub(crate) fn aws_oaep(&self) -> Option<&'static OaepAlgorithm> {
        let Self::RsaOaep { digest, mgf_digest, .. } = self else { return None };
        match digest {
            _ if digest != mgf_digest => None,
            DigestAlgorithm::Sha1 => Some(&OAEP_SHA1_MGF1SHA1),
            DigestAlgorithm::Sha256 => Some(&OAEP_SHA256_MGF1SHA256),
            DigestAlgorithm::Sha384 => Some(&OAEP_SHA384_MGF1SHA384),
            DigestAlgorithm::Sha512 => Some(&OAEP_SHA512_MGF1SHA512),
            _ => None,
        }
    }
}
