//! A portal with sample people and certificates in every state, to look at: `cargo run -p portal --example sample`.
//!
//! Everybody's password is the one below; the data is in memory-like temporary files and gone at the end.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use crypto::KeyKind;
use directory::{
    Actor, Address, Clock as _, Directory, Folder, IncidentSelection, KeyRing, KeyUse, Language, ManualClock,
    MasterKey, MessagePlace, MessageStore, NewIncident, NewMessage, NewPerson, Origin, PersonId, Role, Roles, Settings,
    StoreKey, Submission, Trace,
};
use testkit::TestPki;

const PASSWORD: &str = "vier Worte ohne Sinn";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = match std::env::args().nth(1).as_deref() {
        None => "8080".to_owned(),
        // A free one: it is part of the address that people reach the pages at, so it has to be known before.
        Some("0") => std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string(),
        Some(port) => port.to_owned(),
    };
    let folder = tempfile::tempdir()?;
    let intake = Address::parse("emailzertifikat@muster.example")?;
    // A name: passkeys want one.
    let base = format!("http://localhost:{port}");
    let name = "Muster Versicherungsmakler GmbH";
    let mut settings = Settings::new(name, ["muster.example"], intake, base.as_str(), StoreKey::generate()?);
    settings.trust = TestPki::shared().anchors();
    let clock = Arc::new(ManualClock::at(testkit::now().plus_days(-29)));
    let url = format!("sqlite:{}", folder.path().join("sample.db").display());
    let directory = Directory::open(&url, settings, clock.clone()).await?;
    let mut settings = portal::Settings::new(format!("127.0.0.1:{port}").parse()?, folder.path().join("messages"));
    settings.certificate_sources =
        vec!["Muster CA https://ca.example/smime".into(), "Beispiel Trust https://trust.example".into()];
    settings.first_password_days = 30;
    let people = People { directory: &directory, hash: portal::hash_password(PASSWORD)? };

    let emma = people.add("emma@muster.example", "Emma Muster", &[Role::Employee], None, false).await?;
    let otto = people.add("otto@muster.example", "Otto Amtmann", &[Role::Employee, Role::Officer], None, false).await?;
    people.add("anna@muster.example", "Anna Prüferin", &[Role::Auditor], None, false).await?;
    people.add("oskar@muster.example", "Oskar Betrieb", &[Role::Operator], None, false).await?;
    people.add("petra@kanzlei.example", "Petra Partner", &[Role::Partner], Some(emma), false).await?;
    people.add("paul@baubetrieb.example", "Paul Bauer", &[Role::Partner], Some(emma), true).await?;
    people.add("nora@kanzlei.example", "Nora Neumann", &[Role::Partner], Some(emma), false).await?;

    // The weeks before: one partner after the other has a certificate.
    for (number, name) in ["Ayla Aydin", "Bernd Brandt", "Carla Conti", "Dirk Dorn", "Eva Ernst"].iter().enumerate() {
        let at = format!("{}@kunde{number}.example", name.split(' ').next().unwrap_or_default().to_lowercase());
        people.add(&at, name, &[Role::Partner], Some(emma), false).await?;
        clock.advance_days(2);
        directory.keep_share().await?;
        let request = people.submit_and_confirm(&at).await?;
        let shown = directory.request(request).await?.ok_or("no request")?.fingerprint();
        directory.approve(request, &shown, otto, "").await?;
        clock.advance_days(2);
        directory.keep_share().await?;
    }
    clock.set(testkit::now().plus_days(-9));

    let ring = KeyRing::open(&directory, MasterKey::generate()?).await?;
    let chain = [TestPki::shared().ca().certificate().clone()];
    let mut serials = Vec::new();
    for (owner, at) in [(emma, "emma@muster.example"), (otto, "otto@muster.example")] {
        let key = TestPki::shared().person(at, KeyKind::P256);
        ring.import(owner, &key.pkcs8, key.certificate(), &chain, KeyUse::Both, &Actor::System).await?;
        serials.push(key.certificate().serial().to_string());
    }
    directory.add_to_group("Vorstand", emma, &Actor::System).await?;

    people.submit("verena@versicherer.example", Origin::IntakeMail).await?;
    clock.advance_days(4);
    let refused = people.submit("petra@kanzlei.example", Origin::IntakeMail).await?;
    directory.withdraw(refused, &Actor::System).await?;
    people.submit("karl@kunde.example", Origin::Learned).await?;
    clock.advance_days(3);
    people.submit("petra@kanzlei.example", Origin::PortalUpload).await?;
    clock.advance_days(2);
    people.submit_and_confirm("hanna@handel.example").await?;
    let nora = people.submit_and_confirm("nora@kanzlei.example").await?;
    let shown = directory.request(nora).await?.ok_or("no request")?.fingerprint();
    directory.approve(nora, &shown, otto, "am Telefon verglichen").await?;
    people.submit_unknown("ulla@unbekannt.example").await?;

    people.deliver(&settings.messages, "petra@kanzlei.example", "Ihr Vertragsentwurf", false).await?;
    clock.advance_seconds(3600);
    people.deliver(&settings.messages, "petra@kanzlei.example", "Angebot zur Betriebshaftpflicht", true).await?;

    // What runs the house: a list of roots, an incident, figures.
    directory.propose_pack(&list_of_roots()?, "Liste des Verbands", otto, "Prüfsumme am Telefon verglichen").await?;
    let selection = IncidentSelection { serials, ..IncidentSelection::default() };
    let incident = NewIncident {
        name: "Muster CA: Sperrung nach Fehlausstellung".into(),
        selection,
        before: clock.now().plus_days(5),
        per_hour: 20,
        revoke: None,
    };
    directory.open_incident(&incident, &Actor::Person(otto)).await?;
    for day in 0..14_u8 {
        for (action, count) in [("sign and encrypt", 3 + day * 7 % 5), ("sign", 9 + day * 5 % 7), ("hold", day % 3 / 2)]
        {
            let trace = Trace {
                message_id: format!("<{day}@muster.example>"),
                sender: Some(Address::parse("emma@muster.example")?),
                recipient: Address::parse("petra@kanzlei.example")?,
                queue_ids: [None, None],
                at: clock.now().plus_days(-i64::from(day)),
                detail: serde_json::json!({ "direction": "outward", "action": action, "rule": "partner" }),
            };
            directory.add_traces(&vec![trace; usize::from(count)]).await?;
        }
    }

    let portal = portal::Portal::start(settings, directory).await?;
    writeln!(std::io::stdout(), "{base}  password for everybody: {PASSWORD}")?;
    tokio::signal::ctrl_c().await?;
    portal.shutdown().await;
    Ok(())
}

/// One that somebody else signs.
fn list_of_roots() -> Result<Vec<u8>, Box<dyn Error>> {
    let publisher = TestPki::shared().person("listen@verband.example", KeyKind::P256);
    let settings = cms::SignerSettings::new(&publisher.credential)?;
    let mut writer = cms::SignedDataWriter::new(settings, vec![], cms::oids::ID_DATA, Vec::new());
    for _ in 0..3 {
        writer.write_all(TestPki::new().root().certificate().to_pem().as_bytes())?;
    }
    Ok(writer.finish()?)
}

struct People<'a> {
    directory: &'a Directory,
    hash: String,
}

impl People<'_> {
    async fn add(
        &self,
        at: &str,
        name: &str,
        roles: &[Role],
        contact: Option<PersonId>,
        must_change: bool,
    ) -> Result<PersonId, Box<dyn Error>> {
        let new = NewPerson {
            address: Address::parse(at)?,
            name: name.into(),
            company: None,
            language: Language::German,
            roles: Roles::of(roles.iter().copied()),
            contact,
        };
        let person = self.directory.add_person(new, &Actor::System).await?;
        self.directory.set_password(person.id, &self.hash, must_change, &Actor::System).await?;
        Ok(person.id)
    }

    async fn submit(&self, at: &str, origin: Origin) -> Result<directory::RequestId, Box<dyn Error>> {
        self.submit_of(&TestPki::shared().person(at, KeyKind::P256), at, origin).await
    }

    async fn submit_of(
        &self,
        person: &testkit::Person,
        at: &str,
        origin: Origin,
    ) -> Result<directory::RequestId, Box<dyn Error>> {
        let address = Address::parse(at)?;
        let by = Actor::Mail(address.clone());
        let mut submission = Submission::new(address, person.certificate().clone(), origin, by);
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        Ok(self.directory.submit(submission).await?.id())
    }

    /// Sends a certificate in and follows the link out of the mail that it opens.
    async fn submit_and_confirm(&self, at: &str) -> Result<directory::RequestId, Box<dyn Error>> {
        let person = TestPki::shared().person(at, KeyKind::P256);
        let request = self.submit_of(&person, at, Origin::PortalUpload).await?;
        for leased in self.directory.lease_outbox("sample", 100, 60).await? {
            self.directory.delivered(&leased).await?;
            let limits = smime::Limits::in_folder(std::env::temp_dir());
            let keys = [person.credential.clone()];
            let Ok(content) = smime::Decryptor::new(&keys, &limits).decrypt(&leased.outgoing.content[..]) else {
                continue;
            };
            let mut entity = Vec::new();
            let Ok(mut content) = content else { continue };
            content.reader()?.read_to_end(&mut entity)?;
            let text = mime::Entity::parse(&entity, &mime::Limits::default())?.first_text().unwrap_or_default();
            if let Some((_, rest)) = text.split_once("/confirm/") {
                let token: String = rest.chars().take(43).collect();
                self.directory.confirm(&token).await?;
            }
        }
        Ok(request)
    }

    /// Puts a message into somebody's webmailer.
    async fn deliver(&self, place: &MessagePlace, to: &str, subject: &str, html: bool) -> Result<(), Box<dyn Error>> {
        let content = if html {
            let body = "<h2>Unser Angebot</h2><p>Guten Tag,</p><p>wie besprochen <b>drei Varianten</b>:</p><table><tr>\
                        <th>Variante</th><th>Summe</th></tr><tr><td>Basis</td><td>1 Mio. EUR</td></tr><tr><td>Plus</td>\
                        <td>3 Mio. EUR</td></tr></table><p>Freundliche Grüße<br>Emma Muster</p>";
            let header = "From: emma@muster.example\r\nContent-Type: text/html; charset=utf-8";
            format!("{header}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}").into_bytes()
        } else {
            let text = "Guten Tag,\n\nanbei der Entwurf zum Gegenlesen. Bitte geben Sie uns bis Freitag Bescheid.\n\n\
                        Freundliche Grüße\nEmma Muster\n";
            let file = mime::Attachment {
                content_type: "application/pdf".into(),
                file_name: "Vertragsentwurf.pdf".into(),
                content: vec![b'%'; 48_000],
            };
            mime::MessageBuilder::new().field("From", "emma@muster.example").text(text).attach(file).build()
        };
        let store = MessageStore::at(place, self.directory.settings().store_key.clone())?;
        let new = NewMessage {
            partner: Address::parse(to)?,
            folder: Folder::Inbox,
            correspondent: Address::parse("emma@muster.example")?,
            subject: subject.into(),
            bytes: u64::try_from(content.len())?,
            body: store.put(&content).await?,
        };
        self.directory.add_message(&new).await?;
        Ok(())
    }

    async fn submit_unknown(&self, at: &str) -> Result<(), Box<dyn Error>> {
        let address = Address::parse(at)?;
        let pki = TestPki::new();
        let person = pki.person(at, KeyKind::P256);
        let by = Actor::Mail(address.clone());
        let mut submission = Submission::new(address, person.certificate().clone(), Origin::IntakeMail, by);
        submission.intermediates = vec![pki.ca().certificate().clone(), pki.root().certificate().clone()];
        self.directory.submit(submission).await?;
        Ok(())
    }
}
