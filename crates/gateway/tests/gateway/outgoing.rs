use std::io::Read as _;

use gateway::policy::{Choice, Otherwise, Rule};
use gateway::smtp::Recipient;
use gateway::{Action, Facts, Known, Policy, Snapshot, decide};
use pki::EmailAddress;
use smime::{LayerReport, Sender, Verifier};

use crate::support::{Rig, address, contains, header, mail};

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";
const CAROL: &str = "carol@partner.example";

#[tokio::test]
async fn a_mail_leaves_signed_by_its_sender_and_encrypted_for_its_recipient() {
    let rig = Rig::start(|_| ()).await;
    let replies = rig.send(rig.inside, ALICE, &[BOB], &mail(ALICE, BOB, "offer", "CANARY")).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = rig.mail(BOB).remove(0);
    assert!(!contains(&arrived, "CANARY"));
    let (policy, keys) = (rig.policy(), [rig.bob.credential.clone()]);
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&arrived[..]).unwrap();
    let mut content = verification.accept(&Sender::VisibleFrom).unwrap();
    assert!(content.was_encrypted());
    let signer = content.signers().next().unwrap();
    assert_eq!(signer.certificate.as_ref(), Some(rig.alice.certificate()));
    assert!(signer.capabilities().is_some(), "the partner's program learns what ours can do");
    let mut text = String::new();
    content.reader().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("CANARY"));
}

#[tokio::test]
async fn t_88_without_a_certificate_a_mail_that_must_be_encrypted_is_held() {
    let rig = Rig::start(|settings| settings.policy.encrypt = Choice::Always).await;
    let replies = rig.send(rig.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "CANARY")).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"));
    assert!(replies[0].text().contains(CAROL), "{}", replies[0]);
    assert!(rig.mail(CAROL).is_empty());
}

#[tokio::test]
async fn t_88_without_the_directory_nothing_leaves() {
    let rig = Rig::start(|_| ()).await;
    rig.book.go_away();
    let replies = rig.send(rig.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "CANARY")).await;
    assert_eq!(replies[0].code(), 451);
    assert!(rig.mail(BOB).is_empty());
}

#[tokio::test]
async fn t_86_a_retry_gives_nobody_a_second_copy() {
    let rig = Rig::start(|settings| settings.policy.encrypt = Choice::Always).await;
    let message = mail(ALICE, BOB, "x", "CANARY");
    for _ in 0..3 {
        let replies = rig.send(rig.inside, ALICE, &[BOB, CAROL], &message).await;
        assert!(replies.iter().all(|reply| reply.code() == 451), "one answer for all, and one is held");
    }
    assert_eq!(rig.mail(BOB).len(), 1);
    assert!(rig.mail(CAROL).is_empty());
}

#[tokio::test]
async fn t_36_a_hidden_recipient_is_in_nobody_elses_copy() {
    let rig = Rig::start(|_| ()).await;
    let carol = testkit::TestPki::shared().person(CAROL, crypto::KeyKind::P256);
    rig.book.partner(&carol, CAROL);
    let replies = rig.send(rig.inside, ALICE, &[BOB, CAROL], &mail(ALICE, BOB, "x", "text")).await;
    assert!(replies.iter().all(gateway::smtp::Reply::is_positive));
    for (name, person) in [(BOB, &rig.bob), (CAROL, &carol)] {
        let arrived = rig.mail(name).remove(0);
        let (policy, keys) = (rig.policy(), [person.credential.clone()]);
        let verification = Verifier::new(&policy).with_keys(&keys).verify(&arrived[..]).unwrap();
        let LayerReport::Encrypted(report) = &verification.layers()[0] else { panic!("not encrypted") };
        assert_eq!(report.recipients().len(), 1, "{name}");
        assert!(report.opened, "{name}");
    }
}

#[tokio::test]
async fn t_84_nobody_signs_as_somebody_else() {
    let rig = Rig::start(|_| ()).await;
    let forged = mail("dora@inside.example", BOB, "x", "text");
    let two = [b"From: dora@inside.example\r\n".to_vec(), mail(ALICE, BOB, "x", "text")].concat();
    for (index, message) in [forged, two].iter().enumerate() {
        rig.send(rig.inside, ALICE, &[BOB], message).await;
        let arrived = rig.mail(BOB).remove(index);
        let (policy, keys) = (rig.policy(), [rig.bob.credential.clone()]);
        let verification = Verifier::new(&policy).with_keys(&keys).verify(&arrived[..]).unwrap();
        assert!(!verification.layers().iter().any(|layer| matches!(layer, LayerReport::Signed(_))));
    }
}

#[tokio::test]
async fn t_87_a_trigger_word_counts_in_any_writing_and_is_taken_out() {
    let rule = Rule {
        name: "confidential".into(),
        subject_words: vec!["[vertraulich]".into()],
        encrypt: Some(Choice::Always),
        ..Rule::default()
    };
    let rig = Rig::start(|settings| settings.policy.rules.push(rule)).await;
    for subject in ["[VERTRAULICH] x", "=?utf-8?q?=5Bvertrau?= =?utf-8?q?lich=5D?= x", "[vеrtraulich] x"] {
        let replies = rig.send(rig.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, subject, "text")).await;
        assert_eq!(replies[0].code(), 451, "{subject}");
        rig.send(rig.inside, ALICE, &[BOB], &mail(ALICE, BOB, subject, "text")).await;
        let arrived = rig.mail(BOB).pop().unwrap();
        assert_eq!(header(&arrived).get("Subject").unwrap().text(), "x");
    }
}

#[tokio::test]
async fn t_89_what_needs_no_protection_keeps_every_byte() {
    let rig = Rig::start(|_| ()).await;
    let body = "8-bit \u{fc} \t trailing  \r\n..dots\r\n.\r\n\r\n";
    let message = mail(ALICE, "dora@inside.example", "x", body);
    let replies = rig.send(rig.inside, ALICE, &["dora@inside.example"], &message).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = rig.mail("dora@inside.example").remove(0);
    assert!(arrived.starts_with(b"Received: "));
    assert!(arrived.ends_with(&message));
    assert_eq!(address(ALICE).domain(), "inside.example");
}

#[tokio::test]
async fn t_85_a_loop_ends() {
    let rig = Rig::start(|_| ()).await;
    let message = [b"Received: from x by y\r\n".repeat(51), mail(ALICE, BOB, "x", "text")].concat();
    let replies = rig.send(rig.inside, ALICE, &[BOB], &message).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (554, "5.4.6"));
}

#[tokio::test]
async fn t_86_no_sibling_leaves_in_the_clear() {
    let rule = Rule { name: "bob".into(), to: vec![BOB.into()], encrypt: Some(Choice::Always), ..Rule::default() };
    let rig = Rig::start(|settings| settings.policy.rules.push(rule)).await;
    let replies = rig.send(rig.inside, ALICE, &[BOB, CAROL], &mail(ALICE, BOB, "x", "CANARY")).await;
    assert_eq!(replies[0].code(), 451);
    assert!(replies[0].text().contains(CAROL), "{}", replies[0]);
    assert_eq!((rig.mail(BOB).len(), rig.mail(CAROL).len()), (1, 0));
    // Alone, where no rule asks for more, it goes signed.
    let replies = rig.send(rig.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    assert_eq!(rig.mail(CAROL).len(), 1);
}

#[tokio::test]
async fn t_89_what_somebody_else_signed_or_encrypted_is_left_alone() {
    let rig = Rig::start(|_| ()).await;
    let plain = mail(ALICE, BOB, "x", "text");
    let signed = smime::Signer::new(&rig.alice.credential).unwrap().at(testkit::now()).sign(&plain).unwrap();
    let encrypted = smime::Encryptor::to(rig.bob.certificate()).unwrap().encrypt(&signed).unwrap();
    rig.send(rig.inside, ALICE, &[BOB], &encrypted).await;
    assert!(rig.mail(BOB).remove(0).ends_with(&encrypted));
    rig.send(rig.inside, ALICE, &[CAROL], &signed).await;
    assert!(rig.mail(CAROL).remove(0).ends_with(&signed));
}

#[test]
fn t_84_the_key_of_the_visible_from_is_not_for_whoever_sends() {
    let dora = "dora@inside.example";
    let hers = testkit::TestPki::shared().person(dora, crypto::KeyKind::P256);
    let facts = Facts { visible_from: Some(address(dora)), ..Facts::default() };
    let to = [Recipient::new(address(BOB))];
    for (sender, signs) in [(dora, true), (ALICE, false)] {
        let known = Snapshot {
            signing: Some(hers.certificate().clone()),
            identity: Some(address(sender)),
            ..Snapshot::default()
        };
        let plan = decide(&facts, &to, &known, &Policy::default()).remove(0);
        let signed = matches!(&plan.action, Action::Deliver(treatment) if treatment.sign);
        assert_eq!(signed, signs, "{sender}: {:?}", plan.reasons);
    }
}

#[test]
fn t_84_the_webmailer_takes_mail_from_the_one_who_has_logged_in() {
    let dora = "dora@inside.example";
    let policy = Policy { encrypt: Choice::Always, otherwise: Otherwise::Webmailer, ..Policy::default() };
    let about = Known { reads_webmailer: true, ..Known::default() };
    for (user, identity, from, expected) in [
        (Some(dora), Some(dora), Some(dora), "webmailer"),
        (Some(dora), Some(dora), Some("DORA@inside.example"), "webmailer"),
        (Some(dora), Some(dora), Some(ALICE), "refuse"),
        (Some(dora), Some(dora), None, "refuse"),
        (Some("robot"), None, Some(ALICE), "refuse"),
        // The mail server of the house, which knows who its people are.
        (None, Some(dora), Some(ALICE), "webmailer"),
    ] {
        let facts = Facts {
            user: user.map(str::to_owned),
            envelope_from: Some(address(dora)),
            visible_from: from.map(|from| EmailAddress::parse(from).unwrap()),
            ..Facts::default()
        };
        let known = Snapshot {
            identity: identity.map(address),
            recipients: [(address(BOB).canonical(), about.clone())].into(),
            webmailer: true,
            ..Snapshot::default()
        };
        let plan = decide(&facts, &[Recipient::new(address(BOB))], &known, &policy).remove(0);
        assert_eq!(plan.action.name(), expected, "{user:?} {from:?}: {:?}", plan.reasons);
        if let Action::Refuse(reply) = &plan.action {
            assert_eq!((reply.code(), reply.enhanced()), (550, "5.7.1"));
        }
    }
}
