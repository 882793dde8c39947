use std::fmt;

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectClass;
use cryptoki::types::Ulong;
use zeroize::Zeroizing;

use super::{Failure, Token};
use crate::{Error, random_array};

/// An AES-256 key that never leaves its token, to seal other keys with (AES-256-GCM).
#[derive(Clone)]
pub struct TokenSecret {
    token: Token,
    id: Vec<u8>,
}

impl TokenSecret {
    pub(super) fn new(token: Token, id: Vec<u8>) -> Self {
        Self { token, id }
    }

    /// Its token.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Its name there.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.id).into_owned()
    }

    /// Seals `plain`; without the same `context` it does not open. The form is nonce, ciphertext, tag.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = random_array::<NONCE>()?;
        let sealed = self.token.with_key(ObjectClass::SECRET_KEY, &self.id, |_, pooled, key| {
            let mut nonce = nonce;
            let parameters = GcmParams::new(&mut nonce, context, Ulong::new(128))?;
            Ok(pooled.session.encrypt(&Mechanism::AesGcm(parameters), key, plain)?)
        })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`Error::BadValue`] when it is another secret's, has another context or was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Error::BadValue)?;
        if sealed.len() < TAG {
            return Err(Error::BadValue);
        }
        self.token.with_key(ObjectClass::SECRET_KEY, &self.id, |_, pooled, key| {
            let mut nonce = *nonce;
            let parameters = GcmParams::new(&mut nonce, context, Ulong::new(128))?;
            match pooled.session.decrypt(&Mechanism::AesGcm(parameters), key, sealed).map_err(Failure::from) {
                Ok(plain) => Ok(Zeroizing::new(plain)),
                Err(Failure::Lost(because)) => {
                    // Some say for a wrong tag that something went wrong. Whoever then still seals, meant the tag.
                    let mut nonce = random_array::<NONCE>()?;
                    let parameters = GcmParams::new(&mut nonce, context, Ulong::new(128))?;
                    match pooled.session.encrypt(&Mechanism::AesGcm(parameters), key, b"still there?") {
                        Ok(_) => Err(Error::BadValue.into()),
                        Err(_) => Err(Failure::Lost(because)),
                    }
                }
                Err(failure) => Err(failure),
            }
        })
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSecret({} in {:?})", self.name(), self.token)
    }
}

const NONCE: usize = 12;
const TAG: usize = 16;
