use std::sync::Arc;

use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, Language, ManualClock, NewPerson, Origin, OutgoingKind, Person, Request, Role, Roles,
    Settings, StoreKey, Submission,
};
use testkit::{Postgres, TestPki};

/// An organisation with one officer and one employee, in a database of its own.
pub(crate) struct House {
    pub(crate) directory: Directory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) officer: Person,
    pub(crate) employee: Person,
    pub(crate) url: String,
    settings: Settings,
}

/// Runs a test on both databases.
pub(crate) async fn on_both<F: Future<Output = ()>>(test: impl Fn(House) -> F) {
    let folder = tempfile::tempdir().unwrap();
    test(House::at(&format!("sqlite:{}", folder.path().join("house.db").display()), false).await).await;
    let server = Postgres::start();
    test(House::at(&server.url(), false).await).await;
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    pub(crate) async fn at(url: &str, automatic: bool) -> Self {
        Self::with(url, |settings| settings.automatic_approval = automatic).await
    }

    pub(crate) async fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let store_key = StoreKey::generate().unwrap();
        let intake = address("emailzertifikat@muster.example");
        let mut settings =
            Settings::new("Muster GmbH", ["muster.example"], intake, "https://mail.muster.example/", store_key);
        settings.trust = TestPki::shared().anchors();
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(testkit::now()));
        let directory = Directory::open(url, settings.clone(), clock.clone()).await.unwrap();
        let officer = add(&directory, "otto@muster.example", [Role::Employee, Role::Officer]).await;
        let employee = add(&directory, "emma@muster.example", [Role::Employee, Role::Employee]).await;
        Self { directory, clock, officer, employee, url: url.to_owned(), settings }
    }

    /// Another process on the same database.
    pub(crate) async fn again(&self) -> Directory {
        Directory::open(&self.url, self.settings.clone(), self.clock.clone()).await.unwrap()
    }

    pub(crate) async fn submit(&self, person: &testkit::Person, of: &str) -> Request {
        let by = Actor::Mail(address(of));
        let mut submission = Submission::new(address(of), person.certificate().clone(), Origin::IntakeMail, by);
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        self.directory.submit(submission).await.unwrap()
    }

    /// The link out of the newest confirmation mail, which only the owner of the key can read.
    pub(crate) async fn link(&self, person: &testkit::Person) -> String {
        let mut link = None;
        for leased in self.directory.lease_outbox("test", 100, 60).await.unwrap() {
            self.directory.delivered(&leased).await.unwrap();
            if leased.outgoing.kind != OutgoingKind::Confirmation {
                continue;
            }
            let mail = leased.outgoing.content;
            assert!(!String::from_utf8_lossy(&mail).contains("/confirm/"), "the link is readable for anybody");
            let limits = smime::Limits::in_folder(std::env::temp_dir());
            let keys = [person.credential.clone()];
            let mut content = match smime::Decryptor::new(&keys, &limits).decrypt(&mail[..]) {
                Ok(content) => content.unwrap(),
                Err(error) => panic!("the mail does not open: {error}\n{}", String::from_utf8_lossy(&mail)),
            };
            let mut entity = Vec::new();
            std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut entity).unwrap();
            let text = mime::Entity::parse(&entity, &mime::Limits::default()).unwrap().first_text().unwrap();
            let (_, rest) = text.split_once("https://mail.muster.example/confirm/").unwrap();
            link = Some(rest.chars().take(43).collect());
        }
        link.unwrap()
    }
}

pub(crate) fn person(of: &str) -> testkit::Person {
    TestPki::shared().person(of, KeyKind::Rsa2048)
}

async fn add(directory: &Directory, at: &str, roles: [Role; 2]) -> Person {
    let new = NewPerson {
        address: address(at),
        name: at.split('@').next().unwrap().to_owned(),
        company: None,
        language: Language::German,
        roles: Roles::of(roles),
        contact: None,
    };
    directory.add_person(new, &Actor::System).await.unwrap()
}
