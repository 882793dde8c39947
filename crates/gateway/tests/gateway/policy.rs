//! Rules, what they lead to, and how that is explained.

use crypto::KeyKind;
use directory::{Actor, KeyUse, NewPerson, Role, Roles};
use gateway::policy::{Choice, Direction, HeaderProtection, Otherwise, Rule};
use gateway::{Policy, Query, explain_with_directory};
use smime::{HeaderConfidentiality, LayerReport, Sender, Verifier};
use testkit::{Person, TestPki};

use crate::house::{ALICE, BOB, CAROL, House, mailbox, until};
use crate::support::{address, contains, header, mail};

fn opened(house: &House, mail: &[u8], person: &Person) -> smime::VerifiedContent<'static> {
    let limits = smime::Limits::in_folder(house.folder.path());
    let policy = smime::Policy::new(TestPki::shared().anchors(), testkit::now(), limits);
    let keys = [person.credential.clone()];
    Verifier::new(&policy).with_keys(&keys).verify(mail).unwrap().accept(&Sender::VisibleFrom).unwrap()
}

fn text(content: &mut smime::VerifiedContent) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut content.reader().unwrap(), &mut text).unwrap();
    text
}

async fn escrow(house: &House) -> Person {
    let (name, by) = ("escrow@inside.example", Actor::System);
    let person = TestPki::shared().person(name, KeyKind::P256);
    let new = NewPerson {
        address: mailbox(name),
        name: "Escrow".into(),
        company: None,
        language: directory::Language::German,
        roles: Roles::of([Role::Employee]),
        contact: None,
    };
    let known = house.directory.add_person(new, &by).await.unwrap();
    house.keys.import(known.id, &person.pkcs8, person.certificate(), &[], KeyUse::Encrypt, &by).await.unwrap();
    person
}

#[tokio::test]
async fn what_a_rule_wants_encrypted_for_the_house_is_or_does_not_leave() {
    let rule = Rule {
        name: "escrow".into(),
        encrypt: Some(Choice::Always),
        also_to: vec![address("escrow@inside.example")],
        ..Rule::default()
    };
    let house = House::start(|settings| settings.policy.rules.push(rule)).await;
    house.activate(&house.bob, BOB).await;
    let before = house.mail(BOB).len();
    let replies = house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "CANARY")).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"));
    assert!(replies[0].text().contains("escrow@inside.example"), "{}", replies[0]);
    assert_eq!(house.mail(BOB).len(), before);
    let key = escrow(&house).await;
    let replies = house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "CANARY")).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    let sent = house.mail(BOB).pop().unwrap();
    assert!(text(&mut opened(&house, &sent, &key)).contains("CANARY"));
    assert!(text(&mut opened(&house, &sent, &house.bob)).contains("CANARY"));
}

#[tokio::test]
async fn header_fields_are_protected_and_shown_again() {
    let protect = HeaderProtection::On(HeaderConfidentiality::Baseline);
    let house = House::start(|settings| settings.policy.headers = protect).await;
    house.activate(&house.bob, BOB).await;
    house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "Salary", "CANARY")).await;
    let sent = house.mail(BOB).pop().unwrap();
    assert!(!contains(&sent, "Salary"));
    let mut content = opened(&house, &sent, &house.bob);
    assert_eq!(content.protected_header().unwrap().unwrap().subject().as_deref(), Some("Salary"));
    // The other way round: what a partner's program hid is shown to the employee.
    let protected = smime::Signer::new(&house.bob.credential)
        .unwrap()
        .at(testkit::now())
        .protect_headers_confidentially(HeaderConfidentiality::Baseline)
        .sign(&mail(BOB, ALICE, "Invoice 7", "text"))
        .unwrap();
    let encrypted = smime::Encryptor::to(house.alice.certificate()).unwrap().encrypt(&protected).unwrap();
    assert!(!contains(&encrypted, "Invoice 7"));
    house.send(house.outside, BOB, &[ALICE], &encrypted).await;
    let arrived = header(&house.mail(ALICE)[0]);
    assert_eq!(arrived.get("Subject").unwrap().text(), "[signed] Invoice 7");
    assert!(arrived.get("X-Sealpost-Note").is_none(), "{:?}", arrived.value("X-Sealpost-Note"));
}

#[tokio::test]
async fn a_banner_is_under_the_signature() {
    let rule = Rule { name: "banner".into(), banner: Some("Muster GmbH".into()), ..Rule::default() };
    let house = House::start(|settings| settings.policy.rules.push(rule)).await;
    house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    let sent = house.mail(BOB).pop().unwrap();
    assert!(text(&mut opened(&house, &sent, &house.bob)).contains("Muster GmbH"));
    // What somebody signed is not written into.
    let own = smime::Signer::new(&house.alice.credential).unwrap().sign(&mail(ALICE, BOB, "y", "text")).unwrap();
    house.send(house.inside, ALICE, &[BOB], &own).await;
    assert!(house.mail(BOB).pop().unwrap().ends_with(&own));
}

#[tokio::test]
async fn within_the_house_nothing_is_done_that_no_rule_asks_for() {
    let rule = Rule {
        name: "board".into(),
        direction: Direction::Within,
        labels: vec!["company-confidential".into()],
        sign: Some(Choice::Always),
        ..Rule::default()
    };
    let house = House::start(|settings| settings.policy.rules.push(rule)).await;
    let otto = "otto@inside.example";
    let plain = mail(ALICE, otto, "x", "text");
    house.send(house.inside, ALICE, &[otto], &plain).await;
    assert!(house.mail(otto)[0].ends_with(&plain));
    let labelled = [b"Sensitivity: Company-Confidential\r\n".to_vec(), plain].concat();
    house.send(house.inside, ALICE, &[otto], &labelled).await;
    assert!(contains(&house.mail(otto)[1], "multipart/signed"));
}

#[tokio::test]
async fn a_rule_encrypts_within_the_house() {
    let rule = Rule {
        name: "board".into(),
        direction: Direction::Within,
        subject_words: vec!["[board]".into()],
        encrypt: Some(Choice::Always),
        otherwise: Some(Otherwise::Hold),
        ..Rule::default()
    };
    let policy = Policy { rules: vec![rule], ..Policy::default() };
    let house = House::start(|settings| settings.policy = policy.clone()).await;
    let otto = "otto@inside.example";
    let secret = mail(ALICE, otto, "[board] x", "CANARY");
    let replies = house.send(house.inside, ALICE, &[otto], &secret).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "he has no certificate yet");
    let (person, by) = (TestPki::shared().person(otto, KeyKind::P256), Actor::System);
    let officer = house.officer.id;
    house.keys.import(officer, &person.pkcs8, person.certificate(), &[], KeyUse::Both, &by).await.unwrap();
    let query =
        Query { from: Some(address(ALICE)), to: vec![address(otto)], subject: "[board] x".into(), ..Query::default() };
    let explained = explain_with_directory(&house.directory, &policy, true, &query).await.unwrap();
    assert_eq!((explained[0].rule.as_str(), explained[0].action), ("board", "encrypt"));
    let replies = house.send(house.inside, ALICE, &[otto], &secret).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    let sent = house.mail(otto).remove(0);
    assert!(contains(&sent, "pkcs7-mime") && !contains(&sent, "CANARY"));
    // What no rule is about stays as it is.
    let plain = mail(ALICE, otto, "x", "text");
    house.send(house.inside, ALICE, &[otto], &plain).await;
    assert!(house.mail(otto).iter().any(|mail| mail.ends_with(&plain)));
}

#[tokio::test]
async fn rules_about_groups_ask_the_directory() {
    let rule = Rule {
        name: "sales".into(),
        groups: vec!["sales".into()],
        encrypt: Some(Choice::Always),
        otherwise: Some(Otherwise::Refuse),
        ..Rule::default()
    };
    let house = House::start(|settings| settings.policy.rules.push(rule)).await;
    let message = mail(ALICE, CAROL, "x", "text");
    assert_eq!(house.send(house.inside, ALICE, &[CAROL], &message).await[0].code(), 250);
    house.directory.add_to_group("sales", house.employee.id, &Actor::System).await.unwrap();
    let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (550, "5.7.5"));
}

#[tokio::test]
async fn what_would_happen_is_what_happens() {
    let rules = vec![
        Rule { name: "elsewhere".into(), to: vec!["other.example".into()], ..Rule::default() },
        Rule {
            name: "partners".into(),
            to: vec!["partner.example".into()],
            encrypt: Some(Choice::Always),
            ..Rule::default()
        },
    ];
    let policy = Policy { rules, ..Policy::default() };
    let house = House::start(|settings| settings.policy = policy.clone()).await;
    house.activate(&house.bob, BOB).await;
    let carol = TestPki::shared().person(CAROL, KeyKind::P256);
    let mut submission = directory::Submission::new(
        mailbox(CAROL),
        carol.certificate().clone(),
        directory::Origin::Officer,
        Actor::System,
    );
    submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
    house.directory.submit(submission).await.unwrap();
    let query = Query { from: Some(address(ALICE)), to: vec![address(BOB), address(CAROL)], ..Query::default() };
    let explained = explain_with_directory(&house.directory, &policy, true, &query).await.unwrap();
    let [bob, carol] = &explained[..] else { panic!("{explained:?}") };
    assert_eq!(
        (bob.rule.as_str(), bob.action, bob.cipher.as_deref()),
        ("partners", "sign and encrypt", Some("AES-256-GCM"))
    );
    assert_eq!(bob.encrypted_to[0].sha256, house.bob.certificate().sha256().to_hex());
    assert_eq!(bob.signed_with.as_ref().unwrap().sha256, house.alice.certificate().sha256().to_hex());
    assert!(bob.reasons.iter().any(|why| why.contains("elsewhere: the recipient is another")), "{:?}", bob.reasons);
    assert_eq!(carol.action, "hold");
    assert!(carol.unusable[0].contains("not confirmed it yet"), "{:?}", carol.unusable);
    assert!(carol.reply.as_ref().unwrap().text().contains(CAROL));
    // A real mail leaves the same trace, and it is found by its Message-ID.
    let replies = house.send(house.inside, ALICE, &[BOB, CAROL], &mail(ALICE, BOB, "Secret subject", "CANARY")).await;
    assert_eq!(replies[0].code(), 451);
    until(|| async { house.directory.traces("<1@x.example>").await.unwrap().len() == 2 }).await;
    let traces = house.directory.traces("<1@x.example>").await.unwrap();
    for (trace, explained) in traces.iter().zip(&explained) {
        let mut expected = explained.to_json();
        let detail = expected.as_object_mut().unwrap();
        detail.insert("answer".into(), trace.detail["answer"].clone());
        detail.insert("bytes".into(), trace.detail["bytes"].clone());
        assert_eq!(trace.detail, expected);
        assert!(!trace.detail.to_string().contains("Secret") && !trace.detail.to_string().contains("CANARY"));
    }
    assert!(traces[0].detail["answer"].as_str().unwrap().starts_with("250 "));
    assert!(traces[1].detail["answer"].as_str().unwrap().starts_with("451 4.7.5 "));
}

/// A mail of Bob's that came encrypted, with this Message-ID.
async fn came_encrypted(house: &House, id: &str) {
    let message = [format!("Message-ID: {id}\r\n").into_bytes(), {
        let text = String::from_utf8(mail(BOB, ALICE, "x", "CANARY")).unwrap();
        text.replace("Message-ID: <1@x.example>\r\n", "").into_bytes()
    }]
    .concat();
    let encrypted = smime::Encryptor::to(house.alice.certificate()).unwrap().encrypt(&message).unwrap();
    let replies = house.send(house.outside, BOB, &[ALICE], &encrypted).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
}

#[tokio::test]
async fn t_29_t_30_t_31_what_came_encrypted_leaves_encrypted_or_not_at_all() {
    let never = Rule {
        name: "never".into(),
        encrypt: Some(Choice::Never),
        otherwise: Some(Otherwise::Clear),
        ..Rule::default()
    };
    let house = House::start(|settings| settings.policy.rules.push(never)).await;
    let id = "<secret@partner.example>";
    let with = |fields: &str, to: &str| [fields.as_bytes().to_vec(), mail(ALICE, to, "Re: x", "> CANARY")].concat();
    let answer = with(&format!("In-Reply-To: {id}\r\n"), CAROL);
    assert_eq!(house.send(house.inside, ALICE, &[CAROL], &answer).await[0].code(), 250, "nothing came encrypted yet");
    came_encrypted(&house, id).await;
    let report = format!(
        "From: postmaster@inside.example\r\nTo: {CAROL}\r\nContent-Type: multipart/report; boundary=r\r\n\r\n--r\r\n\
         Content-Type: message/rfc822\r\n\r\nMessage-ID: {id}\r\nSubject: x\r\n\r\nCANARY\r\n--r--\r\n"
    );
    let forwarded = format!("Message-ID: {id}\r\nFrom: {BOB}\r\nTo: {ALICE}\r\n\r\nCANARY\r\n");
    for (from, message) in [
        (ALICE, answer),
        (ALICE, with(&format!("References: <0@x.example> {id}\r\n"), CAROL)),
        (ALICE, with(&format!("Auto-Submitted: auto-replied\r\nIn-Reply-To: {id}\r\n"), CAROL)),
        (BOB, forwarded.into_bytes()),
        ("", report.into_bytes()),
    ] {
        let replies = house.send(house.inside, from, &[CAROL], &message).await;
        assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{}", String::from_utf8_lossy(&message));
    }
    assert_eq!(house.mail(CAROL).len(), 1);
    // To somebody with a certificate it goes, encrypted.
    house.activate(&house.bob, BOB).await;
    house.send(house.inside, ALICE, &[BOB], &with(&format!("In-Reply-To: {id}\r\n"), BOB)).await;
    let sent = house.mail(BOB).pop().unwrap();
    assert!(contains(&sent, "pkcs7-mime") && !contains(&sent, "CANARY"));
    let LayerReport::Encrypted(_) = &opened(&house, &sent, &house.bob).layers()[0] else { panic!("not encrypted") };
    // Inside it is nobody's secret.
    let otto = "otto@inside.example";
    let within = house.send(house.inside, ALICE, &[otto], &with(&format!("In-Reply-To: {id}\r\n"), otto)).await;
    assert_eq!(within[0].code(), 250);
}

#[tokio::test]
async fn t_29_t_30_whatever_its_message_id_an_answer_to_encrypted_mail_does_not_leave_in_the_clear() {
    let house = House::start(|settings| settings.policy.encrypt = Choice::Never).await;
    let (long, two) = (format!("Message-ID: <{}@x.example>\r\n", "a".repeat(300)), "Message-ID: <1@x.example>\r\n");
    let mut answered: Vec<String> = Vec::new();
    for (number, field) in [
        "",
        "Message-ID: <comment@x.example> (x)\r\n",
        "Message-ID: <folded(x)@x.example>\r\n",
        "Message-ID: without@x.example\r\n",
        "Message-ID: < blank@x.example >\r\n",
        "Message-ID: <>\r\n",
        &long,
        &format!("{two}Message-ID: <2@x.example>\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = String::from_utf8(mail(BOB, ALICE, "x", "CANARY")).unwrap().replace(two, field);
        let encrypted = smime::Encryptor::to(house.alice.certificate()).unwrap().encrypt(text.as_bytes()).unwrap();
        house.send(house.outside, BOB, &[ALICE], &encrypted).await;
        let arrived = house.mails(ALICE, number + 1).await;
        let mut ids = arrived.iter().map(|mail| header(mail).value("Message-ID").unwrap());
        // As a mail program would answer it.
        let id = ids.find(|id| !answered.contains(id)).unwrap();
        answered.push(id.clone());
        let answer = [
            format!("In-Reply-To: {id}\r\n").into_bytes(),
            String::from_utf8(mail(ALICE, CAROL, "Re: x", "> CANARY")).unwrap().replace("<1@", "<answer@").into_bytes(),
        ]
        .concat();
        let replies = house.send(house.inside, ALICE, &[CAROL], &answer).await;
        assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{field:?} became {id}");
    }
    assert!(house.mail(CAROL).is_empty());
}

#[tokio::test]
async fn t_27_what_a_server_says_about_a_decrypted_mail_stays_inside() {
    let house = House::start(|_| ()).await;
    house.refuse_with(550);
    let encrypted =
        smime::Encryptor::to(house.alice.certificate()).unwrap().encrypt(&mail(BOB, ALICE, "x", "CANARY")).unwrap();
    let replies = house.send(house.outside, BOB, &[ALICE], &encrypted).await;
    assert_eq!(replies[0].code(), 550);
    assert!(!replies[0].text().contains("says the test"), "{}", replies[0]);
    let replies = house.send(house.outside, BOB, &[ALICE], &mail(BOB, ALICE, "x", "plain")).await;
    assert!(replies[0].text().contains("says the test"), "{}", replies[0]);
}
