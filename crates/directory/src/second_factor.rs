//! The second factor of a log-in: a secret for one-time codes, sealed, and recovery codes, known by their hash.
//!
//! Computing codes is the portal's work. A time step counts once (RFC 6238 §5.2), and so does a recovery code.

use std::fmt;

use asn1::Time;
use zeroize::Zeroizing;

use crate::account_news::AccountNews;
use crate::audit::{Change, digest_of};
use crate::database::values;
use crate::people::about;
use crate::sealing::{open, seal};
use crate::{Actor, Directory, Error, PersonId, statements as sql};

/// Somebody's second factor.
pub struct SecondFactor {
    /// The secret that codes are computed from.
    pub secret: Zeroizing<Vec<u8>>,
    /// Since when.
    pub since: Time,
    /// The latest time step that a code was accepted for.
    pub last_step: i64,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
}

/// What becomes of the last thing beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It can go.
    Goes,
    /// It stays: this person has to have one.
    Stays,
}

impl Last {
    /// Looks within the change that has just removed one: of two at once, the second sees what the first did.
    pub(crate) async fn check(self, change: &mut Change<'_>, of: PersonId) -> Result<(), Error> {
        if self == Self::Stays && change.tx.fetch_one(sql::HAS_SECOND_FACTOR, values![of.0]).await?.is_none() {
            return Err(Error::NotAllowed { what: "removing the last second factor" });
        }
        Ok(())
    }
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecondFactor(since {})", self.since)
    }
}

impl Directory {
    /// Somebody's secret for codes, if they have one.
    pub async fn second_factor(&self, id: PersonId) -> Result<Option<SecondFactor>, Error> {
        let Some(mut row) = self.database().fetch_one(sql::SECOND_FACTOR, values![id.0]).await? else {
            return Ok(None);
        };
        let secret = open(&self.settings().store_key.0, &context(id), &row.blob()?)?;
        let (since, last_step, left) = (row.time()?, row.int()?, row.int()?);
        Ok(Some(SecondFactor { secret, since, last_step, recovery_codes: u64::try_from(left).unwrap_or(0) }))
    }

    /// Gives somebody a second factor in the place of the one before, and tells them by mail. `step` is that of the
    /// code that proved it.
    pub async fn set_second_factor(
        &self,
        id: PersonId,
        secret: &[u8],
        step: i64,
        recovery_codes: &[String],
        by: &Actor,
    ) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        let sealed = seal(&self.settings().store_key.0, &context(id), secret)?;
        let mut change = self.change().await?;
        change.tx.execute(sql::REMOVE_RECOVERY_CODES, values![id.0]).await?;
        change.tx.execute(sql::REMOVE_SECOND_FACTOR, values![id.0]).await?;
        change.tx.execute(sql::ADD_SECOND_FACTOR, values![id.0, sealed, change.now, step]).await?;
        for code in recovery_codes {
            change.tx.execute(sql::ADD_RECOVERY_CODE, values![id.0, code_hash(id, code)]).await?;
        }
        change.note(about("account.second-factor", id, &person.address, by, "")).await?;
        self.tell_owner(&mut change, &person, AccountNews::Codes).await?;
        change.commit().await
    }

    /// Takes the second factor away, when there is one, and tells its owner by mail.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when it is the last thing beside the password, and `last` says that this one stays.
    pub async fn remove_second_factor(&self, id: PersonId, last: Last, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        let mut change = self.change().await?;
        if change.tx.execute(sql::REMOVE_SECOND_FACTOR, values![id.0]).await? == 0 {
            return Ok(());
        }
        last.check(&mut change, id).await?;
        // They stand in for passkeys as well.
        change.tx.execute(sql::REMOVE_LONELY_RECOVERY_CODES, values![id.0]).await?;
        change.note(about("account.second-factor-removed", id, &person.address, by, "")).await?;
        self.tell_owner(&mut change, &person, AccountNews::CodesRemoved).await?;
        change.commit().await
    }

    /// Uses a time step up; `false` when it, or a later one, was used before (CASES T-105). Of two at once, one succeeds.
    pub async fn use_second_factor_step(&self, id: PersonId, step: i64) -> Result<bool, Error> {
        Ok(self.database().execute(sql::USE_SECOND_FACTOR, values![id.0, step]).await? > 0)
    }

    /// Uses a recovery code up; `false` when there is no such code, or no longer.
    pub async fn use_recovery_code(&self, id: PersonId, code: &str) -> Result<bool, Error> {
        let values = values![id.0, code_hash(id, code), self.now()];
        Ok(self.database().execute(sql::USE_RECOVERY_CODE, values).await? > 0)
    }
}

fn context(id: PersonId) -> Vec<u8> {
    format!("sealpost second factor {id}").into_bytes()
}

pub(crate) fn code_hash(id: PersonId, code: &str) -> String {
    digest_of(&["recovery code", &id.to_string(), code])
}

pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE second_factors (
        person BIGINT PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE, sealed BYTEA NOT NULL, since BIGINT NOT NULL,
        last_step BIGINT NOT NULL)",
    "CREATE TABLE recovery_codes (
        person BIGINT NOT NULL REFERENCES people (id) ON DELETE CASCADE, hash TEXT NOT NULL, used BIGINT,
        PRIMARY KEY (person, hash))",
];
