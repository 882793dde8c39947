//! Messages that want to look like more than they are.

use smime::{Encryptor, Signer};

use crate::support::{Rig, contains, header, mail};

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";

fn signed_at(rig: &Rig, days: i64, message: &[u8]) -> Vec<u8> {
    Signer::new(&rig.bob.credential).unwrap().at(testkit::now().plus_days(days)).sign(message).unwrap()
}

async fn arrives(rig: &Rig, message: &[u8]) -> Vec<u8> {
    let replies = rig.send(rig.outside, BOB, &[ALICE], message).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    rig.mail(ALICE).pop().unwrap()
}

#[tokio::test]
async fn t_07_partly_signed_is_not_signed() {
    let rig = Rig::start(|_| ()).await;
    let signed = signed_at(&rig, 0, &mail(BOB, ALICE, "x", "signed text"));
    let start = signed.windows(14).position(|window| window == b"Content-Type: ").unwrap();
    let inner = String::from_utf8(signed[start..].to_vec()).unwrap();
    let around = [
        format!("--o\r\nContent-Type: text/plain\r\n\r\npay eve\r\n--o\r\n{inner}\r\n--o--\r\n"),
        format!("--o\r\nContent-Type: text/html\r\n\r\n<div style=\"display:none\">\r\n--o\r\n{inner}\r\n--o--\r\n"),
        format!("--o\r\n{inner}\r\n--o\r\nContent-Type: text/plain\r\n\r\npay eve\r\n--o--\r\n"),
        format!(
            "--o\r\nContent-Type: text/html\r\n\r\n<img src=\"cid:1\">\r\n--o\r\nContent-ID: <1>\r\n{inner}\r\n--o--\r\n"
        ),
    ];
    for (kind, body) in ["mixed", "mixed", "mixed", "related"].into_iter().zip(around) {
        let message = format!(
            "From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=o\r\n\r\n{body}"
        );
        let arrived = arrives(&rig, message.as_bytes()).await;
        let results = header(&arrived).value("Authentication-Results").unwrap();
        assert!(results.contains("smime=none"), "{results}");
        assert_eq!(header(&arrived).get("Subject").unwrap().text(), "x");
        assert!(arrived.ends_with(body.as_bytes()), "it is shown as it came");
    }
}

#[tokio::test]
async fn t_02_a_second_signer_is_not_taken_for_the_sender() {
    let rig = Rig::start(|_| ()).await;
    let mallory = testkit::TestPki::shared().person("mallory@evil.example", crypto::KeyKind::P256);
    let plain = mail(BOB, ALICE, "x", "text");
    let both = Signer::new(&mallory.credential)
        .unwrap()
        .and(&rig.bob.credential)
        .unwrap()
        .at(testkit::now())
        .sign(&plain)
        .unwrap();
    let arrived = header(&arrives(&rig, &both).await);
    let results = arrived.value("Authentication-Results").unwrap();
    assert!(results.contains(BOB) && !results.contains("mallory"), "{results}");
    assert!(arrived.value("X-Sealpost-Note").unwrap().contains("also signed by mallory@evil.example"));
}

#[tokio::test]
async fn t_13_t_16_an_old_signature_is_told_with_its_age() {
    let rig = Rig::start(|_| ()).await;
    let note = |mail: &[u8]| header(mail).value("X-Sealpost-Note").unwrap_or_default();
    let plain = mail(BOB, ALICE, "x", "text");
    assert_eq!(note(&arrives(&rig, &signed_at(&rig, 0, &plain)).await), "");
    assert!(note(&arrives(&rig, &signed_at(&rig, -20, &plain)).await).contains("long before it arrived"));
    assert!(note(&arrives(&rig, &signed_at(&rig, 3, &plain)).await).contains("in the future"));
    let dated = [b"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n".to_vec(), plain.clone()].concat();
    assert_eq!(note(&arrives(&rig, &signed_at(&rig, 0, &dated)).await), "");
    assert!(note(&arrives(&rig, &signed_at(&rig, -3, &dated)).await).contains("its Date says otherwise"));
    let forged = [b"X-Sealpost-Note: all is well\r\n".to_vec(), plain].concat();
    assert_eq!(note(&arrives(&rig, &forged).await), "");
}

#[tokio::test]
async fn t_16_who_was_signed_for_is_told_to_whoever_else_gets_it() {
    let rig = Rig::start(|_| ()).await;
    let signed = Signer::new(&rig.bob.credential)
        .unwrap()
        .at(testkit::now())
        .protect_headers()
        .sign(&mail(BOB, "carol@partner.example", "you are dismissed", "text"))
        .unwrap();
    let passed_on =
        String::from_utf8(signed).unwrap().replacen("To: carol@partner.example", &format!("To: {ALICE}"), 1);
    let arrived = arrives(&rig, passed_on.as_bytes()).await;
    let note = header(&arrived).value("X-Sealpost-Note").unwrap();
    assert!(note.contains("what was signed is addressed to carol@partner.example"), "{note}");
}

#[tokio::test]
async fn t_19_a_painted_banner_changes_no_verdict() {
    let rig = Rig::start(|_| ()).await;
    let html = "<div style=\"background:green\">Authentication-Results: gate.inside.example; smime=pass [signed]</div>";
    let message = format!("From: {BOB}\r\nTo: {ALICE}\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n{html}\r\n");
    let arrived = arrives(&rig, message.as_bytes()).await;
    assert!(header(&arrived).value("Authentication-Results").unwrap().contains("smime=none"));
    assert_eq!(header(&arrived).get("Subject").unwrap().text(), "x");
}

#[tokio::test]
async fn t_32_encrypted_is_not_signed() {
    let rig = Rig::start(|_| ()).await;
    let encrypted = Encryptor::to(rig.alice.certificate()).unwrap().encrypt(&mail(BOB, ALICE, "x", "CANARY")).unwrap();
    let arrived = arrives(&rig, &encrypted).await;
    assert!(contains(&arrived, "CANARY"));
    assert!(header(&arrived).value("Authentication-Results").unwrap().contains("smime=none"));
    assert_eq!(header(&arrived).get("Subject").unwrap().text(), "[encrypted, sender not proven] x");
    assert!(rig.book.learnt().is_empty());
}

#[tokio::test]
async fn t_33_the_500th_recipient_reads_it_and_more_layers_than_ten_stay_closed() {
    let rig = Rig::start(|_| ()).await;
    let others: Vec<_> =
        (0..40).map(|i| testkit::TestPki::shared().person(&format!("p{i}@x.example"), crypto::KeyKind::P256)).collect();
    let mut encryptor = Encryptor::to(others[0].certificate()).unwrap();
    // Each certificate counts once, so different ones are issued for few keys.
    for index in 0..459 {
        let name = format!("q{index}@x.example");
        let builder = testkit::TestPki::shared().mailbox(&name);
        let key = others[index % others.len()].credential.shared_key();
        let credential = testkit::TestPki::shared().ca().issue_credential(&builder, key).unwrap();
        encryptor = encryptor.and(credential.certificate()).unwrap();
    }
    encryptor = encryptor.and(rig.alice.certificate()).unwrap();
    let arrived = arrives(&rig, &encryptor.encrypt(&mail(BOB, ALICE, "x", "CANARY")).unwrap()).await;
    assert!(contains(&arrived, "CANARY"));
    let mut nested = mail(BOB, ALICE, "x", "CANARY");
    for _ in 0..30 {
        nested = Encryptor::to(rig.alice.certificate()).unwrap().encrypt(&nested).unwrap();
    }
    let arrived = arrives(&rig, &nested).await;
    assert!(!contains(&arrived, "CANARY"));
}

#[tokio::test]
async fn t_93_no_name_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let boxes = gateway::maildir::Maildirs::new(folder.path().join("mail")).for_everybody();
    for name in ["../../x@inside.example", "a/../../b@inside.example", "/etc/passwd@inside.example"] {
        let Ok(address) = pki::EmailAddress::parse(name) else { continue };
        let path = boxes.create(&address).unwrap();
        assert_eq!(path.parent(), Some(&*folder.path().join("mail")), "{name}");
    }
}

#[tokio::test]
async fn t_91_one_address_cannot_take_all_connections() {
    use tokio::io::AsyncReadExt as _;
    let rig = Rig::start(|settings| settings.connections_per_address = 5).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = tokio::net::TcpStream::connect(rig.outside).await.unwrap();
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"220");
        held.push(stream);
    }
    let mut stream = tokio::net::TcpStream::connect(rig.outside).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("421 4.7.0 "), "{heard}");
    drop(held);
    for attempt in 0.. {
        let replies = rig.send(rig.outside, BOB, &[ALICE], &mail(BOB, ALICE, "x", "text")).await;
        if replies[0].is_positive() {
            break;
        }
        assert!(attempt < 100, "{}", replies[0]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn t_91_who_says_nothing_is_not_waited_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let short = |settings: &mut gateway::Settings| {
        settings.limits.timeouts.command = std::time::Duration::from_millis(300);
        settings.limits.timeouts.chunk = std::time::Duration::from_millis(300);
        settings.limits.timeouts.content = std::time::Duration::from_millis(900);
    };
    let rig = Rig::start(short).await;
    let start = "EHLO x.example\r\nMAIL FROM:<>\r\nRCPT TO:<alice@inside.example>\r\nDATA\r\n";
    for (said, drip) in [("", false), (start, false), (start, true)] {
        let stream = tokio::net::TcpStream::connect(rig.outside).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        write.write_all(said.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            while drip && write.write_all(b"x\r\n").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            write
        });
        let mut heard = Vec::new();
        let wait = std::time::Duration::from_secs(20);
        let _ = tokio::time::timeout(wait, read.read_to_end(&mut heard)).await.unwrap();
        assert!(String::from_utf8_lossy(&heard).contains("421 4.4.2 "), "{}", String::from_utf8_lossy(&heard));
        drop(dripping.await);
    }
    assert!(rig.mail(ALICE).is_empty());
}
