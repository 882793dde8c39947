use std::sync::Arc;

use crypto::KeyKind;
use directory::{
    Actor, Address, Directory, Language, ManualClock, NewPerson, Origin, OutgoingKind, Person, Request, Role, Roles,
    Settings, StoreKey, Submission,
};
use portal::Portal;
use testkit::TestPki;
use tokio::runtime::Runtime;

use crate::browser::Browser;

/// An organisation with a portal, and people of every role who can log in.
pub(crate) struct House {
    runtime: Runtime,
    portal: Option<Portal>,
    pub(crate) directory: Directory,
    pub(crate) clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

pub(crate) const PASSWORD: &str = "vier Worte ohne Sinn";

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    pub(crate) fn open() -> Self {
        Self::at("http://portal.example")
    }

    pub(crate) fn at(base_url: &str) -> Self {
        Self::with(base_url, |_| {})
    }

    /// With settings of the portal that are different.
    pub(crate) fn with(base_url: &str, change: impl FnOnce(&mut portal::Settings)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let intake = address("emailzertifikat@muster.example");
        let mut settings =
            Settings::new("Muster GmbH", ["muster.example"], intake, base_url, StoreKey::generate().unwrap());
        settings.trust = TestPki::shared().anchors();
        let clock = Arc::new(ManualClock::at(testkit::now()));
        let url = format!("sqlite:{}", folder.path().join("house.db").display());
        let directory = runtime.block_on(Directory::open(&url, settings, clock.clone())).unwrap();
        let mut settings = portal::Settings::new("127.0.0.1:0".parse().unwrap(), folder.path().join("messages"));
        settings.time_zone = Some("UTC".into());
        settings.certificate_sources = vec!["Muster CA https://ca.example/".into()];
        settings.explain = Some(Arc::new(Rules));
        settings.shown = vec![portal::ShownSetting {
            name: "organisation.name".into(),
            value: "Muster GmbH".into(),
            source: portal::SettingSource::File,
        }];
        change(&mut settings);
        let portal = runtime.block_on(Portal::start(settings, directory.clone())).unwrap();
        let house = Self { runtime, portal: Some(portal), directory, clock, folder };
        house.add("emma@muster.example", "Emma Muster", Role::Employee);
        house.add("otto@muster.example", "Otto Amt", Role::Officer);
        house.add("olga@muster.example", "Olga Amt", Role::Officer);
        house.add("anna@muster.example", "Anna Prüferin", Role::Auditor);
        house.add("oskar@muster.example", "Oskar Betrieb", Role::Operator);
        house.add("petra@partner.example", "Petra Partner", Role::Partner);
        house.add("paul@partner.example", "Paul Partner", Role::Partner);
        house
    }

    /// Somebody with an own password, spoken to in German.
    fn add(&self, at: &str, name: &str, role: Role) -> Person {
        let contact = self.run(self.directory.person_at(&address("emma@muster.example"))).map(|person| person.id);
        let new = NewPerson {
            address: address(at),
            name: name.into(),
            company: None,
            language: Language::German,
            roles: Roles::of([role]),
            contact: contact.filter(|_| role == Role::Partner),
        };
        let person = self.run(self.directory.add_person(new, &Actor::System));
        self.run(self.directory.set_password(person.id, &hash(), false, &Actor::System));
        person
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = Result<T, directory::Error>>) -> T {
        self.runtime.block_on(work).unwrap()
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.portal.as_ref().unwrap().address())
    }

    pub(crate) fn passwords_hashed(&self) -> u64 {
        self.portal.as_ref().unwrap().passwords_hashed()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn person(&self, at: &str) -> Person {
        self.run(self.directory.person_at(&address(at))).unwrap()
    }

    pub(crate) fn browser(&self, language: &'static str) -> Browser {
        Browser::new(&self.base(), language)
    }

    /// A browser in which somebody has logged in.
    pub(crate) fn logged_in(&self, at: &str, language: &'static str) -> Browser {
        let browser = self.browser(language);
        // The people's own language is German; a choice counts more.
        let page = browser.get(&format!("/login?lang={language}"));
        let page = browser.submit(&page, "/login", &[("address", at), ("password", PASSWORD)]);
        assert_eq!(page.status, 303, "{}", page.html);
        browser
    }

    pub(crate) fn submit(&self, person: &testkit::Person, of: &str) -> Request {
        let by = Actor::Mail(address(of));
        let mut submission = Submission::new(address(of), person.certificate().clone(), Origin::IntakeMail, by);
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        self.run(self.directory.submit(submission))
    }

    /// The token of the newest confirmation mail, which only the owner of the key can read.
    pub(crate) fn token(&self, person: &testkit::Person) -> String {
        let mut token = None;
        for leased in self.run(self.directory.lease_outbox("test", 100, 60)) {
            self.run(self.directory.delivered(&leased));
            if leased.outgoing.kind != OutgoingKind::Confirmation {
                continue;
            }
            let mail = leased.outgoing.content;
            let limits = smime::Limits::in_folder(std::env::temp_dir());
            let keys = [person.credential.clone()];
            let Ok(content) = smime::Decryptor::new(&keys, &limits).decrypt(&mail[..]) else { continue };
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut content.unwrap().reader().unwrap(), &mut text).unwrap();
            let text = mime::Entity::parse(&text, &mime::Limits::default()).unwrap().first_text().unwrap();
            let (_, rest) = text.split_once("/confirm/").unwrap();
            token = Some(rest.chars().take(43).collect());
        }
        token.unwrap()
    }
}

/// A policy with one rule: what is confidential is not sent in the clear.
#[derive(Debug)]
struct Rules;

impl portal::Explain for Rules {
    fn explain<'a>(&'a self, directory: &'a Directory, query: portal::ExplainQuery) -> portal::Explaining<'a> {
        Box::pin(async move {
            let mut explained = Vec::new();
            for to in &query.to {
                let known = directory.active_certificates(to).await.map_err(|error| error.to_string())?;
                let action = match (query.subject.contains("vertraulich"), known.is_empty()) {
                    (true, true) => "hold",
                    (true, false) => "encrypt",
                    (false, _) => "clear",
                };
                explained.push(serde_json::json!({
                    "direction": "outward", "recipient": to.to_string(), "rule": "confidential", "action": action,
                    "reasons": [format!("asked by {}", query.from)],
                }));
            }
            Ok(explained)
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(portal) = self.portal.take() {
            self.runtime.block_on(portal.shutdown());
        }
    }
}

pub(crate) fn certificate(of: &str) -> testkit::Person {
    TestPki::shared().person(of, KeyKind::P256)
}

/// One hash for everybody: making one takes a while.
fn hash() -> String {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| portal::hash_password(PASSWORD).unwrap()).clone()
}
