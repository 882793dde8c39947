use std::io::{self, Write};

use asn1::{Oid, StreamWriter, Tag, Writer};
use crypto::{
    AlgorithmIdentifier, ContentCipher, ContentParameters, KeyTransportAlgorithm, PublicKeyKind, Sealer, Wiped,
};
use pki::{Certificate, KeyUsage};
use zeroize::Zeroizing;

use crate::{DEFINITE_LIMIT, Error, SharedKey, kem, key_agree, key_trans, oids, shared_secret};

/// Somebody to encrypt to, and how.
#[derive(Debug, Clone)]
pub struct Recipient(Way);

#[derive(Debug, Clone)]
enum Way {
    Certificate { certificate: Certificate, transport: KeyTransportAlgorithm },
    Password(Zeroizing<String>),
    SharedKey(SharedKey),
}

impl Recipient {
    /// With RSAES-OAEP and SHA-256 for RSA keys; other keys have one way only.
    ///
    /// # Errors
    /// [`Error::NotARecipient`] when the key is only for signatures.
    pub fn new(certificate: &Certificate) -> Result<Self, Error> {
        let key = certificate.public_key().map_err(Clone::clone)?;
        match key.kind() {
            PublicKeyKind::Rsa { pss: None, .. }
            | PublicKeyKind::Ec(_)
            | PublicKeyKind::X25519
            | PublicKeyKind::MlKem(_) => {}
            _ => return Err(Error::NotARecipient { because: "its key is for signatures only" }),
        }
        // RFC 8550 §4.4.2, CASES S-24. Seen in the wild: either of them with either kind of key.
        let encryption = KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::KEY_AGREEMENT);
        if certificate.key_usage().is_some_and(|usage| !usage.intersects(encryption)) {
            return Err(Error::NotARecipient { because: "its key usage allows no encryption" });
        }
        Ok(Self(Way::Certificate {
            certificate: certificate.clone(),
            transport: KeyTransportAlgorithm::oaep(crypto::DigestAlgorithm::Sha256),
        }))
    }

    /// Whoever knows a password: PBKDF2, and the key wrap of RFC 3211 §2.3.1.
    pub fn password(password: &str) -> Self {
        Self(Way::Password(Zeroizing::new(password.into())))
    }

    /// Whoever has this key (RFC 5652 §6.2.3).
    pub fn shared_key(key: SharedKey) -> Self {
        Self(Way::SharedKey(key))
    }

    /// With another transport for RSA keys.
    #[must_use]
    pub fn transport(self, transport: KeyTransportAlgorithm) -> Self {
        match self.0 {
            Way::Certificate { certificate, .. } => Self(Way::Certificate { certificate, transport }),
            other => Self(other),
        }
    }

    /// The certificate, if it is to one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.0 {
            Way::Certificate { certificate, .. } => Some(certificate),
            _ => None,
        }
    }
}

/// How it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionSettings {
    /// With a content key that serves for the cipher alone (RFC 9709 §2).
    pub derived_key: bool,
    /// Threads for the content key's encryption to many RSA keys.
    pub threads: usize,
}

impl Default for EncryptionSettings {
    fn default() -> Self {
        Self { derived_key: false, threads: 1 }
    }
}

/// Encrypts content in one pass: AuthEnvelopedData (RFC 5083 §2.1) with an authenticated cipher, EnvelopedData
/// (RFC 5652 §6.1) otherwise. Nothing is complete before [`Self::finish`].
pub struct EncryptedDataWriter<W> {
    frame: Frame,
    sealing: Sealing,
    /// What does not fill a step yet.
    begun: Wiped,
    /// Ciphertext that is ready.
    ready: Vec<u8>,
    out: Output<W>,
}

/// What is encrypted and hashed at once: it stays in the nearest cache.
const STEP: usize = 16 * 1024;

enum Sealing {
    /// Nothing is sealed yet: what stays short is sealed in one piece.
    Waiting {
        key: Zeroizing<Vec<u8>>,
        nonce: Vec<u8>,
    },
    Begun(Sealer),
}

enum Output<W> {
    Held(W),
    Streaming(StreamWriter<W>),
    Broken,
}

struct Frame {
    cipher: ContentCipher,
    algorithm: AlgorithmIdentifier,
    content_type: Oid,
    recipient_infos: Vec<Vec<u8>>,
    version: u64,
}

impl<W: Write> EncryptedDataWriter<W> {
    /// Encrypts to `first` and `others` with `cipher`, and writes to `out`.
    pub fn new(
        first: &Recipient,
        others: &[Recipient],
        cipher: ContentCipher,
        content_type: Oid,
        out: W,
    ) -> Result<Self, Error> {
        Self::with_settings(first, others, cipher, EncryptionSettings::default(), content_type, out)
    }

    /// The same with a content key that serves for this cipher alone (RFC 9709 §5.1, §5.3), for recipients who say that
    /// they can read that.
    pub fn with_derived_key(
        first: &Recipient,
        others: &[Recipient],
        cipher: ContentCipher,
        content_type: Oid,
        out: W,
    ) -> Result<Self, Error> {
        let settings = EncryptionSettings { derived_key: true, ..EncryptionSettings::default() };
        Self::with_settings(first, others, cipher, settings, content_type, out)
    }

    /// The same with all settings.
    pub fn with_settings(
        first: &Recipient,
        others: &[Recipient],
        cipher: ContentCipher,
        settings: EncryptionSettings,
        content_type: Oid,
        out: W,
    ) -> Result<Self, Error> {
        // Both at once: to ask the generator takes longer than what it gives.
        let mut key = Zeroizing::new(vec![0; cipher.key_length() + cipher.nonce_length()]);
        crypto::random(&mut key)?;
        let nonce = key.split_off(cipher.key_length());
        let recipients: Vec<&Recipient> = std::iter::once(first).chain(others).collect();
        let (recipient_infos, version) = recipient_infos(&recipients, &key, settings.threads)?;
        let version = if cipher.is_authenticated() { 0 } else { version };
        let mut algorithm = ContentParameters::new(cipher, &nonce).identifier();
        if settings.derived_key {
            let mut inner = Writer::new();
            algorithm.encode(&mut inner);
            key = crypto::cek_hkdf_sha256(&key, inner.as_slice())?;
            algorithm = AlgorithmIdentifier::with(crypto::oids::CEK_HKDF_SHA256, |w| w.raw(inner.as_slice()));
        }
        let frame = Frame { cipher, algorithm, content_type, recipient_infos, version };
        let sealing = Sealing::Waiting { key, nonce };
        Ok(Self { frame, sealing, begun: Wiped::default(), ready: Vec::new(), out: Output::Held(out) })
    }

    fn begin_streaming(&mut self, out: W) -> io::Result<()> {
        let mut stream = StreamWriter::new(out);
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        writer.oid(&self.frame.outer_type());
        stream.raw(writer.as_slice())?;
        stream.open(Tag::context_constructed(0))?;
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        self.frame.beginning(&mut writer);
        stream.raw(writer.as_slice())?;
        stream.open(Tag::SEQUENCE)?;
        let mut writer = Writer::new();
        self.frame.content_info(&mut writer);
        stream.raw(writer.as_slice())?;
        stream.open_octets(Tag::context_constructed(0))?;
        self.out = Output::Streaming(stream);
        Ok(())
    }

    fn seal(&mut self, step: &[u8]) -> io::Result<()> {
        if let Sealing::Waiting { key, nonce } = &self.sealing {
            let sealer = Sealer::new(self.frame.cipher, key, nonce, b"").map_err(io::Error::other)?;
            self.sealing = Sealing::Begun(sealer);
        }
        if let Sealing::Begun(sealer) = &mut self.sealing {
            sealer.update(step, &mut self.ready).map_err(io::Error::other)?;
        }
        if let Output::Held(_) = self.out
            && self.ready.len() > DEFINITE_LIMIT
            && let Output::Held(out) = std::mem::replace(&mut self.out, Output::Broken)
        {
            self.begin_streaming(out)?;
        }
        match &mut self.out {
            Output::Streaming(stream) => {
                stream.octets(&self.ready)?;
                self.ready.clear();
            }
            Output::Held(_) => {}
            Output::Broken => return Err(io::Error::other("an earlier write failed")),
        }
        Ok(())
    }

    /// Writes the end and gives back the sink.
    pub fn finish(mut self) -> Result<W, Error> {
        let begun = std::mem::take(&mut self.begun);
        if let Sealing::Begun(_) = self.sealing {
            self.seal(&begun)?;
        }
        let Self { mut frame, sealing, mut ready, out, .. } = self;
        let tag = match sealing {
            Sealing::Begun(sealer) => sealer.finish(&mut ready)?,
            Sealing::Waiting { key, nonce } => Sealer::seal_whole(frame.cipher, &key, &nonce, b"", &begun, &mut ready)?,
        };
        let mut mac = Writer::new();
        if let Some(tag) = &tag {
            mac.octet_string(tag);
        }
        match out {
            Output::Held(mut out) => {
                let infos: usize = frame.recipient_infos.iter().map(Vec::len).sum();
                let mut writer = Writer::with_capacity(ready.len() + infos + 512);
                writer.sequence(|w| {
                    w.oid(&frame.outer_type());
                    w.context(0, |w| {
                        w.sequence(|w| {
                            frame.beginning(w);
                            w.sequence(|w| {
                                frame.content_info(w);
                                w.primitive(Tag::context(0), &ready);
                            });
                            w.raw(mac.as_slice());
                        });
                    });
                });
                out.write_all(writer.as_slice())?;
                Ok(out)
            }
            Output::Streaming(mut stream) => {
                stream.octets(&ready)?;
                stream.close()?;
                stream.close()?;
                stream.raw(mac.as_slice())?;
                Ok(stream.finish()?)
            }
            Output::Broken => Err(io::Error::other("an earlier write failed").into()),
        }
    }
}

impl<W: Write> Write for EncryptedDataWriter<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let mut rest = content;
        while !rest.is_empty() {
            // What comes in small pieces is gathered: each step has its price.
            let (now, later) = rest.split_at(rest.len().min(STEP - self.begun.len()));
            rest = later;
            if now.len() == STEP {
                self.seal(now)?;
                continue;
            }
            if self.begun.capacity() < STEP {
                self.begun = Wiped::with_capacity(STEP);
            }
            self.begun.extend_from_slice(now);
            if self.begun.len() == STEP {
                let mut begun = std::mem::take(&mut self.begun);
                self.seal(&begun)?;
                begun.clear();
                self.begun = begun;
            }
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> std::fmt::Debug for EncryptedDataWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptedDataWriter(…)")
    }
}

impl Frame {
    fn outer_type(&self) -> Oid {
        if self.cipher.is_authenticated() { oids::ID_CT_AUTH_ENVELOPED_DATA } else { oids::ID_ENVELOPED_DATA }
    }

    // It is written once.
    fn beginning(&mut self, writer: &mut Writer) {
        writer.unsigned(self.version);
        writer.set_of(std::mem::take(&mut self.recipient_infos));
    }

    fn content_info(&self, writer: &mut Writer) {
        writer.oid(&self.content_type);
        self.algorithm.encode(writer);
    }
}

// RFC 5652 §6.4, RFC 5083 §2.3, RFC 5084 §2, RFC 8103 §2: the content key, a fresh one for each message, goes to each
// recipient in the way of its key, whether a tag protects the content or nothing does. RFC 5652 §6.1 sets the version:
// 0 with nothing but key transport by issuer and serial number, 3 with other recipient infos, otherwise 2.
fn recipient_infos(
    recipients: &[&Recipient],
    content_key: &[u8],
    threads: usize,
) -> Result<(Vec<Vec<u8>>, u64), Error> {
    let (mut infos, mut version) = (Vec::with_capacity(recipients.len()), 0);
    let mut transported = Vec::new();
    let mut agreeing: Vec<(PublicKeyKind, Vec<(&Certificate, &crypto::PublicKey)>)> = Vec::new();
    for recipient in recipients {
        let (certificate, transport) = match &recipient.0 {
            Way::Certificate { certificate, transport } => (certificate, transport),
            Way::Password(password) => {
                infos.push(shared_secret::encode_password(password, content_key)?);
                version = 3;
                continue;
            }
            Way::SharedKey(key) => {
                infos.push(key.encode(content_key)?);
                version = version.max(2);
                continue;
            }
        };
        let key = certificate.public_key().map_err(Clone::clone)?;
        match key.kind() {
            PublicKeyKind::Rsa { .. } => transported.push((certificate, key, transport)),
            PublicKeyKind::MlKem(_) => {
                infos.push(kem::encode(certificate, key, content_key)?);
                version = 3;
            }
            kind => {
                version = version.max(2);
                match agreeing.iter_mut().find(|(curve, _)| *curve == kind) {
                    Some((_, group)) => group.push((certificate, key)),
                    None => agreeing.push((kind, vec![(certificate, key)])),
                }
            }
        }
    }
    infos.append(&mut key_trans::encode_all(&transported, content_key, threads)?);
    for (_, group) in &agreeing {
        infos.push(key_agree::encode(group, content_key)?);
    }
    Ok((infos, version))
}
