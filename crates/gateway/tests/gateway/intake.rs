use crypto::KeyKind;
use directory::{Origin, State};
use mime::{Attachment, Entity, MessageBuilder};
use smime::Signer;
use testkit::TestPki;

use crate::house::{ALICE, BOB, CAROL, House, INTAKE, OFFICER, link_in, mailbox};
use crate::support::{contains, header, mail};

pub(crate) fn with_file(from: &str, text: &str, name: &str, content: &[u8]) -> Vec<u8> {
    MessageBuilder::new()
        .field("From", from)
        .field("To", INTAKE)
        .field("Subject", "x")
        .field("Message-ID", "<intake-1@partner.example>")
        .text(text)
        .attach(Attachment {
            content_type: "application/octet-stream".into(),
            file_name: name.into(),
            content: content.to_vec(),
        })
        .build()
}

/// Bob's certificate with its issuer's, as a file.
fn bobs(house: &House) -> String {
    format!("{}{}", house.bob.certificate().to_pem(), TestPki::shared().ca().certificate().to_pem())
}

fn text_of(mail: &[u8]) -> String {
    Entity::parse(mail, &mime::Limits::default()).unwrap().first_text().unwrap().replace("\r\n", "\n")
}

/// The answers among what somebody got.
fn answers(mails: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_answer = |mail: &&Vec<u8>| header(mail).value("Auto-Submitted").as_deref() == Some("auto-replied");
    mails.iter().filter(is_answer).cloned().collect()
}

#[tokio::test]
async fn f2_a_certificate_comes_in_by_mail_and_goes_the_whole_way() {
    let house = House::start(|_| ()).await;
    let pem = bobs(&house);
    house.sends_in(BOB, &with_file(BOB, "Guten Tag, anbei mein Zertifikat.", "bob.pem", pem.as_bytes())).await;
    let request = house.requests(BOB).await.remove(0);
    assert_eq!((request.state(), request.origin()), (State::Checked, Origin::IntakeMail));
    let mails = house.mails(BOB, 2).await;
    let answer = answers(&mails).remove(0);
    assert!(contains(&answer, "bob.pem: Zertifikat"), "{}", text_of(&answer));
    assert!(text_of(&answer).contains("bob@partner.example"));
    assert_eq!(header(&answer).value("In-Reply-To").as_deref(), Some("<intake-1@partner.example>"));
    let confirmation = mails.iter().find(|mail| header(mail).value("Auto-Submitted").unwrap() == "auto-generated");
    house.directory.confirm(&link_in(confirmation.unwrap(), &house.bob)).await.unwrap();
    let shown = request.fingerprint();
    house.directory.approve(request.id(), &shown, house.officer.id, "seen").await.unwrap();

    let replies = house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "offer", "CANARY")).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    let sent = house.mails(BOB, 3).await.pop().unwrap();
    assert!(contains(&sent, "application/pkcs7-mime") && !contains(&sent, "CANARY"));
    // Who wrote to whom is known now: the partner finds the employee's certificate in the webmailer.
    let contacts = house.directory.contacts_of(&mailbox(BOB)).await.unwrap();
    assert_eq!(contacts.iter().map(|person| person.address.to_string()).collect::<Vec<_>>(), [ALICE]);
}

#[tokio::test]
async fn f2_every_form_is_understood_and_answered_in_the_senders_language() {
    let pki = TestPki::shared();
    let house = House::start(|_| ()).await;
    let chain = pki.ca().certificate().clone();
    let both = [house.bob.certificate().clone(), chain.clone()];
    let bag = cms::certificates_only(&both);
    let signed = Signer::new(&house.bob.credential)
        .unwrap()
        .at(testkit::now())
        .sign(&mail(BOB, ALICE, "certificate", "hello"))
        .unwrap();
    let forwarded = with_file(BOB, "Hello, please find my signed mail attached.", "signed.eml", &signed);
    for (index, content) in [
        with_file(BOB, "Hello, my certificate is attached.", "bob.cer", house.bob.certificate().der()),
        with_file(BOB, "Hello, this is my certificate.", "bob.p7b", &bag),
        forwarded,
        Signer::new(&house.bob.credential)
            .unwrap()
            .at(testkit::now())
            .sign(&mail(BOB, INTAKE, "certificate", "Hello, this mail is signed."))
            .unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        let house = House::start(|_| ()).await;
        house.sends_in(BOB, &content).await;
        let requests = house.requests(BOB).await;
        assert_eq!(requests.len(), 1, "form {index}");
        assert_eq!(requests[0].certificate(), &both[0], "form {index}");
        house.idle().await;
        let answer = answers(&house.mail(BOB)).remove(0);
        assert!(text_of(&answer).starts_with("Hello,"), "form {index}: {}", text_of(&answer));
        assert!(text_of(&answer).contains("certificate for bob@partner.example"), "{}", text_of(&answer));
    }
}

#[tokio::test]
async fn f2_several_certificates_at_once_each_go_their_way() {
    let pki = TestPki::shared();
    let house = House::start(|_| ()).await;
    let carol = pki.person(CAROL, KeyKind::Rsa2048);
    let pem = format!("{}{}", house.bob.certificate().to_pem(), carol.certificate().to_pem());
    house.sends_in(BOB, &with_file(BOB, "Hello, our certificates.", "all.pem", pem.as_bytes())).await;
    assert_eq!((house.requests(BOB).await.len(), house.requests(CAROL).await.len()), (1, 1));
    house.idle().await;
    let answer = text_of(&answers(&house.mail(BOB)).remove(0));
    // CASES T-76: what becomes of another mailbox's certificate is nobody else's business.
    let about_carol = answer.lines().find(|line| line.starts_with(CAROL)).unwrap().to_owned();
    assert!(about_carol.contains("Whoever owns the mailbox"), "{answer}");
    assert!(answers(&house.mail(CAROL)).is_empty(), "she did not write");
}

#[tokio::test]
async fn t_76_known_and_unknown_partners_are_answered_alike() {
    let pki = TestPki::shared();
    let mut texts = Vec::new();
    for known in [false, true] {
        let house = House::start(|_| ()).await;
        let carol = pki.person(CAROL, KeyKind::P256);
        if known {
            house.activate(&carol, CAROL).await;
        }
        let eve = "eve@evil.example";
        let content = with_file(eve, "Hello, a certificate.", "carol.cer", carol.certificate().der());
        house.sends_in(eve, &content).await;
        house.idle().await;
        texts.push(text_of(&answers(&house.mail(eve)).remove(0)));
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn t_73_a_private_key_goes_nowhere_and_its_owner_is_told() {
    let house = House::start(|_| ()).await;
    let canary = &house.bob.pkcs8[house.bob.pkcs8.len() - 40..];
    let pem = asn1::encode_pem("PRIVATE KEY", &house.bob.pkcs8);
    let line = pem.lines().nth(2).unwrap();
    let content = with_file(BOB, "Hello, my certificate is attached.", "bob.pem", pem.as_bytes());
    house.sends_in(BOB, &content).await;
    house.idle().await;
    let answer = text_of(&answers(&house.mail(BOB)).remove(0));
    assert!(answer.contains("bob.pem: has your PRIVATE KEY in it. We did not store it."), "{answer}");
    assert!(house.requests(BOB).await.is_empty());
    assert!(!house.is_on_disk(canary) && !house.is_on_disk(line.as_bytes()));
    let record = house.directory.audit_for(&mailbox(BOB)).await.unwrap();
    assert_eq!(record.last().unwrap().action, "intake.private-key");
}

#[tokio::test]
async fn t_74_one_answer_a_day_and_none_to_programs() {
    let house = House::start(|_| ()).await;
    let nothing = |number: u32, extra: &str| {
        format!(
            "From: {BOB}\r\nTo: {INTAKE}\r\nSubject: {number}\r\n{extra}Content-Type: text/plain\r\n\r\nHello, nothing.\r\n"
        )
        .into_bytes()
    };
    for (number, extra) in
        ["Auto-Submitted: auto-replied\r\n", "List-Id: <x.example>\r\n", "Precedence: bulk\r\n"].into_iter().enumerate()
    {
        house.sends_in(BOB, &nothing(u32::try_from(number).unwrap(), extra)).await;
    }
    house.sends_in("", &nothing(10, "")).await;
    house.idle().await;
    assert!(house.mail(BOB).is_empty());
    house.sends_in(BOB, &nothing(20, "")).await;
    house.sends_in(BOB, &nothing(21, "")).await;
    house.idle().await;
    assert_eq!(house.mail(BOB).len(), 1);
    house.clock.advance_days(2);
    house.sends_in(BOB, &nothing(22, "")).await;
    house.idle().await;
    assert_eq!(house.mail(BOB).len(), 2);
    let answer = header(&house.mail(BOB)[0]);
    assert_eq!(answer.value("Auto-Submitted").as_deref(), Some("auto-replied"));
}

#[tokio::test]
async fn t_71_who_proved_nothing_is_not_answered_where_proof_can_be_had() {
    let server = "mx.inside.example";
    let house = House::start(|settings| settings.intake.authentication_results = Some(server.into())).await;
    let content = with_file(BOB, "Hello, my certificate.", "bob.pem", bobs(&house).as_bytes());
    house.sends_in(BOB, &content).await;
    house.idle().await;
    assert!(answers(&house.mail(BOB)).is_empty());
    // It is taken in all the same: the encrypted confirmation goes to whoever owns mailbox and key.
    assert_eq!(house.requests(BOB).await[0].state(), State::Checked);
    let proof = format!("Authentication-Results: {server}; spf=pass smtp.mailfrom={BOB}\r\n").into_bytes();
    house.sends_in(BOB, &[proof, content].concat()).await;
    house.idle().await;
    assert_eq!(answers(&house.mail(BOB)).len(), 1);
}

#[tokio::test]
async fn t_74_who_proved_nothing_gets_so_many_answers_an_hour_all_together() {
    for (most, expected) in [(1, 1), (60, 2)] {
        let house = House::start(|settings| settings.intake.answers_per_hour = most).await;
        for from in [BOB, CAROL] {
            house.sends_in(from, &with_file(from, "Hello, a certificate.", "bob.pem", bobs(&house).as_bytes())).await;
        }
        house.idle().await;
        assert_eq!(answers(&house.mail(BOB)).len() + answers(&house.mail(CAROL)).len(), expected, "{most}");
    }
}

#[tokio::test]
async fn t_75_the_same_mail_again_leads_to_nothing_more_and_a_flood_is_put_off() {
    let house = House::start(|_| ()).await;
    let content = with_file(BOB, "Hello, my certificate.", "bob.pem", bobs(&house).as_bytes());
    for _ in 0..3 {
        house.sends_in(BOB, &content).await;
    }
    house.idle().await;
    assert_eq!(house.requests(BOB).await.len(), 1);
    assert_eq!(house.mail(BOB).len(), 2, "one answer and one confirmation");
    let mut last = 250;
    for _ in 0..30 {
        last = house.send(house.outside, BOB, &[INTAKE], &content).await[0].code();
    }
    assert_eq!(last, 451);
    // Others are served meanwhile.
    let replies = house.send(house.outside, CAROL, &[ALICE], &mail(CAROL, ALICE, "x", "text")).await;
    assert_eq!(replies[0].code(), 250);
}

#[tokio::test]
async fn intake_is_one_recipient_among_others() {
    let house = House::start(|_| ()).await;
    let content = with_file(BOB, "Hello, my certificate.", "bob.pem", bobs(&house).as_bytes());
    let replies = house.send(house.outside, BOB, &[INTAKE, ALICE, INTAKE], &content).await;
    assert!(replies.iter().all(|reply| reply.code() == 250), "{replies:?}");
    assert_eq!(house.mail(ALICE).len(), 1);
    assert_eq!(house.requests(BOB).await.len(), 1);
    // An employee forwards what a partner sent.
    let carol = TestPki::shared().person(CAROL, KeyKind::P256);
    let content = with_file(ALICE, "Anbei das Zertifikat.", "carol.cer", carol.certificate().der());
    let replies = house.send(house.inside, ALICE, &[INTAKE], &content).await;
    assert_eq!(replies[0].code(), 250);
    assert_eq!(house.requests(CAROL).await.len(), 1);
}

#[tokio::test]
async fn f4_the_schedule_runs_by_itself() {
    let house = House::start(|settings| settings.schedule_seconds = 1).await;
    house.sends_in(BOB, &with_file(BOB, "Hello", "bob.pem", bobs(&house).as_bytes())).await;
    house.idle().await;
    house.clock.advance_days(6);
    let reminder = house.mails(OFFICER, 1).await.remove(0);
    assert!(text_of(&reminder).contains("https://mail.inside.example/board"), "{}", text_of(&reminder));
}
