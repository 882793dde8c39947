//! The gateway as a milter: asked by a mail server that speaks the protocol octet for octet, and by a real Postfix.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::time::Duration;

use gateway::policy::{Choice, Otherwise, Rule};
use gateway::{MilterAddress, MilterSettings, Settings, Side};
use smime::{Encryptor, Signer};
use testkit::{Dovecot, Peer, Postfix, TestPki, free, user};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::{ALICE, BOB, CAROL, House, INTAKE, until};
use crate::support::{OURS, Rig, client_of, contains, header, mail};
use crate::topologies::{Internet, Page};

/// All that Postfix 3.7 offers.
const ACTIONS: u32 = 0x1FF;
const STEPS: u32 = 0x1F_FFFF;

/// A mail server on one connection.
struct MailServer {
    stream: TcpStream,
    /// Whether the filter answers each step.
    answers: bool,
}

/// What was asked for at the end of a message.
#[derive(Debug, Default)]
struct Asked {
    headers: Vec<(u8, String)>,
    body: Option<Vec<u8>>,
    last: u8,
    reply: String,
}

impl MailServer {
    async fn connect(to: &MilterAddress, version: u32, actions: u32, steps: u32) -> Self {
        let MilterAddress::Tcp(address) = to else { panic!("{to}") };
        let mut this = Self { stream: TcpStream::connect(address).await.unwrap(), answers: steps & 0x80 == 0 };
        let numbers: Vec<u8> = [version, actions, steps].iter().flat_map(|number| number.to_be_bytes()).collect();
        this.say(b'O', &numbers).await;
        let (letter, agreed) = this.hear().await.unwrap();
        assert_eq!((letter, agreed.len()), (b'O', 12));
        let number = |at: usize| u32::from_be_bytes(agreed[at..at + 4].try_into().unwrap());
        assert_eq!(number(0), version.min(6));
        assert_eq!((number(4) & !actions, number(8) & !steps), (0, 0), "more than was offered");
        this
    }

    async fn say(&mut self, letter: u8, data: &[u8]) {
        let length = u32::try_from(data.len() + 1).unwrap().to_be_bytes();
        // Whoever has been cut off hears it when it waits for an answer.
        let _ = self.stream.write_all(&[&length[..], &[letter], data].concat()).await;
    }

    /// The next answer; none when the filter has hung up.
    async fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut length = [0; 4];
        let read = timeout(Duration::from_secs(60), self.stream.read_exact(&mut length)).await.expect("no answer");
        read.ok()?;
        let mut packet = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut packet).await.ok()?;
        let data = packet.split_off(1);
        Some((packet[0], data))
    }

    async fn step(&mut self, letter: u8, data: &[u8], answered: bool) {
        self.say(letter, data).await;
        if answered || self.answers {
            assert_eq!(self.hear().await, Some((b'c', Vec::new())), "after {}", char::from(letter));
        }
    }

    /// Tells a message as a mail server has it: fields with LF alone, the first blank with its value.
    async fn tell(&mut self, from: &str, to: &[&str], message: &[u8]) -> Asked {
        self.step(b'C', b"client.example\x004\x00\x19192.0.2.1\0", false).await;
        self.step(b'M', format!("<{from}>\0").as_bytes(), true).await;
        for to in to {
            self.step(b'R', format!("<{to}>\0").as_bytes(), true).await;
        }
        let (header, body) = mime::Header::parse(message, &mime::Limits::default()).unwrap();
        for field in header.fields() {
            let value = String::from_utf8(field.raw()[field.name().len() + 1..].to_vec()).unwrap();
            let value = value.trim_end().replace("\r\n", "\n");
            let value = if self.answers { value.strip_prefix(' ').unwrap_or(&value) } else { &value };
            self.step(b'L', format!("{}\0{value}\0", field.name()).as_bytes(), false).await;
        }
        self.step(b'N', b"", false).await;
        for piece in body.chunks(65_535) {
            self.step(b'B', piece, false).await;
        }
        self.say(b'E', b"").await;
        self.asked().await
    }

    async fn asked(&mut self) -> Asked {
        let mut asked = Asked::default();
        loop {
            let (letter, data) = self.hear().await.expect("the filter hung up");
            match letter {
                b'p' => {}
                b'h' | b'i' | b'm' => {
                    assert!(asked.body.is_none(), "Postfix takes no fields behind the body");
                    let text = String::from_utf8(data[if letter == b'h' { 0 } else { 4 }..].to_vec()).unwrap();
                    asked.headers.push((letter, text.replacen('\0', ":", 1).trim_end_matches('\0').to_owned()));
                }
                b'b' => asked.body.get_or_insert_default().extend(data),
                _ => {
                    (asked.last, asked.reply) = (letter, String::from_utf8(data).unwrap());
                    return asked;
                }
            }
        }
    }
}

async fn rig(side: Side, change: impl FnOnce(&mut Settings)) -> (Rig, MilterAddress) {
    let rig = Rig::start(|settings| {
        let address = MilterAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        settings.milters.push(MilterSettings { address, side, networks: Vec::new(), log_in: false });
        settings.policy.encrypt = Choice::Never;
        change(settings);
    })
    .await;
    let at = rig.gateway.milter_addresses()[0].clone();
    (rig, at)
}

#[tokio::test]
async fn what_is_signed_is_asked_for_in_pieces_and_verifies_whatever_was_negotiated() {
    let (rig, at) = rig(Side::Inside, |_| ()).await;
    let text: String = (0..5_000).map(|number| format!("line {number} with trailing blanks  \r\n.\r\n")).collect();
    let message = mail(ALICE, BOB, "offer", &text);
    for (version, actions, steps) in [(6, ACTIONS, STEPS), (2, 0x3F, 0x7F)] {
        let mut server = MailServer::connect(&at, version, actions, steps).await;
        for _ in 0..2 {
            let asked = server.tell(ALICE, &[BOB], &message).await;
            assert_eq!(asked.last, b'c', "{asked:?}");
            let blank = if version == 6 { " " } else { "" };
            let kind = format!("Content-Type:{blank}multipart/signed");
            assert_eq!(asked.headers.iter().filter(|(_, field)| field.starts_with(&kind)).count(), 1, "{asked:?}");
            let body = asked.body.unwrap();
            assert!(body.len() > 65_535 * 2);
            let (_, field) = asked.headers.iter().find(|(_, field)| field.starts_with("Content-Type:")).unwrap();
            let head = format!("From: {ALICE}\r\n{}\r\n\r\n", field.replace('\n', "\r\n"));
            let policy = rig.policy();
            let signed = [head.as_bytes(), &body].concat();
            let verification = smime::Verifier::new(&policy).verify(&signed[..]).unwrap();
            assert!(verification.accept(&smime::Sender::VisibleFrom).is_ok());
            assert!(contains(&body, "line 4999 with trailing blanks"));
        }
    }
}

#[tokio::test]
async fn t_88_nothing_that_shall_be_encrypted_is_let_through() {
    let rule = |name: &str, to: &str, otherwise| Rule {
        name: name.into(),
        to: vec![to.into()],
        encrypt: Some(Choice::Always),
        otherwise: Some(otherwise),
        ..Rule::default()
    };
    let (rig, at) = rig(Side::Inside, |settings| {
        settings.policy.rules = vec![
            rule("has one", BOB, Otherwise::Hold),
            rule("waits", CAROL, Otherwise::Hold),
            rule("never", "never.example", Otherwise::Refuse),
        ];
    })
    .await;
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    for (to, reply) in [
        (&[BOB][..], "550 5.7.5 mail to bob@partner.example is to be encrypted"),
        (&[CAROL], "451 4.7.5 mail to carol@partner.example must be encrypted"),
        (&["x@never.example"], "550 5.7.5 mail to x@never.example must be encrypted"),
        (&["free@other.example", CAROL], "451 4.7.5 mail to carol@partner.example must be encrypted"),
    ] {
        let asked = server.tell(ALICE, to, &mail(ALICE, to[0], "x", "CANARY")).await;
        assert_eq!((asked.last, asked.headers.len(), asked.body), (b'y', 0, None), "{to:?}");
        assert!(asked.reply.starts_with(reply), "{}", asked.reply);
    }
    // CASES R-06: no answer is never taken for "there is nothing to do".
    rig.book.go_away();
    let asked = server.tell(ALICE, &["free@other.example"], &mail(ALICE, BOB, "x", "text")).await;
    assert!(asked.last == b'y' && asked.reply.starts_with("451 "), "{asked:?}");
}

#[tokio::test]
async fn t_84_a_key_signs_for_its_owner_alone() {
    let (_rig, at) = rig(Side::Inside, |_| ()).await;
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    for (user, from, signed) in [
        ("", ALICE, true),
        ("alice", ALICE, true),
        (ALICE, ALICE, true),
        ("dora@inside.example", ALICE, false),
        ("", "dora@inside.example", false),
    ] {
        if !user.is_empty() {
            server.say(b'D', format!("M{{auth_authen}}\0{user}\0").as_bytes()).await;
        } else {
            server.say(b'D', b"M").await;
        }
        let asked = server.tell(from, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
        assert_eq!((asked.last, asked.body.is_some()), (b'c', signed), "{user} {from}");
    }
    // What came in and is given on by a mailbox or a program has its sender's word alone.
    server.say(b'D', b"M").await;
    let came = format!("Authentication-Results: {OURS}; smime=none\r\n").into_bytes();
    let asked = server.tell(ALICE, &[BOB], &[came, mail(ALICE, BOB, "x", "text")].concat()).await;
    assert_eq!((asked.last, asked.body), (b'c', None));
}

#[tokio::test]
async fn t_84_where_people_log_in_nothing_is_signed_of_whoever_has_not() {
    let (_rig, at) = rig(Side::Inside, |settings| settings.milters[0].log_in = true).await;
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    for (user, signed) in [(Some(ALICE), true), (None, false), (Some(""), false), (Some("alice"), true), (None, false)]
    {
        if let Some(user) = user {
            server.say(b'D', format!("M{{auth_authen}}\0{user}\0").as_bytes()).await;
        }
        let asked = server.tell(ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
        assert_eq!((asked.last, asked.body.is_some()), (b'c', signed), "{user:?}");
    }
    // Where mail must be signed, it does not leave.
    let (_rig, at) = rig(Side::Inside, |settings| {
        settings.milters[0].log_in = true;
        settings.policy.sign = Choice::Always;
    })
    .await;
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    let asked = server.tell(ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    assert!(asked.reply.starts_with("550 ") && asked.reply.contains("who has logged in"), "{asked:?}");
}

#[tokio::test]
async fn t_90_what_comes_in_is_marked_and_forged_results_go() {
    let (rig, at) = rig(Side::Outside, |settings| settings.incoming.keep_signature = true).await;
    let signed =
        Signer::new(&rig.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "hello", "text")).unwrap();
    let forged = format!("Authentication-Results: {OURS}; smime=pass\r\nX-Sealpost-Verdict: valid\r\n").into_bytes();
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    let asked = server.tell(BOB, &[ALICE], &[forged.clone(), signed].concat()).await;
    assert_eq!((asked.last, asked.body.is_none()), (b'c', true), "the signature is kept");
    let has = |letter: u8, start: &str| asked.headers.iter().any(|(l, field)| *l == letter && field.starts_with(start));
    assert!(has(b'i', &format!("Authentication-Results: {OURS}; smime=pass ")), "{asked:?}");
    assert!(has(b'm', "Subject: [signed] hello") && has(b'm', "X-Sealpost-Verdict:"), "{asked:?}");
    assert!(asked.headers.contains(&(b'm', "Authentication-Results:".into())), "the forged one goes: {asked:?}");
    assert_eq!(rig.book.learnt().len(), 1);
    // What is encrypted stays so; what is for others may lead inside by an alias, and so has nothing forged on it.
    let encrypted = Encryptor::to(rig.alice.certificate()).unwrap().encrypt(&mail(BOB, ALICE, "x", "CANARY")).unwrap();
    let asked = server.tell(BOB, &[ALICE], &encrypted).await;
    assert!(asked.body.is_none() && asked.headers[0].1.contains("smime=none"), "{asked:?}");
    let asked = server.tell(BOB, &[CAROL], &[forged, mail(BOB, CAROL, "x", "text")].concat()).await;
    assert!(asked.headers.contains(&(b'm', "Authentication-Results:".into())) && asked.last == b'c', "{asked:?}");
    assert!(asked.headers.contains(&(b'm', "X-Sealpost-Verdict:".into())), "{asked:?}");
    assert!(asked.headers.iter().any(|(letter, field)| *letter == b'i' && field.contains("smime=none")), "{asked:?}");
    assert_eq!(rig.book.learnt().len(), 1);
}

#[tokio::test]
async fn t_85_a_loop_ends_at_a_filter_too() {
    for side in [Side::Outside, Side::Inside] {
        let (_rig, at) = rig(side, |_| ()).await;
        let (from, to) = if matches!(side, Side::Outside) { (BOB, ALICE) } else { (ALICE, CAROL) };
        let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
        for (hops, refused) in [(1, false), (51, true)] {
            let message = [b"Received: from x by y\r\n".repeat(hops), mail(from, to, "x", "text")].concat();
            assert_eq!(server.tell(from, &[to], &message).await.last == b'y', refused, "{hops}");
        }
    }
}

#[tokio::test]
async fn t_80_t_91_a_hostile_mail_server_gets_nothing_signed_and_disturbs_nobody() {
    let (_rig, at) = rig(Side::Inside, |settings| settings.limits.message_bytes = 100_000).await;
    let MilterAddress::Tcp(address) = at.clone() else { panic!("{at}") };
    for octets in [
        &b"EHLO client.example\r\n"[..],
        b"\xFF\xFF\xFF\xFF",
        b"\0\0\0\0",
        b"\0\0\0\x01E",
        b"\0\0\0\x0DO\0\0\0\x01\0\0\x01\xFF\0\0\0\x7F",
        b"\0\0\0\x0DO\0\0\0\x06\0\0\0\x01\0\0\0\x7F",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(octets).await;
        let (mut heard, most) = (Vec::new(), Duration::from_secs(60));
        let _ = timeout(most, stream.read_to_end(&mut heard)).await.expect("the connection stays open");
        assert!(heard.is_empty(), "{octets:?}: {heard:?}");
    }
    for (letter, data) in [(b'E', &b""[..]), (b'R', b"<b@c>\0"), (b'L', b"A\0b\0"), (b'Z', b""), (b'O', &[0; 12])] {
        let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
        server.say(letter, data).await;
        assert_eq!(server.hear().await, None, "{}", char::from(letter));
    }
    let mut server = MailServer::connect(&at, 6, ACTIONS, STEPS).await;
    for (field, body, code) in [
        (&b"Subject\0 x\nX-Evil: 1\0"[..], &b"text\r\n"[..], "550"),
        (b"Subject\0 x\0", b"a\nb\r\n", "550"),
        (b"Subject\0 x\0", &[b'x'; 200_000], "552"),
    ] {
        server.step(b'M', format!("<{ALICE}>\0").as_bytes(), true).await;
        server.step(b'R', format!("<{BOB}>\0").as_bytes(), true).await;
        server.step(b'L', format!("From\0 {ALICE}\0").as_bytes(), false).await;
        server.step(b'L', field, false).await;
        server.step(b'N', b"", false).await;
        server.step(b'B', body, false).await;
        server.say(b'E', b"").await;
        let asked = server.asked().await;
        assert!(asked.reply.starts_with(code), "{asked:?}");
    }
    let asked = server.tell(ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    assert!(asked.last == b'c' && asked.body.is_some(), "and goes on: {asked:?}");
}

/// The filters and the policy of a page.
fn apply(page: &Page, queue: &std::path::Path, settings: &mut Settings) {
    let config: toml::Value = toml::from_str(page.block("sealpost.toml")).unwrap();
    let gateway = &config["gateway"];
    for milter in gateway["milter"].as_array().unwrap() {
        let address = milter["address"].as_str().unwrap().replace("/var/spool/postfix", &queue.display().to_string());
        let side = if milter["side"].as_str() == Some("inside") { Side::Inside } else { Side::Outside };
        let log_in = milter.get("log_in").is_some_and(|said| said.as_bool().unwrap());
        let address = address.parse().unwrap();
        settings.milters.push(MilterSettings { address, side, networks: Vec::new(), log_in });
    }
    let hop = gateway["next_hop"]["outside"].as_str().unwrap().strip_prefix("smtp://").unwrap();
    settings.outside = gateway::smtp::Hop::plain(gateway::smtp::Protocol::Smtp, hop.parse().unwrap());
    settings.inside = settings.outside.clone();
    settings.incoming.keep_signature = gateway["incoming"]["keep_signature"].as_bool().unwrap();
    assert_eq!(config["policy"]["encrypt"].as_str(), Some("never"));
    settings.policy.encrypt = Choice::Never;
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_asks_what_to_change() {
    let page = Page::read("milter.md");
    let (smtp, submission) = (free(), free());
    let folder = tempfile::tempdir().unwrap();
    let (at, queue) = (folder.path().join("postfix"), folder.path().join("postfix/queue"));
    // As the page says: a folder for the socket, whose group is Postfix's.
    std::fs::create_dir_all(queue.join("sealpost")).unwrap();
    chown(queue.join("sealpost"), None, Some(user("postfix").1)).unwrap();
    std::fs::set_permissions(queue.join("sealpost"), std::fs::Permissions::from_mode(0o2750)).unwrap();
    let mut house = House::start(|settings| {
        apply(&page, &queue, settings);
        settings.policy.rules = vec![Rule {
            name: "carol".into(),
            to: vec![CAROL.into()],
            encrypt: Some(Choice::Always),
            ..Rule::default()
        }];
    })
    .await;
    let internet = Internet::start(house.folder.path()).await;
    let dovecot = Dovecot::start(&house.folder.path().join("dovecot"));
    let overrides = format!(
        "virtual_transport = lmtp:inet:127.0.0.1:{}\nrelayhost = [127.0.0.1]:{}\n",
        dovecot.address.port(),
        internet.at.port()
    );
    let master = page.master("master.cf", &[("smtp", smtp), ("submission", submission)]);
    let _postfix = Postfix::start(&at, page.block("main.cf"), &master, &overrides);

    // Out: signed, and what Postfix wrote and sent still verifies, octet for octet.
    let text: String = (0..4_000).map(|number| format!("line {number}, trailing blanks  \r\n.dot\r\n\r\n")).collect();
    let text = format!("Gr\u{fc}\u{df}e\r\n{text}{}\r\n\r\n\r\n", "long ".repeat(400));
    let submit = async |from: &str, to: &str, message: &[u8], at: SocketAddr| {
        let mut spool = cms::Spool::new(cms::SpoolLimits::in_folder(folder.path()));
        std::io::Write::write_all(&mut spool, message).unwrap();
        let envelope = gateway::smtp::Envelope::new(crate::support::address(from), [crate::support::address(to)]);
        client_of(at).send(&envelope, &mut spool).await.remove(0)
    };
    // A server that has just been started needs a moment to listen.
    until(async || tokio::net::TcpStream::connect(submission).await.is_ok()).await;
    let eight_bit = String::from_utf8(mail(ALICE, BOB, "offer", &text)).unwrap();
    let eight_bit =
        eight_bit.replace("MIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n");
    let reply = submit(ALICE, BOB, eight_bit.as_bytes(), submission).await;
    assert!(reply.is_positive(), "{reply}");
    until(async || internet.mail(BOB).len() == 1).await;
    let sent = internet.mail(BOB).remove(0);
    let fields = header(&sent);
    assert_eq!(fields.all("Content-Type").count(), 1);
    assert!(fields.value("Content-Type").unwrap().starts_with("multipart/signed"));
    assert_eq!(fields.value("Subject").as_deref(), Some("offer"));
    let peer = Peer::in_folder(house.folder.path());
    peer.write("root.pem", TestPki::shared().root().certificate().to_pem());
    let verify = format!("-CAfile root.pem -purpose smimesign -attime {}", testkit::now().to_unix());
    peer.write("sent.eml", &sent);
    peer.run(&format!("openssl cms -verify -in sent.eml -out content {verify}")).unwrap();
    let content = peer.read("content");
    let inside = mime::Entity::parse(&content, &mime::Limits::default()).unwrap();
    let decoded = inside.text();
    assert!(decoded.contains("Gr\u{fc}\u{df}e") && decoded.contains("line 3999, trailing blanks  \r\n.dot"));

    // What must be encrypted does not leave, and the client hears why.
    let reply = submit(ALICE, CAROL, &mail(ALICE, CAROL, "x", "CANARY"), submission).await;
    assert_eq!(reply.code(), 451, "{reply}");
    assert!(reply.text().contains("must be encrypted"), "{reply}");

    // From outside nobody is one of ours.
    let reply = submit(ALICE, ALICE, &mail(ALICE, ALICE, "x", "text"), smtp).await;
    assert!(reply.code() == 554 && reply.text().contains("Access denied"), "{reply}");

    // In, by the socket: verified and marked, and the recipient's own program verifies as well.
    let signed =
        Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "answer", "ANSWER"));
    let forged = b"Authentication-Results: gate.inside.example; smime=pass\r\n";
    let reply = submit(BOB, ALICE, &[&forged[..], &signed.unwrap()].concat(), smtp).await;
    assert!(reply.is_positive(), "{reply}");
    until(async || dovecot.mail(ALICE).len() == 1).await;
    let arrived = String::from_utf8(dovecot.mail(ALICE).remove(0)).unwrap();
    let arrived = arrived.replace("\r\n", "\n").replace('\n', "\r\n");
    let fields = header(arrived.as_bytes());
    let results: Vec<String> = fields.all("Authentication-Results").map(mime::Field::value).collect();
    assert!(results.len() == 1 && results[0].starts_with("gate.inside.example; smime=pass "), "{results:?}");
    let place = |name: &str| fields.fields().iter().position(|field| field.is(name)).unwrap();
    assert!(place("Authentication-Results") < place("From"));
    assert_eq!(fields.value("Subject").as_deref(), Some("[signed] answer"));
    peer.write("arrived.eml", &arrived);
    peer.run(&format!("openssl cms -verify -in arrived.eml -out /dev/null {verify}")).unwrap();

    // A certificate for the intake address is taken in, and goes into no mailbox.
    let signed =
        Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, INTAKE, "mine", "text"));
    let reply = submit(BOB, INTAKE, &signed.unwrap(), smtp).await;
    assert!(reply.is_positive(), "{reply}");
    assert_eq!(house.requests(BOB).await.len(), 1);
    assert!(dovecot.mail(INTAKE).is_empty());

    // Nobody to ask: the client is told to come again.
    house.gateway.take().unwrap().shutdown().await;
    let reply = submit(ALICE, BOB, &mail(ALICE, BOB, "later", "CANARY"), submission).await;
    assert_eq!(reply.class(), gateway::smtp::Class::Transient, "{reply}");
    assert!(internet.mail(CAROL).is_empty() && !queue.join("sealpost/outside").exists());
}
