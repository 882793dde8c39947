use std::cell::Cell;
use std::fmt;

use asn1::{Oid, Reader, Tag, Time};
use crypto::{AlgorithmIdentifier, DigestAlgorithm, DigestValue, SignatureAlgorithm, constant_time_eq};
use pki::Certificate;

use crate::{Attributes, CertificateIdentifier, Error, limits, oids};

/// ```text
/// SignerInfo ::= SEQUENCE {
///   version CMSVersion,
///   sid SignerIdentifier,
///   digestAlgorithm DigestAlgorithmIdentifier,
///   signedAttrs [0] IMPLICIT SignedAttributes OPTIONAL,
///   signatureAlgorithm SignatureAlgorithmIdentifier,
///   signature SignatureValue,
///   unsignedAttrs [1] IMPLICIT UnsignedAttributes OPTIONAL }
/// ```
/// RFC 5652 §5.3.
#[derive(Debug, Clone)]
pub struct SignerInfo {
    identifier: CertificateIdentifier,
    digest_algorithm: AlgorithmIdentifier,
    signed_attributes: Option<Attributes>,
    signature_algorithm: AlgorithmIdentifier,
    signature: Vec<u8>,
    unsigned_attributes: Attributes,
}

/// How far one signer got. The integrity of a signature says nothing about whom to trust.
#[derive(Debug, Clone)]
pub struct SignerReport {
    /// The certificate whose key made the signature; `None` when none did.
    pub certificate: Option<Certificate>,
    /// Whether the signature covers the content as it came.
    pub integrity: Integrity,
    /// The signature algorithm's name.
    pub algorithm: String,
    /// The digest's name.
    pub digest: String,
    /// When the signer claims to have signed.
    pub signing_time: Option<Time>,
    /// How the message names the signer.
    pub identifier: CertificateIdentifier,
}

/// Whether a signature covers the content as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// It does.
    Intact,
    /// It does not, or that cannot be said.
    Broken(IntegrityFailure),
}

/// Why a signature does not cover the content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntegrityFailure {
    /// `CMSAlgorithmProtection` names other algorithms than the SignerInfo (RFC 6211 §3).
    AlgorithmsExchanged,
    /// Several certificates could be meant and nothing decides (CASES T-18).
    Ambiguous,
    /// An attribute that must stand there once, with one value, does not.
    AttributeCount {
        /// Which one.
        attribute: &'static str,
    },
    /// The content differs from what was signed.
    ContentChanged,
    /// The content is not in the message, and nobody gave it.
    ContentMissing,
    /// Without signed attributes, over content that reads as signed attributes (CASES S-42, T-06).
    LooksLikeAttributes,
    /// An attribute that must be signed is unsigned, or the other way round (RFC 5652 §11).
    MisplacedAttribute {
        /// Which one.
        attribute: &'static str,
    },
    /// The signer's certificate is neither in the message nor at hand.
    NoCertificate,
    /// The digest was not computed while the content went by.
    NoDigest {
        /// Which one.
        digest: String,
    },
    /// The signature is not right for the certificate's key.
    SignatureWrong,
    /// The message asks for more signature checks than one message may (CASES N-24).
    TooMuchWork,
    /// The algorithm or the key is too weak, unknown, or not supported.
    Unacceptable {
        /// What it is.
        because: String,
    },
    /// The signed content type is another than the message's.
    WrongContentType,
    /// `signing-certificate` names another certificate (RFC 5035 §2).
    WrongCertificate,
}

impl fmt::Display for IntegrityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmsExchanged => f.write_str("the signature's algorithms were exchanged"),
            Self::Ambiguous => f.write_str("several certificates could be the signer's"),
            Self::AttributeCount { attribute } => {
                write!(f, "the signed attribute {attribute} is missing or there more than once")
            }
            Self::ContentChanged => f.write_str("the content was changed after it was signed"),
            Self::ContentMissing => f.write_str("the content that was signed is not in the message"),
            Self::LooksLikeAttributes => f.write_str("the content reads as signed attributes of another message"),
            Self::MisplacedAttribute { attribute } => {
                write!(f, "the attribute {attribute} stands where it must not")
            }
            Self::NoCertificate => f.write_str("the signer's certificate is missing, or cannot be read"),
            Self::NoDigest { digest } => write!(f, "the digest {digest} was not announced"),
            Self::SignatureWrong => f.write_str("the signature does not belong to the signer's key"),
            Self::TooMuchWork => f.write_str("the message asks for too many signature checks"),
            Self::Unacceptable { because } => f.write_str(because),
            Self::WrongContentType => f.write_str("the signed content type is another one"),
            Self::WrongCertificate => f.write_str("the signature names another certificate"),
        }
    }
}

impl SignerInfo {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut inside = reader.sequence("SignerInfo")?;
        // CASES S-44: a wrong version is tolerated (RFC 5652 §10.2.5).
        inside.integer()?;
        let identifier = CertificateIdentifier::parse(&mut inside)?;
        let digest_algorithm = AlgorithmIdentifier::parse(&mut inside)?;
        let signed_attributes =
            inside.optional(Tag::context_constructed(0))?.map(|element| Attributes::parse(&element)).transpose()?;
        let signature_algorithm = AlgorithmIdentifier::parse(&mut inside)?;
        let signature = inside.octet_string()?.into_owned();
        let unsigned = inside.optional(Tag::context_constructed(1))?;
        let unsigned_attributes = unsigned.map(|element| Attributes::parse(&element)).transpose()?.unwrap_or_default();
        inside.finish()?;
        Ok(Self {
            identifier,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }

    /// How the message names the signer.
    pub fn identifier(&self) -> &CertificateIdentifier {
        &self.identifier
    }

    /// The digest over the content.
    pub fn digest_algorithm(&self) -> Result<DigestAlgorithm, crypto::Error> {
        DigestAlgorithm::from_identifier(&self.digest_algorithm)
    }

    /// The signature algorithm.
    pub fn signature_algorithm(&self) -> Result<SignatureAlgorithm, crypto::Error> {
        SignatureAlgorithm::from_identifier_and_digest(&self.signature_algorithm, self.digest_algorithm().ok())
    }

    /// The signed attributes, if any. Before the signature is checked they are claims.
    pub fn signed_attributes(&self) -> Option<&Attributes> {
        self.signed_attributes.as_ref()
    }

    /// The unsigned attributes, which never influence trust (CASES S-46).
    pub fn unsigned_attributes(&self) -> &Attributes {
        &self.unsigned_attributes
    }

    /// The signature value.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the content itself is needed to check the signature: there are no signed attributes, and the algorithm
    /// signs no digest (RFC 8419 §3.2, RFC 9882 §3.2, RFC 9814 §4).
    pub(crate) fn needs_content(&self) -> bool {
        self.signed_attributes.is_none()
            && self.signature_algorithm().is_ok_and(|algorithm| algorithm.digest().is_none())
    }

    /// Those who signed this signature: extra information only, which never influences trust (RFC 5652 §11.4).
    ///
    /// # Errors
    /// When the attribute is not one, or there are too many of them.
    pub fn countersigners(&self) -> Result<Vec<SignerInfo>, Error> {
        let mut found = Vec::new();
        let attributes = self.unsigned_attributes.iter().filter(|unsigned| unsigned.oid == oids::ID_COUNTERSIGNATURE);
        for value in attributes.flat_map(|attribute| &attribute.values) {
            if found.len() >= limits::SIGNERS {
                return Err(Error::TooMany { what: "countersigners", limit: limits::SIGNERS });
            }
            found.push(Self::parse(&mut Reader::new(value, asn1::Encoding::Ber))?);
        }
        Ok(found)
    }

    /// Checks the signatures over this signature, each against those of `candidates` that it names.
    ///
    /// # Errors
    /// As [`Self::countersigners`].
    pub fn verify_countersigners(&self, candidates: &[Certificate]) -> Result<Vec<SignerReport>, Error> {
        let budget = Cell::new(limits::SIGNATURE_CHECKS);
        let verify = |countersigner: SignerInfo| {
            let digests = countersigner.digest_algorithm().ok().filter(|digest| !digest.is_weak());
            let content = ContentFacts {
                digests: digests.iter().map(|digest| digest.digest(&self.signature)).collect(),
                looks_like_attributes: false,
                is_missing: false,
                whole: Some(self.signature.clone()),
            };
            countersigner.verify(None, &content, candidates, &budget)
        };
        Ok(self.countersigners()?.into_iter().map(verify).collect())
    }

    /// Checks the signature (RFC 5652 §5.6) over content of which the digests were computed, against each of `candidates` that the
    /// identifier names. Without a content type it is a countersignature.
    pub(crate) fn verify(
        &self,
        content_type: Option<Oid>,
        content: &ContentFacts,
        candidates: &[Certificate],
        budget: &Cell<usize>,
    ) -> SignerReport {
        let algorithm = self.signature_algorithm();
        let mut report = SignerReport {
            certificate: None,
            integrity: Integrity::Intact,
            algorithm: algorithm.as_ref().map_or_else(|error| error.to_string(), |algorithm| algorithm.name().into()),
            digest: self.digest_algorithm().map_or_else(|error| error.to_string(), |digest| digest.name().into()),
            signing_time: self.signed_attributes.as_ref().and_then(Attributes::signing_time),
            identifier: self.identifier.clone(),
        };
        match self.check(content_type, content, candidates, budget) {
            Ok(certificate) => report.certificate = Some(certificate),
            Err((failure, certificate)) => {
                report.integrity = Integrity::Broken(failure);
                report.certificate = certificate;
            }
        }
        report
    }

    fn check(
        &self,
        content_type: Option<Oid>,
        content: &ContentFacts,
        candidates: &[Certificate],
        budget: &Cell<usize>,
    ) -> Result<Certificate, (IntegrityFailure, Option<Certificate>)> {
        let named: Vec<&Certificate> = candidates.iter().filter(|candidate| self.identifier.names(candidate)).collect();
        let Some(first) = named.first().copied() else { return Err((IntegrityFailure::NoCertificate, None)) };
        let fail = |failure| (failure, Some(first.clone()));
        if content.is_missing {
            return Err(fail(IntegrityFailure::ContentMissing));
        }
        let unacceptable = |error: crypto::Error| fail(IntegrityFailure::Unacceptable { because: error.to_string() });
        let algorithm = self.signature_algorithm().map_err(unacceptable)?;
        self.check_places().map_err(fail)?;
        let attributes = self.signed_attributes.as_ref();
        // RFC 9882 §3.3: without signed attributes, an algorithm that signs no digest leaves the digest out of account.
        let signed = if attributes.is_none() && algorithm.digest().is_none() {
            self.check_bare(content_type, content).map_err(fail)?;
            let whole = content.whole.as_deref().ok_or_else(|| {
                unacceptable(crypto::Error::Unsupported {
                    algorithm: format!("{} without signed attributes over so much content", algorithm.name()),
                })
            })?;
            Signed::Message(whole.to_vec())
        } else {
            let digest_algorithm = self.digest_algorithm().map_err(unacceptable)?;
            if digest_algorithm.is_weak() {
                return Err(unacceptable(crypto::Error::Weak { algorithm: digest_algorithm.name() }));
            }
            if algorithm.digest().is_some_and(|digest| digest != digest_algorithm) {
                return Err(fail(IntegrityFailure::AlgorithmsExchanged));
            }
            let digest = content.digests.iter().find(|digest| digest.algorithm() == digest_algorithm);
            let digest =
                digest.ok_or_else(|| fail(IntegrityFailure::NoDigest { digest: digest_algorithm.to_string() }))?;
            match attributes {
                Some(attributes) => {
                    let algorithms = (&self.digest_algorithm, &self.signature_algorithm);
                    check_attributes(attributes, content_type, digest, algorithms).map_err(fail)?;
                    Signed::Message(attributes.bytes_to_verify())
                }
                None => {
                    self.check_bare(content_type, content).map_err(fail)?;
                    Signed::Digest(digest)
                }
            }
        };
        // RFC 5035 §2: the attribute decides which certificate is the signer's.
        let reference = attributes.map_or(Ok(None), Attributes::signing_certificate);
        let reference =
            reference.map_err(|()| fail(IntegrityFailure::AttributeCount { attribute: "signing-certificate" }))?;
        let meant: Vec<&Certificate> = named
            .iter()
            .copied()
            .filter(|candidate| reference.as_ref().is_none_or(|reference| reference.names(candidate)))
            .collect();
        if meant.is_empty() {
            return Err(fail(IntegrityFailure::WrongCertificate));
        }
        let mut failure = IntegrityFailure::SignatureWrong;
        let mut verified: Vec<&Certificate> = Vec::new();
        for candidate in meant {
            let Some(left) = budget.get().checked_sub(1) else { return Err(fail(IntegrityFailure::TooMuchWork)) };
            budget.set(left);
            let result = candidate.public_key().map_err(Clone::clone).and_then(|key| match &signed {
                Signed::Message(message) => key.verify(&algorithm, message, &self.signature),
                Signed::Digest(digest) => key.verify_digest(&algorithm, digest, &self.signature),
            });
            match result {
                Ok(()) => verified.push(candidate),
                Err(crypto::Error::BadValue) => {}
                Err(error) => failure = IntegrityFailure::Unacceptable { because: error.to_string() },
            }
        }
        match verified.as_slice() {
            [] => Err(fail(failure)),
            [only] => Ok((*only).clone()),
            // CASES T-18: same identifier and same key, but different certificates, and nothing decides between them.
            [one, others @ ..] if others.iter().all(|other| other.der() == one.der()) => Ok((*one).clone()),
            _ => Err(fail(IntegrityFailure::Ambiguous)),
        }
    }

    // RFC 5652 §5.3: signedAttrs must be there when the content is not id-data. CASES S-42, T-06: and content that reads
    // as signed attributes is not what was meant.
    fn check_bare(&self, content_type: Option<Oid>, content: &ContentFacts) -> Result<(), IntegrityFailure> {
        if content_type.is_some_and(|content_type| content_type != oids::ID_DATA) {
            return Err(IntegrityFailure::AttributeCount { attribute: "content-type" });
        }
        if content.looks_like_attributes {
            return Err(IntegrityFailure::LooksLikeAttributes);
        }
        Ok(())
    }
}

/// What the signature is over.
enum Signed<'c> {
    Message(Vec<u8>),
    Digest(&'c DigestValue),
}

impl SignerInfo {
    // RFC 5652 §11.1–§11.4 and RFC 8551 §2.5.2: which attributes must be signed, and which must not be.
    fn check_places(&self) -> Result<(), IntegrityFailure> {
        const SIGNED: [(Oid, &str); 5] = [
            (oids::ID_CONTENT_TYPE, "content-type"),
            (oids::ID_MESSAGE_DIGEST, "message-digest"),
            (oids::ID_SIGNING_TIME, "signing-time"),
            (oids::SMIME_CAPABILITIES, "SMIMECapabilities"),
            (oids::ID_AA_ENCRYP_KEY_PREF, "SMIMEEncryptionKeyPreference"),
        ];
        let misplaced = |attribute| Err(IntegrityFailure::MisplacedAttribute { attribute });
        for (oid, attribute) in SIGNED {
            if self.unsigned_attributes.iter().any(|unsigned| unsigned.oid == oid) {
                return misplaced(attribute);
            }
        }
        let signed = self.signed_attributes.as_ref();
        if signed.is_some_and(|signed| signed.iter().any(|signed| signed.oid == oids::ID_COUNTERSIGNATURE)) {
            return misplaced("countersignature");
        }
        Ok(())
    }
}

// CASES S-41, T-05: exactly one content-type and one message-digest, and both right. RFC 5652 §11.4: no content-type in a
// countersignature.
fn check_attributes(
    attributes: &Attributes,
    content_type: Option<Oid>,
    digest: &DigestValue,
    (digest_algorithm, signature_algorithm): (&AlgorithmIdentifier, &AlgorithmIdentifier),
) -> Result<(), IntegrityFailure> {
    let count = |attribute| IntegrityFailure::AttributeCount { attribute };
    match (content_type, attributes.single(oids::ID_CONTENT_TYPE)) {
        (Some(content_type), Ok(Some(value))) if crate::identifier::oid_in(value) == Some(content_type) => {}
        (Some(_), Ok(Some(_))) => return Err(IntegrityFailure::WrongContentType),
        (None, Ok(None)) => {}
        _ => return Err(count("content-type")),
    }
    let Ok(Some(value)) = attributes.single(oids::ID_MESSAGE_DIGEST) else { return Err(count("message-digest")) };
    let signed = Reader::new(value, asn1::Encoding::Ber).octet_string().map_err(|_| count("message-digest"))?;
    if !constant_time_eq(&signed, digest.octets()) {
        return Err(IntegrityFailure::ContentChanged);
    }
    for (oid, attribute) in [
        (oids::ID_SIGNING_TIME, "signing-time"),
        (oids::SMIME_CAPABILITIES, "SMIMECapabilities"),
        (oids::ID_AA_ENCRYP_KEY_PREF, "SMIMEEncryptionKeyPreference"),
    ] {
        attributes.single(oid).map_err(|_| count(attribute))?;
    }
    // RFC 6211 §3.1: where the attribute stands, it decides.
    let protection = attributes.algorithm_protection().map_err(|()| count("CMSAlgorithmProtection"))?;
    if let Some((digest, signature)) = protection {
        // RFC 6211 §3: compared as identifiers; absent and NULL parameters are the same.
        let same = |a: &AlgorithmIdentifier, b: &AlgorithmIdentifier| {
            a.oid == b.oid && (a.parameters == b.parameters || (a.has_no_parameters() && b.has_no_parameters()))
        };
        if !same(&digest, digest_algorithm) || !signature.is_some_and(|signature| same(&signature, signature_algorithm))
        {
            return Err(IntegrityFailure::AlgorithmsExchanged);
        }
    }
    Ok(())
}

/// What is known of the content once it has gone by.
#[derive(Debug, Clone)]
pub(crate) struct ContentFacts {
    pub(crate) digests: Vec<DigestValue>,
    pub(crate) looks_like_attributes: bool,
    /// There was none, neither inside nor beside.
    pub(crate) is_missing: bool,
    /// The content itself, where a signature is over it and not over a digest.
    pub(crate) whole: Option<Vec<u8>>,
}
