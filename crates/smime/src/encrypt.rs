use std::io::Write as _;

use cms::{EncryptedDataWriter, Recipient, oids};
use crypto::{ContentCipher, KeyTransportAlgorithm};
use pki::Certificate;

use crate::sign::{pkcs7_mime_fields, write_base64};
use crate::split::{join, split};
use crate::{Capabilities, Error, Limits, Profile};

/// Encrypts mails. It always has a recipient: "to nobody" cannot be written.
#[derive(Debug, Clone)]
#[must_use]
pub struct Encryptor {
    first: (Certificate, Option<Capabilities>),
    others: Vec<(Certificate, Option<Capabilities>)>,
    profile: Profile,
    cipher: Option<ContentCipher>,
    transport: Option<KeyTransportAlgorithm>,
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
        Recipient::new(certificate)?;
        Ok(Self {
            first: (certificate.clone(), capabilities),
            others: Vec::new(),
            profile: Profile::Modern,
            cipher: None,
            transport: None,
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
        Recipient::new(certificate)?;
        if self.first.0 != *certificate && !self.others.iter().any(|(other, _)| other == certificate) {
            self.others.push((certificate.clone(), capabilities));
        }
        Ok(self)
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

    /// The content cipher that will be used.
    pub fn chosen_cipher(&self) -> ContentCipher {
        let recipients =
            std::iter::once(&self.first).chain(&self.others).map(|(_, capabilities)| capabilities.as_ref());
        self.cipher.unwrap_or_else(|| self.profile.cipher(recipients))
    }

    /// Encrypts a mail. The fields that are not about the content stay where they are.
    ///
    /// # Errors
    /// When the mail cannot be read, or a recipient's key cannot be used.
    pub fn encrypt(&self, mail: &[u8]) -> Result<Vec<u8>, Error> {
        let limits = Limits { mime: self.limits, ..Limits::in_folder("") };
        let parts = split(mail, &limits)?;
        // RFC 8551 §3.1.1: text is canonicalised before it is encrypted; other content is left as it is.
        let entity = mime::seven_bit(&parts.entity, &self.limits)?;
        let der = self.encrypt_content(&entity)?;
        let kind = if self.chosen_cipher().is_authenticated() { "authEnveloped-data" } else { "enveloped-data" };
        join(&parts.outer, pkcs7_mime_fields(kind), |out| write_base64(out, &der))
    }

    /// Encrypts bytes as they are: a ContentInfo.
    ///
    /// # Errors
    /// When a recipient's key cannot be used.
    pub fn encrypt_content(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let transport = self.transport.clone().unwrap_or_else(|| self.profile.transport());
        let recipient = |(certificate, _): &(Certificate, Option<Capabilities>)| -> Result<Recipient, Error> {
            Ok(Recipient::new(certificate)?.transport(transport.clone()))
        };
        let others = self.others.iter().map(recipient).collect::<Result<Vec<_>, _>>()?;
        let mut writer = EncryptedDataWriter::new(
            &recipient(&self.first)?,
            &others,
            self.chosen_cipher(),
            oids::ID_DATA,
            Vec::new(),
        )?;
        writer.write_all(content)?;
        Ok(writer.finish()?)
    }
}
