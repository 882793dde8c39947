use std::io::{self, Read as _};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cms::SpoolLimits;
use futures_util::FutureExt as _;
use milter::{Actions, BODY_CHUNK, Command, Decoder, HeaderField, Negotiation, Response, Steps, header_changes};
use mime::Header;
use pki::EmailAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::message::Message;
use super::server::THIS_MACHINE;
use crate::Side;
use crate::book::Book;
use crate::flow::Shared;
use crate::flow::filter::{Filtered, Told};
use crate::mail::{Rewritten, broke_off};
use crate::smtp::{BoxedStream, Peer, Protocol, Reply, down, reader_behind};

/// One connection of a mail server: one of its clients, and the messages that this one sends.
pub(super) struct Session<B> {
    stream: BoxedStream,
    decoder: Decoder,
    side: Side,
    /// Whether nothing is signed of whoever has not logged in.
    log_in: bool,
    shared: Arc<Shared<B>>,
    agreed: Option<Negotiation>,
    client: IpAddr,
    /// Who has logged in, as the mail server says it of this message.
    user: Option<String>,
    queue_id: Option<String>,
    message: Option<(Message, Instant)>,
}

enum Next {
    GoOn,
    Close,
}

impl<B: Book> Session<B> {
    pub(super) fn new(stream: BoxedStream, side: Side, log_in: bool, shared: Arc<Shared<B>>) -> Self {
        let decoder = Decoder::new(LARGEST_PACKET);
        let (client, agreed, user) = (THIS_MACHINE, None, None);
        Self { stream, decoder, side, log_in, shared, agreed, client, user, queue_id: None, message: None }
    }

    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
        let mut input = vec![0; READ_AHEAD];
        loop {
            while let Some(command) = self.decoder.next_command().map_err(io::Error::other)? {
                if matches!(self.command(command).await?, Next::Close) {
                    return self.stream.shutdown().await;
                }
            }
            // A client of the mail server may think for minutes; between messages nothing is lost when it is cut off.
            let begun = self.message.as_ref().map(|(_, since)| *since);
            let content = self.shared.settings.limits.timeouts.content;
            if begun.is_some_and(|since| since.elapsed() > content) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let read = timeout(PATIENCE, self.stream.read(&mut input));
            let count = tokio::select! {
                biased;
                read = read => read.map_err(|_| io::ErrorKind::TimedOut)??,
                () = down(&mut shutdown), if begun.is_none() => 0,
            };
            if count == 0 {
                return Ok(());
            }
            self.decoder.feed(input.get(..count).unwrap_or_default());
        }
    }

    async fn command(&mut self, command: Command) -> io::Result<Next> {
        let Some(agreed) = self.agreed else {
            let Command::Negotiate(offer) = command else { return Err(out_of_order("something before negotiation")) };
            let agreed = Negotiation::over(&offer, NEEDED, Actions::DELETE_RECIPIENT, WANTED);
            let agreed = agreed.inspect_err(|error| tracing::error!(%error, "a mail server cannot be worked with"));
            let agreed = agreed.map_err(io::Error::other)?;
            self.agreed = Some(agreed);
            return self.say(&agreed.response()).await;
        };
        let silent = |step: Steps| agreed.steps().contains(step);
        let answered = match command {
            Command::Negotiate(_) => return Err(out_of_order("a second negotiation")),
            Command::Macros { step, values } => {
                self.told(step, values);
                return Ok(Next::GoOn);
            }
            Command::Connect(client) => {
                self.client = client.address.unwrap_or(THIS_MACHINE);
                !silent(Steps::SILENT_CONNECT)
            }
            Command::Helo(_) | Command::Data | Command::Unknown => true,
            Command::Mail(arguments) => {
                let settings = &self.shared.settings;
                let memory = settings.limits.memory_bytes;
                let limits = SpoolLimits { memory, ..SpoolLimits::in_folder(&settings.spool_folder) };
                let limits = SpoolLimits { total: settings.limits.message_bytes, ..limits };
                match Message::from(&arguments, limits, settings.limits.message_bytes) {
                    Ok(message) => self.message = Some((message, Instant::now())),
                    Err(reply) => return self.refuse(&reply).await,
                }
                true
            }
            Command::Recipient(arguments) => {
                let (domain, most) = (self.shared.settings.hostname.clone(), self.shared.settings.limits.recipients);
                match self.message()?.to(&arguments, &domain, most) {
                    Ok(()) => true,
                    Err(reply) => return self.refuse(&reply).await,
                }
            }
            Command::Header { name, value } => {
                self.message()?.field(&name, &value, silent(Steps::LEADING_SPACE));
                !silent(Steps::SILENT_HEADER)
            }
            Command::EndOfHeader => {
                self.message()?.end_header();
                !silent(Steps::SILENT_END_OF_HEADER)
            }
            Command::Body(piece) => {
                self.message()?.add(&piece);
                !silent(Steps::SILENT_BODY)
            }
            Command::EndOfBody(piece) => {
                self.message()?.add(&piece);
                return self.end(agreed).await;
            }
            Command::Abort => {
                (self.message, self.queue_id, self.user) = (None, None, None);
                false
            }
            Command::QuitClient => {
                (self.message, self.queue_id, self.user) = (None, None, None);
                self.client = THIS_MACHINE;
                false
            }
            Command::Quit => return Ok(Next::Close),
        };
        if answered { self.say(&Response::Continue).await } else { Ok(Next::GoOn) }
    }

    fn message(&mut self) -> io::Result<&mut Message> {
        self.message.as_mut().map(|(message, _)| message).ok_or_else(|| out_of_order("a message without a sender"))
    }

    /// Of all that a mail server says beside the message: who has logged in, and what it calls the message.
    fn told(&mut self, step: u8, values: Vec<(String, String)>) {
        if step == b'M' {
            self.user = None;
        }
        for (name, value) in values {
            match name.as_str() {
                "auth_authen" if step == b'M' && !value.is_empty() => self.user = Some(value),
                "i" if value.len() <= LONGEST_ID => self.queue_id = Some(value),
                _ => {}
            }
        }
    }

    /// The message is whole: decides, and asks for what has to be changed.
    async fn end(&mut self, agreed: Negotiation) -> io::Result<Next> {
        let (message, queue_id) = (self.message.take().map(|(message, _)| message), self.queue_id.take());
        let user = self.user.take();
        let (envelope, written, content) = match message.map(Message::finish) {
            Some(Ok(parts)) => parts,
            Some(Err(reply)) => return self.refuse(&reply).await,
            None => return Err(out_of_order("a message without a sender")),
        };
        let told = Told { queue_id, nobody_logged_in: self.log_in && user.is_none() };
        let peer = Peer {
            address: self.client,
            helo: String::new(),
            protocol: Protocol::Smtp,
            tls: false,
            // A log-in that is no address says nothing about whose mail it is; the mail server knows (CASES T-84).
            user: user.filter(|user| EmailAddress::parse(user).is_ok()),
        };
        let shared = Arc::clone(&self.shared);
        let work = shared.filter(self.side, &peer, &envelope, content, told);
        // CASES R-14: what something breaks over is answered, and not left to what the mail server does without answer.
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        let filtered = loop {
            match timeout(PROGRESS, &mut work).await {
                Ok(filtered) => break filtered.unwrap_or_else(|_| Err(broke_off())),
                // The mail server waits as long as it hears something.
                Err(_) => _ = self.say(&Response::Progress).await?,
            }
        };
        match filtered {
            Ok(filtered) => self.change(agreed, filtered, &written).await,
            Err(reply) => self.refuse(&reply).await,
        }
    }

    async fn change(&mut self, agreed: Negotiation, filtered: Filtered, written: &[String]) -> io::Result<Next> {
        let Filtered { mail, changed, taken } = filtered;
        if taken.len() == written.len() {
            // It is taken in, and committed.
            return self.say(&Response::Discard).await;
        }
        let mut out = Vec::new();
        if agreed.actions().contains(Actions::DELETE_RECIPIENT) {
            for address in taken.iter().filter_map(|&index| written.get(index)) {
                Response::DeleteRecipient(address).encode(&mut out).map_err(io::Error::other)?;
            }
        }
        if let Some(mut changed) = changed {
            let mut mail = mail.lock().await;
            let spaced = agreed.steps().contains(Steps::LEADING_SPACE);
            let begun = begin(&mut mail, &mut changed, spaced, &mut out);
            let body = match begun {
                Ok(body) => body,
                Err(error) => {
                    tracing::error!(%error, "the mail server cannot be told how a message changes");
                    return self.say(&Response::TemporaryFailure).await;
                }
            };
            self.write(&out).await?;
            out.clear();
            if let Some(skip) = body {
                // Other pieces than of the body in between, and Postfix does not take the rest.
                let spool = changed.content.as_mut().unwrap_or(&mut mail);
                if self.replace_body(spool, skip).await.is_err() {
                    return self.say(&Response::TemporaryFailure).await;
                }
            }
        }
        Response::Continue.encode(&mut out).map_err(io::Error::other)?;
        self.write(&out).await?;
        Ok(Next::GoOn)
    }

    async fn replace_body(&mut self, spool: &mut cms::Spool, skip: usize) -> io::Result<()> {
        let mut reader = reader_behind(spool, skip)?;
        let (mut piece, mut is_empty) = (Vec::with_capacity(BODY_CHUNK), true);
        loop {
            piece.clear();
            let most = u64::try_from(BODY_CHUNK).unwrap_or(u64::MAX);
            reader.by_ref().take(most).read_to_end(&mut piece)?;
            if piece.is_empty() && !is_empty {
                return Ok(());
            }
            // An empty body still replaces what was there.
            let content = if piece.is_empty() { b"\r\n" } else { piece.as_slice() };
            let mut packet = Vec::with_capacity(content.len() + 5);
            Response::ReplaceBody(content).encode(&mut packet).map_err(io::Error::other)?;
            self.write(&packet).await?;
            if piece.is_empty() {
                return Ok(());
            }
            is_empty = false;
        }
    }

    async fn refuse(&mut self, reply: &Reply) -> io::Result<Next> {
        match reply.code() {
            code @ 400..=599 => {
                self.say(&Response::Reply { code, enhanced: reply.enhanced(), text: reply.text() }).await
            }
            _ => self.say(&Response::TemporaryFailure).await,
        }
    }

    /// A mail server that does not read holds nothing here for ever.
    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let written = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, written).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn say(&mut self, response: &Response<'_>) -> io::Result<Next> {
        let mut out = Vec::new();
        response.encode(&mut out).map_err(io::Error::other)?;
        self.write(&out).await?;
        Ok(Next::GoOn)
    }
}

/// Appends what makes the old header the new one; gives where the new body begins, if there is one.
fn begin(
    mail: &mut cms::Spool,
    changed: &mut Rewritten,
    spaced: bool,
    out: &mut Vec<u8>,
) -> Result<Option<usize>, Box<dyn std::error::Error + Send + Sync>> {
    let limits = mime::Limits::default();
    let old = fields(&Header::read(&mut mail.reader()?, &limits)?, spaced);
    let (new, body) = match (&mut changed.content, changed.head.is_empty()) {
        (None, true) => return Ok(None),
        (None, false) => (Header::parse(&changed.head, &limits)?.0, None),
        // A header of ours before a body from somewhere.
        (Some(_), false) => (Header::parse(&changed.head, &limits)?.0, Some(changed.skip)),
        (Some(spool), true) => {
            let mut reader = reader_behind(spool, changed.skip)?;
            let header = Header::read(&mut reader, &limits)?;
            let body = changed.skip + header.octets_read();
            (header, Some(body))
        }
    };
    let new = fields(&new, spaced);
    for change in header_changes(&old, &new) {
        change.encode(out)?;
    }
    Ok(body)
}

/// The fields as they travel.
fn fields(header: &Header, spaced: bool) -> Vec<HeaderField> {
    let one = |field: &mime::Field| {
        let value = field.raw().get(field.name().len() + 1..).unwrap_or_default();
        let value = value.strip_suffix(b"\r\n").unwrap_or(value);
        let value = if spaced { value } else { value.strip_prefix(b" ").unwrap_or(value) };
        HeaderField { name: field.name().to_owned(), value: value.iter().copied().filter(|&b| b != b'\r').collect() }
    };
    header.fields().iter().map(one).collect()
}

fn out_of_order(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the mail server says {what}"))
}

/// Without these nothing can be signed or marked.
const NEEDED: Actions = Actions::ADD_HEADER.with(Actions::CHANGE_BODY).with(Actions::CHANGE_HEADER);

const WANTED: Steps = Steps::NO_HELO
    .with(Steps::NO_UNKNOWN)
    .with(Steps::NO_DATA)
    .with(Steps::SILENT_CONNECT)
    .with(Steps::SILENT_HEADER)
    .with(Steps::SILENT_END_OF_HEADER)
    .with(Steps::SILENT_BODY)
    .with(Steps::LEADING_SPACE);

/// A header field may have what a header may have; pieces of a body are smaller.
const LARGEST_PACKET: usize = 256 * 1024;
const READ_AHEAD: usize = 16 * 1024;
/// Longer than a mail server waits for its client, which is 5 minutes (RFC 5321 §4.5.3.2.7).
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a mail server hears that it takes time; it waits for 5 minutes.
const PROGRESS: Duration = Duration::from_secs(30);
const LONGEST_ID: usize = 100;
