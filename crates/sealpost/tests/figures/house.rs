//! An installation of the program with one employee and one partner, and the program at work in it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, KeyRing, KeyUse, Language, MasterKey, NewPerson, Origin, Person, Role, Roles, StoreKey,
    Submission, SystemClock,
};
use testkit::{Peer, TestPki};

pub(crate) const ALICE: &str = "alice@inside.example";
pub(crate) const BOB: &str = "bob@partner.example";

/// How the program stands among the servers.
pub(crate) struct Place {
    pub(crate) protocol: &'static str,
    pub(crate) next_hop: SocketAddr,
    pub(crate) encrypt: &'static str,
}

/// `sealpost serve --role gateway`, with its own clock, database and keys.
pub(crate) struct Sealpost {
    child: Child,
    pub(crate) inside: SocketAddr,
    pub(crate) people: People,
    _folder: tempfile::TempDir,
}

/// Whose keys they are, for whoever wants to open what was sent.
pub(crate) struct People {
    pub(crate) alice: testkit::Person,
    pub(crate) bob: testkit::Person,
    pub(crate) pki: TestPki,
}

impl People {
    pub(crate) fn new(kind: KeyKind) -> Self {
        let pki = TestPki::lasting();
        Self { alice: pki.person(ALICE, kind), bob: pki.person(BOB, kind), pki }
    }

    /// `alice.pem`, `bob.pem` and `ca.pem`, as the pipe filter wants them.
    pub(crate) fn write(&self, folder: &Path) {
        let peer = Peer::in_folder(folder);
        peer.write_person("alice", &self.alice);
        peer.write("bob.pem", self.bob.certificate().to_pem());
        peer.write("ca.pem", self.pki.ca().certificate().to_pem());
    }
}

impl Sealpost {
    pub(crate) fn start(kind: KeyKind, place: &Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let people = People::new(kind);
        fill(folder.path(), &people);
        let inside = testkit::free();
        let text = format!(
            "[organisation]\nname = \"Muster GmbH\"\ndomains = [\"inside.example\"]\n\
             intake_address = \"emailzertifikat@inside.example\"\n[database]\nurl = \"sqlite:house.db\"\n\
             [storage]\nfolder = \"store\"\n[keys]\nmaster_key_file = \"master.key\"\n[trust]\nanchors = [\"root.pem\"]\n\
             revocation = \"off\"\n[gateway]\nhostname = \"gate.inside.example\"\nconnections = 2000\n\
             connections_per_address = 2000\n[[gateway.listener]]\naddress = \"{inside}\"\nside = \"inside\"\n\
             protocol = \"{}\"\n[gateway.next_hop]\ninside = \"smtp://{1}\"\noutside = \"smtp://{1}\"\ntls = \"off\"\n\
             [policy]\nsign = \"always\"\nencrypt = \"{2}\"\n[portal]\naddress = \"127.0.0.1:0\"\n\
             base_url = \"http://127.0.0.1:1\"\n[log]\nlevel = \"warn\"\n",
            place.protocol, place.next_hop, place.encrypt
        );
        std::fs::write(folder.path().join("sealpost.toml"), text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["serve", "--role", "gateway", "--config"])
            .arg(folder.path().join("sealpost.toml"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, inside, people, _folder: folder };
        let since = Instant::now();
        while TcpStream::connect(inside).is_err() {
            assert!(since.elapsed() < Duration::from_secs(60), "sealpost does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }

    /// Processor time that it has taken so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Its name may have blanks, and stands in parentheses.
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        // What Linux counts in: USER_HZ is 100 on every platform that Debian has.
        Duration::from_millis(ticks * 10)
    }

    /// Memory that it has now, and the most it has had, in KiB.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Sealpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Directory and keys, made the way that the program makes them.
fn fill(folder: &Path, people: &People) {
    let master = MasterKey::load_or_create(&folder.join("master.key")).unwrap();
    std::fs::write(folder.join("root.pem"), people.pki.root().certificate().to_pem()).unwrap();
    std::fs::create_dir(folder.join("store")).unwrap();
    let store_key = StoreKey::load_or_create(&folder.join("store/store.key")).unwrap();
    let intake = Address::parse("emailzertifikat@inside.example").unwrap();
    let mut settings =
        directory::Settings::new("Muster GmbH", ["inside.example"], intake, "http://127.0.0.1:1", store_key);
    settings.trust = people.pki.anchors();
    settings.revocation = pki::Revocation::Off;
    let url = format!("sqlite:{}", folder.join("house.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let directory = Directory::open(&url, settings, Arc::new(SystemClock)).await.unwrap();
        let keys = KeyRing::open(&directory, master).await.unwrap();
        let chain = vec![people.pki.ca().certificate().clone()];
        let system = Actor::System;
        let alice = add(&directory, ALICE, Role::Employee).await;
        let officer = add(&directory, "otto@inside.example", Role::Officer).await;
        let own = &people.alice;
        keys.import(alice.id, &own.pkcs8, own.certificate(), &chain, KeyUse::Both, &system).await.unwrap();
        let bob = Address::parse(BOB).unwrap();
        let mut submission = Submission::new(bob, people.bob.certificate().clone(), Origin::Officer, system);
        submission.intermediates = chain;
        let request = directory.submit(submission).await.unwrap();
        let mail = directory.lease_outbox("figures", 1, 60).await.unwrap().remove(0);
        directory.delivered(&mail).await.unwrap();
        directory.confirm(&token(&mail.outgoing.content, people)).await.unwrap();
        directory.approve(request.id(), &request.fingerprint(), officer.id, "figures").await.unwrap();
        // What he hears of it is none of the mails that are measured.
        let news = directory.lease_outbox("figures", 1, 60).await.unwrap().remove(0);
        directory.delivered(&news).await.unwrap();
        directory.close().await;
    });
}

async fn add(directory: &Directory, at: &str, role: Role) -> Person {
    let new = NewPerson {
        address: Address::parse(at).unwrap(),
        name: at.to_owned(),
        company: None,
        language: Language::English,
        roles: Roles::of([role]),
        contact: None,
    };
    directory.add_person(new, &Actor::System).await.unwrap()
}

/// What the partner finds in the confirmation mail.
fn token(mail: &[u8], people: &People) -> String {
    let limits = smime::Limits::in_folder(std::env::temp_dir());
    let own = [people.bob.credential.clone()];
    let mut content = smime::Decryptor::new(&own, &limits).decrypt(mail).unwrap().unwrap();
    let mut entity = Vec::new();
    std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut entity).unwrap();
    let text = mime::Entity::parse(&entity, &mime::Limits::default()).unwrap().first_text().unwrap();
    text.split_once("/confirm/").unwrap().1.chars().take(43).collect()
}
