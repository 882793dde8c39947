mod fingerprint;
mod oddity;
mod serial_number;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use asn1::{Because, Encoding, Oid, Reader, Tag, Time};
use crypto::{AlgorithmIdentifier, DigestAlgorithm, PublicKey};

use crate::extensions::{BasicConstraints, ExtendedKeyUsage, Extensions, GeneralName, KeyUsage};
pub use fingerprint::Fingerprint;
pub use oddity::Oddity;
pub use serial_number::SerialNumber;

use crate::{EmailAddress, Error, Name, keys, oids};

/// An X.509 certificate (RFC 5280 §4.1), held as it came. A clone is cheap.
///
/// ```text
/// Certificate ::= SEQUENCE {
///   tbsCertificate TBSCertificate, signatureAlgorithm AlgorithmIdentifier, signatureValue BIT STRING }
/// ```
///
/// Reading is strict about structure and tolerant about what real CAs have issued: what was odd is listed by
/// [`Certificate::oddities`] and judged by path validation and [`lint`](crate::lint). Two certificates
/// are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    tbs: Range<usize>,
    spki: Range<usize>,
    version: u32,
    serial: SerialNumber,
    signature_algorithm: AlgorithmIdentifier,
    signature: Range<usize>,
    issuer: Name,
    subject: Name,
    validity: Validity,
    extensions: Extensions,
    oddities: Vec<Oddity>,
    public_key: OnceLock<Result<PublicKey, crypto::Error>>,
    sha256: OnceLock<Fingerprint>,
    spki_sha256: OnceLock<[u8; 32]>,
}

/// From when to when a certificate is valid, both ends included (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Time,
    /// The last moment.
    pub not_after: Time,
}

impl Validity {
    /// Whether `time` lies within.
    pub fn contains(&self, time: Time) -> bool {
        self.not_before <= time && time <= self.not_after
    }
}

impl Certificate {
    /// The largest certificate that is read: SLH-DSA signatures take 50 kB.
    pub const MOST_BYTES: usize = 256 << 10;

    /// From DER, with nothing after it. BER is read too, and noted as odd.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MOST_BYTES {
            return Err(Error::TooLarge { what: "certificate", limit: Self::MOST_BYTES });
        }
        let inner = match parse(der, Encoding::Der) {
            Ok(inner) => inner,
            Err(error) => {
                let mut inner = parse(der, Encoding::Ber).map_err(|_| error)?;
                inner.oddities.push(Oddity::NotDer);
                inner
            }
        };
        Ok(Self(Arc::new(inner)))
    }

    /// From the first `CERTIFICATE` block of a PEM text.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        let blocks = asn1::parse_pem(text)?;
        let block = blocks.iter().find(|block| is_certificate_label(&block.label));
        Self::from_der(&block.ok_or(Error::NotFound { what: "certificate" })?.der)
    }

    /// All certificates of a file: PEM with any number of blocks, DER, or bare base64.
    pub fn all_from(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        const MOST: usize = 10_000;
        let blocks = asn1::parse_pem(bytes)
            .or_else(|error| if bytes.first() == Some(&0x30) { Ok(Vec::new()) } else { Err(error) })?;
        if blocks.is_empty() {
            if bytes.first() == Some(&0x30) {
                return Ok(vec![Self::from_der(bytes)?]);
            }
            let armoured = [b"-----BEGIN CERTIFICATE-----\n", bytes, b"\n-----END CERTIFICATE-----\n"].concat();
            return match asn1::parse_pem(&armoured) {
                Ok(blocks) if blocks.first().is_some_and(|block| block.der.first() == Some(&0x30)) => {
                    blocks.iter().map(|block| Self::from_der(&block.der)).collect()
                }
                _ => Err(Error::NotFound { what: "certificate" }),
            };
        }
        let certificates: Vec<_> = blocks.iter().filter(|block| is_certificate_label(&block.label)).collect();
        if certificates.len() > MOST {
            return Err(Error::TooLarge { what: "certificate list", limit: MOST });
        }
        if certificates.is_empty() {
            return Err(Error::NotFound { what: "certificate" });
        }
        certificates.into_iter().map(|block| Self::from_der(&block.der)).collect()
    }

    /// The bytes as they came.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM with the label `CERTIFICATE`.
    pub fn to_pem(&self) -> String {
        asn1::encode_pem("CERTIFICATE", self.der())
    }

    /// The bytes of tbsCertificate, over which the signature is made.
    pub fn tbs(&self) -> &[u8] {
        self.slice(&self.0.tbs)
    }

    /// Whether the other is a clone of this one. Others may be equal all the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.0.der.get(range.clone()).unwrap_or_default()
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.0.serial
    }

    /// The algorithm of the signature.
    pub fn signature_algorithm(&self) -> &AlgorithmIdentifier {
        &self.0.signature_algorithm
    }

    /// The signature's octets.
    pub fn signature(&self) -> &[u8] {
        self.slice(&self.0.signature)
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// Whom it is for.
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// From when to when.
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// The subject's key, or why it cannot be used.
    pub fn public_key(&self) -> Result<&PublicKey, &crypto::Error> {
        self.0.public_key.get_or_init(|| PublicKey::from_spki(self.subject_public_key_info())).as_ref()
    }

    /// The DER of subjectPublicKeyInfo.
    pub fn subject_public_key_info(&self) -> &[u8] {
        self.slice(&self.0.spki)
    }

    /// All extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// keyUsage; `None` where the extension is absent, which allows everything.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions().key_usage()
    }

    /// extKeyUsage; `None` where the extension is absent.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.extensions().extended_key_usage()
    }

    /// basicConstraints.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions().basic_constraints()
    }

    /// Whether it says that it is a CA.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.extensions().subject_key_identifier()
    }

    /// The issuer's key identifier out of authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.extensions().authority_key_identifier()?.key_identifier.as_deref()
    }

    /// subjectAltName.
    pub fn subject_alternative_names(&self) -> &[GeneralName] {
        self.extensions().subject_alternative_names()
    }

    /// The mailboxes it speaks for, each once: SAN rfc822Name and SmtpUTF8Mailbox first, then the subject's
    /// emailAddress attributes (RFC 8550 §3, CASES S-23). What is not an address is not among them.
    pub fn email_addresses(&self) -> Vec<EmailAddress> {
        let mut addresses: Vec<EmailAddress> = Vec::new();
        let mut add = |address: Result<EmailAddress, Error>| {
            if let Ok(address) = address
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        };
        for name in self.subject_alternative_names() {
            match name {
                GeneralName::Rfc822Name(text) => add(EmailAddress::from_ascii(text)),
                GeneralName::SmtpUtf8Mailbox(text) => add(EmailAddress::from_smtp_utf8(text)),
                _ => {}
            }
        }
        // RFC 2985 §5.2.1: an IA5String of at most 255 characters. Seen in the wild: UTF8String.
        for attribute in self.subject().email_attributes() {
            if let Some(text) = attribute.text().filter(|text| text.len() <= 255) {
                add(EmailAddress::from_ascii(text));
            }
        }
        addresses
    }

    /// Whether there are texts where addresses stand that are not addresses (CASES T-09).
    pub fn has_bad_email_address(&self) -> bool {
        let bad_name = self.subject_alternative_names().iter().any(|name| match name {
            GeneralName::Rfc822Name(text) => EmailAddress::from_ascii(text).is_err(),
            GeneralName::SmtpUtf8Mailbox(text) => EmailAddress::from_smtp_utf8(text).is_err(),
            GeneralName::Malformed { kind, .. } => matches!(kind, 0 | 1),
            _ => false,
        });
        let bad_attribute = self
            .subject()
            .email_attributes()
            .any(|attribute| attribute.text().is_none_or(|text| EmailAddress::from_ascii(text).is_err()));
        bad_name || bad_attribute
    }

    /// What was odd about it.
    pub fn oddities(&self) -> &[Oddity] {
        &self.0.oddities
    }

    /// Where CRLs that cover it are found over HTTP.
    pub fn crl_uris(&self) -> impl Iterator<Item = &str> {
        self.extensions().crl_distribution_points().iter().flat_map(|point| point.http_uris())
    }

    /// Where delta CRLs are found over HTTP.
    pub fn delta_crl_uris(&self) -> impl Iterator<Item = &str> {
        self.extensions().freshest_crl().iter().flat_map(|point| point.http_uris())
    }

    /// OCSP responders that answer for it over HTTP.
    pub fn ocsp_uris(&self) -> impl Iterator<Item = &str> {
        self.extensions().authority_info_access().iter().filter_map(|access| access.ocsp_uri())
    }

    /// Where its issuer's certificate is found over HTTP.
    pub fn ca_issuers_uris(&self) -> impl Iterator<Item = &str> {
        self.extensions().authority_info_access().iter().filter_map(|access| access.ca_issuers_uri())
    }

    /// Issuer and subject are the same name (RFC 5280 §3.2: self-issued).
    pub fn is_self_issued(&self) -> bool {
        self.issuer() == self.subject()
    }

    /// SHA-256 of the whole certificate.
    pub fn sha256(&self) -> Fingerprint {
        *self.0.sha256.get_or_init(|| Fingerprint::new(sha256(self.der())))
    }

    /// SHA-1 of the whole certificate: a thumbprint to search by, never to trust by.
    pub fn sha1(&self) -> Vec<u8> {
        DigestAlgorithm::Sha1.digest(self.der()).octets().to_vec()
    }

    /// SHA-256 of subjectPublicKeyInfo: the same for two certificates over one key.
    pub fn public_key_sha256(&self) -> [u8; 32] {
        *self.0.spki_sha256.get_or_init(|| sha256(self.subject_public_key_info()))
    }

    /// Whether the key of `issuer` made this certificate's signature. Nothing else is checked: names, dates and
    /// constraints are the path's business.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), crypto::Error> {
        keys::verify(issuer, self.signature_algorithm(), self.tbs(), self.signature())
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    DigestAlgorithm::Sha256.digest(bytes).octets().try_into().unwrap_or([0; 32])
}

fn is_certificate_label(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE")
}

fn parse(der: &[u8], encoding: Encoding) -> Result<Inner, asn1::Error> {
    let mut outer = Reader::new(der, encoding).named("Certificate");
    let mut certificate = outer.sequence("Certificate")?;
    outer.finish()?;
    let tbs_element = certificate.expect(Tag::SEQUENCE)?;
    let signature_algorithm = AlgorithmIdentifier::parse(&mut certificate)?;
    let signature = certificate.bit_string()?;
    // Every signature algorithm gives whole octets: anything else is no signature, which verifying will find.
    let signature = if signature.unused_bits == 0 { signature.octets } else { &[] };
    certificate.finish()?;

    let mut oddities = Vec::new();
    let mut tbs = tbs_element.reader("TBSCertificate")?;
    let version = match tbs.context(0, "Version")? {
        None => 1,
        Some(mut explicit) => {
            let here = explicit.malformed(Because::BadValue);
            let version = explicit.small_integer()?;
            explicit.finish()?;
            match version {
                // Seen in the wild: v1 written out, against DER.
                0 => oddities.push(Oddity::DefaultEncoded),
                1 | 2 => {}
                _ => return Err(here),
            }
            version + 1
        }
    };
    let serial_element = tbs.expect(Tag::INTEGER)?;
    let serial = SerialNumber::from_content(serial_element.to_integer()?.content());
    check_serial(&serial, &mut oddities);
    let inner_algorithm = AlgorithmIdentifier::parse(&mut tbs)?;
    // RFC 5280 §4.1.1.2: the two MUST be the same.
    if inner_algorithm != signature_algorithm {
        oddities.push(Oddity::AlgorithmMismatch);
    }
    let issuer = Name::from_element(&tbs.expect(Tag::SEQUENCE)?)?;
    let validity = parse_validity(tbs.sequence("Validity")?, &mut oddities)?;
    let subject = Name::from_element(&tbs.expect(Tag::SEQUENCE)?)?;
    let spki = tbs.expect(Tag::SEQUENCE)?;
    for number in [1, 2] {
        if tbs.optional(Tag::context(number))?.is_some() {
            oddities.push(Oddity::UniqueIdentifiers);
        }
    }
    let extensions = match tbs.context(3, "Extensions")? {
        None => Extensions::default(),
        Some(mut explicit) => {
            let list = explicit.sequence("Extensions")?;
            explicit.finish()?;
            if version != 3 {
                oddities.push(Oddity::ExtensionsUnexpected);
            }
            if list.is_empty() {
                oddities.push(Oddity::ExtensionsEmpty);
            }
            Extensions::parse(list, encoding)?
        }
    };
    tbs.finish()?;
    oddities.extend(extensions.duplicated().iter().map(|&oid| Oddity::DuplicateExtension(oid)));
    oddities.extend(extensions.malformed().iter().map(|&oid| Oddity::MalformedExtension(oid)));
    if extensions.explicit_default && !oddities.contains(&Oddity::DefaultEncoded) {
        oddities.push(Oddity::DefaultEncoded);
    }
    let range = |part: &[u8]| part_of(der, part);
    Ok(Inner {
        tbs: range(tbs_element.raw()),
        spki: range(spki.raw()),
        version,
        serial,
        signature_algorithm,
        signature: range(signature),
        issuer,
        subject,
        validity,
        extensions,
        oddities,
        public_key: OnceLock::new(),
        sha256: OnceLock::new(),
        spki_sha256: OnceLock::new(),
        der: der.to_vec(),
    })
}

/// Where `part`, a slice of `whole`, lies in it.
pub(crate) fn part_of(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    if part.is_empty() { 0..0 } else { start..start.saturating_add(part.len()) }
}

// RFC 5280 §4.1.2.2: positive and at most twenty octets, but be prepared to handle others gracefully.
fn check_serial(serial: &SerialNumber, oddities: &mut Vec<Oddity>) {
    let content = serial.content();
    if content.first().is_some_and(|first| first & 0x80 != 0) {
        oddities.push(Oddity::SerialNegative);
    } else if !serial.is_positive() {
        oddities.push(Oddity::SerialZero);
    }
    if content.len() > 20 {
        oddities.push(Oddity::SerialTooLong);
    }
}

fn parse_validity(mut reader: Reader<'_>, oddities: &mut Vec<Oddity>) -> Result<Validity, asn1::Error> {
    let mut time = || -> Result<Time, asn1::Error> {
        let tag = reader.peek();
        let time = reader.time()?;
        // RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
        if (tag == Some(Tag::GENERALIZED_TIME)) != (time.parts().year >= 2050) && !oddities.contains(&Oddity::TimeForm)
        {
            oddities.push(Oddity::TimeForm);
        }
        Ok(time)
    };
    let (not_before, not_after) = (time()?, time()?);
    reader.finish()?;
    if not_after < not_before {
        oddities.push(Oddity::ValidityReversed);
    }
    Ok(Validity { not_before, not_after })
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.der.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", self.subject())
            .field("issuer", self.issuer())
            .field("serial", self.serial())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Certificate {
    /// The subject, or where it has none, the first address or the serial number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject().is_empty() {
            return write!(f, "{}", self.subject());
        }
        match self.email_addresses().first() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "serial number {} of {}", self.serial(), self.issuer()),
        }
    }
}

/// The attribute types that path validation and lint look at by name.
impl Name {
    /// Whether the name has an attribute of this type.
    pub fn has(&self, oid: Oid) -> bool {
        self.attributes().any(|attribute| attribute.oid() == oid)
    }

    /// The country.
    pub fn country(&self) -> Option<&str> {
        self.text_of(oids::COUNTRY)
    }
}
