//! Mail that waits to be delivered, and what has been delivered already.
//!
//! A mail is handed to one worker at a time by a lease that runs out. Whoever lost the lease cannot say that it was
//! delivered, so a mail is finished once (CASES R-13); it can be sent twice only by a worker that dies between the
//! next hop's 250 and [`Directory::delivered`].

use std::collections::HashSet;

use asn1::Time;

use crate::accounts::count_attempt;
use crate::audit::digest_of;
use crate::database::{Row, Tx, Value, values};
use crate::requests::confirmed_by;
use crate::sealing::{open, seal};
use crate::{Actor, Address, Directory, Error, Limit, OutboxId, State, StoreKey, hex, statements as sql};

/// What kind of mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutgoingKind {
    /// To the owner of an account: how they log in has changed.
    AccountNews,
    /// What answers the challenge of a CA, for somebody inside (RFC 8823 §3.2).
    AcmeResponse,
    /// With the link that confirms a certificate.
    Confirmation,
    /// To a partner: their certificate is in use, or was refused.
    Decision,
    /// To officers: a deadline has passed.
    Escalation,
    /// What was found in a mail to the intake address.
    IntakeReply,
    /// With certificates of people inside.
    Letter,
    /// There is a message in the webmailer.
    Notification,
    /// With the link that sets another password.
    PasswordLink,
    /// To a partner: an officer asks something.
    Question,
    /// A deadline comes near.
    Reminder,
    /// What a partner wrote in the webmailer.
    Reply,
}

impl OutgoingKind {
    const ALL: [Self; 12] = [
        Self::AccountNews,
        Self::AcmeResponse,
        Self::Confirmation,
        Self::Decision,
        Self::Escalation,
        Self::IntakeReply,
        Self::Letter,
        Self::Notification,
        Self::PasswordLink,
        Self::Question,
        Self::Reminder,
        Self::Reply,
    ];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountNews => "account-news",
            Self::AcmeResponse => "acme-response",
            Self::Confirmation => "confirmation",
            Self::Decision => "decision",
            Self::Escalation => "escalation",
            Self::IntakeReply => "intake-reply",
            Self::Letter => "letter",
            Self::Notification => "notification",
            Self::PasswordLink => "password-link",
            Self::Question => "question",
            Self::Reminder => "reminder",
            Self::Reply => "reply",
        }
    }
}

/// A mail to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The envelope's sender; `None` is `<>`.
    pub sender: Option<Address>,
    /// The envelope's recipient.
    pub recipient: Address,
    /// The whole message.
    pub content: Vec<u8>,
    /// What kind of mail it is.
    pub kind: OutgoingKind,
    /// Not to be sent earlier.
    pub not_before: Option<Time>,
    /// The same key again is the same mail, and is not sent again.
    pub key: Option<String>,
}

/// A mail that this worker delivers now.
#[derive(Debug)]
pub struct Leased {
    /// Which one.
    pub id: OutboxId,
    /// The mail.
    pub outgoing: Outgoing,
    /// How often it has been tried before.
    pub attempts: u32,
    lease: String,
    created: Time,
}

/// What becomes of a mail that could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is tried again.
    RetryAt(Time),
    /// It has been tried for five days, and often enough.
    GivenUp,
}

/// How many mails are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxCounts {
    /// Not yet delivered.
    pub waiting: u64,
    /// Being delivered.
    pub leased: u64,
    /// Never delivered.
    pub given_up: u64,
}

impl Directory {
    /// Puts a mail into the outbox.
    pub async fn enqueue(&self, outgoing: Outgoing) -> Result<OutboxId, Error> {
        let id = OutboxId::random()?;
        let mut tx = self.database().begin().await?;
        let kept = add(&mut tx, &self.settings().store_key, id, &outgoing, self.now()).await?;
        match tx.commit().await {
            Ok(()) => Ok(kept),
            // The answer may have been lost on the way (CASES R-06).
            Err(error) => match self.database().fetch_one(sql::OUTBOX_STATE, values![kept.0]).await {
                Ok(Some(_)) => Ok(kept),
                _ => Err(error),
            },
        }
    }

    /// Puts an answer to a mail into the outbox, unless its recipient, or one of `keys`, had as many as they get
    /// (CASES T-74); then there is none. Counted and kept in one transaction, so that what broke off can be done again:
    /// the same key again gives the answer that is there, and counts nothing.
    pub async fn enqueue_answer(&self, outgoing: Outgoing, keys: &[&str]) -> Result<Option<OutboxId>, Error> {
        let (id, now) = (OutboxId::random()?, self.now());
        let mut tx = self.database().begin().await?;
        let known = tx.fetch_one(sql::OUTBOX_BY_KEY, values![outgoing.key.clone()]).await?;
        if let Some(mut row) = known {
            return Ok(Some(OutboxId(row.int()?)));
        }
        let keys: Vec<&str> = keys.iter().copied().chain([outgoing.recipient.key()]).collect();
        match count_attempt(&mut tx, Limit::Reply, &keys, now).await {
            Err(Error::LimitReached { .. }) => return Ok(None),
            counted => drop(counted?),
        }
        let kept = add(&mut tx, &self.settings().store_key, id, &outgoing, now).await?;
        tx.commit().await?;
        Ok(Some(kept))
    }

    /// Takes mails that are due, each for `seconds`.
    pub async fn lease_outbox(&self, worker: &str, limit: u32, seconds: u32) -> Result<Vec<Leased>, Error> {
        let now = self.now();
        let lease = format!("{worker} {}", hex(&crypto::random_array::<16>()?));
        let until = now.plus_seconds(i64::from(seconds));
        let statement =
            if self.database().is_postgres() { sql::LEASE_OUTBOX_POSTGRES } else { sql::LEASE_OUTBOX_SQLITE };
        // CASES R-10: what a clock that was wrong put off further than anything is put off is due now.
        let beyond = now.plus_days(1);
        let mut tx = self.database().begin().await?;
        let rows = tx.fetch(statement, values![now, lease.as_str(), until, limit, beyond]).await?;
        tx.commit().await?;
        rows.into_iter().map(|row| self.read_leased(row, &lease)).collect()
    }

    /// The next hop has it. Its content is removed.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the lease ran out and somebody else has the mail.
    pub async fn delivered(&self, leased: &Leased) -> Result<(), Error> {
        let done = self.finish_lease(leased, "delivered", "").await;
        match done {
            // Said twice, or the first answer was lost: done is done.
            Err(Error::Conflict { .. }) if self.has_state(leased, "delivered").await? => Ok(()),
            done => done,
        }
    }

    /// The next hop did not take it now; it is tried again later, and not at all after five days and twenty tries.
    pub async fn postpone(&self, leased: &Leased, because: &str) -> Result<Disposition, Error> {
        let now = self.now();
        // CASES R-10: a clock that jumps ahead gives nothing up.
        if now >= leased.created.plus_days(5) && leased.attempts >= LEAST_TRIES {
            self.give_up(leased, because).await?;
            return Ok(Disposition::GivenUp);
        }
        let minutes = [1, 2, 5, 10, 20, 40, 60, 120, 240];
        let index = usize::try_from(leased.attempts).unwrap_or(usize::MAX);
        let at = now.plus_seconds(60 * minutes.get(index).copied().unwrap_or(360));
        let values = values![leased.id.0, leased.lease.as_str(), at, clean(because)];
        match self.database().execute(sql::POSTPONE, values).await? {
            0 => Err(lost()),
            _ => Ok(Disposition::RetryAt(at)),
        }
    }

    /// The next hop will never take it. Of a confirmation mail that is in the request's history: whoever waits for the
    /// partner's answer has to know that there will be none.
    pub async fn give_up(&self, leased: &Leased, because: &str) -> Result<(), Error> {
        let Some(id) = confirmed_by(&leased.outgoing) else {
            return self.finish_lease(leased, "given-up", because).await;
        };
        let mut change = self.change().await?;
        let values = values![leased.id.0, leased.lease.as_str(), "given-up", change.now, clean(because)];
        if change.tx.execute(sql::FINISH_OUTBOX, values).await? == 0 {
            return Err(lost());
        }
        let request = change.load(id).await?;
        if request.state() == State::Checked {
            change.store(&request, &Actor::System, "request.confirmation-failed", &clean(because)).await?;
        }
        change.commit().await
    }

    /// Whether a mail with this key was put into the outbox, wherever it is by now.
    pub async fn is_in_outbox(&self, key: &str) -> Result<bool, Error> {
        Ok(self.database().fetch_one(sql::OUTBOX_BY_KEY, values![key]).await?.is_some())
    }

    /// How many mails are where.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, Error> {
        let mut counts = OutboxCounts::default();
        for mut row in self.database().fetch(sql::OUTBOX_COUNTS, values![]).await? {
            let (state, count) = (row.text()?, u64::try_from(row.int()?).unwrap_or(0));
            match state.as_str() {
                "waiting" => counts.waiting = count,
                "leased" => counts.leased = count,
                "given-up" => counts.given_up = count,
                _ => {}
            }
        }
        Ok(counts)
    }

    async fn finish_lease(&self, leased: &Leased, state: &str, because: &str) -> Result<(), Error> {
        let values = values![leased.id.0, leased.lease.as_str(), state, self.now(), clean(because)];
        match self.database().execute(sql::FINISH_OUTBOX, values).await? {
            0 => Err(lost()),
            _ => Ok(()),
        }
    }

    async fn has_state(&self, leased: &Leased, state: &str) -> Result<bool, Error> {
        let Some(mut row) = self.database().fetch_one(sql::OUTBOX_STATE, values![leased.id.0]).await? else {
            return Ok(false);
        };
        Ok(row.text()? == state && row.optional_text()?.as_deref() == Some(leased.lease.as_str()))
    }

    fn read_leased(&self, mut row: Row, lease: &str) -> Result<Leased, Error> {
        let id = OutboxId(row.int()?);
        let kind = row.text()?;
        let kind = OutgoingKind::ALL.into_iter().find(|candidate| candidate.name() == kind);
        let sender = row.optional_text()?.map(|sender| Address::parse(&sender)).transpose().map_err(Error::corrupt)?;
        let recipient = Address::parse(&row.text()?).map_err(Error::corrupt)?;
        let content = open(&self.settings().store_key.0, &context(id), &row.blob()?)?.to_vec();
        let (attempts, created, key) = (row.int()?, row.time()?, row.optional_text()?);
        let outgoing = Outgoing {
            sender,
            recipient,
            content,
            kind: kind.ok_or_else(|| Error::corrupt("a mail of an unknown kind"))?,
            not_before: None,
            key,
        };
        Ok(Leased { id, outgoing, attempts: u32::try_from(attempts).unwrap_or(u32::MAX), lease: lease.into(), created })
    }
}

/// Puts a mail into the outbox within a transaction; the same key again gives the mail that is there.
pub(crate) async fn add(
    tx: &mut Tx,
    store_key: &StoreKey,
    id: OutboxId,
    outgoing: &Outgoing,
    now: Time,
) -> Result<OutboxId, Error> {
    if tx.execute(sql::ADD_OUTBOX, row_of(store_key, id, outgoing, now)?).await? > 0 {
        return Ok(id);
    }
    let existing = tx.fetch_one(sql::OUTBOX_BY_KEY, values![outgoing.key.clone()]).await?;
    Ok(OutboxId(existing.ok_or_else(|| Error::corrupt("a mail in the outbox vanished"))?.int()?))
}

/// The row for [`sql::ADD_OUTBOX`]: its content is sealed.
pub(crate) fn row_of(store_key: &StoreKey, id: OutboxId, outgoing: &Outgoing, now: Time) -> Result<Vec<Value>, Error> {
    let sealed = seal(&store_key.0, &context(id), &outgoing.content)?;
    Ok(values![
        id.0,
        outgoing.key.clone(),
        outgoing.kind.name(),
        outgoing.sender.as_ref().map(Address::to_string),
        outgoing.recipient.to_string(),
        outgoing.recipient.key(),
        sealed,
        outgoing.not_before.unwrap_or(now),
        now
    ])
}

fn context(id: OutboxId) -> Vec<u8> {
    format!("sealpost outbox {id}").into_bytes()
}

/// Tries before a mail is given up, however late it is by the clock: with the pauses between them they take days.
const LEAST_TRIES: u32 = 20;

fn lost() -> Error {
    Error::conflict("the mail is no longer leased to this worker")
}

// What a next hop says is shown to people.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A message on its way through, as its retry will look.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JournalKey(String);

impl JournalKey {
    /// From a digest that somebody else made of envelope and content.
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        Self(digest_of(&["journal digest", &hex(digest)]))
    }

    /// From the envelope and the content's SHA-256. The order of recipients does not matter.
    pub fn of(sender: Option<&Address>, recipients: &[Address], content_sha256: &[u8; 32]) -> Self {
        let mut keys: Vec<&str> = recipients.iter().map(Address::key).collect();
        keys.sort_unstable();
        let content = hex(content_sha256);
        let mut fields = vec!["journal", sender.map_or("<>", Address::key), &content];
        fields.extend(keys);
        Self(digest_of(&fields))
    }
}

impl Directory {
    /// The groups of recipients that have the message already. Of a message that is finished that holds for some minutes:
    /// long enough for a sender that has not heard of it, and after that the same again is another message.
    pub async fn delivered_groups(&self, key: &JournalKey) -> Result<HashSet<String>, Error> {
        let rows = self.database().fetch(sql::JOURNAL, values![key.0.as_str()]).await?;
        let mut groups = HashSet::new();
        for mut row in rows {
            let (group, at) = (row.text()?, row.time()?);
            if group != FINISHED {
                groups.insert(group);
            } else if at < self.now().plus_seconds(-REMEMBERED_SECONDS) {
                self.database().execute(sql::FORGET_DELIVERY, values![key.0.as_str()]).await?;
                return Ok(HashSet::new());
            }
        }
        Ok(groups)
    }

    /// Remembers that a group of recipients has the message.
    pub async fn record_delivery(&self, key: &JournalKey, group: &str) -> Result<(), Error> {
        self.database().execute(sql::ADD_JOURNAL, values![key.0.as_str(), group, self.now()]).await.map(drop)
    }

    /// Forgets who has the message.
    pub async fn forget_delivery(&self, key: &JournalKey) -> Result<(), Error> {
        self.database().execute(sql::FORGET_DELIVERY, values![key.0.as_str()]).await.map(drop)
    }

    /// Remembers that nobody waits for the message any more.
    pub async fn finish_delivery(&self, key: &JournalKey) -> Result<(), Error> {
        self.record_delivery(key, FINISHED).await
    }
}

/// No group is called so: it is no address.
const FINISHED: &str = "";
/// Mail servers come again within a quarter of an hour when they have not heard the answer.
pub(crate) const REMEMBERED_SECONDS: i64 = 20 * 60;
