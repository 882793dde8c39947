//! What was decided about each message, and why, without its content; and which conversations were confidential.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use asn1::Time;
use serde_json::Value;

use crate::audit::digest_of;
use crate::database::{Row, values};
use crate::{Address, Directory, Error, statements as sql};

/// What was decided about a message for one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The Message-ID, as it stands in the message.
    pub message_id: String,
    /// Who sent it; `None` is `<>`, or nobody that can be named.
    pub sender: Option<Address>,
    /// For whom it was.
    pub recipient: Address,
    /// When.
    pub at: Time,
    /// Rule, certificates, algorithms, verdict, answer: whatever explains it.
    pub detail: Value,
    /// Its name in the queue of the mail server before us, and in that of the one after.
    pub queue_ids: [Option<String>; 2],
}

/// What was decided on one day about mail that leaves the house, one for each recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceCounts {
    /// Its beginning, UTC.
    pub day: Time,
    /// Signed, and maybe encrypted.
    pub signed: u64,
    /// Encrypted, for a certificate or into the webmailer.
    pub encrypted: u64,
    /// Held or refused, however often the mail server tried.
    pub stopped: u64,
    /// All of it.
    pub all: u64,
}

impl Directory {
    /// Keeps traces, all or none of them. They are forgotten after 14 days (CASES S-73).
    pub async fn add_traces(&self, traces: &[Trace]) -> Result<(), Error> {
        let mut tx = self.database().begin().await?;
        for trace in traces {
            let row = values![
                ordered_id(trace.at)?,
                name_of(&trace.message_id),
                trace.message_id.chars().take(250).collect::<String>(),
                trace.sender.as_ref().map(ToString::to_string),
                trace.sender.as_ref().map(|sender| sender.key().to_owned()),
                trace.recipient.to_string(),
                trace.recipient.key(),
                trace.at,
                trace.detail.to_string(),
                trace.queue_ids[0].as_deref().map(shortened),
                trace.queue_ids[1].as_deref().map(shortened)
            ];
            tx.execute(sql::ADD_TRACE, row).await?;
        }
        tx.commit().await
    }

    /// The traces of a message, oldest first: by its Message-ID, with or without angle brackets, or by its name in the
    /// queue of the mail server before or after us.
    pub async fn traces(&self, id: &str) -> Result<Vec<Trace>, Error> {
        let rows = self.database().fetch(sql::TRACES, values![name_of(id), shortened(id.trim())]).await?;
        rows.into_iter().map(read).collect()
    }

    /// The latest traces of messages from or to a mailbox, newest first.
    pub async fn traces_of(&self, address: &Address, limit: u32) -> Result<Vec<Trace>, Error> {
        let rows = self.database().fetch(sql::TRACES_OF, values![address.key(), limit]).await?;
        rows.into_iter().map(read).collect()
    }

    /// How much mail was protected, day by day, the oldest day first; days without mail are missing.
    pub async fn trace_counts(&self, since: Time) -> Result<Vec<TraceCounts>, Error> {
        let rows = self.database().fetch(sql::TRACE_COUNTS, values![since]).await?;
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        rows.into_iter()
            .map(|mut row| {
                let counts = TraceCounts {
                    day: row.time()?,
                    signed: number(row.int()?),
                    encrypted: number(row.int()?),
                    stopped: number(row.int()?),
                    all: 0,
                };
                Ok(TraceCounts { all: counts.stopped + number(row.int()?), ..counts })
            })
            .collect()
    }

    /// Remembers that the message with this Message-ID came encrypted: what refers to it must not leave in the clear
    /// (CASES T-29, T-30). Only a digest of it is kept.
    pub async fn mark_confidential(&self, message_id: &str) -> Result<(), Error> {
        self.database().execute(sql::MARK_CONFIDENTIAL, values![name_of(message_id), self.now()]).await.map(drop)
    }

    /// Whether one of these messages came encrypted.
    pub async fn is_confidential(&self, message_ids: &[&str]) -> Result<bool, Error> {
        for some in message_ids.chunks(AT_ONCE) {
            // The statement has so many places; what is left over names the last one again.
            let names = some.iter().chain(some.last().into_iter().cycle()).take(AT_ONCE);
            let names = names.map(|message_id| crate::database::Value::from(name_of(message_id))).collect();
            if self.database().fetch_one(sql::CONFIDENTIAL, names).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Messages that are asked about with one statement.
const AT_ONCE: usize = 8;

/// Numbers that grow within a second as well: what was decided later stands later.
fn ordered_id(at: Time) -> Result<i64, Error> {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    // Processes that share the directory do not begin at the same number.
    let random = u32::from_be_bytes(crypto::random_array()?);
    let next = NEXT.get_or_init(|| AtomicU32::new(random >> 13)).fetch_add(1, Ordering::Relaxed);
    let within = (i64::from(next & 0xF_FFFF) << 10) | i64::from(random & 0x3FF);
    Ok((at.to_unix().clamp(0, 1 << 32) << 30) | within)
}

fn name_of(message_id: &str) -> String {
    digest_of(&["message-id", message_id.trim().trim_start_matches('<').trim_end_matches('>')])
}

/// Longer than the queue id of any mail server.
fn shortened(queue_id: &str) -> String {
    queue_id.chars().take(100).collect()
}

fn read(mut row: Row) -> Result<Trace, Error> {
    let (message_id, sender, recipient) = (row.text()?, row.optional_text()?, row.text()?);
    Ok(Trace {
        message_id,
        sender: sender.map(|sender| Address::parse(&sender)).transpose().map_err(Error::corrupt)?,
        recipient: Address::parse(&recipient).map_err(Error::corrupt)?,
        at: row.time()?,
        detail: serde_json::from_str(&row.text()?).map_err(Error::corrupt)?,
        queue_ids: [row.optional_text()?, row.optional_text()?],
    })
}

/// To find those of a mailbox.
pub(crate) const INDEXES: &[&str] = &[
    "CREATE INDEX traces_of_recipient ON traces (recipient_key, at)",
    "CREATE INDEX traces_of_sender ON traces (sender_key, at)",
];

/// To find those of a queue id.
pub(crate) const QUEUE_IDS: &[&str] = &[
    "ALTER TABLE traces ADD COLUMN queue_before TEXT",
    "ALTER TABLE traces ADD COLUMN queue_after TEXT",
    "CREATE INDEX traces_by_queue_before ON traces (queue_before)",
    "CREATE INDEX traces_by_queue_after ON traces (queue_after)",
];

/// The schema of this.
pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE traces (
        id BIGINT PRIMARY KEY, message TEXT NOT NULL, message_id TEXT NOT NULL, sender TEXT, sender_key TEXT,
        recipient TEXT NOT NULL, recipient_key TEXT NOT NULL, at BIGINT NOT NULL, detail TEXT NOT NULL)",
    "CREATE INDEX traces_of_message ON traces (message, at)",
    "CREATE INDEX traces_by_time ON traces (at)",
    "CREATE TABLE confidential_messages (message TEXT PRIMARY KEY, at BIGINT NOT NULL)",
];
