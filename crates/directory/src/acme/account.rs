//! The account with a CA: its key is made here, sealed like all others, and signs what is said to that CA alone.

use std::sync::Arc;

use crypto::{KeyKind, PrivateKey, PublicKey};

use crate::audit::Note;
use crate::database::values;
use crate::key_ring::{StoredKey, key_hash};
use crate::{AcmeAccountId, Actor, Directory, Error, KeyPlace, KeyRing, statements as sql};

/// An account with a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeAccount {
    /// Which one.
    pub id: AcmeAccountId,
    /// Where the CA's directory is.
    pub server: String,
    /// The account's name with the CA; `None` until it is registered.
    pub url: Option<String>,
}

impl Directory {
    /// The account with the CA whose directory is at `server`.
    pub async fn acme_account(&self, server: &str) -> Result<Option<AcmeAccount>, Error> {
        let row = self.database().fetch_one(sql::ACME_ACCOUNT_AT, values![server]).await?;
        row.map(|mut row| {
            Ok(AcmeAccount { id: AcmeAccountId(row.int()?), server: row.text()?, url: row.optional_text()? })
        })
        .transpose()
    }

    /// The CA knows the account now.
    pub async fn acme_registered(&self, id: AcmeAccountId, url: &str, by: &Actor) -> Result<(), Error> {
        let mut change = self.change().await?;
        if change.tx.execute(sql::SET_ACME_ACCOUNT_URL, values![id.number(), url]).await? == 0 {
            return Err(Error::NotFound { what: "ACME account" });
        }
        let (action, subject) = ("acme.registered", format!("acme-account:{id}"));
        change.note(Note { actor: by, action, subject, address: None, fingerprint: None, why: url }).await?;
        change.commit().await
    }
}

impl KeyRing {
    /// The account with a CA and its key, which is made when there is none yet.
    pub async fn acme_account_key(&self, server: &str) -> Result<(AcmeAccount, Arc<dyn PrivateKey>), Error> {
        if self.directory().acme_account(server).await?.is_none() {
            self.add_account(server).await?;
        }
        let account = self.directory().acme_account(server).await?.ok_or(Error::NotFound { what: "ACME account" })?;
        let key = self.acme_key(account.id).await?.1;
        Ok((account, key))
    }

    /// An account by its number, with its key.
    pub async fn acme_key(&self, id: AcmeAccountId) -> Result<(AcmeAccount, Arc<dyn PrivateKey>), Error> {
        let row = self.directory().database().fetch_one(sql::ACME_ACCOUNT_KEY, values![id.number()]).await?;
        let mut row = row.ok_or(Error::NotFound { what: "ACME account" })?;
        let account = AcmeAccount { id, server: row.text()?, url: row.optional_text()? };
        let (hash, spki) = (row.text()?, row.blob()?);
        let public_key = PublicKey::from_spki(&spki).map_err(Error::corrupt)?;
        let stored = StoredKey::read(&mut row)?;
        let key = self.load(id.number(), &context(id, &hash), &stored, &public_key).await?;
        Ok((account, key))
    }

    async fn add_account(&self, server: &str) -> Result<(), Error> {
        let key = self.make_key(KeyKind::P256, &KeyPlace::Sealed, "acme").await?;
        let public_key = key.public_key()?;
        let (id, hash) = (AcmeAccountId::random()?, key_hash(&public_key));
        let stored = self.store(id.number(), &context(id, &hash), &key).await?;
        let mut change = self.directory().change().await?;
        self.still_current(&mut change, &stored).await?;
        let row = values![
            id.number(),
            server,
            hash,
            public_key.spki(),
            stored.sealed,
            stored.wrapped,
            stored.master,
            stored.token_key,
            change.now
        ];
        // Somebody else may have made one just now; then that is the one.
        if change.tx.execute(sql::ADD_ACME_ACCOUNT, row).await? == 0 {
            return Ok(());
        }
        let (action, subject) = ("acme.account", format!("acme-account:{id}"));
        change
            .note(Note { actor: &Actor::System, action, subject, address: None, fingerprint: None, why: server })
            .await?;
        change.commit().await
    }
}

// The key opens in its own row only.
fn context(id: AcmeAccountId, key_hash: &str) -> Vec<u8> {
    format!("sealpost acme account {id} {key_hash}").into_bytes()
}
