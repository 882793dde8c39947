use std::sync::OnceLock;

use asn1::{Encoding, Oid, Reader, Writer};
use crypto::{ContentCipher, oids};

/// `SMIMECapabilities`: what a correspondent's program can do, by its own word (RFC 8551 §2.5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    der: Vec<u8>,
    oids: Vec<Oid>,
}

impl Capabilities {
    /// What we can do, as we say it in what we sign, best first (RFC 8551 §2.5.2, RFC 8103 §4).
    pub fn ours() -> Self {
        use ContentCipher::{Aes128Cbc, Aes128Gcm, Aes192Cbc, Aes256Cbc, Aes256Gcm, ChaCha20Poly1305};
        // The same in every message: a constant that is put together once.
        static OURS: OnceLock<Capabilities> = OnceLock::new();
        OURS.get_or_init(|| {
            Self::from_parts(
                &[Aes256Gcm, Aes128Gcm, ChaCha20Poly1305, Aes256Cbc, Aes192Cbc, Aes128Cbc],
                // RFC 9709 §4 and RFC 3274 §1.1: derived content keys and compressed content are read.
                &[oids::CEK_HKDF_SHA256, cms::oids::ID_ALG_ZLIB_COMPRESS],
            )
        })
        .clone()
    }

    /// From content ciphers.
    pub fn from_ciphers(ciphers: &[ContentCipher]) -> Self {
        Self::from_parts(ciphers, &[])
    }

    fn from_parts(ciphers: &[ContentCipher], others: &[Oid]) -> Self {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            for cipher in ciphers {
                w.sequence(|w| w.oid(&cipher.oid()));
            }
            // The key management that we ask for: OAEP.
            // Deviation (RFC 3560 §5): without the parameters, which would name one digest.
            w.sequence(|w| w.oid(&oids::RSAES_OAEP));
            others.iter().for_each(|oid| w.sequence(|w| w.oid(oid)));
        });
        let named = ciphers.iter().map(|cipher| cipher.oid()).chain([oids::RSAES_OAEP]);
        let oids = named.chain(others.iter().copied()).collect();
        Self { der: writer.into_vec(), oids }
    }

    /// Reads the attribute's value; `None` when it is malformed.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        const MOST: usize = 200;
        let mut outer = Reader::new(der, Encoding::Ber);
        let mut list = outer.sequence("SMIMECapabilities").ok()?;
        let mut oids = Vec::new();
        while !list.is_empty() && oids.len() < MOST {
            oids.push(list.sequence("SMIMECapability").ok()?.oid().ok()?);
        }
        Some(Self { der: der.to_vec(), oids })
    }

    /// The attribute's value.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether this cipher is named.
    pub fn can(&self, cipher: ContentCipher) -> bool {
        self.oids.contains(&cipher.oid())
    }

    /// Whether content keys that are derived for one cipher alone are read (RFC 9709 §4).
    pub fn can_derive_content_keys(&self) -> bool {
        self.oids.contains(&oids::CEK_HKDF_SHA256)
    }

    pub(crate) fn names_any(&self, ciphers: &[ContentCipher]) -> bool {
        ciphers.iter().any(|cipher| self.can(*cipher))
    }
}
