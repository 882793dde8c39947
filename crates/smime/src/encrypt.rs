use std::io::Write;

use cms::{EncryptedDataWriter, EncryptionSettings, oids};
use crypto::{ContentCipher, KeyTransportAlgorithm};
use mime::Base64Writer;
use pki::Certificate;

use crate::recipient::{KnownRecipient, common_cipher};
use crate::sign::pkcs7_mime_fields;
use crate::source::Behind;
use crate::split::{Headers, Split};
use crate::{Capabilities, Error, HeaderConfidentiality, Pins, Profile, Source};

/// Encrypts mails. It always has a recipient: "to nobody" cannot be written.
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// # let carol = pki.person("carol@example.org", KeyKind::P256).credential;
/// use smime::{Encryptor, Profile};
///
/// let encrypted = Encryptor::to(bob.certificate())?.and(carol.certificate())?.profile(Profile::Modern).encrypt(mail)?;
/// assert!(!String::from_utf8_lossy(&encrypted).contains("Hello Bob"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail
/// // There is no other way to begin.
/// let encryptor = smime::Encryptor::new();
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Encryptor {
    first: KnownRecipient,
    others: Vec<KnownRecipient>,
    profile: Profile,
    cipher: Option<ContentCipher>,
    transport: Option<KeyTransportAlgorithm>,
    headers: Option<HeaderConfidentiality>,
    threads: usize,
    limits: mime::Limits,
}

impl Encryptor {
    /// To the holder of this certificate.
    ///
    /// # Errors
    /// When its key is only for signatures.
    pub fn to(certificate: &Certificate) -> Result<Self, Error> {
        Self::to_capable(certificate, None)
    }

    /// To the holder of this certificate, whose program can do this.
    ///
    /// # Errors
    /// When its key is only for signatures.
    pub fn to_capable(certificate: &Certificate, capabilities: Option<Capabilities>) -> Result<Self, Error> {
        Ok(Self {
            first: KnownRecipient::new(certificate, capabilities)?,
            others: Vec::new(),
            profile: Profile::Modern,
            cipher: None,
            transport: None,
            headers: None,
            threads: 1,
            limits: mime::Limits::default(),
        })
    }

    /// Also to another.
    ///
    /// # Errors
    /// When its key is only for signatures.
    pub fn and(self, certificate: &Certificate) -> Result<Self, Error> {
        self.and_capable(certificate, None)
    }

    /// Also to another, whose program can do this.
    ///
    /// # Errors
    /// When its key is only for signatures.
    pub fn and_capable(mut self, certificate: &Certificate, capabilities: Option<Capabilities>) -> Result<Self, Error> {
        let another = KnownRecipient::new(certificate, capabilities)?;
        if self.recipients().all(|known| known.certificate != *certificate) {
            self.others.push(another);
        }
        Ok(self)
    }

    /// Fixes algorithms for the recipient with this certificate, who was named before.
    pub fn pin(mut self, certificate: &Certificate, pins: Pins) -> Self {
        for known in std::iter::once(&mut self.first).chain(&mut self.others) {
            if known.certificate == *certificate {
                known.pins = pins.clone();
            }
        }
        self
    }

    fn recipients(&self) -> impl Iterator<Item = &KnownRecipient> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// With the algorithms that a profile chooses.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// With this content cipher.
    pub fn cipher(self, cipher: ContentCipher) -> Self {
        Self { cipher: Some(cipher), ..self }
    }

    /// With this transport for RSA keys, where a recipient asks for it.
    pub fn transport(self, transport: KeyTransportAlgorithm) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// With up to so many threads where there are many recipients with RSA keys.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Encrypts the header fields of an unsigned mail, too, and leaves outside only what `policy` leaves there (RFC 9788
    /// §3.2). A signed mail has its own under the signature: see [`crate::Signer::protect_headers_confidentially`].
    pub fn protect_headers(self, policy: HeaderConfidentiality) -> Self {
        Self { headers: Some(policy), ..self }
    }

    /// The content cipher that will be used: what was asked for, what a recipient is pinned to, or what suits all.
    ///
    /// # Errors
    /// When recipients are pinned to different ones: they need messages of their own.
    pub fn chosen_cipher(&self) -> Result<ContentCipher, Error> {
        self.cipher.map_or_else(|| common_cipher(self.profile, self.recipients()), Ok)
    }

    /// Encrypts a mail. The fields that are not about the content stay where they are.
    ///
    /// # Errors
    /// When the mail cannot be read, or a recipient's key cannot be used.
    pub fn encrypt(&self, mail: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(mail.len() + mail.len() / 2 + 4 * 1024);
        self.encrypt_to(&mut &*mail, &mut out)?;
        Ok(out)
    }

    /// The same for a mail of any size, in flat memory: it is read twice and written once. What stands in `out` after an
    /// error is no message. It is written in small pieces, too: a file is given as a buffered one.
    ///
    /// # Errors
    /// When reading or writing fails, or a recipient's key cannot be used.
    pub fn encrypt_to(&self, mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
        let headers = self.headers.map_or(Headers::Outside, Headers::Confidential);
        // RFC 8551 §3.3, §3.4, §3.1.1: text is canonicalised before it is encrypted; other content is left as it is.
        let split = Split::read(mail, headers, &self.limits)?;
        let kind = if self.chosen_cipher()?.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" };
        let mut fields = Vec::new();
        split.write_outer(pkcs7_mime_fields(kind), &mut fields)?;
        // Nothing is written before the keys of all recipients have done their work.
        let mut writer = self.content_writer(Base64Writer::new(Behind { fields, out }))?;
        split.write_entity(mail, &mut writer)?;
        writer.finish()?.finish()?;
        Ok(())
    }

    /// Encrypts bytes as they are: a ContentInfo.
    ///
    /// # Errors
    /// When a recipient's key cannot be used.
    pub fn encrypt_content(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut writer = self.content_writer(Vec::with_capacity(content.len() + 4 * 1024))?;
        writer.write_all(content)?;
        Ok(writer.finish()?)
    }

    fn content_writer<W: Write>(&self, out: W) -> Result<EncryptedDataWriter<W>, Error> {
        let transport = self.transport.clone().unwrap_or_else(|| self.profile.transport());
        let others = self.others.iter().map(|known| known.to_cms(transport.clone())).collect::<Result<Vec<_>, _>>()?;
        // CASES S-50: where all of them say that they can read it.
        let derived =
            self.recipients().all(|known| known.capabilities().is_some_and(Capabilities::can_derive_content_keys));
        let settings = EncryptionSettings { derived_key: derived, threads: self.threads };
        let first = self.first.to_cms(transport)?;
        Ok(EncryptedDataWriter::with_settings(&first, &others, self.chosen_cipher()?, settings, oids::ID_DATA, out)?)
    }
}
