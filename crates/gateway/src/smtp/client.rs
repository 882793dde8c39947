use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cms::Spool;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::content::{Content, reader_behind};
use super::envelope::Envelope;
use super::reply::{Class, Reply};
use super::session::{BoxedStream, Protocol};
use super::wire::{DATA_CHUNK, DataEncoder, Line, Wire};

/// Whether a next hop is spoken to under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsPolicy {
    /// Never.
    Off,
    /// When offered, with whatever certificate (RFC 7435).
    #[default]
    Opportunistic,
    /// Always, with a certificate for the hop's name from a trusted root; else nothing is sent (CASES T-92).
    Required,
}

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether under TLS.
    pub tls: TlsPolicy,
}

/// How the client behaves.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// What we call ourselves.
    pub hostname: String,
    /// For connecting, with TLS.
    pub connect: Duration,
    /// For each answer (RFC 5321 §4.5.3.2: 5 minutes).
    pub answer: Duration,
    /// For the answer after the content (RFC 5321 §4.5.3.2.6: 10 minutes).
    pub delivered: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// Unused connections kept.
    pub spare: usize,
    /// TLS with whatever certificate.
    pub tls_opportunistic: Arc<ClientConfig>,
    /// TLS with trusted roots.
    pub tls_required: Arc<ClientConfig>,
}

/// Sends mail to one next hop, over connections that it keeps.
#[derive(Debug)]
pub struct Client {
    hop: Hop,
    settings: ClientSettings,
    spare: Mutex<Vec<Connection>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Offers {
    pipelining: bool,
    eight_bit: bool,
    utf8: bool,
    dsn: bool,
    start_tls: bool,
    size: Option<u64>,
}

struct Connection {
    wire: Wire<BoxedStream>,
    offers: Offers,
    used: Instant,
    fresh: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({:?})", self.offers)
    }
}

/// What went wrong on the way; everything of it is *not now* for whoever sends.
enum Failure {
    /// Nothing of this message was sent yet: another connection may be tried.
    Stale,
    /// The hop's answer, or ours about it.
    Said(Reply),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Said(unreachable_hop(&error.to_string()))
    }
}

fn unreachable_hop(why: &str) -> Reply {
    Reply::new(451, "4.4.1", format!("the next mail server does not answer: {why}"))
}

impl Client {
    /// For one hop.
    pub fn new(hop: Hop, settings: ClientSettings) -> Self {
        Self { hop, settings, spare: Mutex::default() }
    }

    /// The hop.
    pub fn hop(&self) -> &Hop {
        &self.hop
    }

    /// Sends a message; gives the hop's answer for each recipient, in the envelope's order. What goes wrong on the way
    /// is a 4xx: the hop did not say it has the message.
    pub async fn send(&self, envelope: &Envelope, content: &mut Spool) -> Vec<Reply> {
        self.send_content(envelope, &mut Content { head: Vec::new(), spool: content, skip: 0 }).await
    }

    pub(crate) async fn send_content(&self, envelope: &Envelope, content: &mut Content<'_>) -> Vec<Reply> {
        let all = |reply: Reply| vec![reply; envelope.recipients.len()];
        if envelope.recipients.is_empty() {
            return Vec::new();
        }
        loop {
            let connection = match self.connection().await {
                Ok(connection) => connection,
                Err(reply) => return all(reply),
            };
            match self.send_over(connection, envelope, content).await {
                Ok(replies) => return replies,
                // A connection that was kept too long; only one that was fresh has the last word.
                Err(Failure::Stale) => {}
                Err(Failure::Said(reply)) => return all(reply),
            }
        }
    }

    /// Whether the hop answers.
    pub async fn probe(&self) -> Result<(), Reply> {
        let connection = self.connection().await?;
        self.keep(connection);
        Ok(())
    }

    async fn connection(&self) -> Result<Connection, Reply> {
        let kept = {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.retain(|connection| connection.used.elapsed() < self.settings.idle);
            spare.pop()
        };
        if let Some(connection) = kept {
            return Ok(Connection { fresh: false, ..connection });
        }
        match timeout(self.settings.connect, self.connect()).await {
            Ok(result) => result,
            Err(_) => Err(unreachable_hop("it took too long")),
        }
    }

    fn keep(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.settings.spare && !connection.wire.has_input() {
            spare.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Reply> {
        let stream = TcpStream::connect((self.hop.host.as_str(), self.hop.port))
            .await
            .map_err(|error| unreachable_hop(&error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let mut connection = Connection {
            wire: Wire::new(Box::new(stream)),
            offers: Offers::default(),
            used: Instant::now(),
            fresh: true,
        };
        let greeting = self.reply(&mut connection, self.settings.answer).await.map_err(as_reply)?;
        if !greeting.is_positive() {
            return Err(not_now(greeting));
        }
        self.hello(&mut connection).await?;
        if self.hop.tls != TlsPolicy::Off {
            if connection.offers.start_tls {
                connection = self.start_tls(connection).await?;
            } else if self.hop.tls == TlsPolicy::Required {
                return Err(Reply::new(454, "4.7.0", "the next mail server does not offer TLS, which is required"));
            }
        }
        Ok(connection)
    }

    async fn hello(&self, connection: &mut Connection) -> Result<(), Reply> {
        let verb = match self.hop.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let line = format!("{verb} {}\r\n", self.settings.hostname);
        connection.wire.write(line.as_bytes()).await.map_err(|error| unreachable_hop(&error.to_string()))?;
        let (reply, lines) = self.lines(connection, self.settings.answer).await.map_err(as_reply)?;
        if reply.is_positive() {
            connection.offers = offers(&lines);
            return Ok(());
        }
        // RFC 5321 §3.2: HELO is for those who do not know EHLO, not for those who are busy.
        if self.hop.protocol == Protocol::Lmtp || reply.class() == Class::Transient {
            return Err(not_now(reply));
        }
        let line = format!("HELO {}\r\n", self.settings.hostname);
        let reply = self.ask(connection, line.as_bytes()).await.map_err(as_reply)?;
        if reply.is_positive() { Ok(()) } else { Err(not_now(reply)) }
    }

    async fn start_tls(&self, mut connection: Connection) -> Result<Connection, Reply> {
        let reply = self.ask(&mut connection, b"STARTTLS\r\n").await.map_err(as_reply)?;
        if !reply.is_positive() {
            return match self.hop.tls {
                TlsPolicy::Required => Err(not_now(reply)),
                _ => Ok(connection),
            };
        }
        let config = match self.hop.tls {
            TlsPolicy::Required => &self.settings.tls_required,
            _ => &self.settings.tls_opportunistic,
        };
        let failed = |error: String| Reply::new(454, "4.7.5", format!("TLS with the next mail server failed: {error}"));
        let name = ServerName::try_from(self.hop.host.clone()).map_err(|error| failed(error.to_string()))?;
        // RFC 3207 §6: what came in the clear before TLS is dropped with its buffer.
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, connection.wire.into_stream())
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut connection = Connection { wire: Wire::new(Box::new(stream)), ..fresh(connection.used) };
        self.hello(&mut connection).await?;
        Ok(connection)
    }

    async fn send_over(
        &self,
        mut connection: Connection,
        envelope: &Envelope,
        content: &mut Content<'_>,
    ) -> Result<Vec<Reply>, Failure> {
        let offers = connection.offers;
        if envelope.needs_utf8() && !offers.utf8 {
            // RFC 6531 §3.2: not sent where it cannot be understood.
            self.keep(connection);
            return Err(Failure::Said(Reply::new(550, "5.6.7", "the next mail server does not take SMTPUTF8")));
        }
        if offers.size.is_some_and(|size| size > 0 && content.len() > size) {
            self.keep(connection);
            return Err(Failure::Said(Reply::new(552, "5.3.4", "too large for the next mail server")));
        }
        let mail = mail_line(envelope, offers, content.len());
        let rcpt: Vec<Vec<u8>> = envelope.recipients.iter().map(|recipient| rcpt_line(recipient, offers)).collect();
        let fresh = connection.fresh;
        let stale = |failure: Failure| if fresh { failure } else { Failure::Stale };
        // A kept connection is asked first, alone: one that was closed meanwhile costs a new connection and no mail.
        let pipelined = offers.pipelining;
        let first = if pipelined { [&mail[..], &rcpt.concat(), b"DATA\r\n"].concat() } else { mail };
        self.write(&mut connection, &first).await.map_err(stale)?;
        let answer = self.reply(&mut connection, self.settings.answer).await.map_err(stale).map(final_answer)?;
        if answer.code() == 421 {
            return Err(stale(Failure::Said(answer)));
        }
        let mail_refused = (!answer.is_positive()).then_some(answer);
        if let (Some(reply), false) = (&mail_refused, pipelined) {
            self.recover(connection).await;
            return Err(Failure::Said(reply.clone()));
        }
        let mut answers = Vec::with_capacity(rcpt.len());
        for line in &rcpt {
            let answer = if pipelined {
                self.reply(&mut connection, self.settings.answer).await?
            } else {
                self.ask(&mut connection, line).await?
            };
            answers.push(mail_refused.clone().unwrap_or_else(|| final_answer(answer)));
        }
        let any = answers.iter().any(Reply::is_positive);
        let go = if pipelined {
            self.reply(&mut connection, self.settings.answer).await?
        } else if any {
            self.ask(&mut connection, b"DATA\r\n").await?
        } else {
            Reply::new(554, "5.5.1", "no recipient was taken")
        };
        if go.is_positive() && go.code() != 354 {
            // An answer too many, somewhere: none of them can be told apart any more.
            return Err(Failure::Said(out_of_step()));
        }
        if go.code() != 354 {
            self.recover(connection).await;
            return Ok(answers
                .into_iter()
                .map(|answer| if answer.is_positive() { not_now(go.clone()) } else { answer })
                .collect());
        }
        if !any {
            // RFC 2920 §3.1: the server said "go on" though nobody is left; an empty message ends it.
            self.write(&mut connection, b".\r\n").await?;
            if self.hop.protocol == Protocol::Smtp {
                self.reply(&mut connection, self.settings.delivered).await?;
            }
            self.recover(connection).await;
            return Ok(answers);
        }
        self.content(&mut connection, content).await?;
        let (answers, in_step) = self.delivered(&mut connection, answers).await;
        if in_step {
            // RFC 5321 §4.1.1.4: the end of the content is the end of the transaction, there is nothing to reset.
            self.keep(connection);
        }
        Ok(answers)
    }

    async fn content(&self, connection: &mut Connection, content: &mut Content<'_>) -> Result<(), Failure> {
        use io::BufRead as _;
        let broken = |error: io::Error| {
            // What the hop has so far is not ended, so it is nothing; the connection is closed by dropping it.
            tracing::error!(%error, "the spool cannot be read");
            Failure::Said(Reply::new(451, "4.3.0", "the message cannot be read now"))
        };
        let (mut encoder, mut out) = (DataEncoder::default(), Vec::new());
        let mut reader = reader_behind(content.spool, content.skip).map_err(broken)?;
        encoder.encode(&content.head, &mut out);
        loop {
            let piece = reader.fill_buf().map_err(broken)?;
            let length = piece.len().min(DATA_CHUNK);
            if length == 0 {
                break;
            }
            encoder.encode(piece.get(..length).unwrap_or_default(), &mut out);
            reader.consume(length);
            if out.len() >= DATA_CHUNK {
                self.still_silent(connection).await?;
                self.write(connection, &out).await?;
                out.clear();
            }
        }
        encoder.finish(&mut out);
        self.still_silent(connection).await?;
        self.write(connection, &out).await
    }

    /// What a hop says before it has the end of the content can be no answer to it: a refusal stands, anything else
    /// would be taken for *delivered* (CASES R-08).
    async fn still_silent(&self, connection: &mut Connection) -> Result<(), Failure> {
        if !connection.wire.has_spoken().await? {
            return Ok(());
        }
        let said = self.reply(connection, self.settings.answer).await?;
        Err(Failure::Said(if said.is_positive() { out_of_step() } else { said }))
    }

    async fn write(&self, connection: &mut Connection, out: &[u8]) -> Result<(), Failure> {
        timeout(self.settings.answer, connection.wire.write(out)).await.map_err(|_| too_slow())??;
        timeout(self.settings.answer, connection.wire.flush()).await.map_err(|_| too_slow())??;
        Ok(())
    }

    // RFC 2033 §4.2: after the content LMTP answers for each recipient that it took, SMTP once for all of them. Gives as
    // well whether the next answer would be one to the next command.
    async fn delivered(&self, connection: &mut Connection, mut answers: Vec<Reply>) -> (Vec<Reply>, bool) {
        let (mut for_all, mut in_step) = (None, true);
        for answer in answers.iter_mut().filter(|answer| answer.is_positive()) {
            if let Some(said) = &for_all {
                *answer = Reply::clone(said);
                continue;
            }
            *answer = match self.reply(connection, self.settings.delivered).await.map(final_answer) {
                Ok(said) => {
                    in_step &= said.code() != 421;
                    for_all = (self.hop.protocol == Protocol::Smtp).then(|| said.clone());
                    said
                }
                // The answers that did come stand. What comes too late is not taken for the next recipient's.
                Err(failure) => {
                    in_step = false;
                    for_all.insert(as_reply(failure)).clone()
                }
            };
        }
        (answers, in_step)
    }

    async fn recover(&self, mut connection: Connection) {
        let Ok(reply) = self.ask(&mut connection, b"RSET\r\n").await else { return };
        if final_answer(reply).is_positive() {
            self.keep(connection);
        }
    }

    async fn ask(&self, connection: &mut Connection, line: &[u8]) -> Result<Reply, Failure> {
        self.write(connection, line).await?;
        self.reply(connection, self.settings.answer).await
    }

    async fn reply(&self, connection: &mut Connection, wait: Duration) -> Result<Reply, Failure> {
        let (reply, _) = self.lines(connection, wait).await?;
        Ok(reply)
    }

    async fn lines(&self, connection: &mut Connection, wait: Duration) -> Result<(Reply, Vec<String>), Failure> {
        timeout(wait, read_reply(connection)).await.map_err(|_| too_slow())?
    }
}

fn fresh(used: Instant) -> Connection {
    Connection { wire: Wire::new(Box::new(tokio::io::empty())), offers: Offers::default(), used, fresh: true }
}

async fn read_reply(connection: &mut Connection) -> Result<(Reply, Vec<String>), Failure> {
    let garbage = || Failure::Said(unreachable_hop("it does not speak SMTP"));
    connection.wire.flush().await?;
    let (mut lines, mut code) = (Vec::new(), None);
    loop {
        let line = match connection.wire.line(LINE).await? {
            Line::Whole(line) => line,
            Line::End => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Line::Broken | Line::TooLong => return Err(garbage()),
        };
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let digits: u16 = text.get(..3).and_then(|digits| digits.parse().ok()).ok_or_else(garbage)?;
        if code.is_some_and(|code| code != digits) || !(200..600).contains(&digits) || lines.len() >= LINES {
            return Err(garbage());
        }
        code = Some(digits);
        lines.push(text.get(4..).unwrap_or_default().to_owned());
        if text.as_bytes().get(3) != Some(&b'-') {
            // Of several lines the first holds the enhanced code, and each repeats it.
            let first = Reply::received(digits, lines.first().map_or("", String::as_str));
            let rest: Vec<String> =
                lines.iter().skip(1).map(|line| Reply::received(digits, line).text().to_owned()).collect();
            let text = std::iter::once(first.text().to_owned()).chain(rest).collect::<Vec<_>>().join(" ");
            return Ok((Reply::new(digits, first.enhanced(), text), lines));
        }
    }
}

/// Octets in a line of a reply, and lines in a reply.
const LINE: usize = 4_096;
const LINES: usize = 100;

fn too_slow() -> Failure {
    Failure::Said(Reply::new(451, "4.4.2", "the next mail server took too long"))
}

fn as_reply(failure: Failure) -> Reply {
    match failure {
        Failure::Stale => unreachable_hop("the connection was closed"),
        Failure::Said(reply) => not_now(reply),
    }
}

/// *Go on* is an answer to DATA alone: nothing is done that is answered so (RFC 5321 §4.2.1).
fn final_answer(reply: Reply) -> Reply {
    if (300..400).contains(&reply.code()) { not_now(reply) } else { reply }
}

fn out_of_step() -> Reply {
    Reply::new(451, "4.5.0", "the next mail server answered what it had not been asked")
}

/// A hop that will not talk to us at all says nothing about the message: the sender keeps it.
fn not_now(reply: Reply) -> Reply {
    match reply.code() {
        400..=499 => reply,
        code => Reply::new(451, "4.4.1", format!("the next mail server said {code} {}", reply.text())),
    }
}

fn offers(lines: &[String]) -> Offers {
    let mut offers = Offers::default();
    for line in lines.iter().skip(1) {
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PIPELINING" => offers.pipelining = true,
            "8BITMIME" => offers.eight_bit = true,
            "SMTPUTF8" => offers.utf8 = true,
            "DSN" => offers.dsn = true,
            "STARTTLS" => offers.start_tls = true,
            "SIZE" => offers.size = words.next().and_then(|size| size.parse().ok()),
            _ => {}
        }
    }
    offers
}

fn mail_line(envelope: &Envelope, offers: Offers, size: u64) -> Vec<u8> {
    let mut line = format!("MAIL FROM:<{}>", envelope.from);
    if offers.size.is_some() {
        line.push_str(&format!(" SIZE={size}"));
    }
    if envelope.eight_bit && offers.eight_bit {
        line.push_str(" BODY=8BITMIME");
    }
    if envelope.needs_utf8() {
        line.push_str(" SMTPUTF8");
    }
    if offers.dsn {
        parameter(&mut line, "RET", envelope.ret.as_deref());
        parameter(&mut line, "ENVID", envelope.envid.as_deref());
    }
    line.push_str("\r\n");
    line.into_bytes()
}

fn rcpt_line(recipient: &super::Recipient, offers: Offers) -> Vec<u8> {
    let mut line = format!("RCPT TO:<{}>", recipient.to);
    if offers.dsn {
        parameter(&mut line, "NOTIFY", recipient.notify.as_deref());
        parameter(&mut line, "ORCPT", recipient.orcpt.as_deref());
    }
    line.push_str("\r\n");
    line.into_bytes()
}

fn parameter(line: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        line.push_str(&format!(" {name}={value}"));
    }
}
