//! A next hop that misbehaves when it is told to, and keeps the ledger of what it took.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::TlsPki;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::ledger::Ledger;
use crate::misbehaviour::{Act, KINDS, Kind, Step, Takes};

/// How long the gateway waits for a hop that is slow. What is in order must not take so long on a busy machine either.
pub(crate) fn slow() -> Duration {
    Duration::from_millis(crate::number("SEALPOST_FAULT_PATIENCE", 500) as u64)
}

pub(crate) struct BadHop {
    mode: Mode,
    lmtp: bool,
    address: SocketAddr,
    socket: Mutex<Option<TcpSocket>>,
    misbehaves: AtomicBool,
    connections: AtomicUsize,
    ledger: Arc<Ledger>,
    tls: Option<Tls>,
    /// How often it did what it should not.
    pub(crate) bites: AtomicUsize,
    /// Envelopes heard without the TLS that was demanded.
    pub(crate) before_tls: AtomicUsize,
}

enum Mode {
    /// One kind, whenever it is told to.
    Kind(Kind),
    /// Any kind, in one of so many connections.
    Random(usize),
}

/// The certificate that is trusted, and one that is not.
pub(crate) struct Tls {
    right: TlsAcceptor,
    wrong: TlsAcceptor,
    pub(crate) root: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Wire = BufReader<Box<dyn Stream>>;

impl Tls {
    pub(crate) fn new() -> Self {
        let (right, wrong) = (TlsPki::for_names("IP:127.0.0.1"), TlsPki::for_names("IP:127.0.0.1"));
        let root = CertificateDer::from_pem_file(right.root()).unwrap().to_vec();
        Self { right: acceptor(&right), wrong: acceptor(&wrong), root }
    }
}

impl Clone for Tls {
    fn clone(&self) -> Self {
        Self { right: self.right.clone(), wrong: self.wrong.clone(), root: self.root.clone() }
    }
}

fn acceptor(pki: &TlsPki) -> TlsAcceptor {
    let (certificate, key) = pki.server();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl BadHop {
    /// One that does one thing wrong, as long as it is told to.
    pub(crate) fn of_kind(kind: Kind, tls: Option<Tls>, ledger: Arc<Ledger>) -> Arc<Self> {
        let this = Self::new(Mode::Kind(kind), kind.lmtp, tls, ledger);
        if kind.step != Step::Listen {
            this.listen();
        }
        this
    }

    /// One that does anything wrong in one of so many connections.
    pub(crate) fn at_random(one_of: usize, ledger: Arc<Ledger>) -> Arc<Self> {
        let this = Self::new(Mode::Random(one_of), false, None, ledger);
        this.listen();
        this
    }

    fn new(mode: Mode, lmtp: bool, tls: Option<Tls>, ledger: Arc<Ledger>) -> Arc<Self> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Arc::new(Self {
            mode,
            lmtp,
            address: socket.local_addr().unwrap(),
            socket: Mutex::new(Some(socket)),
            misbehaves: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            ledger,
            tls,
            bites: AtomicUsize::new(0),
            before_tls: AtomicUsize::new(0),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn misbehave(self: &Arc<Self>, now: bool) {
        self.misbehaves.store(now, Ordering::SeqCst);
        if !now {
            self.listen();
        }
    }

    fn listen(self: &Arc<Self>) {
        let Some(socket) = self.socket.lock().unwrap().take() else { return };
        let listener: TcpListener = socket.listen(1_024).unwrap();
        let this = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = Arc::clone(&this);
                // That the gateway hangs up is its right.
                tokio::spawn(async move { this.speak(stream).await.ok() });
            }
        });
    }

    /// What is done wrong in this connection, if something is.
    fn now(&self, drawn: Option<Kind>) -> Option<Kind> {
        match self.mode {
            Mode::Kind(kind) => self.misbehaves.load(Ordering::SeqCst).then_some(kind),
            Mode::Random(_) => drawn,
        }
    }

    fn draw(&self, connection: usize) -> Option<Kind> {
        let Mode::Random(one_of) = self.mode else { return None };
        let kinds: Vec<&Kind> = KINDS.iter().filter(|k| !k.tls && !k.lmtp && k.step != Step::Listen).collect();
        (connection % one_of == one_of - 1).then(|| *kinds[connection / one_of * 7 % kinds.len()])
    }

    async fn speak(&self, stream: TcpStream) -> std::io::Result<()> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let drawn = self.draw(connection);
        let mut wire: Wire = BufReader::new(Box::new(stream));
        if self.answer(&mut wire, drawn, Step::Banner, "220 hop.example ESMTP\r\n").await?.is_none() {
            return Ok(());
        }
        let (mut begun, mut to, mut line, mut tls, mut messages) = (false, Vec::new(), Vec::new(), false, 0);
        loop {
            line.clear();
            if wire.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            if self.now(drawn).is_some_and(|kind| kind.act == Act::Forget) && !wire.buffer().is_empty() {
                self.bites.fetch_add(1, Ordering::Relaxed);
                let ahead = wire.buffer().len();
                wire.consume(ahead);
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            let (step, normal) = match text.get(..4).unwrap_or_default() {
                "EHLO" | "LHLO" => (Step::Hello, self.offers(drawn, connection, tls)),
                "STAR" => (Step::StartTls, "220 go\r\n".into()),
                "MAIL" => (Step::Mail, "250 2.1.0 ok\r\n".into()),
                "RCPT" if !begun => (Step::Every, "503 5.5.1 MAIL first\r\n".into()),
                "RCPT" if to.is_empty() => (Step::FirstRcpt, "250 2.1.5 ok\r\n".into()),
                "RCPT" => (Step::SecondRcpt, "250 2.1.5 ok\r\n".into()),
                // A connection that did wrong is not used again: one fault is one, not all that comes after it.
                "RSET" if drawn.is_some() => return Ok(()),
                "DATA" if to.is_empty() => (Step::Every, "554 5.5.1 nobody\r\n".into()),
                "DATA" => (Step::Data, "354 go on\r\n".to_owned()),
                _ => (Step::Every, "250 2.0.0 ok\r\n".into()),
            };
            if self.tls.is_some() && !tls && matches!(step, Step::Mail | Step::FirstRcpt | Step::Data) {
                self.before_tls.fetch_add(1, Ordering::Relaxed);
            }
            let Some(said) = self.answer(&mut wire, drawn, step, &normal).await? else { return Ok(()) };
            match step {
                Step::StartTls if said.starts_with("220") => {
                    let acceptor = &self.tls.as_ref().unwrap().right;
                    wire = BufReader::new(Box::new(acceptor.accept(wire.into_inner()).await?));
                    tls = true;
                }
                Step::Mail => {
                    begun = said.starts_with('2');
                    to.clear();
                }
                Step::FirstRcpt | Step::SecondRcpt if said.starts_with('2') => {
                    to.push(text.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                }
                Step::Data if said.starts_with("354") => {
                    let Some(content) = self.content(&mut wire, drawn).await? else { return Ok(()) };
                    self.take(&content, &to, drawn);
                    let normal: String = if self.lmtp {
                        to.iter().map(|to| format!("250 2.1.5 <{to}> taken\r\n")).collect()
                    } else {
                        "250 2.0.0 taken\r\n".into()
                    };
                    if self.answer(&mut wire, drawn, Step::Dot, &normal).await?.is_none() {
                        return Ok(());
                    }
                    (begun, to) = (false, Vec::new());
                    messages += 1;
                    // Now and then a connection is used again; most messages come by a new one, so that each step is met.
                    if !connection.is_multiple_of(3) || messages > 1 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    fn offers(&self, drawn: Option<Kind>, connection: usize, tls: bool) -> String {
        let forgets = self.now(drawn).is_some_and(|kind| kind.act == Act::Forget);
        let mut lines = "250-hop.example\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n".to_owned();
        // One half of the connections goes step by step.
        if forgets || connection.is_multiple_of(2) {
            lines.push_str("250-PIPELINING\r\n");
        }
        if self.tls.is_some() && !tls {
            lines.push_str("250-STARTTLS\r\n");
        }
        lines + "250 HELP\r\n"
    }

    /// The content, when it has come to its end.
    async fn content(&self, wire: &mut Wire, drawn: Option<Kind>) -> std::io::Result<Option<String>> {
        let (mut content, mut line) = (String::new(), Vec::new());
        loop {
            line.clear();
            if wire.read_until(b'\n', &mut line).await? == 0 {
                return Ok(None);
            }
            if content.is_empty() && self.answer(wire, drawn, Step::Content, "").await?.is_none() {
                return Ok(None);
            }
            if line == b".\r\n" {
                return Ok(Some(content));
            }
            let line = String::from_utf8_lossy(&line);
            if line.contains("CANARY") {
                self.ledger.saw_plaintext();
            }
            content.push_str(&line);
        }
    }

    fn take(&self, content: &str, to: &[String], drawn: Option<Kind>) {
        let takes = match self.now(drawn) {
            Some(kind) if matches!(kind.step, Step::Dot | Step::Every) => kind.takes,
            _ => Takes::All,
        };
        let taken = to.iter().take(match takes {
            Takes::Nobody => 0,
            Takes::First => 1,
            Takes::All => usize::MAX,
        });
        if content.contains("Auto-Submitted: auto-generated") {
            taken.for_each(|_| self.ledger.notify());
            return;
        }
        let id = content.split("Message-ID: <").nth(1).and_then(|rest| rest.split('>').next());
        taken.for_each(|to| self.ledger.arrive(id.unwrap(), to));
    }

    /// Gives the answer, or does what should not be done; gives what was said, unless that was the end of it.
    async fn answer(
        &self,
        wire: &mut Wire,
        drawn: Option<Kind>,
        step: Step,
        normal: &str,
    ) -> std::io::Result<Option<String>> {
        let now = self.now(drawn).filter(|kind| kind.step == step || kind.act == Act::Octets);
        let Some(kind) = now.filter(|kind| kind.act != Act::Forget) else {
            wire.write_all(normal.as_bytes()).await?;
            return Ok(Some(normal.to_owned()));
        };
        self.bites.fetch_add(1, Ordering::Relaxed);
        match kind.act {
            Act::Close | Act::Refuse | Act::Forget => Ok(None),
            Act::Hang => until_closed(wire).await,
            Act::Say(words) => {
                wire.write_all(words.as_bytes()).await?;
                Ok(Some(words.to_owned()))
            }
            Act::SayClose(words) => {
                wire.write_all(words.as_bytes()).await?;
                wire.shutdown().await?;
                Ok(None)
            }
            Act::SayHang(words) => {
                wire.write_all(words.as_bytes()).await?;
                until_closed(wire).await
            }
            Act::Drip(words) => {
                for octet in words.as_bytes().chunks(1) {
                    wire.write_all(octet).await?;
                    sleep(slow() / 4).await;
                }
                Ok(None)
            }
            Act::Octets => {
                for octet in normal.as_bytes().chunks(1) {
                    wire.write_all(octet).await?;
                    tokio::task::yield_now().await;
                }
                Ok(Some(normal.to_owned()))
            }
            Act::Long => {
                wire.write_all(b"250 2.0.0 ").await?;
                wire.write_all(&[b'x'; 1 << 20]).await?;
                Ok(None)
            }
            Act::Endless => {
                for _ in 0..100_000 {
                    wire.write_all(b"250-2.0.0 taken\r\n").await?;
                }
                Ok(None)
            }
            Act::Late(words) => {
                sleep(slow() * 3 / 2).await;
                wire.write_all(words.as_bytes()).await?;
                Ok(Some(words.to_owned()))
            }
            Act::WrongCertificate => {
                wire.write_all(b"220 go\r\n").await?;
                let wrong = &self.tls.as_ref().unwrap().wrong;
                // The gateway must not get so far as to say something.
                let mut wire = BufReader::new(wrong.accept(wire).await?);
                let mut line = String::new();
                if wire.read_line(&mut line).await? > 0 {
                    self.before_tls.fetch_add(1, Ordering::Relaxed);
                }
                Ok(None)
            }
        }
    }
}

async fn until_closed(wire: &mut Wire) -> std::io::Result<Option<String>> {
    tokio::io::copy(wire, &mut tokio::io::sink()).await?;
    Ok(None)
}
