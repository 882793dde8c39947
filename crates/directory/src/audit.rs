//! The record: who changed which binding, when, why; hash-chained, without mail content.
//!
//! Each row's hash covers the row before it, the public part, and a salted digest of the personal part. The personal
//! part can be erased (salt included) and the chain still verifies; an erasure is itself a row that says what it erased.

use std::fmt;

use asn1::Time;
use crypto::DigestAlgorithm;
use pki::Fingerprint;

use crate::database::{Database, Row, Tx, Value, values};
use crate::rows::{self, Rows, Table};
use crate::{Address, Directory, Error, PersonId, RequestId, hex, statements as sql};

/// By whose word something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A rule or the clock.
    System,
    /// Somebody who has logged in.
    Person(PersonId),
    /// Whoever wrote a mail from this address, which proves nothing (CASES T-71).
    Mail(Address),
    /// A program with a name of its own: the command line, an API client.
    Program(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Mail(address) => write!(f, "mail:{}", address.key()),
            Self::Program(name) => write!(f, "program:{name}"),
        }
    }
}

/// One row of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Counted from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Time,
    /// What: `request.approved`, `person.added`, …
    pub action: String,
    /// Everything personal; `None` once it has been erased.
    pub detail: Option<AuditDetail>,
    /// SHA-256 over this row and the one before, in hexadecimal.
    pub hash: String,
}

/// The personal part of an [`AuditEntry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDetail {
    /// By whose word, as [`Actor`] shows itself.
    pub actor: String,
    /// What it was done to: `request:…`, `person:…`, `certificate:…`.
    pub subject: String,
    /// The mailbox that it is about.
    pub address: Option<String>,
    /// The certificate that it is about.
    pub fingerprint: Option<Fingerprint>,
    /// The reason that was given.
    pub why: String,
}

/// What [`Directory::verify_audit`] found: the chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows in the chain.
    pub rows: u64,
    /// Rows whose personal part has been erased.
    pub erased: u64,
    /// The newest hash. Who keeps a copy elsewhere notices when the whole chain is made anew.
    pub head: String,
}

/// What to record.
pub(crate) struct Note<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action: &'static str,
    pub(crate) subject: String,
    pub(crate) address: Option<&'a Address>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) why: &'a str,
}

/// A transaction that leaves rows in the record. Those of all processes follow each other, so what one has read
/// holds until it commits (CASES T-66, R-13).
pub(crate) struct Change<'d> {
    pub(crate) tx: Tx,
    pub(crate) now: Time,
    database: &'d Database,
    sequence: i64,
    hash: String,
    noted: bool,
    /// What is written later, with more of its kind.
    gathered: Option<Rows>,
}

impl Directory {
    pub(crate) async fn change(&self) -> Result<Change<'_>, Error> {
        let mut tx = self.database().begin().await?;
        let mut head = lock_head(&mut tx).await?;
        let (sequence, hash) = (head.int()?, head.text()?);
        Ok(Change { tx, now: self.now(), database: self.database(), sequence, hash, noted: false, gathered: None })
    }

    /// Records something that changes nothing in the directory itself: a private key was sent in and dropped, a
    /// decision was taken elsewhere. `why` carries no mail content.
    pub async fn note(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: &str,
        address: Option<&Address>,
        why: &str,
    ) -> Result<(), Error> {
        let mut change = self.change().await?;
        change.note(Note { actor, action, subject: subject.into(), address, fingerprint: None, why }).await?;
        change.commit().await
    }

    /// Rows after number `after`, oldest first.
    pub async fn audit(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self.database().fetch(sql::AUDIT_AFTER, values![after, limit]).await?;
        rows.into_iter().map(|row| Ok(read(row)?.0)).collect()
    }

    /// The newest rows, newest first.
    pub async fn audit_latest(&self, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.database().fetch(sql::AUDIT_LATEST, values![limit]).await?;
        rows.into_iter().map(|row| Ok(read(row)?.0)).collect()
    }

    /// All rows about one mailbox, oldest first: what a person may see about themselves.
    pub async fn audit_for(&self, address: &Address) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.database().fetch(sql::AUDIT_OF_ADDRESS, values![address.key()]).await?;
        rows.into_iter().map(|row| Ok(read(row)?.0)).collect()
    }

    /// All rows about one request, oldest first.
    pub async fn history(&self, request: RequestId) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.database().fetch(sql::AUDIT_OF_SUBJECT, values![format!("request:{request}")]).await?;
        rows.into_iter().map(|row| Ok(read(row)?.0)).collect()
    }

    /// Computes the chain from its first row.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the first row that does not fit.
    pub async fn verify_audit(&self) -> Result<AuditReport, Error> {
        // One snapshot: rows written meanwhile would look like a head that does not fit.
        let mut change = self.change().await?;
        let (mut sequence, mut hash, mut erased) = (0i64, GENESIS.to_owned(), 0);
        loop {
            let rows = change.tx.fetch(sql::AUDIT_AFTER, values![sequence, 1000u32]).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let (entry, stored) = read(row)?;
                sequence += 1;
                verify_row(&entry, &stored, sequence, &hash)?;
                erased += u64::from(entry.detail.is_none());
                hash = entry.hash;
            }
        }
        if (sequence, &hash) != (change.sequence, &change.hash) {
            let what = format!("the record ends at row {sequence}, and its head says {}", change.sequence);
            return Err(Error::Corrupt { what });
        }
        Ok(AuditReport { rows: u64::try_from(sequence).unwrap_or(0), erased, head: hash })
    }
}

impl Directory {
    /// The number of the row with this hash: whether a head that was noted elsewhere is still part of the record.
    pub async fn audit_row(&self, hash: &str) -> Result<Option<u64>, Error> {
        let row = self.database().fetch_one(sql::AUDIT_BY_HASH, values![hash]).await?;
        let sequence = row.map(|mut row| row.int()).transpose()?;
        Ok(sequence.and_then(|sequence| u64::try_from(sequence).ok()))
    }
}

impl Change<'_> {
    pub(crate) async fn note(&mut self, note: Note<'_>) -> Result<(), Error> {
        let salt = hex(&crypto::random_array::<16>()?);
        let detail = AuditDetail {
            actor: note.actor.to_string(),
            subject: note.subject,
            address: note.address.map(|address| address.key().to_owned()),
            fingerprint: note.fingerprint,
            why: note.why.chars().take(500).collect(),
        };
        let digest = detail_digest(&salt, &detail);
        self.sequence += 1;
        self.hash = row_hash(&self.hash, self.sequence, self.now, note.action, &digest);
        self.noted = true;
        let row = values![self.sequence, self.now, note.action, digest, self.hash.clone()];
        self.add(Table::Audit, row).await?;
        let AuditDetail { actor, subject, address, fingerprint, why } = detail;
        let fingerprint = fingerprint.map(|fingerprint| fingerprint.to_hex());
        let row = values![self.sequence, salt, actor, subject, address, fingerprint, why];
        self.add(Table::AuditDetails, row).await
    }

    /// From now on rows are gathered, to be written together. Whoever reads about a mailbox in between calls
    /// [`Self::settle`] before.
    pub(crate) fn gather(&mut self) {
        self.gathered.get_or_insert_default();
    }

    /// Adds a row, at once or with the others.
    pub(crate) async fn add(&mut self, table: Table, row: Vec<Value>) -> Result<(), Error> {
        match &mut self.gathered {
            Some(rows) => rows.add(table, row),
            None => rows::write_one(&mut self.tx, table, row).await?,
        }
        Ok(())
    }

    /// Notes that rows which were gathered are about a mailbox.
    pub(crate) fn note_gathered(&mut self, address: &Address) {
        if let Some(rows) = &mut self.gathered {
            rows.note(address);
        }
    }

    /// Writes what was gathered, when some of it is about this mailbox, or when it is much.
    pub(crate) async fn settle(&mut self, address: &Address) -> Result<(), Error> {
        match &mut self.gathered {
            Some(rows) if rows.are_about(address) || rows.are_enough() => rows.write(&mut self.tx).await,
            _ => Ok(()),
        }
    }

    /// The number of the newest row.
    pub(crate) fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Commits. When the answer is lost on the way, looks whether the rows are there (CASES R-06).
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        if let Some(mut rows) = self.gathered.take() {
            rows.write(&mut self.tx).await?;
        }
        if self.noted {
            self.tx.execute(sql::SET_AUDIT_HEAD, values![self.sequence, self.hash.clone()]).await?;
        }
        let (database, hash, noted) = (self.database, self.hash, self.noted);
        match self.tx.commit().await {
            Err(error) if noted => {
                tracing::warn!(%error, "the answer to a commit was lost");
                if was_committed(database, &hash).await? { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }
}

async fn was_committed(database: &Database, hash: &str) -> Result<bool, Error> {
    let mut last = Error::Unavailable { because: "it is not known whether the change was stored".into() };
    for wait in [0, 100, 400, 1000] {
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        let look = async {
            let mut tx = database.begin().await?;
            // Waits for a transaction that is still on its way.
            lock_head(&mut tx).await?;
            Ok(tx.fetch_one(sql::AUDIT_BY_HASH, values![hash]).await?.is_some())
        };
        match look.await {
            Ok(found) => return Ok(found),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn lock_head(tx: &mut Tx) -> Result<Row, Error> {
    tx.fetch_one(sql::LOCK_AUDIT_HEAD, vec![]).await?.ok_or_else(|| Error::corrupt("the record has no head"))
}

struct Stored {
    digest: String,
    salt: Option<String>,
    erased_by: Option<i64>,
}

fn read(mut row: Row) -> Result<(AuditEntry, Stored), Error> {
    let (sequence, at, action) = (row.int()?, row.time()?, row.text()?);
    let (digest, hash) = (row.text()?, row.text()?);
    let (salt, actor, subject) = (row.optional_text()?, row.optional_text()?, row.optional_text()?);
    let (address, fingerprint, why) = (row.optional_text()?, row.optional_text()?, row.optional_text()?);
    let erased_by = row.optional_int()?;
    let detail = match (actor, subject, why) {
        (Some(actor), Some(subject), Some(why)) => {
            let fingerprint = fingerprint.as_deref().and_then(Fingerprint::parse);
            Some(AuditDetail { actor, subject, address, fingerprint, why })
        }
        _ => None,
    };
    let sequence = u64::try_from(sequence).map_err(|_| Error::corrupt("a row of the record has a negative number"))?;
    Ok((AuditEntry { sequence, at, action, detail, hash }, Stored { digest, salt, erased_by }))
}

fn verify_row(entry: &AuditEntry, stored: &Stored, sequence: i64, previous: &str) -> Result<(), Error> {
    let broken = |because: &str| Err(Error::corrupt(format_args!("row {sequence} of the record: {because}")));
    if i64::try_from(entry.sequence) != Ok(sequence) {
        return broken("it is missing");
    }
    if entry.hash != row_hash(previous, sequence, entry.at, &entry.action, &stored.digest) {
        return broken("its hash does not fit");
    }
    match (&entry.detail, &stored.salt, stored.erased_by) {
        (Some(detail), Some(salt), None) if detail_digest(salt, detail) == stored.digest => Ok(()),
        (Some(_), _, None) => broken("what it says was changed"),
        (Some(_), _, Some(_)) => broken("it was erased and is there"),
        (None, _, Some(_)) => Ok(()),
        (None, _, None) => broken("what it says was removed, and no erasure says so"),
    }
}

fn row_hash(previous: &str, sequence: i64, at: Time, action: &str, digest: &str) -> String {
    let (sequence, at) = (sequence.to_string(), at.to_unix().to_string());
    digest_of(&["sealpost record 1", previous, &sequence, &at, action, digest])
}

fn detail_digest(salt: &str, detail: &AuditDetail) -> String {
    let fingerprint = detail.fingerprint.map(|fingerprint| fingerprint.to_hex()).unwrap_or_default();
    let address = detail.address.as_deref().unwrap_or_default();
    digest_of(&["sealpost detail 1", salt, &detail.actor, &detail.subject, address, &fingerprint, &detail.why])
}

/// Each field with its length before it, so that none can lend octets to its neighbour.
pub(crate) fn digest_of(fields: &[&str]) -> String {
    let mut hasher = crypto::Hasher::new(DigestAlgorithm::Sha256);
    for field in fields {
        hasher.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex(hasher.finish().octets())
}

const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
