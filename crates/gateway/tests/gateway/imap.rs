//! Certificates out of a mailbox of a real Dovecot, set up from what docs/guide/imap-intake.md says.

use std::path::Path;

use cms::{Spool, SpoolLimits};
use directory::{Origin, State};
use gateway::smtp::{Client, Envelope, Hop, Protocol};
use gateway::{Gateway, MailboxSettings, Settings};
use testkit::{Dovecot, Postgres, TestPki, free};

use crate::access::certificate;
use crate::house::{ALICE, BOB, CAROL, House, INTAKE, until};
use crate::support::{contains, header};
use crate::topologies::Page;

const PASSWORD: &str = "mailbox-password-CANARY";

struct Provider {
    dovecot: Dovecot,
    mailbox: MailboxSettings,
}

impl Provider {
    fn start(folder: &Path) -> Self {
        let page = Page::read("imap-intake.md");
        certificate(folder, "imap", "localhost");
        let imaps = free();
        let here = folder.display().to_string();
        let config = page
            .block("dovecot.conf")
            .replace("/etc/dovecot/imap", &format!("{here}/imap"))
            .replace("port = 993", &format!("port = {}", imaps.port()));
        let dovecot = Dovecot::with(&folder.join("dovecot"), &config, &format!("password={PASSWORD}"));
        let told: toml::Value = toml::from_str(page.block("sealpost.toml")).unwrap();
        let told = &told["gateway"]["intake"]["mailbox"];
        let word = |key: &str| told[key].as_str().unwrap().to_owned();
        assert_eq!(word("url"), "imaps://localhost:993");
        let root = pki::Certificate::all_from(&std::fs::read(folder.join("imap.pem")).unwrap()).unwrap().remove(0);
        let mailbox = MailboxSettings {
            host: "localhost".into(),
            port: imaps.port(),
            user: word("user"),
            password: PASSWORD.to_owned().into(),
            folder: word("folder"),
            move_to: Some(word("move_to")),
            tls_roots: vec![root.der().to_vec()],
            look_seconds: 2,
        };
        Self { dovecot, mailbox }
    }

    /// Delivers into the mailbox as a mail server does.
    async fn deliver(&self, house: &House, from: &str, mail: &[u8]) {
        let settings = crate::support::client_settings();
        let client = Client::new(Hop::plain(Protocol::Lmtp, self.dovecot.address), settings);
        let mut spool = Spool::new(SpoolLimits::in_folder(house.folder.path()));
        std::io::Write::write_all(&mut spool, mail).unwrap();
        let envelope = Envelope::new(crate::support::address(from), [crate::support::address(INTAKE)]);
        let replies = client.send(&envelope, &mut spool).await;
        assert!(replies[0].is_positive(), "{}", replies[0]);
    }

    /// How many messages lie in a folder of the mailbox.
    fn count(&self, folder: &str) -> usize {
        let maildir = self.dovecot.maildir(INTAKE).join(folder);
        ["new", "cur"].iter().map(|part| std::fs::read_dir(maildir.join(part)).map_or(0, Iterator::count)).sum()
    }
}

fn with_certificate(house: &House, from: &str, number: usize) -> Vec<u8> {
    let pem = format!("{}{}", house.bob.certificate().to_pem(), TestPki::shared().ca().certificate().to_pem());
    format!(
        "From: {from}\r\nTo: {INTAKE}\r\nSubject: Zertifikat {number}\r\nMessage-ID: <imap-{number}@partner.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGuten Tag\r\n{}\r\n",
        pem.replace('\n', "\r\n")
    )
    .into_bytes()
}

fn answers(house: &House, of: &str) -> usize {
    let is_answer = |mail: &&Vec<u8>| header(mail).value("Auto-Submitted").as_deref() == Some("auto-replied");
    house.mail(of).iter().filter(is_answer).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_a_watched_mailbox_is_an_intake_address_like_any_other() {
    let files = tempfile::tempdir().unwrap();
    let provider = Provider::start(files.path());
    let mailbox = provider.mailbox.clone();
    assert!(!format!("{mailbox:?}").contains("CANARY"), "the password shows");
    let house = House::start(|settings| settings.mailbox = Some(mailbox)).await;
    provider.deliver(&house, BOB, &with_certificate(&house, BOB, 1)).await;
    until(|| async { !house.requests(BOB).await.is_empty() }).await;
    let request = house.requests(BOB).await.remove(0);
    assert_eq!((request.state(), request.origin()), (State::Checked, Origin::IntakeMail));
    until(|| async { answers(&house, BOB) == 1 }).await;
    until(|| async { (provider.count(""), provider.count(".Sealpost")) == (0, 1) }).await;
    // While it is watched, the next one comes in too; nobody's certificate in it makes no difference to that.
    let nothing = format!("From: {CAROL}\r\nTo: {INTAKE}\r\nSubject: x\r\nMessage-ID: <2@x>\r\n\r\nHello there\r\n");
    provider.deliver(&house, CAROL, nothing.as_bytes()).await;
    until(|| async { answers(&house, CAROL) == 1 && provider.count(".Sealpost") == 2 }).await;
    assert!(contains(&house.mail(CAROL)[0], "In-Reply-To: <2@x>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r_14_one_senders_flood_and_a_message_that_breaks_the_work_off_hold_nobody_up() {
    let files = tempfile::tempdir().unwrap();
    let provider = Provider::start(files.path());
    let mailbox = provider.mailbox.clone();
    let mut settings: Option<Settings> = None;
    let house = House::start(|changed| {
        settings = Some(Settings { mailbox: Some(mailbox), worker: "watches".into(), ..changed.clone() });
    })
    .await;
    // The first has broken the work off three times; of the second's sender there was too much.
    provider.deliver(&house, ALICE, &with_certificate(&house, ALICE, 1)).await;
    let uids = std::fs::read_to_string(provider.dovecot.maildir(INTAKE).join("dovecot-uidlist")).unwrap();
    let validity = uids.split_whitespace().find_map(|word| word.strip_prefix('V')).unwrap().to_owned();
    let MailboxSettings { host, user, folder, .. } = &provider.mailbox;
    let name = format!("imap\n{host}\n{user}\n{folder}\n{validity}\n1");
    let digest = crypto::DigestAlgorithm::Sha256.digest(name.as_bytes());
    let key = directory::JournalKey::of_digest(digest.octets().try_into().unwrap());
    for number in 0..3 {
        house.directory.record_delivery(&key, &format!("try {number}")).await.unwrap();
    }
    for _ in 0..30 {
        drop(house.directory.attempt(directory::Limit::Upload, &[&format!("intake {BOB}")]).await.unwrap());
    }
    provider.deliver(&house, BOB, &with_certificate(&house, BOB, 2)).await;
    provider.deliver(&house, CAROL, &with_certificate(&house, CAROL, 3)).await;
    let watching =
        Gateway::start_with_directory(settings.unwrap(), house.directory.clone(), house.keys.clone()).await.unwrap();
    until(|| async { answers(&house, CAROL) == 1 && provider.count(".Sealpost") == 1 }).await;
    // Both are still there, the first for people to look at.
    let marked = |flags: &str| {
        let files = std::fs::read_dir(provider.dovecot.maildir(INTAKE).join("cur")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.split(":2,").nth(1).is_some_and(|has| has.contains(flags))).count()
    };
    until(|| async { marked("F") == 1 && provider.count("") == 2 }).await;
    assert_eq!((answers(&house, ALICE), answers(&house, BOB)), (0, 0));
    // What this sender sends meanwhile is not even fetched, though by now there would be room; others' is taken in.
    house.clock.advance_seconds(3_700);
    provider.deliver(&house, BOB, &with_certificate(&house, BOB, 4)).await;
    provider.deliver(&house, CAROL, &with_certificate(&house, CAROL, 5)).await;
    until(|| async { (provider.count(""), provider.count(".Sealpost")) == (3, 2) }).await;
    assert_eq!(answers(&house, BOB), 0);
    watching.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_13_of_two_gateways_one_watches_and_the_other_takes_over() {
    const MAILS: usize = 4;
    let (files, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let provider = Provider::start(files.path());
    let mailbox = provider.mailbox.clone();
    let folder = tempfile::tempdir().unwrap();
    let mut second: Option<Settings> = None;
    let mut house = House::at(&server.url(), folder, |settings| {
        settings.mailbox = Some(mailbox);
        settings.worker = "one".into();
        second = Some(Settings { worker: "two".into(), ..settings.clone() });
    })
    .await;
    let other =
        Gateway::start_with_directory(second.unwrap(), house.directory.clone(), house.keys.clone()).await.unwrap();
    for number in 0..MAILS {
        provider.deliver(&house, BOB, &with_certificate(&house, BOB, number)).await;
    }
    until(|| async { (provider.count(""), provider.count(".Sealpost")) == (0, MAILS) }).await;
    house.idle().await;
    assert_eq!((house.requests(BOB).await.len(), answers(&house, BOB)), (1, 1));
    // The first is gone. When its turn has run out, the second goes on.
    house.gateway.take().unwrap().shutdown().await;
    house.clock.advance_seconds(3_600);
    provider.deliver(&house, CAROL, &with_certificate(&house, CAROL, MAILS)).await;
    until(|| async { provider.count(".Sealpost") == MAILS + 1 }).await;
    until(|| async { answers(&house, CAROL) == 1 }).await;
    other.shutdown().await;
}
