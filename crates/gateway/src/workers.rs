//! What runs beside the listeners: the outbox is delivered, and the clock of requests goes on.

use std::sync::Arc;
use std::time::Duration;

use asn1::Time;
use directory::{Address, Disposition, Leased, OutgoingKind, Trace, texts};
use pki::Credential;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::book::{Book as _, MessageKey, Unavailable, WebmailerMessage};
use crate::directory_book::DirectoryBook;
use crate::facts::own_ids;
use crate::flow::Shared;
use crate::in_memory;
use crate::mail::unreadable_header;
use crate::smtp::{Class, Envelope, Reply, ReversePath, down};
use crate::{Side, Watch, incoming, trace};

/// Delivers what is in the outbox until `shutdown` says true; then ends what it has begun (CASES R-16).
pub(crate) async fn deliver_outbox(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let pause = Duration::from_secs(shared.settings.outbox_seconds.max(1));
    loop {
        let leased = shared.book.directory().lease_outbox(&shared.settings.worker, AT_ONCE, LEASE_SECONDS).await;
        let full = match leased {
            Ok(leased) => {
                let full = leased.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
                let mut running = JoinSet::new();
                leased.into_iter().for_each(|mail| _ = running.spawn(deliver(Arc::clone(&shared), mail)));
                while running.join_next().await.is_some() {}
                full
            }
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be asked");
                false
            }
        };
        if *shutdown.borrow() {
            return;
        }
        if !full {
            tokio::select! {
                biased;
                () = down(&mut shutdown) => return,
                () = shared.book.wake().notified() => {}
                () = sleep(pause) => {}
            }
        }
    }
}

/// Reminders, escalations, what has run out: every minute, in one of the processes that share the directory.
pub(crate) async fn keep_schedule(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let pause = Duration::from_secs(shared.settings.schedule_seconds.max(1));
    loop {
        match shared.book.directory().run_schedule(&shared.settings.worker).await {
            Ok(report) if report.reminders + report.escalations + report.expired > 0 => {
                tracing::info!(?report, "deadlines were looked at");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "deadlines cannot be looked at"),
        }
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = sleep(pause) => {}
        }
    }
}

/// Bodies that no message in the webmailer has are removed, every hour; whoever does it again finds nothing.
pub(crate) async fn sweep(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let Some(store) = shared.book.store() else { return };
    loop {
        match shared.book.directory().sweep_bodies(store, ORPHAN_SECONDS).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "bodies that no message has were removed"),
            Err(error) => tracing::error!(%error, "bodies that no message has cannot be looked for"),
        }
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = sleep(SWEEP_PAUSE) => {}
        }
    }
}

/// Keeps what was decided about messages, many at a time: a commit for each would cost more than the message.
pub(crate) async fn keep_traces(
    shared: Arc<Shared<DirectoryBook>>,
    mut traces: mpsc::Receiver<Vec<Trace>>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        let mut batch = Vec::new();
        let ended = tokio::select! {
            biased;
            count = traces.recv_many(&mut batch, MOST_TRACES) => count == 0,
            () = down(&mut shutdown) => true,
        };
        let batch: Vec<Trace> = batch.into_iter().flatten().collect();
        if !batch.is_empty()
            && let Err(error) = shared.book.directory().add_traces(&batch).await
        {
            tracing::error!(%error, traces = batch.len(), "what was decided about messages was not kept");
        }
        if ended {
            return;
        }
        // What comes meanwhile is kept together.
        tokio::select! {
            () = sleep(TRACE_PAUSE) => {}
            () = down(&mut shutdown) => {}
        }
    }
}

/// Whether certificates were revoked, every minute for those whose turn it is.
pub(crate) async fn watch_revocation(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    if shared.book.directory().settings().revocation == pki::Revocation::Off {
        return;
    }
    let watch = Watch::sharing(shared.settings.worker.clone(), Arc::clone(&shared.settings.fetcher));
    let pause = Duration::from_secs(shared.settings.schedule_seconds.max(1));
    loop {
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            round = watch.round(shared.book.directory()) => match round {
                Ok(report) if report.looked_at > 0 => tracing::info!(?report, "certificates were looked after"),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "certificates cannot be looked after"),
            },
        }
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = sleep(pause) => {}
        }
    }
}

async fn deliver(shared: Arc<Shared<DirectoryBook>>, mail: Leased) {
    let directory = shared.book.directory();
    let reply = match timeout(ATTEMPT, attempt(&shared, &mail)).await {
        Ok(reply) => reply,
        Err(_) => Reply::new(451, "4.4.2", "the next mail server took too long"),
    };
    let kind = mail.outgoing.kind.name();
    shared.metrics.delivered(kind, reply.class());
    let noted = match reply.class() {
        Class::Positive => {
            tracing::info!(kind, id = %mail.id, "a mail from the outbox was delivered");
            delivered(&shared, &mail).await.map_err(Unavailable::from)
        }
        Class::Transient => {
            tracing::warn!(kind, id = %mail.id, %reply, "a mail from the outbox is tried again later");
            match directory.postpone(&mail, &reply.to_string()).await {
                Ok(Disposition::GivenUp) => tell_writer(&shared, &mail, &reply).await,
                other => other.map(drop).map_err(Unavailable::from),
            }
        }
        Class::Permanent => {
            tracing::error!(kind, id = %mail.id, %reply, "a mail from the outbox was given up");
            // Told first: what is told twice is one message.
            match tell_writer(&shared, &mail, &reply).await {
                Ok(()) => directory.give_up(&mail, &reply.to_string()).await.map_err(Unavailable::from),
                Err(error) => Err(error),
            }
        }
    };
    if let Err(Unavailable { because }) = noted {
        // Its lease runs out, and it is tried once more.
        tracing::error!(kind, id = %mail.id, because, "what became of a mail was not noted");
    }
}

/// Whoever wrote it in the webmailer reads there that it did not arrive (CASES R-08).
async fn tell_writer(shared: &Shared<DirectoryBook>, mail: &Leased, because: &Reply) -> Result<(), Unavailable> {
    let (outgoing, directory) = (&mail.outgoing, shared.book.directory());
    if outgoing.kind != OutgoingKind::Reply || !shared.book.has_webmailer() {
        return Ok(());
    }
    let Ok((header, _)) = mime::Header::parse(&outgoing.content, &mime::Limits::default()) else { return Ok(()) };
    let writer = header.visible_from().ok().and_then(|from| Address::parse(&from.to_string()).ok());
    let Some(writer) = writer else { return Ok(()) };
    // Who has left reads nothing any more.
    let Some(person) = directory.person_at(&writer).await? else { return Ok(()) };
    let (settings, now) = (directory.settings(), directory.now());
    let subject = header.get("Subject").map(mime::Field::text).unwrap_or_default();
    let told = texts::returned(settings, person.language, &outgoing.recipient, &subject, &because.to_string());
    let name = crypto::DigestAlgorithm::Sha256.digest(format!("returned {}", mail.id).as_bytes());
    let key = name.octets().try_into().map_err(|_| Unavailable { because: "a digest has another length".into() })?;
    let message = WebmailerMessage {
        key: MessageKey(key),
        from: settings.notify_from.email().clone(),
        to: writer.email().clone(),
        content: texts::render(settings, &writer, person.language, now, &told)?,
        subject: told.subject,
    };
    shared.book.keep(message).await
}

/// The hop has it: that is said again until the directory has heard, or somebody would get it twice.
async fn delivered(shared: &Shared<DirectoryBook>, mail: &Leased) -> Result<(), directory::Error> {
    let mut waits = [1, 2, 4, 8].into_iter();
    loop {
        match (shared.book.directory().delivered(mail).await, waits.next()) {
            (Err(error), Some(seconds)) if error.is_temporary() => sleep(Duration::from_secs(seconds)).await,
            (done, _) => return done,
        }
    }
}

async fn attempt(shared: &Shared<DirectoryBook>, mail: &Leased) -> Reply {
    let outgoing = &mail.outgoing;
    let inside = shared.book.is_inside(outgoing.recipient.email());
    // What partners write in the webmailer is for people inside, whatever the portal let through.
    if outgoing.kind == OutgoingKind::Reply && !inside {
        return Reply::new(550, "5.7.1", "answers from the webmailer go to people inside only");
    }
    // It is there three times: as it was kept, signed, and on its way.
    let octets = u64::try_from(outgoing.content.len()).unwrap_or(u64::MAX).saturating_mul(3);
    let _room = match shared.room.for_mail(octets, in_memory::PATIENCE).await {
        Ok(room) => room,
        Err(reply) => return reply,
    };
    let content = match outgoing.kind {
        OutgoingKind::Reply => from_partner(shared, &outgoing.content).await,
        _ => sign(shared, mail).await.map_err(Reply::from),
    };
    let content = match content {
        Ok(content) => content,
        Err(reply) => return reply,
    };
    let way = if inside { Side::Inside } else { Side::Outside };
    let mut spool = match shared.spool(&[shared.loop_mark(way).into_bytes(), content].concat()) {
        Ok(spool) => spool,
        Err(reply) => return reply,
    };
    let sender = match &outgoing.sender {
        Some(sender) => ReversePath::from(sender.email().clone()),
        None => ReversePath::null(),
    };
    let envelope = Envelope::new(sender, [outgoing.recipient.email().clone()]);
    let client = if inside { &shared.inside } else { &shared.outside };
    let unanswered = || Reply::new(451, "4.3.0", "the next mail server did not answer for this recipient");
    client.send(&envelope, &mut spool).await.into_iter().next().unwrap_or_else(unanswered)
}

/// What a partner wrote in the webmailer, as it goes to somebody inside: without what only we may say, and known again in
/// what is answered to it, which is not to leave in the clear (CASES T-11, T-30, T-90).
async fn from_partner(shared: &Shared<DirectoryBook>, content: &[u8]) -> Result<Vec<u8>, Reply> {
    let settings = &shared.settings;
    let (mut header, body) =
        mime::Header::parse(content, &mime::Limits::default()).map_err(|error| unreadable_header(&error))?;
    for id in own_ids(&header).0 {
        shared.book.mark_confidential(&id).await?;
    }
    trace::strip_forged(&mut header, &settings.hostname);
    trace::mark_subject(&mut header, &incoming::marks(&settings.incoming), "");
    Ok([&header.to_bytes(), b"\r\n".as_slice(), body].concat())
}

/// The house signs what it writes itself, if it has a key. What is encrypted already, and what others wrote, stays.
async fn sign(shared: &Shared<DirectoryBook>, mail: &Leased) -> Result<Vec<u8>, Unavailable> {
    let content = mail.outgoing.content.clone();
    if matches!(mail.outgoing.kind, OutgoingKind::AcmeResponse | OutgoingKind::Confirmation | OutgoingKind::Reply) {
        return Ok(content);
    }
    let Some(credential) = shared.book.house_credential().await? else { return Ok(content) };
    let now = shared.book.now();
    let signed = tokio::task::spawn_blocking(move || signed(&content, &credential, now)).await;
    signed.map_err(|error| Unavailable { because: error.to_string() })?
}

fn signed(content: &[u8], credential: &Credential, now: Time) -> Result<Vec<u8>, Unavailable> {
    // A key signs for its owner alone (CASES T-84).
    let from = mime::Header::parse(content, &mime::Limits::default()).ok().and_then(|(h, _)| h.visible_from().ok());
    let own = from.and_then(|from| pki::EmailAddress::parse(&from.to_string()).ok());
    if !own.is_some_and(|from| credential.certificate().email_addresses().contains(&from)) {
        return Ok(content.to_vec());
    }
    let signed = smime::Signer::new(credential).and_then(|signer| signer.at(now).sign(content));
    signed.map_err(|error| Unavailable { because: error.to_string() })
}

/// How old a body without a message must be, and how often they are looked for.
const ORPHAN_SECONDS: u64 = 86_400;
const SWEEP_PAUSE: Duration = Duration::from_secs(3_600);
const MOST_TRACES: usize = 500;
const TRACE_PAUSE: Duration = Duration::from_millis(200);
/// Mails delivered at the same time, how long they belong to this worker, and how long one may take: less than that.
const AT_ONCE: u32 = 16;
const LEASE_SECONDS: u32 = 300;
const ATTEMPT: Duration = Duration::from_secs(240);

#[cfg(test)]
mod tests {
    use crypto::KeyKind;
    use testkit::TestPki;

    use super::*;

    #[test]
    fn t_84_the_key_of_the_house_signs_what_the_house_says_alone() {
        let house = TestPki::shared().person("house@inside.example", KeyKind::P256).credential;
        let now = testkit::now();
        let mail = |from: &str| format!("From: {from}\r\nTo: bob@outside.example\r\nSubject: x\r\n\r\ntext\r\n");
        let own = mail("house@inside.example");
        assert_ne!(signed(own.as_bytes(), &house, now).unwrap(), own.as_bytes());
        for from in ["alice@inside.example", "house@inside.example, alice@inside.example", ""] {
            let other = mail(from);
            assert_eq!(signed(other.as_bytes(), &house, now).unwrap(), other.as_bytes(), "{from}");
        }
    }
}
