//! The other side of OCSP: what a responder reads and writes.

use asn1::{Encoding, Reader, Tag, Time, Writer};
use crypto::{AlgorithmIdentifier, DigestAlgorithm};

use crate::builder::default_algorithm;
use crate::certificate::SerialNumber;
use crate::extensions::parse_list;
use crate::{Certificate, Credential, Error, OcspRefusal, OcspResponse, RevocationReason, oids};

/// What somebody asks a responder (RFC 6960 §4.1.1).
///
/// ```text
/// OCSPRequest ::= SEQUENCE { tbsRequest TBSRequest, optionalSignature [0] EXPLICIT Signature OPTIONAL }
/// TBSRequest ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1, requestorName [1] EXPLICIT GeneralName OPTIONAL,
///   requestList SEQUENCE OF Request, requestExtensions [2] EXPLICIT Extensions OPTIONAL }
/// Request ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspQuestion {
    certificates: Vec<OcspCertificateId>,
    nonce: Option<Vec<u8>>,
}

/// Which certificate is asked about: `CertID`, RFC 6960 §4.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspCertificateId {
    digest: DigestAlgorithm,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: SerialNumber,
}

impl OcspQuestion {
    /// The largest request that is read.
    pub const MOST_BYTES: usize = 8 * 1024;
    /// Certificates that one request may ask about.
    pub const MOST_CERTIFICATES: usize = 16;

    /// Reads a request; a signature on it is passed over (RFC 6960 §4.1.2: it is the requestor's choice).
    ///
    /// # Errors
    /// Whatever they are, a responder answers with [`OcspRefusal::MalformedRequest`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MOST_BYTES {
            return Err(Error::TooLarge { what: "OCSP request", limit: Self::MOST_BYTES });
        }
        let mut outer = Reader::new(der, Encoding::Der).named("OCSPRequest");
        let mut request = outer.sequence("OCSPRequest")?;
        outer.finish()?;
        let mut tbs = request.sequence("TBSRequest")?;
        request.context(0, "Signature")?;
        request.finish()?;
        if let Some(mut version) = tbs.context(0, "Version")?
            && version.small_integer()? != 0
        {
            return Err(Error::Unsupported { what: "OCSP request version" });
        }
        tbs.context(1, "GeneralName")?;
        let mut list = tbs.sequence("requestList")?;
        let mut certificates = Vec::new();
        while !list.is_empty() {
            if certificates.len() == Self::MOST_CERTIFICATES {
                return Err(Error::TooLarge { what: "OCSP request", limit: Self::MOST_CERTIFICATES });
            }
            let mut single = list.sequence("Request")?;
            certificates.push(OcspCertificateId::parse(&mut single)?);
            if let Some(mut explicit) = single.context(0, "singleRequestExtensions")?
                && parse_list(explicit.sequence("Extensions")?)?.0.iter().any(|extension| extension.critical)
            {
                return Err(Error::Unsupported { what: "a critical extension of the OCSP request" });
            }
            single.finish()?;
        }
        let mut nonce = None;
        if let Some(mut explicit) = tbs.context(2, "requestExtensions")? {
            for extension in parse_list(explicit.sequence("Extensions")?)?.0 {
                if extension.oid == oids::OCSP_NONCE {
                    let octets =
                        Reader::new(&extension.value, Encoding::Der).named("Nonce").octet_string()?.into_owned();
                    // RFC 9654 §2.1: 1 to 128 octets; others are a malformed request.
                    if !(1..=128).contains(&octets.len()) {
                        return Err(Error::Unsupported { what: "a nonce of this length" });
                    }
                    nonce = Some(octets);
                } else if extension.critical {
                    return Err(Error::Unsupported { what: "a critical extension of the OCSP request" });
                }
            }
        }
        tbs.finish()?;
        if certificates.is_empty() {
            return Err(Error::NotFound { what: "certificate" });
        }
        Ok(Self { certificates, nonce })
    }

    /// The certificates that are asked about.
    pub fn certificates(&self) -> &[OcspCertificateId] {
        &self.certificates
    }

    /// The nonce, if there is one. Who signs in advance answers without (RFC 9654 §3.1).
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

impl OcspCertificateId {
    /// Whether it names a certificate of this issuer.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let Ok(key) = issuer.public_key() else { return false };
        self.digest.digest(issuer.subject().as_der()).octets() == self.issuer_name_hash.as_slice()
            && self.digest.digest(key.bits()).octets() == self.issuer_key_hash.as_slice()
    }

    /// The certificate's serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut id = reader.sequence("CertID")?;
        let digest = DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut id)?)?;
        let issuer_name_hash = id.octet_string()?.into_owned();
        let issuer_key_hash = id.octet_string()?.into_owned();
        let serial = SerialNumber::from_content(id.integer()?.content());
        id.finish()?;
        Ok(Self { digest, issuer_name_hash, issuer_key_hash, serial })
    }
}

/// What a responder says about certificates of one issuer (RFC 6960 §4.2.1).
#[derive(Debug, Clone)]
pub struct OcspResponseBuilder {
    issuer: Certificate,
    this_update: Time,
    next_update: Time,
    nonce: Option<Vec<u8>>,
    statements: Vec<(SerialNumber, Statement)>,
}

#[derive(Debug, Clone, Copy)]
enum Statement {
    Good,
    Revoked(Time, RevocationReason),
    Unknown,
}

impl OcspResponseBuilder {
    /// About certificates of `issuer`; what it says holds from one moment to another.
    pub fn new(issuer: &Certificate, this_update: Time, next_update: Time) -> Self {
        Self { issuer: issuer.clone(), this_update, next_update, nonce: None, statements: Vec::new() }
    }

    /// The certificate with this number is not revoked.
    #[must_use]
    pub fn good(self, serial: SerialNumber) -> Self {
        self.say(serial, Statement::Good)
    }

    /// It was revoked.
    #[must_use]
    pub fn revoked(self, serial: SerialNumber, at: Time, reason: RevocationReason) -> Self {
        self.say(serial, Statement::Revoked(at, reason))
    }

    /// Nobody here knows it.
    #[must_use]
    pub fn unknown(self, serial: SerialNumber) -> Self {
        self.say(serial, Statement::Unknown)
    }

    /// As the answer to a request with this nonce (RFC 9654 §2.1).
    #[must_use]
    pub fn nonce(self, nonce: &[u8]) -> Self {
        Self { nonce: Some(nonce.to_vec()), ..self }
    }

    fn say(mut self, serial: SerialNumber, statement: Statement) -> Self {
        self.statements.push((serial, statement));
        self
    }

    /// Signs it: as the issuer itself, or as a responder that the issuer has authorised, whose certificate goes along.
    pub fn sign(&self, responder: &Credential, produced_at: Time) -> Result<OcspResponse, Error> {
        // RFC 5019 §2.1.1, RFC 9654 §3.2: SHA-1 in CertID names, it does not protect.
        let digest = DigestAlgorithm::Sha1;
        let issuer_key = self.issuer.public_key().map_err(Clone::clone)?;
        let responder_key = responder.certificate().public_key().map_err(Clone::clone)?;
        let algorithm = default_algorithm(responder.key())?;
        let mut data = Writer::new();
        data.sequence(|w| {
            // RFC 6960 §4.2.1: byKey is the SHA-1 of the responder's key.
            w.context(2, |w| w.octet_string(digest.digest(responder_key.bits()).octets()));
            w.generalized_time(produced_at);
            w.sequence(|w| {
                for (serial, statement) in &self.statements {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            AlgorithmIdentifier::with_null(digest.oid()).encode(w);
                            w.octet_string(digest.digest(self.issuer.subject().as_der()).octets());
                            w.octet_string(digest.digest(issuer_key.bits()).octets());
                            w.integer_content(serial.content());
                        });
                        statement.encode(w);
                        w.generalized_time(self.this_update);
                        w.context(0, |w| w.generalized_time(self.next_update));
                    });
                }
            });
            if let Some(nonce) = &self.nonce {
                w.context(1, |w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            w.oid(&oids::OCSP_NONCE);
                            w.octet_string_of(|w| w.octet_string(nonce));
                        });
                    });
                });
            }
        });
        let chain = (responder.certificate() != &self.issuer).then(|| responder.certificate());
        let signature = responder.key().sign(&algorithm, data.as_slice()).map_err(Error::Crypto)?;
        let mut basic = Writer::new();
        basic.sequence(|w| {
            w.raw(data.as_slice());
            algorithm.identifier().encode(w);
            w.bit_string(0, &signature);
            if let Some(certificate) = chain {
                w.context(0, |w| w.sequence(|w| w.raw(certificate.der())));
            }
        });
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.primitive(Tag::ENUMERATED, &[0]);
            w.context(0, |w| {
                w.sequence(|w| {
                    w.oid(&oids::OCSP_BASIC);
                    w.octet_string(basic.as_slice());
                });
            });
        });
        OcspResponse::from_der(&writer.into_vec())
    }
}

impl Statement {
    fn encode(self, writer: &mut Writer) {
        match self {
            Self::Good => writer.primitive(Tag::context(0), &[]),
            Self::Revoked(at, reason) => writer.context(1, |w| {
                w.generalized_time(at);
                w.context(0, |w| w.primitive(Tag::ENUMERATED, &[reason.number()]));
            }),
            Self::Unknown => writer.primitive(Tag::context(2), &[]),
        }
    }
}

impl OcspRefusal {
    /// The response that says so, unsigned as RFC 6960 §4.2.1 has it.
    pub fn to_der(self) -> Vec<u8> {
        let number = match self {
            Self::MalformedRequest => 1,
            Self::InternalError | Self::Undefined => 2,
            Self::TryLater => 3,
            Self::SignatureRequired => 5,
            Self::Unauthorized => 6,
        };
        let mut writer = Writer::new();
        writer.sequence(|w| w.primitive(Tag::ENUMERATED, &[number]));
        writer.into_vec()
    }
}
