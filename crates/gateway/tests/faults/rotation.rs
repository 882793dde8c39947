//! Keys that are changed while mail is on its way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crypto::KeyKind;
use directory::{Actor, KeyUse};
use gateway::maildir::Maildirs;
use gateway::policy::{Choice, Otherwise};
use gateway::smtp::{Caps, Hop, Listening, Protocol, Server};
use gateway::{Gateway, Settings, Side};
use smime::{Decryptor, Sender, Verifier};
use testkit::TestPki;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::house::{self, ALICE, BOB, Told, mailbox};
use crate::mail_server::{Dialogue, plain};

#[tokio::test(flavor = "multi_thread")]
async fn r_18_a_message_is_signed_with_one_key_and_its_own_certificate_while_keys_change() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new(&format!("sqlite:{}", folder.path().join("house.db").display()), folder.path());
    let (directory, keys) = told.open().await;
    let house = house::fill(&directory, &keys).await;
    let boxes = Maildirs::new(folder.path().join("mail"));
    boxes.create(mailbox(BOB).email()).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (_sinks, stop) = watch::channel(false);
    let sink = Server::bind(any, Listening::new("sink.example", Protocol::Lmtp, folder.path())).await.unwrap();
    let hop = Hop::plain(Protocol::Lmtp, sink.address());
    tokio::spawn(sink.serve(Arc::new(boxes.clone()), Caps::new(50, 50), stop, std::time::Duration::from_secs(1)));
    let mut settings = Settings::new("gate.inside.example", hop.clone(), hop, folder.path());
    settings = settings.listen(any, Side::Inside, Protocol::Smtp);
    settings.policy.encrypt = Choice::Always;
    settings.policy.otherwise = Otherwise::Hold;
    let gateway = Gateway::start_with_directory(settings, directory.clone(), keys.clone()).await.unwrap();

    let (at, sent, mut sessions) = (gateway.addresses()[0], Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for session in 0..4 {
        let sent = Arc::clone(&sent);
        sessions.spawn(async move {
            for number in 0..10 {
                let content = plain(&format!("turn-{session}-{number}@rig"), ALICE, BOB);
                let dialogue = Dialogue { at, verb: "EHLO", from: ALICE, to: &[BOB], content: &content };
                assert_eq!(dialogue.run(|_| ()).await.unwrap(), [250]);
                sent.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    // One key after the other, for as long as mail goes out.
    let chain = [TestPki::shared().ca().certificate().clone()];
    let mut turns = 0;
    while sent.load(Ordering::SeqCst) < 40 {
        let kind = if turns % 2 == 0 { KeyKind::P384 } else { KeyKind::P256 };
        let next = TestPki::shared().person(ALICE, kind);
        let (system, both) = (Actor::System, KeyUse::Both);
        keys.import(house.alice.id, &next.pkcs8, next.certificate(), &chain, both, &system).await.unwrap();
        turns += 1;
        // The database has one writer at a time, and this is not about who waits longest.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if let Some(ended) = sessions.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    gateway.shutdown().await;

    let limits = smime::Limits::in_folder(folder.path());
    let policy = smime::Policy::new(TestPki::shared().anchors(), testkit::now(), limits.clone());
    let own = [house.bob.credential.clone()];
    let mails = boxes.messages(mailbox(BOB).email()).unwrap().into_iter().map(|file| std::fs::read(file).unwrap());
    // A run of a minute also has the gateway's own mail, about the new certificates.
    let ours = |mail: &Vec<u8>| String::from_utf8_lossy(mail).contains("Message-ID: <turn-");
    let mails: Vec<Vec<u8>> = mails.filter(ours).collect();
    assert_eq!(mails.len(), 40);
    let mut signers = std::collections::HashSet::new();
    for mail in mails {
        let mut content = Decryptor::new(&own, &limits).decrypt(&mail[..]).unwrap().unwrap();
        let mut signed = Vec::new();
        std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut signed).unwrap();
        let whole = [format!("From: {ALICE}\r\n").into_bytes(), signed].concat();
        let verification = Verifier::new(&policy).verify(&whole[..]).unwrap();
        let accepted = verification.accept(&Sender::VisibleFrom).unwrap();
        signers.extend(accepted.signers().map(|signer| signer.certificate.as_ref().unwrap().sha256()));
    }
    assert!(turns > 0 && signers.len() > 1, "{turns} changes, {} signers", signers.len());
}
