use asn1::Time;

use crate::database::{Row, Tx, values};
use crate::requests::stored_address;
use crate::sealing::{open, seal};
use crate::{
    Address, BodyId, Directory, Error, MessageId, MessageStore, OutboxId, Outgoing, outbox, statements as sql,
};

/// Where a message in the webmailer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folder {
    /// Begun by the partner, and sent to nobody yet.
    Drafts,
    /// Written to the partner.
    Inbox,
    /// Written by the partner.
    Sent,
}

impl Folder {
    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drafts => "drafts",
            Self::Inbox => "inbox",
            Self::Sent => "sent",
        }
    }
}

/// A message to be put into the webmailer; its body is in the [`MessageStore`](crate::MessageStore) already.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Whose webmailer.
    pub partner: Address,
    /// Where.
    pub folder: Folder,
    /// Who wrote to the partner, or whom the partner wrote to.
    pub correspondent: Address,
    /// The subject.
    pub subject: String,
    /// The body.
    pub body: BodyId,
    /// How long it is.
    pub bytes: u64,
}

/// A message in the webmailer, without its body.
#[derive(Debug, Clone)]
pub struct Message {
    /// Which one.
    pub id: MessageId,
    /// Whose webmailer.
    pub partner: String,
    /// Where.
    pub folder: Folder,
    /// Who wrote to the partner, or whom the partner wrote to.
    pub correspondent: Address,
    /// The subject.
    pub subject: String,
    /// The body.
    pub body: BodyId,
    /// How long it is.
    pub bytes: u64,
    /// When it came.
    pub at: Time,
    /// When it was read first.
    pub read: Option<Time>,
}

impl Directory {
    /// Puts a message into the webmailer.
    pub async fn add_message(&self, new: &NewMessage) -> Result<MessageId, Error> {
        let mut tx = self.database().begin().await?;
        let id = self.insert_message(&mut tx, new).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Puts a message into the webmailer together with the mail that says so, in one transaction. The mail's key names
    /// the message: the same again within some minutes is `None`, and its body is not needed. Later it is another message:
    /// devices send the same every day.
    pub async fn add_message_once(
        &self,
        new: &NewMessage,
        notification: &Outgoing,
    ) -> Result<Option<MessageId>, Error> {
        self.add_with_mail(new, notification, true).await
    }

    /// What a partner wrote, in "sent" and on its way, in one transaction. The same key again is the same letter however
    /// late it comes, is not sent again, and is `None`; its body is not needed.
    pub async fn send_message_once(&self, new: &NewMessage, letter: &Outgoing) -> Result<Option<MessageId>, Error> {
        self.add_with_mail(new, letter, false).await
    }

    async fn add_with_mail(
        &self,
        new: &NewMessage,
        mail: &Outgoing,
        free_key: bool,
    ) -> Result<Option<MessageId>, Error> {
        let mail_id = OutboxId::random()?;
        let mut tx = self.database().begin().await?;
        // Devices send the same every day, down to its Message-ID: long after a retry would have come it is another message.
        let long_ago = self.now().plus_seconds(-outbox::REMEMBERED_SECONDS);
        if free_key {
            tx.execute(sql::FREE_OUTBOX_KEY, values![mail.key.clone(), long_ago]).await?;
        }
        let kept = outbox::add(&mut tx, &self.settings().store_key, mail_id, mail, self.now()).await?;
        if kept != mail_id {
            return Ok(None);
        }
        let id = self.insert_message(&mut tx, new).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    async fn insert_message(&self, tx: &mut Tx, new: &NewMessage) -> Result<MessageId, Error> {
        let id = MessageId::random()?;
        let subject = seal(&self.settings().store_key.0, &context(id), new.subject.as_bytes())?;
        let row = values![
            id.0,
            new.partner.key(),
            new.folder.name(),
            new.correspondent.to_string(),
            subject,
            new.body.to_string(),
            i64::try_from(new.bytes).unwrap_or(i64::MAX),
            self.now()
        ];
        tx.execute(sql::ADD_MESSAGE, row).await?;
        Ok(id)
    }

    /// A partner's messages, newest first.
    pub async fn messages(&self, partner: &Address, folder: Folder, limit: u32) -> Result<Vec<Message>, Error> {
        let rows = self.database().fetch(sql::MESSAGES, values![partner.key(), folder.name(), limit]).await?;
        rows.into_iter().map(|row| self.read_message(row)).collect()
    }

    /// One message of this partner: somebody else's does not exist for them (CASES T-103).
    pub async fn message(&self, partner: &Address, id: MessageId) -> Result<Option<Message>, Error> {
        let row = self.database().fetch_one(sql::MESSAGE, values![partner.key(), id.0]).await?;
        row.map(|row| self.read_message(row)).transpose()
    }

    /// The partner has read it.
    pub async fn mark_read(&self, partner: &Address, id: MessageId) -> Result<(), Error> {
        self.database().execute(sql::MARK_READ, values![partner.key(), id.0, self.now()]).await.map(drop)
    }

    /// How many messages a partner has not read.
    pub async fn unread(&self, partner: &Address) -> Result<u64, Error> {
        let row = self.database().fetch_one(sql::COUNT_UNREAD, values![partner.key()]).await?;
        let count = row.ok_or_else(|| Error::corrupt("a count is missing"))?.int()?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes a message of this partner; gives the body that is to be removed from the store.
    pub async fn delete_message(&self, partner: &Address, id: MessageId) -> Result<Option<BodyId>, Error> {
        let mut tx = self.database().begin().await?;
        let row = tx.fetch_one(sql::DELETE_MESSAGE, values![partner.key(), id.0]).await?;
        tx.commit().await?;
        row.map(|mut row| row.text()?.parse()).transpose()
    }

    /// Removes bodies that no message has: what is left when a commit failed, or its answer was lost (CASES R-06).
    /// Only those are looked at that were put there so many seconds ago or more: no transaction is open that long.
    pub async fn sweep_bodies(&self, store: &MessageStore, older_than: u64) -> Result<u64, Error> {
        let mut removed = 0;
        for body in store.older_than(std::time::Duration::from_secs(older_than)).await? {
            if self.database().fetch_one(sql::MESSAGE_WITH_BODY, values![body.to_string()]).await?.is_none() {
                store.remove(body).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn read_message(&self, mut row: Row) -> Result<Message, Error> {
        let id = MessageId(row.int()?);
        let partner = row.text()?;
        let folder = match row.text()?.as_str() {
            "drafts" => Folder::Drafts,
            "inbox" => Folder::Inbox,
            "sent" => Folder::Sent,
            _ => return Err(Error::corrupt(format_args!("message {id}: an unknown folder"))),
        };
        let correspondent = stored_address(&row.text()?)?;
        let subject = open(&self.settings().store_key.0, &context(id), &row.blob()?)?;
        Ok(Message {
            id,
            partner,
            folder,
            correspondent,
            subject: String::from_utf8_lossy(&subject).into_owned(),
            body: row.text()?.parse()?,
            bytes: u64::try_from(row.int()?).unwrap_or(0),
            at: row.time()?,
            read: row.optional_time()?,
        })
    }
}

fn context(id: MessageId) -> Vec<u8> {
    format!("sealpost message subject {id}").into_bytes()
}

/// To find the message of a body.
pub(crate) const INDEXES: &[&str] = &["CREATE INDEX messages_by_body ON messages (body)"];
