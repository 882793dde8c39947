//! A private key as a row has it: sealed with a key of its own, which the master key seals; or the name of a key that
//! stays in its token.

use std::sync::Arc;

use crypto::{PrivateKey, PublicKey, SoftwareKey, TokenKey, TokenReference};
use zeroize::Zeroizing;

use super::KeyRing;
use crate::audit::Change;
use crate::database::{Row, values};
use crate::sealing::{open, seal};
use crate::{Error, statements as sql};

/// A private key to be kept.
pub(crate) enum NewKey {
    /// In PKCS #8.
    Software(Zeroizing<Vec<u8>>),
    /// In its token.
    Token(TokenKey),
}

/// The columns of a row that hold a private key.
pub(crate) struct StoredKey {
    pub(crate) sealed: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) master: String,
    pub(crate) token_key: Option<String>,
}

impl NewKey {
    pub(crate) fn public_key(&self) -> Result<PublicKey, Error> {
        match self {
            Self::Software(pkcs8) => Ok(SoftwareKey::from_pkcs8(pkcs8)?.public_key().clone()),
            Self::Token(key) => Ok(key.public_key().clone()),
        }
    }

    pub(crate) fn load(&self) -> Result<Arc<dyn PrivateKey>, Error> {
        match self {
            Self::Software(pkcs8) => Ok(Arc::new(SoftwareKey::from_pkcs8(pkcs8)?)),
            Self::Token(key) => Ok(Arc::new(key.clone())),
        }
    }
}

impl StoredKey {
    /// Reads `sealed, wrapped, master, token_key`.
    pub(crate) fn read(row: &mut Row) -> Result<Self, Error> {
        Ok(Self { sealed: row.blob()?, wrapped: row.blob()?, master: row.text()?, token_key: row.optional_text()? })
    }
}

impl KeyRing {
    /// Seals a key for the row `id`; `context` is what else it belongs to.
    pub(crate) async fn store(&self, id: i64, context: &[u8], key: &NewKey) -> Result<StoredKey, Error> {
        match key {
            NewKey::Token(key) => {
                let token_key = Some(key.reference().to_string());
                Ok(StoredKey { sealed: Vec::new(), wrapped: Vec::new(), master: String::new(), token_key })
            }
            NewKey::Software(pkcs8) => {
                let data_key = Zeroizing::new(crypto::random_array::<32>()?);
                let sealed = seal(&data_key, context, pkcs8)?;
                let (master, newest) = self.newest_master().await?;
                let wrapped = newest.seal(wrap_context(id), Zeroizing::new(data_key.to_vec())).await?;
                Ok(StoredKey { sealed, wrapped, master, token_key: None })
            }
        }
    }

    /// Opens the key of a row. One in a token is not asked for until it is used.
    pub(crate) async fn load(
        &self,
        id: i64,
        context: &[u8],
        stored: &StoredKey,
        public_key: &PublicKey,
    ) -> Result<Arc<dyn PrivateKey>, Error> {
        if let Some(reference) = &stored.token_key {
            let reference = TokenReference::parse(reference).map_err(Error::corrupt)?;
            return Ok(Arc::new(self.token(&reference.token)?.key(&reference.id, public_key.clone())));
        }
        Ok(Arc::new(SoftwareKey::from_pkcs8(&self.open_pkcs8(id, context, stored).await?)?))
    }

    /// The key itself, to be sealed for another row.
    pub(crate) async fn take(
        &self,
        id: i64,
        context: &[u8],
        stored: &StoredKey,
        public_key: &PublicKey,
    ) -> Result<NewKey, Error> {
        match &stored.token_key {
            Some(reference) => {
                let reference = TokenReference::parse(reference).map_err(Error::corrupt)?;
                Ok(NewKey::Token(self.token(&reference.token)?.key(&reference.id, public_key.clone())))
            }
            None => Ok(NewKey::Software(self.open_pkcs8(id, context, stored).await?)),
        }
    }

    async fn open_pkcs8(&self, id: i64, context: &[u8], stored: &StoredKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        let data_key = self.master(&stored.master)?.open(wrap_context(id), stored.wrapped.clone()).await?;
        let data_key = Zeroizing::new(
            <[u8; 32]>::try_from(data_key.as_slice()).map_err(|_| Error::corrupt("a data key has another length"))?,
        );
        open(&data_key, context, &stored.sealed)
    }

    /// Whether what [`Self::store`] gave may be written: its master key has not been retired meanwhile.
    pub(crate) async fn still_current(&self, change: &mut Change<'_>, stored: &StoredKey) -> Result<(), Error> {
        if stored.token_key.is_some() {
            return Ok(());
        }
        let row = change.tx.fetch_one(sql::MASTER_KEY, values![stored.master.as_str()]).await?;
        match row.map(|mut row| row.optional_time()).transpose()? {
            Some(None) => Ok(()),
            _ => Err(Error::conflict("the master key was changed meanwhile; try again")),
        }
    }

    /// The master key that new rows are sealed with: the newest that the database knows.
    async fn newest_master(&self) -> Result<(String, &super::Master), Error> {
        let rows = self.directory().database().fetch(sql::MASTER_KEYS, values![]).await?;
        let mut newest = rows.into_iter().next().ok_or_else(|| Error::corrupt("no master key is known"))?;
        let id = newest.text()?;
        let master = self.master(&id)?;
        Ok((id, master))
    }
}

/// A data key opens in its own row only.
pub(super) fn wrap_context(id: i64) -> Vec<u8> {
    format!("sealpost data key {id:016x}").into_bytes()
}
