//! The keys of the people inside, as mail meets them: in a token that goes away, old, new, and of the house's own CA.

use crypto::KeyKind;
use directory::{Actor, KeyOrder, KeyPlace, KeyUse, NewAuthority};
use gateway::policy::Choice;
use smime::{Encryptor, Signer};
use testkit::{SoftHsm, TestPki};

use crate::house::{ALICE, BOB, House, mailbox, until};
use crate::support::{contains, mail};

const CANARY: &str = "the text that nobody else may read";

#[test]
fn t_129_r_09_a_batch_waits_for_the_token_and_goes_on() {
    let Some(hsm) = SoftHsm::in_own_process("keys::t_129_r_09_a_batch_waits_for_the_token_and_goes_on") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("house.db").display());
        let house = House::with_tokens(&url, folder, vec![hsm.token()], |settings| {
            settings.policy.sign = Choice::Always;
            settings.policy.encrypt = Choice::Always;
        })
        .await;
        house.activate(&house.bob, BOB).await;
        let pki = TestPki::shared();
        let order = KeyOrder {
            kind: KeyKind::Rsa2048,
            place: KeyPlace::Token(SoftHsm::LABEL.into()),
            ..KeyOrder::mailbox(&mailbox(ALICE))
        };
        let waiting = house.keys.order_key(house.employee.id, &order, &Actor::System).await.unwrap();
        let alice = pki.ca().issue(&pki.mailbox(ALICE), &waiting.public_key).unwrap();
        house.keys.answer(&[alice.clone(), pki.ca().certificate().clone()], &Actor::System).await.unwrap();

        let confirmations = house.mail(BOB).len();
        let out = || async {
            let replies = house.send(house.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", CANARY)).await;
            replies[0].code()
        };
        let encrypted = Encryptor::to(&alice).unwrap().encrypt(&mail(BOB, ALICE, "y", CANARY)).unwrap();
        let back = || async { house.send(house.outside, BOB, &[ALICE], &encrypted).await[0].code() };
        let mut codes = Vec::new();
        for number in 0..6 {
            match number {
                2 => hsm.remove(),
                4 => hsm.insert(),
                _ => {}
            }
            codes.push((out().await, back().await));
        }
        assert_eq!(
            codes.iter().map(|(out, back)| (out / 100, back / 100)).collect::<Vec<_>>(),
            [(2, 2), (2, 2), (4, 4), (4, 4), (2, 2), (2, 2)]
        );
        // What was held went nowhere, in no form; what went is what it should be.
        let sent = house.mail(BOB).split_off(confirmations);
        assert_eq!(sent.len(), 4);
        assert!(sent.iter().all(|mail| !contains(mail, CANARY) && contains(mail, "pkcs7-mime")));
        let received = house.mail(ALICE);
        assert_eq!(received.len(), 4);
        assert!(received.iter().all(|mail| contains(mail, CANARY)));
    });
}

#[tokio::test]
async fn t_126_who_encrypts_to_an_old_key_is_read_and_known() {
    let house = House::start(|_| ()).await;
    let old = house.alice.certificate().clone();
    let new = TestPki::shared().person(ALICE, KeyKind::P256);
    let chain = [TestPki::shared().ca().certificate().clone()];
    let by = Actor::System;
    let id = house.employee.id;
    house.keys.import(id, &new.pkcs8, new.certificate(), &chain, KeyUse::Both, &by).await.unwrap();
    let from_bob = |certificate: &pki::Certificate| {
        let signed = Signer::new(&house.bob.credential).unwrap().at(testkit::now());
        let signed = signed.sign(&mail(BOB, ALICE, "x", CANARY)).unwrap();
        Encryptor::to(certificate).unwrap().encrypt(&signed).unwrap()
    };
    let behind = || async { house.directory.still_on_old_keys(&mailbox(ALICE)).await.unwrap() };
    house.send(house.outside, BOB, &[ALICE], &from_bob(&old)).await;
    assert!(contains(&house.mail(ALICE)[0], CANARY));
    assert!(behind().await.is_empty(), "somebody to whom she never wrote");
    house.directory.record_contact(&mailbox(ALICE), &mailbox(BOB)).await.unwrap();
    house.send(house.outside, BOB, &[ALICE], &from_bob(&old)).await;
    assert_eq!(behind().await.iter().map(|one| one.partner.to_string()).collect::<Vec<_>>(), [BOB]);
    house.clock.advance_seconds(60);
    house.send(house.outside, BOB, &[ALICE], &from_bob(new.certificate())).await;
    assert!(behind().await.is_empty());
}

#[tokio::test]
async fn the_gateway_keeps_the_houses_own_ca_and_its_certificates() {
    let house = House::start(|settings| settings.schedule_seconds = 1).await;
    let authority = house.keys.create_authority(&NewAuthority::named("Muster"), &Actor::System).await.unwrap();
    let list = || async { house.directory.house_crl(authority[1].id).await.unwrap().unwrap() };
    let first = list().await;
    let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&mailbox(ALICE)) };
    house.keys.issue(house.employee.id, &order, 20, &Actor::System).await.unwrap();
    house.directory.record_contact(&mailbox(ALICE), &mailbox(BOB)).await.unwrap();
    house.clock.advance_days(5);
    until(|| async { list().await != first }).await;
    // It ends within a month, so it is renewed, and the partner hears of it.
    until(|| async { house.mail(BOB).iter().any(|mail| contains(mail, "p7c")) }).await;
}
