//! Tokens for programs: what the REST API asks for. Each belongs to a person and does no more than they may.
//!
//! A token has 256 random bits and is stored as its SHA-256 only (CASES T-104).

use std::fmt;

use asn1::Time;

use crate::accounts::{Token, token_hash};
use crate::database::{Row, values};
use crate::people::about;
use crate::{Actor, ApiTokenId, Directory, Error, Person, PersonId, statements as sql};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Reads the record.
    AuditRead,
    /// Decides about requests.
    BoardWrite,
    /// Reads requests and certificates.
    CertificatesRead,
    /// Sends certificates in, and takes them back.
    CertificatesWrite,
    /// Reads the certificates of the people inside.
    ContactsRead,
    /// Submits mail in the place of a password, where its owner has a second factor; opens nothing in the API.
    MailSubmit,
    /// Reads who was invited.
    PartnersRead,
    /// Invites partners and gives first passwords.
    PartnersWrite,
    /// Looks people up.
    PeopleRead,
    /// Reads what was decided about mail.
    TracesRead,
}

impl Scope {
    /// All of them, by name.
    pub const ALL: [Self; 10] = [
        Self::AuditRead,
        Self::BoardWrite,
        Self::CertificatesRead,
        Self::CertificatesWrite,
        Self::ContactsRead,
        Self::MailSubmit,
        Self::PartnersRead,
        Self::PartnersWrite,
        Self::PeopleRead,
        Self::TracesRead,
    ];

    /// As it stands in documents and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::BoardWrite => "board:write",
            Self::CertificatesRead => "certificates:read",
            Self::CertificatesWrite => "certificates:write",
            Self::ContactsRead => "contacts:read",
            Self::MailSubmit => "mail:submit",
            Self::PartnersRead => "partners:read",
            Self::PartnersWrite => "partners:write",
            Self::PeopleRead => "people:read",
            Self::TracesRead => "traces:read",
        }
    }

    /// From [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A token as it is known afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Which one.
    pub id: ApiTokenId,
    /// Whose.
    pub person: PersonId,
    /// What it was called.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Since when.
    pub created: Time,
    /// How long it is good.
    pub expires: Time,
    /// When it was used last, to the minute.
    pub used: Option<Time>,
    /// Since when it is not good any more.
    pub revoked: Option<Time>,
}

impl fmt::Display for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.name()).collect();
        write!(f, "{} ({})", self.name, scopes.join(" "))
    }
}

impl Directory {
    /// Makes a token for somebody; the secret is known from this answer alone.
    pub async fn issue_api_token(
        &self,
        person: PersonId,
        name: &str,
        scopes: &[Scope],
        days: u16,
        by: &Actor,
    ) -> Result<(Token, ApiToken), Error> {
        let owner = self.known_person(person).await?;
        if !owner.active {
            return Err(Error::NotAllowed { what: "a token for somebody who is deactivated" });
        }
        let malformed = |what, because: &str| Err(Error::Malformed { what, because: because.into() });
        if scopes.is_empty() {
            return malformed("the scopes of a token", "there are none");
        }
        if days == 0 || days > LONGEST_DAYS {
            return malformed("the days of a token", "between 1 and 366 are possible");
        }
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let mut scopes = scopes.to_vec();
        scopes.sort_by_key(|scope| scope.name());
        scopes.dedup();
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        let token = Token::random()?;
        let id = ApiTokenId::random()?;
        let mut change = self.change().await?;
        let (created, expires) = (change.now, change.now.plus_days(i64::from(days)));
        let row = values![id.0, token_hash(token.as_str()), person.0, name.as_str(), names.join(" "), created, expires];
        change.tx.execute(sql::ADD_API_TOKEN, row).await?;
        let made = ApiToken { id, person, name, scopes, created, expires, used: None, revoked: None };
        change.note(about("token.issued", person, &owner.address, by, &format!("{id} {made}"))).await?;
        change.commit().await?;
        Ok((token, made))
    }

    /// Whose token this is, as long as it is good and its owner active.
    pub async fn api_token(&self, token: &str) -> Result<Option<(ApiToken, Person)>, Error> {
        let (hash, now) = (token_hash(token), self.now());
        let Some(row) = self.database().fetch_one(sql::API_TOKEN, values![hash.as_str(), now]).await? else {
            return Ok(None);
        };
        let token = read(row)?;
        let Some(person) = self.person(token.person).await?.filter(|person| person.active) else { return Ok(None) };
        // A write per call would be one too many.
        if token.used.is_none_or(|used| now >= used.plus_seconds(60)) {
            self.database().execute(sql::TOUCH_API_TOKEN, values![token.id.0, now]).await?;
        }
        Ok(Some((token, person)))
    }

    /// All tokens of somebody, or of everybody, those included that are over; the latest first.
    pub async fn api_tokens(&self, person: Option<PersonId>) -> Result<Vec<ApiToken>, Error> {
        let rows = match person {
            Some(person) => self.database().fetch(sql::API_TOKENS_OF, values![person.0]).await?,
            None => self.database().fetch(sql::API_TOKENS, values![]).await?,
        };
        rows.into_iter().map(read).collect()
    }

    /// Ends a token at once.
    pub async fn revoke_api_token(&self, id: ApiTokenId, by: &Actor) -> Result<ApiToken, Error> {
        let row = self.database().fetch_one(sql::API_TOKEN_BY_ID, values![id.0]).await?;
        let mut token = read(row.ok_or(Error::NotFound { what: "token" })?)?;
        let owner = self.known_person(token.person).await?;
        let mut change = self.change().await?;
        if change.tx.execute(sql::REVOKE_API_TOKEN, values![id.0, change.now]).await? == 0 {
            return Err(Error::conflict("the token was revoked before"));
        }
        token.revoked = Some(change.now);
        change.note(about("token.revoked", token.person, &owner.address, by, &format!("{id} {token}"))).await?;
        change.commit().await?;
        Ok(token)
    }
}

fn read(mut row: Row) -> Result<ApiToken, Error> {
    let (id, person, name) = (ApiTokenId(row.int()?), PersonId(row.int()?), row.text()?);
    let scopes = row.text()?;
    // A scope of a newer version opens nothing here.
    let scopes = scopes.split(' ').filter_map(Scope::from_name).collect();
    let (created, expires) = (row.time()?, row.time()?);
    let (used, revoked) = (row.optional_time()?, row.optional_time()?);
    Ok(ApiToken { id, person, name, scopes, created, expires, used, revoked })
}

const LONGEST_DAYS: u16 = 366;

pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE api_tokens (
        id BIGINT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, person BIGINT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        name TEXT NOT NULL, scopes TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, used BIGINT,
        revoked BIGINT)",
    "CREATE INDEX api_tokens_of_person ON api_tokens (person)",
    "CREATE TABLE api_answers (
        token BIGINT NOT NULL REFERENCES api_tokens (id) ON DELETE CASCADE, key_hash TEXT NOT NULL,
        request TEXT NOT NULL, at BIGINT NOT NULL, answer BYTEA, PRIMARY KEY (token, key_hash))",
    "CREATE INDEX api_answers_by_time ON api_answers (at)",
    "CREATE INDEX requests_by_due ON requests (due, id)",
];
