//! The organisation whose mail it is, as parent and gateways see it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use asn1::Time;
use crypto::KeyKind;
use directory::{
    Actor, Address, Clock, Directory, KeyRing, KeyUse, Language, MasterKey, NewPerson, Origin, OutgoingKind, Person,
    Role, Roles, StoreKey, Submission,
};
use testkit::TestPki;

pub(crate) const ALICE: &str = "alice@inside.example";
pub(crate) const BOB: &str = "bob@partner.example";
pub(crate) const BERT: &str = "bert@partner.example";
pub(crate) const CAROL: &str = "carol@partner.example";
const INTAKE: &str = "emailzertifikat@inside.example";

pub(crate) fn mailbox(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A minute passes each second, and goes on when a process is started again: leases and pauses of the outbox end soon.
#[derive(Debug)]
struct Fast {
    start: u64,
}

impl Clock for Fast {
    fn now(&self) -> Time {
        let passed = milliseconds().saturating_sub(self.start) * 60 / 1_000;
        testkit::now().plus_seconds(i64::try_from(passed).unwrap())
    }
}

pub(crate) fn milliseconds() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What a gateway process is told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) url: String,
    pub(crate) start: u64,
    pub(crate) store_key: String,
    pub(crate) master_key: String,
    pub(crate) root: String,
}

impl Told {
    pub(crate) fn new(url: &str, folder: &std::path::Path) -> Self {
        let key = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned();
        StoreKey::load_or_create(&folder.join("store.key")).unwrap();
        let master = MasterKey::generate().unwrap().to_base64();
        Self {
            url: url.to_owned(),
            start: milliseconds(),
            store_key: key("store.key"),
            master_key: master.to_string(),
            root: TestPki::shared().root().certificate().to_pem(),
        }
    }

    pub(crate) async fn open(&self) -> (Directory, KeyRing) {
        let store_key = StoreKey::from_base64(&self.store_key).unwrap();
        let mut settings = directory::Settings::new(
            "Muster GmbH",
            ["inside.example"],
            mailbox(INTAKE),
            "https://m.inside.example",
            store_key,
        );
        settings.trust = pki::TrustAnchors::all_from(self.root.as_bytes()).unwrap();
        let directory = Directory::open(&self.url, settings, Arc::new(Fast { start: self.start })).await.unwrap();
        let keys = KeyRing::open(&directory, MasterKey::from_base64(&self.master_key).unwrap()).await.unwrap();
        (directory, keys)
    }
}

/// What is in the directory.
pub(crate) struct House {
    pub(crate) alice: Person,
    pub(crate) bob: testkit::Person,
    /// What Bob sends to Alice.
    pub(crate) encrypted: Vec<u8>,
}

/// Fills the directory: Alice inside, Bob and Bert with certificates, Carol with the webmailer.
pub(crate) async fn fill(directory: &Directory, keys: &KeyRing) -> House {
    let pki = TestPki::shared();
    let chain = [pki.ca().certificate().clone()];
    let employee = add(directory, ALICE, Roles::of([Role::Employee])).await;
    let officer = add(directory, "otto@inside.example", Roles::of([Role::Officer])).await;
    let alice = pki.person(ALICE, KeyKind::P256);
    let system = Actor::System;
    keys.import(employee.id, &alice.pkcs8, alice.certificate(), &chain, KeyUse::Both, &system).await.unwrap();
    let mut persons = Vec::new();
    for name in [BOB, BERT] {
        let person = pki.person(name, KeyKind::P256);
        let mut submission =
            Submission::new(mailbox(name), person.certificate().clone(), Origin::Officer, system.clone());
        submission.intermediates = chain.to_vec();
        let request = directory.submit(submission).await.unwrap();
        let mail = directory.lease_outbox("setup", 1, 60).await.unwrap().remove(0);
        assert_eq!(mail.outgoing.kind, OutgoingKind::Confirmation);
        directory.delivered(&mail).await.unwrap();
        directory.confirm(&token(&person, &mail.outgoing.content)).await.unwrap();
        directory.approve(request.id(), &request.fingerprint(), officer.id, "rig").await.unwrap();
        // What they hear of it is none of the mails that are counted.
        let news = directory.lease_outbox("setup", 1, 60).await.unwrap().remove(0);
        assert_eq!(news.outgoing.kind, OutgoingKind::Decision);
        directory.delivered(&news).await.unwrap();
        persons.push(person);
    }
    let carol = add(directory, CAROL, Roles::of([Role::Partner])).await;
    directory.set_password(carol.id, "$hash", false, &system).await.unwrap();
    let plain = format!("From: {BOB}\r\nContent-Type: text/plain\r\n\r\nINSIDE-CANARY\r\n");
    let signed = smime::Signer::new(&persons[0].credential).unwrap().at(testkit::now()).sign(plain.as_bytes()).unwrap();
    let encrypted = smime::Encryptor::to(alice.certificate()).unwrap().encrypt(&signed).unwrap();
    House { alice: employee, bob: persons.swap_remove(0), encrypted }
}

/// What a confirmation asks its recipient to send back.
fn token(person: &testkit::Person, mail: &[u8]) -> String {
    let limits = smime::Limits::in_folder(std::env::temp_dir());
    let own = [person.credential.clone()];
    let mut content = smime::Decryptor::new(&own, &limits).decrypt(mail).unwrap().unwrap();
    let mut entity = Vec::new();
    std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut entity).unwrap();
    let text = mime::Entity::parse(&entity, &mime::Limits::default()).unwrap().first_text().unwrap();
    text.split_once("/confirm/").unwrap().1.chars().take(43).collect()
}

async fn add(directory: &Directory, at: &str, roles: Roles) -> Person {
    let new = NewPerson {
        address: mailbox(at),
        name: at.to_owned(),
        company: None,
        language: Language::English,
        roles,
        contact: None,
    };
    directory.add_person(new, &Actor::System).await.unwrap()
}
