//! Who has which certificate, since when, by whose word.
//!
//! People, their log-ins, their certificates and the requests that bring them in (F4), the sealed keys of the people
//! inside, the outbox, the journal of deliveries, and the hash-chained record of who changed what. One SQL text for
//! SQLite and PostgreSQL.
//!
//! [`Directory`] is what the portal and the gateway share. It opens no private key: that takes a [`KeyRing`], and
//! with it the [`MasterKey`], which only the gateway has.

mod account_news;
mod accounts;
mod acme;
mod address;
mod api_answers;
mod api_tokens;
mod audit;
mod authorities;
mod clock;
mod credentials;
mod database;
mod directory;
mod error;
pub mod harvest;
mod house;
mod id;
mod incident;
mod key_ring;
mod language;
mod message_store;
mod messages;

mod outbox;
mod packs;
mod passkeys;
mod password_link;
mod people;
mod personal_data;
mod renewal;
mod requests;
mod revocation;
mod rows;

mod schema;
mod sealing;
mod second_factor;
mod statements;
pub mod texts;
mod traces;

pub use accounts::{Account, Attempt, Limit, LogInWay, Purpose, Session, SessionLimits, Token, TokenInfo, network_key};
pub use acme::{AcmeAccount, AcmeAnswer, AcmeChallenge, AcmeOrder, AcmeState};
pub use address::Address;
pub use api_answers::Repeated;
pub use api_tokens::{ApiToken, Scope};
pub use audit::{Actor, AuditDetail, AuditEntry, AuditReport};
pub use authorities::{ProposedAnchor, UnknownAuthority};
pub use clock::{Clock, ManualClock, SystemClock};
pub use credentials::{CredentialFilter, CredentialInfo, CredentialState};
pub use directory::{Directory, Settings};
pub use error::Error;
pub use house::{AuthorityRole, HouseAuthority, HouseCertificate, NewAuthority, Published};
pub use id::{
    AcmeAccountId, AcmeOrderId, ApiTokenId, AuthorityId, CredentialId, IncidentId, KeyRequestId, MessageId, OutboxId,
    PasskeyId, PersonId, RequestId,
};
pub use incident::{Incident, IncidentItem, IncidentReport, IncidentSelection, IncidentState, NewIncident};
pub use key_ring::{KeyOrder, KeyPlace, KeyRequest, KeyRing, KeyUse, Master, Rotation};
pub use language::Language;
pub use message_store::{BodyId, MessagePlace, MessageStore, ObjectPlace};
pub use messages::{Folder, Message, NewMessage};
pub use outbox::{Disposition, JournalKey, Leased, OutboxCounts, Outgoing, OutgoingKind};
pub use packs::{Pack, ProposedPack};
pub use passkeys::{ChallengeFor, NewPasskey, Passkey};
pub use people::{NewPerson, Person, Role, Roles, Share};
pub use renewal::{DueRenewal, OldKeyUse, RENEWAL_STAGES, RenewalReport, RenewalSettings};
pub use requests::{
    Assessment, Origin, PartnerCertificate, Refusal, Request, RequestFilter, RequestSearch, ScheduleReport, State,
    Submission,
};
pub use revocation::RevocationEntry;
pub use sealing::{MasterKey, StoreKey};
pub use second_factor::{Last, SecondFactor};
pub use traces::{Trace, TraceCounts};

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
