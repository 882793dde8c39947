use std::io::{self, Write};

use asn1::{Oid, StreamWriter, Tag, Time, Writer};
use crypto::{DigestAlgorithm, DigestValue, SignatureAlgorithm};
use pki::{Certificate, Credential};

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
        let to_sign = encode_set(&attributes, Tag::SET);
        let signature = self.credential.key().sign(&self.algorithm, &to_sign)?;
        let identifier = Some(certificate).filter(|_| self.by_key).and_then(CertificateIdentifier::by_key);
        let identifier = identifier.unwrap_or_else(|| CertificateIdentifier::of(certificate));
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.unsigned(if identifier.is_by_key() { 3 } else { 1 });
            identifier.encode(w);
            digest_identifier.encode(w);
            w.raw(&encode_set(&attributes, Tag::context_constructed(0)));
            signature_identifier.encode(w);
            w.octet_string(&signature);
        });
        Ok(writer.into_vec())
    }
}

// RFC 8419 §3.1: SHA-512 with Ed25519. RFC 9882 §3.3: SHA-512 suits every ML-DSA parameter set.
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

    fn whole(&self, content: Option<&[u8]>, digests: &[DigestValue]) -> Result<Vec<u8>, Error> {
        let mut end = Writer::new();
        self.end(digests, &mut end)?;
        let mut writer = Writer::new();
        writer.sequence(|w| {
            w.oid(&oids::ID_SIGNED_DATA);
            w.context(0, |w| {
                w.sequence(|w| {
                    self.beginning(w);
                    w.sequence(|w| {
                        w.oid(&self.content_type);
                        if let Some(content) = content {
                            w.context(0, |w| w.octet_string(content));
                        }
                    });
                    w.raw(end.as_slice());
                });
            });
        });
        Ok(writer.into_vec())
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
        self.frame.whole(None, &self.digests.into_values())
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
                out.write_all(&self.frame.whole(Some(&content), &digests)?)?;
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
