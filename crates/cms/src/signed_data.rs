use std::cell::Cell;
use std::io::{self, BufRead, Read, Write};

use asn1::{Encoding, OctetsProgress, Oid, Reader, StreamReader, Tag};
use crypto::{AlgorithmIdentifier, DigestAlgorithm, DigestValue, Hasher};
use pki::Certificate;

use crate::signer_info::ContentFacts;
use crate::{Error, SignerInfo, SignerReport, certificate_set, content_info, limits, oids};

/// Computes the digests that signers may want while content goes by.
#[derive(Debug, Clone)]
pub struct ContentDigests {
    hashers: Vec<Hasher>,
    beginning: Vec<u8>,
    length: u64,
}

impl ContentDigests {
    /// For these algorithms; without any, for SHA-256, SHA-384 and SHA-512 (CASES S-43, T-04: nobody relies on the list).
    pub fn new(algorithms: &[DigestAlgorithm]) -> Self {
        const USUAL: [DigestAlgorithm; 3] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];
        let mut wanted: Vec<DigestAlgorithm> =
            algorithms.iter().copied().filter(|algorithm| !algorithm.is_weak()).collect();
        if wanted.is_empty() {
            wanted.extend(USUAL);
        }
        wanted.sort_unstable();
        wanted.dedup();
        Self { hashers: wanted.into_iter().map(Hasher::new).collect(), beginning: Vec::new(), length: 0 }
    }

    fn none() -> Self {
        Self { hashers: Vec::new(), beginning: Vec::new(), length: 0 }
    }

    /// More content.
    pub fn update(&mut self, content: &[u8]) {
        const ENOUGH: usize = 64;
        if self.beginning.len() < ENOUGH {
            let more = content.get(..content.len().min(ENOUGH - self.beginning.len())).unwrap_or_default();
            self.beginning.extend_from_slice(more);
        }
        self.length = self.length.saturating_add(content.len() as u64);
        self.hashers.iter_mut().for_each(|hasher| hasher.update(content));
    }

    pub(crate) fn finish(self) -> ContentFacts {
        ContentFacts {
            looks_like_attributes: looks_like_attributes(&self.beginning, self.length),
            digests: self.hashers.into_iter().map(Hasher::finish).collect(),
            is_missing: false,
            whole: None,
        }
    }

    /// The digests alone, for a signer.
    pub fn into_values(self) -> Vec<DigestValue> {
        self.finish().digests
    }
}

impl Write for ContentDigests {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.update(content);
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// CASES S-42, T-06: DER of `SET OF Attribute`, as long as the whole content, whose first element begins with an OID.
fn looks_like_attributes(beginning: &[u8], length: u64) -> bool {
    let (Some(0x31), Some(&second)) = (beginning.first(), beginning.get(1)) else { return false };
    let header = if second < 0x80 { 2 } else { 2 + usize::from(second & 0x7F) };
    let announced = if second < 0x80 {
        u64::from(second)
    } else {
        beginning.get(2..header).unwrap_or_default().iter().fold(0, |length, &octet| length << 8 | u64::from(octet))
    };
    if announced.checked_add(header as u64) != Some(length) {
        return false;
    }
    let inside = beginning.get(header..).unwrap_or_default();
    let skip = match inside.get(1) {
        Some(&octet) if octet < 0x80 => 2,
        Some(&octet) => 2 + usize::from(octet & 0x7F),
        None => return false,
    };
    inside.first() == Some(&0x30) && inside.get(skip) == Some(&0x06)
}

/// Reads a SignedData in one pass: its content through [`Read`] or [`BufRead`], then the rest with [`Self::finish`].
#[derive(Debug)]
pub struct SignedDataReader<R> {
    reader: StreamReader<R>,
    content_type: Oid,
    announced: Vec<DigestAlgorithm>,
    has_content: bool,
    content: Option<OctetsProgress>,
    digests: ContentDigests,
}

impl<R: BufRead> SignedDataReader<R> {
    /// Reads up to the content.
    ///
    /// # Errors
    /// [`Error::OtherContentType`] when it is no SignedData.
    pub fn open(source: R) -> Result<Self, Error> {
        let (found, reader) = content_info::open(source)?;
        if found != oids::ID_SIGNED_DATA {
            return Err(Error::OtherContentType { found });
        }
        Self::open_inside(reader)
    }

    fn open_inside(mut reader: StreamReader<R>) -> Result<Self, Error> {
        let outer = reader.expect(Tag::SEQUENCE, "SignedData")?;
        reader.enter(&outer, "SignedData")?;
        let version = reader.expect(Tag::INTEGER, "version")?;
        reader.skip(&version, "version")?;
        let set = reader.expect(Tag::SET, "digestAlgorithms")?;
        let raw = reader.element(&set, "digestAlgorithms")?;
        let announced = parse_digest_algorithms(&raw)?;
        // RFC 5652 §5.2: eContentType, and eContent [0] EXPLICIT OCTET STRING, which a detached signature leaves out.
        let encapsulated = reader.expect(Tag::SEQUENCE, "EncapsulatedContentInfo")?;
        reader.enter(&encapsulated, "EncapsulatedContentInfo")?;
        let content_type = reader.oid("eContentType")?;
        let explicit = reader.header("eContent")?;
        let mut content = None;
        if let Some(explicit) = explicit {
            if explicit.tag != Tag::context_constructed(0) {
                let because = asn1::Because::Unexpected {
                    found: Some(explicit.tag),
                    expected: Some(Tag::context_constructed(0)),
                };
                return Err(asn1::Error::Malformed { what: "eContent", offset: explicit.offset, because }.into());
            }
            reader.enter(&explicit, "eContent")?;
            let octets = reader.expect(Tag::OCTET_STRING, "eContent")?;
            content = Some(reader.begin_octets(&octets, "eContent")?);
        }
        let digests = ContentDigests::new(&announced);
        Ok(Self { reader, content_type, announced, has_content: content.is_some(), content, digests })
    }

    /// The same content once more, for whoever has verified the signature already: no digest is computed, so that no
    /// signature can be verified over this reading.
    #[must_use]
    pub fn undigested(mut self) -> Self {
        self.digests = ContentDigests::none();
        self
    }

    /// `eContentType`: `id-data` for mail (RFC 5652 §4).
    pub fn content_type(&self) -> Oid {
        self.content_type
    }

    /// The digests that the message announces.
    pub fn announced_digests(&self) -> &[DigestAlgorithm] {
        &self.announced
    }

    /// Whether the content is inside. A detached signature has none.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// Reads what is left. `detached` are the digests of content that is elsewhere; content inside and content elsewhere
    /// at once is refused by the digests: they are taken over what the caller gives (CASES T-01).
    pub fn finish(mut self, detached: Option<ContentDigests>) -> Result<SignedData, Error> {
        loop {
            let left = self.fill_buf()?.len().min(STEP);
            if left == 0 {
                break;
            }
            self.consume(left);
        }
        let Self { mut reader, content_type, has_content, digests, .. } = self;
        if has_content {
            reader.leave("eContent")?;
        }
        reader.leave("EncapsulatedContentInfo")?;
        let mut signed = SignedData {
            content_type,
            has_content,
            certificates: Vec::new(),
            other_certificates: 0,
            crls: Vec::new(),
            ocsp_responses: Vec::new(),
            signers: Vec::new(),
            content: ContentFacts {
                is_missing: detached.is_none() && !has_content,
                ..detached.unwrap_or(digests).finish()
            },
        };
        let mut next = reader.header("SignedData")?;
        if let Some(header) = next.filter(|header| header.tag == Tag::context_constructed(0)) {
            let raw = reader.element(&header, "certificates")?;
            (signed.certificates, signed.other_certificates) = certificate_set::parse(&raw)?;
            next = reader.header("SignedData")?;
        }
        if let Some(header) = next.filter(|header| header.tag == Tag::context_constructed(1)) {
            signed.read_crls(&reader.element(&header, "crls")?)?;
            next = reader.header("SignedData")?;
        }
        let Some(header) = next.filter(|header| header.tag == Tag::SET) else {
            let because = asn1::Because::Unexpected { found: next.map(|header| header.tag), expected: Some(Tag::SET) };
            return Err(asn1::Error::Malformed { what: "signerInfos", offset: reader.offset(), because }.into());
        };
        signed.read_signers(&reader.element(&header, "signerInfos")?)?;
        reader.finish("SignedData")?;
        Ok(signed)
    }
}

impl<R: BufRead> BufRead for SignedDataReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.content {
            Some(progress) => Ok(self.reader.available_octets(progress, "eContent")?),
            None => Ok(&[]),
        }
    }

    // What is consumed is digested: that is what the caller saw.
    fn consume(&mut self, count: usize) {
        let Some(progress) = &mut self.content else { return };
        if let Ok(available) = self.reader.available_octets(progress, "eContent") {
            self.digests.update(available.get(..count).unwrap_or_default());
        }
        self.reader.consume_octets(progress, count);
    }
}

impl<R: BufRead> Read for SignedDataReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

/// What is digested at once: it fits the nearer cache.
const STEP: usize = 64 * 1024;

fn parse_digest_algorithms(raw: &[u8]) -> Result<Vec<DigestAlgorithm>, Error> {
    let mut outer = Reader::new(raw, Encoding::Ber);
    let mut set = outer.set("digestAlgorithms")?;
    let mut announced = Vec::new();
    while !set.is_empty() {
        if announced.len() >= limits::SIGNERS {
            return Err(Error::TooMany { what: "digest algorithms", limit: limits::SIGNERS });
        }
        if let Ok(digest) = DigestAlgorithm::from_identifier(&AlgorithmIdentifier::parse(&mut set)?) {
            announced.push(digest);
        }
    }
    Ok(announced)
}

/// ```text
/// SignedData ::= SEQUENCE {
///   version CMSVersion,
///   digestAlgorithms DigestAlgorithmIdentifiers,
///   encapContentInfo EncapsulatedContentInfo,
///   certificates [0] IMPLICIT CertificateSet OPTIONAL,
///   crls [1] IMPLICIT RevocationInfoChoices OPTIONAL,
///   signerInfos SignerInfos }
/// ```
/// RFC 5652 §5.1. The content has gone by; its digests are kept.
#[derive(Debug, Clone)]
pub struct SignedData {
    content_type: Oid,
    has_content: bool,
    certificates: Vec<Certificate>,
    other_certificates: usize,
    crls: Vec<Vec<u8>>,
    ocsp_responses: Vec<Vec<u8>>,
    signers: Vec<SignerInfo>,
    content: ContentFacts,
}

impl SignedData {
    /// `eContentType`.
    pub fn content_type(&self) -> Oid {
        self.content_type
    }

    /// Whether the content was inside.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// The certificates that came along. They prove nothing.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// How many certificates came along that cannot be read, attribute certificates among them.
    pub fn unreadable_certificates(&self) -> usize {
        self.other_certificates
    }

    /// The revocation lists that came along, in DER.
    pub fn crls(&self) -> &[Vec<u8>] {
        &self.crls
    }

    /// The OCSP responses that came along (RFC 5940 §2.1), in DER.
    pub fn ocsp_responses(&self) -> &[Vec<u8>] {
        &self.ocsp_responses
    }

    /// The signers. None at all means: not signed (CASES T-03).
    pub fn signers(&self) -> &[SignerInfo] {
        &self.signers
    }

    /// Replaces the digests, when a signer used one that was not announced and the content can be read again.
    #[must_use]
    pub fn with_digests(self, digests: ContentDigests) -> Self {
        let whole = self.content.whole;
        Self { content: ContentFacts { whole, ..digests.finish() }, ..self }
    }

    /// The digests that the signers used and that were not computed while the content went by.
    pub fn missing_digests(&self) -> Vec<DigestAlgorithm> {
        let used = self.signers.iter().filter_map(|signer| signer.digest_algorithm().ok());
        used.filter(|used| !used.is_weak() && !self.content.digests.iter().any(|digest| digest.algorithm() == *used))
            .collect()
    }

    /// Whether a signer signed the content and no digest of it, so that [`Self::with_whole_content`] is needed.
    pub fn needs_whole_content(&self) -> bool {
        self.signers.iter().any(SignerInfo::needs_content)
    }

    /// With the content itself, for signers that signed no digest (RFC 8419 §3.2, RFC 9882 §3.1).
    #[must_use]
    pub fn with_whole_content(mut self, content: Vec<u8>) -> Self {
        self.content.whole = Some(content);
        self
    }

    /// Checks each signature by itself, with the certificates that came along and `more`.
    pub fn verify(&self, more: &[Certificate]) -> Vec<SignerReport> {
        let candidates = self.candidates(more);
        let budget = Cell::new(limits::SIGNATURE_CHECKS);
        let verify = |signer: &SignerInfo| signer.verify(Some(self.content_type), &self.content, &candidates, &budget);
        self.signers.iter().map(verify).collect()
    }

    /// The certificates that came along, and `more`.
    pub fn candidates(&self, more: &[Certificate]) -> Vec<Certificate> {
        let mut candidates = self.certificates.clone();
        candidates.extend(more.iter().filter(|certificate| !self.certificates.contains(certificate)).cloned());
        candidates
    }

    // RevocationInfoChoices ::= SET OF CHOICE { crl CertificateList, other [1] } (RFC 5652 §10.2.1, RFC 8550 §2.1)
    fn read_crls(&mut self, raw: &[u8]) -> Result<(), Error> {
        let mut outer = Reader::new(raw, Encoding::Ber);
        let mut set = outer.element()?.reader("crls")?;
        while !set.is_empty() {
            if self.crls.len() + self.ocsp_responses.len() >= limits::REVOCATION_INFOS {
                return Err(Error::TooMany { what: "revocation lists", limit: limits::REVOCATION_INFOS });
            }
            let choice = set.element()?;
            if choice.tag() == Tag::SEQUENCE {
                self.crls.push(choice.raw().to_vec());
            } else if choice.tag() == Tag::context_constructed(1) {
                // OtherRevocationInfoFormat; of those, OCSP is the only one that says anything here.
                let mut other = choice.reader("OtherRevocationInfoFormat")?;
                if other.oid()? == oids::RI_OCSP_RESPONSE {
                    self.ocsp_responses.push(other.element()?.raw().to_vec());
                }
            }
        }
        Ok(())
    }

    fn read_signers(&mut self, raw: &[u8]) -> Result<(), Error> {
        let mut outer = Reader::new(raw, Encoding::Ber);
        let mut set = outer.set("signerInfos")?;
        while !set.is_empty() {
            if self.signers.len() >= limits::SIGNERS {
                return Err(Error::TooMany { what: "signers", limit: limits::SIGNERS });
            }
            self.signers.push(SignerInfo::parse(&mut set)?);
        }
        Ok(())
    }
}
