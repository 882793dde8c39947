//! Where revocation is required: a signer's first mail waits for what the CA says, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use gateway::Tampered;
use smime::{Encryptor, Signer};
use testkit::{Person, TestPki, now};
use tokio::net::TcpListener;

use crate::house::{ALICE, BOB, CAROL, House};
use crate::intake::with_file;
use crate::support::{header, mail};
use crate::watch::{CaServer, fetcher, person};

async fn house(patience: Duration) -> House {
    house_where(patience, Tampered::DeliverMarked).await
}

async fn house_where(patience: Duration, tampered: Tampered) -> House {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let about = |about: &mut directory::Settings| {
        about.revocation = pki::Revocation::Required;
        // The issuing CA itself, so that one list tells everything.
        about.trust = [TestPki::shared().ca().certificate().clone()].into_iter().collect();
    };
    House::about(&url, folder, Vec::new(), about, |settings| {
        (settings.fetcher, settings.inquiry) = (Arc::new(fetcher()), patience);
        settings.incoming.tampered = tampered;
        settings.intake.authentication_results = Some("mx.inside.example".into());
    })
    .await
}

fn signed(person: &Person, from: &str) -> Vec<u8> {
    Signer::new(&person.credential).unwrap().at(now()).sign(&mail(from, ALICE, "hello", "text")).unwrap()
}

/// Neither valid nor invalid, and marked so.
fn is_unknown(mail: &[u8]) {
    assert!(results(mail).contains("smime=temperror"), "{}", results(mail));
    assert_eq!(header(mail).value("Subject").unwrap(), "[signature not verified] hello");
}

fn results(mail: &[u8]) -> String {
    header(mail).value("Authentication-Results").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_a_signers_first_mail_is_judged_by_what_the_ca_says_when_it_is_asked() {
    let house = house(Duration::from_secs(60)).await;
    let server = CaServer::start().await;
    server.publish(1, None);
    let bob = person(BOB, &server.url);
    let replies = house.send(house.outside, BOB, &[ALICE], &signed(&bob, BOB)).await;
    assert_eq!(replies[0].code(), 250, "{}", replies[0]);
    assert!(results(&house.mail(ALICE)[0]).contains("smime=pass"), "{}", results(&house.mail(ALICE)[0]));
    // A list that revokes: it is not valid, and the mail is not lost.
    let revoking = CaServer::start().await;
    let mallory = person(BOB, &revoking.url);
    revoking.publish(1, Some(&mallory));
    let replies = house.send(house.outside, BOB, &[ALICE], &signed(&mallory, BOB)).await;
    assert_eq!((replies[0].code(), house.mail(ALICE).len()), (250, 2), "{}", replies[0]);
    for word in ["smime=pass", "smime=fail"] {
        assert_eq!(house.mail(ALICE).iter().filter(|mail| results(mail).contains(word)).count(), 1, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_122_a_mail_comes_again_twice_while_its_signers_ca_does_not_answer_and_then_is_judged() {
    let house = house(Duration::from_millis(50)).await;
    // It takes the connection, and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bob = person(BOB, &format!("http://{}/ca.crl", mute.local_addr().unwrap()));
    let message = signed(&bob, BOB);
    for expected in [451, 451, 250] {
        let replies = house.send(house.outside, BOB, &[ALICE], &message).await;
        assert_eq!(replies[0].code(), expected, "{}", replies[0]);
        assert_eq!(house.mail(ALICE).len(), usize::from(expected == 250));
    }
    is_unknown(&house.mail(ALICE)[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_122_a_ca_that_is_away_makes_no_mail_invalid_and_nobody_is_refused_for_it() {
    let house = house_where(Duration::from_secs(60), Tampered::Refuse).await;
    let away = CaServer::start().await;
    let carol = person(CAROL, &away.url);
    let message = signed(&carol, CAROL);
    for expected in [451, 451, 250] {
        let replies = house.send(house.outside, CAROL, &[ALICE], &message).await;
        assert_eq!(replies[0].code(), expected, "{}", replies[0]);
    }
    is_unknown(&house.mail(ALICE)[0]);
    // Whoever is not the sender is refused without anybody being asked.
    let replies = house.send(house.outside, BOB, &[ALICE], &signed(&carol, BOB)).await;
    assert_eq!(replies[0].code(), 550, "{}", replies[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_24_t_28_what_is_not_known_about_the_signer_of_an_encrypted_mail_shows_in_no_answer() {
    let house = house(Duration::from_secs(60)).await;
    let away = CaServer::start().await;
    let carol = person(CAROL, &away.url);
    let encrypt = |mail: &[u8]| Encryptor::to(house.alice.certificate()).unwrap().encrypt(mail).unwrap();
    let sealed = [encrypt(&signed(&carol, CAROL)), encrypt(&mail(CAROL, ALICE, "hello", "not signed"))];
    for message in &sealed {
        let replies = house.send(house.outside, CAROL, &[ALICE], message).await;
        assert_eq!((replies[0].code(), replies[0].to_string().contains("revoked")), (250, false), "{}", replies[0]);
    }
    let unknown = house.mail(ALICE).iter().filter(|mail| results(mail).contains("smime=temperror")).count();
    assert_eq!(unknown, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_71_what_is_known_about_a_signer_counts_at_the_intake_address_as_well() {
    let house = house(Duration::from_secs(60)).await;
    let server = CaServer::start().await;
    server.publish(1, None);
    let bob = person(BOB, &server.url);
    // With the first mail the list is fetched.
    house.send(house.outside, BOB, &[ALICE], &signed(&bob, BOB)).await;
    let file = with_file(BOB, "Hello, my certificate.", "bob.pem", bob.certificate().to_pem().as_bytes());
    let sent_in = Signer::new(&bob.credential).unwrap().at(now()).sign(&file).unwrap();
    house.sends_in(BOB, &sent_in).await;
    house.idle().await;
    let is_answer = |mail: &&Vec<u8>| header(mail).value("Auto-Submitted").as_deref() == Some("auto-replied");
    assert_eq!(house.mail(BOB).iter().filter(is_answer).count(), 1, "only who proved something is answered");
}
