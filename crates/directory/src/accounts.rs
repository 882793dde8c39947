//! Log-in: password hashes, sessions, one-time links, and how often somebody may try.
//!
//! Hashing passwords is the portal's work. Tokens have 256 random bits and are stored as their SHA-256 only
//! (CASES T-104), so a stolen database logs nobody in.

use std::fmt;
use std::net::IpAddr;

use asn1::Time;
use crypto::DigestAlgorithm;

use crate::audit::digest_of;
use crate::database::{Row, Tx, Value, values};
use crate::id::random_id;
use crate::people::about;
use crate::{Actor, Address, Directory, Error, Person, PersonId, hex, passkeys, statements as sql};

/// How somebody logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub person: PersonId,
    /// The hash of their password, in PHC form.
    pub password_hash: String,
    /// Whether the password is a first one, passed on by somebody else.
    pub must_change: bool,
    /// Since when it is the password.
    pub changed: Time,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, must_change: {})", self.person, self.must_change)
    }
}

/// Something secret that is given out once and known by its hash afterwards.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self, Error> {
        let octets = crypto::random_array::<32>()?;
        Ok(Self(base64_simd::URL_SAFE_NO_PAD.encode_to_string(octets)))
    }

    /// 43 characters of base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Proves mailbox and private key (F4); the subject is a request.
    ConfirmCertificate,
    /// Sets the first password; the subject is a person.
    FirstLogIn,
    /// Opens a message; the subject is a message.
    ReadMessage,
    /// Sets another password; the subject is a person.
    ResetPassword,
    /// Says that the password was right, while the second factor is asked for; the subject is a person.
    SecondFactor,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ConfirmCertificate => "confirm-certificate",
            Self::FirstLogIn => "first-log-in",
            Self::ReadMessage => "read-message",
            Self::ResetPassword => "reset-password",
            Self::SecondFactor => "second-factor",
        }
    }
}

/// What a one-time link stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The number of the request, person or message.
    pub subject: i64,
    /// The mailbox that it was sent to.
    pub address: Address,
    /// How long it is good.
    pub expires: Time,
}

/// How long a session lasts.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Without a request.
    pub idle_seconds: u32,
    /// At all.
    pub absolute_seconds: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle_seconds: 30 * 60, absolute_seconds: 12 * 3600 }
    }
}

/// By whose word somebody has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogInWay {
    /// They have a passkey, which knows them.
    Passkey,
    /// They know their password.
    Password,
    /// The organisation's provider knows them.
    Provider,
}

impl LogInWay {
    fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Password => "password",
            Self::Provider => "provider",
        }
    }
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub person: PersonId,
    /// By whose word.
    pub way: LogInWay,
    /// What a form must bring back (CASES T-101).
    pub csrf: String,
    /// Since when.
    pub created: Time,
    /// The request before this one.
    pub last_seen: Time,
    /// When it is over in any case.
    pub ends: Time,
}

/// What may be tried only so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// One-time links: 10 in 300 s.
    Link,
    /// Passwords: 5 in 300 s for an account, 50 for a network, behind which a whole office may be (CASES T-104).
    LogIn,
    /// Mails answered: 1 in 24 h (CASES T-74).
    Reply,
    /// The second factor: 4 in 60 s (CASES T-104).
    SecondFactor,
    /// Certificates sent in: 30 in 3600 s.
    Upload,
}

impl Limit {
    fn terms(self) -> (&'static str, i64, i64) {
        match self {
            Self::Link => ("links", 10, 300),
            Self::LogIn => ("log-ins", 5, 300),
            Self::Reply => ("replies", 1, 86_400),
            Self::SecondFactor => ("second factors", 4, 60),
            Self::Upload => ("uploads", 30, 3600),
        }
    }

    /// How many tries one key has, a network or something else.
    fn most(self, network: bool) -> i64 {
        match self {
            Self::LogIn if network => 50,
            _ => self.terms().1,
        }
    }
}

/// A try that has been counted.
#[derive(Debug)]
#[must_use = "tell Directory::succeeded when it succeeded"]
pub struct Attempt {
    limit: Limit,
    /// For each key whether it is a network, the number of this try, and the key as it is stored.
    tries: Vec<(bool, i64, String)>,
}

/// How a network's key begins.
const NETWORK: &str = "network:";

/// The network that an address stands for when tries are counted: itself, or its /64 in IPv6 (CASES T-104).
pub fn network_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{NETWORK}{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{NETWORK}{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

/// Counts a try for each of `keys` within a transaction; gives for each the number of the try and what is stored of
/// the key.
pub(crate) async fn count_attempt(
    tx: &mut Tx,
    limit: Limit,
    keys: &[&str],
    now: Time,
) -> Result<Vec<(i64, String)>, Error> {
    let (what, _, seconds) = limit.terms();
    let keys: Vec<(i64, String)> =
        keys.iter().map(|key| (limit.most(key.starts_with(NETWORK)), digest_of(&["attempt", what, key]))).collect();
    // Two at once see each other's count.
    tx.execute(sql::LOCK_ATTEMPTS, values![now]).await?;
    for (most, key) in &keys {
        let values = values![what, key.as_str(), now.plus_seconds(-seconds)];
        let Some(mut row) = tx.fetch_one(sql::COUNT_ATTEMPTS, values).await? else { continue };
        let (count, first) = (row.int()?, row.optional_time()?);
        if count >= *most {
            return Err(Error::LimitReached { what, until: first.unwrap_or(now).plus_seconds(seconds) });
        }
    }
    let mut tries = Vec::new();
    for (_, key) in keys {
        let id = random_id()?;
        tx.execute(sql::ADD_ATTEMPT, values![id, what, key.as_str(), now]).await?;
        tries.push((id, key));
    }
    Ok(tries)
}

impl Directory {
    /// Gives somebody a password, as its hash; ends what began with the one before: sessions, log-ins that wait for the
    /// second factor, links that would set another one, and tokens for programs. With one that must be changed, a first
    /// password, they begin anew: their second factors are gone as well. Who had one before is told by mail.
    pub async fn set_password(&self, id: PersonId, hash: &str, must_change: bool, by: &Actor) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        if !hash.starts_with('$') {
            return Err(Error::Malformed { what: "a password hash", because: "it does not begin with $".into() });
        }
        let mut change = self.change().await?;
        let had_one = change.tx.fetch_one(sql::ACCOUNT, values![id.0]).await?.is_some();
        change.tx.execute(sql::SET_PASSWORD, values![id.0, hash, must_change, change.now]).await?;
        change.tx.execute(sql::END_SESSIONS_OF, values![id.0]).await?;
        for purpose in [Purpose::FirstLogIn, Purpose::ResetPassword, Purpose::SecondFactor] {
            change.tx.execute(sql::USE_TOKENS_OF, values![purpose.name(), id.0, change.now]).await?;
        }
        change.tx.execute(sql::REVOKE_API_TOKENS_OF, values![id.0, change.now]).await?;
        let action = if must_change { "account.first-password" } else { "account.password" };
        change.note(about(action, id, &person.address, by, "")).await?;
        if must_change {
            passkeys::remove_second_factors(&mut change, id, &person.address, by).await?;
        }
        if had_one {
            self.tell_owner_of_password(&mut change, &person, must_change).await?;
        }
        change.commit().await
    }

    /// How somebody logs in, if they can.
    pub async fn account(&self, id: PersonId) -> Result<Option<Account>, Error> {
        let row = self.database().fetch_one(sql::ACCOUNT, values![id.0]).await?;
        row.map(|mut row| {
            Ok(Account {
                person: PersonId(row.int()?),
                password_hash: row.text()?,
                must_change: row.flag()?,
                changed: row.time()?,
            })
        })
        .transpose()
    }

    /// Who logs in with a mailbox, and how. Only active people do.
    pub async fn account_at(&self, address: &Address) -> Result<Option<(Person, Account)>, Error> {
        let Some(person) = self.person_at(address).await?.filter(|person| person.active) else { return Ok(None) };
        Ok(self.account(person.id).await?.map(|account| (person, account)))
    }

    /// Counts a try for each of `keys` before anything is looked at, so that tries side by side count as well.
    ///
    /// # Errors
    /// [`Error::LimitReached`] when one of the keys has been tried too often; then nothing is counted.
    pub async fn attempt(&self, limit: Limit, keys: &[&str]) -> Result<Attempt, Error> {
        let mut tx = self.database().begin().await?;
        let counted = count_attempt(&mut tx, limit, keys, self.now()).await?;
        tx.commit().await?;
        let networks = keys.iter().map(|key| key.starts_with(NETWORK));
        let tries = networks.zip(counted).map(|(network, (id, key))| (network, id, key)).collect();
        Ok(Attempt { limit, tries })
    }

    /// The try was good: what was counted for the account or the link is forgotten. Of a network's tries only this
    /// one is: whoever has an account could otherwise try others' for ever (CASES T-104).
    pub async fn succeeded(&self, attempt: Attempt) -> Result<(), Error> {
        let what = attempt.limit.terms().0;
        for (network, id, key) in &attempt.tries {
            if *network {
                self.database().execute(sql::FORGET_ATTEMPT, values![*id]).await?;
            } else {
                self.database().execute(sql::FORGET_ATTEMPTS, values![what, key.as_str()]).await?;
            }
        }
        Ok(())
    }

    /// Begins a session, always with a token of its own (CASES T-102).
    pub async fn start_session(
        &self,
        person: PersonId,
        limits: &SessionLimits,
        way: LogInWay,
    ) -> Result<(Token, Session), Error> {
        let (token, csrf, now) = (Token::random()?, Token::random()?, self.now());
        let ends = now.plus_seconds(i64::from(limits.absolute_seconds));
        let idle = i64::from(limits.idle_seconds);
        let values = values![token_hash(token.as_str()), person.0, csrf.as_str(), now, idle, ends, way.name()];
        self.database().execute(sql::ADD_SESSION, values).await?;
        Ok((token, Session { person, way, csrf: csrf.0, created: now, last_seen: now, ends }))
    }

    /// The same for who knew the password with this hash; `None` when it is another by now: whoever changed it ended what
    /// began with it (CASES T-102).
    pub async fn start_session_of_password(
        &self,
        person: PersonId,
        password_hash: &str,
        limits: &SessionLimits,
    ) -> Result<Option<(Token, Session)>, Error> {
        let (token, csrf, now) = (Token::random()?, Token::random()?, self.now());
        let ends = now.plus_seconds(i64::from(limits.absolute_seconds));
        let (idle, way) = (i64::from(limits.idle_seconds), LogInWay::Password);
        let mut tx = self.database().begin().await?;
        // Locks the row: a change waits and then ends this session as well, or has come before.
        if tx.execute(sql::HOLD_PASSWORD, values![person.0, password_hash]).await? == 0 {
            return Ok(None);
        }
        let values = values![token_hash(token.as_str()), person.0, csrf.as_str(), now, idle, ends, way.name()];
        tx.execute(sql::ADD_SESSION, values).await?;
        tx.commit().await?;
        Ok(Some((token, Session { person, way, csrf: csrf.0, created: now, last_seen: now, ends })))
    }

    /// The session of a token, as long as it lasts; being asked for keeps it from going idle.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, Error> {
        let (hash, now) = (token_hash(token), self.now());
        let Some(mut row) = self.database().fetch_one(sql::SESSION, values![hash.as_str(), now]).await? else {
            return Ok(None);
        };
        let session = Session {
            person: PersonId(row.int()?),
            // Sessions that are older than the column began with a password.
            way: match row.optional_text()?.as_deref() {
                Some("passkey") => LogInWay::Passkey,
                Some("provider") => LogInWay::Provider,
                _ => LogInWay::Password,
            },
            csrf: row.text()?,
            created: row.time()?,
            last_seen: row.time()?,
            ends: row.time()?,
        };
        // A write per click would be one too many.
        if now >= session.last_seen.plus_seconds(60) {
            self.database().execute(sql::TOUCH_SESSION, values![hash, now]).await?;
        }
        Ok(Some(session))
    }

    /// Ends a session.
    pub async fn end_session(&self, token: &str) -> Result<(), Error> {
        self.database().execute(sql::END_SESSION, values![token_hash(token)]).await.map(drop)
    }

    /// Ends all sessions of somebody.
    pub async fn end_sessions_of(&self, person: PersonId) -> Result<(), Error> {
        self.database().execute(sql::END_SESSIONS_OF, values![person.0]).await.map(drop)
    }

    /// Makes a link for `address` that works once.
    pub async fn issue_token(
        &self,
        purpose: Purpose,
        subject: i64,
        address: &Address,
        seconds: u32,
    ) -> Result<Token, Error> {
        let mut tx = self.database().begin().await?;
        let token = add_token(&mut tx, purpose, subject, address, self.now(), seconds).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// What a link stands for, without using it: for GET.
    pub async fn peek_token(&self, token: &str, purpose: Purpose) -> Result<TokenInfo, Error> {
        let values = values![token_hash(token), purpose.name(), self.now()];
        let row = self.database().fetch_one(sql::PEEK_TOKEN, values).await?;
        read_token(row.ok_or(Error::TokenInvalid)?)
    }

    /// Uses a link: for POST. Of two at once, one succeeds.
    pub async fn use_token(&self, token: &str, purpose: Purpose) -> Result<TokenInfo, Error> {
        let mut tx = self.database().begin().await?;
        let info = use_token(&mut tx, token, purpose, self.now()).await?;
        tx.commit().await?;
        Ok(info)
    }
}

pub(crate) async fn add_token(
    tx: &mut crate::database::Tx,
    purpose: Purpose,
    subject: i64,
    address: &Address,
    now: Time,
    seconds: u32,
) -> Result<Token, Error> {
    let (token, row) = new_token(purpose, subject, address, now, seconds)?;
    tx.execute(sql::ADD_TOKEN, row).await?;
    Ok(token)
}

/// A token, and its row for [`sql::ADD_TOKEN`].
pub(crate) fn new_token(
    purpose: Purpose,
    subject: i64,
    address: &Address,
    now: Time,
    seconds: u32,
) -> Result<(Token, Vec<Value>), Error> {
    let token = Token::random()?;
    let expires = now.plus_seconds(i64::from(seconds));
    let row = values![token_hash(token.as_str()), purpose.name(), subject, address.key(), now, expires];
    Ok((token, row))
}

pub(crate) async fn use_token(
    tx: &mut crate::database::Tx,
    token: &str,
    purpose: Purpose,
    now: Time,
) -> Result<TokenInfo, Error> {
    let row = tx.fetch_one(sql::USE_TOKEN, values![token_hash(token), purpose.name(), now]).await?;
    read_token(row.ok_or(Error::TokenInvalid)?)
}

/// How many links for `purpose` were made for a mailbox since a moment, and when the first of them was.
pub(crate) async fn tokens_since(
    tx: &mut crate::database::Tx,
    purpose: Purpose,
    address: &Address,
    since: Time,
) -> Result<(i64, Option<Time>), Error> {
    let row = tx.fetch_one(sql::COUNT_TOKENS, values![address.key(), purpose.name(), since]).await?;
    let mut row = row.ok_or_else(|| Error::corrupt("a count is missing"))?;
    Ok((row.int()?, row.optional_time()?))
}

fn read_token(mut row: Row) -> Result<TokenInfo, Error> {
    let (subject, address, expires) = (row.int()?, row.text()?, row.time()?);
    Ok(TokenInfo { subject, address: Address::parse(&address).map_err(Error::corrupt)?, expires })
}

pub(crate) fn token_hash(token: &str) -> String {
    hex(DigestAlgorithm::Sha256.digest(token.as_bytes()).octets())
}

pub(crate) const SESSION_WAYS: &[&str] = &["ALTER TABLE sessions ADD COLUMN way TEXT"];
