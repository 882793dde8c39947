use std::io::{self, Write};

use asn1::{Oid, StreamWriter, Tag, Time, Writer, write_header};
use crypto::{DigestAlgorithm, DigestValue, SignatureAlgorithm};
use pki::{Certificate, Credential, KeyUsage};

use crate::attributes::encode_set;
use crate::{Attribute, CertificateIdentifier, ContentDigests, DEFINITE_LIMIT, Error, oids};

/// One signer's credential and how it signs.
#[derive(Debug, Clone)]
pub struct SignerSettings {
    credential: Credential,
    algorithm: SignatureAlgorithm,
    digest: DigestAlgorithm,
    signing_time: Option<Time>,
    attributes: Vec<Attribute>,
    by_key: bool,
}

impl SignerSettings {
    /// With the algorithm that suits the key.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn new(credential: &Credential) -> Result<Self, Error> {
        let key = credential.key();
        // RFC 8550 §4.4.2: whoever verifies refuses what such a certificate signs.
        let signatures = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);
        if credential.certificate().key_usage().is_some_and(|usage| !usage.intersects(signatures)) {
            return Err(Error::NotASigner { because: "its key usage allows no signatures" });
        }
        let algorithm = key.default_signature_algorithm().ok_or(crypto::Error::NotForThisKey { operation: "sign" })?;
        Ok(Self {
            credential: credential.clone(),
            algorithm,
            digest: digest_for(&algorithm),
            signing_time: None,
            attributes: Vec::new(),
            by_key: false,
        })
    }

    /// With another algorithm.
    #[must_use]
    pub fn algorithm(self, algorithm: SignatureAlgorithm) -> Self {
        Self { algorithm, digest: digest_for(&algorithm), ..self }
    }

    /// Claims to sign at `time`.
    #[must_use]
    pub fn signing_time(self, time: Time) -> Self {
        Self { signing_time: Some(time), ..self }
    }

    /// Adds a signed attribute.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Names the signer by subject key identifier.
    #[must_use]
    pub fn by_key_identifier(self) -> Self {
        Self { by_key: true, ..self }
    }

    /// The digest over the content.
    pub fn digest(&self) -> DigestAlgorithm {
        self.digest
    }

    /// The credential.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    // RFC 5652 §5.3, §5.5. CASES S-42: always with signed attributes.
    fn signer_info(&self, content_type: Oid, digests: &[DigestValue]) -> Result<Vec<u8>, Error> {
        let digest = digests.iter().find(|digest| digest.algorithm() == self.digest).ok_or(crypto::Error::BadValue)?;
        let certificate = self.credential.certificate();
        let (digest_identifier, signature_identifier) = (self.digest.identifier(), self.algorithm.identifier());
        let mut attributes = vec![
            Attribute::content_type(content_type),
            Attribute::message_digest(digest.octets()),
            Attribute::signing_certificate_v2(certificate),
            Attribute::algorithm_protection(&digest_identifier, &signature_identifier),
        ];
        attributes.extend(self.signing_time.map(Attribute::signing_time));
        attributes.extend(self.attributes.iter().cloned());
        let mut signed = encode_set(&attributes, Tag::SET);
        let signature = self.credential.key().sign(&self.algorithm, &signed)?;
        // The same octets under the IMPLICIT tag.
        if let Some(tag) = signed.first_mut() {
            *tag = 0xA0;
        }
        let identifier = Some(certificate).filter(|_| self.by_key).and_then(CertificateIdentifier::by_key);
        let identifier = identifier.unwrap_or_else(|| CertificateIdentifier::of(certificate));
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.unsigned(if identifier.is_by_key() { 3 } else { 1 });
            identifier.encode(w);
            digest_identifier.encode(w);
            w.raw(&signed);
            signature_identifier.encode(w);
            w.octet_string(&signature);
        });
        Ok(writer.into_vec())
    }
}

// RFC 8419 §2.3, §3.1: SHA-512 with Ed25519. RFC 9882 §3.3: SHA-512 suits every ML-DSA parameter set.
fn digest_for(algorithm: &SignatureAlgorithm) -> DigestAlgorithm {
    algorithm.digest().unwrap_or(DigestAlgorithm::Sha512)
}

/// The parts of a SignedData around its content.
struct Frame {
    signers: Vec<SignerSettings>,
    content_type: Oid,
    certificates: Vec<Certificate>,
}

impl Frame {
    fn new(signers: Vec<SignerSettings>, content_type: Oid) -> Self {
        let mut certificates: Vec<Certificate> = Vec::new();
        for certificate in signers
            .iter()
            .flat_map(|signer| std::iter::once(signer.credential.certificate()).chain(signer.credential.chain()))
        {
            if !certificates.contains(certificate) {
                certificates.push(certificate.clone());
            }
        }
        Self { signers, content_type, certificates }
    }

    fn digest_algorithms(&self) -> Vec<DigestAlgorithm> {
        let mut algorithms: Vec<_> = self.signers.iter().map(SignerSettings::digest).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        algorithms
    }

    // RFC 5652 §5.1: 3 with a signer by key identifier or content other than id-data, otherwise 1.
    fn version(&self) -> u64 {
        if self.content_type != oids::ID_DATA || self.signers.iter().any(|signer| signer.by_key) { 3 } else { 1 }
    }

    fn beginning(&self, writer: &mut Writer) {
        writer.unsigned(self.version());
        let algorithms = self.digest_algorithms().into_iter().map(|algorithm| {
            let mut w = Writer::new();
            algorithm.identifier().encode(&mut w);
            w.into_vec()
        });
        writer.set_of(algorithms.collect());
    }

    fn end(&self, digests: &[DigestValue], writer: &mut Writer) -> Result<(), Error> {
        let infos = self
            .signers
            .iter()
            .map(|signer| signer.signer_info(self.content_type, digests))
            .collect::<Result<Vec<_>, _>>()?;
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(|certificate| certificate.der().to_vec()).collect();
            writer.set_of_tagged(Tag::context_constructed(0), certificates);
        }
        writer.set_of(infos);
        Ok(())
    }

    /// What stands before and behind `content`, which is so many octets long and has these digests, in DER.
    fn around(&self, content: Option<usize>, digests: &[DigestValue]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let mut end = Writer::with_capacity(4096);
        self.end(digests, &mut end)?;
        let mut beginning = Writer::with_capacity(64);
        self.beginning(&mut beginning);
        let mut content_type = Writer::with_capacity(32);
        content_type.oid(&self.content_type);
        let mut outer_type = Writer::with_capacity(32);
        outer_type.oid(&oids::ID_SIGNED_DATA);
        // The headers from the inside to the outside, so that each length is known and the content is not moved.
        let mut headers: Vec<Vec<u8>> = Vec::with_capacity(6);
        let (mut inner, mut header) = (0, |tag: Tag, length: usize| {
            let mut octets = Vec::with_capacity(8);
            write_header(&mut octets, tag, length as u64);
            let whole = octets.len() + length;
            headers.push(octets);
            whole
        });
        if let Some(content) = content {
            inner = header(Tag::OCTET_STRING, content);
            inner = header(Tag::context_constructed(0), inner);
        }
        inner = header(Tag::SEQUENCE, content_type.as_slice().len() + inner);
        inner = header(Tag::SEQUENCE, beginning.as_slice().len() + inner + end.as_slice().len());
        inner = header(Tag::context_constructed(0), inner);
        header(Tag::SEQUENCE, outer_type.as_slice().len() + inner);
        let mut before = Vec::with_capacity(192);
        let mut headers = headers.into_iter().rev();
        before.extend(headers.next().into_iter().flatten());
        before.extend_from_slice(outer_type.as_slice());
        before.extend(headers.by_ref().take(2).flatten());
        before.extend_from_slice(beginning.as_slice());
        before.extend(headers.next().into_iter().flatten());
        before.extend_from_slice(content_type.as_slice());
        before.extend(headers.flatten());
        Ok((before, end.into_vec()))
    }
}

/// Signs content that travels beside the signature.
pub struct DetachedSigner {
    frame: Frame,
    digests: ContentDigests,
}

impl DetachedSigner {
    /// For `first` and `others` over content of `id-data`.
    pub fn new(first: SignerSettings, others: Vec<SignerSettings>) -> Self {
        let frame = Frame::new(std::iter::once(first).chain(others).collect(), oids::ID_DATA);
        let digests = ContentDigests::new(&frame.digest_algorithms());
        Self { frame, digests }
    }

    /// More content.
    pub fn update(&mut self, content: &[u8]) {
        self.digests.update(content);
    }

    /// The signature: a ContentInfo in DER.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let (mut before, end) = self.frame.around(None, &self.digests.into_values())?;
        before.extend_from_slice(&end);
        Ok(before)
    }
}

impl Write for DetachedSigner {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.update(content);
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for DetachedSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DetachedSigner(…)")
    }
}

/// Writes a SignedData with its content inside, in one pass. Nothing is complete before [`Self::finish`].
pub struct SignedDataWriter<W> {
    frame: Frame,
    digests: ContentDigests,
    out: Output<W>,
}

enum Output<W> {
    Held(W, Vec<u8>),
    Streaming(StreamWriter<W>),
    /// While one turns into the other.
    Broken,
}

impl<W: Write> SignedDataWriter<W> {
    /// Signs content of `content_type` by `first` and `others`, and writes to `out`.
    pub fn new(first: SignerSettings, others: Vec<SignerSettings>, content_type: Oid, out: W) -> Self {
        let frame = Frame::new(std::iter::once(first).chain(others).collect(), content_type);
        let digests = ContentDigests::new(&frame.digest_algorithms());
        Self { frame, digests, out: Output::Held(out, Vec::new()) }
    }

    fn begin_streaming(&mut self, out: W, held: &[u8]) -> io::Result<()> {
        let mut stream = StreamWriter::new(out);
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        writer.oid(&oids::ID_SIGNED_DATA);
        stream.raw(writer.as_slice())?;
        stream.open(Tag::context_constructed(0))?;
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        self.frame.beginning(&mut writer);
        stream.raw(writer.as_slice())?;
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        writer.oid(&self.frame.content_type);
        stream.raw(writer.as_slice())?;
        stream.open(Tag::context_constructed(0))?;
        stream.open_octets(Tag::OCTET_STRING)?;
        stream.octets(held)?;
        self.out = Output::Streaming(stream);
        Ok(())
    }

    /// Signs, writes the end, and gives back the sink.
    pub fn finish(self) -> Result<W, Error> {
        let digests = self.digests.into_values();
        match self.out {
            Output::Held(mut out, content) => {
                let (before, end) = self.frame.around(Some(content.len()), &digests)?;
                out.write_all(&before)?;
                out.write_all(&content)?;
                out.write_all(&end)?;
                Ok(out)
            }
            Output::Streaming(mut stream) => {
                for _ in 0..3 {
                    stream.close()?;
                }
                let mut end = Writer::new();
                self.frame.end(&digests, &mut end)?;
                stream.raw(end.as_slice())?;
                Ok(stream.finish()?)
            }
            Output::Broken => Err(io::Error::other("an earlier write failed").into()),
        }
    }
}

impl<W: Write> Write for SignedDataWriter<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.digests.update(content);
        match &mut self.out {
            Output::Held(_, held) if held.len() + content.len() <= DEFINITE_LIMIT => held.extend_from_slice(content),
            Output::Held(..) => {
                if let Output::Held(out, held) = std::mem::replace(&mut self.out, Output::Broken) {
                    self.begin_streaming(out, &held)?;
                }
                if let Output::Streaming(stream) = &mut self.out {
                    stream.octets(content)?;
                }
            }
            Output::Streaming(stream) => stream.octets(content)?,
            Output::Broken => return Err(io::Error::other("an earlier write failed")),
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> std::fmt::Debug for SignedDataWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedDataWriter(…)")
    }
}

/// A SignedData without content and signers, which carries certificates (RFC 8551 §3.8).
pub fn certificates_only(certificates: &[Certificate]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.oid(&oids::ID_SIGNED_DATA);
        w.context(0, |w| {
            w.sequence(|w| {
                w.unsigned(1);
                w.set_of(Vec::new());
                w.sequence(|w| w.oid(&oids::ID_DATA));
                let certificates = certificates.iter().map(|certificate| certificate.der().to_vec()).collect();
                w.set_of_tagged(Tag::context_constructed(0), certificates);
                w.set_of(Vec::new());
            });
        });
    });
    writer.into_vec()
}
