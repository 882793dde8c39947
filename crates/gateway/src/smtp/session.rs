use std::future::Future;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cms::{Spool, SpoolLimits};
use smtp_proto::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::envelope::{Envelope, Recipient};
use super::reply::{Class, Reply};
use super::server::Listening;
use super::wire::{ChunkChecker, DATA_CHUNK, DataDecoder, Line, Wire};
use super::{ForwardPath, ReversePath};

/// SMTP (RFC 5321) or LMTP (RFC 2033), which answers per recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// One answer for all recipients.
    #[default]
    Smtp,
    /// An answer for each recipient.
    Lmtp,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// What it calls itself.
    pub helo: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// Who it has proved to be, by SASL.
    pub user: Option<String>,
}

/// What takes the mail in.
pub trait Service: Send + Sync + 'static {
    /// Whether mail for this recipient is taken; asked at RCPT.
    fn recipient(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        to: &Recipient,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Takes a message; answers for each recipient of the envelope, in its order. A positive answer is a promise:
    /// the next hop has the message, or it is committed to disk.
    fn message(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> impl Future<Output = Vec<Reply>> + Send;

    /// Whether name and password belong together; an error when that cannot be told now.
    fn authenticate(
        &self,
        peer: &Peer,
        name: &str,
        password: &str,
    ) -> impl Future<Output = Result<bool, Reply>> + Send {
        let _ = (peer, name, password);
        async { Ok(false) }
    }
}

/// What a session may use up.
#[derive(Debug, Clone)]
pub struct SessionLimits {
    /// Octets in a message.
    pub message_bytes: u64,
    /// Octets of a message in memory; beyond that a file takes over.
    pub memory_bytes: usize,
    /// Recipients of a message.
    pub recipients: usize,
    /// Octets in a line of commands.
    pub line: usize,
    /// Commands that were wrong.
    pub errors: u32,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            message_bytes: 100 << 20,
            memory_bytes: 1 << 20,
            recipients: 1_000,
            line: 4_096,
            errors: 20,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long to wait, each time.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For the next command (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub command: Duration,
    /// For the next piece of content (RFC 5321 §4.5.3.2.5: 3 minutes).
    pub chunk: Duration,
    /// For all of a message's content, so that a slow sender holds nothing for ever (CASES T-91).
    pub content: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(300),
            chunk: Duration::from_secs(180),
            content: Duration::from_secs(1_800),
            handshake: Duration::from_secs(30),
        }
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

pub(crate) type BoxedStream = Box<dyn Stream>;

/// One connection, from greeting to close.
pub(crate) struct Session<S> {
    wire: Wire<BoxedStream>,
    out: Vec<u8>,
    listening: Arc<Listening>,
    service: Arc<S>,
    peer: Peer,
    envelope: Option<Envelope>,
    chunks: Option<Chunks>,
    errors: u32,
}

struct Chunks {
    spool: Spool,
    checker: ChunkChecker,
    failed: Option<Reply>,
}

enum Next {
    GoOn,
    Close,
}

impl<S: Service> Session<S> {
    pub(crate) fn new(
        stream: BoxedStream,
        address: IpAddr,
        tls: bool,
        listening: Arc<Listening>,
        service: Arc<S>,
    ) -> Self {
        let peer = Peer { address, helo: String::new(), protocol: listening.protocol, tls, user: None };
        Self {
            wire: Wire::new(stream),
            out: Vec::new(),
            listening,
            service,
            peer,
            envelope: None,
            chunks: None,
            errors: 0,
        }
    }

    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
        let name = match self.peer.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        // RFC 2034 §4: the greeting has no enhanced status code.
        let greeting = Reply::new(220, "", format!("{} {name} Sealpost", self.listening.hostname));
        self.say(&greeting);
        loop {
            // RFC 2920 §3.2: answers are held while there are commands to read, so that they travel together.
            if memchr::memchr(b'\n', self.wire.available()).is_none() {
                self.flush().await?;
            }
            let limits = &self.listening.limits;
            let line = tokio::select! {
                biased;
                line = timeout(limits.timeouts.command, self.wire.line(limits.line)) => Some(line),
                () = down(&mut shutdown) => None,
            };
            let Some(line) = line else {
                return self.bye(Reply::new(421, "4.3.2", "shutting down, come again")).await;
            };
            let next = match line {
                Err(_) => return self.bye(Reply::new(421, "4.4.2", "nothing was said for too long")).await,
                Ok(line) => match line? {
                    Line::End => return Ok(()),
                    Line::TooLong => self.wrong(Reply::new(500, "5.5.2", "the line is too long")),
                    Line::Broken => {
                        self.wrong(Reply::new(500, "5.5.2", "a line ends with CR LF and has no CR, LF or NUL inside"))
                    }
                    Line::Whole(line) => self.command(&line).await?,
                },
            };
            if self.errors > self.listening.limits.errors {
                return self.bye(Reply::new(421, "4.7.0", "too many errors")).await;
            }
            if matches!(next, Next::Close) {
                self.flush().await?;
                self.wire.close().await;
                return Ok(());
            }
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.out);
    }

    fn answer(&mut self, reply: &Reply) -> Next {
        self.say(reply);
        Next::GoOn
    }

    fn wrong(&mut self, reply: Reply) -> Next {
        self.errors += 1;
        self.say(&reply);
        Next::GoOn
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            let wait = self.listening.limits.timeouts.chunk;
            timeout(wait, self.wire.write(&self.out)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            self.out.clear();
            self.wire.flush().await?;
        }
        Ok(())
    }

    async fn bye(mut self, reply: Reply) -> io::Result<()> {
        self.say(&reply);
        self.flush().await?;
        self.wire.close().await;
        Ok(())
    }

    async fn command(&mut self, line: &[u8]) -> io::Result<Next> {
        let request = match Request::parse(&mut line.iter()) {
            Ok(request) => request,
            Err(error) => return Ok(self.wrong(syntax(&error))),
        };
        // RFC 3030 §3: between the chunks of a message only more of them, or giving up.
        let between = matches!(request, Request::Bdat { .. } | Request::Rset | Request::Quit | Request::Noop { .. });
        if self.chunks.is_some() && !between {
            return Ok(self.wrong(Reply::new(
                503,
                "5.5.1",
                "BDAT has begun; only BDAT, RSET, NOOP and QUIT may follow",
            )));
        }
        Ok(match request {
            Request::Ehlo { host } if self.peer.protocol == Protocol::Smtp => self.hello(&host),
            Request::Lhlo { host } if self.peer.protocol == Protocol::Lmtp => self.hello(&host),
            Request::Helo { host } if self.peer.protocol == Protocol::Smtp => {
                self.reset();
                self.peer.helo = printable(&host);
                let reply = Reply::new(250, "", &self.listening.hostname);
                self.answer(&reply)
            }
            Request::Mail { from } => self.mail(line, &from),
            Request::Rcpt { to } => self.rcpt(line, &to.address).await,
            Request::Data => return self.data().await,
            Request::Bdat { chunk_size, is_last } => return self.bdat(chunk_size, is_last).await,
            Request::StartTls => return self.start_tls().await,
            Request::Auth { mechanism, initial_response } => return self.auth(mechanism, &initial_response).await,
            Request::Noop { .. } => self.answer(&Reply::ok("ok")),
            Request::Rset => {
                self.reset();
                self.answer(&Reply::ok("forgotten"))
            }
            // RFC 5321 §3.5.3: 252, so that nobody is told who exists (CASES T-76).
            Request::Vrfy { .. } => self.answer(&Reply::new(252, "2.5.0", "send mail and see")),
            Request::Quit => {
                self.say(&Reply::new(221, "2.0.0", "bye"));
                Next::Close
            }
            _ => self.wrong(Reply::new(502, "5.5.1", "this command is not implemented")),
        })
    }

    fn reset(&mut self) {
        self.envelope = None;
        self.chunks = None;
    }

    fn hello(&mut self, host: &str) -> Next {
        self.reset();
        self.peer.helo = printable(host);
        let mut lines = vec![self.listening.hostname.clone()];
        lines.extend(
            ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "CHUNKING"].map(str::to_owned),
        );
        lines.push(format!("SIZE {}", self.listening.limits.message_bytes));
        if self.listening.tls.is_some() && !self.peer.tls {
            lines.push("STARTTLS".to_owned());
        }
        if self.offers_auth() {
            lines.push("AUTH PLAIN".to_owned());
        }
        let last = lines.len() - 1;
        for (index, line) in lines.iter().enumerate() {
            let separator = if index == last { ' ' } else { '-' };
            self.out.extend_from_slice(format!("250{separator}{line}\r\n").as_bytes());
        }
        Next::GoOn
    }

    fn offers_auth(&self) -> bool {
        // RFC 4954 §4: a password never crosses the wire in the clear.
        self.listening.auth && self.peer.tls && self.peer.user.is_none()
    }

    fn mail(&mut self, line: &[u8], from: &smtp_proto::MailFrom<std::borrow::Cow<'_, str>>) -> Next {
        if self.peer.helo.is_empty() {
            return self.wrong(Reply::new(503, "5.5.1", "say EHLO first"));
        }
        if self.envelope.is_some() {
            return self.wrong(Reply::new(503, "5.5.1", "there is a sender already"));
        }
        if self.listening.tls_required && !self.peer.tls {
            // RFC 3207 §4
            return self.wrong(Reply::new(530, "5.7.0", "say STARTTLS first"));
        }
        if self.listening.auth_required && self.peer.user.is_none() {
            return self.wrong(Reply::new(530, "5.7.0", "authenticate first"));
        }
        let Some((text, parameters)) = path(line) else {
            return self.wrong(Reply::new(501, "5.5.2", "this line has no <address>"));
        };
        if from.flags & (smtp_proto::MAIL_BODY_BINARYMIME | smtp_proto::MAIL_REQUIRETLS) != 0
            || from.flags & (smtp_proto::MAIL_BY_NOTIFY | smtp_proto::MAIL_BY_RETURN) != 0
            || from.hold_for != 0
            || from.hold_until != 0
        {
            return self.wrong(Reply::new(555, "5.5.4", "a parameter that was not offered"));
        }
        if u64::try_from(from.size).unwrap_or(u64::MAX) > self.listening.limits.message_bytes {
            return self.wrong(self.too_large());
        }
        let utf8 = from.flags & smtp_proto::MAIL_SMTPUTF8 != 0;
        if !utf8 && !text.is_ascii() {
            return self.wrong(Reply::new(553, "5.6.7", "this address needs SMTPUTF8"));
        }
        match ReversePath::parse(&text) {
            Ok(from_path) => {
                self.envelope = Some(Envelope {
                    from: from_path,
                    recipients: Vec::new(),
                    utf8,
                    eight_bit: from.flags & smtp_proto::MAIL_BODY_8BITMIME != 0,
                    ret: parameter(&parameters, "RET"),
                    envid: parameter(&parameters, "ENVID"),
                });
                self.answer(&Reply::new(250, "2.1.0", "ok"))
            }
            Err(reply) => self.wrong(reply),
        }
    }

    fn too_large(&self) -> Reply {
        Reply::new(552, "5.3.4", format!("a message may have {} octets", self.listening.limits.message_bytes))
    }

    async fn rcpt(&mut self, line: &[u8], address: &str) -> Next {
        let Some(mut envelope) = self.envelope.take() else {
            return self.wrong(Reply::new(503, "5.5.1", "say MAIL first"));
        };
        let result = self.recipient(line, address, &envelope).await;
        let next = match result {
            Ok(recipient) => {
                envelope.recipients.push(recipient);
                self.answer(&Reply::new(250, "2.1.5", "ok"))
            }
            Err(reply) => self.wrong(reply),
        };
        self.envelope = Some(envelope);
        next
    }

    async fn recipient(&self, line: &[u8], address: &str, envelope: &Envelope) -> Result<Recipient, Reply> {
        if envelope.recipients.len() >= self.listening.limits.recipients {
            // RFC 5321 §4.5.3.1.10: 452, the rest later.
            return Err(Reply::new(452, "4.5.3", "too many recipients"));
        }
        let (text, parameters) = path(line).ok_or_else(|| Reply::new(501, "5.5.2", "this line has no <address>"))?;
        // The parser takes quotes and routes away; what it had to change is not one strict address (CASES T-83).
        if text != address {
            return Err(Reply::new(553, "5.1.3", "this form of address is not taken here"));
        }
        if !envelope.utf8 && !text.is_ascii() {
            return Err(Reply::new(553, "5.6.7", "this address needs SMTPUTF8"));
        }
        let recipient = Recipient {
            to: ForwardPath::parse(&text, &self.listening.domain)?,
            notify: parameter(&parameters, "NOTIFY"),
            orcpt: parameter(&parameters, "ORCPT"),
        };
        self.service.recipient(&self.peer, envelope, &recipient).await?;
        Ok(recipient)
    }

    fn ready_for_content(&self) -> Result<(), Reply> {
        match &self.envelope {
            None => Err(Reply::new(503, "5.5.1", "say MAIL first")),
            Some(envelope) if envelope.recipients.is_empty() => Err(Reply::new(503, "5.5.1", "no recipient was taken")),
            Some(_) => Ok(()),
        }
    }

    fn spool(&self) -> Spool {
        let limits = &self.listening.limits;
        Spool::new(SpoolLimits {
            memory: limits.memory_bytes,
            total: limits.message_bytes,
            folder: self.listening.spool_folder.clone(),
        })
    }

    async fn data(&mut self) -> io::Result<Next> {
        if let Err(reply) = self.ready_for_content() {
            return Ok(self.wrong(reply));
        }
        self.say(&Reply::new(354, "", "go on, end with CRLF . CRLF"));
        self.flush().await?;
        let mut spool = self.spool();
        let (mut decoder, mut failed) = (DataDecoder::default(), None);
        let timeouts = self.listening.limits.timeouts.clone();
        let deadline = Instant::now() + timeouts.content;
        loop {
            if self.wire.has_input() {
                let (used, done) = decoder.decode(self.wire.available(), |bytes| {
                    if failed.is_none() {
                        failed = spool.write_all(bytes).err();
                    }
                    Ok(())
                })?;
                self.wire.consume(used);
                if done {
                    break;
                }
            }
            let wait = deadline.min(Instant::now() + timeouts.chunk);
            match timeout_at(wait, self.wire.fill(DATA_CHUNK)).await {
                Err(_) => {
                    self.say(&Reply::new(421, "4.4.2", "the content took too long"));
                    return Ok(Next::Close);
                }
                // RFC 5321 §4.1.1.4: a message that was not ended was not sent.
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => _ = read?,
            }
        }
        let failed = failed.map(|error| self.storing_failed(&error)).or_else(|| decoder.is_broken().then(broken));
        self.take(spool, failed).await
    }

    async fn bdat(&mut self, size: usize, last: bool) -> io::Result<Next> {
        let mut chunks = match (self.chunks.take(), self.ready_for_content()) {
            (Some(chunks), _) => chunks,
            (None, ready) => Chunks { spool: self.spool(), checker: ChunkChecker::default(), failed: ready.err() },
        };
        // The octets are read whatever becomes of them: what follows must be taken for a command only when it is one.
        let timeouts = self.listening.limits.timeouts.clone();
        let deadline = Instant::now() + timeouts.content;
        let mut left = size;
        self.flush().await?;
        while left > 0 {
            if !self.wire.has_input() {
                let wait = deadline.min(Instant::now() + timeouts.chunk);
                match timeout_at(wait, self.wire.fill(DATA_CHUNK)).await {
                    Err(_) => {
                        self.say(&Reply::new(421, "4.4.2", "the content took too long"));
                        return Ok(Next::Close);
                    }
                    Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => _ = read?,
                }
            }
            let now = self.wire.available().len().min(left);
            if chunks.failed.is_none() {
                let piece = self.wire.available().get(..now).unwrap_or_default();
                chunks.checker.check(piece);
                if let Err(error) = chunks.spool.write_all(piece) {
                    chunks.failed = Some(self.storing_failed(&error));
                }
            }
            self.wire.consume(now);
            left -= now;
        }
        if last {
            let failed = chunks.failed.or_else(|| chunks.checker.is_broken().then(broken));
            if self.envelope.is_none() {
                return Ok(self.wrong(failed.unwrap_or_else(broken)));
            }
            return self.take(chunks.spool, failed).await;
        }
        let reply = chunks.failed.clone().unwrap_or_else(|| Reply::ok(format!("{size} octets")));
        if self.envelope.is_some() {
            self.chunks = Some(chunks);
        }
        Ok(if reply.is_positive() { self.answer(&reply) } else { self.wrong(reply) })
    }

    fn storing_failed(&self, error: &io::Error) -> Reply {
        match error.kind() {
            // The limit is ours; that the system takes no more of a file is no fault of the message.
            io::ErrorKind::FileTooLarge if error.raw_os_error().is_none() => self.too_large(),
            // CASES: no room or no disk is the sender's to keep.
            _ => {
                tracing::error!(%error, "the spool cannot be written");
                Reply::new(452, "4.3.1", "the message cannot be stored now")
            }
        }
    }

    // RFC 2033 §4.2: LMTP answers once for each recipient that was taken.
    async fn take(&mut self, content: Spool, failed: Option<Reply>) -> io::Result<Next> {
        let envelope = self.envelope.take().unwrap_or_default();
        let replies = match failed {
            Some(reply) => vec![reply; envelope.recipients.len()],
            None => self.service.message(&self.peer, &envelope, content).await,
        };
        match self.peer.protocol {
            Protocol::Lmtp => replies.iter().for_each(|reply| reply.write(&mut self.out)),
            Protocol::Smtp => one_for_all(&envelope, &replies).write(&mut self.out),
        }
        Ok(Next::GoOn)
    }

    async fn start_tls(&mut self) -> io::Result<Next> {
        let Some(tls) = self.listening.tls.clone().filter(|_| !self.peer.tls) else {
            return Ok(self.wrong(Reply::new(502, "5.5.1", "TLS is not offered")));
        };
        self.say(&Reply::new(220, "2.0.0", "begin TLS"));
        self.flush().await?;
        let nothing: BoxedStream = Box::new(tokio::io::empty());
        // RFC 3207 §4.2: all knowledge is dropped, and with it what was sent ahead in the clear (CASES T-81).
        let wire = std::mem::replace(&mut self.wire, Wire::new(nothing));
        let handshake = tls.accept(wire.into_stream());
        let stream = timeout(self.listening.limits.timeouts.handshake, handshake)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        self.wire = Wire::new(Box::new(stream));
        self.reset();
        self.peer.helo.clear();
        self.peer.user = None;
        self.peer.tls = true;
        Ok(Next::GoOn)
    }

    async fn auth(&mut self, mechanism: u64, initial: &str) -> io::Result<Next> {
        if !self.offers_auth() || self.envelope.is_some() {
            return Ok(self.wrong(Reply::new(503, "5.5.1", "AUTH is not offered now")));
        }
        if mechanism != smtp_proto::AUTH_PLAIN {
            return Ok(self.wrong(Reply::new(504, "5.5.4", "only AUTH PLAIN is offered")));
        }
        let response = if initial.is_empty() {
            self.say(&Reply::new(334, "", ""));
            self.flush().await?;
            match timeout(self.listening.limits.timeouts.command, self.wire.line(12_288)).await {
                Ok(Ok(Line::Whole(line))) => String::from_utf8_lossy(&line).trim_end().to_owned(),
                _ => return Ok(Next::Close),
            }
        } else {
            initial.to_owned()
        };
        let decoded = mime::decode_base64(response.as_bytes()).unwrap_or_default();
        // RFC 4616 §2: [authzid] NUL authcid NUL passwd.
        let mut parts = decoded.splitn(3, |&b| b == 0).map(|part| std::str::from_utf8(part).ok());
        let (Some(_), Some(Some(name)), Some(Some(password))) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(self.wrong(Reply::new(501, "5.5.2", "this is no response of PLAIN")));
        };
        match self.service.authenticate(&self.peer, name, password).await {
            Ok(true) => {
                self.peer.user = Some(name.to_owned());
                return Ok(self.answer(&Reply::new(235, "2.7.0", "welcome")));
            }
            Ok(false) => {}
            Err(reply) => return Ok(self.wrong(reply)),
        }
        // Every failure counts four times: guessing ends the connection soon.
        self.errors += 3;
        Ok(self.wrong(Reply::new(535, "5.7.8", "name and password do not belong together")))
    }
}

/// The one answer of SMTP for all recipients. Whoever has it already is remembered by the delivery journal, so *not
/// now* for some is *not now* for all.
fn one_for_all(envelope: &Envelope, replies: &[Reply]) -> Reply {
    let worst = replies.iter().max_by_key(|reply| reply.class());
    let Some(worst) = worst.filter(|_| replies.len() == envelope.recipients.len()) else {
        return Reply::new(451, "4.3.0", "the message was not handled");
    };
    let done = replies.iter().filter(|reply| reply.is_positive()).count();
    if worst.is_positive() || done == 0 && replies.iter().all(|reply| reply == worst) {
        return worst.clone();
    }
    let said: Vec<String> = envelope
        .recipients
        .iter()
        .zip(replies)
        .map(|(recipient, reply)| match reply.class() {
            Class::Positive => format!("{}: delivered", recipient.to),
            _ => format!("{}: {} {}", recipient.to, reply.enhanced(), reply.text()),
        })
        .collect();
    Reply::new(worst.code(), worst.enhanced(), said.join("; "))
}

fn broken() -> Reply {
    Reply::new(550, "5.6.0", "the message has a bare CR, a bare LF or a NUL; a line ends with CR LF")
}

fn syntax(error: &smtp_proto::Error) -> Reply {
    use smtp_proto::Error;
    match error {
        Error::InvalidSenderAddress => Reply::new(553, "5.1.7", "this sender address is not taken here"),
        Error::InvalidRecipientAddress => Reply::new(553, "5.1.3", "this recipient address is not taken here"),
        Error::UnsupportedParameter { .. } => Reply::new(555, "5.5.4", "a parameter that was not offered"),
        Error::InvalidParameter { param } => Reply::new(501, "5.5.4", format!("{param} has no such value")),
        Error::SyntaxError { syntax } => Reply::new(501, "5.5.2", format!("syntax: {syntax}")),
        _ => Reply::new(500, "5.5.2", "this command is not known"),
    }
}

/// The address between `<` and `>` and the parameters after it, as they were written.
fn path(line: &[u8]) -> Option<(String, Vec<String>)> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, rest) = line.split_once('<')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = rest.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
        None
    })?;
    let (address, parameters) = rest.split_at(end);
    let parameters = parameters.trim_start_matches('>').split_ascii_whitespace().map(str::to_owned).collect();
    Some((address.to_owned(), parameters))
}

/// A parameter's value, when it is printable and short enough to be passed on.
fn parameter(parameters: &[String], name: &str) -> Option<String> {
    parameters.iter().find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let fine = value.len() <= 500 && value.bytes().all(|b| b.is_ascii_graphic());
        (key.eq_ignore_ascii_case(name) && fine).then(|| value.to_owned())
    })
}

/// Waits for the end; a sender that is gone means the same.
pub(crate) async fn down(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\' | ';')).take(255).collect()
}
