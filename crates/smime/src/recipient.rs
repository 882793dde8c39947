use cms::oids;
use crypto::{ContentCipher, KeyTransportAlgorithm, PublicKeyKind};
use pki::Certificate;

use crate::{Capabilities, Error, Profile};

/// What is fixed for one recipient, whatever the profile and their capabilities say: the exception for a partner whose
/// program cannot do what it should, or the floor for one who must not get less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// The content cipher. A message has one, so recipients with different ones cannot be in the same.
    pub cipher: Option<ContentCipher>,
    /// How the content key travels to an RSA key.
    pub transport: Option<KeyTransportAlgorithm>,
}

/// Somebody to encrypt to, and what is known of them.
#[derive(Debug, Clone)]
pub(crate) struct KnownRecipient {
    pub(crate) certificate: Certificate,
    capabilities: Option<Capabilities>,
    pub(crate) pins: Pins,
}

impl KnownRecipient {
    /// Their program's own word counts first, then what their certificate says (RFC 4262 §2), then what a program with
    /// such a key can do: whoever has an X25519 or ML-KEM key reads authenticated encryption.
    pub(crate) fn new(certificate: &Certificate, capabilities: Option<Capabilities>) -> Result<Self, Error> {
        cms::Recipient::new(certificate)?;
        let by_certificate = || {
            let extension = certificate.extensions().get(oids::SMIME_CAPABILITIES)?;
            Capabilities::from_der(&extension.value)
        };
        let by_key = || match certificate.public_key().ok()?.kind() {
            PublicKeyKind::X25519 | PublicKeyKind::MlKem(_) => {
                Some(Capabilities::from_ciphers(&[ContentCipher::Aes256Gcm, ContentCipher::Aes128Gcm]))
            }
            _ => None,
        };
        let capabilities = capabilities.or_else(by_certificate).or_else(by_key);
        Ok(Self { certificate: certificate.clone(), capabilities, pins: Pins::default() })
    }

    pub(crate) fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    pub(crate) fn to_cms(&self, transport: KeyTransportAlgorithm) -> Result<cms::Recipient, Error> {
        Ok(cms::Recipient::new(&self.certificate)?.transport(self.pins.transport.clone().unwrap_or(transport)))
    }
}

/// The one content cipher for all of them (RFC 8551 §2.7.3), never one that is only read (RFC 8551 §2.7.2): what is pinned, otherwise what the profile makes of their capabilities.
pub(crate) fn common_cipher<'a>(
    profile: Profile,
    recipients: impl Iterator<Item = &'a KnownRecipient> + Clone,
) -> Result<ContentCipher, Error> {
    let mut pinned = recipients.clone().filter_map(|recipient| recipient.pins.cipher);
    let Some(first) = pinned.next() else {
        return Ok(profile.cipher(recipients.map(KnownRecipient::capabilities)));
    };
    if pinned.any(|other| other != first) {
        let because = "it must have another cipher than the other recipients of this message";
        return Err(cms::Error::NotARecipient { because }.into());
    }
    Ok(first)
}
