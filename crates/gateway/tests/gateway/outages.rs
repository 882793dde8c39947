//! What is asked beside the mail itself is down, mute, or talks nonsense; and the clock is wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::{Outgoing, OutgoingKind};
use egress::LookUp;
use egress::look_up::{HttpDirectory, LdapDirectory, Smimea, SmimeaSettings};
use gateway::policy::{Choice, Rule};
use gateway::{Scanner, Settings};
use smime::{Encryptor, Signer};
use testkit::TestPki;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use crate::house::{ALICE, BOB, CAROL, House, INTAKE, mailbox};
use crate::incoming::HELD;
use crate::support::{contains, header, mail};
use crate::watch::{fetcher, person};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Down,
    Mute,
    Nonsense,
}

/// A server in trouble, for every protocol there is; it ends when the task is told to.
async fn server(trouble: Trouble) -> (SocketAddr, JoinHandle<()>) {
    if trouble == Trouble::Down {
        // Bound, so that nobody else gets the port, and never listened on.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let task = async move {
            let _socket = socket;
            std::future::pending().await
        };
        return (address, tokio::spawn(task));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if trouble == Trouble::Mute {
                silent.push(stream);
            } else {
                let _ = stream.write_all(b"\xff\x00 220 HTTP/9 yes and no\r\n\r\n\0").await;
            }
        }
    });
    (address, task)
}

async fn house(at: SocketAddr) -> House {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let about = |about: &mut directory::Settings| {
        about.revocation = pki::Revocation::Required;
        about.trust = [TestPki::shared().ca().certificate().clone()].into_iter().collect();
    };
    let http = HttpDirectory::new(&format!("http://{at}/keys/{{address}}"), None).unwrap();
    let ldap = LdapDirectory::new(&format!("ldap://{at}"), "dc=x", "(mail={address})", None).unwrap();
    let dns = Smimea::new(&SmimeaSettings { servers: vec![at], trust_anchor: None }).unwrap();
    let sources = vec![egress::Source::Http(http), egress::Source::Ldap(ldap), egress::Source::Smimea(Box::new(dns))];
    House::about(&url, folder, Vec::new(), about, |settings: &mut Settings| {
        settings.look_up = Some(Arc::new(LookUp::new(sources)));
        (settings.fetcher, settings.inquiry) = (Arc::new(fetcher()), Duration::from_millis(50));
        settings.incoming.scanner = Some(Scanner::Network(at.to_string()));
        settings.policy.rules = vec![Rule {
            name: "must".into(),
            to: vec![CAROL.into()],
            encrypt: Some(Choice::Always),
            ..Rule::default()
        }];
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r_09_what_is_asked_beside_the_mail_may_fail_and_other_mail_goes_on() {
    for trouble in [Trouble::Down, Trouble::Mute, Trouble::Nonsense] {
        let (at, task) = server(trouble).await;
        let house = house(at).await;
        let encrypted =
            Encryptor::to(house.alice.certificate()).unwrap().encrypt(&mail(BOB, ALICE, "x", "CANARY")).unwrap();
        // What the scanner has to see waits for it, and is held.
        let scanned = house.send(house.outside, BOB, &[ALICE], &encrypted);
        let others = async {
            // The CA: never called valid, and not kept for ever.
            let bob = person(BOB, &format!("http://{at}/ca.crl"));
            let signed = Signer::new(&bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "y", "text"));
            let (signed, mut tries) = (signed.unwrap(), 0);
            while house.send(house.outside, BOB, &[ALICE], &signed).await[0].code() != 250 {
                tries += 1;
                assert!(tries < 4, "{trouble:?}");
            }
            let results = header(&house.mail(ALICE)[0]).value("Authentication-Results").unwrap();
            assert!(!results.contains("smime=pass"), "{trouble:?}: {results}");
            // The directories: who has no certificate has none, and the policy decides.
            let replies = house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "z", "CANARY")).await;
            assert_eq!((replies[0].code(), replies[0].enhanced()), (451, "4.7.5"), "{trouble:?}");
            for (listener, from, to) in [(house.inside, ALICE, BOB), (house.outside, BOB, ALICE)] {
                let replies = house.send(listener, from, &[to], &mail(from, to, "other", "text")).await;
                assert_eq!(replies[0].code(), 250, "{trouble:?}: {}", replies[0]);
            }
            task.abort();
        };
        let (scanned, ()) = tokio::join!(scanned, others);
        assert_eq!(scanned[0].to_string(), HELD, "{trouble:?}");
        assert_eq!((house.mail(ALICE).len(), house.mail(BOB).len()), (2, 1), "{trouble:?}");
        assert!(house.mail(CAROL).is_empty());
        assert!(house.mail(ALICE).iter().all(|mail| !contains(mail, "CANARY")), "{trouble:?}");
    }
}

#[tokio::test]
async fn r_10_while_the_clock_is_wrong_nothing_is_called_valid_that_is_not_and_nothing_is_lost() {
    let house = House::start(|_| ()).await;
    let right = house.directory.now();
    let signed = |number: usize| {
        let text = mail(BOB, ALICE, &format!("number {number}"), "text");
        Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&text).unwrap()
    };
    let waiting = |number: usize| Outgoing {
        sender: None,
        recipient: mailbox(CAROL),
        content: mail(INTAKE, CAROL, "x", &format!("waits {number}")),
        kind: OutgoingKind::Notification,
        not_before: None,
        key: Some(number.to_string()),
    };
    house.refuse_with(451);
    house.directory.enqueue(waiting(0)).await.unwrap();
    // Ten years ahead the certificate has expired, ten years back it is not yet valid; by a step back, or in a summer's
    // night with its hour twice, nothing changes.
    for (number, (days, seconds, passes)) in
        [(0, 0, true), (3_650, 0, false), (-3_650, 0, false), (0, -3_600, true), (0, 1, true), (0, 0, true)]
            .into_iter()
            .enumerate()
    {
        house.clock.set(right.plus_days(days).plus_seconds(seconds));
        house.directory.enqueue(waiting(number + 1)).await.unwrap();
        house.refuse_with(0);
        let replies = house.send(house.outside, BOB, &[ALICE], &signed(number)).await;
        house.refuse_with(451);
        assert_eq!(replies[0].code(), 250, "{days} {seconds}: {}", replies[0]);
        let subject = format!("number {number}");
        let mails = house.mail(ALICE);
        let arrived =
            mails.iter().find(|mail| header(mail).get("Subject").unwrap().text().ends_with(&subject)).unwrap();
        let results = header(arrived).value("Authentication-Results").unwrap();
        assert_eq!(results.contains("smime=pass"), passes, "{days} {seconds}: {results}");
    }
    house.refuse_with(0);
    house.clock.advance_seconds(3_600);
    let texts = house.mails(CAROL, 7).await;
    for number in 0..7 {
        let count = texts.iter().filter(|mail| contains(mail, &format!("waits {number}\r\n"))).count();
        assert_eq!(count, 1, "{number}");
    }
    assert_eq!(house.directory.outbox_counts().await.unwrap().given_up, 0);
}
