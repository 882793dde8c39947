//! What is asked of a peer.

use crypto::{ContentCipher, DigestAlgorithm, SignatureAlgorithm};

/// How a message is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `multipart/signed`.
    Clear,
    /// `application/pkcs7-mime`.
    Mail,
    /// A signature whose content is elsewhere, in DER.
    Detached,
    Der,
    /// Indefinite lengths, content in pieces.
    Ber,
    Pem,
    /// Base64 without a frame, in lines of odd lengths with odd ends.
    Base64,
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear mail",
            Self::Mail => "opaque mail",
            Self::Detached => "detached",
            Self::Der => "DER",
            Self::Ber => "BER",
            Self::Pem => "PEM",
            Self::Base64 => "base64",
        }
    }

    /// The word in commands for the peers that we wrote.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Mail => "mail",
            Self::Detached => "detached",
            Self::Der => "der",
            Self::Ber => "ber",
            Self::Pem => "pem",
            Self::Base64 => "base64",
        }
    }

    pub(crate) fn is_mail(self) -> bool {
        matches!(self, Self::Clear | Self::Mail)
    }
}

/// A signature to make or to check.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    /// Who, and how.
    pub(crate) signers: Vec<(&'static str, SignatureAlgorithm)>,
    pub(crate) form: Form,
    /// Names the signer by subject key identifier.
    pub(crate) by_key: bool,
    /// Without signed attributes.
    pub(crate) bare: bool,
}

impl Signing {
    pub(crate) fn by(name: &'static str, algorithm: SignatureAlgorithm, form: Form) -> Self {
        Self { signers: vec![(name, algorithm)], form, by_key: false, bare: false }
    }

    pub(crate) fn in_form(&self, form: Form) -> Self {
        Self { form, ..self.clone() }
    }

    /// The digest over the content, by the first signer.
    pub(crate) fn digest(&self) -> DigestAlgorithm {
        self.signers.first().and_then(|(_, algorithm)| algorithm.digest()).unwrap_or(DigestAlgorithm::Sha512)
    }
}

/// Somebody to encrypt to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Person(&'static str, Way),
    Password,
    /// A shared key of so many octets.
    SharedKey(usize),
}

/// How the content key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the writer likes.
    Default,
    RsaPkcs1,
    Oaep(DigestAlgorithm),
    X963(DigestAlgorithm),
    Hkdf(DigestAlgorithm),
}

/// A message to encrypt or to decrypt.
#[derive(Debug, Clone)]
pub(crate) struct Encrypting {
    pub(crate) to: Vec<To>,
    pub(crate) cipher: ContentCipher,
    pub(crate) form: Form,
    /// Names the recipient by subject key identifier.
    pub(crate) by_key: bool,
    /// With a content key derived for the cipher (RFC 9709).
    pub(crate) derived: bool,
}

impl Encrypting {
    pub(crate) fn to(to: To, cipher: ContentCipher, form: Form) -> Self {
        Self { to: vec![to], cipher, form, by_key: false, derived: false }
    }

    pub(crate) fn in_form(&self, form: Form) -> Self {
        Self { form, ..self.clone() }
    }
}

/// The one for everything: it is also the passphrase of the keys that gpgsm holds.
pub(crate) const PASSWORD: &str = "x";
/// The name that messages give a shared key.
pub(crate) const SHARED_KEY_NAME: &[u8] = b"shared";

/// A shared key of so many octets.
pub(crate) fn shared_key(length: usize) -> Vec<u8> {
    (1..=u8::MAX).take(length).collect()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
