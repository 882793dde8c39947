//! CASES T-68, T-121, T-122, N-19: certificates in use are looked after.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, Language, ManualClock, NewPerson, Origin, OutgoingKind, Request, Role, Roles, Settings,
    State, StoreKey, Submission,
};
use egress::{FetcherLimits, SystemResolver};
use gateway::{Watch, WatchReport};
use pki::{RevocationListBuilder, RevocationReason};
use testkit::{Person, TestPki, now};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A CA's server: what it says now, and how often it was asked.
pub(crate) struct CaServer {
    pub(crate) url: String,
    says: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl CaServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ca.crl", listener.local_addr().unwrap());
        let (says, asked) = (Arc::new(Mutex::new(None::<Vec<u8>>)), Arc::new(AtomicUsize::new(0)));
        let (content, count) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                let content = content.lock().unwrap().clone();
                let answer = match content {
                    Some(content) => {
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
                        [head.as_bytes(), &content].concat()
                    }
                    None => b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
                };
                let _ = stream.write_all(&answer).await;
            }
        });
        Self { url, says, asked }
    }

    pub(crate) fn publish(&self, number: u64, revoked: Option<&Person>) {
        let mut builder = RevocationListBuilder::new(number, now(), now().plus_days(5));
        if let Some(person) = revoked {
            let serial = person.certificate().serial().clone();
            builder = builder.revoke(serial, now(), RevocationReason::KeyCompromise);
        }
        let list = TestPki::shared().ca().issue_crl(&builder).unwrap();
        *self.says.lock().unwrap() = Some(list.der().to_vec());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct House {
    directory: Directory,
    clock: Arc<ManualClock>,
    officer: directory::PersonId,
    _folder: tempfile::TempDir,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("house.db").display());
        let intake = address("emailzertifikat@muster.example");
        let mut settings =
            Settings::new("Muster", ["muster.example"], intake, "https://x.example", StoreKey::generate().unwrap());
        // The issuing CA itself, so that one list tells everything.
        settings.trust = [TestPki::shared().ca().certificate().clone()].into_iter().collect();
        let clock = Arc::new(ManualClock::at(now()));
        let directory = Directory::open(&url, settings, clock.clone()).await.unwrap();
        let person = NewPerson {
            address: address("otto@muster.example"),
            name: "Otto".into(),
            company: None,
            language: Language::German,
            roles: Roles::of([Role::Employee, Role::Officer]),
            contact: None,
        };
        let officer = directory.add_person(person, &Actor::System).await.unwrap().id;
        Self { directory, clock, officer, _folder: folder }
    }

    async fn submit(&self, person: &Person, of: &str) -> Request {
        let by = Actor::Mail(address(of));
        let submission = Submission::new(address(of), person.certificate().clone(), Origin::IntakeMail, by);
        self.directory.submit(submission).await.unwrap()
    }

    async fn activate(&self, person: &Person, of: &str) -> Request {
        let request = self.submit(person, of).await;
        let leased = self.directory.lease_outbox("test", 10, 60).await.unwrap();
        let mail = leased.into_iter().find(|mail| mail.outgoing.kind == OutgoingKind::Confirmation).unwrap();
        let keys = [person.credential.clone()];
        let limits = smime::Limits::in_folder(std::env::temp_dir());
        let mut content = smime::Decryptor::new(&keys, &limits).decrypt(&mail.outgoing.content[..]).unwrap().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut content.reader().unwrap(), &mut text).unwrap();
        let text = text.replace("=\r\n", "");
        let link: String = text.split_once("/confirm/").unwrap().1.chars().take(43).collect();
        self.directory.confirm(&link).await.unwrap();
        self.directory.approve(request.id(), &request.fingerprint(), self.officer, "").await.unwrap()
    }
}

fn watch() -> Watch {
    Watch::new("test", fetcher())
}

/// One that asks on loopback as well.
pub(crate) fn fetcher() -> egress::Fetcher {
    let limits = FetcherLimits { timeout: Duration::from_secs(60), ..FetcherLimits::default() };
    egress::danger::fetcher_to_anywhere(limits, Arc::new(SystemResolver))
}

pub(crate) fn person(of: &str, url: &str) -> Person {
    let pki = TestPki::shared();
    pki.issue(&pki.mailbox(of).crl_url(url), KeyKind::P256)
}

#[tokio::test]
async fn t_68_n_19_a_revocation_is_known_within_the_hour() {
    let (house, server, watch) = (House::new().await, CaServer::start().await, watch());
    server.publish(1, None);
    let of = "alice@partner.example";
    let alice = person(of, &server.url);
    let request = house.activate(&alice, of).await;
    let report = watch.round(&house.directory).await.unwrap();
    assert_eq!(report, WatchReport { looked_at: 1, fetched: 1, failed: 0, revoked: 0 });
    assert_eq!(watch.round(&house.directory).await.unwrap(), WatchReport::default(), "not again at once");
    // The CA revokes. Rounds are a minute apart; before an hour has passed the certificate is out of use.
    server.publish(2, Some(&alice));
    let mut minutes = 0;
    while !house.directory.active_certificates(&address(of)).await.unwrap().is_empty() {
        house.clock.advance_seconds(60);
        minutes += 1;
        assert!(minutes < 60, "still in use after an hour");
        watch.round(&house.directory).await.unwrap();
    }
    let request = house.directory.request(request.id()).await.unwrap().unwrap();
    assert_eq!(request.state(), State::Revoked);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn t_122_r_09_a_server_that_is_down_stops_nothing_and_is_left_alone() {
    let (house, server, watch) = (House::new().await, CaServer::start().await, watch());
    let of = "alice@partner.example";
    let request = house.activate(&person(of, &server.url), of).await;
    for _ in 0..10 {
        watch.round(&house.directory).await.unwrap();
        house.clock.advance_seconds(1801);
    }
    // Three failures, then it rests.
    assert_eq!(server.asked(), 3);
    let request = house.directory.request(request.id()).await.unwrap().unwrap();
    assert_eq!(request.state(), State::Active, "unknown, which this house lets pass");
    let status = house.directory.assess(&request).await.unwrap().revocation();
    assert_eq!(status, pki::RevocationStatus::Unknown);
}

#[tokio::test]
async fn t_121_nobody_is_asked_for_a_stranger() {
    let (house, server, watch) = (House::new().await, CaServer::start().await, watch());
    server.publish(1, None);
    let stranger = TestPki::new();
    let mallory = stranger.issue(&stranger.mailbox("m@evil.example").crl_url(server.url.as_str()), KeyKind::P256);
    let by = Actor::Mail(address("m@evil.example"));
    let mut submission =
        Submission::new(address("m@evil.example"), mallory.certificate().clone(), Origin::IntakeMail, by);
    submission.intermediates = vec![stranger.ca().certificate().clone(), stranger.root().certificate().clone()];
    let request = house.directory.submit(submission).await.unwrap();
    assert!(request.unknown_authority());
    watch.round(&house.directory).await.unwrap();
    assert_eq!(server.asked(), 0);
    // Many under one CA: its list is fetched, not one list for each.
    for number in 0..20 {
        let of = format!("p{number}@partner.example");
        house.submit(&person(&of, &server.url), &of).await;
    }
    let report = watch.round(&house.directory).await.unwrap();
    assert_eq!(report.looked_at, 20);
    assert!(server.asked() <= 8, "{}", server.asked());
}
