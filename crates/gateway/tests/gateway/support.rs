use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asn1::Time;
use cms::{Spool, SpoolLimits};
use crypto::KeyKind;
use gateway::maildir::Maildirs;
use gateway::smtp::{Caps, Client, ClientSettings, Envelope, Hop, Listening, Protocol, Reply, Server, client_config};
use gateway::{Book, Candidate, Certificates, Gateway, MessageKey, Settings, Side, Unavailable};
use pki::{Certificate, Credential, EmailAddress, TrustAnchors};
use testkit::{Person, TestPki};
use tokio::sync::watch;

pub(crate) const OURS: &str = "gate.inside.example";

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// A directory in memory: `inside.example` is ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    certificates: Mutex<HashMap<String, Certificates>>,
    keys: Mutex<HashMap<String, Vec<Credential>>>,
    delivered: Mutex<HashMap<MessageKey, HashSet<String>>>,
    learnt: Mutex<Vec<(String, Certificate)>>,
    away: AtomicBool,
}

impl Memory {
    pub(crate) fn employee(&self, person: &Person, at: &str) {
        self.0.keys.lock().unwrap().insert(at.to_owned(), vec![person.credential.clone()]);
    }

    pub(crate) fn partner(&self, person: &Person, at: &str) {
        self.0.certificates.lock().unwrap().insert(at.to_owned(), vec![(person.certificate().clone(), None)]);
    }

    pub(crate) fn go_away(&self) {
        self.0.away.store(true, Ordering::Relaxed);
    }

    pub(crate) fn learnt(&self) -> Vec<(String, Certificate)> {
        self.0.learnt.lock().unwrap().clone()
    }

    fn there(&self) -> Result<&Inner, Unavailable> {
        match self.0.away.load(Ordering::Relaxed) {
            true => Err(Unavailable { because: "away".into() }),
            false => Ok(&self.0),
        }
    }
}

impl Book for Memory {
    fn now(&self) -> Time {
        testkit::now()
    }

    fn is_inside(&self, address: &EmailAddress) -> bool {
        address.domain() == "inside.example"
    }

    async fn anchors(&self) -> Result<Arc<TrustAnchors>, Unavailable> {
        self.there().map(|_| Arc::new(TestPki::shared().anchors()))
    }

    async fn certificates(&self, address: &EmailAddress) -> Result<Certificates, Unavailable> {
        Ok(self.there()?.certificates.lock().unwrap().get(&address.canonical()).cloned().unwrap_or_default())
    }

    async fn signing(&self, address: &EmailAddress) -> Result<Option<Credential>, Unavailable> {
        Ok(self.decryption(address).await?.first().cloned())
    }

    async fn decryption(&self, address: &EmailAddress) -> Result<Vec<Credential>, Unavailable> {
        Ok(self.there()?.keys.lock().unwrap().get(&address.canonical()).cloned().unwrap_or_default())
    }

    async fn delivered(&self, message: &MessageKey) -> Result<HashSet<String>, Unavailable> {
        Ok(self.there()?.delivered.lock().unwrap().get(message).cloned().unwrap_or_default())
    }

    async fn record_delivery(&self, message: &MessageKey, recipient: &EmailAddress) -> Result<(), Unavailable> {
        self.there()?.delivered.lock().unwrap().entry(*message).or_default().insert(recipient.canonical());
        Ok(())
    }

    async fn learn(&self, address: &EmailAddress, candidate: &Candidate) -> Result<(), Unavailable> {
        self.there()?.learnt.lock().unwrap().push((address.canonical(), candidate.certificate.clone()));
        Ok(())
    }
}

/// A gateway between two Maildir sinks, all on loopback.
pub(crate) struct Rig {
    pub(crate) book: Memory,
    pub(crate) inside: SocketAddr,
    pub(crate) outside: SocketAddr,
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    boxes: Maildirs,
    folder: tempfile::TempDir,
    pub(crate) gateway: Gateway,
    _sinks: watch::Sender<bool>,
}

impl Rig {
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let boxes = Maildirs::new(folder.path().join("mail"));
        for name in ["alice@inside.example", "bob@partner.example", "carol@partner.example", "dora@inside.example"] {
            boxes.create(&address(name)).unwrap();
        }
        let (sinks, stop) = watch::channel(false);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sink = Server::bind(any, Listening::new("sink.example", Protocol::Lmtp, folder.path())).await.unwrap();
        let hop = Hop::plain(Protocol::Lmtp, sink.address());
        tokio::spawn(sink.serve(Arc::new(boxes.clone()), Caps::new(50, 50), stop, Duration::from_secs(1)));
        let mut settings = Settings::new(OURS, hop.clone(), hop, folder.path())
            .listen(any, Side::Inside, Protocol::Smtp)
            .listen(any, Side::Outside, Protocol::Smtp);
        change(&mut settings);
        let pki = TestPki::shared();
        let (alice, bob) =
            (pki.person("alice@inside.example", KeyKind::P256), pki.person("bob@partner.example", KeyKind::P256));
        let book = Memory::default();
        book.employee(&alice, "alice@inside.example");
        book.partner(&bob, "bob@partner.example");
        let gateway = Gateway::start(settings, book.clone()).await.unwrap();
        let (inside, outside) = (gateway.addresses()[0], gateway.addresses()[1]);
        Self { book, inside, outside, alice, bob, boxes, folder, gateway, _sinks: sinks }
    }

    pub(crate) async fn send(&self, to_listener: SocketAddr, from: &str, to: &[&str], mail: &[u8]) -> Vec<Reply> {
        let client = client_of(to_listener);
        let mut spool = Spool::new(SpoolLimits::in_folder(self.folder.path()));
        std::io::Write::write_all(&mut spool, mail).unwrap();
        client.send(&Envelope::new(address(from), to.iter().map(|to| address(to))), &mut spool).await
    }

    /// The messages of a mailbox, without the two fields of the final delivery.
    pub(crate) fn mail(&self, of: &str) -> Vec<Vec<u8>> {
        mail_in(&self.boxes, of)
    }

    /// Makes a mailbox behind the next hops.
    pub(crate) fn create(&self, of: &str) {
        self.boxes.create(&address(of)).unwrap();
    }

    pub(crate) fn policy(&self) -> smime::Policy {
        let anchors = TestPki::shared().anchors();
        smime::Policy::new(anchors, testkit::now(), smime::Limits::in_folder(self.folder.path()))
    }
}

pub(crate) fn client_settings() -> ClientSettings {
    let tls = client_config(None).unwrap();
    let wait = Duration::from_secs(60);
    ClientSettings {
        hostname: "client.example".into(),
        connect: wait,
        answer: wait,
        delivered: wait,
        idle: wait,
        spare: 0,
        tls_opportunistic: Arc::clone(&tls),
        tls_required: tls,
    }
}

pub(crate) fn client_of(listener: SocketAddr) -> Client {
    Client::new(Hop::plain(Protocol::Smtp, listener), client_settings())
}

/// The messages of a mailbox, without the two fields of the final delivery.
pub(crate) fn mail_in(boxes: &Maildirs, of: &str) -> Vec<Vec<u8>> {
    let files = boxes.messages(&address(of)).unwrap();
    let text = files.iter().map(|file| std::fs::read(file).unwrap());
    text.map(|mail| {
        let start = mail.windows(2).enumerate().filter(|(_, w)| w == b"\r\n").nth(1).unwrap().0 + 2;
        mail[start..].to_vec()
    })
    .collect()
}

pub(crate) fn mail(from: &str, to: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <1@x.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

pub(crate) fn contains(mail: &[u8], text: &str) -> bool {
    mail.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(crate) fn header(mail: &[u8]) -> mime::Header {
    mime::Header::parse(mail, &mime::Limits::default()).unwrap().0
}
