//! Sealing at rest, and the keys for it.

use std::fmt;
use std::io::Write;
use std::path::Path;

use crypto::{ContentCipher, DigestAlgorithm, Opener, Sealer};
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, hex};

/// Seals `plain` with AES-256-GCM; `context` is what it belongs to, and without the same context it does not open.
pub(crate) fn seal(key: &[u8; 32], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce = crypto::random_array::<NONCE>()?;
    let mut out = Vec::with_capacity(NONCE + plain.len() + TAG);
    out.extend_from_slice(&nonce);
    let mut sealer = Sealer::new(CIPHER, key, &nonce, context)?;
    sealer.update(plain, &mut out)?;
    let tag = sealer.finish(&mut out)?.ok_or_else(|| Error::corrupt("the cipher has no tag"))?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Opens what [`seal`] made.
pub(crate) fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let damaged = || Error::corrupt("something sealed does not open");
    let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or_else(damaged)?;
    let (ciphertext, tag) = rest.len().checked_sub(TAG).and_then(|at| rest.split_at_checked(at)).ok_or_else(damaged)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(ciphertext.len()));
    let mut opener = Opener::new(CIPHER, key, nonce, context)?;
    opener.update(ciphertext, &mut plain)?;
    opener.finish(tag, &mut plain).map_err(|_| damaged())?;
    Ok(plain)
}

const CIPHER: ContentCipher = ContentCipher::Aes256Gcm;
const NONCE: usize = 12;
const TAG: usize = 16;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) [u8; 32]);

        impl $name {
            /// A fresh one.
            pub fn generate() -> Result<Self, Error> {
                Ok(Self(crypto::random_array()?))
            }

            /// From its 32 octets.
            pub fn from_bytes(octets: [u8; 32]) -> Self {
                Self(octets)
            }

            /// From base64.
            pub fn from_base64(text: &str) -> Result<Self, Error> {
                let malformed = |because: &str| Error::Malformed { what: "32 octets in base64", because: because.into() };
                let octets = base64_simd::STANDARD.decode_to_vec(text.trim()).map_err(|_| malformed("it is no base64"))?;
                let octets = Zeroizing::new(octets);
                Ok(Self(<[u8; 32]>::try_from(octets.as_slice()).map_err(|_| malformed("the length is another one"))?))
            }

            /// In base64, to be kept in a file.
            pub fn to_base64(&self) -> Zeroizing<String> {
                Zeroizing::new(base64_simd::STANDARD.encode_to_string(self.0))
            }

            /// From a file with base64.
            pub fn load(file: &Path) -> Result<Self, Error> {
                Self::from_base64(&Zeroizing::new(std::fs::read_to_string(file)?))
            }

            /// From a file with base64; without one, a fresh key is put there for the owner alone.
            pub fn load_or_create(file: &Path) -> Result<Self, Error> {
                match Self::load(file) {
                    Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                    result => return result,
                }
                let key = Self::generate()?;
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                match options.open(file) {
                    Ok(mut out) => {
                        out.write_all(key.to_base64().as_bytes())?;
                        out.write_all(b"\n")?;
                        out.sync_all()?;
                        Ok(key)
                    }
                    // Another process was faster; its key is the one.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::load(file),
                    Err(error) => Err(error.into()),
                }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

keys! {
    /// Opens the private keys. Only the gateway has it; a [`Directory`](crate::Directory) alone opens none.
    MasterKey
    /// Seals mail that waits in the outbox and in the webmailer. Both the gateway and the portal have it.
    StoreKey
}

impl MasterKey {
    /// A name for it that tells nothing about it.
    pub(crate) fn id(&self) -> Result<String, Error> {
        let id = crypto::hmac(DigestAlgorithm::Sha256, &self.0, b"sealpost master key id")?;
        Ok(hex(id.get(..16).unwrap_or(&id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_125_what_is_sealed_opens_only_in_its_place() {
        let (key, other) = ([7; 32], [8; 32]);
        let sealed = seal(&key, b"here", b"secret").unwrap();
        assert_eq!(open(&key, b"here", &sealed).unwrap().as_slice(), b"secret");
        assert!(open(&other, b"here", &sealed).is_err());
        assert!(open(&key, b"there", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, b"here", &changed).is_err(), "octet {at}");
            assert!(open(&key, b"here", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.key");
        let key = StoreKey::load_or_create(&file).unwrap();
        assert_eq!(StoreKey::load_or_create(&file).unwrap().0, key.0);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(StoreKey::from_base64("AAAA").is_err());
        assert_eq!(format!("{key:?}"), "StoreKey(..)");
    }
}
