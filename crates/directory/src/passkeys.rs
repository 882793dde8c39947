//! Passkeys, and the challenges that they answer. Verifying what they say is `webauthn`'s work, asking is the portal's.
//!
//! A challenge is nothing that is kept: its random part and its end carry a tag by the store key over what it is for
//! and to whom it was given, so that asking costs no row. What is kept, until its end, is that one has been used.

use asn1::Time;
use crypto::DigestAlgorithm;

use crate::account_news::AccountNews;
use crate::audit::{Change, digest_of};
use crate::database::{Row, values};
use crate::people::about;
use crate::{Actor, Address, Directory, Error, Last, PasskeyId, PersonId, statements as sql};

/// Somebody's passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// What it is called in the portal.
    pub id: PasskeyId,
    /// Whose it is.
    pub person: PersonId,
    /// What its owner calls it.
    pub name: String,
    /// What it is asked for by.
    pub credential: Vec<u8>,
    /// Its public key, a SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// How often it had signed.
    pub sign_count: u32,
    /// Since when.
    pub created: Time,
    /// When it was used last.
    pub used: Option<Time>,
}

/// A passkey to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewPasskey<'a> {
    /// What its owner calls it.
    pub name: &'a str,
    /// What it is asked for by.
    pub credential: &'a [u8],
    /// Its public key, a SubjectPublicKeyInfo.
    pub key: &'a [u8],
    /// How often it has signed.
    pub sign_count: u32,
}

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeFor {
    /// Logging in with a passkey alone.
    LogIn,
    /// A new passkey.
    Registration,
    /// The second factor, after the password.
    SecondFactor,
}

impl ChallengeFor {
    fn name(self) -> &'static str {
        match self {
            Self::LogIn => "log-in",
            Self::Registration => "registration",
            Self::SecondFactor => "second-factor",
        }
    }
}

impl Directory {
    /// A challenge in base64url that [`Self::use_challenge`] takes once: for this, from this one, for some minutes.
    /// `given_to` is a secret of the visitor, such as the session.
    pub fn challenge(&self, what: ChallengeFor, given_to: &str) -> Result<String, Error> {
        let ends = self.now().plus_seconds(CHALLENGE_SECONDS);
        let mut octets = crypto::random_array::<16>()?.to_vec();
        octets.extend(ends.to_unix().to_be_bytes());
        let tag = self.challenge_tag(what, given_to, &octets)?;
        octets.extend(tag);
        Ok(base64_simd::URL_SAFE_NO_PAD.encode_to_string(octets))
    }

    /// Uses a challenge up; `false` when it is none of ours, was given to somebody else or for something else, is over,
    /// or was used before (CASES T-105). Of two at once, one succeeds.
    pub async fn use_challenge(&self, challenge: &str, what: ChallengeFor, given_to: &str) -> Result<bool, Error> {
        let Ok(octets) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(challenge) else { return Ok(false) };
        let Some((said, tag)) = octets.split_at_checked(24) else { return Ok(false) };
        if !crypto::constant_time_eq(tag, &self.challenge_tag(what, given_to, said)?) {
            return Ok(false);
        }
        let ends = said.get(16..).and_then(|ends| ends.try_into().ok()).map(i64::from_be_bytes);
        let Some(ends) = ends.map(Time::from_unix).filter(|ends| *ends > self.now()) else { return Ok(false) };
        // By its octets: the text of one could be written in more than one way.
        let hash = digest_of(&["challenge", &crate::hex(said)]);
        Ok(self.database().execute(sql::USE_CHALLENGE, values![hash, ends]).await? > 0)
    }

    fn challenge_tag(&self, what: ChallengeFor, given_to: &str, said: &[u8]) -> Result<Vec<u8>, Error> {
        let said = digest_of(&["passkey challenge", what.name(), given_to, &crate::hex(said)]);
        Ok(crypto::hmac(DigestAlgorithm::Sha256, &self.settings().store_key.0, said.as_bytes())?)
    }

    /// Whose a passkey is, as authenticators are told: it tells nobody anything.
    pub fn user_handle(id: PersonId) -> Vec<u8> {
        digest_of(&["passkey user", &id.to_string()]).into_bytes().into_iter().take(32).collect()
    }

    /// Somebody's passkeys, the oldest first.
    pub async fn passkeys(&self, id: PersonId) -> Result<Vec<Passkey>, Error> {
        self.database().fetch(sql::PASSKEYS_OF, values![id.0]).await?.into_iter().map(read).collect()
    }

    /// The passkey that is asked for by this.
    pub async fn passkey(&self, credential: &[u8]) -> Result<Option<Passkey>, Error> {
        self.database().fetch_one(sql::PASSKEY, values![crate::hex(credential)]).await?.map(read).transpose()
    }

    /// Whether somebody has anything beside the password: a secret for codes, or a passkey.
    pub async fn has_second_factor(&self, id: PersonId) -> Result<bool, Error> {
        Ok(self.database().fetch_one(sql::HAS_SECOND_FACTOR, values![id.0]).await?.is_some())
    }

    /// How many recovery codes are left.
    pub async fn recovery_codes(&self, id: PersonId) -> Result<u64, Error> {
        let row = self.database().fetch_one(sql::COUNT_RECOVERY_CODES, values![id.0]).await?;
        let mut row = row.ok_or_else(|| Error::corrupt("a count is missing"))?;
        Ok(u64::try_from(row.int()?).unwrap_or(0))
    }

    /// Gives somebody a passkey and tells them by mail. Without recovery codes they get these: whether they were taken is said, since of
    /// two that come at once only one shows codes that are good for anything.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when anybody has it, [`Error::NotAllowed`] for more than [`Directory::MOST_PASSKEYS`].
    pub async fn add_passkey(
        &self,
        id: PersonId,
        new: &NewPasskey<'_>,
        recovery_codes: &[String],
        by: &Actor,
    ) -> Result<(PasskeyId, bool), Error> {
        let (person, passkey) = (self.known_person(id).await?, PasskeyId::random()?);
        let mut change = self.change().await?;
        if change.tx.fetch(sql::PASSKEYS_OF, values![id.0]).await?.len() >= Self::MOST_PASSKEYS {
            return Err(Error::NotAllowed { what: "another passkey" });
        }
        let (credential, key, count) = (crate::hex(new.credential), new.key.to_vec(), i64::from(new.sign_count));
        let values = values![passkey.0, id.0, new.name, credential, key, count, change.now];
        change.tx.execute(sql::ADD_PASSKEY, values).await?;
        let left = change.tx.fetch_one(sql::COUNT_RECOVERY_CODES, values![id.0]).await?;
        let none_left = left.ok_or_else(|| Error::corrupt("a count is missing"))?.int()? == 0;
        for code in recovery_codes.iter().filter(|_| none_left) {
            let hash = crate::second_factor::code_hash(id, code);
            change.tx.execute(sql::ADD_RECOVERY_CODE, values![id.0, hash]).await?;
        }
        change.note(about("account.passkey", id, &person.address, by, new.name)).await?;
        self.tell_owner(&mut change, &person, AccountNews::Passkey).await?;
        change.commit().await?;
        Ok((passkey, none_left && !recovery_codes.is_empty()))
    }

    /// Keeps that a passkey was used and how often it has signed by now; `false` when it had signed as often before
    /// (Web Authentication Level 2 §7.2, step 21). Of two at once with one count, one succeeds.
    pub async fn use_passkey(&self, id: PasskeyId, sign_count: u32) -> Result<bool, Error> {
        let values = values![id.0, i64::from(sign_count), self.now()];
        Ok(self.database().execute(sql::USE_PASSKEY, values).await? > 0)
    }

    /// Puts on record that a passkey did not count on: there may be a copy of it.
    pub async fn note_copied_passkey(&self, passkey: &Passkey) -> Result<(), Error> {
        let person = self.known_person(passkey.person).await?;
        let mut change = self.change().await?;
        let (action, why) = ("account.passkey-copied", passkey.name.as_str());
        change.note(about(action, person.id, &person.address, &Actor::System, why)).await?;
        change.commit().await
    }

    /// Takes a passkey of somebody away and tells them by mail; the recovery codes go with the last thing that they
    /// stood in for.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when it is the last thing beside the password, and `last` says that this one stays.
    pub async fn remove_passkey(&self, owner: PersonId, id: PasskeyId, last: Last, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(owner).await?;
        let mut change = self.change().await?;
        let Some(mut row) = change.tx.fetch_one(sql::REMOVE_PASSKEY, values![id.0, owner.0]).await? else {
            return Err(Error::NotFound { what: "passkey" });
        };
        let name = row.text()?;
        last.check(&mut change, owner).await?;
        change.tx.execute(sql::REMOVE_LONELY_RECOVERY_CODES, values![owner.0]).await?;
        change.note(about("account.passkey-removed", owner, &person.address, by, &name)).await?;
        self.tell_owner(&mut change, &person, AccountNews::PasskeyRemoved).await?;
        change.commit().await
    }

    /// As many as somebody may have.
    pub const MOST_PASSKEYS: usize = 10;
}

/// Takes passkeys, codes from the phone and recovery codes away, in the change that gives somebody a first password:
/// who has lost the phone as well begins anew, and whoever had added a passkey of their own is out.
pub(crate) async fn remove_second_factors(
    change: &mut Change<'_>,
    id: PersonId,
    address: &Address,
    by: &Actor,
) -> Result<(), Error> {
    let passkeys = change.tx.fetch(sql::REMOVE_PASSKEYS_OF, values![id.0]).await?;
    let codes = change.tx.execute(sql::REMOVE_SECOND_FACTOR, values![id.0]).await? > 0;
    change.tx.execute(sql::REMOVE_RECOVERY_CODES, values![id.0]).await?;
    for mut passkey in passkeys {
        let name = passkey.text()?;
        change.note(about("account.passkey-removed", id, address, by, &name)).await?;
    }
    if codes {
        change.note(about("account.second-factor-removed", id, address, by, "")).await?;
    }
    Ok(())
}

fn read(mut row: Row) -> Result<Passkey, Error> {
    let (id, person, name, credential) = (PasskeyId(row.int()?), PersonId(row.int()?), row.text()?, row.text()?);
    let octets = (0..credential.len()).step_by(2).map(|at| u8::from_str_radix(credential.get(at..at + 2)?, 16).ok());
    Ok(Passkey {
        id,
        person,
        name,
        credential: octets.collect::<Option<_>>().ok_or_else(|| Error::corrupt("a passkey has no identifier"))?,
        key: row.blob()?,
        sign_count: u32::try_from(row.int()?).map_err(|_| Error::corrupt("a passkey counts too far"))?,
        created: row.time()?,
        used: row.optional_time()?,
    })
}

const CHALLENGE_SECONDS: i64 = 300;

pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE passkeys (
        id BIGINT PRIMARY KEY, person BIGINT NOT NULL REFERENCES people (id) ON DELETE CASCADE, name TEXT NOT NULL,
        credential TEXT NOT NULL UNIQUE, spki BYTEA NOT NULL, sign_count BIGINT NOT NULL, created BIGINT NOT NULL,
        used BIGINT)",
    "CREATE INDEX passkeys_of_person ON passkeys (person)",
    "CREATE TABLE used_challenges (hash TEXT PRIMARY KEY, ends BIGINT NOT NULL)",
];
