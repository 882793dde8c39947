use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use asn1::{Because, Encoding, Oid, Reader, Tag, Time};
use crypto::{AlgorithmIdentifier, PublicKey};

use crate::certificate::{SerialNumber, part_of};
use crate::extensions::{
    AuthorityKeyIdentifier, DistributionPoint, Extension, GeneralName, IssuingDistributionPoint, parse_list,
};
use crate::{Error, Name, keys, oids};

/// A certificate revocation list (RFC 5280 §5.1), version 1 or 2, complete or delta, held as it came. A clone
/// is cheap.
///
/// ```text
/// CertificateList ::= SEQUENCE {
///   tbsCertList TBSCertList, signatureAlgorithm AlgorithmIdentifier, signatureValue BIT STRING }
/// TBSCertList ::= SEQUENCE {
///   version Version OPTIONAL, signature AlgorithmIdentifier, issuer Name, thisUpdate Time,
///   nextUpdate Time OPTIONAL, revokedCertificates SEQUENCE OF SEQUENCE { … } OPTIONAL,
///   crlExtensions [0] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone)]
pub struct CertificateList(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    tbs: Range<usize>,
    signature_algorithm: AlgorithmIdentifier,
    algorithms_agree: bool,
    signature: Range<usize>,
    issuer: Name,
    this_update: Time,
    next_update: Option<Time>,
    // Sorted by serial number; 10⁶ of them must fit (CASES T-50).
    entries: Vec<Entry>,
    // The issuers that entries name, entry's index minus one; 0 is the CRL's own.
    issuers: Vec<Vec<GeneralName>>,
    extensions: CrlExtensions,
}

#[derive(Default)]
struct CrlExtensions {
    authority_key_identifier: Option<AuthorityKeyIdentifier>,
    crl_number: Option<Number>,
    base_crl_number: Option<Number>,
    issuing_distribution_point: Option<IssuingDistributionPoint>,
    freshest_crl: Vec<DistributionPoint>,
    unusable: Option<Unusable>,
}

/// Why a CRL can not show that a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    UnknownCritical(Oid),
    Malformed(Oid),
    Nonconforming(&'static str),
}

/// A CRL number: big-endian octets without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Vec<u8>);

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

struct Entry {
    start: u32,
    length: u32,
    issuer: u32,
    reason: RevocationReason,
    date: Time,
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RevocationReason {
    /// unspecified (0), or none given
    #[default]
    Unspecified,
    /// keyCompromise (1)
    KeyCompromise,
    /// cACompromise (2)
    CaCompromise,
    /// affiliationChanged (3)
    AffiliationChanged,
    /// superseded (4)
    Superseded,
    /// cessationOfOperation (5)
    CessationOfOperation,
    /// certificateHold (6)
    CertificateHold,
    /// removeFromCRL (8): in delta CRLs, the certificate is good again
    RemoveFromCrl,
    /// privilegeWithdrawn (9)
    PrivilegeWithdrawn,
    /// aACompromise (10)
    AaCompromise,
}

impl RevocationReason {
    /// From the number in a CRL entry or OCSP response; unknown ones are unspecified.
    pub fn from_number(number: Option<u64>) -> Self {
        match number {
            Some(1) => Self::KeyCompromise,
            Some(2) => Self::CaCompromise,
            Some(3) => Self::AffiliationChanged,
            Some(4) => Self::Superseded,
            Some(5) => Self::CessationOfOperation,
            Some(6) => Self::CertificateHold,
            Some(8) => Self::RemoveFromCrl,
            Some(9) => Self::PrivilegeWithdrawn,
            Some(10) => Self::AaCompromise,
            _ => Self::Unspecified,
        }
    }

    /// The number of the reason, for encoding.
    pub fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "no reason given",
            Self::KeyCompromise => "key compromised",
            Self::CaCompromise => "CA compromised",
            Self::AffiliationChanged => "affiliation changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "no longer in use",
            Self::CertificateHold => "on hold",
            Self::RemoveFromCrl => "removed from the list",
            Self::PrivilegeWithdrawn => "privilege withdrawn",
            Self::AaCompromise => "attribute authority compromised",
        })
    }
}

/// One entry of a CRL, for one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub on: Time,
    /// Why.
    pub reason: RevocationReason,
}

impl CertificateList {
    /// The largest list that is read (CASES T-50).
    pub const MOST_BYTES: usize = 64 << 20;
    /// The most entries that are read.
    pub const MOST_ENTRIES: usize = 2_000_000;

    /// From DER, with nothing after it. BER is read too.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MOST_BYTES {
            return Err(Error::TooLarge { what: "CRL", limit: Self::MOST_BYTES });
        }
        let inner = parse(der, Encoding::Der).or_else(|error| parse(der, Encoding::Ber).map_err(|_| error))?;
        Ok(Self(Arc::new(inner)))
    }

    /// All lists of a file: PEM with the label `X509 CRL` among other things, DER, or bare base64.
    pub fn all_from(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        if bytes.first() == Some(&0x30) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let blocks = crate::pem::blocks(bytes, "X509 CRL")?;
        let lists: Vec<_> = blocks
            .iter()
            .filter(|block| block.label == "X509 CRL")
            .map(|block| Self::from_der(&block.der))
            .collect::<Result<_, _>>()?;
        if lists.is_empty() { Err(Error::NotFound { what: "CRL" }) } else { Ok(lists) }
    }

    /// From the first `X509 CRL` block of a PEM text.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        Self::all_from(text)?.into_iter().next().ok_or(Error::NotFound { what: "CRL" })
    }

    /// The bytes as they came.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM with the label `X509 CRL`.
    pub fn to_pem(&self) -> String {
        asn1::encode_pem("X509 CRL", self.der())
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// When it was issued.
    pub fn this_update(&self) -> Time {
        self.0.this_update
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> Option<Time> {
        self.0.next_update
    }

    /// cRLNumber (RFC 5280 §5.2.3).
    pub fn number(&self) -> Option<&Number> {
        self.0.extensions.crl_number.as_ref()
    }

    /// BaseCRLNumber of a delta CRL (RFC 5280 §5.2.4).
    pub fn base_number(&self) -> Option<&Number> {
        self.0.extensions.base_crl_number.as_ref()
    }

    /// Whether it lists changes only.
    pub fn is_delta(&self) -> bool {
        self.base_number().is_some()
    }

    /// issuingDistributionPoint (RFC 5280 §5.2.5).
    pub fn issuing_distribution_point(&self) -> Option<&IssuingDistributionPoint> {
        self.0.extensions.issuing_distribution_point.as_ref()
    }

    /// Where delta CRLs are found (RFC 5280 §5.2.6).
    pub fn freshest_crl(&self) -> &[DistributionPoint] {
        &self.0.extensions.freshest_crl
    }

    /// authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&AuthorityKeyIdentifier> {
        self.0.extensions.authority_key_identifier.as_ref()
    }

    pub(crate) fn unusable(&self) -> Option<Unusable> {
        self.0.extensions.unusable
    }

    /// The algorithm of the signature.
    pub fn signature_algorithm(&self) -> &AlgorithmIdentifier {
        &self.0.signature_algorithm
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether it revokes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// What it says about the certificate with this serial number from this issuer. Nothing about the list itself
    /// is checked here.
    pub fn find(&self, serial: &SerialNumber, issuer: &Name) -> Option<Revoked> {
        let inner = &*self.0;
        let content = |entry: &Entry| inner.serial_of(entry);
        let start = inner.entries.partition_point(|entry| content(entry) < serial.content());
        let mut same = inner.entries.iter().skip(start).take_while(|entry| content(entry) == serial.content());
        same.find(|entry| match entry.issuer.checked_sub(1) {
            None => inner.issuer == *issuer,
            Some(index) => {
                usize::try_from(index).ok().and_then(|index| inner.issuers.get(index)).is_some_and(|names| {
                    names.iter().any(|name| matches!(name, GeneralName::DirectoryName(name) if name == issuer))
                })
            }
        })
        .map(|entry| Revoked { on: entry.date, reason: entry.reason })
    }

    /// Whether the key of `issuer` made this list's signature.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), crypto::Error> {
        let slice = |range: &Range<usize>| self.0.der.get(range.clone()).unwrap_or_default();
        keys::verify(issuer, self.signature_algorithm(), slice(&self.0.tbs), slice(&self.0.signature))
    }

    pub(crate) fn algorithms_agree(&self) -> bool {
        self.0.algorithms_agree
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        crate::certificate::sha256(self.der())
    }
}

impl Inner {
    fn serial_of(&self, entry: &Entry) -> &[u8] {
        serial_at(&self.der, entry)
    }
}

fn serial_at<'a>(der: &'a [u8], entry: &Entry) -> &'a [u8] {
    let start = usize::try_from(entry.start).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(entry.length).unwrap_or(0));
    der.get(start..end).unwrap_or_default()
}

impl fmt::Debug for CertificateList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateList")
            .field("issuer", self.issuer())
            .field("this_update", &self.this_update())
            .field("next_update", &self.next_update())
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

impl PartialEq for CertificateList {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for CertificateList {}

fn parse(der: &[u8], encoding: Encoding) -> Result<Inner, Error> {
    let mut outer = Reader::new(der, encoding).named("CertificateList");
    let mut list = outer.sequence("CertificateList")?;
    outer.finish()?;
    let tbs_element = list.expect(Tag::SEQUENCE)?;
    let signature_algorithm = AlgorithmIdentifier::parse(&mut list)?;
    let signature = list.bit_string()?;
    let signature = if signature.unused_bits == 0 { signature.octets } else { &[] };
    list.finish()?;

    let mut tbs = tbs_element.reader("TBSCertList")?;
    let mut version = 1;
    if tbs.peek() == Some(Tag::INTEGER) {
        let here = tbs.malformed(Because::BadValue);
        version = tbs.small_integer()?.saturating_add(1);
        // Seen in the wild: v1 written out.
        if version > 2 {
            return Err(here.into());
        }
    }
    let inner_algorithm = AlgorithmIdentifier::parse(&mut tbs)?;
    let issuer = Name::from_element(&tbs.expect(Tag::SEQUENCE)?)?;
    let this_update = tbs.time()?;
    let next_update = match tbs.peek() {
        Some(Tag::UTC_TIME | Tag::GENERALIZED_TIME) => Some(tbs.time()?),
        _ => None,
    };
    let (mut entries, mut issuers, mut unknown_critical) = (Vec::new(), Vec::new(), None);
    if let Some(revoked) = tbs.optional(Tag::SEQUENCE)? {
        let revoked = revoked.reader("revokedCertificates")?;
        unknown_critical = parse_entries(der, revoked, &mut entries, &mut issuers)?;
    }
    let mut extensions = match tbs.context(0, "crlExtensions")? {
        None => CrlExtensions::default(),
        Some(mut explicit) => {
            let (extensions, _) = parse_list(explicit.sequence("Extensions")?)?;
            explicit.finish()?;
            parse_extensions(&extensions, encoding, version)
        }
    };
    tbs.finish()?;
    // RFC 5280 §5.3: an entry that is not understood may mean another certificate than it seems to, so that the list
    // shows of none that it is good.
    if let (None, Some(oid)) = (extensions.unusable, unknown_critical) {
        extensions.unusable = Some(Unusable::UnknownCritical(oid));
    }
    entries.sort_by(|one: &Entry, other| serial_at(der, one).cmp(serial_at(der, other)));
    Ok(Inner {
        tbs: part_of(der, tbs_element.raw()),
        algorithms_agree: inner_algorithm == signature_algorithm,
        signature: part_of(der, signature),
        signature_algorithm,
        issuer,
        this_update,
        next_update,
        entries,
        issuers,
        extensions,
        der: der.to_vec(),
    })
}

/// Gives a critical extension of an entry that is not known, if there is one.
fn parse_entries(
    der: &[u8],
    mut reader: Reader<'_>,
    entries: &mut Vec<Entry>,
    issuers: &mut Vec<Vec<GeneralName>>,
) -> Result<Option<Oid>, Error> {
    let (mut issuer, mut unknown_critical) = (0, None);
    while !reader.is_empty() {
        if entries.len() == CertificateList::MOST_ENTRIES {
            return Err(Error::TooLarge { what: "CRL", limit: CertificateList::MOST_ENTRIES });
        }
        let mut revoked = reader.sequence("revokedCertificate")?;
        let serial = part_of(der, revoked.integer()?.content());
        let date = revoked.time()?;
        let mut reason = RevocationReason::Unspecified;
        if !revoked.is_empty() {
            let (extensions, _) = parse_list(revoked.sequence("crlEntryExtensions")?)?;
            for extension in &extensions {
                let mut value = Reader::new(&extension.value, Encoding::Ber).named("crlEntryExtension");
                match extension.oid {
                    oids::REASON_CODE => {
                        let number = value.expect(Tag::ENUMERATED)?.to_integer()?.to_u64();
                        reason = RevocationReason::from_number(number);
                    }
                    // RFC 5280 §5.3.3: holds for this entry and those that follow without their own.
                    oids::CERTIFICATE_ISSUER => {
                        issuers.push(GeneralName::parse_all(value.sequence("GeneralNames")?)?);
                        issuer = u32::try_from(issuers.len()).unwrap_or(u32::MAX);
                    }
                    oids::INVALIDITY_DATE => {}
                    oid if extension.critical => unknown_critical = Some(oid),
                    _ => {}
                }
            }
        }
        revoked.finish()?;
        let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        entries.push(Entry { start: small(serial.start), length: small(serial.len()), issuer, reason, date });
    }
    Ok(unknown_critical)
}

fn parse_extensions(list: &[Extension], encoding: Encoding, version: u32) -> CrlExtensions {
    let mut parsed = CrlExtensions::default();
    // RFC 5280 §5.1.2.1: extensions make it version 2.
    if version != 2 {
        parsed.unusable = Some(Unusable::Nonconforming("a version 1 CRL with extensions (RFC 5280 §5.1.2.1)"));
    }
    for (index, extension) in list.iter().enumerate() {
        if list.iter().take(index).any(|earlier| earlier.oid == extension.oid) {
            parsed.unusable = Some(Unusable::Malformed(extension.oid));
            continue;
        }
        if parse_extension(extension, encoding, &mut parsed).is_err() {
            parsed.unusable = Some(Unusable::Malformed(extension.oid));
        }
    }
    // RFC 5280 §5.2.4: a delta CRL has a CRL number (CASES T-50, CVE-2026-28388).
    if parsed.base_crl_number.is_some() && parsed.crl_number.is_none() {
        parsed.unusable = Some(Unusable::Nonconforming("a delta CRL without a number (RFC 5280 §5.2.4)"));
    }
    parsed
}

fn parse_extension(extension: &Extension, encoding: Encoding, parsed: &mut CrlExtensions) -> Result<(), asn1::Error> {
    let mut value = Reader::new(&extension.value, encoding).named("crlExtension");
    let number = |value: &mut Reader<'_>| -> Result<Number, asn1::Error> {
        let here = value.malformed(Because::BadValue);
        let number = value.integer()?.unsigned_bytes().map(|octets| Number(octets.to_vec()));
        // RFC 5280 §5.2.3: at most twenty octets.
        number.filter(|number| number.0.len() <= 20).ok_or(here)
    };
    match extension.oid {
        oids::AUTHORITY_KEY_IDENTIFIER => {
            let inside = value.sequence("AuthorityKeyIdentifier")?;
            parsed.authority_key_identifier = Some(AuthorityKeyIdentifier::parse(inside)?);
        }
        oids::CRL_NUMBER => {
            // RFC 5280 §5.2.3: cRLNumber is a non-critical extension.
            if extension.critical {
                parsed.unusable = Some(Unusable::Nonconforming("a critical cRLNumber (RFC 5280 §5.2.3)"));
            }
            parsed.crl_number = Some(number(&mut value)?);
        }
        oids::DELTA_CRL_INDICATOR => parsed.base_crl_number = Some(number(&mut value)?),
        oids::ISSUING_DISTRIBUTION_POINT => {
            let inside = value.sequence("IssuingDistributionPoint")?;
            parsed.issuing_distribution_point = Some(IssuingDistributionPoint::parse(inside)?);
        }
        oids::FRESHEST_CRL => parsed.freshest_crl = DistributionPoint::parse_all(value.sequence("FreshestCRL")?)?,
        oids::ISSUER_ALT_NAME => return Ok(()),
        oid if extension.critical => {
            parsed.unusable = Some(Unusable::UnknownCritical(oid));
            return Ok(());
        }
        _ => return Ok(()),
    }
    value.finish()
}
