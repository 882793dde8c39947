//! The certificates of the people inside, without their keys: what pages and lists show.

use asn1::Time;
use pki::Certificate;

use crate::database::{Row, values};
use crate::requests::{split_chain, stored_certificate};
use crate::{Address, CredentialId, Directory, Error, KeyUse, PersonId, statements as sql};

/// What became of a key and its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialState {
    /// In use.
    Active,
    /// It only decrypts.
    Retired,
    /// Its certificate was revoked; it only decrypts.
    Revoked,
}

impl CredentialState {
    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    fn from_name(name: &str) -> Result<Self, Error> {
        let found = [Self::Active, Self::Retired, Self::Revoked].into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| Error::corrupt("a credential in an unknown state"))
    }
}

/// Somebody's certificate, and where its key is.
#[derive(Debug, Clone)]
pub struct CredentialInfo {
    /// Which one.
    pub id: CredentialId,
    /// Whose.
    pub person: PersonId,
    /// Their mailbox.
    pub address: Address,
    /// The certificate.
    pub certificate: Certificate,
    /// What stands between it and the root, nearest first.
    pub chain: Vec<Certificate>,
    /// What it is for.
    pub key_use: KeyUse,
    /// What became of it.
    pub state: CredentialState,
    /// Since when it is here.
    pub created: Time,
    /// Since when it is no longer in use.
    pub retired: Option<Time>,
    /// The key's name in its token, where it is in one.
    pub token_key: Option<String>,
}

/// Which certificates to list.
#[derive(Debug, Clone)]
pub enum CredentialFilter {
    /// All of one mailbox, newest first.
    For(Address),
    /// Those in use, of people who have not left, that end before a moment, the first to end first.
    EndingBefore(Time),
    /// Those in use, of people who have not left, after this one in the order of their numbers: a page of all.
    InUseAfter(Option<CredentialId>),
}

impl Directory {
    /// Certificates of the people inside, at most `limit`.
    pub async fn credentials(&self, filter: &CredentialFilter, limit: u32) -> Result<Vec<CredentialInfo>, Error> {
        let rows = match filter {
            CredentialFilter::For(address) => {
                self.database().fetch(sql::CREDENTIALS_OF_ADDRESS, values![address.key(), limit]).await?
            }
            CredentialFilter::EndingBefore(end) => {
                self.database().fetch(sql::CREDENTIALS_ENDING, values![*end, limit]).await?
            }
            CredentialFilter::InUseAfter(after) => {
                let after = after.map_or(-1, CredentialId::number);
                self.database().fetch(sql::CREDENTIALS_IN_USE, values![after, limit]).await?
            }
        };
        rows.into_iter().map(CredentialInfo::read).collect()
    }

    /// One of them.
    pub async fn credential(&self, id: CredentialId) -> Result<CredentialInfo, Error> {
        let row = self.database().fetch_one(sql::CREDENTIAL, values![id.number()]).await?;
        CredentialInfo::read(row.ok_or(Error::NotFound { what: "credential" })?)
    }

    /// The certificates of somebody inside that are in use, without their keys.
    pub async fn employee_certificates(&self, address: &Address) -> Result<Vec<Certificate>, Error> {
        let rows = self.database().fetch(sql::EMPLOYEE_CERTIFICATES, values![address.key(), self.now()]).await?;
        rows.into_iter().map(|mut row| stored_certificate(&row.blob()?)).collect()
    }

    /// What stands between an employee's certificate and the root.
    pub async fn employee_chain(
        &self,
        address: &Address,
        certificate: &Certificate,
    ) -> Result<Vec<Certificate>, Error> {
        let row = values![address.key(), certificate.sha256().to_hex()];
        match self.database().fetch_one(sql::EMPLOYEE_CHAIN, row).await? {
            Some(mut row) => split_chain(&row.blob()?),
            None => Ok(Vec::new()),
        }
    }
}

impl CredentialInfo {
    pub(crate) fn read(mut row: Row) -> Result<Self, Error> {
        let (id, person) = (CredentialId(row.int()?), PersonId(row.int()?));
        let address = Address::parse(&row.text()?).map_err(Error::corrupt)?;
        let (certificate, chain) = (stored_certificate(&row.blob()?)?, split_chain(&row.blob()?)?);
        let key_use = KeyUse::from_name(&row.text()?).ok_or_else(|| Error::corrupt("a key for an unknown use"))?;
        let state = CredentialState::from_name(&row.text()?)?;
        let (created, retired, token_key) = (row.time()?, row.optional_time()?, row.optional_text()?);
        Ok(Self { id, person, address, certificate, chain, key_use, state, created, retired, token_key })
    }
}
