//! A gateway over a real directory, between two sinks that can refuse.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cms::{Spool, SpoolLimits};
use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, KeyRing, KeyUse, Language, ManualClock, MasterKey, NewPerson, Person as Known, Request,
    RequestFilter, Role, Roles, StoreKey,
};
use gateway::maildir::Maildirs;
use gateway::smtp::{Caps, Envelope, Hop, Listening, Peer, Protocol, Recipient, Reply, Server, Service};
use gateway::{Gateway, Settings, Side};
use testkit::{Person, TestPki};
use tokio::sync::watch;

use crate::support::{address, client_of};

pub(crate) const ALICE: &str = "alice@inside.example";
pub(crate) const BOB: &str = "bob@partner.example";
pub(crate) const CAROL: &str = "carol@partner.example";
pub(crate) const INTAKE: &str = "emailzertifikat@inside.example";
pub(crate) const OFFICER: &str = "otto@inside.example";

pub(crate) fn mailbox(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Maildirs that say no while `refusal` holds a code.
#[derive(Clone)]
struct Sink {
    boxes: Maildirs,
    refusal: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<Envelope>>>,
}

impl Service for Sink {
    async fn recipient(&self, peer: &Peer, envelope: &Envelope, to: &Recipient) -> Result<(), Reply> {
        match self.refusal.load(Ordering::SeqCst) {
            0 => self.boxes.recipient(peer, envelope, to).await,
            code => Err(Reply::new(code, if code < 500 { "4.3.0" } else { "5.1.1" }, "no, says the test")),
        }
    }

    async fn message(&self, peer: &Peer, envelope: &Envelope, content: Spool) -> Vec<Reply> {
        self.taken.lock().unwrap().push(envelope.clone());
        self.boxes.message(peer, envelope, content).await
    }
}

pub(crate) struct House {
    pub(crate) directory: Directory,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) officer: Known,
    pub(crate) employee: Known,
    pub(crate) inside: SocketAddr,
    pub(crate) outside: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) gateway: Option<Gateway>,
    refusal: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<Envelope>>>,
    boxes: Maildirs,
    _sinks: watch::Sender<bool>,
}

impl House {
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("house.db").display());
        Self::at(&url, folder, change).await
    }

    pub(crate) async fn at(url: &str, folder: tempfile::TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_tokens(url, folder, Vec::new(), change).await
    }

    pub(crate) async fn with_tokens(
        url: &str,
        folder: tempfile::TempDir,
        tokens: Vec<crypto::Token>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::about(url, folder, tokens, |_| (), change).await
    }

    /// With something else in the directory's settings as well.
    pub(crate) async fn about(
        url: &str,
        folder: tempfile::TempDir,
        tokens: Vec<crypto::Token>,
        change_about: impl FnOnce(&mut directory::Settings),
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let pki = TestPki::shared();
        let mut about = directory::Settings::new(
            "Muster GmbH",
            ["inside.example"],
            mailbox(INTAKE),
            "https://mail.inside.example",
            StoreKey::generate().unwrap(),
        );
        about.trust = pki.anchors();
        change_about(&mut about);
        let clock = Arc::new(ManualClock::at(testkit::now()));
        let directory = Directory::open(url, about, clock.clone()).await.unwrap();
        let master = vec![MasterKey::generate().unwrap().into()];
        let keys = KeyRing::open_with(&directory, master, tokens).await.unwrap();
        let officer = add(&directory, OFFICER, [Role::Employee, Role::Officer]).await;
        let employee = add(&directory, ALICE, [Role::Employee, Role::Employee]).await;
        let alice = pki.person(ALICE, KeyKind::P256);
        let chain = [pki.ca().certificate().clone()];
        let system = Actor::System;
        keys.import(employee.id, &alice.pkcs8, alice.certificate(), &chain, KeyUse::Both, &system).await.unwrap();
        let boxes = Maildirs::new(folder.path().join("mail"));
        for name in [ALICE, BOB, CAROL, OFFICER, "eve@evil.example", "acme-reply@ca.example"] {
            boxes.create(&address(name)).unwrap();
        }
        let refusal = Arc::new(AtomicU16::new(0));
        let (sinks, stop) = watch::channel(false);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sink = Server::bind(any, Listening::new("sink.example", Protocol::Lmtp, folder.path())).await.unwrap();
        let hop = Hop::plain(Protocol::Lmtp, sink.address());
        let taken = Arc::default();
        let service = Arc::new(Sink { boxes: boxes.clone(), refusal: Arc::clone(&refusal), taken: Arc::clone(&taken) });
        tokio::spawn(sink.serve(service, Caps::new(50, 50), stop, Duration::from_secs(1)));
        let mut settings = Settings::new("gate.inside.example", hop.clone(), hop, folder.path())
            .listen(any, Side::Inside, Protocol::Smtp)
            .listen(any, Side::Outside, Protocol::Smtp);
        settings.messages = Some(folder.path().join("store").into());
        settings.outbox_seconds = 1;
        change(&mut settings);
        let gateway = Gateway::start_with_directory(settings, directory.clone(), keys.clone()).await.unwrap();
        let (inside, outside) = (gateway.addresses()[0], gateway.addresses()[1]);
        Self {
            directory,
            keys,
            clock,
            alice,
            bob: pki.person(BOB, KeyKind::P256),
            officer,
            employee,
            inside,
            outside,
            folder,
            gateway: Some(gateway),
            refusal,
            taken,
            boxes,
            _sinks: sinks,
        }
    }

    pub(crate) async fn send(&self, to_listener: SocketAddr, from: &str, to: &[&str], mail: &[u8]) -> Vec<Reply> {
        let envelope = match from {
            "" => Envelope::new(gateway::smtp::ReversePath::null(), to.iter().map(|to| address(to))),
            from => Envelope::new(address(from), to.iter().map(|to| address(to))),
        };
        self.send_in(to_listener, &envelope, mail).await
    }

    pub(crate) async fn send_in(&self, to_listener: SocketAddr, envelope: &Envelope, mail: &[u8]) -> Vec<Reply> {
        let mut spool = Spool::new(SpoolLimits::in_folder(self.folder.path()));
        std::io::Write::write_all(&mut spool, mail).unwrap();
        client_of(to_listener).send(envelope, &mut spool).await
    }

    /// The envelopes that the next hops took since this was asked last.
    pub(crate) fn taken(&self) -> Vec<Envelope> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }

    /// Makes a mailbox behind the next hops.
    pub(crate) fn create(&self, of: &str) {
        self.boxes.create(&address(of)).unwrap();
    }

    /// Sends from outside to the intake address, which is expected to take it.
    pub(crate) async fn sends_in(&self, from: &str, mail: &[u8]) {
        let replies = self.send(self.outside, from, &[INTAKE], mail).await;
        assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    }

    /// The sinks refuse with this code from now on; with 0 they take mail again.
    pub(crate) fn refuse_with(&self, code: u16) {
        self.refusal.store(code, Ordering::SeqCst);
    }

    pub(crate) fn mail(&self, of: &str) -> Vec<Vec<u8>> {
        crate::support::mail_in(&self.boxes, of)
    }

    /// Waits until a mailbox has so many mails.
    pub(crate) async fn mails(&self, of: &str, count: usize) -> Vec<Vec<u8>> {
        until(|| async { self.mail(of).len() >= count }).await;
        let mails = self.mail(of);
        assert_eq!(mails.len(), count, "{of} has more than was expected");
        mails
    }

    /// Waits until the outbox has nothing that is due.
    pub(crate) async fn idle(&self) {
        until(|| async {
            let counts = self.directory.outbox_counts().await.unwrap();
            counts.waiting + counts.leased == 0
        })
        .await;
    }

    pub(crate) async fn requests(&self, of: &str) -> Vec<Request> {
        self.directory.requests(&RequestFilter::For(mailbox(of)), 50).await.unwrap()
    }

    /// Somebody outside whom an employee has invited: they can log in to the webmailer.
    pub(crate) async fn invite(&self, partner: &str, language: Language) -> Known {
        let new = NewPerson {
            address: mailbox(partner),
            name: partner.to_owned(),
            company: None,
            language,
            roles: Roles::of([Role::Partner]),
            contact: Some(self.employee.id),
        };
        let person = self.directory.add_person(new, &Actor::System).await.unwrap();
        self.directory.set_password(person.id, "$hash", true, &Actor::System).await.unwrap();
        person
    }

    /// Takes a partner's certificate all the way to use.
    pub(crate) async fn activate(&self, person: &Person, of: &str) {
        let mut submission = directory::Submission::new(
            mailbox(of),
            person.certificate().clone(),
            directory::Origin::Officer,
            Actor::System,
        );
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        let request = self.directory.submit(submission).await.unwrap();
        let before = self.mail(of).len();
        let mail = self.mails(of, before + 1).await.pop().unwrap();
        self.directory.confirm(&link_in(&mail, person)).await.unwrap();
        let shown = request.fingerprint();
        self.directory.approve(request.id(), &shown, self.officer.id, "test").await.unwrap();
    }

    /// Whether a text stands anywhere on the disk: database, spool, message store. Mailboxes do not count.
    pub(crate) fn is_on_disk(&self, canary: &[u8]) -> bool {
        fn look(folder: &std::path::Path, canary: &[u8]) -> bool {
            std::fs::read_dir(folder).unwrap().any(|entry| {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    return !path.ends_with("mail") && look(&path, canary);
                }
                std::fs::read(&path).unwrap().windows(canary.len()).any(|window| window == canary)
            })
        }
        look(self.folder.path(), canary)
    }
}

/// Waits for something that happens soon.
pub(crate) async fn until<F: Future<Output = bool>>(mut happened: impl FnMut() -> F) {
    let since = Instant::now();
    while !happened().await {
        assert!(since.elapsed() < Duration::from_secs(60), "it did not happen");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The link out of a confirmation mail, which only the owner of the key can read.
pub(crate) fn link_in(mail: &[u8], person: &Person) -> String {
    let limits = smime::Limits::in_folder(std::env::temp_dir());
    let keys = [person.credential.clone()];
    let mut content = smime::Decryptor::new(&keys, &limits).decrypt(mail).unwrap().unwrap();
    let mut entity = Vec::new();
    std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut entity).unwrap();
    let text = mime::Entity::parse(&entity, &mime::Limits::default()).unwrap().first_text().unwrap();
    let (_, rest) = text.split_once("https://mail.inside.example/confirm/").unwrap();
    rest.chars().take(43).collect()
}

async fn add(directory: &Directory, at: &str, roles: [Role; 2]) -> Known {
    let new = NewPerson {
        address: mailbox(at),
        name: at.to_owned(),
        company: None,
        language: Language::German,
        roles: Roles::of(roles),
        contact: None,
    };
    directory.add_person(new, &Actor::System).await.unwrap()
}
