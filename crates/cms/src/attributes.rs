use asn1::{Encoding, Oid, Reader, Tag, Time, Writer};
use crypto::{AlgorithmIdentifier, DigestAlgorithm};

use crate::{Error, oids};

/// `Attribute ::= SEQUENCE { attrType OBJECT IDENTIFIER, attrValues SET OF AttributeValue }`
///
/// RFC 5652 §5.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Which attribute.
    pub oid: Oid,
    /// Each value in its encoding.
    pub values: Vec<Vec<u8>>,
}

impl Attribute {
    /// With one value that `write` encodes.
    pub fn single(oid: Oid, write: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::new();
        write(&mut writer);
        Self { oid, values: vec![writer.into_vec()] }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.oid(&self.oid);
            w.set_of(self.values.clone());
        });
        writer.into_vec()
    }

    /// `content-type` (RFC 5652 §11.1).
    pub(crate) fn content_type(content_type: Oid) -> Self {
        Self::single(oids::ID_CONTENT_TYPE, |w| w.oid(&content_type))
    }

    /// `message-digest` (RFC 5652 §11.2).
    pub(crate) fn message_digest(digest: &[u8]) -> Self {
        Self::single(oids::ID_MESSAGE_DIGEST, |w| w.octet_string(digest))
    }

    /// `signing-time` (RFC 5652 §11.3, RFC 8551 §2.5.1).
    pub fn signing_time(time: Time) -> Self {
        Self::single(oids::ID_SIGNING_TIME, |w| w.time(time))
    }

    // RFC 6211 §2: CMSAlgorithmProtection ::= SEQUENCE { digestAlgorithm, signatureAlgorithm [1] IMPLICIT OPTIONAL, … }
    pub(crate) fn algorithm_protection(digest: &AlgorithmIdentifier, signature: &AlgorithmIdentifier) -> Self {
        Self::single(oids::ID_AA_CMS_ALGORITHM_PROTECT, |w| {
            w.sequence(|w| {
                digest.encode(w);
                signature.encode_tagged(w, Tag::context_constructed(1));
            });
        })
    }

    // RFC 5035 §3, §4: SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2 }; the default SHA-256 is left
    // out.
    pub(crate) fn signing_certificate_v2(certificate: &pki::Certificate) -> Self {
        Self::single(oids::ID_AA_SIGNING_CERTIFICATE_V2, |w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.sequence(|w| {
                        w.octet_string(certificate.sha256().as_bytes());
                        w.sequence(|w| {
                            w.sequence(|w| w.context(4, |w| w.raw(certificate.issuer().as_der())));
                            w.integer_content(certificate.serial().content());
                        });
                    });
                });
            });
        })
    }
}

/// Signed, unsigned, authenticated or unauthenticated attributes, with the bytes they came in.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// The element as it came, under its context tag.
    raw: Vec<u8>,
    attributes: Vec<Attribute>,
}

impl Attributes {
    /// Reads the element `[n] IMPLICIT SET OF Attribute`.
    pub(crate) fn parse(element: &asn1::Element<'_>) -> Result<Self, Error> {
        let mut reader = element.reader("Attributes")?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let mut attribute = reader.sequence("Attribute")?;
            let oid = attribute.oid()?;
            let mut values = attribute.set("attrValues")?;
            let mut collected = Vec::new();
            while !values.is_empty() {
                collected.push(values.element()?.raw().to_vec());
            }
            attribute.finish()?;
            attributes.push(Attribute { oid, values: collected });
        }
        Ok(Self { raw: element.raw().to_vec(), attributes })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// All of them, as they came.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter()
    }

    // RFC 5652 §5.4: the digest covers their DER with the tag SET OF in place of the IMPLICIT one. CASES S-40: over
    // the received octets.
    pub(crate) fn bytes_to_verify(&self) -> Vec<u8> {
        let mut bytes = self.raw.clone();
        if let Some(tag) = bytes.first_mut() {
            *tag = 0x31;
        }
        bytes
    }

    /// The one value of an attribute that may stand there once with one value.
    ///
    /// # Errors
    /// The count, when it is another (CASES S-05, S-41, T-05).
    pub(crate) fn single(&self, oid: Oid) -> Result<Option<&[u8]>, usize> {
        let mut found = self.attributes.iter().filter(|attribute| attribute.oid == oid);
        match (found.next(), found.count()) {
            (None, _) => Ok(None),
            (Some(attribute), 0) => match attribute.values.as_slice() {
                [value] => Ok(Some(value)),
                values => Err(values.len()),
            },
            (Some(_), more) => Err(more + 1),
        }
    }

    /// The value of an attribute that is there exactly once with exactly one value.
    pub fn value(&self, oid: Oid) -> Option<&[u8]> {
        self.single(oid).ok().flatten()
    }

    /// `signing-time`, as the signer claims it.
    pub fn signing_time(&self) -> Option<Time> {
        Reader::new(self.value(oids::ID_SIGNING_TIME)?, Encoding::Ber).time().ok()
    }

    /// The certificate that `signing-certificate` (RFC 2634 §5.4, RFC 5035 §5) or its second version (RFC 5035 §3)
    /// names; V2 goes first.
    // Deviation (RFC 5035 §2): where both stand, V2 alone is evaluated.
    pub(crate) fn signing_certificate(&self) -> Result<Option<SigningCertificateReference>, ()> {
        for (oid, version_2) in [(oids::ID_AA_SIGNING_CERTIFICATE_V2, true), (oids::ID_AA_SIGNING_CERTIFICATE, false)] {
            if let Some(value) = self.single(oid).map_err(|_| ())? {
                return SigningCertificateReference::parse(value, version_2).map(Some).map_err(|_| ());
            }
        }
        Ok(None)
    }

    /// `CMSAlgorithmProtection`: the digest and signature algorithms that the signer meant.
    pub(crate) fn algorithm_protection(
        &self,
    ) -> Result<Option<(AlgorithmIdentifier, Option<AlgorithmIdentifier>)>, ()> {
        let Some(value) = self.single(oids::ID_AA_CMS_ALGORITHM_PROTECT).map_err(|_| ())? else { return Ok(None) };
        let parse = || -> Result<_, asn1::Error> {
            let mut outer = Reader::new(value, Encoding::Ber);
            let mut inside = outer.sequence("CMSAlgorithmProtection")?;
            let digest = AlgorithmIdentifier::parse(&mut inside)?;
            let signature =
                inside.context(1, "signatureAlgorithm")?.map(AlgorithmIdentifier::parse_inside).transpose()?;
            Ok((digest, signature))
        };
        parse().map(Some).map_err(|_| ())
    }
}

/// The first `ESSCertID` of a signing-certificate attribute: the signer's (RFC 5035 §4, §6).
// Deviation (RFC 5035 §3, §5): further certificates and policies in the attribute limit nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningCertificateReference {
    digest: DigestAlgorithm,
    hash: Vec<u8>,
}

impl SigningCertificateReference {
    fn parse(value: &[u8], version_2: bool) -> Result<Self, asn1::Error> {
        let mut outer = Reader::new(value, Encoding::Ber);
        let mut inside = outer.sequence("SigningCertificate")?;
        let mut certificates = inside.sequence("certs")?;
        let mut first = certificates.sequence("ESSCertID")?;
        let mut digest = if version_2 { DigestAlgorithm::Sha256 } else { DigestAlgorithm::Sha1 };
        if version_2 && first.peek() == Some(Tag::SEQUENCE) {
            let here = first.malformed(asn1::Because::BadValue);
            digest = DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut first)?).map_err(|_| here)?;
        }
        Ok(Self { digest, hash: first.octet_string()?.into_owned() })
    }

    /// Whether it names `certificate`.
    pub fn names(&self, certificate: &pki::Certificate) -> bool {
        self.digest.digest(certificate.der()).octets() == self.hash
    }
}

/// The encoded attributes, in DER order, under `tag`.
pub(crate) fn encode_set(attributes: &[Attribute], tag: Tag) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.set_of_tagged(tag, attributes.iter().map(Attribute::encode).collect());
    writer.into_vec()
}
