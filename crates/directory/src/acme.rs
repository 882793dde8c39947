//! Certificates from a CA that speaks ACME (RFC 8555, RFC 8823): the account with its key, and the orders, whose states
//! are here so that a restart loses none of them. Who speaks with the CA, and who reads its mail, is elsewhere.
//!
//! ```text
//! ordered ── the CA names a challenge ──▶ waiting ── its mail came and proved itself ──▶ answered
//!                                                                                            │
//!                        issued ◀── certificate taken in ── validating ◀── the CA was told ──┘
//! ```
//! From each of them `failed`, with the reason; the key that waited is destroyed then.

mod account;
mod order;

use asn1::Time;

use crate::database::{Row, values};
use crate::{AcmeAccountId, AcmeOrderId, Address, CredentialId, Directory, Error, KeyRequestId, OutboxId, PersonId};

pub use account::AcmeAccount;
pub use order::AcmeAnswer;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AcmeState {
    /// The mail that answers the challenge is in the outbox.
    Answered,
    /// It came to nothing.
    Failed,
    /// The certificate is in use.
    Issued,
    /// It is to be told to the CA, or the CA has not said yet what it wants proven.
    Ordered,
    /// The CA was told that its mail was answered; from here on it has the word.
    Validating,
    /// The CA's mail has not come yet.
    Waiting,
}

impl AcmeState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Failed, Self::Issued, Self::Ordered, Self::Validating, Self::Waiting];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Issued => "issued",
            Self::Ordered => "ordered",
            Self::Validating => "validating",
            Self::Waiting => "waiting",
        }
    }

    /// Whether nothing happens any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Issued)
    }

    fn from_name(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| Error::corrupt("an ACME order in an unknown state"))
    }
}

/// An order for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeOrder {
    /// Which one.
    pub id: AcmeOrderId,
    /// Under which account.
    pub account: AcmeAccountId,
    /// For whom.
    pub person: PersonId,
    /// Their mailbox.
    pub address: Address,
    /// The key that waits for the certificate.
    pub key_request: KeyRequestId,
    /// How far it is.
    pub state: AcmeState,
    /// Where the CA has it.
    pub url: Option<String>,
    /// What the CA wants proven.
    pub challenge: Option<AcmeChallenge>,
    /// The mail that answers it.
    pub response: Option<OutboxId>,
    /// What came of it.
    pub credential: Option<CredentialId>,
    /// What was noticed beforehand: what CAA records say.
    pub note: String,
    /// Why it failed, or what went wrong the last time.
    pub problem: String,
    /// Since when.
    pub created: Time,
    /// When something happened last.
    pub changed: Time,
    /// When the next step is due.
    pub next_step: Time,
    /// When it is given up.
    pub ends: Time,
    /// Steps in a row that failed for now.
    pub attempts: u32,
}

/// A challenge `email-reply-00` (RFC 8823 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeChallenge {
    /// Where the CA is told that it was answered.
    pub url: String,
    /// From whom its mail comes.
    pub from: Address,
    /// The second part of the token.
    pub token: String,
}

impl AcmeOrder {
    fn read(mut row: Row) -> Result<Self, Error> {
        let (id, account) = (AcmeOrderId(row.int()?), AcmeAccountId(row.int()?));
        let (person, address) = (PersonId(row.int()?), Address::parse(&row.text()?).map_err(Error::corrupt)?);
        let key_request = KeyRequestId(row.int()?);
        let (state, url) = (AcmeState::from_name(&row.text()?)?, row.optional_text()?);
        let challenge = match (row.optional_text()?, row.optional_text()?, row.optional_text()?) {
            (Some(url), Some(from), Some(token)) => {
                Some(AcmeChallenge { url, from: Address::parse(&from).map_err(Error::corrupt)?, token })
            }
            _ => None,
        };
        let (response, credential) = (row.optional_int()?.map(OutboxId), row.optional_int()?.map(CredentialId));
        let (note, problem) = (row.text()?, row.text()?);
        let (created, changed, next_step, ends) = (row.time()?, row.time()?, row.time()?, row.time()?);
        let attempts = u32::try_from(row.int()?).unwrap_or(u32::MAX);
        Ok(Self {
            id,
            account,
            person,
            address,
            key_request,
            state,
            url,
            challenge,
            response,
            credential,
            note,
            problem,
            created,
            changed,
            next_step,
            ends,
            attempts,
        })
    }
}

impl Directory {
    /// The orders, newest first; of one mailbox, or of all.
    pub async fn acme_orders(&self, of: Option<&Address>, limit: u32) -> Result<Vec<AcmeOrder>, Error> {
        use crate::statements as sql;
        let rows = match of {
            Some(address) => self.database().fetch(sql::ACME_ORDERS_OF, values![address.key(), limit]).await?,
            None => self.database().fetch(sql::ACME_ORDERS, values![limit]).await?,
        };
        rows.into_iter().map(AcmeOrder::read).collect()
    }

    /// One of them.
    pub async fn acme_order(&self, id: AcmeOrderId) -> Result<AcmeOrder, Error> {
        let row = self.database().fetch_one(crate::statements::ACME_ORDER, values![id.number()]).await?;
        AcmeOrder::read(row.ok_or(Error::NotFound { what: "ACME order" })?)
    }

    /// The order of a mailbox that something still happens to; there is one at most.
    pub async fn open_acme_order(&self, address: &Address) -> Result<Option<AcmeOrder>, Error> {
        let row = self.database().fetch_one(crate::statements::OPEN_ACME_ORDER, values![address.key()]).await?;
        row.map(AcmeOrder::read).transpose()
    }
}

pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE acme_accounts (
        id BIGINT PRIMARY KEY, server TEXT NOT NULL UNIQUE, url TEXT, key_hash TEXT NOT NULL, spki BYTEA NOT NULL,
        sealed BYTEA NOT NULL, wrapped BYTEA NOT NULL, master TEXT NOT NULL, token_key TEXT, created BIGINT NOT NULL)",
    "CREATE TABLE acme_orders (
        id BIGINT PRIMARY KEY, account BIGINT NOT NULL, person BIGINT NOT NULL, address_key TEXT NOT NULL,
        key_request BIGINT NOT NULL, state TEXT NOT NULL, url TEXT, challenge TEXT, challenge_from TEXT, token TEXT,
        response BIGINT, credential BIGINT, note TEXT NOT NULL, problem TEXT NOT NULL, created BIGINT NOT NULL,
        changed BIGINT NOT NULL, next_step BIGINT NOT NULL, ends BIGINT NOT NULL, attempts BIGINT NOT NULL)",
    "CREATE INDEX acme_orders_of_address ON acme_orders (address_key, created)",
    "CREATE INDEX acme_orders_of_credential ON acme_orders (credential)",
    // A mail with a challenge names its mailbox, so a mailbox has one order at a time.
    "CREATE UNIQUE INDEX one_open_acme_order ON acme_orders (address_key)
        WHERE state IN ('ordered', 'waiting', 'answered', 'validating')",
    "CREATE INDEX acme_orders_due ON acme_orders (state, next_step)",
    "CREATE TABLE acme_tokens (hash TEXT PRIMARY KEY, acme_order BIGINT NOT NULL, at BIGINT NOT NULL)",
];
