//! Certificates from a CA that speaks ACME and proves mailboxes by mail (RFC 8823), from the order to the first
//! signature; and what looks like the CA's mail and is not.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crypto::KeyKind;
use directory::{AcmeOrder, AcmeState, Actor, KeyOrder};
use egress::acme::{AccountKey, AcmeClient, AcmeLimits};
use egress::{CaaRecord, FoundRecords, Records, TlsRoots};
use gateway::{AcmeSettings, Gateway, Settings};
use testkit::{AcmeServer, DkimSigner, Misbehaviour, TestPki};

use crate::house::{ALICE, House, OFFICER, mailbox};
use crate::support::contains;

const REPLIES: &str = "acme-reply@ca.example";

/// DNS that knows the keys of some domains, and can be away.
#[derive(Default)]
struct Dns {
    texts: Mutex<HashMap<String, Vec<u8>>>,
    away: AtomicBool,
}

impl Dns {
    fn knows(&self, signer: &DkimSigner) {
        let (name, text) = signer.record();
        self.texts.lock().unwrap().insert(name, text);
    }
}

impl Records for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> FoundRecords<'a, Vec<u8>> {
        let found = match self.away.load(Ordering::SeqCst) {
            true => Err(io::Error::other("away")),
            false => Ok(self.texts.lock().unwrap().get(name).cloned().into_iter().collect()),
        };
        Box::pin(async move { found })
    }

    fn caa<'a>(&'a self, _: &'a str) -> FoundRecords<'a, CaaRecord> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

struct Rig {
    house: House,
    server: AcmeServer,
    dns: Arc<Dns>,
    settings: Settings,
    /// Mails of the CA that were handed over.
    handed: usize,
    /// Answers that it got.
    answered: Vec<Vec<u8>>,
}

impl Rig {
    async fn start(misbehaviour: Misbehaviour) -> Self {
        let server = AcmeServer::start(TestPki::shared(), misbehaviour);
        let dns = Arc::new(Dns::default());
        dns.knows(server.dkim());
        let records: Arc<dyn Records> = dns.clone();
        let acme = AcmeSettings::new(TlsRoots::from_file(&server.tls().root()).unwrap(), records);
        let mut kept = None;
        let house = House::start(|settings| {
            settings.acme = Some(acme);
            settings.schedule_seconds = 1;
            kept = Some(settings.clone());
        })
        .await;
        let this = Self { house, server, dns, settings: kept.unwrap(), handed: 0, answered: Vec::new() };
        let (account, key) = this.house.keys.acme_account_key(&this.server.url()).await.unwrap();
        let roots = TlsRoots::from_file(&this.server.tls().root()).unwrap();
        let client = AcmeClient::new(&this.server.url(), roots, AcmeLimits::default()).unwrap();
        let key = AccountKey::new(key).unwrap();
        let url = client.register(&key, &["mailto:it@inside.example".into()], true, None).await.unwrap();
        assert_eq!(client.register(&key, &[], true, None).await.unwrap(), url, "the key has one account");
        this.house.directory.acme_registered(account.id, &url, &Actor::System).await.unwrap();
        this
    }

    async fn order(&self) -> AcmeOrder {
        let account = self.house.directory.acme_account(&self.server.url()).await.unwrap().unwrap();
        let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&mailbox(ALICE)) };
        let employee = self.house.employee.id;
        self.house.keys.order_by_acme(employee, &order, account.id, "", &Actor::System).await.unwrap()
    }

    async fn now(&self, order: &AcmeOrder) -> AcmeOrder {
        self.house.directory.acme_order(order.id).await.unwrap()
    }

    /// Lets time pass until the order is as far as that; carries mails to and fro as far as `carry` says.
    async fn until(&mut self, order: &AcmeOrder, carry: bool, reached: impl Fn(&AcmeOrder) -> bool) -> AcmeOrder {
        let since = Instant::now();
        loop {
            let now = self.now(order).await;
            if reached(&now) {
                return now;
            }
            assert!(since.elapsed() < Duration::from_secs(120), "it stays like this: {now:?}");
            if carry {
                self.carry().await;
            }
            self.house.clock.advance_seconds(60);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Brings the CA's mails here and the answers there.
    async fn carry(&mut self) {
        for mail in self.server.mails().iter().skip(self.handed) {
            let replies = self.deliver(mail).await;
            if replies != 250 {
                return;
            }
            self.handed += 1;
        }
        for answer in self.house.mail(REPLIES) {
            if !self.answered.contains(&answer) {
                self.server.receive(&answer).unwrap();
                self.answered.push(answer);
            }
        }
    }

    async fn deliver(&self, mail: &[u8]) -> u16 {
        self.house.send(self.house.outside, "bounces@ca.example", &[ALICE], mail).await[0].code()
    }

    async fn restart(&mut self) {
        self.house.gateway.take().unwrap().shutdown().await;
        let (directory, keys) = (self.house.directory.clone(), self.house.keys.clone());
        let gateway = Gateway::start_with_directory(self.settings.clone(), directory, keys).await.unwrap();
        self.house.outside = gateway.addresses()[1];
        self.house.gateway = Some(gateway);
    }
}

/// Whether a mail answers the newest one of the CA.
fn answers(rig: &Rig, answer: &[u8]) -> bool {
    let newest = crate::support::header(rig.server.mails().last().unwrap());
    crate::support::header(answer).value("In-Reply-To") == newest.value("Message-ID")
}

async fn is_in_use(rig: &Rig, order: &AcmeOrder) {
    let credential = rig.house.directory.credential(order.credential.unwrap()).await.unwrap();
    let signing = rig.house.keys.signing_credential(&mailbox(ALICE)).await.unwrap().unwrap();
    assert_eq!(signing.certificate(), &credential.certificate);
    assert_ne!(signing.certificate(), rig.house.alice.certificate());
    assert_eq!(credential.chain, [TestPki::shared().ca().certificate().clone()]);
    assert!(rig.house.directory.key_requests(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_is_ordered_proven_and_in_use() {
    let mut rig = Rig::start(Misbehaviour::default()).await;
    let order = rig.order().await;
    let (employee, another) = (rig.house.employee.id, KeyOrder::mailbox(&mailbox(ALICE)));
    let again = rig.house.keys.order_by_acme(employee, &another, order.account, "", &Actor::System).await;
    assert!(matches!(again, Err(directory::Error::Conflict { .. })), "one order at a time");
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
    is_in_use(&rig, &issued).await;
    assert!(rig.house.mail(ALICE).is_empty(), "the employee has nothing to do with it");
    let record = rig.house.directory.audit_for(&mailbox(ALICE)).await.unwrap();
    let actions: Vec<&str> = record.iter().map(|entry| entry.action.as_str()).collect();
    for action in ["key.requested", "acme.ordered", "acme.answered", "credential.imported", "acme.issued"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    rig.house.directory.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_difficult_server_gives_one_too_and_so_does_a_restart_at_each_step() {
    let difficult = Misbehaviour {
        refuse_nonces: 3,
        processing: 2,
        retry_after: Some("30"),
        reordered: true,
        ..Misbehaviour::default()
    };
    let mut rig = Rig::start(difficult).await;
    let order = rig.order().await;
    rig.until(&order, false, |order| order.state == AcmeState::Waiting).await;
    rig.restart().await;
    let mails = rig.server.mails();
    assert_eq!(rig.deliver(&mails[0]).await, 250);
    rig.handed = 1;
    rig.restart().await;
    rig.until(&order, false, |order| order.state == AcmeState::Validating).await;
    rig.restart().await;
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
    is_in_use(&rig, &issued).await;
    assert_eq!(rig.house.mail(REPLIES).len(), 1, "answered once");
    assert_eq!(rig.server.mails().len(), 1, "ordered once");
}

#[tokio::test]
async fn a_server_that_sends_its_mail_on_demand_is_told_that_it_is_waited_for() {
    let mut rig = Rig::start(Misbehaviour { mail_on_demand: true, ..Misbehaviour::default() }).await;
    let order = rig.order().await;
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
}

#[tokio::test]
async fn what_a_server_says_wrongly_is_no_certificate_and_no_end() {
    let mut rig = Rig::start(Misbehaviour::default()).await;
    let order = rig.order().await;
    rig.until(&order, false, |order| order.state == AcmeState::Waiting).await;
    rig.server.behave(Misbehaviour { oversized: true, ..Misbehaviour::default() });
    let stuck = rig.until(&order, true, |order| order.attempts > 1).await;
    assert!(stuck.problem.contains("larger than"), "{}", stuck.problem);
    rig.server.behave(Misbehaviour { content_type: Some("text/html"), ..Misbehaviour::default() });
    let stuck = rig.until(&order, true, |order| order.problem.contains("text/html")).await;
    assert_ne!(stuck.state, AcmeState::Issued);
    rig.server.behave(Misbehaviour::default());
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
    is_in_use(&rig, &issued).await;
}

#[tokio::test]
async fn what_cannot_become_a_certificate_ends_with_its_reason() {
    // CASES T-128: a certificate over another key is for nobody here.
    let mut rig = Rig::start(Misbehaviour { other_key: true, ..Misbehaviour::default() }).await;
    let order = rig.order().await;
    let failed = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(failed.state, AcmeState::Failed);
    assert!(failed.problem.contains("key that waits"), "{}", failed.problem);
    assert!(rig.house.directory.key_requests(10).await.unwrap().is_empty(), "its key is destroyed");
    // The CA refuses the answer.
    rig.server.behave(Misbehaviour::default());
    let order = rig.order().await;
    rig.until(&order, false, |order| order.state == AcmeState::Waiting).await;
    assert_eq!(rig.deliver(rig.server.mails().last().unwrap()).await, 250);
    rig.until(&order, false, |order| order.state == AcmeState::Validating).await;
    let answer = rig.house.mails(REPLIES, 2).await.into_iter().find(|answer| answers(&rig, answer)).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    rig.server.receive(answer.replace("Subject: Re: ", "Subject: ").as_bytes()).unwrap_err();
    let failed = rig.until(&order, false, |order| order.state.is_over()).await;
    assert_eq!(failed.state, AcmeState::Failed);
    assert!(failed.problem.contains("Subject is wrong (incorrectResponse)"), "{}", failed.problem);
    let signing = rig.house.keys.signing_credential(&mailbox(ALICE)).await.unwrap().unwrap();
    assert_eq!(signing.certificate(), rig.house.alice.certificate(), "what was in use stays in use");
}

#[tokio::test]
async fn t_74_a_forged_challenge_is_answered_by_nothing() {
    let mut rig = Rig::start(Misbehaviour::default()).await;
    let order = rig.order().await;
    let order = rig.until(&order, false, |order| order.state == AcmeState::Waiting).await;
    let genuine = rig.server.mails()[0].clone();
    let text = String::from_utf8(genuine.clone()).unwrap();
    let (signature, unsigned) = text.split_once("\r\n").unwrap();
    assert!(signature.starts_with("DKIM-Signature: "));
    let all = DkimSigner::CHALLENGE_FIELDS;
    let (ca, impostor, evil) = (rig.server.dkim(), DkimSigner::new("ca.example"), DkimSigner::new("evil.example"));
    rig.dns.knows(&evil);
    let token = unsigned.split_once("Subject: ACME: ").unwrap().1.split_once("\r\n").unwrap().0.to_owned();
    let by_ca = |from: &str, to: &str| {
        let changed = unsigned.replace(from, to);
        assert_ne!(changed, unsigned);
        ca.sign(changed.as_bytes(), all, "")
    };
    let forged = [
        ("no signature", unsigned.as_bytes().to_vec()),
        ("another domain's signature", evil.sign(unsigned.as_bytes(), all, "")),
        ("another key", impostor.sign(unsigned.as_bytes(), all, "")),
        ("a changed text", text.replace("automatically", "auto").into_bytes()),
        ("a changed token", text.replace(&token, &token.chars().rev().collect::<String>()).into_bytes()),
        ("another subject above", [&b"Subject: ACME: AAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"[..], &genuine[..]].concat()),
        ("Reply-To is not signed", ca.sign(unsigned.as_bytes(), &all.replace("Reply-To:", ""), "")),
        ("Sender is not signed", ca.sign(unsigned.as_bytes(), &all.replace("Sender:", ""), "")),
        ("a part of the text", ca.sign(unsigned.as_bytes(), all, " l=10;")),
        ("expired", ca.sign(unsigned.as_bytes(), all, " t=1000000000; x=1000000001;")),
        ("another sender", by_ca("acme@ca.example", "other@ca.example")),
        ("another domain's sender", evil.sign(unsigned.replace("acme@ca", "acme@evil").as_bytes(), all, "")),
        ("to somebody else", by_ca(&format!("To: {ALICE}"), &format!("To: {OFFICER}"))),
        ("to two", by_ca(&format!("To: {ALICE}"), &format!("To: {ALICE}, {OFFICER}"))),
        ("no token", by_ca(&token, "")),
        ("a short token", by_ca(&token, "AAAA")),
        ("not by a program", by_ca("auto-generated", "no")),
    ];
    for (count, (what, mail)) in forged.iter().enumerate() {
        assert_eq!(rig.deliver(mail).await, 250, "{what}");
        assert_eq!(rig.house.mail(ALICE).len(), count + 1, "{what}: it is a mail like any");
        assert_eq!(rig.now(&order).await.state, AcmeState::Waiting, "{what}");
    }
    // To whom nothing was ordered nothing is answered.
    let other = rig.house.send(rig.house.outside, "bounces@ca.example", &[OFFICER], &genuine).await;
    assert_eq!((other[0].code(), rig.house.mail(OFFICER).len()), (250, 1));
    // A signature that cannot be checked now is checked later.
    rig.dns.away.store(true, Ordering::SeqCst);
    assert_eq!(rig.deliver(&genuine).await, 451);
    rig.dns.away.store(false, Ordering::SeqCst);
    rig.house.idle().await;
    assert!(rig.house.mail(REPLIES).is_empty());
    // The genuine one, twice: it is one.
    assert_eq!(rig.deliver(&genuine).await, 250);
    assert_eq!(rig.deliver(&genuine).await, 250);
    let answer = rig.house.mails(REPLIES, 1).await.remove(0);
    assert!(contains(&answer, &format!("Subject: Re: ACME: {token}")));
    assert_eq!(rig.house.mail(ALICE).len(), forged.len());
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
    // Played again to another order, it is a mail like any.
    let order = rig.order().await;
    rig.until(&order, false, |order| order.state == AcmeState::Waiting).await;
    assert_eq!(rig.deliver(&genuine).await, 250);
    assert_eq!(rig.now(&order).await.state, AcmeState::Waiting);
    assert_eq!(rig.house.mail(ALICE).len(), forged.len() + 1);
    let issued = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(issued.state, AcmeState::Issued, "{}", issued.problem);
    assert_eq!(rig.house.mail(REPLIES).len(), 2);
}

#[tokio::test]
async fn a_certificate_that_ends_is_ordered_again() {
    let mut rig = Rig::start(Misbehaviour::default()).await;
    let order = rig.order().await;
    let first = rig.until(&order, true, |order| order.state.is_over()).await;
    assert_eq!(first.state, AcmeState::Issued, "{}", first.problem);
    let end = rig.house.directory.credential(first.credential.unwrap()).await.unwrap().certificate.validity().not_after;
    rig.house.clock.set(end.plus_days(-20));
    // The first look after a start is the one for what has time.
    rig.restart().await;
    let since = Instant::now();
    loop {
        let orders = rig.house.directory.acme_orders(Some(&mailbox(ALICE)), 10).await.unwrap();
        if orders.len() == 2 {
            assert_eq!(orders.iter().filter(|order| order.state.is_over()).count(), 1);
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "it was not ordered again: {orders:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
