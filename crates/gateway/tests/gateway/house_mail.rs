//! Learning, webmailer, outbox: what a gateway does with its directory.

use crypto::{ContentCipher, KeyKind};
use directory::{Folder, Language, MessagePlace, MessageStore, ObjectPlace, Origin, Outgoing, OutgoingKind, State};
use gateway::policy::{Choice, Otherwise};
use pki::{RevocationListBuilder, RevocationReason};
use smime::{Encryptor, LayerReport, Signer, Verifier};
use testkit::TestPki;

use crate::house::{ALICE, BOB, CAROL, House, INTAKE, OFFICER, mailbox, until};
use crate::support::{contains, header, mail};

fn signed_by_bob(house: &House, subject: &str) -> Vec<u8> {
    Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, subject, "answer")).unwrap()
}

#[tokio::test]
async fn t_60_a_signed_mail_makes_a_candidate_and_replaces_nothing() {
    let house = House::start(|_| ()).await;
    house.send(house.outside, BOB, &[ALICE], &signed_by_bob(&house, "x")).await;
    let request = house.requests(BOB).await.remove(0);
    assert_eq!((request.state(), request.origin()), (State::Checked, Origin::Learned));
    house.send(house.outside, BOB, &[ALICE], &signed_by_bob(&house, "y")).await;
    assert_eq!(house.requests(BOB).await.len(), 1);

    let house = House::start(|_| ()).await;
    let real = TestPki::shared().person(BOB, KeyKind::P256);
    house.activate(&real, BOB).await;
    house.send(house.outside, BOB, &[ALICE], &signed_by_bob(&house, "x")).await;
    let active = house.directory.active_certificates(&mailbox(BOB)).await.unwrap();
    assert_eq!(active[0].certificate, *real.certificate());
    let pending = house.requests(BOB).await.into_iter().find(|request| request.state() == State::Checked).unwrap();
    assert_eq!(pending.replaces(), Some(real.certificate().sha256()));
}

#[tokio::test]
async fn t_14_a_signer_whose_certificate_was_revoked_is_not_accepted() {
    let house = House::start(|_| ()).await;
    let pki = TestPki::shared();
    let bob = pki.issue(&pki.mailbox(BOB).crl_url("http://crl.example/ca.crl"), KeyKind::P256);
    let sign = |subject: &str| {
        Signer::new(&bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, subject, "answer")).unwrap()
    };
    let arrived = async |subject: &str| {
        let replies = house.send(house.outside, BOB, &[ALICE], &sign(subject)).await;
        assert!(replies[0].is_positive(), "{}", replies[0]);
        let arrived = header(&house.mail(ALICE).pop().unwrap());
        let value = |name| arrived.value(name).unwrap_or_default();
        (value("Authentication-Results"), value("X-Sealpost-Note"))
    };
    let (results, note) = arrived("nobody has asked yet").await;
    assert!(results.contains("smime=pass") && note.contains("is not known yet"), "{results} {note}");
    for (number, revoked) in [(1, false), (2, true)] {
        let mut builder = RevocationListBuilder::new(number, testkit::now(), testkit::now().plus_days(5));
        if revoked {
            let serial = bob.certificate().serial().clone();
            builder = builder.revoke(serial, testkit::now(), RevocationReason::KeyCompromise);
        }
        let list = pki.ca().issue_crl(&builder).unwrap();
        let entry = directory::RevocationEntry {
            source: pki::RevocationSource::of(bob.certificate()).remove(0),
            der: list.der().to_vec(),
            this_update: testkit::now(),
            next_update: testkit::now().plus_days(5),
        };
        assert!(house.directory.keep_revocation(&entry).await.unwrap());
        let (results, _) = arrived(if revoked { "revoked" } else { "good" }).await;
        assert_eq!(results.contains("smime=pass"), !revoked, "{results}");
        assert!(!revoked || results.contains("revoked"), "{results}");
    }
}

#[tokio::test]
async fn t_61_only_the_signer_is_a_candidate() {
    let house = House::start(|_| ()).await;
    let carol = TestPki::shared().person(CAROL, KeyKind::P256);
    let bag =
        [house.bob.certificate().clone(), carol.certificate().clone(), TestPki::shared().ca().certificate().clone()];
    let credential = pki::Credential::new(house.bob.credential.shared_key(), bag).unwrap();
    let signed = Signer::new(&credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "x", "text")).unwrap();
    house.send(house.outside, BOB, &[ALICE], &signed).await;
    assert_eq!((house.requests(BOB).await.len(), house.requests(CAROL).await.len()), (1, 0));
}

#[tokio::test]
async fn t_69_capabilities_come_from_signatures_that_hold_and_never_lower_the_floor() {
    let house = House::start(|_| ()).await;
    house.activate(&house.bob, BOB).await;
    let known = || async { house.directory.active_certificates(&mailbox(BOB)).await.unwrap()[0].capabilities.clone() };
    let forged = String::from_utf8(signed_by_bob(&house, "x")).unwrap().replace("\r\nanswer", "\r\nanother");
    house.send(house.outside, BOB, &[ALICE], forged.as_bytes()).await;
    assert_eq!(known().await, None, "a signature that does not hold");
    let weak = smime::Capabilities::from_ciphers(&[ContentCipher::DesEde3Cbc]);
    let signed = testkit_signed(&house, &weak, testkit::now().plus_seconds(-60));
    house.send(house.outside, BOB, &[ALICE], &signed).await;
    assert_eq!(known().await, None, "nothing below AES-128");
    let future = testkit_signed(&house, &smime::Capabilities::ours(), testkit::now().plus_days(3));
    house.send(house.outside, BOB, &[ALICE], &future).await;
    assert_eq!(known().await, None, "from the future");
    let cbc = smime::Capabilities::from_ciphers(&[ContentCipher::Aes128Cbc]);
    let signed = testkit_signed(&house, &cbc, testkit::now().plus_seconds(-30));
    house.send(house.outside, BOB, &[ALICE], &signed).await;
    assert_eq!(known().await.as_deref(), Some(cbc.der()));
    let older = testkit_signed(&house, &smime::Capabilities::ours(), testkit::now().plus_seconds(-50));
    house.send(house.outside, BOB, &[ALICE], &older).await;
    assert_eq!(known().await.as_deref(), Some(cbc.der()), "older ones do not count");
    house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    let (policy, keys) = (house_policy(&house), [house.bob.credential.clone()]);
    let sent = house.mail(BOB).pop().unwrap();
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&sent[..]).unwrap();
    let LayerReport::Encrypted(report) = &verification.layers()[0] else { panic!("not encrypted") };
    assert!(report.cipher.contains("128") && !report.authenticated, "{}", report.cipher);
}

fn house_policy(house: &House) -> smime::Policy {
    let limits = smime::Limits::in_folder(house.folder.path());
    smime::Policy::new(TestPki::shared().anchors(), testkit::now(), limits)
}

/// Bob's signature with these capabilities in it.
fn testkit_signed(house: &House, capabilities: &smime::Capabilities, at: asn1::Time) -> Vec<u8> {
    use std::io::Write as _;
    let attribute = cms::Attribute { oid: cms::oids::SMIME_CAPABILITIES, values: vec![capabilities.der().to_vec()] };
    let settings = cms::SignerSettings::new(&house.bob.credential).unwrap().attribute(attribute).signing_time(at);
    let mut writer = cms::SignedDataWriter::new(settings, Vec::new(), cms::oids::ID_DATA, Vec::new());
    writer.write_all(b"Content-Type: text/plain\r\n\r\ntext\r\n").unwrap();
    let der = writer.finish().unwrap();
    format!(
        "From: {BOB}\r\nTo: {ALICE}\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
         smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        mime::encode_base64(&der)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\r\n")
    )
    .into_bytes()
}

#[tokio::test]
async fn f6_without_a_certificate_a_mail_waits_in_the_webmailer() {
    let must = |settings: &mut gateway::Settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
    };
    let house = House::start(must).await;
    let message = [b"Bcc: hidden@x.example\r\n".to_vec(), mail(ALICE, CAROL, "Vertrag", "CANARY-BODY")].concat();
    // Nobody could read it there: it is held, and the sender hears what to do.
    let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"));
    assert!(replies[0].text().contains("invite"), "{}", replies[0]);
    house.invite(CAROL, Language::English).await;
    for _ in 0..3 {
        let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
        assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    }
    let messages = house.directory.messages(&mailbox(CAROL), Folder::Inbox, 10).await.unwrap();
    assert_eq!(messages.len(), 1, "a retry is the same message");
    assert_eq!((messages[0].subject.as_str(), messages[0].correspondent.to_string().as_str()), ("Vertrag", ALICE));
    let store = MessageStore::open(&house.folder.path().join("store"), house.directory.settings().store_key.clone());
    let body = store.unwrap().get(messages[0].body).await.unwrap();
    assert!(contains(&body, "CANARY-BODY") && !contains(&body, "hidden@"));
    assert_eq!(std::fs::read_dir(house.folder.path().join("store")).unwrap().count(), 1);
    // A device that sends the same every day does it to the webmailer, too.
    house.clock.advance_days(1);
    house.send(house.inside, ALICE, &[CAROL], &message).await;
    assert_eq!(house.directory.messages(&mailbox(CAROL), Folder::Inbox, 10).await.unwrap().len(), 2);
    assert!(!house.is_on_disk(b"CANARY-BODY") && !house.is_on_disk(b"Vertrag"), "it rests sealed");
    let notification = house.mails(CAROL, 2).await.remove(0);
    assert!(contains(&notification, "in the Webmailer") && !contains(&notification, "CANARY"));
    assert!(!contains(&notification, "Vertrag"));
}

#[tokio::test]
async fn r_06_while_the_store_for_the_webmailer_is_away_its_mail_is_put_off_and_nothing_else_is() {
    // A port that nobody listens on.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
        settings.messages = Some(MessagePlace::Objects(ObjectPlace {
            endpoint: Some(format!("http://{away}")),
            bucket: "sealpost".into(),
            region: "us-east-1".into(),
            prefix: "messages".into(),
            access_key: "key".into(),
            secret_key: "secret".to_owned().into(),
        }));
    })
    .await;
    house.invite(CAROL, Language::English).await;
    let message = mail(ALICE, CAROL, "Vertrag", "CANARY-BODY");
    for _ in 0..2 {
        let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
        assert_eq!(replies[0].code() / 100, 4, "{}", replies[0]);
    }
    assert!(house.directory.messages(&mailbox(CAROL), Folder::Inbox, 10).await.unwrap().is_empty());
    let waiting = house.directory.lease_outbox("test", 10, 60).await.unwrap();
    assert!(waiting.is_empty() && house.mail(CAROL).is_empty(), "nobody is told of mail that is not there");
    assert!(!house.is_on_disk(b"CANARY-BODY"));
    // Who has a certificate gets mail as ever.
    house.activate(&house.bob, BOB).await;
    let replies = house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
}

#[tokio::test]
async fn f8_what_a_partner_answers_in_the_webmailer_goes_to_the_employee_and_nowhere_else() {
    let house = House::start(|_| ()).await;
    let answer = |to: &str| Outgoing {
        sender: Some(mailbox(CAROL)),
        recipient: mailbox(to),
        content: mail(CAROL, to, "Re: Vertrag", "agreed"),
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some(format!("reply {to}")),
    };
    house.directory.enqueue(answer(ALICE)).await.unwrap();
    house.directory.enqueue(answer(BOB)).await.unwrap();
    let arrived = house.mails(ALICE, 1).await.remove(0);
    assert_eq!(arrived, mail(CAROL, ALICE, "Re: Vertrag", "agreed"));
    house.idle().await;
    assert!(house.mail(BOB).is_empty());
    assert_eq!(house.directory.outbox_counts().await.unwrap().given_up, 1);
}

#[tokio::test]
async fn r_08_whoever_wrote_in_the_webmailer_reads_there_that_it_did_not_arrive() {
    let house = House::start(|_| ()).await;
    house.invite(CAROL, Language::German).await;
    let answer = Outgoing {
        sender: None,
        recipient: mailbox(ALICE),
        content: mail(CAROL, ALICE, "Re: Vertrag", "agreed"),
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some("reply".to_owned()),
    };
    house.refuse_with(550);
    house.directory.enqueue(answer).await.unwrap();
    until(|| async { house.directory.outbox_counts().await.unwrap().given_up >= 1 }).await;
    let inbox = house.directory.messages(&mailbox(CAROL), Folder::Inbox, 10).await.unwrap();
    assert_eq!(
        inbox.iter().map(|message| message.subject.as_str()).collect::<Vec<_>>(),
        ["Nicht zugestellt: Re: Vertrag"]
    );
    assert_eq!(inbox[0].correspondent, mailbox(INTAKE));
}

#[tokio::test]
async fn r_08_the_outbox_tries_again_after_4xx_and_gives_up_after_5xx() {
    let house = House::start(|_| ()).await;
    house.refuse_with(451);
    let put = |key: &str| Outgoing {
        sender: None,
        recipient: mailbox(BOB),
        content: mail(INTAKE, BOB, "x", key),
        kind: OutgoingKind::Notification,
        not_before: None,
        key: Some(key.to_owned()),
    };
    house.directory.enqueue(put("one")).await.unwrap();
    // Postponed: it is not leased any more, and not due before a minute has passed.
    let postponed = || async {
        let counts = house.directory.outbox_counts().await.unwrap();
        counts.waiting == 1 && house.directory.lease_outbox("test", 1, 1).await.unwrap().is_empty()
    };
    until(postponed).await;
    assert!(house.mail(BOB).is_empty());
    house.refuse_with(0);
    house.clock.advance_seconds(61);
    assert!(contains(&house.mails(BOB, 1).await[0], "one"));
    house.idle().await;
    house.refuse_with(550);
    house.directory.enqueue(put("two")).await.unwrap();
    until(|| async { house.directory.outbox_counts().await.unwrap().given_up == 1 }).await;
    assert_eq!(house.mail(BOB).len(), 1);
}

#[tokio::test]
async fn the_house_signs_what_it_writes_itself() {
    let house = House::start(|_| ()).await;
    let own = TestPki::shared().person(INTAKE, KeyKind::P256);
    let new = directory::NewPerson {
        address: mailbox(INTAKE),
        name: "Zertifikate".into(),
        company: None,
        language: Language::German,
        roles: directory::Roles::of([directory::Role::Employee]),
        contact: None,
    };
    let by = directory::Actor::System;
    let person = house.directory.add_person(new, &by).await.unwrap();
    let chain = [TestPki::shared().ca().certificate().clone()];
    let both = directory::KeyUse::Both;
    house.keys.import(person.id, &own.pkcs8, own.certificate(), &chain, both, &by).await.unwrap();
    house.send(house.outside, BOB, &[ALICE], &signed_by_bob(&house, "x")).await;
    let to_intake = Signer::new(&house.bob.credential).unwrap().sign(&mail(BOB, INTAKE, "y", "Hello")).unwrap();
    house.sends_in(BOB, &to_intake).await;
    house.idle().await;
    let policy = house_policy(&house);
    let (mut signed, mut encrypted) = (0, 0);
    for mail in house.mail(BOB) {
        let verification = Verifier::new(&policy).verify(&mail[..]).unwrap();
        match &verification.layers()[0] {
            LayerReport::Signed(_) => {
                assert!(verification.accept(&smime::Sender::VisibleFrom).is_ok());
                signed += 1;
            }
            LayerReport::Encrypted(_) => encrypted += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((signed, encrypted), (1, 1), "the answer is signed, the confirmation goes as it is");
}

#[tokio::test]
async fn an_answer_is_opened_for_its_recipient_with_keys_from_the_ring() {
    let house = House::start(|_| ()).await;
    let answer =
        Encryptor::to(house.alice.certificate()).unwrap().encrypt(&signed_by_bob(&house, "Re: offer")).unwrap();
    let replies = house.send(house.outside, BOB, &[ALICE, "otto@inside.example"], &answer).await;
    assert!(replies.iter().all(gateway::smtp::Reply::is_positive), "{replies:?}");
    let results = |of: &str| header(&house.mail(of)[0]).value("Authentication-Results").unwrap();
    assert!(results(ALICE).contains("smime=pass"), "{}", results(ALICE));
    assert!(contains(&house.mail(ALICE)[0], "answer"));
    assert!(results("otto@inside.example").contains("smime=none"));
    assert!(!contains(&house.mail("otto@inside.example")[0], "answer"));
}

#[tokio::test]
async fn t_88_nothing_leaves_while_the_directory_is_away() {
    let house = House::start(|_| ()).await;
    house.activate(&house.bob, BOB).await;
    let before = house.mail(BOB).len();
    house.directory.close().await;
    for (listener, from, to) in [(house.inside, ALICE, BOB), (house.outside, BOB, ALICE), (house.outside, BOB, INTAKE)]
    {
        let replies = house.send(listener, from, &[to], &mail(from, to, "x", "CANARY")).await;
        assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.3.0"), "{to}");
    }
    assert_eq!(house.mail(BOB).len(), before);
    assert!(house.mail(ALICE).is_empty());
}

#[tokio::test]
async fn r_16_a_gateway_ends_when_it_is_told_to() {
    let mut house = House::start(|_| ()).await;
    house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    let gateway = house.gateway.take().unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(30), gateway.shutdown()).await.unwrap();
    let replies = house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "y", "text")).await;
    assert_eq!(replies[0].code(), 451);
}

#[tokio::test]
async fn nobody_signs_for_somebody_who_has_left() {
    let house = House::start(|_| ()).await;
    house.directory.deactivate(house.employee.id, &directory::Actor::System).await.unwrap();
    house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    assert!(!contains(&house.mail(CAROL)[0], "pkcs7"));
}

#[tokio::test]
async fn r_05_the_same_mail_again_is_a_retry_only_for_minutes_once_everybody_has_it() {
    let house = House::start(|_| ()).await;
    // A device that sends the same every day, Date and Message-ID included.
    let report = mail(ALICE, BOB, "Backup", "done");
    let sent = || async {
        let replies = house.send(house.inside, ALICE, &[BOB, CAROL], &report).await;
        assert!(replies.iter().all(|reply| reply.code() == 250), "{replies:?}");
    };
    sent().await;
    sent().await;
    assert_eq!((house.mail(BOB).len(), house.mail(CAROL).len()), (1, 1), "the answer was lost, not the mail");
    house.clock.advance_days(1);
    sent().await;
    assert_eq!((house.mail(BOB).len(), house.mail(CAROL).len()), (2, 2));
    // The other way in is no other.
    let news = mail(BOB, ALICE, "News", "text");
    for expected in [1, 2] {
        house.send(house.outside, BOB, &[ALICE, OFFICER], &news).await;
        assert_eq!((house.mail(ALICE).len(), house.mail(OFFICER).len()), (expected, expected));
        house.clock.advance_days(1);
    }
}

#[tokio::test]
async fn r_05_what_is_in_the_webmailer_is_not_put_there_again_while_somebody_else_waits() {
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
    })
    .await;
    house.invite(CAROL, Language::English).await;
    for _ in 0..3 {
        let replies = house.send(house.inside, ALICE, &[CAROL, BOB], &mail(ALICE, BOB, "x", "text")).await;
        assert!(replies.iter().any(|reply| reply.code() == 451), "{replies:?}");
        assert_eq!(house.directory.messages(&mailbox(CAROL), Folder::Inbox, 10).await.unwrap().len(), 1);
        house.clock.advance_days(1);
    }
}

#[tokio::test]
async fn r_05_what_somebody_still_waits_for_is_remembered_for_days() {
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Hold;
    })
    .await;
    house.activate(&house.bob, BOB).await;
    let (before, message) = (house.mail(BOB).len(), mail(ALICE, BOB, "x", "text"));
    for _ in 0..3 {
        let replies = house.send(house.inside, ALICE, &[BOB, CAROL], &message).await;
        assert!(replies.iter().any(|reply| reply.code() == 451), "{replies:?}");
        assert_eq!(house.mail(BOB).len(), before + 1);
        house.clock.advance_days(1);
    }
}

#[tokio::test]
async fn the_same_again_long_after_is_another_message_in_the_webmailer_while_a_retry_is_not() {
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
    })
    .await;
    house.invite(CAROL, Language::English).await;
    house.invite(BOB, Language::English).await;
    let count = async |of: &str| house.directory.messages(&mailbox(of), Folder::Inbox, 10).await.unwrap().len();
    // A device that sends the same every day, its Message-ID and its Date included.
    let report = mail(ALICE, CAROL, "report", "all is well");
    for (minutes, expected) in [(0, 1), (5, 1), (30, 2), (5, 2), (60 * 24, 3)] {
        house.clock.advance_seconds(minutes * 60);
        let replies = house.send(house.inside, ALICE, &[CAROL], &report).await;
        assert_eq!((replies[0].code(), count(CAROL).await), (250, expected), "after {minutes} minutes");
    }
    house.mails(CAROL, 3).await;
    // While another recipient has to wait, whoever has it gets it once, however long that takes.
    let both = mail(ALICE, BOB, "offer", "text");
    for _ in 0..3 {
        let replies = house.send(house.inside, ALICE, &[BOB, "eve@evil.example"], &both).await;
        assert_eq!(count(BOB).await, 1, "{replies:?}");
        house.clock.advance_seconds(3_600);
    }
    house.mails(BOB, 1).await;
}
