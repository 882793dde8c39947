//! What was decrypted, on its ways out: reports, forwarded messages, answers of the intake, the webmailer.

use crypto::{ContentCipher, KeyKind};
use directory::{Actor, KeyUse, Language, NewPerson, Outgoing, OutgoingKind, Role, Roles};
use gateway::policy::{Choice, Otherwise};
use gateway::smtp::{Envelope, Recipient};
use mime::{Attachment, MessageBuilder};
use smime::{Encryptor, Signer};
use testkit::{Person, TestPki};

use crate::house::{ALICE, BOB, CAROL, House, INTAKE, OFFICER, mailbox, until};
use crate::support::{address, contains, header, mail};

const EVE: &str = "eve@evil.example";

fn encrypted(to: &Person, content: &[u8]) -> Vec<u8> {
    Encryptor::to(to.certificate()).unwrap().encrypt(content).unwrap()
}

/// A mail of Eve's with these fields in the place of its Message-ID, encrypted to Alice.
async fn arrives(house: &House, fields: &str) -> Vec<u8> {
    let text = String::from_utf8(mail(EVE, ALICE, "x", "CANARY")).unwrap();
    let text = text.replace("Message-ID: <1@x.example>\r\n", fields);
    let replies = house.send(house.outside, EVE, &[ALICE], &encrypted(&house.alice, text.as_bytes())).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    let arrived = house.mail(ALICE).pop().unwrap();
    assert!(contains(&arrived, "CANARY"));
    arrived
}

fn report(to: &str, kind: &str, returned: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: MAILER-DAEMON@inside.example\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\n{}\r\n--r\r\n{kind}",
        "The mailbox is full.\r\n".repeat(300)
    );
    [head.as_bytes(), b"\r\n", returned, b"\r\n--r--\r\n"].concat()
}

#[tokio::test]
async fn t_27_no_report_returns_what_was_decrypted_however_its_message_id_was_written() {
    let house = House::start(|settings| settings.policy.encrypt = Choice::Never).await;
    let junk = format!("{}Message-ID: <junk@evil.example>\r\n", "X-Junk: 0123456789\r\n".repeat(400));
    for (number, fields) in
        ["Message-ID:\r\n <folded@evil.example>\r\n", &junk, "Message-ID: <1@evil.example>\r\n", ""].iter().enumerate()
    {
        let arrived = arrives(&house, fields).await;
        let ours = header(&arrived);
        // Whatever cuts a header short, this is left of it: the trace field and then the id, on one line.
        assert_eq!(ours.fields()[1].name(), "Message-ID", "{fields:.40}");
        assert!(ours.fields()[1].raw().starts_with(b"Message-ID: <"), "{fields:.40}");
        assert_eq!(ours.all("Message-ID").count(), 1);
        let end = arrived.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        for (kind, returned) in [
            ("Content-Type: message/rfc822\r\n", &arrived[..]),
            ("Content-Type: text/rfc822-headers\r\n", &arrived[..end]),
            ("Content-Type: text/plain\r\n", &arrived[..]),
        ] {
            let replies = house.send(house.inside, "", &[EVE], &report(EVE, kind, returned)).await;
            assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{number} {kind}");
        }
        // The same from somebody: a rule that forwards as an attachment.
        let forwarded = String::from_utf8(report(EVE, "Content-Type: message/rfc822\r\n", &arrived)).unwrap();
        let forwarded = forwarded.replace("MAILER-DAEMON@inside.example", ALICE);
        let replies = house.send(house.inside, ALICE, &[EVE], forwarded.as_bytes()).await;
        assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{number} forwarded");
    }
    // What nobody can name is not returned, and what never was encrypted is.
    let wrapped = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n";
    let replies = house.send(house.inside, "", &[EVE], &report(EVE, wrapped, b"Q0FOQVJZ")).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"));
    // Named in base64 it is found, whoever sends it; and nobody counts what is beyond all counting.
    let arrived = arrives(&house, "Message-ID: <2@evil.example>\r\n").await;
    let encoded = report(EVE, wrapped, mime::encode_base64(&arrived).as_bytes());
    let forwarded = String::from_utf8(encoded).unwrap().replace("MAILER-DAEMON@inside.example", ALICE);
    let digest: String = (0..501).map(|number| format!("Message-ID: <{number}@list.example>\r\n\r\n")).collect();
    for content in [forwarded.into_bytes(), mail(ALICE, EVE, "digest", &digest)] {
        let replies = house.send(house.inside, ALICE, &[EVE], &content).await;
        assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{content:.200?}");
    }
    let plain = report(EVE, "Content-Type: message/rfc822\r\n", &mail(EVE, ALICE, "x", "text"));
    let replies = house.send(house.inside, "", &[EVE], &plain).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    assert!(house.mail(EVE).iter().all(|mail| !contains(mail, "CANARY")));
}

#[tokio::test]
async fn s_73_the_trace_says_that_a_protected_field_differs_and_not_what_it_was() {
    let house = House::start(|_| ()).await;
    let signer = Signer::new(&house.bob.credential).unwrap().at(testkit::now()).protect_headers();
    let signed = signer.sign(&mail(BOB, ALICE, "CANARY of a subject", "text")).unwrap();
    let sealed = String::from_utf8(encrypted(&house.alice, &signed)).unwrap();
    assert!(sealed.contains("Subject: CANARY of a subject\r\n") && sealed.contains(&format!("To: {ALICE}\r\n")));
    let changed = sealed.replace("Subject: CANARY of a subject", "Subject: another");
    let changed = changed.replace(&format!("To: {ALICE}"), &format!("To: {CAROL}"));
    let replies = house.send(house.outside, BOB, &[ALICE], changed.as_bytes()).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    let note = header(&house.mail(ALICE)[0]).value("X-Sealpost-Note").unwrap();
    assert!(note.contains("signed as CANARY of a subject") && note.contains(ALICE), "{note}");
    until(|| async { !house.directory.traces("<1@x.example>").await.unwrap().is_empty() }).await;
    let trace = house.directory.traces("<1@x.example>").await.unwrap().remove(0).detail;
    let notes = trace["notes"].to_string();
    assert!(notes.contains("Subject was changed on its way") && notes.contains("addressed to others"), "{notes}");
    assert!(!trace.to_string().contains("CANARY") && !notes.contains('@'), "{trace}");
}

#[tokio::test]
async fn t_27_the_sender_of_encrypted_mail_does_not_choose_what_is_returned_of_it() {
    let house = House::start(|_| ()).await;
    let asked = |content: Vec<u8>, notify: &'static str| {
        let mut envelope = Envelope::new(address(EVE), [address(ALICE)]);
        envelope.ret = Some("FULL".into());
        envelope.recipients = vec![Recipient { notify: Some(notify.into()), ..Recipient::new(address(ALICE)) }];
        (envelope, content)
    };
    for (notify, passed) in [
        ("SUCCESS,FAILURE,DELAY", "FAILURE,DELAY"),
        ("success,failure", "failure"),
        ("SUCCESS", "FAILURE"),
        ("NEVER", "NEVER"),
    ] {
        let (envelope, content) = asked(encrypted(&house.alice, &mail(EVE, ALICE, "x", "text")), notify);
        assert_eq!(house.send_in(house.outside, &envelope, &content).await[0].code(), 250);
        let taken = house.taken().remove(0);
        assert_eq!(taken.ret.as_deref(), Some("HDRS"), "{notify}");
        assert_eq!(taken.recipients[0].notify.as_deref(), Some(passed), "{notify}");
    }
    let (envelope, content) = asked(mail(EVE, ALICE, "x", "plain"), "SUCCESS");
    house.send_in(house.outside, &envelope, &content).await;
    let taken = house.taken().remove(0);
    assert_eq!((taken.ret.as_deref(), taken.recipients[0].notify.as_deref()), (Some("FULL"), Some("SUCCESS")));
}

/// The intake address gets a key of its own.
async fn with_intake_key(house: &House) -> Person {
    let own = TestPki::shared().person(INTAKE, KeyKind::P256);
    let new = NewPerson {
        address: mailbox(INTAKE),
        name: "Zertifikate".into(),
        company: None,
        language: Language::German,
        roles: Roles::of([Role::Employee]),
        contact: None,
    };
    let person = house.directory.add_person(new, &Actor::System).await.unwrap();
    let chain = [TestPki::shared().ca().certificate().clone()];
    house.keys.import(person.id, &own.pkcs8, own.certificate(), &chain, KeyUse::Both, &Actor::System).await.unwrap();
    own
}

#[tokio::test]
async fn t_28_the_intake_tells_nobody_what_was_in_encrypted_mail_that_they_did_not_sign() {
    let house = House::start(|_| ()).await;
    let intake = with_intake_key(&house).await;
    let file = |from: &str| {
        MessageBuilder::new()
            .field("From", from)
            .field("To", INTAKE)
            .field("Subject", "x")
            .field("Message-ID", "<in@partner.example>")
            .text("Guten Tag, bitte finden Sie anbei das Zertifikat; mit freundlichen Grüßen")
            .attach(Attachment {
                content_type: "application/octet-stream".into(),
                file_name: "CANARY.pem".into(),
                content: house.bob.certificate().to_pem().into_bytes(),
            })
            .build()
    };
    let cbc = |content: &[u8]| {
        let encryptor = Encryptor::to(intake.certificate()).unwrap().cipher(ContentCipher::Aes256Cbc);
        encryptor.encrypt(content).unwrap()
    };
    let answer = |of: &str| {
        let is_answer = |mail: &Vec<u8>| header(mail).value("Auto-Submitted").as_deref() == Some("auto-replied");
        let answer = house.mail(of).into_iter().rev().find(is_answer).unwrap();
        mime::Entity::parse(&answer, &mime::Limits::default()).unwrap().first_text().unwrap()
    };
    // CASES T-21: what nothing protects is not even looked into.
    house.sends_in(EVE, &cbc(&file(EVE))).await;
    house.idle().await;
    let told = answer(EVE);
    assert!(!told.contains("CANARY") && !told.contains(BOB), "{told}");
    assert!(house.requests(BOB).await.is_empty());
    house.clock.advance_days(2);
    house.sends_in(EVE, &encrypted(&intake, &file(EVE))).await;
    house.idle().await;
    let told = answer(EVE);
    assert!(told.contains("verschlüsselt an") || told.contains("came encrypted"), "{told}");
    assert!(!told.contains("CANARY") && !told.contains(BOB), "{told}");
    assert_eq!(house.requests(BOB).await.len(), 1, "whoever owns the mailbox is asked all the same");
    // Bob signed it, and hears everything.
    let signed = Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&file(BOB)).unwrap();
    house.sends_in(BOB, &encrypted(&intake, &signed)).await;
    house.idle().await;
    let told = answer(BOB);
    assert!(told.contains("CANARY.pem") && told.contains(BOB), "{told}");
}

#[tokio::test]
async fn t_28_an_encrypted_mail_to_many_without_keys_is_one_copy() {
    let house = House::start(|_| ()).await;
    let made_up: Vec<String> = (0..5).map(|number| format!("nobody{number}@inside.example")).collect();
    made_up.iter().for_each(|name| house.create(name));
    let to: Vec<&str> = [ALICE, OFFICER].into_iter().chain(made_up.iter().map(String::as_str)).collect();
    let message = encrypted(&house.alice, &mail(BOB, ALICE, "x", "CANARY"));
    // Encrypted under a signature it is found out later.
    let signed = Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&message).unwrap();
    for (round, message) in [message, signed].iter().enumerate() {
        let replies = house.send(house.outside, BOB, &to, message).await;
        assert!(replies.iter().all(gateway::smtp::Reply::is_positive), "{replies:?}");
        // Others may be on their way: Bob is asked to confirm what was learnt of him.
        let taken = house.taken().into_iter().filter(|envelope| envelope.from.as_str() == BOB);
        let copies: Vec<usize> = taken.map(|envelope| envelope.recipients.len()).collect();
        assert_eq!(copies, [1, 6], "round {round}");
        assert!(contains(&house.mail(ALICE)[round], "CANARY"));
        assert!(!contains(&house.mail(OFFICER)[round], "CANARY"));
        assert!(!contains(&house.mail("nobody4@inside.example")[round], "CANARY"));
    }
}

#[tokio::test]
async fn t_30_conversations_in_the_webmailer_stay_out_of_plain_mail() {
    let house = House::start(|_| ()).await;
    let reply = |id: &str, subject: &str| Outgoing {
        sender: Some(mailbox(INTAKE)),
        recipient: mailbox(ALICE),
        content: String::from_utf8(mail(CAROL, ALICE, subject, "> CANARY"))
            .unwrap()
            .replace("<1@x.example>", id)
            .into_bytes(),
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some(format!("reply {id}")),
    };
    house.directory.enqueue(reply("<from-the-webmailer@inside.example>", "Re: offer")).await.unwrap();
    house.mails(ALICE, 1).await;
    let answer = |id: &str| {
        [format!("In-Reply-To: {id}\r\n").into_bytes(), mail(ALICE, CAROL, "Re: Re: offer", "> > CANARY")].concat()
    };
    let replies = house.send(house.inside, ALICE, &[CAROL], &answer("<from-the-webmailer@inside.example>")).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"));
    let replies = house.send(house.inside, ALICE, &[CAROL], &answer("<another@inside.example>")).await;
    assert_eq!(replies[0].code(), 250);
}

#[tokio::test]
async fn t_30_what_was_put_into_the_webmailer_is_not_answered_in_the_clear() {
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
    })
    .await;
    house.invite(CAROL, Language::English).await;
    let ids = ["<1@x.example>"];
    assert!(!house.directory.is_confidential(&ids).await.unwrap());
    let replies = house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "offer", "CANARY")).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    assert!(house.directory.is_confidential(&ids).await.unwrap());
}

#[tokio::test]
async fn t_11_t_90_what_a_partner_writes_in_the_webmailer_carries_no_word_of_ours() {
    let house = House::start(|_| ()).await;
    let forged = [
        b"Authentication-Results: gate.inside.example; smime=pass\r\nX-Sealpost-Verdict: valid\r\n".to_vec(),
        mail(CAROL, ALICE, "[ѕigned] new bank account", "[signed] text stays"),
    ]
    .concat();
    let reply = Outgoing {
        sender: Some(mailbox(INTAKE)),
        recipient: mailbox(ALICE),
        content: forged,
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some("reply".into()),
    };
    house.directory.enqueue(reply).await.unwrap();
    let arrived = house.mails(ALICE, 1).await.remove(0);
    let fields = header(&arrived);
    assert_eq!(fields.get("Subject").unwrap().text(), "new bank account");
    assert!(fields.get("Authentication-Results").is_none() && fields.get("X-Sealpost-Verdict").is_none());
    assert!(contains(&arrived, "[signed] text stays"));
}
