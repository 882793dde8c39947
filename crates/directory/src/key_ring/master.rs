use crypto::{DigestAlgorithm, TokenSecret};
use zeroize::Zeroizing;

use super::key_request::in_background;
use crate::sealing::{open, seal};
use crate::{Error, MasterKey, hex};

/// What opens private keys: a key in this process's memory, or one that never leaves its token.
#[derive(Debug, Clone)]
pub enum Master {
    /// From a file or a credential of the service manager.
    Key(MasterKey),
    /// In a PKCS #11 token.
    Token(TokenSecret),
}

impl From<MasterKey> for Master {
    fn from(key: MasterKey) -> Self {
        Self::Key(key)
    }
}

impl From<TokenSecret> for Master {
    fn from(secret: TokenSecret) -> Self {
        Self::Token(secret)
    }
}

impl Master {
    /// A name for it that tells nothing about it.
    pub fn id(&self) -> Result<String, Error> {
        match self {
            Self::Key(key) => key.id(),
            Self::Token(secret) => {
                let name = format!("sealpost master key in token\0{}\0{}", secret.token().label(), secret.name());
                let id = DigestAlgorithm::Sha256.digest(name.as_bytes());
                Ok(hex(id.octets().get(..16).unwrap_or_default()))
            }
        }
    }

    pub(super) async fn seal(&self, context: Vec<u8>, plain: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Key(key) => seal(&key.0, &context, &plain),
            Self::Token(secret) => {
                let secret = secret.clone();
                // A token may be across a network, and slow.
                Ok(in_background(move || secret.seal(&context, &plain)).await??)
            }
        }
    }

    pub(super) async fn open(&self, context: Vec<u8>, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Key(key) => open(&key.0, &context, &sealed),
            Self::Token(secret) => {
                let secret = secret.clone();
                match in_background(move || secret.open(&context, &sealed)).await? {
                    Err(crypto::Error::BadValue) => Err(Error::corrupt("something sealed does not open")),
                    result => Ok(result?),
                }
            }
        }
    }
}
