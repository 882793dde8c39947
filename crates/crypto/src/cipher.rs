mod block_tags;
mod ccm;
mod chacha20_poly1305;
mod gcm;
mod local_key;
mod parameters;
mod poly1305;
mod rc2_cbc;
mod streaming;

use std::fmt;

use aws_lc_rs::cipher as aws;

use crate::{Error, oids};

pub use block_tags::BlockTags;
pub use local_key::LocalKey;
pub use parameters::ContentParameters;
pub use streaming::{Opener, Sealer, UnverifiedOpener};

/// A content-encryption algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum ContentCipher {
    Aes128Cbc,
    Aes192Cbc,
    Aes256Cbc,
    Aes128Gcm,
    Aes192Gcm,
    Aes256Gcm,
    /// Content up to 16 MiB.
    Aes128Ccm,
    /// Content up to 16 MiB.
    Aes192Ccm,
    /// Content up to 16 MiB.
    Aes256Ccm,
    ChaCha20Poly1305,
    /// Read only.
    DesEde3Cbc,
    /// Read only, with 40 effective bits.
    Rc2Cbc40,
    /// Read only, with 64 effective bits.
    Rc2Cbc64,
    /// Read only, with 128 effective bits.
    Rc2Cbc128,
}

impl ContentCipher {
    /// Those that their object identifier alone tells, with an IV or the parameters of RFC 5084; strongest first.
    ///
    /// The others have parameters of their own: see [`ContentParameters`].
    pub const ALL: [Self; 11] = [
        Self::Aes256Gcm,
        Self::ChaCha20Poly1305,
        Self::Aes256Ccm,
        Self::Aes192Gcm,
        Self::Aes192Ccm,
        Self::Aes128Gcm,
        Self::Aes128Ccm,
        Self::Aes256Cbc,
        Self::Aes192Cbc,
        Self::Aes128Cbc,
        Self::DesEde3Cbc,
    ];

    /// From its object identifier, one of [`Self::ALL`].
    pub fn from_oid(oid: asn1::Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.oid() == oid)
    }

    /// From the name at the prompt: `aes256-gcm`.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
        Self::ALL.into_iter().find(|cipher| plain(cipher.name()) == plain(name))
    }

    /// Its object identifier.
    pub fn oid(self) -> asn1::Oid {
        match self {
            Self::Aes128Cbc => oids::AES128_CBC,
            Self::Aes192Cbc => oids::AES192_CBC,
            Self::Aes256Cbc => oids::AES256_CBC,
            Self::Aes128Gcm => oids::AES128_GCM,
            Self::Aes192Gcm => oids::AES192_GCM,
            Self::Aes256Gcm => oids::AES256_GCM,
            Self::Aes128Ccm => oids::AES128_CCM,
            Self::Aes192Ccm => oids::AES192_CCM,
            Self::Aes256Ccm => oids::AES256_CCM,
            Self::ChaCha20Poly1305 => oids::CHACHA20_POLY1305,
            Self::DesEde3Cbc => oids::DES_EDE3_CBC,
            Self::Rc2Cbc40 | Self::Rc2Cbc64 | Self::Rc2Cbc128 => oids::RC2_CBC,
        }
    }

    /// `AES-256-GCM` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes192Gcm => "AES-192-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Aes128Ccm => "AES-128-CCM",
            Self::Aes192Ccm => "AES-192-CCM",
            Self::Aes256Ccm => "AES-256-CCM",
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Self::DesEde3Cbc => "3DES-CBC",
            Self::Rc2Cbc40 => "RC2-CBC-40",
            Self::Rc2Cbc64 => "RC2-CBC-64",
            Self::Rc2Cbc128 => "RC2-CBC-128",
        }
    }

    /// Octets of the key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Rc2Cbc40 => 5,
            Self::Rc2Cbc64 => 8,
            Self::Aes128Cbc | Self::Aes128Gcm | Self::Aes128Ccm | Self::Rc2Cbc128 => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::Aes192Ccm | Self::DesEde3Cbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm | Self::Aes256Ccm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of the nonce or initialization vector, as it is written.
    pub fn nonce_length(self) -> usize {
        match self {
            _ if self.is_authenticated() => 12,
            _ if self.is_legacy() => 8,
            _ => 16,
        }
    }

    /// Whether a tag protects the content (AuthEnvelopedData) or nothing does (EnvelopedData).
    pub fn is_authenticated(self) -> bool {
        self.is_ccm() || matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305)
    }

    /// Read, never written.
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::DesEde3Cbc | Self::Rc2Cbc40 | Self::Rc2Cbc64 | Self::Rc2Cbc128)
    }

    fn is_ccm(self) -> bool {
        matches!(self, Self::Aes128Ccm | Self::Aes192Ccm | Self::Aes256Ccm)
    }

    // RFC 5084 §3.1: nonces of 7 to 13 octets with CCM.
    fn allows_nonce(self, length: usize) -> bool {
        length == self.nonce_length() || self.is_ccm() && (7..=13).contains(&length)
    }

    // CASES T-22: 12 to 16 octets. RFC 5084 §3.1: an even number with CCM. RFC 8103 §3: always 16 with ChaCha20.
    fn allows_tag(self, length: usize) -> bool {
        match self {
            Self::ChaCha20Poly1305 => length == 16,
            _ => (12..=16).contains(&length) && (!self.is_ccm() || length.is_multiple_of(2)),
        }
    }

    #[allow(deprecated, reason = "3DES is read, never written")]
    fn aws(self) -> &'static aws::Algorithm {
        match self.key_length() {
            _ if self == Self::DesEde3Cbc => &aws::DES_EDE3_FOR_LEGACY_USE_ONLY,
            16 => &aws::AES_128,
            24 => &aws::AES_192,
            _ => &aws::AES_256,
        }
    }

    fn check(self, key: &[u8], nonce: &[u8]) -> Result<(), Error> {
        // CASES T-22: a nonce of another length is refused before any work.
        if key.len() == self.key_length() && self.allows_nonce(nonce.len()) { Ok(()) } else { Err(Error::BadValue) }
    }

    fn unbound(self, key: &[u8]) -> Result<aws::UnboundCipherKey, Error> {
        Ok(aws::UnboundCipherKey::new(self.aws(), key)?)
    }
}

impl fmt::Display for ContentCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Appends to `output` what `write` puts into so much room and counts.
fn append(
    output: &mut Vec<u8>,
    room: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
) -> Result<(), Error> {
    let start = output.len();
    output.resize(start + room, 0);
    let written = write(output.get_mut(start..).unwrap_or_default());
    output.truncate(start + *written.as_ref().unwrap_or(&0));
    written.map(|_| ())
}

#[cfg(test)]
impl ContentCipher {
    const EVERY: [Self; 14] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
        Self::Aes128Ccm,
        Self::Aes192Ccm,
        Self::Aes256Ccm,
        Self::ChaCha20Poly1305,
        Self::DesEde3Cbc,
        Self::Rc2Cbc40,
        Self::Rc2Cbc64,
        Self::Rc2Cbc128,
    ];
}
