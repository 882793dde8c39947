//! A mailbox that certificates are sent to, watched by IMAP where that mail does not come by here.
//!
//! What is in it goes through the same code as mail that comes by SMTP. Of several processes one watches; a message that
//! was taken in is remembered by the mailbox's UIDVALIDITY and the message's UID, then moved away or marked, so that
//! whatever breaks off in between leads to nothing twice.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_imap::Session;
use async_imap::extensions::idle::IdleResponse;
use cms::Spool;
use crypto::DigestAlgorithm;
use directory::JournalKey;
use futures_util::{FutureExt as _, TryStreamExt as _};
use mime::Header;
use pki::EmailAddress;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::directory_book::DirectoryBook;
use crate::flow::{Shared, read};
use crate::intake::too_many;
use crate::mail::{Mail, broke_off};
use crate::smtp::{Class, Envelope, Peer, Protocol, Reply, ReversePath, client_config, down};

/// Which mailbox, and how to get in.
#[derive(Clone)]
pub struct MailboxSettings {
    /// The server's name, which its certificate is for.
    pub host: String,
    /// Its port for TLS from the start.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// The folder that is watched.
    pub folder: String,
    /// Where messages go that were taken in; without it they stay and are marked as read.
    pub move_to: Option<String>,
    /// Roots that the server's certificate is verified against, in DER.
    pub tls_roots: Vec<Vec<u8>>,
    /// The folder is looked into at least every so many seconds, whatever the server says by itself.
    pub look_seconds: u64,
}

impl fmt::Debug for MailboxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxSettings({} at {}:{}, {})", self.user, self.host, self.port, self.folder)
    }
}

type Imap = Session<TlsStream<TcpStream>>;

/// Why a session ended; the next one begins after a pause.
#[derive(Debug)]
enum Ended {
    Imap(async_imap::error::Error),
    Io(std::io::Error),
    Said(Reply),
    Slow,
    Tls(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imap(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Said(reply) => reply.fmt(f),
            Self::Slow => f.write_str("the server took too long"),
            Self::Tls(because) => f.write_str(because),
        }
    }
}

impl From<async_imap::error::Error> for Ended {
    fn from(error: async_imap::error::Error) -> Self {
        Self::Imap(error)
    }
}

impl From<directory::Error> for Ended {
    fn from(error: directory::Error) -> Self {
        Self::Said(crate::book::Unavailable::from(error).into())
    }
}

/// Watches the mailbox of the settings, if there is one, until `shutdown` says true.
pub(crate) async fn watch_mailbox(shared: Arc<Shared<DirectoryBook>>, mut shutdown: watch::Receiver<bool>) {
    let Some(settings) = shared.settings.mailbox.clone() else { return };
    let (mut pause, mut put_off) = (FIRST_PAUSE, PutOff::default());
    loop {
        let mut worked = false;
        let ended = tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            ended = session(&shared, &settings, &mut put_off, &mut worked) => ended,
        };
        if worked {
            pause = FIRST_PAUSE;
        }
        let wait = match ended {
            // Another process has the turn.
            Ok(()) => Duration::from_secs(settings.look_seconds.max(1)),
            Err(error) => {
                let seconds = pause.as_secs();
                tracing::warn!(%error, mailbox = ?settings, seconds, "the mailbox is not watched; again soon");
                let wait = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                wait
            }
        };
        tokio::select! {
            biased;
            () = down(&mut shutdown) => return,
            () = sleep(wait) => {}
        }
    }
}

/// One connection, for as long as it lasts and the turn is ours.
async fn session(
    shared: &Shared<DirectoryBook>,
    settings: &MailboxSettings,
    put_off: &mut PutOff,
    worked: &mut bool,
) -> Result<(), Ended> {
    if !is_ours(shared, settings).await? {
        return Ok(());
    }
    let mut imap = soon(connect(settings)).await?;
    let capabilities = within(imap.capabilities()).await?;
    let (idles, moves) = (capabilities.has_str("IDLE"), capabilities.has_str("MOVE"));
    let validity = within(imap.select(&settings.folder)).await?.uid_validity.unwrap_or_default();
    tracing::info!(mailbox = ?settings, "the mailbox is watched");
    let wait = Duration::from_secs(settings.look_seconds.max(1));
    while is_ours(shared, settings).await? {
        let mut waiting: Vec<u32> = within(imap.uid_search("UNSEEN UNDELETED")).await?.into_iter().collect();
        waiting.sort_unstable();
        put_off.forget();
        waiting.retain(|uid| !put_off.messages.contains_key(&(validity, *uid)));
        for uid in waiting.iter().take(MOST_AT_ONCE) {
            handle(shared, settings, &mut imap, (validity, *uid), moves, put_off).await?;
        }
        *worked = true;
        if waiting.len() > MOST_AT_ONCE {
            continue;
        }
        if !idles {
            sleep(wait).await;
            within(imap.noop()).await?;
            continue;
        }
        let mut idle = imap.idle();
        within(idle.init()).await?;
        let (news, _stop) = idle.wait_with_timeout(wait);
        // A server that keeps saying something else is not waited for longer.
        match timeout(wait, news).await {
            Ok(Ok(IdleResponse::NewData(_) | IdleResponse::Timeout)) | Err(_) => {}
            Ok(Ok(IdleResponse::ManualInterrupt)) => return Ok(()),
            Ok(Err(error)) => return Err(error.into()),
        }
        imap = within(idle.done()).await?;
    }
    let _ = within(imap.logout()).await;
    Ok(())
}

/// Of several processes on one directory, one has the turn; the others take over when it is gone.
async fn is_ours(shared: &Shared<DirectoryBook>, settings: &MailboxSettings) -> Result<bool, Ended> {
    let name = format!("mailbox {} {} {}", settings.host, settings.user, settings.folder);
    let seconds = i64::try_from(settings.look_seconds).unwrap_or(i64::MAX / 4).saturating_mul(2).saturating_add(300);
    Ok(shared.book.directory().take_lease(&name, &shared.settings.worker, seconds).await?)
}

async fn connect(settings: &MailboxSettings) -> Result<Imap, Ended> {
    let tls = client_config(Some(&settings.tls_roots)).map_err(|error| Ended::Tls(error.to_string()))?;
    let name = ServerName::try_from(settings.host.clone()).map_err(|error| Ended::Tls(error.to_string()))?;
    let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(Ended::Io)?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(Ended::Io)?;
    let mut client = async_imap::Client::new(stream);
    // RFC 3501 §7.1.5: the greeting; without one it is no IMAP server.
    client.read_response().await.map_err(Ended::Io)?.ok_or(Ended::Slow)?;
    client.login(&settings.user, settings.password.as_str()).await.map_err(|(error, _)| error.into())
}

/// What becomes of a message in the mailbox.
enum Outcome {
    TakenIn,
    LeftForPeople,
}

/// What is not looked at for a while, and since when: it is its own fault that it is not taken in now, and the others
/// need not wait for it.
#[derive(Debug, Default)]
struct PutOff {
    /// Messages, by UIDVALIDITY and UID.
    messages: HashMap<(u32, u32), Instant>,
    /// Senders of too many: of theirs no more than the header is fetched.
    senders: HashMap<Option<String>, Instant>,
}

impl PutOff {
    fn forget(&mut self) {
        self.messages.retain(|_, since| since.elapsed() < PUT_OFF);
        self.senders.retain(|_, since| since.elapsed() < PUT_OFF);
    }
}

/// Takes one message in, remembers it, and puts it out of the way.
async fn handle(
    shared: &Shared<DirectoryBook>,
    settings: &MailboxSettings,
    imap: &mut Imap,
    (validity, uid): (u32, u32),
    moves: bool,
    put_off: &mut PutOff,
) -> Result<(), Ended> {
    let mut hasher = crypto::Hasher::new(DigestAlgorithm::Sha256);
    let MailboxSettings { host, user, folder, .. } = settings;
    hasher.update(format!("imap\n{host}\n{user}\n{folder}\n{validity}\n{uid}").as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(hasher.finish().octets().get(..32).unwrap_or(&[0; 32]));
    let key = JournalKey::of_digest(&digest);
    let directory = shared.book.directory();
    let remembered = directory.delivered_groups(&key).await?;
    if !remembered.contains(TAKEN_IN) {
        // CASES R-14: counted before, so that what ends the process is counted as well.
        let tries = remembered.iter().filter(|group| group.starts_with(TRY)).count();
        if tries >= MOST_TRIES {
            tracing::error!(uid, tries, "the work on a message in the mailbox breaks off; it is left for people");
            return put_away(settings, imap, uid, Outcome::LeftForPeople, moves).await;
        }
        // Ten thousand of one sender are not fetched whole again and again.
        if !put_off.senders.is_empty()
            && let Some(header) = fetch_header(imap, uid).await?
            && put_off.senders.contains_key(&sender_of(&header))
        {
            put_off.messages.insert((validity, uid), Instant::now());
            return Ok(());
        }
        let Some(content) = fetch(imap, uid).await? else {
            tracing::warn!(uid, "a message in the mailbox is too large or gone; it is left for people");
            return put_away(settings, imap, uid, Outcome::LeftForPeople, moves).await;
        };
        directory.record_delivery(&key, &format!("{TRY}{tries}")).await?;
        // A defect costs this message a try, and the mailbox nothing.
        let taken = AssertUnwindSafe(take_in(shared, &content)).catch_unwind().await;
        match taken.unwrap_or_else(|_| Err(broke_off())) {
            Ok(()) => {}
            Err(reply) if reply == too_many() || reply == broke_off() => {
                tracing::warn!(uid, %reply, "a message in the mailbox is put off");
                put_off.messages.insert((validity, uid), Instant::now());
                if reply == too_many() {
                    let sender = Header::parse(&content, &mime::Limits::default());
                    put_off.senders.extend(sender.ok().map(|(header, _)| (sender_of(&header), Instant::now())));
                    directory.forget_delivery(&key).await?;
                }
                return Ok(());
            }
            Err(reply) if reply.class() == Class::Transient => {
                // What holds up one message holds up the others: later, all of them.
                directory.forget_delivery(&key).await?;
                return Err(Ended::Said(reply));
            }
            Err(reply) => {
                tracing::warn!(uid, %reply, "a message in the mailbox cannot be taken in; it is left for people");
                return put_away(settings, imap, uid, Outcome::LeftForPeople, moves).await;
            }
        }
        directory.record_delivery(&key, TAKEN_IN).await?;
        tracing::info!(uid, "a message out of the mailbox was taken in");
    }
    put_away(settings, imap, uid, Outcome::TakenIn, moves).await
}

async fn fetch_header(imap: &mut Imap, uid: u32) -> Result<Option<Header>, Ended> {
    let fetched: Vec<async_imap::types::Fetch> =
        within(async { imap.uid_fetch(uid.to_string(), "BODY.PEEK[HEADER]").await?.try_collect().await }).await?;
    let header = fetched.iter().find_map(|fetched| fetched.header());
    Ok(header.and_then(|header| Header::parse(header, &mime::Limits::default()).ok()).map(|(header, _)| header))
}

/// Whom a message in a mailbox is from: the envelope's sender, which the final delivery wrote down.
fn sender_of(header: &Header) -> Option<String> {
    sender(header).map(|sender| sender.canonical())
}

fn sender(header: &Header) -> Option<EmailAddress> {
    match header.value("Return-Path") {
        Some(path) => EmailAddress::parse(path.trim().trim_matches(['<', '>'])).ok(),
        None => header.visible_from().ok().and_then(|from| EmailAddress::parse(&from.to_string()).ok()),
    }
}

async fn fetch(imap: &mut Imap, uid: u32) -> Result<Option<Vec<u8>>, Ended> {
    let sizes: Vec<async_imap::types::Fetch> =
        within(async { imap.uid_fetch(uid.to_string(), "RFC822.SIZE").await?.try_collect().await }).await?;
    let Some(size) = sizes.first().and_then(|fetched| fetched.size) else { return Ok(None) };
    if size > MOST_OCTETS {
        return Ok(None);
    }
    let fetched: Vec<async_imap::types::Fetch> =
        within(async { imap.uid_fetch(uid.to_string(), "BODY.PEEK[]").await?.try_collect().await }).await?;
    Ok(fetched.iter().find_map(|fetched| fetched.body()).map(<[u8]>::to_vec))
}

/// The way of mail that comes by SMTP; the envelope is what the final delivery wrote down of it.
async fn take_in(shared: &Shared<DirectoryBook>, content: &[u8]) -> Result<(), Reply> {
    let mut spool: Spool = shared.spool(content)?;
    let header = Header::parse(content, &mime::Limits::default());
    let (header, _) = header.map_err(|error| crate::mail::unreadable_header(&error))?;
    let from = sender(&header).map_or_else(ReversePath::null, ReversePath::from);
    let intake = shared.book.directory().settings().intake.email().clone();
    let envelope = Envelope::new(from, [intake]);
    let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
    let peer = Peer { address: unspecified, helo: String::new(), protocol: Protocol::Smtp, tls: true, user: None };
    let facts = read(&peer, &envelope, &mut spool)?;
    shared.take_in(&envelope, &Mail::new(spool), &facts).await
}

/// Moves a message away or marks it as read; what was not taken in is flagged and stays.
async fn put_away(
    settings: &MailboxSettings,
    imap: &mut Imap,
    uid: u32,
    outcome: Outcome,
    moves: bool,
) -> Result<(), Ended> {
    let uid = uid.to_string();
    let flags = match (outcome, &settings.move_to) {
        (Outcome::LeftForPeople, _) => "+FLAGS.SILENT (\\Seen \\Flagged)",
        (Outcome::TakenIn, Some(folder)) if moves => return within(imap.uid_mv(&uid, folder)).await,
        // RFC 6851 §1: what MOVE does, for servers that do not know it; the mailbox's owner expunges.
        (Outcome::TakenIn, Some(folder)) => {
            within(imap.uid_copy(&uid, folder)).await?;
            "+FLAGS.SILENT (\\Seen \\Deleted)"
        }
        (Outcome::TakenIn, None) => "+FLAGS.SILENT (\\Seen)",
    };
    within(async { imap.uid_store(&uid, flags).await?.try_collect::<Vec<_>>().await.map(drop) }).await
}

async fn within<T>(work: impl Future<Output = Result<T, async_imap::error::Error>>) -> Result<T, Ended> {
    timeout(ANSWER, work).await.map_err(|_| Ended::Slow)?.map_err(Ended::from)
}

async fn soon<T>(work: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    timeout(ANSWER, work).await.map_err(|_| Ended::Slow)?
}

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a server may take for one command.
const ANSWER: Duration = Duration::from_secs(120);
/// What is remembered of a message, and how often it is tried when the work on it breaks off.
const TAKEN_IN: &str = "taken in";
const TRY: &str = "try ";
const MOST_TRIES: usize = 3;
/// How long a message waits that was put off.
const PUT_OFF: Duration = Duration::from_secs(600);
/// Messages between two looks whether the turn is still ours.
const MOST_AT_ONCE: usize = 50;
/// A message that is larger is no certificate.
const MOST_OCTETS: u32 = 25 << 20;
