//! Sealpost among real mail servers, each set up from what its page in `docs/guide` says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::maildir::Maildirs;
use gateway::policy::Choice;
use gateway::smtp::{Caps, Hop, Listening, Protocol, Server};
use gateway::{Settings, Side};
use smime::{Encryptor, Sender, Signer, Verifier};
use testkit::{Dovecot, Postfix, TestPki, free};
use tokio::sync::watch;

use crate::house::{ALICE, BOB, CAROL, House, until};
use crate::support::{address, client_of, contains, header, mail, mail_in};

/// The code blocks of a page, by name, with ports that are free.
pub(crate) struct Page {
    blocks: HashMap<String, String>,
    ports: HashMap<&'static str, SocketAddr>,
}

/// What the pages call 10024 to 10029; the test takes free ones for them.
const PORTS: [&str; 6] = ["10024", "10025", "10026", "10027", "10028", "10029"];

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let ports: HashMap<&'static str, SocketAddr> = PORTS.into_iter().map(|port| (port, free())).collect();
        let (mut blocks, mut open): (HashMap<String, String>, Option<String>) = (HashMap::new(), None);
        for line in text.lines() {
            match (&open, line.strip_prefix("```")) {
                (None, Some(name)) => open = Some(name.to_owned()),
                (Some(_), Some(_)) => open = None,
                (Some(name), None) => {
                    let real = ports
                        .iter()
                        .fold(line.to_owned(), |line, (said, real)| line.replace(said, &real.port().to_string()));
                    blocks.entry(name.clone()).or_default().push_str(&format!("{real}\n"));
                }
                (None, None) => {}
            }
        }
        Self { blocks, ports }
    }

    pub(crate) fn block(&self, name: &str) -> &str {
        self.blocks.get(name).unwrap_or_else(|| panic!("the page has no {name}"))
    }

    /// A `master.cf` whose services with a name listen on these ports instead.
    pub(crate) fn master(&self, name: &str, services: &[(&str, SocketAddr)]) -> String {
        let lines = self.block(name).lines().map(|line| {
            let service = line.split_whitespace().next().unwrap_or_default();
            match services.iter().find(|(name, _)| *name == service && line.starts_with(name)) {
                Some((name, at)) => line.replacen(name, &at.to_string(), 1),
                None => line.to_owned(),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Listeners and next hops as `sealpost.toml` has them.
    fn apply(&self, settings: &mut Settings) {
        let config: toml::Value = toml::from_str(self.block("sealpost.toml")).unwrap();
        let gateway = &config["gateway"];
        let protocol = |text: &str| if text == "lmtp" { Protocol::Lmtp } else { Protocol::Smtp };
        settings.listeners.clear();
        // The house's rig wants the one inside first.
        for wanted in ["inside", "outside"] {
            for listener in gateway["listener"].as_array().unwrap() {
                if listener["side"].as_str() == Some(wanted) {
                    let side = if wanted == "inside" { Side::Inside } else { Side::Outside };
                    let spoken = listener.get("protocol").and_then(toml::Value::as_str).unwrap_or("smtp");
                    let at = listener["address"].as_str().unwrap().parse().unwrap();
                    *settings = settings.clone().listen(at, side, protocol(spoken));
                }
            }
        }
        let hop = |name: &str| {
            let (spoken, at) = gateway["next_hop"][name].as_str().unwrap().split_once("://").unwrap();
            Hop::plain(protocol(spoken), at.parse().unwrap())
        };
        (settings.inside, settings.outside) = (hop("inside"), hop("outside"));
        settings.policy.encrypt = Choice::Always;
    }
}

/// Everybody outside: a server that takes mail for all.
pub(crate) struct Internet {
    boxes: Maildirs,
    pub(crate) at: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Internet {
    pub(crate) async fn start(folder: &std::path::Path) -> Self {
        let boxes = Maildirs::new(folder.join("internet")).for_everybody();
        let listening = Listening::new("internet.example", Protocol::Smtp, folder);
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), listening).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let at = server.address();
        for name in [BOB, CAROL] {
            boxes.create(&address(name)).unwrap();
        }
        tokio::spawn(server.serve(Arc::new(boxes.clone()), Caps::new(50, 50), stopped, Duration::from_secs(1)));
        Self { boxes, at, _stop: stop }
    }

    pub(crate) fn mail(&self, of: &str) -> Vec<Vec<u8>> {
        mail_in(&self.boxes, of)
    }
}

/// Sends by SMTP and expects 250.
async fn submit(house: &House, to_server: SocketAddr, from: &str, to: &[&str], mail: &[u8]) {
    let mut spool = cms::Spool::new(cms::SpoolLimits::in_folder(house.folder.path()));
    std::io::Write::write_all(&mut spool, mail).unwrap();
    let envelope = gateway::smtp::Envelope::new(address(from), to.iter().map(|to| address(to)));
    for attempt in 0.. {
        let replies = client_of(to_server).send(&envelope, &mut spool).await;
        if replies.iter().all(gateway::smtp::Reply::is_positive) {
            return;
        }
        // A server that has just been started needs a moment to listen.
        assert!(attempt < 100, "{replies:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same story in each topology: out protected, in opened, and what may not leave waits in the mail server's queue.
async fn story(
    house: &House,
    internet: &Internet,
    dovecot: &Dovecot,
    queue: &Postfix,
    submission: SocketAddr,
    from_the_world: SocketAddr,
) {
    // Bob's certificate goes the usual way; the house's mails to him leave through the same servers.
    let mut submission_of = directory::Submission::new(
        crate::house::mailbox(BOB),
        house.bob.certificate().clone(),
        directory::Origin::Officer,
        directory::Actor::System,
    );
    submission_of.intermediates = vec![TestPki::shared().ca().certificate().clone()];
    let request = house.directory.submit(submission_of).await.unwrap();
    until(|| async { internet.mail(BOB).len() == 1 }).await;
    let confirmation = internet.mail(BOB).remove(0);
    house.directory.confirm(&crate::house::link_in(&confirmation, &house.bob)).await.unwrap();
    house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "test").await.unwrap();

    submit(house, submission, ALICE, &[BOB], &mail(ALICE, BOB, "offer", "CANARY")).await;
    until(|| async { internet.mail(BOB).len() == 2 }).await;
    let sent = internet.mail(BOB).pop().unwrap();
    assert!(!contains(&sent, "CANARY"));
    let limits = smime::Limits::in_folder(house.folder.path());
    let policy = smime::Policy::new(TestPki::shared().anchors(), testkit::now(), limits);
    let keys = [house.bob.credential.clone()];
    let opened = Verifier::new(&policy).with_keys(&keys).verify(&sent[..]).unwrap();
    assert!(opened.accept(&Sender::VisibleFrom).unwrap().was_encrypted());

    let signed =
        Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "Re: offer", "ANSWER"));
    let answer = Encryptor::to(house.alice.certificate()).unwrap().encrypt(&signed.unwrap()).unwrap();
    submit(house, from_the_world, BOB, &[ALICE], &answer).await;
    until(|| async { dovecot.mail(ALICE).len() == 1 }).await;
    let arrived = dovecot.mail(ALICE).remove(0);
    assert!(contains(&arrived, "ANSWER"));
    let text = String::from_utf8(arrived).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
    let results = header(text.as_bytes()).value("Authentication-Results").unwrap();
    assert!(results.contains("smime=pass"), "{results}");

    // Carol has no certificate: the mail server keeps the mail and knows why; with a certificate it goes.
    submit(house, submission, ALICE, &[CAROL], &mail(ALICE, CAROL, "waits", "CANARY")).await;
    until(|| async { queue.queue().contains("must be encrypted, and there is no certificate") }).await;
    assert!(internet.mail(CAROL).is_empty());
    let carol = TestPki::shared().person(CAROL, crypto::KeyKind::P256);
    let mut waiting = directory::Submission::new(
        crate::house::mailbox(CAROL),
        carol.certificate().clone(),
        directory::Origin::Officer,
        directory::Actor::System,
    );
    waiting.intermediates = vec![TestPki::shared().ca().certificate().clone()];
    let request = house.directory.submit(waiting).await.unwrap();
    until(|| async { internet.mail(CAROL).len() == 1 }).await;
    let confirmation = internet.mail(CAROL).remove(0);
    house.directory.confirm(&crate::house::link_in(&confirmation, &carol)).await.unwrap();
    house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "test").await.unwrap();
    queue.flush();
    until(|| async { internet.mail(CAROL).len() == 2 }).await;
    assert!(!contains(&internet.mail(CAROL)[1], "CANARY"));
}

async fn content_filter(page: &str) {
    let page = Page::read(page);
    let (smtp, submission) = (free(), free());
    let house = House::start(|settings| page.apply(settings)).await;
    let internet = Internet::start(house.folder.path()).await;
    let dovecot = Dovecot::start(&house.folder.path().join("dovecot"));
    let overrides = format!(
        "virtual_transport = lmtp:inet:127.0.0.1:{}\nrelayhost = [127.0.0.1]:{}\n",
        dovecot.address.port(),
        internet.at.port()
    );
    let master = page.master("master.cf", &[("smtp", smtp), ("submission", submission)]);
    let postfix = Postfix::start(&house.folder.path().join("postfix"), page.block("main.cf"), &master, &overrides);
    story(&house, &internet, &dovecot, &postfix, submission, smtp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_filters_its_queue_by_lmtp() {
    content_filter("postfix-lmtp.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_filters_its_queue_by_smtp() {
    content_filter("postfix-smtp.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_between_mail_server_and_internet() {
    let page = Page::read("relay.md");
    let (from_the_world, submission) = (free(), free());
    let house = House::start(|settings| page.apply(settings)).await;
    let internet = Internet::start(house.folder.path()).await;
    let dovecot = Dovecot::start(&house.folder.path().join("dovecot"));
    let boxes = format!("virtual_transport = lmtp:inet:127.0.0.1:{}\n", dovecot.address.port());
    let master = page.master("mail-server/master.cf", &[("submission", submission)]);
    let main = page.block("mail-server/main.cf");
    let server = Postfix::start(&house.folder.path().join("mail-server"), main, &master, &boxes);
    let world = format!("relayhost = [127.0.0.1]:{}\n", internet.at.port());
    let master = page.master("edge/master.cf", &[("smtp", from_the_world)]);
    let _edge = Postfix::start(&house.folder.path().join("edge"), page.block("edge/main.cf"), &master, &world);
    story(&house, &internet, &dovecot, &server, submission, from_the_world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealpost_is_the_mx() {
    let page = Page::read("mx.md");
    let submission = free();
    let house = House::start(|settings| page.apply(settings)).await;
    let internet = Internet::start(house.folder.path()).await;
    let dovecot = Dovecot::start(&house.folder.path().join("dovecot"));
    let overrides = format!("virtual_transport = lmtp:inet:127.0.0.1:{}\n", dovecot.address.port());
    let master = page.master("mail-server/master.cf", &[("submission", submission)]);
    let main = page.block("mail-server/main.cf");
    let server = Postfix::start(&house.folder.path().join("mail-server"), main, &master, &overrides);
    let world = format!("relayhost = [127.0.0.1]:{}\n", internet.at.port());
    let master = page.master("smarthost/master.cf", &[]);
    let main = page.block("smarthost/main.cf");
    let _smarthost = Postfix::start(&house.folder.path().join("smarthost"), main, &master, &world);
    story(&house, &internet, &dovecot, &server, submission, page.ports["10027"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_with_a_cloud() {
    let page = Page::read("connector-loop.md");
    let (smtp, submission) = (free(), free());
    let files = tempfile::tempdir().unwrap();
    for (file, name) in [("server", "gate.inside.example"), ("cloud", "cloud.example")] {
        crate::access::certificate(files.path(), file, name);
    }
    let secret = |name: &str| page.block(name).trim().to_owned();
    let house = House::start(|settings| {
        page.apply(settings);
        let config: toml::Value = toml::from_str(page.block("sealpost.toml")).unwrap();
        for (listener, described) in
            settings.listeners.iter_mut().zip(config["gateway"]["listener"].as_array().unwrap())
        {
            listener.tls = Some((files.path().join("server.pem"), files.path().join("server.key")));
            listener.tls_clients = Some(files.path().join("cloud.pem"));
            let names = described["tls_client_names"].as_array().unwrap().iter();
            listener.tls_client_names = names.map(|name| name.as_str().unwrap().to_owned()).collect();
            listener.ticket = Some(secret("ticket"));
        }
        let header = "X-Sealpost-Loop".to_owned();
        let (inside, outside) = (secret("loop-inside.secret"), secret("loop-outside.secret"));
        settings.loop_mark = Some(gateway::LoopMark { header, inside, outside });
    })
    .await;
    let internet = Internet::start(house.folder.path()).await;
    let dovecot = Dovecot::start(&house.folder.path().join("dovecot"));
    let overrides = format!(
        "virtual_transport = lmtp:inet:127.0.0.1:{}\nrelayhost = [127.0.0.1]:{}\n",
        dovecot.address.port(),
        internet.at.port()
    );
    let here = files.path().display().to_string();
    let master = page.master("master.cf", &[("smtp", smtp), ("submission", submission)]);
    let master = master.replace("/etc/postfix/cloud", &format!("{here}/cloud"));
    let postfix = Postfix::start(&house.folder.path().join("postfix"), page.block("main.cf"), &master, &overrides);
    story(&house, &internet, &dovecot, &postfix, submission, smtp).await;
    for mail in internet.mail(BOB).iter().chain(&internet.mail(CAROL)) {
        for name in ["loop-inside.secret", "loop-outside.secret", "ticket"] {
            assert!(!contains(mail, &secret(name)), "{name} got out");
        }
    }
    let arrived = dovecot.mail(ALICE).remove(0);
    assert!(contains(&arrived, &secret("loop-inside.secret")), "it went round by our mark");
    assert!(!contains(&arrived, &secret("loop-outside.secret")));
}
