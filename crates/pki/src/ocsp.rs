use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use asn1::{Because, Encoding, Reader, Tag, Time, Writer};
use crypto::{AlgorithmIdentifier, DigestAlgorithm, PublicKey};

use crate::certificate::{SerialNumber, part_of};
use crate::crl::{RevocationReason, Revoked};
use crate::extensions::{KeyUsage, parse_list};
use crate::path::{Status, is_understood};
use crate::{Certificate, Error, Name, keys, oids};

/// A signed answer about the status of certificates (RFC 6960 §4.2), held as it came. A clone is cheap.
///
/// ```text
/// OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED, responseBytes [0] EXPLICIT SEQUENCE {
///   responseType OBJECT IDENTIFIER, response OCTET STRING } OPTIONAL }
/// BasicOCSPResponse ::= SEQUENCE {
///   tbsResponseData ResponseData, signatureAlgorithm AlgorithmIdentifier, signature BIT STRING,
///   certs [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
/// ```
#[derive(Clone)]
pub struct OcspResponse(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    // Within `basic`.
    basic: Vec<u8>,
    tbs: Range<usize>,
    signature_algorithm: AlgorithmIdentifier,
    signature: Range<usize>,
    certificates: Vec<Certificate>,
    responder: Responder,
    produced_at: Time,
    nonce: Option<Vec<u8>>,
    unknown_critical: bool,
    responses: Vec<SingleResponse>,
}

enum SignedBy<'a> {
    Issuer,
    Delegate(&'a Certificate),
}

/// `ResponderID ::= CHOICE { byName [1] Name, byKey [2] KeyHash }`
enum Responder {
    Name(Name),
    KeyHash(Vec<u8>),
}

/// `CertID`, RFC 6960 §4.1.1.
struct CertificateId {
    digest: Option<DigestAlgorithm>,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: SerialNumber,
}

struct SingleResponse {
    id: CertificateId,
    status: Status,
    this_update: Time,
    next_update: Option<Time>,
    unknown_critical: bool,
}

/// Why a responder gave no answer (RFC 6960 §4.2.1). Whatever it is, the status is unknown (CASES T-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum OcspRefusal {
    MalformedRequest,
    InternalError,
    TryLater,
    SignatureRequired,
    Unauthorized,
    /// A number that RFC 6960 does not know.
    Undefined,
}

impl fmt::Display for OcspRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SignatureRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
            Self::Undefined => "undefined",
        })
    }
}

impl OcspResponse {
    /// The largest response that is read (CASES T-51).
    pub const MOST_BYTES: usize = 1 << 20;
    /// Certificates with it that are looked at.
    pub const MOST_CERTIFICATES: usize = 10;
    /// Single responses that are read.
    pub const MOST_RESPONSES: usize = 1_000;
    /// How old an answer without nextUpdate may be.
    pub const LONGEST_WITHOUT_NEXT_UPDATE: i64 = 24 * 3600;

    /// From DER, with nothing after it.
    ///
    /// # Errors
    /// [`Error::OcspRefused`] where the responder gave no answer.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MOST_BYTES {
            return Err(Error::TooLarge { what: "OCSP response", limit: Self::MOST_BYTES });
        }
        let mut outer = Reader::new(der, Encoding::Der).named("OCSPResponse");
        let mut response = outer.sequence("OCSPResponse")?;
        outer.finish()?;
        let status = response.expect(Tag::ENUMERATED)?.to_integer()?.to_u64();
        let refusal = match status {
            Some(0) => None,
            Some(1) => Some(OcspRefusal::MalformedRequest),
            Some(2) => Some(OcspRefusal::InternalError),
            Some(3) => Some(OcspRefusal::TryLater),
            Some(5) => Some(OcspRefusal::SignatureRequired),
            Some(6) => Some(OcspRefusal::Unauthorized),
            _ => Some(OcspRefusal::Undefined),
        };
        if let Some(refusal) = refusal {
            return Err(Error::OcspRefused { refusal });
        }
        let mut explicit = response.context(0, "ResponseBytes")?.ok_or(Error::NotFound { what: "OCSP response" })?;
        let mut bytes = explicit.sequence("ResponseBytes")?;
        explicit.finish()?;
        response.finish()?;
        if bytes.oid()? != oids::OCSP_BASIC {
            return Err(Error::Unsupported { what: "OCSP response type" });
        }
        let basic = bytes.octet_string()?.into_owned();
        bytes.finish()?;
        Ok(Self(Arc::new(parse_basic(der, basic)?)))
    }

    /// All responses of a file: PEM with the label `OCSP RESPONSE`, DER, or bare base64.
    pub fn all_from(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        const LABEL: &str = "OCSP RESPONSE";
        if bytes.first() == Some(&0x30) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let blocks = crate::pem::blocks(bytes, LABEL)?;
        let responses: Vec<_> = blocks
            .iter()
            .filter(|block| block.label == LABEL)
            .map(|block| Self::from_der(&block.der))
            .collect::<Result<_, _>>()?;
        if responses.is_empty() { Err(Error::NotFound { what: "OCSP response" }) } else { Ok(responses) }
    }

    /// The bytes as they came.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// When it was signed.
    pub fn produced_at(&self) -> Time {
        self.0.produced_at
    }

    /// The nonce that it answers to (RFC 9654 §2.1).
    pub fn nonce(&self) -> Option<&[u8]> {
        self.0.nonce.as_deref()
    }

    /// Until when its answers hold: the earliest nextUpdate.
    pub fn next_update(&self) -> Option<Time> {
        self.0.responses.iter().filter_map(|response| response.next_update).min()
    }

    /// Whether it says anything about this certificate, whoever signed it.
    pub fn is_about(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        self.0.responses.iter().any(|response| response.id.names(certificate, issuer))
    }

    /// What it says about `certificate` at `at`, and the delegate who signed it, if it was one; unknown unless signed by
    /// who may answer for `issuer`.
    pub(crate) fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        at: Time,
    ) -> (Status, Option<&Certificate>) {
        let mut about = self.0.responses.iter().filter(|response| response.id.names(certificate, issuer)).peekable();
        if about.peek().is_none() || self.0.unknown_critical {
            return (Status::Unknown, None);
        }
        let delegate = match self.signer(issuer, at) {
            None => return (Status::Unknown, None),
            Some(SignedBy::Issuer) => None,
            Some(SignedBy::Delegate(responder)) => Some(responder),
        };
        let mut verdict = Status::Unknown;
        for response in about {
            match response.status_at(at) {
                revoked @ Status::Revoked(_) => return (revoked, delegate),
                Status::Good => verdict = Status::Good,
                Status::Unknown => {}
            }
        }
        (verdict, delegate)
    }

    /// Whether it is signed by `issuer`, or by a responder that `issuer` itself has authorised and whose
    /// certificate is valid at `at` (RFC 6960 §4.2.2.2).
    pub fn is_signed_for(&self, issuer: &Certificate, at: Time) -> bool {
        self.signer(issuer, at).is_some()
    }

    fn signer(&self, issuer: &Certificate, at: Time) -> Option<SignedBy<'_>> {
        let issuer_key = issuer.public_key().ok()?;
        if self.0.responder.is(issuer) && self.verify_with(issuer_key) {
            return Some(SignedBy::Issuer);
        }
        let delegate = self.0.certificates.iter().find(|responder| {
            self.0.responder.is(responder)
                && is_authorised(responder, issuer, issuer_key, at)
                && responder.public_key().is_ok_and(|key| self.verify_with(key))
        });
        delegate.map(SignedBy::Delegate)
    }

    fn verify_with(&self, key: &PublicKey) -> bool {
        let slice = |range: &Range<usize>| self.0.basic.get(range.clone()).unwrap_or_default();
        let identifier = &self.0.signature_algorithm;
        keys::accepted_algorithm(identifier).is_ok()
            && keys::verify(key, identifier, slice(&self.0.tbs), slice(&self.0.signature)).is_ok()
    }
}

// RFC 6960 §4.2.2.2: issued directly by the CA that the request names, for this very purpose (CASES T-51,
// CVE-2022-1343). Whether it was revoked itself is for who has the CRLs.
fn is_authorised(responder: &Certificate, issuer: &Certificate, issuer_key: &PublicKey, at: Time) -> bool {
    responder.issuer() == issuer.subject()
        && responder.extended_key_usage().is_some_and(|usage| usage.contains(oids::OCSP_SIGNING))
        && responder
            .key_usage()
            .is_none_or(|usage| usage.intersects(KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION)))
        && responder.validity().contains(at)
        && responder.oddities().iter().all(|oddity| !oddity.is_fatal())
        // RFC 5280 §4.2
        && responder.extensions().iter().filter(|extension| extension.critical).all(|extension| {
            is_understood(extension.oid) || extension.oid == oids::OCSP_NOCHECK
        })
        && responder.public_key().is_ok_and(|key| keys::weakness(key).is_none())
        && keys::accepted_algorithm(responder.signature_algorithm()).is_ok()
        && responder.verify_signature(issuer_key).is_ok()
}

impl Responder {
    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => name == certificate.subject(),
            // RFC 6960 §4.2.1: SHA-1 of the key's bits.
            Self::KeyHash(hash) => certificate
                .public_key()
                .is_ok_and(|key| DigestAlgorithm::Sha1.digest(key.bits()).octets() == hash.as_slice()),
        }
    }
}

impl CertificateId {
    fn names(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let Some(digest) = self.digest else { return false };
        let Ok(key) = issuer.public_key() else { return false };
        self.serial == *certificate.serial()
            && certificate.issuer() == issuer.subject()
            // The name as the certificate or as the issuer has it: the two may be encoded differently.
            && [certificate.issuer(), issuer.subject()]
                .iter()
                .any(|name| digest.digest(name.as_der()).octets() == self.issuer_name_hash.as_slice())
            && digest.digest(key.bits()).octets() == self.issuer_key_hash.as_slice()
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, asn1::Error> {
        let mut id = reader.sequence("CertID")?;
        let digest = DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut id)?).ok();
        let issuer_name_hash = id.octet_string()?.into_owned();
        let issuer_key_hash = id.octet_string()?.into_owned();
        let serial = SerialNumber::from_content(id.integer()?.content());
        id.finish()?;
        Ok(Self { digest, issuer_name_hash, issuer_key_hash, serial })
    }
}

impl SingleResponse {
    // RFC 6960 §3.2 (5), (6)
    fn status_at(&self, at: Time) -> Status {
        if self.unknown_critical {
            return Status::Unknown;
        }
        let current = self.this_update <= at
            && match self.next_update {
                Some(next) => at <= next,
                // RFC 6960 §4.2.2.1: newer information is available all the time.
                None => at <= self.this_update.plus_seconds(OcspResponse::LONGEST_WITHOUT_NEXT_UPDATE),
            };
        match self.status {
            // What was revoked stays revoked, except what was on hold.
            Status::Revoked(revoked) if revoked.on <= at => {
                if current || revoked.reason != RevocationReason::CertificateHold {
                    self.status
                } else {
                    Status::Unknown
                }
            }
            Status::Revoked(_) if current => self.status,
            Status::Good if current => Status::Good,
            _ => Status::Unknown,
        }
    }
}

fn parse_basic(der: &[u8], basic: Vec<u8>) -> Result<Inner, Error> {
    let mut outer = Reader::new(&basic, Encoding::Der).named("BasicOCSPResponse");
    let mut response = outer.sequence("BasicOCSPResponse")?;
    outer.finish()?;
    let tbs_element = response.expect(Tag::SEQUENCE)?;
    let signature_algorithm = AlgorithmIdentifier::parse(&mut response)?;
    let signature = response.bit_string()?;
    if signature.unused_bits != 0 {
        return Err(response.malformed(Because::BadBitString).into());
    }
    let mut certificates = Vec::new();
    if let Some(mut explicit) = response.context(0, "certs")? {
        let mut list = explicit.sequence("certs")?;
        explicit.finish()?;
        while !list.is_empty() {
            let certificate = list.element()?;
            if certificates.len() < OcspResponse::MOST_CERTIFICATES {
                certificates.push(Certificate::from_der(certificate.raw())?);
            }
        }
    }
    response.finish()?;

    let mut data = tbs_element.reader("ResponseData")?;
    if let Some(mut version) = data.context(0, "Version")? {
        let here = version.malformed(Because::BadValue);
        if version.small_integer()? != 0 {
            return Err(here.into());
        }
    }
    let here = data.malformed(Because::BadValue);
    let responder = match (data.context(1, "byName")?, data.context(2, "byKey")?) {
        (Some(mut name), None) => Responder::Name(Name::from_element(&name.expect(Tag::SEQUENCE)?)?),
        (None, Some(mut hash)) => Responder::KeyHash(hash.octet_string()?.into_owned()),
        _ => return Err(here.into()),
    };
    let produced_at = data.time()?;
    let mut list = data.sequence("responses")?;
    let mut responses = Vec::new();
    while !list.is_empty() {
        if responses.len() == OcspResponse::MOST_RESPONSES {
            return Err(Error::TooLarge { what: "OCSP response", limit: OcspResponse::MOST_RESPONSES });
        }
        responses.push(parse_single(list.sequence("SingleResponse")?)?);
    }
    let (mut nonce, mut unknown_critical) = (None, false);
    if let Some(mut explicit) = data.context(1, "responseExtensions")? {
        for extension in parse_list(explicit.sequence("Extensions")?)?.0 {
            if extension.oid == oids::OCSP_NONCE {
                let mut value = Reader::new(&extension.value, Encoding::Der).named("Nonce");
                // Deviation (RFC 9654 §2.1): a nonce of any length and without its inner OCTET STRING is read, so that
                // it can differ from ours.
                let octets = value.octet_string().map(|octets| octets.into_owned());
                nonce = Some(octets.unwrap_or(extension.value));
            } else {
                unknown_critical |= extension.critical;
            }
        }
    }
    data.finish()?;
    Ok(Inner {
        tbs: part_of(&basic, tbs_element.raw()),
        signature: part_of(&basic, signature.octets),
        signature_algorithm,
        certificates,
        responder,
        produced_at,
        nonce,
        unknown_critical,
        responses,
        der: der.to_vec(),
        basic,
    })
}

/// ```text
/// SingleResponse ::= SEQUENCE { certID CertID, certStatus CertStatus, thisUpdate GeneralizedTime,
///   nextUpdate [0] EXPLICIT GeneralizedTime OPTIONAL, singleExtensions [1] EXPLICIT Extensions OPTIONAL }
/// CertStatus ::= CHOICE { good [0] NULL, revoked [1] RevokedInfo, unknown [2] NULL }
/// ```
fn parse_single(mut single: Reader<'_>) -> Result<SingleResponse, Error> {
    let id = CertificateId::parse(&mut single)?;
    let here = single.malformed(Because::BadValue);
    let choice = single.element()?;
    let status = match choice.tag() {
        tag if tag == Tag::context(0) => Status::Good,
        tag if tag == Tag::context_constructed(1) => {
            let mut info = choice.reader("RevokedInfo")?;
            let on = info.time()?;
            let reason = match info.context(0, "CRLReason")? {
                Some(mut explicit) => {
                    RevocationReason::from_number(explicit.expect(Tag::ENUMERATED)?.to_integer()?.to_u64())
                }
                None => RevocationReason::Unspecified,
            };
            info.finish()?;
            Status::Revoked(Revoked { on, reason })
        }
        tag if tag == Tag::context(2) => Status::Unknown,
        _ => return Err(here.into()),
    };
    let this_update = single.time()?;
    let next_update = match single.context(0, "nextUpdate")? {
        Some(mut explicit) => Some(explicit.time()?),
        None => None,
    };
    let mut unknown_critical = false;
    if let Some(mut explicit) = single.context(1, "singleExtensions")? {
        unknown_critical = parse_list(explicit.sequence("Extensions")?)?.0.iter().any(|extension| extension.critical);
    }
    single.finish()?;
    Ok(SingleResponse { id, status, this_update, next_update, unknown_critical })
}

impl fmt::Debug for OcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OcspResponse")
            .field("produced_at", &self.produced_at())
            .field("responses", &self.0.responses.len())
            .finish_non_exhaustive()
    }
}

/// A question about one certificate (RFC 6960 §4.1).
#[derive(Debug, Clone)]
pub struct OcspRequest {
    der: Vec<u8>,
    nonce: Vec<u8>,
}

impl OcspRequest {
    /// Octets of a nonce (RFC 9654 §2.1, CASES S-26).
    pub const NONCE_LENGTH: usize = 32;

    /// About `certificate`, issued by `issuer`. The nonce is fresh randomness from the caller.
    pub fn new(
        certificate: &Certificate,
        issuer: &Certificate,
        nonce: [u8; Self::NONCE_LENGTH],
    ) -> Result<Self, Error> {
        // RFC 5019 §2.1.1, RFC 9654 §3.2: SHA-1 in CertID names, it does not protect.
        let digest = DigestAlgorithm::Sha1;
        let key = issuer.public_key().map_err(Clone::clone)?;
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            AlgorithmIdentifier::with_null(digest.oid()).encode(w);
                            w.octet_string(digest.digest(certificate.issuer().as_der()).octets());
                            w.octet_string(digest.digest(key.bits()).octets());
                            w.integer_content(certificate.serial().content());
                        });
                    });
                });
                w.context(2, |w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            w.oid(&oids::OCSP_NONCE);
                            w.octet_string_of(|w| w.octet_string(&nonce));
                        });
                    });
                });
            });
        });
        Ok(Self { der: writer.into_vec(), nonce: nonce.to_vec() })
    }

    /// The body of the HTTP POST, `application/ocsp-request`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the answer is one to this question: its nonce is ours, or it has none, as responders that sign in
    /// advance have it (RFC 9654 §3.1). Another one is somebody else's answer (CASES T-51).
    pub fn is_answered_by(&self, response: &OcspResponse) -> bool {
        response.nonce().is_none_or(|nonce| nonce == self.nonce)
    }
}
