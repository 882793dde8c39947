//! What a listener does with a message: read it, have it planned, transformed, and given to the next hop.

pub(crate) mod filter;
mod inward;
mod outward;

use std::io::{BufRead as _, Read as _, Write as _};
use std::panic::AssertUnwindSafe;

use cms::{Spool, SpoolLimits};
use crypto::DigestAlgorithm;
use directory::{Address, Trace};
use futures_util::FutureExt as _;
use mime::Header;
use pki::EmailAddress;
use tokio::sync::OwnedSemaphorePermit;

use crate::book::{Book, IntakeMail, MessageKey, Unavailable};
use crate::connector::{self, Standing};
use crate::facts::Facts;
use crate::in_memory::{self, Room};
use crate::inquiry::Deferred;
use crate::mail::{Mail, Rewritten, broke_off, read_header, unreadable_header, unreadable_spool};
use crate::metrics::Metrics;
use crate::returned::{self, Returned};
use crate::smtp::{Class, Client, Content, Envelope, Peer, Recipient, Reply, Service};
use crate::{Settings, Side, incoming, trace};

/// What all listeners and workers have in common.
#[derive(Debug)]
pub(crate) struct Shared<B> {
    pub(crate) settings: Settings,
    pub(crate) metrics: std::sync::Arc<Metrics>,
    pub(crate) book: B,
    /// For mails that are needed whole.
    pub(crate) room: Room,
    /// Mails that wait for what is fetched about their signers.
    pub(crate) deferred: Deferred,
    pub(crate) inside: Client,
    pub(crate) outside: Client,
}

/// One side's service.
#[derive(Debug)]
pub(crate) struct Way<B> {
    pub(crate) side: Side,
    /// What mail must carry to be taken here.
    pub(crate) ticket: Option<String>,
    pub(crate) shared: std::sync::Arc<Shared<B>>,
}

impl<B: Book> Service for Way<B> {
    async fn recipient(&self, _: &Peer, _: &Envelope, to: &Recipient) -> Result<(), Reply> {
        // CASES T-83: nothing comes in that some server behind us would route out again.
        if to.to.routes() {
            return Err(Reply::new(550, "5.7.1", "addresses inside addresses are not taken"));
        }
        match self.side {
            Side::Outside if !self.shared.book.is_inside(to.to.mailbox()) => {
                Err(Reply::new(550, "5.7.1", "mail for this domain is not taken here"))
            }
            _ => Ok(()),
        }
    }

    async fn message(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> Vec<Reply> {
        // CASES R-14: a message that something breaks over is held, and nothing else is.
        let taken = self.shared.take(self.side, self.ticket.as_deref(), peer, envelope, content);
        let result = AssertUnwindSafe(taken).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(from = %envelope.from, "the work on a message broke off; this is a defect, please report it");
            Err(broke_off())
        });
        let replies = result.unwrap_or_else(|reply| vec![reply; envelope.recipients.len()]);
        self.shared.metrics.answered(self.side, &replies);
        replies
    }

    async fn authenticate(&self, peer: &Peer, name: &str, password: &str) -> Result<bool, Reply> {
        self.shared.book.authenticate(name, password, peer.address).await
    }
}

impl From<Unavailable> for Reply {
    fn from(error: Unavailable) -> Self {
        tracing::error!(because = %error.because, "the directory cannot be asked");
        Self::new(451, "4.3.0", "the directory cannot be asked now; the mail is kept and tried again")
    }
}

impl<B: Book> Shared<B> {
    async fn take(
        &self,
        side: Side,
        ticket: Option<&str>,
        peer: &Peer,
        envelope: &Envelope,
        content: Spool,
    ) -> Result<Vec<Reply>, Reply> {
        let mark = self.settings.loop_mark.as_ref();
        let (mail, standing) = connector::admit(Mail::new(content), side, ticket, mark, self.spool_limits()).await?;
        let facts = read(peer, envelope, &mut *mail.lock().await)?;
        if standing == Standing::Returned {
            return self.pass_on(side, peer, envelope, mail, &facts).await;
        }
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        let everybody = envelope.recipients.iter().cloned().enumerate();
        let (intake, others): (Vec<_>, Vec<_>) =
            everybody.partition(|(_, recipient)| self.book.is_intake(recipient.to.mailbox()));
        if !intake.is_empty() {
            let taken = self.take_in(envelope, &mail, &facts).await;
            let reply = taken.map_or_else(|reply| reply, |()| Reply::ok("taken in"));
            intake.iter().for_each(|(index, _)| set(&mut replies, *index, reply.clone()));
        }
        let others = match side {
            Side::Outside if crate::acme::may_be_challenge(&facts) => {
                self.answered(others, &mail, &mut replies).await?
            }
            _ => others,
        };
        if others.is_empty() {
            return Ok(replies);
        }
        let (indexes, others): (Vec<usize>, Vec<Recipient>) = others.into_iter().unzip();
        let envelope = envelope.with_recipients(others);
        let answers = match side {
            Side::Inside => self.outward(peer, &envelope, mail, facts).await,
            Side::Outside => self.inward(peer, &envelope, mail, facts).await,
        };
        // What fails for these does not undo what was answered for the intake address.
        let answers = answers.unwrap_or_else(|reply| vec![reply; indexes.len()]);
        indexes.into_iter().zip(answers).for_each(|(index, answer)| set(&mut replies, index, answer));
        Ok(replies)
    }

    /// Answers the challenge of a CA for those whom it concerns; gives the others, for whom it is a mail like any.
    async fn answered(
        &self,
        recipients: Vec<(usize, Recipient)>,
        mail: &Mail,
        replies: &mut [Reply],
    ) -> Result<Vec<(usize, Recipient)>, Reply> {
        let _room = self.room_for(mail).await?;
        let content = whole(mail).await?;
        let mut others = Vec::new();
        for (index, recipient) in recipients {
            match self.book.answer_challenge(recipient.to.mailbox(), &content).await {
                Ok(true) => set(replies, index, Reply::ok("taken in")),
                Ok(false) => others.push((index, recipient)),
                Err(reply) => set(replies, index, reply),
            }
        }
        Ok(others)
    }

    /// What we have had already goes on as it is: the mail server's rule was to keep it from us. From outside only what
    /// we say of it is taken out: the mark is on mail that people inside can read and pass on (CASES T-11, T-90).
    async fn pass_on(
        &self,
        side: Side,
        peer: &Peer,
        envelope: &Envelope,
        mail: Mail,
        facts: &Facts,
    ) -> Result<Vec<Reply>, Reply> {
        if facts.hops > crate::decide::MOST_HOPS {
            return Err(Reply::new(554, "5.4.6", "the message goes round in circles"));
        }
        tracing::warn!("a mail came back with our loop mark; the mail server's rule should keep it from us");
        let key = message_key(envelope, &mail).await?;
        let done = self.delivered(envelope, &key).await?;
        let mut replies = vec![unhandled(); envelope.recipients.len()];
        let everybody: Vec<(usize, Recipient)> = envelope.recipients.iter().cloned().enumerate().collect();
        let (had, left): (Vec<_>, Vec<_>) =
            everybody.iter().partition(|(_, recipient)| done.contains(&recipient.to.mailbox().canonical()));
        had.iter().for_each(|(index, _)| set(&mut replies, *index, delivered_before()));
        let (inside, outside): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, recipient)| self.book.is_inside(recipient.to.mailbox()));
        for (client, to) in [(&self.inside, inside), (&self.outside, outside)] {
            let message = &mut Rewritten::default();
            if side == Side::Outside {
                let mut header = read_header(&mut *mail.lock().await)?;
                let skip = header.octets_read();
                trace::strip_forged(&mut header, &self.settings.hostname);
                trace::mark_subject(&mut header, &incoming::marks(&self.settings.incoming), "");
                *message = Rewritten::with_header(&header, skip, None);
            }
            let copy = Copy { client, peer, envelope, mail: &mail, message, to: &to, key: &key, decrypted: false };
            self.send(copy, &mut replies).await;
        }
        let detail = serde_json::json!({ "rule": "loop mark", "action": "untouched" });
        self.trace(envelope, facts, &vec![detail; replies.len()], &replies);
        Ok(replies)
    }

    pub(crate) async fn take_in(&self, envelope: &Envelope, mail: &Mail, facts: &Facts) -> Result<(), Reply> {
        let key = message_key(envelope, mail).await?;
        let _room = self.room_for(mail).await?;
        let content = whole(mail).await?;
        self.book.take_in(IntakeMail { key, facts: facts.clone(), content }).await
    }

    /// The messages that a mail has in it.
    async fn returned(mail: &Mail) -> Result<Returned, Reply> {
        let mut spool = mail.lock().await;
        if spool.len() <= SMALL {
            return returned::look_into(&mut spool);
        }
        drop(spool);
        mail.work(returned::look_into).await
    }

    pub(super) async fn room_for(&self, mail: &Mail) -> Result<OwnedSemaphorePermit, Reply> {
        let octets = mail.lock().await.len();
        self.room.for_mail(octets, in_memory::PATIENCE).await
    }

    /// Sends one copy to those of a group whose way is this hop's.
    async fn send(&self, copy: Copy<'_>, replies: &mut [Reply]) {
        let Copy { client, peer, envelope, mail, message, to, key, decrypted } = copy;
        if to.is_empty() {
            return;
        }
        let mut head = trace::received(peer, &self.settings.hostname, self.book.now()).raw().to_vec();
        let way = if std::ptr::eq(client, &self.inside) { Side::Inside } else { Side::Outside };
        head.splice(0..0, self.loop_mark(way).into_bytes());
        head.extend_from_slice(&message.head);
        let mut original;
        let spool = match &mut message.content {
            Some(spool) => spool,
            None => {
                original = mail.lock().await;
                &mut *original
            }
        };
        let part = envelope.with_recipients(to.iter().map(|(_, recipient)| recipient.clone()).collect());
        let part = if decrypted { part.returning_nothing() } else { part };
        let answers = client.send_content(&part, &mut Content { head, spool, skip: message.skip }).await;
        for ((index, recipient), answer) in to.iter().zip(answers) {
            calmly(self.note_delivery(envelope, key, recipient, &answer)).await;
            set(replies, *index, answer);
        }
    }

    /// Whoever has it is remembered while others of the message's recipients have not: a journal that cannot be written
    /// costs a second copy, never the mail.
    async fn note_delivery(&self, envelope: &Envelope, key: &MessageKey, recipient: &Recipient, answer: &Reply) {
        if answer.is_positive()
            && envelope.recipients.len() > 1
            && let Err(error) = self.book.record_delivery(key, recipient.to.mailbox()).await
        {
            tracing::error!(because = %error.because, "a delivery was not recorded");
        }
    }

    /// What stands before every mail that leaves us, if something does. On mail that carries it already it is there
    /// twice, which changes nothing for whoever looks for it.
    pub(crate) fn loop_mark(&self, to: Side) -> String {
        self.settings.loop_mark.as_ref().map(|mark| mark.line(to)).unwrap_or_default()
    }

    /// Who has the message already. A message with one recipient is whole or not at all: nothing is remembered of it.
    async fn delivered(
        &self,
        envelope: &Envelope,
        key: &MessageKey,
    ) -> Result<std::collections::HashSet<String>, Unavailable> {
        if envelope.recipients.len() > 1 { self.book.delivered(key).await } else { Ok(Default::default()) }
    }

    /// What everybody has got, or never will, is no retry when it comes again later: devices send the same every day.
    async fn finish(&self, envelope: &Envelope, key: &MessageKey, replies: &[Reply]) {
        if envelope.recipients.len() < 2 || replies.iter().any(|reply| reply.class() == Class::Transient) {
            return;
        }
        if let Err(error) = self.book.finish_delivery(key).await {
            tracing::error!(because = %error.because, "that a message is finished was not recorded");
        }
    }

    /// Keeps for each recipient what was decided and what was answered.
    fn trace(&self, envelope: &Envelope, facts: &Facts, details: &[serde_json::Value], replies: &[Reply]) {
        let address = |address: &EmailAddress| Address::from_email(address.clone()).ok();
        let each = envelope.recipients.iter().zip(details).zip(replies).filter_map(|((recipient, detail), reply)| {
            let mut detail = detail.clone();
            if let Some(fields) = detail.as_object_mut() {
                fields.insert("answer".into(), reply.to_string().into());
                fields.insert("bytes".into(), facts.bytes.into());
            }
            Some(Trace {
                message_id: facts.message_id.clone(),
                sender: facts.sender().and_then(address),
                recipient: address(recipient.to.mailbox())?,
                at: self.book.now(),
                detail,
                queue_ids: [facts.queue_id.clone(), queue_id_of(reply)],
            })
        });
        self.book.trace(each.collect());
    }

    /// What protection makes of a message: text that becomes base64 twice over is larger by far.
    fn spool_limits(&self) -> SpoolLimits {
        let total = self.settings.limits.message_bytes.saturating_mul(8);
        let memory = self.settings.limits.memory_bytes;
        SpoolLimits { memory, total, ..SpoolLimits::in_folder(&self.settings.spool_folder) }
    }

    /// CASES T-53: what is taken off a message makes it smaller, or a little larger when it was compressed.
    fn opened_limits(&self) -> SpoolLimits {
        SpoolLimits { total: self.settings.limits.message_bytes.saturating_mul(2), ..self.spool_limits() }
    }

    pub(crate) fn spool(&self, mail: &[u8]) -> Result<Spool, Reply> {
        let mut spool = Spool::new(self.spool_limits());
        spool.write_all(mail).map_err(|_| Reply::new(452, "4.3.1", "the message cannot be stored now"))?;
        Ok(spool)
    }
}

/// One copy of a message on its way to one hop.
struct Copy<'a> {
    client: &'a Client,
    peer: &'a Peer,
    envelope: &'a Envelope,
    /// As it came.
    mail: &'a Mail,
    message: &'a mut Rewritten,
    to: &'a [&'a (usize, Recipient)],
    key: &'a MessageKey,
    /// It came encrypted and is not any more.
    decrypted: bool,
}

/// What comes behind the next hop's answer changes nothing about it: where it breaks off the answer stands, or the mail
/// would be delivered again with each try.
async fn calmly(work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        tracing::error!("the work behind a delivery broke off; this is a defect, please report it");
    }
}

async fn whole(mail: &Mail) -> Result<Vec<u8>, Reply> {
    let mut content = Vec::new();
    let mut spool = mail.lock().await;
    spool.reader().and_then(|mut reader| reader.read_to_end(&mut content)).map_err(|_| unreadable_spool())?;
    Ok(content)
}

/// What the next hop calls the mail: Postfix, Exim and Exchange say it like this or nearly so.
fn queue_id_of(reply: &Reply) -> Option<String> {
    let (_, rest) = reply.text().split_once("queued as ").filter(|_| reply.is_positive())?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect();
    (!id.is_empty()).then_some(id)
}

fn set(replies: &mut [Reply], index: usize, reply: Reply) {
    if let Some(place) = replies.get_mut(index) {
        *place = reply;
    }
}

fn unhandled() -> Reply {
    Reply::new(451, "4.3.0", "the message was not handled")
}

fn delivered_before() -> Reply {
    Reply::new(250, "2.1.5", "delivered before")
}

/// Looks at a message's header and at the beginning of its body.
pub(crate) fn read(peer: &Peer, envelope: &Envelope, content: &mut Spool) -> Result<Facts, Reply> {
    let mut reader = content.reader().map_err(|_| unreadable_spool())?;
    let header = Header::read(&mut reader, &mime::Limits::default()).map_err(|error| unreadable_header(&error))?;
    let mut beginning = Vec::new();
    reader.take(4_096).read_to_end(&mut beginning).map_err(|_| unreadable_spool())?;
    Ok(Facts::of(envelope, peer, &header, &beginning, content))
}

/// The same envelope with the same content is a retry. Each part is preceded by its length, so that no two different
/// envelopes are one text.
async fn message_key(envelope: &Envelope, mail: &Mail) -> Result<MessageKey, Reply> {
    let mut hasher = crypto::Hasher::new(DigestAlgorithm::Sha256);
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
    let mut add = |part: &[u8]| {
        hasher.update(&length(part.len()));
        hasher.update(part);
    };
    add(envelope.from.as_str().as_bytes());
    for recipient in &envelope.recipients {
        add(recipient.to.mailbox().canonical().as_bytes());
    }
    add(b"");
    let mut spool = mail.lock().await;
    hasher.update(&spool.len().to_be_bytes());
    let hasher = if spool.len() <= SMALL {
        hash(hasher, &mut spool)?
    } else {
        drop(spool);
        mail.work(|spool| hash(hasher, spool)).await?
    };
    let digest = hasher.finish();
    let mut key = [0; 32];
    key.copy_from_slice(digest.octets().get(..32).unwrap_or(&[0; 32]));
    Ok(MessageKey(key))
}

/// What is hashed in less time than handing it to another thread takes.
const SMALL: u64 = 256 * 1024;

fn hash(mut hasher: crypto::Hasher, spool: &mut Spool) -> Result<crypto::Hasher, Reply> {
    let mut reader = spool.reader().map_err(|_| unreadable_spool())?;
    loop {
        let piece = reader.fill_buf().map_err(|_| unreadable_spool())?;
        if piece.is_empty() {
            return Ok(hasher);
        }
        hasher.update(piece);
        let length = piece.len();
        reader.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r_14_what_breaks_behind_an_answer_leaves_it_as_it_is() {
        let mut went_on = false;
        calmly(async { panic!("a defect") }).await;
        calmly(async { went_on = true }).await;
        assert!(went_on);
    }
}
