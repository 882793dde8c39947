//! Another master key, while everybody goes on working.
//!
//! Every process is first given both keys. Then the new one is announced in the database, and from there on seals what
//! is new; what is old is sealed anew in small steps, each of which any process can read at any time. When nothing
//! needs the old key any more, it is retired, and from then on opens nothing.

use super::stored_key::wrap_context;
use super::{CHECK, KeyRing, Master, note_key};
use crate::database::values;
use crate::{Error, statements as sql};

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Private keys that were sealed anew.
    pub keys: u64,
}

impl KeyRing {
    /// Says that this process is at work, and with which master keys. To be said every minute.
    pub async fn report(&self, worker: &str) -> Result<(), Error> {
        let now = self.directory().now();
        let mut tx = self.directory().database().begin().await?;
        tx.execute(sql::FORGET_HOLDER, values![worker, now.plus_days(-1)]).await?;
        for (id, _) in &self.0.masters {
            tx.execute(sql::HOLD_MASTER_KEY, values![worker, id.as_str(), now]).await?;
        }
        tx.commit().await
    }

    /// Says that this process ends: a rotation does not wait for it.
    pub async fn leave(&self, worker: &str) -> Result<(), Error> {
        let before = self.directory().now().plus_days(-1);
        self.directory().database().execute(sql::FORGET_HOLDER, values![worker, before]).await.map(drop)
    }

    /// Seals every key with `new`, which this ring was opened with as well. Broken off, it goes on when asked again.
    ///
    /// # Errors
    /// [`Error::Conflict`] while some process that was at work in the last ten minutes has not got the new key, or when
    /// it was retired before; [`Error::NotAllowed`] when this ring has not got it.
    pub async fn rotate(&self, new: &Master) -> Result<Rotation, Error> {
        let id = new.id()?;
        let new =
            self.master(&id).map_err(|_| Error::NotAllowed { what: "rotating to a key that this ring has not" })?;
        let check = new.seal(CHECK.to_vec(), CHECK.to_vec().into()).await?;
        let mut change = self.directory().change().await?;
        let known = change.tx.fetch_one(sql::MASTER_KEY, values![id.as_str()]).await?;
        match known.map(|mut row| row.optional_time()).transpose()? {
            Some(Some(_)) => return Err(Error::conflict("this master key was retired before")),
            Some(None) => drop(change),
            None => {
                let since = change.now.plus_seconds(-HOLDER_SECONDS);
                if let Some(mut row) = change.tx.fetch_one(sql::HOLDER_WITHOUT, values![id.as_str(), since]).await? {
                    let worker = row.text()?;
                    return Err(Error::conflict(format_args!("the process {worker} has not got the new master key")));
                }
                let row = values![id.as_str(), check, change.now, change.sequence()];
                change.tx.execute(sql::ADD_MASTER_KEY, row).await?;
                change.note(note_key("master-key.announced", &id)).await?;
                change.commit().await?;
            }
        }
        let mut keys = 0;
        let mut change = loop {
            for (select, update) in sql::SEALED_ROWS {
                while let rewrapped @ 1.. = self.rewrap_some(new, &id, select, update).await? {
                    keys += rewrapped;
                }
            }
            // From here on nothing can be added; what was sealed with the old key just now is found once more.
            let mut change = self.directory().change().await?;
            let mut left = false;
            for (select, _) in sql::SEALED_ROWS {
                left |= change.tx.fetch_one(select, values![id.as_str(), 1_i64]).await?.is_some();
            }
            if !left {
                break change;
            }
        };
        change.tx.execute(sql::RETIRE_OTHER_MASTER_KEYS, values![id.as_str(), change.now]).await?;
        change.note(note_key("master-key.rotated", &id)).await?;
        change.commit().await?;
        Ok(Rotation { keys })
    }

    async fn rewrap_some(
        &self,
        new: &Master,
        id: &str,
        select: &'static str,
        update: &'static str,
    ) -> Result<u64, Error> {
        let rows = self.directory().database().fetch(select, values![id, STEP]).await?;
        let mut rewrapped = Vec::new();
        for mut row in rows {
            let (key, wrapped, master) = (row.int()?, row.blob()?, row.text()?);
            let data_key = self.master(&master)?.open(wrap_context(key), wrapped).await?;
            rewrapped.push((key, new.seal(wrap_context(key), data_key).await?, master));
        }
        let mut tx = self.directory().database().begin().await?;
        for (key, wrapped, master) in &rewrapped {
            tx.execute(update, values![*key, wrapped.clone(), id, master.as_str()]).await?;
        }
        tx.commit().await?;
        Ok(u64::try_from(rewrapped.len()).unwrap_or(u64::MAX))
    }
}

/// Keys per transaction: nobody waits long for it.
const STEP: i64 = 50;
/// For how long a process counts that has said it is at work.
const HOLDER_SECONDS: i64 = 600;
