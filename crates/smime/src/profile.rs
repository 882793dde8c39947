use crypto::{
    ContentCipher, DigestAlgorithm, KeyTransportAlgorithm, PssParameters, PublicKey, PublicKeyKind, SignatureAlgorithm,
};

use crate::Capabilities;

/// Which algorithms are chosen. Profiles are data: what they mean stands in one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Authenticated encryption, current algorithms.
    #[default]
    Modern,
    /// For older programs: AES-CBC where nothing else is known of the recipient, and RSA keys by PKCS #1 v1.5.
    Compatible,
    /// German market communication: RSASSA-PSS and RSAES-OAEP only (CASES S-71).
    Energy,
    /// The choices of BSI TR-02102 and TR-03116-4 (CASES S-70).
    Bsi,
    /// Post-quantum where the key allows it.
    Pq,
}

struct Choices {
    unknown: ContentCipher,
    known: &'static [ContentCipher],
    pss: bool,
}

impl Profile {
    fn choices(self) -> Choices {
        use ContentCipher::{Aes128Cbc, Aes128Gcm, Aes256Cbc, Aes256Gcm};
        match self {
            Self::Modern | Self::Pq => {
                Choices { unknown: Aes256Gcm, known: &[Aes256Gcm, Aes128Gcm, Aes256Cbc, Aes128Cbc], pss: false }
            }
            Self::Compatible => {
                Choices { unknown: Aes256Cbc, known: &[Aes256Gcm, Aes128Gcm, Aes256Cbc, Aes128Cbc], pss: false }
            }
            Self::Energy => {
                Choices { unknown: Aes256Cbc, known: &[Aes256Gcm, Aes256Cbc, Aes128Gcm, Aes128Cbc], pss: true }
            }
            Self::Bsi => Choices { unknown: Aes256Gcm, known: &[Aes256Gcm, Aes128Gcm], pss: true },
        }
    }

    /// The content cipher for recipients of whom these capabilities are known, `None` for those of whom none are.
    ///
    /// RFC 8551 §2.7.1: what all of them can do; AES-256-GCM where nothing is known (CASES S-04). Capabilities that offer
    /// nothing from this list are passed over, so the floor of AES-128 holds (CASES T-69).
    pub fn cipher<'a>(self, recipients: impl IntoIterator<Item = Option<&'a Capabilities>>) -> ContentCipher {
        let choices = self.choices();
        let known: Vec<Option<&Capabilities>> = recipients.into_iter().collect();
        let can = |capabilities: &Option<&Capabilities>, cipher: ContentCipher| match capabilities {
            Some(capabilities) if capabilities.names_any(choices.known) => capabilities.can(cipher),
            _ => cipher == choices.unknown,
        };
        choices
            .known
            .iter()
            .copied()
            .find(|&cipher| known.iter().all(|recipient| can(recipient, cipher)))
            .unwrap_or(choices.unknown)
    }

    /// How a content key travels to an RSA key (RFC 8551 §2.3, RFC 3560 §3): OAEP, but for recipients whose programs cannot read it (CASES S-03).
    pub fn transport(self) -> KeyTransportAlgorithm {
        match self {
            Self::Compatible => KeyTransportAlgorithm::RsaPkcs1,
            Self::Modern | Self::Energy | Self::Bsi | Self::Pq => KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha256),
        }
    }

    /// The signature algorithm for a key; `None` for keys that do not sign.
    pub fn signature(self, key: &PublicKey) -> Option<SignatureAlgorithm> {
        match key.kind() {
            PublicKeyKind::Rsa { .. } if self.choices().pss => {
                Some(SignatureAlgorithm::RsaPss(PssParameters::standard(DigestAlgorithm::Sha256)))
            }
            _ => key.default_signature_algorithm(),
        }
    }

    /// The name in configuration and at the prompt.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Compatible => "compatible",
            Self::Energy => "energy",
            Self::Bsi => "bsi",
            Self::Pq => "pq",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Modern, Self::Compatible, Self::Energy, Self::Bsi, Self::Pq]
            .into_iter()
            .find(|profile| profile.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_69_capabilities_do_not_lower_the_floor() {
        let weak = Capabilities::from_ciphers(&[ContentCipher::DesEde3Cbc]);
        assert_eq!(Profile::Modern.cipher([Some(&weak)]), ContentCipher::Aes256Gcm);
        let cbc = Capabilities::from_ciphers(&[ContentCipher::Aes128Cbc]);
        assert_eq!(Profile::Modern.cipher([Some(&cbc)]), ContentCipher::Aes128Cbc);
        assert_eq!(Profile::Modern.cipher([None]), ContentCipher::Aes256Gcm);
        assert_eq!(Profile::Compatible.cipher([None]), ContentCipher::Aes256Cbc);
        let both = Capabilities::from_ciphers(&[ContentCipher::Aes256Cbc, ContentCipher::Aes128Cbc]);
        assert_eq!(Profile::Modern.cipher([Some(&cbc), Some(&both)]), ContentCipher::Aes128Cbc);
    }
}
