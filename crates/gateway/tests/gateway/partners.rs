//! What differs from partner to partner: who is looked up, whose domain has one certificate, who reads old algorithms
//! only, and employees whose keys are their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crypto::KeyKind;
use directory::{Actor, KeyUse, NewPerson, Origin, Role, Roles, State};
use egress::LookUp;
use egress::look_up::HttpDirectory;
use gateway::policy::{Choice, Rule};
use smime::{Encryptor, Profile, Sender, Signer, Verifier};
use testkit::{Person, TestPki};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{ALICE, BOB, CAROL, House, OFFICER, mailbox, until};
use crate::support::{address, contains, header, mail};

/// A key server that has certificates for Bob alone, and counts who asks.
async fn key_server(has: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = Vec::new();
            let mut piece = [0; 1_024];
            while !question.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece).await {
                    Ok(read) if read > 0 => question.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let found = contains(&question, "bob%40partner.example");
            let (status, body) = if found { ("200 OK", has.as_slice()) } else { ("404 Not Found", &b""[..]) };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        }
    });
    (address, asked)
}

#[tokio::test]
async fn t_70_whoever_is_written_to_is_looked_up_and_the_mail_does_not_wait_for_it() {
    let bob = TestPki::shared().person(BOB, KeyKind::P256);
    let all = cms::certificates_only(&[bob.certificate().clone(), TestPki::shared().ca().certificate().clone()]);
    let (server, asked) = key_server(all).await;
    let source = HttpDirectory::new(&format!("http://{server}/keys/{{address}}"), None).unwrap();
    let look_up = LookUp::new(vec![egress::Source::Http(source)]);
    let house = House::start(|settings| settings.look_up = Some(Arc::new(look_up))).await;
    let replies = house.send(house.inside, ALICE, &[BOB, CAROL], &mail(ALICE, BOB, "x", "text")).await;
    assert!(replies.iter().all(gateway::smtp::Reply::is_positive), "{replies:?}");
    until(|| async { !house.requests(BOB).await.is_empty() }).await;
    let request = house.requests(BOB).await.remove(0);
    assert_eq!((request.origin(), request.state()), (Origin::LookUp, State::Checked));
    assert_eq!(request.certificate(), bob.certificate());
    // The mail itself, and a confirmation that only the owner of the key can read.
    let mails = house.mails(BOB, 2).await;
    let confirmation = mails.iter().find(|mail| contains(mail, "pkcs7-mime")).unwrap();
    assert_eq!(crate::house::link_in(confirmation, &bob).len(), 43);
    // Until then it is a candidate: nothing is encrypted to it, and nobody is asked again.
    until(|| async { asked.load(Ordering::SeqCst) == 2 }).await;
    house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "again", "CLEAR-TEXT")).await;
    assert!(contains(house.mails(BOB, 3).await.last().unwrap(), "CLEAR-TEXT"));
    assert!(house.requests(CAROL).await.is_empty());
    house.idle().await;
    assert_eq!((asked.load(Ordering::SeqCst), house.requests(BOB).await.len()), (2, 1));
}

fn key_transport(mail: &[u8]) -> (bool, bool) {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let der = mime::decode_base64(body.replace("\r\n", "").as_bytes()).unwrap();
    // RFC 8017 A.1: rsaEncryption and id-RSAES-OAEP. Certificates are inside, where nobody sees them.
    let arc = |last| [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last];
    let has = |oid: [u8; 11]| der.windows(oid.len()).any(|window| window == oid);
    (has(arc(1)), has(arc(7)))
}

#[tokio::test]
async fn s_03_pkcs_1_v1_5_is_for_the_partner_that_a_rule_names_and_for_nobody_else() {
    let rule = Rule {
        name: "old program".into(),
        to: vec![CAROL.into()],
        profile: Some(Profile::Compatible),
        ..Rule::default()
    };
    let house = House::start(|settings| {
        settings.policy.encrypt = Choice::Always;
        settings.policy.rules.push(rule);
    })
    .await;
    let pki = TestPki::shared();
    let people = [(BOB, pki.person(BOB, KeyKind::Rsa2048)), (CAROL, pki.person(CAROL, KeyKind::Rsa2048))];
    for (at, person) in &people {
        house.activate(person, at).await;
    }
    let replies = house.send(house.inside, ALICE, &[BOB, CAROL], &mail(ALICE, BOB, "x", "CANARY")).await;
    assert!(replies.iter().all(gateway::smtp::Reply::is_positive), "{replies:?}");
    let sent = [BOB, CAROL].map(|at| house.mail(at).pop().unwrap());
    assert_eq!([key_transport(&sent[0]), key_transport(&sent[1])], [(false, true), (true, false)]);
    let limits = smime::Limits::in_folder(house.folder.path());
    let policy = smime::Policy::new(pki.anchors(), testkit::now(), limits);
    for ((_, person), mail) in people.iter().zip(&sent) {
        let keys = [person.credential.clone()];
        let opened = Verifier::new(&policy).with_keys(&keys).verify(&mail[..]).unwrap();
        assert!(opened.accept(&Sender::VisibleFrom).unwrap().was_encrypted());
    }
}

#[tokio::test]
async fn a_domain_with_one_certificate_is_a_rule_and_who_has_an_own_one_gets_that() {
    const GATEWAY: &str = "gateway@partner.example";
    let rule = Rule {
        name: "whole domain".into(),
        to: vec!["partner.example".into()],
        encrypt: Some(Choice::Always),
        certificate_of: Some(address(GATEWAY)),
        ..Rule::default()
    };
    let house = House::start(|settings| settings.policy.rules.push(rule)).await;
    gateway::maildir::Maildirs::new(house.folder.path().join("mail")).create(&address(GATEWAY)).unwrap();
    house.activate(&house.bob, BOB).await;
    let message = mail(ALICE, CAROL, "x", "CANARY");
    let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
    assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "without that certificate it is held");
    let gateway = TestPki::shared().person(GATEWAY, KeyKind::P256);
    house.activate(&gateway, GATEWAY).await;
    let replies = house.send(house.inside, ALICE, &[CAROL], &message).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "CANARY")).await;
    // Outside that domain it is good for nobody.
    let elsewhere = house.send(house.inside, ALICE, &["eve@evil.example"], &mail(ALICE, BOB, "x", "text")).await;
    assert!(elsewhere[0].is_positive() && contains(&house.mail("eve@evil.example")[0], "text"));
    let limits = smime::Limits::in_folder(house.folder.path());
    let opens = |mail: &[u8], person: &Person| {
        smime::Decryptor::new(std::slice::from_ref(&person.credential), &limits)
            .decrypt(mail)
            .is_ok_and(|opened| opened.is_ok())
    };
    let (to_carol, to_bob) = (house.mail(CAROL).pop().unwrap(), house.mail(BOB).pop().unwrap());
    assert!(!contains(&to_carol, "CANARY") && opens(&to_carol, &gateway) && !opens(&to_carol, &house.bob));
    assert!(opens(&to_bob, &house.bob) && !opens(&to_bob, &gateway));
}

#[tokio::test]
async fn the_houses_own_domain_certificate_opens_mail_for_everybody_inside() {
    const GATEWAY: &str = "gateway@inside.example";
    let gateway = TestPki::shared().person(GATEWAY, KeyKind::P256);
    let signed = |house: &House| Signer::new(&house.bob.credential).unwrap().sign(&mail(BOB, OFFICER, "x", "FOR-OTTO"));
    for domain in [None, Some(address(GATEWAY))] {
        let is_set = domain.is_some();
        let house = House::start(|settings| settings.incoming.domain_address = domain).await;
        let new = NewPerson {
            address: mailbox(GATEWAY),
            name: "Gateway".into(),
            company: None,
            language: directory::Language::German,
            roles: Roles::of([Role::Employee]),
            contact: None,
        };
        let by = Actor::System;
        let known = house.directory.add_person(new, &by).await.unwrap();
        house.keys.import(known.id, &gateway.pkcs8, gateway.certificate(), &[], KeyUse::Encrypt, &by).await.unwrap();
        let sealed = Encryptor::to(gateway.certificate()).unwrap().encrypt(&signed(&house).unwrap()).unwrap();
        let replies = house.send(house.outside, BOB, &[OFFICER], &sealed).await;
        assert!(replies[0].is_positive(), "{}", replies[0]);
        let arrived = house.mail(OFFICER).remove(0);
        assert_eq!(contains(&arrived, "FOR-OTTO"), is_set);
        let results = header(&arrived).value("Authentication-Results").unwrap();
        assert_eq!(results.contains("smime=pass"), is_set, "{results}");
    }
}

#[tokio::test]
async fn employees_who_keep_their_own_keys_are_left_alone_in_both_directions() {
    let house = House::start(|settings| settings.policy.sign = Choice::Always).await;
    let otto = TestPki::shared().person(OFFICER, KeyKind::P256);
    // Signed by his own program: every octet reaches the partner.
    let signed = Signer::new(&otto.credential).unwrap().sign(&mail(OFFICER, BOB, "x", "signed by Otto")).unwrap();
    let replies = house.send(house.inside, OFFICER, &[BOB], &signed).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    assert!(house.mail(BOB)[0].ends_with(&signed), "it was changed");
    // Encrypted by his own program, although a rule might want more.
    let sealed = Encryptor::to(house.bob.certificate()).unwrap().encrypt(&signed).unwrap();
    house.send(house.inside, OFFICER, &[BOB], &sealed).await;
    assert!(house.mail(BOB)[1].ends_with(&sealed), "it was changed");
    // What is encrypted to him stays so: his own program opens it, and the body is as it came.
    let to_otto = Encryptor::to(otto.certificate()).unwrap().encrypt(&mail(BOB, OFFICER, "y", "for Otto")).unwrap();
    let replies = house.send(house.outside, BOB, &[OFFICER], &to_otto).await;
    assert!(replies[0].is_positive(), "{}", replies[0]);
    let arrived = house.mail(OFFICER).remove(0);
    let body = |mail: &[u8]| mail[mail.windows(4).position(|end| end == b"\r\n\r\n").unwrap()..].to_vec();
    assert_eq!(body(&arrived), body(&to_otto));
    let limits = smime::Limits::in_folder(house.folder.path());
    assert!(
        smime::Decryptor::new(std::slice::from_ref(&otto.credential), &limits).decrypt(&arrived[..]).unwrap().is_ok()
    );
}
