//! Where revocation is required: a signer's first mail waits for what the CA says, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use smime::Signer;
use testkit::{Person, TestPki, now};
use tokio::net::TcpListener;

use crate::house::{ALICE, BOB, CAROL, House};
use crate::support::{header, mail};
use crate::watch::{CaServer, fetcher, person};

async fn house(patience: Duration) -> House {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let about = |about: &mut directory::Settings| {
        about.revocation = pki::Revocation::Required;
        // The issuing CA itself, so that one list tells everything.
        about.trust = [TestPki::shared().ca().certificate().clone()].into_iter().collect();
    };
    House::about(&url, folder, Vec::new(), about, |settings| {
        (settings.fetcher, settings.inquiry) = (Arc::new(fetcher()), patience);
    })
    .await
}

fn signed(person: &Person, from: &str) -> Vec<u8> {
    Signer::new(&person.credential).unwrap().at(now()).sign(&mail(from, ALICE, "hello", "text")).unwrap()
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
    // A list that revokes, and a CA that says nothing: neither is valid, and neither mail is lost.
    let (revoking, silent) = (CaServer::start().await, CaServer::start().await);
    let (mallory, carol) = (person(BOB, &revoking.url), person(CAROL, &silent.url));
    revoking.publish(1, Some(&mallory));
    for (count, person, from) in [(2, &mallory, BOB), (3, &carol, CAROL)] {
        let replies = house.send(house.outside, from, &[ALICE], &signed(person, from)).await;
        assert_eq!((replies[0].code(), house.mail(ALICE).len()), (250, count), "{}", replies[0]);
    }
    let passed = house.mail(ALICE).iter().filter(|mail| results(mail).contains("smime=pass")).count();
    assert_eq!(passed, 1);
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
    assert!(results(&house.mail(ALICE)[0]).contains("smime=fail"), "{}", results(&house.mail(ALICE)[0]));
}
